"""Gross and Vitells: global p-values from how often q0 rises through a low level.

Without signal, q0 at neighbouring masses is a chi-square random field of one degree of freedom, and how often it rises
through a level u falls as exp(-u / 2): counted in few toys where it happens often, it is known where it is rare,
beyond the reach of toys. The result is an upper bound that is reached far from the level; in discrete masses fewer
crossings are seen than in all, and it is an approximation that the toys themselves have to support.

References
----------
GV: E. Gross, O. Vitells, EPJC 70 (2010) 525, arXiv:1005.1891.
R. B. Davies, Biometrika 74 (1987) 33.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.inference import asymptotics

__all__ = ["Upcrossings", "upcrossings"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcrossings:
    """How often z0 rises through a level.

    Parameters
    ----------
    level
        The level, in z0.
    mean, error
        Upcrossings a toy, and the standard deviation of that mean.
    n_toys
        Toys that they were counted in.
    """

    level: float
    mean: float
    error: float
    n_toys: int

    def at(self, z0: ArrayLike) -> tuple[Array, Array]:
        """Return the global p-value of local significances, and its standard deviation, in their shape.

        It is the bound p0 + <N(u0)> exp(-(u - u0) / 2) with u = z0^2 (GV section 2), and not above 1.
        """
        z = np.asarray(z0, dtype=np.float64)
        falling = np.exp(-0.5 * (z**2 - self.level**2))
        return np.minimum(asymptotics.p_value(z) + self.mean * falling, 1.0), self.error * falling


def upcrossings(crossings: ArrayLike, level: float) -> Upcrossings:
    """Return the mean number of upcrossings of toys, with its error.

    Parameters
    ----------
    crossings
        Upcrossings of each toy, shape ``(N,)``.
    level
        Of z0.

    Raises
    ------
    InputError
        If there are fewer than two toys, or the level is not positive.

    Examples
    --------
    >>> found = upcrossings([3, 5, 4, 4], level=1.0)
    >>> found.mean, round(float(found.at(4.0)[0]), 5)
    (4.0, 0.00224)
    """
    n = np.asarray(crossings, dtype=np.float64)
    if n.size < 2:
        msg = f"upcrossings need two toys at the least, got {n.size}"
        raise InputError(msg)
    if not level > 0.0:
        msg = f"the level of upcrossings must be positive, got {level}"
        raise InputError(msg)
    return Upcrossings(
        level=level, mean=float(n.mean()), error=float(n.std(ddof=1) / np.sqrt(n.size)), n_toys=int(n.size)
    )
