"""Muons from tau pairs against formulas.

References
----------
L. Michel, Proc. Phys. Soc. A 63 (1950) 514: the muons of taus.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate

from bumphunt.constants import M_MUON, M_TAU
from bumphunt.kinematics.momenta import boost, mass_squared, to_centre_of_mass
from bumphunt.montecarlo.processes.taus import tautau
from bumphunt.montecarlo.validation.estimates import histogram, weighted_mean
from bumphunt.montecarlo.validation.findings import BELLE2_BEAMS, Check, Distribution, Findings

__all__ = ["boosted_michel", "tau_spectra"]

Array = NDArray[np.float64]

MUON_FRACTION = 0.1739
"""B(tau -> mu nu nu), Review of Particle Physics 2024."""


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
    values, errors = histogram(at_rest[hard].ravel(), np.repeat(weight[hard], 2) / weight[hard].sum() / 2, edges, 1)
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
