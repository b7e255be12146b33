"""The running of alpha: what dresses the propagator of the virtual photon."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.kinematics import M_ELECTRON, M_MUON, M_TAU
from bumphunt.montecarlo.radiation import ALPHA

__all__ = ["vacuum_polarisation"]

Array = NDArray[np.float64]


def vacuum_polarisation(s: ArrayLike) -> Array:
    """Return (alpha(s) / alpha)^2 at squared momentum s > 0, shape of `s`.

    Leptons at one loop far above threshold, ln(s / m^2) - 5/3, taken as 0 where that is negative; hadrons as fitted by
    Burkhardt. It is a smooth average: the resonances, and the imaginary part, are not in it.

    Parameters
    ----------
    s
        Squared momentum of the virtual photon [GeV^2], up to 10^4.

    References
    ----------
    H. Burkhardt et al., in R. Kleiss et al., Z physics at LEP 1, CERN 89-08, vol. 3, pp. 129-131.

    Examples
    --------
    >>> round(float(vacuum_polarisation(10.58**2)), 3)
    1.079
    """
    q2 = np.asarray(s, dtype=np.float64)
    shift = np.zeros_like(q2)
    for mass in (M_ELECTRON, M_MUON, M_TAU):
        shift = shift + ALPHA / (3 * np.pi) * np.maximum(np.log(np.maximum(q2, 1e-12) / mass**2) - 5 / 3, 0.0)
    # A + B ln(1 + C s) in three ranges of s, joined at 0.3^2 and 3^2 GeV^2
    shift = shift + np.where(
        q2 < 0.09,
        0.00835 * np.log1p(q2),
        np.where(q2 < 9, 0.00238 * np.log1p(3.927 * q2), 0.00165 + 0.00299 * np.log1p(q2)),
    )
    return np.asarray(1 / (1 - shift) ** 2)
