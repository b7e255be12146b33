"""The Monte Carlo against what is known: published cross sections, formulas, resolutions of experiments.

A study generates events and returns `Findings`: numbers beside their references, and distributions beside the curves
they should follow. ``bumphunt simulate --validate`` runs all of them and writes a page.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bumphunt.errors import InputError, unknown_name
from bumphunt.montecarlo.validation import rates as validation_rates
from bumphunt.montecarlo.validation import resolution as validation_resolution
from bumphunt.montecarlo.validation import spectra as validation_shapes
from bumphunt.montecarlo.validation.findings import Findings

__all__ = ["EVENTS", "STUDIES", "run_study"]

EVENTS = 250_000
"""Events of a sample of a study that has good statistics; some take more or fewer."""

STUDIES: dict[str, Callable[[np.random.Generator, int], Findings]] = {
    "pairs": validation_rates.pairs,
    "photons": validation_rates.photons,
    "two_photon": validation_rates.two_photon,
    "resonances": validation_rates.resonances,
    "quarks": validation_rates.quarks,
    "signals": validation_rates.signal_rates,
    "photon_spectrum": validation_shapes.photon_spectrum,
    "angles": validation_shapes.angles,
    "signal_angles": validation_shapes.signal_angles,
    "tau_spectra": validation_shapes.tau_spectra,
    "recoil_resolution": validation_resolution.recoil_resolution,
    "dimuon_resolution": validation_resolution.dimuon_resolution,
    "single_photon_resolution": validation_resolution.single_photon_resolution,
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
