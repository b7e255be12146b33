"""The exact matrix element of one photon, e+e- -> l+ l- gamma, in compiled loops.

Momenta are p1, p2 of electron and positron, q1, q2 of the leptons l-, l+ (mass m), k of the photon; s = (p1 + p2)^2, s'
= (q1 + q2)^2. The sum over all spins, |M|^2 / e^6 [GeV^-2], is that of three parts, over 4 for unpolarised beams:
photons from the beams, photons from the leptons, and their interference. Both kinds of radiation are the tensor of
`bumphunt.theory.pair_and_vector` with a massless vector, once with the leptons and once, crossed, with the beams. The
interference was found by matching traces of Dirac matrices; without masses the three are parts of

    4 [(2 p1.q1)^2 + (2 p1.q2)^2 + (2 p2.q1)^2 + (2 p2.q2)^2] / (s s') * -(v_p - v_q)^2

with the currents of soft photons v_p = p1 / p1.k - p2 / p2.k and v_q = q1 / q1.k - q2 / q2.k. The beams' mass is kept
where photons are collinear with them: in the first part.

References
----------
F. A. Berends, R. Kleiss, S. Jadach, Nucl. Phys. B 202 (1982) 63: the process, and its massless form.
"""

from __future__ import annotations

import numpy as np

from bumphunt.compilation import njit
from bumphunt.constants import M_ELECTRON
from bumphunt.kinematics.compiled import P4, minkowski
from bumphunt.theory.pair_and_vector import compiled_trace, transverse_current

__all__ = ["from_beams", "from_leptons", "interference"]


@njit(cache=True)
def from_beams(p1: P4, p2: P4, q1: P4, q2: P4, k: P4) -> float:
    """Return the part of photons from the beams, with the electron mass."""
    q = (q1[0] - q2[0], q1[1] - q2[1], q1[2] - q2[2], q1[3] - q2[3])
    s_left = 4 * minkowski(q1, q1) - minkowski(q, q)  # s'
    beta2 = -minkowski(q, q) / s_left
    length = np.sqrt(max(s_left * beta2, 1e-300))
    # crossing: q1, q2 -> -p1, -p2. The leptons' tensor is 2 s' (delta_ij - beta'^2 n_i n_j)
    d1, d2, m2 = -2 * minkowski(p1, k), -2 * minkowski(p2, k), M_ELECTRON * M_ELECTRON
    across = transverse_current(
        d1, d2, minkowski(p1, q) / length, minkowski(p2, q) / length, s_left, M_ELECTRON, 0.0
    )  # fmt: skip
    return 2 / s_left * ((1 - beta2) * compiled_trace(d1, d2, s_left, m2, 0.0) + beta2 * across)


@njit(cache=True)
def from_leptons(p1: P4, p2: P4, q1: P4, q2: P4, k: P4, m: float) -> float:
    """Return the part of photons from the leptons."""
    p = (p1[0] - p2[0], p1[1] - p2[1], p1[2] - p2[2], p1[3] - p2[3])
    s = -minkowski(p, p)  # of massless beams
    length = np.sqrt(s)
    d1, d2 = 2 * minkowski(q1, k), 2 * minkowski(q2, k)
    return 2 / s * transverse_current(d1, d2, minkowski(q1, p) / length, minkowski(q2, p) / length, s, m, 0.0)


@njit(cache=True)
def interference(p1: P4, p2: P4, q1: P4, q2: P4, k: P4, m: float) -> float:
    """Return the interference of the two, for massless beams; it is odd under the exchange of the leptons."""
    a, b, c, d = minkowski(p1, k), minkowski(p2, k), minkowski(q1, k), minkowski(q2, k)
    t11, t12, t21, t22 = minkowski(p1, q1), minkowski(p1, q2), minkowski(p2, q1), minkowski(p2, q2)
    s, s_left = 2 * minkowski(p1, p2), 2 * (minkowski(q1, q2) + m * m)
    currents = t11 / (a * c) - t12 / (a * d) - t21 / (b * c) + t22 / (b * d)  # v_p . v_q
    squares = 4 * (t11 * t11 + t12 * t12 + t21 * t21 + t22 * t22)
    massive = (t11 - t21) / d - (t12 - t22) / c
    return (8 * (squares + 2 * m * m * (s + s_left)) * currents + 64 * m * m * massive) / (s * s_left)
