"""Spectra and angles against formulas: photons of muon pairs, production angles, muons from taus.

References
----------
G. Bonneau, F. Martin, Nucl. Phys. B 27 (1971) 381: the photons of the beams.
L. Michel, Proc. Phys. Soc. A 63 (1950) 514: the muons of taus.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate

from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON, M_MUON, M_TAU
from bumphunt.kinematics.momenta import boost, mass_squared, to_centre_of_mass
from bumphunt.montecarlo.amplitudes.vacuum_polarisation import vacuum_polarisation
from bumphunt.montecarlo.processes.leptons import bhabha, mumu
from bumphunt.montecarlo.processes.photons import diphoton
from bumphunt.montecarlo.processes.quarks import pythia
from bumphunt.montecarlo.processes.signals import dark_higgsstrahlung, photon_alp, photon_dark_photon
from bumphunt.montecarlo.processes.taus import tautau
from bumphunt.montecarlo.radiation.soft_photons import bhabha_factor, diphoton_factor, pair_exponent
from bumphunt.montecarlo.validation.findings import (
    BELLE2_BEAMS,
    SYMMETRIC,
    Check,
    Distribution,
    Findings,
    Overlay,
    weighted_mean,
)
from bumphunt.theory import dark_higgs, dark_photon
from bumphunt.theory.lepton_pairs import born_cross_section
from bumphunt.theory.structure_function import K_FACTOR, radiator_exponent

__all__ = ["angles", "photon_spectrum", "signal_angles", "tau_spectra"]

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
MUON_FRACTION = 0.1739
"""B(tau -> mu nu nu), Review of Particle Physics 2024."""
PYTHIA_LOWEST = 0.3
"""Lowest mass of a muon pair from Pythia [GeV]."""


def _histogram(values: Array, weight: Array, edges: Array, n: int) -> tuple[Array, Array]:
    """Return the mean weight in bins, over their widths, and its uncertainty, for `n` generated events."""
    width = np.diff(edges)
    total = np.histogram(values, edges, weights=weight)[0]
    square = np.histogram(values, edges, weights=weight**2)[0]
    return total / n / width, np.sqrt(square) / n / width


def _integrals(density: Callable[[float], float], edges: Array) -> Array:
    """Return the mean of a density in each bin."""
    return np.array([integrate.quad(density, a, b, limit=200)[0] / (b - a) for a, b in itertools.pairwise(edges)])


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

    values, errors = _histogram(hardest, weight, PHOTON_EDGES, n)
    reference = _integrals(dressed, PHOTON_EDGES)
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
    values, errors = _histogram(lost, events.weight, edges, n)
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
        reference=_integrals(one_photon, edges) / PB,
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
    values, errors = _histogram(lost, np.full(n, sigma), edges, n)
    return Overlay(label="Pythia 8.3", values=values / PB, errors=errors / PB)


def _angle(
    name: str, title: str, cos: Array, weight: Array, n: int, law: Callable[[float], float], source: str, most: float
) -> Findings:
    """Return an angular distribution against its law [fb], and the share of it in the middle half of the range."""
    edges = np.linspace(-most, most, 21)
    values, errors = _histogram(cos, weight, edges, n)
    reference = _integrals(law, edges)
    middle = np.abs(edges[:-1] + edges[1:]) / 2 < most / 2
    inside = np.abs(cos) < most
    share, error = weighted_mean(np.abs(cos[inside]) < most / 2, weight[inside])
    return Findings(
        checks=(
            Check(
                quantity=f"{name}: rate in |cos| < {most / 2:.3g} over |cos| < {most:.3g}",
                value=share,
                error=error,
                unit="",
                reference=float(reference[middle].sum() / reference.sum()),
                source=source,
            ),
        ),
        distributions=(
            Distribution(
                name=f"angle_{name}",
                title=title,
                variable=r"$\cos\theta^*$",
                quantity=r"$\mathrm{d}\sigma/\mathrm{d}\cos\theta^*$ [fb]",
                edges=edges,
                values=values,
                errors=errors,
                reference=reference,
                source=source,
                logarithmic=bool(reference.max() > 15 * reference.min()),
            ),
        ),
    )


def _cosine(p4: Array) -> Array:
    """Return cosines of polar angles, shape (N,), beams along z."""
    return np.asarray(p4[:, 3] / np.linalg.norm(p4[:, 1:], axis=1))


def _dark_photon_angle(cos: float, *, mass: float) -> float:
    """Return dsigma/dcos of gamma A' at epsilon = 1e-3 [fb]."""
    return float(dark_photon.differential_cross_section(cos, mass, coupling=1e-3, sqrt_s=SQRT_S))


def signal_angles(rng: np.random.Generator, n: int) -> Findings:
    """Return the production angles of gamma A', gamma a and A' h' at tree level."""
    found = []
    for mass in (1.0, 8.0):
        events = photon_dark_photon.generate(
            n, beams=SYMMETRIC, rng=rng, mass=mass, final_state="invisible", radiation=False
        )
        found.append(
            _angle(
                f"aprime_{mass:g}GeV",
                rf"$e^+e^-\to\gamma A'$, $m = {mass:g}$ GeV, $\varepsilon = 10^{{-3}}$, tree level",
                _cosine(events.p4[:, 1:].sum(axis=1)),
                events.weight,
                n,
                partial(_dark_photon_angle, mass=mass),
                "Essig, Schuster, Toro, arXiv:0903.3941",
                0.95,
            )
        )
    events = photon_alp.generate(n, beams=SYMMETRIC, rng=rng, mass=3.0, final_state="invisible", radiation=False)
    x = 9.0 / SYMMETRIC.s
    sigma = ALPHA * 1e-6 / 24 * (1 - x) ** 3 * GEV2_TO_FB
    found.append(
        _angle(
            "alp_3GeV",
            r"$e^+e^-\to\gamma a$, $m = 3$ GeV, $g = 10^{-3}$ GeV$^{-1}$, tree level",
            _cosine(events.p4[:, 0]),
            events.weight,
            n,
            lambda c: 3 / 8 * sigma * (1 + c * c),
            "Dolan et al., arXiv:1709.00009",
            1.0,
        )
    )
    events = dark_higgsstrahlung.generate(n, beams=SYMMETRIC, rng=rng, mass=4.0, higgs_mass=1.0, radiation=False)
    found.append(
        _angle(
            "darkhiggs_4GeV",
            r"$e^+e^-\to A'h'$, $m_{A'} = 4$, $m_{h'} = 1$ GeV, $\varepsilon^2\alpha_D = 10^{-7}$, tree level",
            _cosine(events.p4[:, :4].sum(axis=1)),
            events.weight,
            n,
            lambda c: float(dark_higgs.differential_cross_section(c, 4.0, 1.0, coupling=1e-7, sqrt_s=SQRT_S)),
            "Batell, Pospelov, Ritz, arXiv:0903.0363",
            1.0,
        )
    )
    return Findings.joined(found)


def angles(rng: np.random.Generator, n: int) -> Findings:
    """Return the angles of Bhabha scattering and of photon pairs, without photons above 1 % of the beam energy."""
    s = SYMMETRIC.s
    electrons = bhabha.generate(n, beams=SYMMETRIC, rng=rng)
    none = electrons.pdgid[:, 2] == 0

    def scattered(c: float) -> float:
        t = s * (1 - c) / 2
        exponent = 4 * ALPHA / np.pi * (np.log(s * t / ((s - t) * M_ELECTRON**2)) - 1)
        factor = bhabha_factor(bhabha.LOWEST_PHOTON, exponent)
        return float(bhabha.born_cross_section(s, 1 - c) * factor * GEV2_TO_FB)

    two = diphoton.generate(n, beams=SYMMETRIC, rng=rng)
    pair = two.pdgid[:, 2] == 0
    exponent = pair_exponent(s / 2 - M_ELECTRON**2)

    def annihilated(c: float) -> float:
        # of cos > 0 all, so half of it on either side
        factor = diphoton_factor(diphoton.LOWEST_PHOTON, exponent, (1 - c) / 2)
        return float(diphoton.born_cross_section(s, c) * factor * GEV2_TO_FB) / 2

    signs = rng.choice([-1.0, 1.0], n)  # which of the two photons is looked at
    most = float(np.cos(np.radians(10.0)))
    return Findings.joined(
        (
            _angle(
                "bhabha",
                r"$e^+e^-\to e^+e^-$ without a photon above 1 % of the beam energy",
                _cosine(electrons.p4[none, 0]),
                electrons.weight[none],
                n,
                scattered,
                "Bhabha (1936), running alpha, soft photons exponentiated",
                most,
            ),
            _angle(
                "diphoton",
                r"$e^+e^-\to\gamma\gamma$ without a third photon above 1 % of the beam energy",
                (signs * _cosine(two.p4[:, 0]))[pair],
                two.weight[pair],
                n,
                annihilated,
                "Dirac (1930), soft photons exponentiated",
                most,
            ),
        )
    )


def _michel(e: float) -> float:
    """Return the spectrum of the energy of muons from unpolarised taus at rest [GeV], not normalised."""
    top = (M_TAU**2 + M_MUON**2) / (2 * M_TAU)
    return float(np.sqrt(e**2 - M_MUON**2) * (e * (top - e) + (4 * e**2 - 3 * top * e - M_MUON**2) / 6))


def boosted_michel(x: ArrayLike, gamma: float) -> Array:
    """Return the density of x = E / E_tau of muons from unpolarised taus with the boost `gamma`, shape of `x`.

    A muon of energy e and momentum p at rest is spread evenly over gamma (e -+ beta p).

    Examples
    --------
    >>> grid = np.linspace(0.0, 1.0, 2001)
    >>> round(float(np.trapezoid(boosted_michel(grid, 2.98), grid)), 3)
    1.0
    """
    nodes, w = np.polynomial.legendre.leggauss(400)
    top = (M_TAU**2 + M_MUON**2) / (2 * M_TAU)
    e = M_MUON + (top - M_MUON) * (nodes + 1) / 2
    rate = w * np.array([_michel(energy) for energy in e])
    spread = np.sqrt(1 - 1 / gamma**2) * np.sqrt(e**2 - M_MUON**2) / M_TAU  # of x, either way
    inside = np.abs(np.asarray(x)[..., np.newaxis] - e / M_TAU) < spread
    return np.asarray(np.sum(inside * rate / (2 * spread), axis=-1) / rate.sum())


def tau_spectra(rng: np.random.Generator, n: int) -> Findings:
    """Return the energies of muons from tau pairs, their means and their correlation."""
    n = 2 * n
    events = tautau.generate(n, beams=BELLE2_BEAMS, rng=rng)
    chosen = (events.pdgid[:, 2] == 13) & (events.pdgid[:, 8] == -13) & (events.weight > 0)
    p4, weight = events.p4[chosen], events.weight[chosen]
    muons = p4[:, [2, 8]]
    pair = p4[:, 2:14].sum(axis=1)
    mass = np.sqrt(mass_squared(pair))
    at_rest = boost(muons, -(pair[:, 1:] / pair[:, :1])[:, np.newaxis])[..., 0] / (mass / 2)[:, np.newaxis]
    x = to_centre_of_mass(muons, BELLE2_BEAMS)[..., 0] / (BELLE2_BEAMS.sqrt_s / 2)
    hard = mass > 9.0
    mean, error = weighted_mean(x[hard].mean(axis=1), weight[hard])
    covariance = np.cov(x.T, aweights=weight)
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    effective = weight.sum() ** 2 / (weight @ weight)
    top = (M_TAU**2 + M_MUON**2) / (2 * M_TAU)
    norm = integrate.quad(_michel, M_MUON, top)[0]
    expected = integrate.quad(lambda e: e * _michel(e), M_MUON, top)[0] / norm / M_TAU
    in_pair, in_pair_error = weighted_mean(at_rest.mean(axis=1), weight)
    both, both_error = weighted_mean(chosen, events.weight)
    edges = np.linspace(0.05, 0.95, 19)
    values, errors = _histogram(at_rest[hard].ravel(), np.repeat(weight[hard], 2) / weight[hard].sum() / 2, edges, 1)
    gamma = float(np.average(mass[hard], weights=weight[hard])) / (2 * M_TAU)
    fine = np.linspace(edges[0], edges[-1], 20 * (edges.size - 1) + 1)
    density = boosted_michel((fine[1:] + fine[:-1]) / 2, gamma).reshape(-1, 20).mean(axis=1)
    simulation = "full simulation of tau pairs at 10.58 GeV"
    return Findings(
        checks=(
            Check(quantity="tautau: <x_mu>, x = 2 E*/sqrt(s), M(tautau) > 9 GeV", value=mean, error=error, unit="",
                  reference=0.348, source=simulation),
            Check(quantity="tautau: correlation of x of mu+ and mu-", value=float(correlation),
                  error=float(1 / np.sqrt(effective)), unit="", reference=0.054, source=simulation),
            Check(quantity="tautau: <2 E_mu / M> in the frame of the pair", value=in_pair, error=in_pair_error, unit="",
                  reference=expected, source="Michel spectrum with masses"),
            Check(quantity="tautau: share of mu mu", value=both, error=both_error, unit="", reference=MUON_FRACTION**2,
                  source="PDG, B(tau -> mu nu nu)^2"),
        ),
        distributions=(
            Distribution(
                name="tau_muon_spectrum",
                title=r"$\tau\to\mu\nu\bar\nu$: energy of the muon in the rest frame of pairs above 9 GeV",
                variable=r"$2E_\mu/M_{\tau\tau}$",
                quantity="density",
                edges=edges,
                values=values,
                errors=errors,
                reference=density,
                source="Michel (1950) with masses, boosted",
            ),
        ),
    )  # fmt: skip
