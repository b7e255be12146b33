"""Photons of muon pairs against formulas, and against Pythia where it is installed.

References
----------
G. Bonneau, F. Martin, Nucl. Phys. B 27 (1971) 381: the photons of the beams.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.constants import ALPHA, M_ELECTRON, M_MUON
from bumphunt.kinematics.momenta import mass_squared
from bumphunt.montecarlo.amplitudes.vacuum_polarisation import vacuum_polarisation
from bumphunt.montecarlo.processes.leptons import mumu
from bumphunt.montecarlo.processes.quarks import pythia
from bumphunt.montecarlo.validation.estimates import bin_means, histogram
from bumphunt.montecarlo.validation.findings import SYMMETRIC, Check, Distribution, Findings, Overlay
from bumphunt.theory.lepton_pairs import born_cross_section
from bumphunt.theory.structure_function import K_FACTOR, radiator_exponent

__all__ = ["photon_spectrum"]

Array = NDArray[np.float64]
SQRT_S = SYMMETRIC.sqrt_s
PB = 1e3
"""fb in a pb."""
FB_IN_MB = 1e12
"""fb in a mb, which Pythia counts in."""

PHOTON_EDGES = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.998])
"""Bins in the energy of the photon, in units of the beam energy."""
SOFT_WINDOW = 0.01
"""Largest energy of the photon from the other beam, in units of the beam energy."""
PYTHIA_LOWEST = 0.3
"""Lowest mass of a muon pair from Pythia [GeV]."""


def photon_spectrum(rng: np.random.Generator, n: int) -> Findings:
    """Return the spectrum of the harder photon of the beams in mumu(gamma), the other being soft.

    The reference is the spectrum of Bonneau and Martin with the Born cross section of what is left, vacuum polarisation
    included, and the exponentiated soft photons of the other beam.
    """
    n = 3 * n
    events = mumu.generate(n, beams=SYMMETRIC, rng=rng)
    x = 2 * events.p4[:, 4:, 0] / SQRT_S
    one = x.min(axis=1) < SOFT_WINDOW
    hardest, weight = x.max(axis=1)[one], events.weight[one]
    s = SYMMETRIC.s
    beta = float(radiator_exponent(s, M_ELECTRON))

    def dressed(v: float) -> float:
        left = s * (1 - v)
        born = float(born_cross_section(left, M_MUON) * vacuum_polarisation(left)) * (1 + 0.75 * ALPHA / np.pi)
        spectrum = ALPHA / np.pi * (2 - 2 * v + v**2) / v * (np.log(s / M_ELECTRON**2) - 1)
        return spectrum * born * (v * SOFT_WINDOW) ** (beta / 2) * (1 + 0.75 * beta) * K_FACTOR

    values, errors = histogram(hardest, weight, PHOTON_EDGES, n)
    reference = bin_means(dressed, PHOTON_EDGES)
    source = "Bonneau, Martin, Nucl. Phys. B 27 (1971) 381, with soft photons"
    checks = []
    for low, high in ((0.05, 0.3), (0.3, 0.7), (0.7, 0.95), (0.95, 0.998)):
        inside = (PHOTON_EDGES[:-1] > low - 1e-9) & (PHOTON_EDGES[1:] < high + 1e-9)
        width = np.diff(PHOTON_EDGES)[inside]
        checks.append(
            Check(
                quantity=f"mumu gamma, photon of a beam with {low:g} to {high:g} of its energy",
                value=float(values[inside] @ width) / PB,
                error=float(np.sqrt(np.sum((errors[inside] * width) ** 2))) / PB,
                unit="pb",
                reference=float(reference[inside] @ width) / PB,
                source=source,
            )
        )
    shape = Distribution(
        name="mumu_photon_spectrum",
        title=r"$e^+e^-\to\mu^+\mu^-\gamma$: harder photon of the beams, the other below 1 %",
        variable=r"$x = 2E^*_\gamma/\sqrt{s}$",
        quantity=r"$\mathrm{d}\sigma/\mathrm{d}x$ [pb]",
        edges=PHOTON_EDGES,
        values=values / PB,
        errors=errors / PB,
        reference=reference / PB,
        source="Bonneau, Martin (1971), soft photons exponentiated",
        logarithmic=True,
    )
    return Findings(checks=tuple(checks), distributions=(shape, _all_photons(rng, n)))


def _all_photons(rng: np.random.Generator, n: int) -> Distribution:
    """Return what photons take away in all, s' against s, beside Pythia where it is installed."""
    edges = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
    events = mumu.generate(n, beams=SYMMETRIC, rng=rng)
    lost = 1 - mass_squared(events.p4[:, :2].sum(axis=1)) / SYMMETRIC.s
    values, errors = histogram(lost, events.weight, edges, n)
    overlays: tuple[Overlay, ...] = ()
    if pythia.is_installed():
        overlays = (_pythia_muons(rng, n // 15, edges),)
    # one photon of beams or muons, times the factor of softer ones
    s, logs = SYMMETRIC.s, [np.log(SYMMETRIC.s / m**2) - 1 for m in (M_ELECTRON, M_MUON)]
    beta = 2 * ALPHA / np.pi * sum(logs)

    def one_photon(v: float) -> float:
        spectrum = ALPHA / np.pi * (2 - 2 * v + v**2) / v * v**beta * (1 + 0.75 * beta)
        left = s * (1 - v)
        before = float(born_cross_section(left, M_MUON) * vacuum_polarisation(left)) * logs[0]
        after = float(born_cross_section(s, M_MUON) * vacuum_polarisation(s)) * (logs[1] + np.log1p(-v))
        return spectrum * (before + after)

    return Distribution(
        name="mumu_lost_mass",
        title=r"$e^+e^-\to\mu^+\mu^-(\gamma)$: what all photons take away",
        variable=r"$1 - M^2_{\mu\mu}/s$",
        quantity=r"$\mathrm{d}\sigma/\mathrm{d}(1 - M^2_{\mu\mu}/s)$ [pb]",
        edges=edges,
        values=values / PB,
        errors=errors / PB,
        reference=bin_means(one_photon, edges) / PB,
        source="Bonneau, Martin (1971) and its like for muons, exponentiated",
        logarithmic=True,
        overlays=overlays,
    )


def _pythia_muons(rng: np.random.Generator, n: int, edges: Array) -> Overlay:
    """Return the same spectrum by Pythia."""
    generator = pythia.generator(13, beams=SYMMETRIC, lowest_mass=PYTHIA_LOWEST, seed=1 + int(rng.integers(10**8)))
    lost = np.zeros(n)
    for i in range(n):
        generator.next()
        muons = [(p.e(), p.px(), p.py(), p.pz()) for p in generator.event if p.isFinal() and abs(p.id()) == 13]
        total = np.sum(muons, axis=0)
        lost[i] = 1 - float(mass_squared(total)) / SYMMETRIC.s
    sigma = generator.infoPython().sigmaGen() * FB_IN_MB
    values, errors = histogram(lost, np.full(n, sigma), edges, n)
    return Overlay(label="Pythia 8.3", values=values / PB, errors=errors / PB)
