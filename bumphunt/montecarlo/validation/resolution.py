"""Resolutions of the detectors against published ones: recoil mass, dilepton mass, single photons."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bumphunt.constants import M_MUON
from bumphunt.kinematics.beam_fit import beam_constrained
from bumphunt.kinematics.momenta import (
    BEAMS,
    Beams,
    four_momentum,
    mass_squared,
    polar_angle,
    recoil_mass_squared,
    to_centre_of_mass,
)
from bumphunt.montecarlo.detector.candidates import CANDIDATES
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.detector.presets import BABAR, BELLE2
from bumphunt.montecarlo.detector.reconstruction import reconstruct
from bumphunt.montecarlo.detector.response import photon_variances, track_variances
from bumphunt.montecarlo.processes.signals import mumu_zprime, photon_dark_photon
from bumphunt.montecarlo.validation.estimates import half_width
from bumphunt.montecarlo.validation.findings import BELLE2_BEAMS, Check, Distribution, Findings

__all__ = ["dimuon_resolution", "recoil_resolution", "single_photon_resolution"]

Array = NDArray[np.float64]

PUNZI_NET = {1.0: 0.287493, 2.0: 0.31112, 3.0: 0.270783, 4.0: 0.262165, 5.0: 0.243127, 6.0: 0.195867,
             7.0: 0.158242, 8.0: 0.0962218}  # fmt: skip
"""Width of M_rec^2 [GeV^2] by mass [GeV], Belle II simulation of mumu Z': example of arXiv:2110.00810."""
BABAR_STEP = {0.5: 0.53e-3, 1.0: 0.92e-3, 2.0: 1.5e-3, 3.0: 2.0e-3, 5.0: 2.6e-3, 7.0: 3.0e-3, 9.0: 3.2e-3}
"""Step of BaBar's dilepton scan [GeV] by mass [GeV], half of the resolution: arXiv:1406.2980."""
BABAR_SINGLE_PHOTON = 1.5
"""sigma(M_X^2) of BaBar's single photons near 0 [GeV^2]: arXiv:1702.03327."""
SMALLEST_PHOTON = 0.5
"""Least energy of the photon of an event, above beam background [GeV]."""
CENTRAL = 0.4
"""Largest |cos theta*| of single photons in the middle of the barrel."""


def _by_mass(widths: dict[float, tuple[float, float]], reference: dict[float, float], quantity: str, unit: str,
             shape: Callable[..., Distribution], source: str) -> Findings:  # fmt: skip
    """Return resolutions at masses [GeV]: each beside its reference, and all as a distribution with one mass a bin.

    `quantity` has braces for the mass, `shape` makes the distribution from its arrays.
    """
    masses = np.array(list(reference))
    middle = (masses[1:] + masses[:-1]) / 2
    values, errors = np.array([widths[mass] for mass in reference]).T
    checks = tuple(
        Check(
            quantity=quantity.format(f"{mass:g}"),
            value=value,
            error=error,
            unit=unit,
            reference=reference[mass],
            source=source,
        )
        for mass, (value, error) in widths.items()
    )
    figure = shape(
        edges=np.concatenate([[2 * masses[0] - middle[0]], middle, [2 * masses[-1] - middle[-1]]]),
        points=masses,
        values=values,
        errors=errors,
        reference=np.array(list(reference.values())),
        source=source,
    )
    return Findings(checks=checks, distributions=(figure,))


def recoil_resolution(rng: np.random.Generator, n: int) -> Findings:
    """Return the resolution of M_rec^2 of mumu Z' in Belle II, by mass."""
    widths = {}
    for mass in PUNZI_NET:
        events = mumu_zprime.generate(n // 2, beams=BELLE2_BEAMS, rng=rng, mass=mass, coupling=0.1)
        rows = reconstruct(events, BELLE2, rng=rng)
        pair = np.zeros((rows["__weight__"].size, 4))
        for i in (0, 1):
            p, theta, phi = (rows[f"daughter({i}, {name})"] for name in ("p", "theta", "phi"))
            pair += four_momentum(p, theta, phi, M_MUON)
        muons = np.sum(events.p4, axis=1, where=(np.abs(events.pdgid) == 13)[..., np.newaxis])
        # nominal beams against those of the event: all but the tail from radiation
        true = mass_squared(events.beams_p4 - muons)[rows["__event__"] // 2]
        triggered = rows["L1PSNM(ffo)"] == 1
        widths[mass] = half_width(
            (recoil_mass_squared(pair, BELLE2_BEAMS) - true)[triggered], rows["__weight__"][triggered]
        )
    shape = partial(
        Distribution,
        name="recoil_resolution",
        title="Belle II: resolution of the recoil mass squared",
        variable=r"$m_{Z'}$ [GeV]",
        quantity=r"$\sigma(M^2_\mathrm{recoil})$ [GeV$^2$]",
    )
    quantity = "Belle II: sigma(M_rec^2) of mumu Z' at {} GeV"
    source = "Belle II simulation, arXiv:2110.00810 (example)"
    return _by_mass(widths, PUNZI_NET, quantity, "GeV^2", shape, source)


def _photon_and_muons(
    mass: float, detector: Detector, beams: Beams, n: int, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Return measured momenta, polar angles and azimuths of two muons and a photon (N, 9), variances, and weights."""
    events = photon_dark_photon.generate(n, beams=beams, rng=rng, mass=mass, final_state="mumu", radiation=False)
    rows = reconstruct(events, detector, candidate=CANDIDATES["photon_dimuon"], rng=rng)
    rows = {name: values[rows["daughter(2, E)"] > SMALLEST_PHOTON] for name, values in rows.items()}
    names = [f"daughter({i}, {q})" for i, e in ((0, "p"), (1, "p"), (2, "E")) for q in (e, "theta", "phi")]
    measured = np.stack([rows[name] for name in names], axis=1).astype(np.float64)
    leptons = [track_variances(measured[:, k], measured[:, k + 1], M_MUON, detector) for k in (0, 3)]
    variance = [*leptons, photon_variances(measured[:, 6], measured[:, 7], detector)]
    return measured, np.concatenate(variance, axis=1), rows["__weight__"]


def dimuon_resolution(rng: np.random.Generator, n: int) -> Findings:
    """Return BaBar's dimuon mass resolution in gamma A' -> mumu after a fit to the beams, by mass."""
    beams = BEAMS["babar"]
    widths = {}
    reference = {mass: 2e3 * step for mass, step in BABAR_STEP.items()}
    for mass in reference:
        measured, variance, weight = _photon_and_muons(mass, BABAR, beams, max(n // 8, 1000), rng)
        fitted = beam_constrained(measured, variance, (M_MUON, M_MUON, 0.0), beams).values
        first, second = (four_momentum(fitted[:, i], fitted[:, i + 1], fitted[:, i + 2], M_MUON) for i in (0, 3))
        width, error = half_width(np.sqrt(mass_squared(first + second)), weight)
        widths[mass] = (1e3 * width, 1e3 * error)
    shape = partial(
        Distribution,
        name="dimuon_resolution",
        title="BaBar: resolution of the dimuon mass after a fit to the beams",
        variable=r"$m_{A'}$ [GeV]",
        quantity=r"$\sigma(M_{\mu\mu})$ [MeV]",
    )
    quantity = "BaBar: sigma(M_mumu) of gamma A' at {} GeV, fitted to the beams"
    return _by_mass(widths, reference, quantity, "MeV", shape, "BaBar, arXiv:1406.2980: twice the step of the scan")


def single_photon_resolution(rng: np.random.Generator, n: int) -> Findings:
    """Return BaBar's resolution of M_X^2 from a single photon in the middle of the barrel, at low mass."""
    beams = BEAMS["babar"]
    events = photon_dark_photon.generate(n, beams=beams, rng=rng, mass=0.1, final_state="invisible", radiation=False)
    rows = reconstruct(events, BABAR, candidate=CANDIDATES["photon"], rng=rng)
    energy, theta, phi = (rows[f"daughter(0, {q})"].astype(np.float64) for q in ("E", "theta", "phi"))
    photon = four_momentum(energy, theta, phi, 0.0)
    at_rest = to_centre_of_mass(photon, beams)
    chosen = (np.abs(np.cos(polar_angle(at_rest))) < CENTRAL) & (at_rest[:, 0] > SMALLEST_PHOTON)
    width, error = half_width(recoil_mass_squared(photon, beams)[chosen], rows["__weight__"][chosen])
    return Findings(
        checks=(
            Check(
                quantity="BaBar: sigma(M_X^2) of single photons at 0.1 GeV, |cos| < 0.4",
                value=width,
                error=error,
                unit="GeV^2",
                reference=BABAR_SINGLE_PHOTON,
                source="BaBar, arXiv:1702.03327",
            ),
        )
    )
