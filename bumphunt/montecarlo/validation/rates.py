"""Cross sections of every process against published ones, and against formulas.

Published are those of the table that the experiments quote for sqrt(s) = 10.58 GeV; the beams are Belle II's. Formulas
are those of `bumphunt.theory`, with the radiation of the beams where the generator has it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bumphunt.constants import GEV2_TO_FB
from bumphunt.kinematics.momenta import momentum, polar_angle, to_centre_of_mass
from bumphunt.montecarlo.events import Events
from bumphunt.montecarlo.processes.leptons import bhabha, mumu, two_photon_pairs
from bumphunt.montecarlo.processes.photons import diphoton
from bumphunt.montecarlo.processes.quarks import pythia
from bumphunt.montecarlo.processes.registry import find_process
from bumphunt.montecarlo.processes.resonances import isr_resonances
from bumphunt.montecarlo.processes.signals import photon_dark_photon
from bumphunt.montecarlo.processes.taus import tautau
from bumphunt.montecarlo.validation.estimates import mean_weight
from bumphunt.montecarlo.validation.findings import BELLE2_BEAMS, SYMMETRIC, Check, Findings
from bumphunt.theory import alp, dark_higgs, dark_photon, zprime
from bumphunt.theory.radiator import radiator

__all__ = ["pairs", "photons", "quarks", "resonances", "signal_rates", "two_photon"]

Array = NDArray[np.float64]
TABLE = "arXiv:1808.10567, table of cross sections"
NB = 1e6
"""fb in a nb."""
MB = 1e6
"""nb in a mb, which Pythia counts in."""
TREE_TABLE = {1.0: 4840.0, 3.0: 5575.0, 5.0: 7638.0, 8.0: 20340.0}
"""sigma(e+e- -> gamma A') / eps^2 with |cos| < 0.9 [pb], by mass [GeV]: quadrature of the formula of Essig et al."""
SIGNALS: tuple[tuple[str, dict[str, float]], ...] = (
    ("zprime", {"mass": 2.0}),
    ("zprime", {"mass": 6.0}),
    *((f"aprime_{state}", {"mass": 5.0}) for state in photon_dark_photon.FINAL_STATES),
    ("alp_diphoton", {"mass": 3.0}),
    ("alp_invisible", {"mass": 8.0}),
    ("darkhiggs_mumu", {"mass": 6.0, "higgs_mass": 1.0}),
    ("darkhiggs_ee", {"mass": 8.0, "higgs_mass": 1.0}),
)
"""Processes and parameters; couplings are the defaults."""


def _theory(name: str, parameters: Mapping[str, float], coupling: float) -> tuple[float, str]:
    """Return the cross section of a signal [fb] after radiation, and where it comes from."""
    mass, model, sqrt_s = parameters["mass"], name.split("_")[0], BELLE2_BEAMS.sqrt_s
    if model == "zprime":
        sigma, source = (
            zprime.cross_section([mass], coupling=coupling, sqrt_s=sqrt_s),
            "tree level by quadrature, arXiv:1403.2727",
        )
    elif model == "aprime":
        sigma, source = dark_photon.cross_section([mass], coupling=coupling, sqrt_s=sqrt_s), "arXiv:0903.3941"
    elif model == "alp":
        sigma, source = alp.cross_section([mass], coupling=coupling, sqrt_s=sqrt_s), "arXiv:1709.00009"
    else:
        sigma, source = (
            dark_higgs.cross_section(mass, parameters["higgs_mass"], coupling=coupling, sqrt_s=sqrt_s),
            "arXiv:0903.0363",
        )
    return float(np.ravel(sigma)[0]), f"{source}, with the radiator of the beams"


def _rate(quantity: str, weight: Array, reference: float, source: str = TABLE) -> Check:
    """Return a cross section in nb beside a published one, from weights that are 0 where a cut fails."""
    value, error = mean_weight(weight)
    return Check(quantity=quantity, value=value / NB, error=error / NB, unit="nb", reference=reference, source=source)


def _in_degrees(p4: Array, low: float, high: float) -> NDArray[np.bool_]:
    """Return which momenta are between two polar angles of the laboratory."""
    theta = np.degrees(polar_angle(p4))
    return np.asarray((theta > low) & (theta < high))


def pairs(rng: np.random.Generator, n: int) -> Findings:
    """Return the cross sections of muon and tau pairs, with the muons seen, and with photons as well."""
    events = mumu.generate(2 * n, beams=BELLE2_BEAMS, rng=rng)
    muons, weight = events.p4[:, :2], events.weight
    seen = np.all(_in_degrees(muons, 17, 150) & (momentum(muons) > 0.5), axis=1)
    radiated = to_centre_of_mass(events.p4[:, 2:], BELLE2_BEAMS)[..., 0].sum(axis=1) > 0.5
    taus = tautau.generate(n, beams=BELLE2_BEAMS, rng=rng)
    return Findings(
        checks=(
            _rate("mumu(gamma)", weight, 1.148),
            _rate("mumu(gamma), muons above 0.5 GeV in 17 to 150 deg", weight * seen, 0.831),
            _rate("mumu(gamma), and photons of 0.5 GeV", weight * (seen & radiated), 0.242),
            _rate("tautau(gamma)", taus.weight, 0.919),
        )
    )


def photons(rng: np.random.Generator, n: int) -> Findings:
    """Return the cross sections of Bhabha scattering and photon pairs, with photons seen as well."""
    electrons = bhabha.generate(n, beams=BELLE2_BEAMS, rng=rng)
    events = diphoton.generate(n, beams=BELLE2_BEAMS, rng=rng)
    seen = np.sum(_in_degrees(events.p4, 12.4, 155.1) & (events.p4[..., 0] > 0.5), axis=1) >= 2
    return Findings(
        checks=(
            _rate("ee(gamma), 10 to 170 deg, E* > 0.15 GeV", electrons.weight, 300.0),
            _rate("gamma gamma(gamma), 10 to 170 deg, E* > 0.15 GeV", events.weight, 4.99),
            _rate("gamma gamma(gamma), two above 0.5 GeV in 12.4 to 155.1 deg", events.weight * seen, 3.30),
        )
    )


def two_photon(rng: np.random.Generator, n: int) -> Findings:
    """Return the cross sections of lepton pairs from two photons."""
    muons, electrons = (
        two_photon_pairs.generate(n, beams=BELLE2_BEAMS, rng=rng, lepton=lepton, multiperipheral_only=False)
        for lepton in (13, 11)
    )
    return Findings(
        checks=(
            _rate("eemumu, W > 0.5 GeV", muons.weight, 18.9),
            _rate("eeee, W > 0.5 GeV", electrons.weight, 39.7),
        )
    )


def resonances(rng: np.random.Generator, n: int) -> Findings:
    """Return the cross sections of narrow mesons by radiative return against the narrow-width formula."""
    checks = []
    for name in ("phi", "jpsi", "upsilon1s"):
        meson, s = isr_resonances.RESONANCES[name], SYMMETRIC.s
        events = isr_resonances.generate(n // 2, beams=SYMMETRIC, rng=rng, meson=name)
        value, error = mean_weight(events.weight)
        lost = 1 - meson.mass**2 / s
        peak = 12 * np.pi**2 * meson.electron_width * meson.branching[13] / meson.mass * GEV2_TO_FB
        inside = 2 / np.pi * np.arctan(2 * isr_resonances.HALF_WINDOW / meson.width)  # of a Breit-Wigner
        checks.append(
            Check(
                quantity=f"gamma {name}, {name} -> mumu, within 0.1 GeV of the mass",
                value=value,
                error=error,
                unit="fb",
                reference=float(peak * inside * radiator(np.array([lost]), s)[0] / s),
                source="12 pi^2 Gamma_ee B / m by the radiator of the beams, PDG 2024 widths",
            )
        )
    return Findings(checks=tuple(checks))


def signal_rates(rng: np.random.Generator, n: int) -> Findings:
    """Return the cross sections of the signals against their formulas."""
    checks = []
    for name, parameters in SIGNALS:
        process = find_process(name)
        complete = process.complete(parameters, BELLE2_BEAMS)
        value, error = mean_weight(process.generate(n // 2, beams=BELLE2_BEAMS, rng=rng, **complete).weight)
        reference, source = _theory(name, parameters, float(complete["coupling"]))
        checks.append(
            Check(
                quantity=f"{name}, {', '.join(f'{key} {number:g} GeV' for key, number in parameters.items())}",
                value=value,
                error=error,
                unit="fb",
                reference=reference,
                source=source,
            )
        )
    return Findings(checks=(*checks, *(_tree(mass, rng, n) for mass in TREE_TABLE)))


def _tree(mass: float, rng: np.random.Generator, n: int) -> Check:
    """Return the tree-level rate of gamma A' with the photon away from the beams."""
    events: Events = photon_dark_photon.generate(
        n, beams=SYMMETRIC, rng=rng, mass=mass, coupling=1.0, final_state="invisible", radiation=False
    )
    photon = events.p4[:, 1:].sum(axis=1)
    value, error = mean_weight(events.weight * (np.abs(photon[:, 3]) < 0.9 * photon[:, 0]))
    return Check(
        quantity=f"gamma A', tree level, |cos| < 0.9, mass {mass:g} GeV, over eps^2",
        value=value / 1e3,
        error=error / 1e3,
        unit="pb",
        reference=TREE_TABLE[mass],
        source="formula of arXiv:0903.3941, integrated",
    )


def quarks(rng: np.random.Generator, n: int) -> Findings:
    """Return Pythia's own cross sections of quark pairs, at leading order; nothing where it is not installed."""
    if not pythia.is_installed():
        return Findings()
    checks = []
    for flavour, pdgid in pythia.FLAVOURS.items():
        seed = 1 + int(rng.integers(10**8))
        generator = pythia.generator(pdgid, beams=BELLE2_BEAMS, lowest_mass=pythia.LOWEST_MASS[flavour], seed=seed)
        for _ in range(max(n // 100, 100)):
            generator.next()
        info = generator.infoPython()
        checks.append(
            Check(
                quantity=f"{flavour}{flavour}bar by Pythia, before it is scaled to the table",
                value=info.sigmaGen() * MB,
                error=info.sigmaErr() * MB,
                unit="nb",
                reference=pythia.CROSS_SECTIONS[flavour] / NB,
                source=TABLE,
            )
        )
    return Findings(checks=tuple(checks))
