"""Functions of mass that a YAML gives: a number, an expression, a table, or a function of a user's file.

============================== =======================================================================
``resolution:`` in the YAML    stands for
============================== =======================================================================
``0.02``                       the same at every mass
``"0.0095 * mass"``            an arithmetic expression (`workflows.config.derived.expressions`)
``{file: resolution.csv}``     a table of two columns, mass and value, with a line between its points
``resolution.py:FUNCTION``     ``FUNCTION(masses)`` of a file: masses [GeV] to values, shape (M,)
============================== =======================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import ConfigError, InputError
from workflows.config.derived.expressions import expression
from workflows.config.searches import find_function
from workflows.config.sections.section import CurveTable
from workflows.tables import read_numbers

__all__ = ["LoadedCurve", "load_curve"]

Array = NDArray[np.float64]

_FUNCTION = re.compile(r".+\.py:\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCurve:
    """A function of mass.

    Parameters
    ----------
    function
        Function from masses [GeV], shape (M,), to values, shape (M,).
    knots
        Masses [GeV] at which it bends; empty unless it is a table.
    key
        Where it stands in the YAML, for errors.
    """

    function: Callable[[Array], Any]
    knots: tuple[float, ...]
    key: str

    def at(self, masses: Array) -> Array:
        """Return its values at masses [GeV], shape (M,).

        Raises
        ------
        ValueError
            If one is no finite number, or the function does not give one for each mass.
        """
        try:
            values = np.asarray(self.function(masses), dtype=np.float64)
        except InputError as error:
            msg = f"{self.key}: {error}"
            raise ValueError(msg) from None
        except Exception as error:
            msg = f"{self.key}: failed for {masses.size} masses from {masses[0]:g} to {masses[-1]:g} GeV: {error}"
            raise ValueError(msg) from error
        if values.shape != masses.shape:
            msg = f"{self.key}: gave an array of shape {values.shape} for {masses.size} masses; want one value a mass"
            raise ValueError(msg)
        if bad := np.flatnonzero(~np.isfinite(values))[:1].tolist():
            msg = f"{self.key}: is {values[bad[0]]} at {masses[bad[0]]:g} GeV; it must be a number at every mass"
            raise ValueError(msg)
        return values


def load_curve(value: float | str | CurveTable, key: str, folder: Path) -> LoadedCurve:
    """Return a function of mass that a YAML gives.

    Parameters
    ----------
    value
        What stands there.
    key
        Where, for errors.
    folder
        Folder of the YAML.

    Raises
    ------
    ValueError
        If it is no such function: names the key, the value and the way out.
    """
    try:
        if isinstance(value, CurveTable):
            return _table(folder / value.file, key)
        if isinstance(value, str) and _FUNCTION.fullmatch(value):
            found = find_function(value, folder)
            return LoadedCurve(function=found.function, knots=(), key=key)
        function = expression(value if isinstance(value, str) else repr(float(value)))
    except (ConfigError, InputError) as error:
        msg = f"{key}: {error}"
        raise ValueError(msg) from None
    return LoadedCurve(function=function, knots=(), key=key)


def _table(path: Path, key: str) -> LoadedCurve:
    """Return the function that a table gives.

    Raises
    ------
    InputError
        If the table cannot be used.
    """
    rows = read_numbers(path, columns=2)
    masses, values = rows[:, 0], rows[:, 1]
    if masses.size < 2 or not np.all(np.diff(masses) > 0.0):
        msg = f"{path}: needs at least two masses in ascending order, got {masses.tolist()[:5]}"
        raise InputError(msg)

    def interpolated(wanted: Array) -> Array:
        outside = (wanted < masses[0]) | (wanted > masses[-1])
        if np.any(outside):
            msg = (
                f"{path} has masses from {masses[0]:g} to {masses[-1]:g} GeV, and {wanted[outside][0]:g} GeV is asked"
                " for: add rows, or search inside of it; nothing is extrapolated"
            )
            raise InputError(msg)
        return np.asarray(np.interp(wanted, masses, values))

    return LoadedCurve(function=interpolated, knots=tuple(masses.tolist()), key=key)
