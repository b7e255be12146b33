"""The running of alpha: what dresses the propagator of the virtual photon."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.compilation import njit
from bumphunt.constants import ALPHA, M_ELECTRON, M_MUON, M_TAU

__all__ = ["running", "vacuum_polarisation"]

Array = NDArray[np.float64]


def _running(q2: Array) -> Array:
    """Return alpha(q^2) / alpha, for arrays, or for numbers in compiled loops."""
    square = np.maximum(np.abs(q2), 1e-12)
    shift = 0.0 * square
    for mass in (M_ELECTRON, M_MUON, M_TAU):
        shift = shift + ALPHA / (3 * np.pi) * np.maximum(np.log(square / mass**2) - 5 / 3, 0.0)
    # A + B ln(1 + C s) in three ranges of s, joined at 0.3^2 and 3^2 GeV^2
    shift = shift + np.where(
        square < 0.09,
        0.00835 * np.log1p(square),
        np.where(square < 9, 0.00238 * np.log1p(3.927 * square), 0.00165 + 0.00299 * np.log1p(square)),
    )
    return 1 / (1 - shift)


@njit(cache=True)
def running(q2: float) -> float:
    """Return alpha(q^2) / alpha of one squared momentum of either sign [GeV^2], in compiled loops.

    It is the square root of `vacuum_polarisation`, for a single propagator.
    """
    return _compiled_running(q2).item()


_compiled_running = njit(cache=True)(_running)


def vacuum_polarisation(s: ArrayLike) -> Array:
    """Return (alpha(s) / alpha)^2 at squared momentum s of either sign, shape of `s`.

    Leptons at one loop far above threshold, ln(abs(s) / m^2) - 5/3, taken as 0 where that is negative; hadrons as
    fitted by Burkhardt at space-like momenta. In the annihilation channel it is a smooth average: the resonances, and
    the imaginary part, are not in it.

    Parameters
    ----------
    s
        Squared momentum of the virtual photon [GeV^2], up to 10^4; negative where it is space-like.

    References
    ----------
    H. Burkhardt et al., in R. Kleiss et al., Z physics at LEP 1, CERN 89-08, vol. 3, pp. 129-131.

    Examples
    --------
    >>> round(float(vacuum_polarisation(10.58**2)), 3)
    1.079
    """
    return np.asarray(_running(np.asarray(s, dtype=np.float64)) ** 2)
