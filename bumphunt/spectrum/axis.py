"""The axis of a spectrum: where a hypothesis of some mass has its peak.

| kind | position of a mass m | for |
|---|---|---|
| ``squared`` | m^2 [GeV^2] | recoil masses, whose square has a nearly constant resolution and may be negative |
| ``mass`` | m [GeV] | invariant masses |
| ``reduced`` | sqrt(m^2 - m_0^2) [GeV] | invariant masses of pairs of threshold m_0: smooth there |
| ``count`` | the middle of one bin from 0 to 1 | events that are counted, without any spectrum |

`ascending_edges` checks the edges of bins, on this axis or another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError

__all__ = ["COUNT", "COUNT_EDGES", "MASS", "SQUARED", "MassAxis", "ascending_edges", "reduced"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MassAxis:
    r"""What a spectrum is made of, as a function of mass.

    Parameters
    ----------
    kind
        ``squared``, ``mass``, ``reduced`` or ``count``.
    threshold
        Smallest mass m_0 [GeV], for ``reduced`` only.
    symbol
        What the figures call the mass, such as ``M_\mathrm{recoil}``, without dollar signs.

    Raises
    ------
    InputError
        If there is no such kind, or a threshold is negative or given to another kind.
    """

    kind: Literal["squared", "mass", "reduced", "count"] = "squared"
    threshold: float = 0.0
    symbol: str = "M"

    def __post_init__(self) -> None:
        if self.kind not in ("squared", "mass", "reduced", "count"):
            msg = f"kind = {self.kind!r} of a mass axis; it must be 'squared', 'mass', 'reduced' or 'count'"
            raise InputError(msg)
        if not self.threshold >= 0.0 or (self.threshold > 0.0 and self.kind != "reduced"):
            msg = f"threshold = {self.threshold} GeV of a {self.kind} axis; it is not negative, and of a reduced mass"
            raise InputError(msg)

    @property
    def unit(self) -> str:
        """Unit of the positions; "" of a count."""
        if self.kind == "count":
            return ""
        return "GeV^2" if self.kind == "squared" else "GeV"

    @property
    def label(self) -> str:
        """Symbol and unit of the positions, for a figure."""
        if self.kind == "count":
            return "all events"
        if self.kind == "squared":
            return rf"${self.symbol}^2$ [GeV$^2$]"
        return rf"${self.symbol}$ [GeV]"

    def position(self, mass: ArrayLike) -> Array:
        """Return where masses [GeV] have their peak [unit], in the shape of `mass`; 0 below a threshold.

        Examples
        --------
        >>> float(MassAxis(kind="squared").position(3.0))
        9.0
        >>> float(MassAxis(kind="reduced", threshold=3.0).position(5.0))
        4.0
        """
        m = np.asarray(mass, dtype=np.float64)
        if self.kind == "squared":
            return np.asarray(m * m)
        if self.kind == "mass":
            return m
        if self.kind == "count":
            return np.full(m.shape, np.mean(COUNT_EDGES))
        return np.asarray(np.sqrt(np.maximum((m - self.threshold) * (m + self.threshold), 0.0)))

    def mass(self, position: ArrayLike) -> Array:
        """Return the masses [GeV] of positions [unit], in their shape: the inverse of `position`.

        A negative squared mass has the mass 0; a count says nothing of a mass, which is NaN.
        """
        x = np.asarray(position, dtype=np.float64)
        if self.kind == "count":
            return np.full(x.shape, np.nan)
        if self.kind == "squared":
            return np.sqrt(np.maximum(x, 0.0))
        return x if self.kind == "mass" else np.hypot(x, self.threshold)

    def signed_mass(self, position: ArrayLike) -> Array:
        """Return `mass`, but of a negative squared mass the negative root [GeV]: the ends of a window, say."""
        x = np.asarray(position, dtype=np.float64)
        return np.asarray(np.sign(x) * np.sqrt(np.abs(x))) if self.kind == "squared" else self.mass(x)

    def slope(self, mass: ArrayLike) -> Array:
        """Return the derivative of the position [unit / GeV], in the shape of `mass`; infinite at a threshold.

        A resolution on the axis divided by it is that of the mass. NaN for a count.
        """
        m = np.asarray(mass, dtype=np.float64)
        if self.kind == "count":
            return np.full(m.shape, np.nan)
        if self.kind == "squared":
            return np.asarray(2.0 * m)
        if self.kind == "mass":
            return np.ones_like(m)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(self.position(m) > 0.0, m / self.position(m), np.inf))


SQUARED = MassAxis()
"""The squared mass."""
MASS = MassAxis(kind="mass")
"""The mass itself."""
COUNT = MassAxis(kind="count")
"""No spectrum: events are counted."""
COUNT_EDGES = (0.0, 1.0)
"""Ends of the one bin of a count."""


def reduced(threshold: float, symbol: str = "M") -> MassAxis:
    """Return the axis of a reduced mass: sqrt(m^2 - threshold^2)."""
    return MassAxis(kind="reduced", threshold=threshold, symbol=symbol)


def ascending_edges(edges: ArrayLike) -> Array:
    """Return bin edges as an array, shape (B + 1,).

    Raises
    ------
    InputError
        If there are fewer than two, or they are not finite and strictly ascending.
    """
    e = np.asarray(edges, dtype=np.float64)
    if e.ndim != 1 or e.size < 2 or not np.all(np.isfinite(e)) or not np.all(np.diff(e) > 0):
        msg = f"edges = {e}; they must be at least two finite, strictly ascending numbers"
        raise InputError(msg)
    return e
