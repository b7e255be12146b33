"""Signals between two values of a second coordinate, such as the mass of another particle.

At either value a `SignalModel` says the peak as a function of mass. Between them its parameters are on straight lines
in the coordinate (of their logarithms, where they are positive), at masses that both models know.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.models.signal import LOGARITHMIC, SignalModel

__all__ = ["model_between"]

Array = NDArray[np.float64]


def model_between(one: SignalModel, other: SignalModel, share: float) -> SignalModel:
    """Return the signal model between two.

    Parameters
    ----------
    one, other
        Those at the two values, of the same support, tail and axis.
    share
        How far the value is from that of `one` to that of `other`, in [0, 1].

    Raises
    ------
    InputError
        If they have no masses in common.
    """
    low, high = max(one.masses[0], other.masses[0]), min(one.masses[-1], other.masses[-1])
    if low > high:
        msg = f"signals from {one.masses[0]:g} and up to {other.masses[-1]:g} GeV have no masses between them in common"
        raise InputError(msg)
    known = np.union1d(one.masses, other.masses)
    masses = np.union1d(known[(known >= low) & (known <= high)], [low, high])

    def line(first: Array, second: Array) -> Array:
        return (1.0 - share) * first + share * second

    ends = (one.shape_parameters(masses), other.shape_parameters(masses))
    log = np.array(LOGARITHMIC)
    logarithms = np.exp(line(*(np.log(np.where(log, p, 1.0)) for p in ends)))
    errors = [_errors(model, masses) for model in (one, other)]
    return SignalModel(
        masses=masses,
        parameters=np.where(log, logarithms, line(*ends)),
        errors=line(*errors),
        efficiencies=line(one.efficiency(masses), other.efficiency(masses)),
        efficiency_errors=line(one.efficiency_error(masses), other.efficiency_error(masses)),
        support=one.support,
        tail=one.tail,
        axis=one.axis,
    )


def _errors(model: SignalModel, masses: Array) -> Array:
    """Return the errors of the shape parameters, linear between the masses of a model, shape (M, 6)."""
    return np.stack([np.interp(masses, model.masses, column) for column in model.errors.T], axis=-1)
