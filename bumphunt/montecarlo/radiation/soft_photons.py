"""What unseen softer photons do to a cross section: exponents and factors, to order alpha and exponentiated.

The rate without photons above a fraction v of the beam energy is the Born rate times F(v), that with one photon of
fraction v the tree-level rate times F(v), if v is the hardest of all: F is the probability that no charged particle
radiates a harder one,

    F(v) = exp(-beta Int_v^1 dk (1 - k + k^2 / 2) / k) (1 + c) = v^beta exp(beta [3/4 - v + v^2 / 4]) (1 + c),

with beta the eikonal integral over the charged particles of the event, and c the virtual correction that is no
logarithm. So neither the border between soft and hard photons nor collinear radiation changes a cross section that
does not depend on the energy.

References
----------
D. R. Yennie, S. C. Frautschi, H. Suura, Ann. Phys. 13 (1961) 379: exponentiation.
V. N. Gribov, L. N. Lipatov, Sov. J. Nucl. Phys. 15 (1972) 438: collinear radiation, 1 + (1 - k)^2 over k.
J. Schwinger, Phys. Rev. 76 (1949) 790: vertex and soft photons in scattering, without vacuum polarisation
(2 alpha / pi)((L - 1) ln eps + 3/4 L - 1) for each line.
S. I. Eidelman, E. A. Kuraev, Nucl. Phys. B 143 (1978) 353; A. B. Arbuzov et al., JHEP 10 (1997) 001: annihilation into
photons.
"""

from __future__ import annotations

import numpy as np

from bumphunt.compilation import njit
from bumphunt.constants import ALPHA, M_ELECTRON

__all__ = ["bhabha_exponent", "bhabha_factor", "diphoton_constant", "diphoton_factor", "pair_exponent"]

SCATTERING_CONSTANT = -ALPHA / np.pi
"""c of two scattered electrons: (4 alpha / pi)(3/4 L - 1) - 3/4 beta."""


@njit(cache=True)
def pair_exponent(product: float) -> float:
    """Return (2 alpha / pi)(p.q ln[(p.q + r) / m^2] / r - 1), r^2 = (p.q)^2 - m^4, of two electrons.

    Parameters
    ----------
    product
        p.q [GeV^2], from m^2 on. Far above it the result is (2 alpha / pi) (ln(2 p.q / m^2) - 1).
    """
    m2 = M_ELECTRON * M_ELECTRON
    excess = product / m2 - 1
    if excess < 1e-6:
        return 2 * ALPHA / np.pi * 2 / 3 * max(excess, 0.0)
    r = np.sqrt(excess * (excess + 2))
    return 2 * ALPHA / np.pi * ((1 + excess) * np.log1p(excess + r) / r - 1)


@njit(cache=True)
def bhabha_exponent(s: float, s_after: float, t1: float, t2: float, u1: float, u2: float) -> float:
    """Return beta of e+e- -> e+e- (gamma), from the squared masses and minus the squared transfers [GeV^2].

    Without a photon it is (4 alpha / pi)(ln[s t / (u m^2)] - 1).
    """
    m2 = M_ELECTRON * M_ELECTRON
    beta = pair_exponent(s / 2 - m2) + pair_exponent(s_after / 2 - m2)
    beta += pair_exponent(t1 / 2 + m2) + pair_exponent(t2 / 2 + m2)
    return beta - pair_exponent(u1 / 2 + m2) - pair_exponent(u2 / 2 + m2)


@njit(cache=True)
def _none_harder(v: float, beta: float) -> float:
    """Return F(v) without c."""
    return np.exp(beta * (np.log(v) + 0.75 - v + v * v / 4))


@njit(cache=True)
def bhabha_factor(fraction: float, beta: float) -> float:
    """Return F of e+e- -> e+e- (gamma): no photon harder than this fraction of the beam energy."""
    return _none_harder(fraction, beta) * (1 + SCATTERING_CONSTANT)


@njit(cache=True)
def diphoton_constant(v: float) -> float:
    """Return K of e+e- -> gamma gamma, whose rate has the factor 1 + beta (ln eps + 3/4) + alpha K / pi.

    Parameters
    ----------
    v
        (1 - cos) / 2 of a photon; K is the same for 1 - v.
    """
    a, b, w = np.log(v), np.log(1 - v), 1 - v
    logs = (1 + v * v) * a * a + w * (3 - v) * a + (1 + w * w) * b * b + v * (3 - w) * b
    return np.pi**2 / 3 + logs / (2 * (v * v + w * w))


@njit(cache=True)
def diphoton_factor(fraction: float, beta: float, v: float) -> float:
    """Return F of e+e- -> gamma gamma (gamma), with c = alpha K / pi: no photon harder than this fraction of the beam.

    Parameters
    ----------
    fraction
        Energy of the photon, over that of the beam.
    beta
        `pair_exponent` of the beams.
    v
        As for `diphoton_constant`.
    """
    return _none_harder(fraction, beta) * (1 + ALPHA / np.pi * diphoton_constant(v))
