"""Initial-state radiation at leading logarithm, with exact four-momenta.

Each beam particle keeps a fraction z of its momentum with the density D(z) of Kuraev and Fadin
(`bumphunt.theory.structure_function`); what it loses (`bumphunt.montecarlo.radiation.lost_fractions`) is one photon, at
an angle drawn from 1 / (1 - beta cos) (`bumphunt.montecarlo.radiation.photon_angles`). The photon energies are then
scaled together, by a factor near 1, so that the annihilating system has exactly the squared mass z1 z2 s: the cross
section of any process is that of the structure functions, while momentum is conserved and the photons can be seen, or
missed, by a detector. Hard photons, and hard photons at wide angles, are generated more often than they happen, with
smaller weights.

Radiation from final-state particles is in `bumphunt.montecarlo.radiation.final_state`.

References
----------
O. Nicrosini, L. Trentadue, Phys. Lett. B 196 (1987) 551: D to order beta^2, and the K factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import ALPHA, M_ELECTRON
from bumphunt.errors import InputError
from bumphunt.kinematics import momenta
from bumphunt.kinematics.compiled import P4, add, boost_from_rest, boost_to_rest, mass_squared, row, subtract
from bumphunt.montecarlo.radiation.lost_fractions import Shares, draw_lost_fractions
from bumphunt.montecarlo.radiation.photon_angles import emit_photon
from bumphunt.theory.structure_function import K_FACTOR

__all__ = [
    "InitialState",
    "Rows",
    "check_mass",
    "emit_from_both",
    "empty_rows",
    "fill_row",
    "lose_fractions",
    "radiate_initial_state",
]

Array = NDArray[np.float64]

INITIAL_SHARES: Shares = (0.30, 0.25, 0.20, 0.20, 0.05)
"""How often each kind of initial state is generated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialState:
    """What the beams make after they radiated.

    Parameters
    ----------
    photons
        Photons of electron and positron, laboratory [GeV], shape (N, 2, 4).
    pair
        Momentum of the system that annihilates, laboratory [GeV], shape (N, 4).
    axis
        Unit vector from which angles count in the rest frame of that system: along the electron beam, or against the
        positron beam, drawn by their squared energies there (Berends, Kleiss, Nucl. Phys. B 177 (1981) 237),
        shape (N, 3).
    mass_squared
        Its squared mass [GeV^2], shape (N,).
    weight
        D(z1) D(z2) over the density they were drawn from, times the K factor, shape (N,); 0 where the mass is below
        the minimum.
    """

    photons: Array
    pair: Array
    axis: Array
    mass_squared: Array
    weight: Array


class Rows(NamedTuple):
    """The arrays of an `InitialState`, to be filled in compiled loops."""

    photons: Array
    """Shape (N, 2, 4)."""
    pair: Array
    """Shape (N, 4)."""
    axis: Array
    """Shape (N, 3)."""
    weight: Array
    """Shape (N,)."""


def empty_rows(n: int) -> Rows:
    """Return the arrays of `n` events, not filled."""
    return Rows(photons=np.empty((n, 2, 4)), pair=np.empty((n, 4)), axis=np.empty((n, 3)), weight=np.empty(n))


@njit(cache=True)
def _beam_axis(electron: P4, positron: P4, pair: P4, mass: float, r: float) -> tuple[float, float, float]:
    """Return the direction of the electron, or against the positron, in the rest frame of `pair`.

    After one photon dsigma ~ E1^2 (1 + cos1^2) + E2^2 (1 + cos2^2), each angle from its own beam (Berends, Kleiss):
    the beam is drawn by its squared energy, with `r` in [0, 1). All momenta are given in the same frame.
    """
    a, b = boost_to_rest(electron, pair, mass), boost_to_rest(positron, pair, mass)
    first = r * (a[0] * a[0] + b[0] * b[0]) < a[0] * a[0]
    x, y, z = (a[1], a[2], a[3]) if first else (-b[1], -b[2], -b[3])
    norm = np.sqrt(x * x + y * y + z * z)
    return x / norm, y / norm, z / norm


@njit(cache=True)
def fill_row(
    rows: Rows, i: int, beams: tuple[P4, P4], photons: tuple[P4, P4], mass: float, rng: np.random.Generator
) -> None:
    """Fill photons, pair and axis of event `i` in the laboratory, all momenta [GeV].

    Parameters
    ----------
    rows
        What is filled; its weights are not.
    i
        Position of the event.
    beams, photons
        Electron and positron, and the photon of each.
    mass
        Mass of what is left, if it is known better than by the difference; otherwise 0.
    rng
        Source of randomness.
    """
    left = subtract(subtract(add(beams[0], beams[1]), photons[0]), photons[1])
    if mass == 0:
        mass = np.sqrt(mass_squared(left))
    rows.axis[i] = _beam_axis(beams[0], beams[1], left, mass, rng.random())
    rows.photons[i, 0], rows.photons[i, 1], rows.pair[i] = photons[0], photons[1], left


@njit(cache=True)
def _common_scale(u1: float, u2: float, cos: float) -> float:
    """Return the factor on both photon energies that makes the recoiling mass squared (1 - u1)(1 - u2) s.

    With k1 k2 = u1 u2 s (1 - cos) / 4 it solves f (u1 + u2) - f^2 u1 u2 (1 - cos) / 2 = u1 + u2 - u1 u2; it is 1 for
    photons back to back, or if one of them is soft.
    """
    r = u1 / (u1 + u2) * u2
    return 2 * (1 - r) / (1 + np.sqrt(max(1 - 2 * (1 - cos) * r * (1 - r), 0.0)))


@njit(cache=True)
def emit_from_both(
    a: P4, b: P4, total: P4, s: float, lost: tuple[float, float], rng: np.random.Generator
) -> tuple[P4, P4, float]:
    """Return one photon from each of the beams a and b, laboratory [GeV], and the weight of their angles, mean 1.

    What is left has the squared mass (1 - u1)(1 - u2) s, with u1 and u2 the fractions `lost`.

    Parameters
    ----------
    a, b
        Momenta of the beams in the laboratory [GeV].
    total, s
        Their sum, and its squared mass [GeV^2].
    lost
        Fractions of their energies that they lose.
    rng
        Source of randomness.
    """
    root, log = np.sqrt(s), np.log(s / M_ELECTRON**2)
    k1, w1 = emit_photon(boost_to_rest(a, total, root), M_ELECTRON, lost[0], log, rng)
    k2, w2 = emit_photon(boost_to_rest(b, total, root), M_ELECTRON, lost[1], log, rng)
    cos = (k1[1] * k2[1] + k1[2] * k2[2] + k1[3] * k2[3]) / max(k1[0] * k2[0], 1e-300)
    f = _common_scale(lost[0], lost[1], cos)
    first = boost_from_rest((f * k1[0], f * k1[1], f * k1[2], f * k1[3]), total, root)
    second = boost_from_rest((f * k2[0], f * k2[1], f * k2[2], f * k2[3]), total, root)
    return first, second, w1 * w2


@njit(cache=True)
def _two_photons(a: P4, b: P4, total: P4, s: float, minimum: float, rng: np.random.Generator) -> tuple[P4, P4, float]:
    """Return the laboratory photons of the beams a and b, and the weight; no photons and 0 below the minimum mass."""
    none = (0.0, 0.0, 0.0, 0.0)
    largest = 1 - minimum * minimum / s
    if largest <= 0:
        return none, none, 0.0
    log = np.log(s / M_ELECTRON**2)
    beta = 2 * ALPHA / np.pi * (log - 1)
    u1, u2, weight = draw_lost_fractions(beta, largest, INITIAL_SHARES, rng)
    if (1 - u1) * (1 - u2) < 1 - largest:
        return none, none, 0.0
    k1, k2, angular = emit_from_both(a, b, total, s, (u1, u2), rng)
    return k1, k2, weight * angular * K_FACTOR


@njit(cache=True)
def _radiate(electron: Array, positron: Array, minimum: float, rng: np.random.Generator, rows: Rows) -> None:
    """Fill rows from beams, (N, 4) each."""
    for i in range(electron.shape[0]):
        a, b = row(electron, i), row(positron, i)
        total = add(a, b)
        k1, k2, rows.weight[i] = _two_photons(a, b, total, mass_squared(total), minimum, rng)
        fill_row(rows, i, (a, b), (k1, k2), 0.0, rng)


def radiate_initial_state(
    electron: Array, positron: Array, *, minimum_mass: float, rng: np.random.Generator, radiation: bool = True
) -> InitialState:
    """Return the system that annihilates after one photon from each beam.

    The cross section with radiation is the mean over events of ``weight * sigma_0(mass_squared)``.

    Parameters
    ----------
    electron, positron
        Beam momenta in the laboratory [GeV], shape (N, 4).
    minimum_mass
        Lowest mass of the annihilating system [GeV]; events that would come below have weight 0 and no photons.
    rng
        Source of randomness.
    radiation
        Whether the beams radiate; otherwise there are no photons, and all weights are 1.

    Raises
    ------
    InputError
        If `minimum_mass` is not between 0 and the highest centre-of-mass energy of the events.
    """
    check_mass(minimum_mass, "minimum_mass", electron, positron)
    if not radiation:
        return _without_radiation(electron, positron)
    rows = empty_rows(electron.shape[0])
    _radiate(electron, positron, minimum_mass, rng, rows)
    return InitialState(**rows._asdict(), mass_squared=momenta.mass_squared(rows.pair))


def check_mass(mass: float, name: str, electron: Array, positron: Array) -> None:
    """Raise InputError unless a mass [GeV] is between 0 and the highest centre-of-mass energy of beams, (N, 4) each."""
    n, highest = electron.shape[0], np.sqrt(momenta.mass_squared(electron + positron).max(initial=0.0))
    if not 0 < mass < (highest if n else np.inf):
        msg = f"{name} = {mass} GeV; it must be between 0 and sqrt(s) = {highest:.4f} GeV"
        raise InputError(msg)


def _without_radiation(electron: Array, positron: Array) -> InitialState:
    """Return the system that annihilates when no beam radiates, with weights of 1."""
    total = electron + positron
    axis = momenta.boost(electron, -(total[:, 1:] / total[:, :1]))[:, 1:]
    s = momenta.mass_squared(total)
    return InitialState(
        photons=np.zeros((s.size, 2, 4)),
        pair=total,
        axis=axis / np.linalg.norm(axis, axis=-1, keepdims=True),
        mass_squared=s,
        weight=np.ones(s.size),
    )


@njit(cache=True)
def _lose(electron: Array, positron: Array, lost: Array, rng: np.random.Generator, rows: Rows) -> None:
    """Fill rows from beams, (N, 4) each, and what they lose, (N, 2)."""
    for i in range(electron.shape[0]):
        a, b = row(electron, i), row(positron, i)
        total = add(a, b)
        k1, k2, rows.weight[i] = emit_from_both(a, b, total, mass_squared(total), (lost[i, 0], lost[i, 1]), rng)
        fill_row(rows, i, (a, b), (k1, k2), 0.0, rng)


def lose_fractions(electron: Array, positron: Array, lost: Array, *, rng: np.random.Generator) -> InitialState:
    """Return the system that annihilates after each beam lost a given fraction to one photon.

    Parameters
    ----------
    electron, positron
        Beam momenta in the laboratory [GeV], shape (N, 4).
    lost
        Fractions u1, u2 of their momenta, above 0 and below 1, shape (N, 2): what is left has the squared mass
        (1 - u1)(1 - u2) s.
    rng
        Source of randomness.

    Returns
    -------
    InitialState
        Its weights are those of the angles of the photons, of mean 1.
    """
    rows = empty_rows(electron.shape[0])
    _lose(electron, positron, lost, rng, rows)
    return InitialState(**rows._asdict(), mass_squared=momenta.mass_squared(rows.pair))
