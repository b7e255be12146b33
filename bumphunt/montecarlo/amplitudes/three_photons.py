"""The matrix element of e+e- -> gamma gamma gamma at tree level, with the electron mass.

All six diagrams, evaluated for every helicity. It holds for photons along the beams too.

References
----------
F. A. Berends, R. Kleiss, Nucl. Phys. B 186 (1981) 22: the massless limit, which the tests compare with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import M_ELECTRON
from bumphunt.kinematics.compiled import P4
from bumphunt.montecarlo.amplitudes.spinors import (
    antiparticle_spinor,
    helicity_spinor,
    particle_spinor,
    photon_after,
    photon_before,
    polarisation_between,
    transverse_product,
)

__all__ = ["squared_amplitude", "work_space"]

Work = NDArray[np.complex128]
Products = tuple[float, float, float]


@njit(cache=True)
def work_space() -> Work:
    """Return the array `squared_amplitude` works in: spinors after emission, by beam, photon, photon and beam spin."""
    return np.empty((2, 3, 2, 2, 4), dtype=np.complex128)


@njit(cache=True)
def squared_amplitude(
    p1: P4, p2: P4, photons: tuple[P4, P4, P4], first: Products, second: Products, work: Work
) -> float:
    """Return sum |M|^2 / e^6 [GeV^-2] over all spins of e-(p1) e+(p2) -> three photons.

    Parameters
    ----------
    p1, p2
        The beams [GeV].
    photons
        The photons [GeV].
    first, second
        Products of p1 and of p2 with each of them [GeV^2].
    work
        Array of `work_space`.
    """
    for b in range(2):
        u, v = particle_spinor(p1, M_ELECTRON, b == 0), antiparticle_spinor(p2, M_ELECTRON, b == 0)
        for n in range(3):
            k = photons[n]
            for h in range(2):
                positive = h == 0
                spin, other = helicity_spinor(k, positive), helicity_spinor(k, not positive)
                e1, e2 = transverse_product(p1, spin, other), transverse_product(p2, spin, other)
                before = photon_before(u, 2 * e1, k[0], spin, other, positive)
                after = photon_after(v, -2 * e2, k[0], spin, other, positive)
                for j in range(4):
                    work[0, n, h, b, j] = -before[j] / (2 * first[n])
                    work[1, n, h, b, j] = -after[j] / (2 * second[n])
    spinors = (
        (helicity_spinor(photons[0], True), helicity_spinor(photons[0], False)),
        (helicity_spinor(photons[1], True), helicity_spinor(photons[1], False)),
        (helicity_spinor(photons[2], True), helicity_spinor(photons[2], False)),
    )
    total = 0.0
    for others in range(4):  # the first photon's helicity is positive
        helicity = (0, others % 2, others // 2)
        for b1 in range(2):
            for b2 in range(2):
                amplitude = 0j
                for n in range(3):  # the photon next to p1
                    for m in range(1, 3):  # and the one in the middle
                        middle = (n + m) % 3
                        last = (n + 2 * m) % 3
                        x, y = work[1, last, helicity[last], b2], work[0, n, helicity[n], b1]
                        spin, other = spinors[middle][helicity[middle]], spinors[middle][1 - helicity[middle]]
                        amplitude += polarisation_between(
                            (x[0], x[1], x[2], x[3]), (y[0], y[1], y[2], y[3]), spin, other
                        )
                total += amplitude.real**2 + amplitude.imag**2
    return 2 * total
