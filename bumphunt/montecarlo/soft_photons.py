"""What photons too soft to be seen do to a cross section: exponents and factors, to order alpha and exponentiated.

The rate without photons above a fraction eps of the beam energy is the Born rate times eps^beta (1 + 3/4 beta + c); the
rate with one photon of fraction v is the tree-level one times v^beta (1 + 3/4 beta + c), v the hardest of all. beta is
the eikonal integral over the charged particles of the event, so that the sum of the two does not depend on eps.

References
----------
D. R. Yennie, S. C. Frautschi, H. Suura, Ann. Phys. 13 (1961) 379: exponentiation.
J. Schwinger, Phys. Rev. 76 (1949) 790: vertex and soft photons in scattering, without vacuum polarisation
(2 alpha / pi)((L - 1) ln eps + 3/4 L - 1) for each line.
S. I. Eidelman, E. A. Kuraev, Nucl. Phys. B 143 (1978) 353; A. B. Arbuzov et al., JHEP 10 (1997) 001: annihilation into
photons.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bumphunt.kinematics import M_ELECTRON
from bumphunt.montecarlo.radiation import ALPHA

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
def bhabha_factor(fraction: float, beta: float) -> float:
    """Return fraction^beta (1 + 3/4 beta + c): no photon harder than this fraction of the beam energy."""
    return fraction**beta * (1 + 0.75 * beta + SCATTERING_CONSTANT)


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
    """Return fraction^beta (1 + 3/4 beta + alpha K / pi): no further photon above this fraction of the beam energy.

    Parameters
    ----------
    fraction
        Energy of the photon, over that of the beam.
    beta
        `pair_exponent` of the beams.
    v
        As for `diphoton_constant`.
    """
    return fraction**beta * (1 + 0.75 * beta + ALPHA / np.pi * diphoton_constant(v))
