"""The Monte Carlo against what is known: published cross sections, formulas, resolutions of experiments.

A study generates events and returns `Findings`: numbers beside their references, and distributions beside the curves
they should follow. ``bumphunt simulate --validate`` runs all of them and writes a page.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bumphunt.errors import InputError, unknown_name
from bumphunt.montecarlo.validation import angles, photons, rates, resolution, taus
from bumphunt.montecarlo.validation.findings import Findings

__all__ = ["EVENTS", "STUDIES", "run_study"]

EVENTS = 250_000
"""Events of a sample of a study that has good statistics; some take more or fewer."""

STUDIES: dict[str, Callable[[np.random.Generator, int], Findings]] = {
    "pairs": rates.pairs,
    "photons": rates.photons,
    "two_photon": rates.two_photon,
    "resonances": rates.resonances,
    "quarks": rates.quarks,
    "signals": rates.signal_rates,
    "photon_spectrum": photons.photon_spectrum,
    "angles": angles.angles,
    "signal_angles": angles.signal_angles,
    "tau_spectra": taus.tau_spectra,
    "recoil_resolution": resolution.recoil_resolution,
    "dimuon_resolution": resolution.dimuon_resolution,
    "single_photon_resolution": resolution.single_photon_resolution,
}
"""The studies by name: functions of a source of randomness and a number of events."""


def run_study(name: str, *, seed: int, events: int = EVENTS) -> Findings:
    """Return what a study finds; each has random numbers of its own, so the order of the studies says nothing.

    Parameters
    ----------
    name
        A key of `STUDIES`.
    seed
        Seed of all studies.
    events
        Events of a sample.

    Raises
    ------
    InputError
        If there is no such study, or fewer than 1000 events are asked for.
    """
    if name not in STUDIES:
        raise InputError(unknown_name("study", name, STUDIES))
    if events < 1000:
        msg = f"events = {events}; a study needs at least 1000"
        raise InputError(msg)
    rng = np.random.default_rng([seed, list(STUDIES).index(name)])
    return STUDIES[name](rng, events)
