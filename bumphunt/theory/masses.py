"""The check of masses that the theory modules share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError

__all__ = ["positive_masses"]


def positive_masses(mass: ArrayLike) -> NDArray[np.float64]:
    """Return masses as an array [GeV], in their shape.

    Raises
    ------
    InputError
        If one is not positive.
    """
    m = np.asarray(mass, dtype=np.float64)
    if np.any(~(m > 0)):
        msg = f"mass = {m[~(m > 0)].flat[0]} GeV; it must be positive"
        raise InputError(msg)
    return m
