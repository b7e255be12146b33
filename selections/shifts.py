"""Momenta that are shifted: a scale or a resolution that is uncertain, as other values of the columns.

A shift names columns. All columns that hold the momentum of the same particle move with one that is named, so that they
go on to belong together:

======================================== =============================================================================
columns                                  move
======================================== =============================================================================
p, px, py, pz, pt                        by the factor of the particle; angles stay
E, where one of these is named           so that the mass stays: E^2 + (factor^2 - 1) p^2
E, where E itself is named               by the factor, and the others with it: a photon, or a cluster
totalEnergyOfParticlesInList(LIST)       by the change of the energies getVariableByRank(LIST, ..., E, ...) that move
any other that is named                  by a factor of its own, and alone
======================================== =============================================================================

A particle is told by the name of its columns in basf2: ``daughter(0, p)`` and ``daughter(0, pt)`` are of one particle,
and so are plain names that differ in their ending only, such as ``mu_px`` and ``mu_py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from selections.cuts import Columns, Variable

__all__ = ["MOMENTA", "MovedParticle", "Shift", "left_behind", "moved_columns", "moved_particles", "refuse_others"]

Array = NDArray[np.float64]

MOMENTA = ("p", "px", "py", "pz", "pt", "E")
"""What basf2 calls momenta and energies."""
GEV = "GeV"
"""Unit of the columns that may be named beside these."""
LARGEST = {"scale": 0.5, "smear": 0.1}
"""Largest shifts: no factor 1 + by * g is near 0, since abs(g) < 8.3."""
COMPOSITE = (*MOMENTA, "M", "InvM", "mRecoil", "m2Recoil", "pRecoil", "eRecoil")
"""What basf2 calls quantities of a candidate that are made of the momenta of its daughters."""
OF_DAUGHTERS = ("daughterInvM(", "daughterCombination(", "daughterSumOf(", "daughterProductOf(", "daughterDiffOf(")
"""How names of basf2 begin that are made of daughters."""
_SUM = "totalEnergyOfParticlesInList("


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Momenta that are uncertain.

    Parameters
    ----------
    name
        Name of the source of uncertainty.
    kind
        ``scale``: all are multiplied with 1 + `by` (up) and 1 - `by` (down). ``smear``: each is multiplied with
        1 + `by` g, where g is a number of the standard normal distribution for each event and particle (up); the
        resolution cannot be made better, so that there is no down.
    columns
        Columns that are named.
    by
        One standard deviation: a relative change, or a relative resolution that is added.

    Raises
    ------
    InputError
        If nothing is named, or `by` is out of range.
    """

    name: str
    kind: Literal["scale", "smear"]
    columns: tuple[str, ...]
    by: float

    def __post_init__(self) -> None:
        if not self.columns:
            msg = f"{self.kind}: names no column; name the momenta that move, such as 'daughter(0, p)'"
            raise InputError(msg)
        if not 0.0 < self.by <= LARGEST[self.kind]:
            hint = f": a fraction, such as {self.by / 100:g} for {self.by:g} %" if self.by > 0.0 else ""
            msg = f"by = {self.by:g}; a {self.kind} must be above 0 and at most {LARGEST[self.kind]:g}{hint}"
            raise InputError(msg)

    @property
    def ends(self) -> tuple[tuple[str, float], ...]:
        """Names of its variations, each with the sign of the change."""
        up, down = (f"{self.name}_up", 1.0), (f"{self.name}_down", -1.0)
        return (up, down) if self.kind == "scale" else (up,)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedParticle:
    """Columns that move together.

    Parameters
    ----------
    name
        Name of the particle: of its columns, with ``{}`` in the place of the quantity; or of a column that moves alone.
    scaled
        Columns that are multiplied with the factor.
    energy
        Column of its energy; None where there is none.
    momentum
        Columns whose squares add up to the squared momentum, where the energy moves so that the mass stays.
    total
        Column to which the change of the energy is added; None for none.
    """

    name: str
    scaled: tuple[str, ...]
    energy: str | None = None
    momentum: tuple[str, ...] = ()
    total: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that move."""
        return tuple(dict.fromkeys([*self.scaled, *(name for name in (self.energy, self.total) if name is not None)]))


def moved_particles(named: Sequence[str], variables: Sequence[str]) -> tuple[MovedParticle, ...]:
    """Return what moves, in the order in which it is named.

    Parameters
    ----------
    named
        Columns that a shift names; those that are not read are passed over.
    variables
        Columns that are read.

    Raises
    ------
    InputError
        If an energy shall keep its mass, and the momentum is not read.

    Examples
    --------
    >>> muon, = moved_particles(["daughter(0, p)"], ["daughter(0, p)", "daughter(0, pt)", "daughter(0, phi)"])
    >>> muon.name, muon.scaled
    ('daughter(0, {})', ('daughter(0, p)', 'daughter(0, pt)'))
    """
    found: dict[str, MovedParticle] = {}
    for name in dict.fromkeys(name for name in named if name in variables):
        particle, quantity = _split(name)
        if quantity not in MOMENTA:
            found[name] = MovedParticle(name=name, scaled=(name,))
        elif particle not in found:
            found[particle] = _particle(particle, named, variables)
    return tuple(found.values())


def _particle(particle: str, named: Sequence[str], variables: Sequence[str]) -> MovedParticle:
    """Return how the columns of one particle move.

    Raises
    ------
    InputError
        If its energy shall keep the mass, and its momentum is not read.
    """
    split = {name: _split(name) for name in variables}
    there = {quantity: name for name, (of, quantity) in split.items() if of == particle and quantity in MOMENTA}
    energy = there.get("E")
    total = next((name for name in variables if energy and name == _total(particle) and name not in named), None)
    if energy is None or energy in named:
        return MovedParticle(name=particle, scaled=tuple(there.values()), energy=energy, total=total)
    scaled = tuple(name for name in there.values() if name != energy)
    for parts in (("p",), ("pt", "pz"), ("px", "py", "pz")):
        if set(parts) <= there.keys():
            momentum = tuple(there[part] for part in parts)
            return MovedParticle(name=particle, scaled=scaled, energy=energy, momentum=momentum, total=total)
    msg = (
        f"{scaled[0]!r} moves, but {energy!r} cannot keep its mass without the whole momentum: let the search read"
        f" {particle.format('p')!r} too, or name {energy!r}, which then moves by the same factor"
    )
    raise InputError(msg)


def moved_columns(
    columns: Columns, particles: Sequence[MovedParticle], factor: Callable[[str], Array | float]
) -> dict[str, Array]:
    """Return the new values of the columns that move, each of shape (N,).

    Parameters
    ----------
    columns
        The columns as they are, each of shape (N,).
    particles
        What moves, see `moved_particles`.
    factor
        Function from the name of a particle to its factors, shape (N,) or one number.

    Examples
    --------
    >>> muon = moved_particles(["p"], ["p", "E"])
    >>> {name: float(v[0]) for name, v in moved_columns({"p": np.array([3.0]), "E": np.array([5.0])}, muon,
    ...                                                 lambda _: 2.0).items()}
    {'p': 6.0, 'E': 7.211102550927978}
    """
    moved: dict[str, Array] = {}
    for particle in particles:
        f = factor(particle.name)
        for name in particle.scaled:
            moved[name] = np.asarray(columns[name] * f, dtype=np.float64)
        energy, total = particle.energy, particle.total
        if energy is not None and particle.momentum:
            p2 = sum(np.square(columns[name]) for name in particle.momentum)
            moved[energy] = np.sqrt(np.square(columns[energy]) + (np.square(f) - 1.0) * p2)
        if energy is not None and total is not None:
            moved[total] = moved.get(total, columns[total]) + np.nan_to_num(moved[energy] - columns[energy])
    return moved


def refuse_others(named: Sequence[str], variables: Mapping[str, Variable]) -> None:
    """Raise if something that is named is no momentum or energy of one particle.

    Parameters
    ----------
    named
        Columns that a shift names, all among the variables.
    variables
        What is read, by name.

    Raises
    ------
    InputError
        If so.
    """
    for name in named:
        variable = variables[name]
        if variable.jagged:
            msg = f"{name!r} holds any number of values a row, and only columns with one value a row can be shifted"
            raise InputError(msg)
        if _split(name)[1] not in MOMENTA and variable.unit != GEV:
            known = [v.name for v in variables.values() if _split(v.name)[1] in MOMENTA or v.unit == GEV]
            unit = f"its unit is {variable.unit}" if variable.unit else "it has no unit"
            msg = (
                f"{name!r} is no momentum or energy ({unit}): want one of {', '.join(known) or 'none that is read'}, or"
                f" say Variable(..., unit={GEV!r}) in the search"
            )
            raise InputError(msg)


def left_behind(named: Sequence[str], variables: Sequence[str]) -> str | None:
    """Return a column that is made of momenta that move, and would stay as it is; None if there is none.

    Parameters
    ----------
    named
        Columns that a shift names.
    variables
        Columns that are read.

    Examples
    --------
    >>> left_behind(["daughter(0, p)"], ["daughter(0, p)", "useCMSFrame(daughter(0, p))"])
    'useCMSFrame(daughter(0, p))'
    """
    particles = moved_particles(named, variables)
    moving = {column for particle in particles for column in particle.columns}
    cores = {_core(particle.name) for particle in particles}
    daughters = any(core.startswith("daughter(") for core in cores)
    for name in variables:
        if name in moving:
            continue
        particle, quantity = _split(name)
        again = quantity in MOMENTA and _core(particle) in cores
        composite = quantity in COMPOSITE and _core(particle) == "{}"
        if again or (daughters and (composite or name.startswith(OF_DAUGHTERS))):
            return name
    return None


def _split(name: str) -> tuple[str, str]:
    """Return the particle of a column, ``{}`` in the place of the quantity, and the quantity; "" where none is known.

    Examples
    --------
    >>> _split("getVariableByRank(gamma:roe, E, theta, 1)")
    ('getVariableByRank(gamma:roe, E, {}, 1)', 'theta')
    >>> _split("useCMSFrame(daughter(0, p))"), _split("mu_pt"), _split("nTracks")
    (('useCMSFrame(daughter(0, {}))', 'p'), ('mu_{}', 'pt'), ('{}', 'nTracks'))
    """
    if "{" in name:
        return name, ""
    head, bracket, rest = name.partition("(")
    if not bracket:
        stem, score, quantity = name.rpartition("_")
        return f"{stem}{score}{{}}", quantity
    arguments = _arguments(rest.removesuffix(")"))
    place = {"daughter": 1, "getVariableByRank": 2}.get(head, 0 if _is_frame(head) else None)
    if place is None or place >= len(arguments):
        return name, ""
    inner, quantity = _split(arguments[place])
    return f"{head}({', '.join([*arguments[:place], inner, *arguments[place + 1 :]])})", quantity


def _arguments(text: str) -> list[str]:
    """Return the arguments of a function of basf2, of which each may hold commas in brackets."""
    found, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            found.append("")
        else:
            found[-1] += character
    return [argument.strip() for argument in found]


def _is_frame(head: str) -> bool:
    """Return whether a function of basf2 gives a quantity in another frame."""
    return head.startswith("use") and head.endswith("Frame")


def _core(particle: str) -> str:
    """Return a particle without the frames that its quantities are in."""
    head, bracket, rest = particle.partition("(")
    return _core(rest.removesuffix(")")) if bracket and _is_frame(head) else particle


def _total(particle: str) -> str:
    """Return the column of the summed energy of the list that a ranked particle is of."""
    head, _, rest = particle.partition("(")
    return f"{_SUM}{_arguments(rest)[0]})" if head == "getVariableByRank" else ""
