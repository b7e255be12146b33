"""What a coupling means: the same production, and one of several ways in which the particle decays.

A limit on the cross section of what is seen becomes one on the coupling with the fraction of decays that are seen, and
that depends on what else the particle decays to. With widths at coupling 1 of what is seen, a, and of all decays, b,
and the width to dark matter c, which is seen and does not depend on the coupling,

    BR(g) = (a g^2 + c) / (b g^2 + c).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.theory.vector import width_to_fermions

__all__ = ["DARK_MATTER", "NON_PERTURBATIVE", "Reading", "with_dark_matter"]

Array = NDArray[np.float64]

DARK_MATTER = "dark-matter"
"""Name of the readings that `with_dark_matter` gives."""
NON_PERTURBATIVE = float(np.sqrt(4 * np.pi))
"""Coupling from which an expansion in powers of it means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One meaning of the coupling of a vector boson.

    Parameters
    ----------
    name
        Its name in the YAML, in columns and files, such as ``lmu-ltau``.
    meaning
        What the coupling is, in words, for tables.
    label
        The same in a few letters and the mathematics of a figure.
    seen
        Width to what is seen at coupling 1 [GeV], a function of masses [GeV]; None where everything is seen.
    total
        Width to all that is known at coupling 1 [GeV]. Where everything is seen it is the least that the width can be.
    dark
        Width to dark matter [GeV], which is seen; None for none.
    charge
        The factor between the coupling and that which perturbation theory expands in.
    """

    name: str
    meaning: str
    label: str
    seen: Callable[[ArrayLike], Array] | None
    total: Callable[[ArrayLike], Array]
    dark: Callable[[ArrayLike], Array] | None = None
    charge: float = 1.0

    @property
    def column(self) -> str:
        """What stands for ``coupling`` in columns and files of this reading, where it is not the first.

        Examples
        --------
        >>> Reading(name="lmu-ltau", meaning="g'", label="", seen=None, total=lambda mass: mass).column
        'coupling_lmu_ltau'
        """
        return f"coupling_{self.name.replace('-', '_')}"

    def branching_ratio(self, mass: ArrayLike, coupling: ArrayLike) -> Array:
        """Return the fraction of decays that are seen, broadcast shape of masses [GeV] and couplings."""
        seen, total, dark = self._widths(mass)
        square = np.asarray(coupling, dtype=np.float64) ** 2
        return np.asarray((seen * square + dark) / (total * square + dark))

    def width(self, mass: ArrayLike, coupling: ArrayLike) -> Array:
        """Return the total width [GeV], or the least that it can be; broadcast shape of masses [GeV] and couplings."""
        _, _, dark = self._widths(mass)
        return np.asarray(self.total(mass) * np.asarray(coupling, dtype=np.float64) ** 2 + dark)

    def coupling_of(self, rate: ArrayLike, mass: ArrayLike) -> Array:
        """Return the coupling at which what is seen has a rate, in the broadcast shape of rates and masses.

        Parameters
        ----------
        rate
            Cross section of what is seen, over that of the production at coupling 1; NaN stays NaN.
        mass
            Masses [GeV].

        Returns
        -------
        ndarray
            The positive solution of g^2 (a g^2 + c) = rate (b g^2 + c); infinite where there is none, since no coupling
            is seen so often: nothing but dark matter is, and the other decays win.
        """
        seen, total, dark = self._widths(mass)
        r = np.asarray(rate, dtype=np.float64)
        seen, total, dark, r = np.broadcast_arrays(seen, total, dark, r)
        half = 0.5 * (dark - r * total)
        root = np.sqrt(half**2 + seen * r * dark)
        with np.errstate(divide="ignore", invalid="ignore"):
            # of the two ways to write the solution the one without a difference of equal numbers
            square = np.where(half > 0, r * dark / (half + root), (root - half) / seen)
        return np.asarray(np.sqrt(np.where(np.isnan(r), np.nan, np.where((half <= 0) & (seen == 0), np.inf, square))))

    def _widths(self, mass: ArrayLike) -> tuple[Array, Array, Array]:
        """Return the widths a, b and c of the module's docstring [GeV]."""
        total = self.total(mass)
        dark = np.zeros_like(total) if self.dark is None else self.dark(mass)
        return (total if self.seen is None else self.seen(mass)), total, dark


def with_dark_matter(reading: Reading, *, alpha_dark: float, m_dark: Callable[[Array], Array]) -> Reading:
    """Return a reading with decays to a Dirac fermion chi beside those that there are.

    Gamma(chi chibar) = (alpha_D m / 3) (1 + 2r) sqrt(1 - 4r), r = m_chi^2 / m^2.

    Parameters
    ----------
    reading
        What else the boson decays to.
    alpha_dark
        alpha_D.
    m_dark
        Function from masses of the boson to those of chi [GeV].

    Raises
    ------
    InputError
        If alpha_D is not positive. Masses of chi that are not positive are an error when they are asked for.
    """
    if not alpha_dark > 0:
        msg = f"alpha_D = {alpha_dark}; it must be positive"
        raise InputError(msg)

    def dark(mass: ArrayLike) -> Array:
        m = np.asarray(mass, dtype=np.float64)
        chi = np.broadcast_to(np.asarray(m_dark(m), dtype=np.float64), m.shape)
        if np.any(bad := ~(chi > 0)):
            msg = f"m_chi = {chi[bad].flat[0]} GeV at {m[bad].flat[0]} GeV; it must be positive"
            raise InputError(msg)
        return width_to_fermions(m, chi, coupling=float(np.sqrt(4 * np.pi * alpha_dark)))

    meaning = f"{reading.meaning}, with decays to dark matter of alpha_D = {alpha_dark:g}"
    return replace(reading, name=DARK_MATTER, meaning=meaning, label=rf"$\alpha_D={alpha_dark:g}$", dark=dark)
