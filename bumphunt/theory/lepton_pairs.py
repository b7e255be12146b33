"""Pairs of leptons by annihilation, e+e- -> l+ l-, at tree level."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.constants import ALPHA, GEV2_TO_FB

__all__ = ["born_cross_section"]

Array = NDArray[np.float64]


def born_cross_section(s: ArrayLike, mass: float) -> Array:
    """Return sigma(e+e- -> l+ l-) = (4 pi alpha^2 / 3 s) beta (3 - beta^2) / 2 [fb], shape of `s`.

    Alpha is that at zero momentum: no vacuum polarisation.

    Parameters
    ----------
    s
        Squared mass of the pair [GeV^2]; 0 below threshold.
    mass
        Mass of the lepton, which is no electron [GeV].

    References
    ----------
    Review of Particle Physics, cross-section formulae for specific processes, e+e- annihilation.

    Examples
    --------
    >>> round(float(born_cross_section(10.58**2, 0.0)) / 1e6, 3)  # 86.8 nb / s
    0.776
    """
    s = np.asarray(s, dtype=np.float64)
    beta = np.sqrt(np.maximum(1 - 4 * mass**2 / s, 0.0))
    return np.asarray(4 * np.pi * ALPHA**2 / (3 * s) * beta * (3 - beta**2) / 2 * GEV2_TO_FB)
