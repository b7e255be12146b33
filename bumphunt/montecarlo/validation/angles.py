"""Production angles against formulas: Bhabha scattering, photon pairs, and signals at tree level."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON
from bumphunt.montecarlo.processes.leptons import bhabha
from bumphunt.montecarlo.processes.photons import diphoton
from bumphunt.montecarlo.processes.signals import dark_higgsstrahlung, photon_alp, photon_dark_photon
from bumphunt.montecarlo.radiation.soft_photons import bhabha_factor, diphoton_factor, pair_exponent
from bumphunt.montecarlo.validation.estimates import bin_means, histogram, weighted_mean
from bumphunt.montecarlo.validation.findings import SYMMETRIC, Check, Distribution, Findings
from bumphunt.theory import dark_higgs, dark_photon

__all__ = ["angles", "signal_angles"]

Array = NDArray[np.float64]
SQRT_S = SYMMETRIC.sqrt_s


def _angle(
    name: str, title: str, cos: Array, weight: Array, n: int, law: Callable[[float], float], source: str, most: float
) -> Findings:
    """Return an angular distribution against its law [fb], and the share of it in the middle half of the range."""
    edges = np.linspace(-most, most, 21)
    values, errors = histogram(cos, weight, edges, n)
    reference = bin_means(law, edges)
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
