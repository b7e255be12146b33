"""Decays of unpolarised tau- at rest, with the polarimeter vector of each.

Every decay comes with its polarimeter h: a tau- of unit spin vector s decays into this configuration at the rate 1 +
s.h, so that spin effects need no further matrix element. For a tau+ take the mirror image (all three-momenta reversed)
of a tau- decay and the same h (CP). The matrix elements are in `bumphunt.montecarlo.processes.taus.one_decay`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import M_ELECTRON, M_KAON, M_KAON0, M_MUON, M_PION, M_PION0, M_TAU
from bumphunt.errors import InputError
from bumphunt.kinematics.compiled import boost_from_rest, row
from bumphunt.montecarlo.amplitudes.tau_spectra import (
    a1_spectrum,
    cumulative,
    kstar_spectrum,
    leptonic_spectrum,
    rho_spectrum,
)
from bumphunt.montecarlo.phase_space.decays import largest_weight, two_body
from bumphunt.montecarlo.processes.taus.modes import (
    A1_ONE_PRONG,
    A1_THREE_PRONG,
    K0_PI,
    K_PI0,
    MODES,
    MU,
    RHO,
    E,
)
from bumphunt.montecarlo.processes.taus.one_decay import one_decay

__all__ = ["MAX_PRODUCTS", "Decays", "decay_at_rest"]

Array = NDArray[np.float64]

MAX_PRODUCTS = 6
"""Most final-state particles of one tau, neutrino and photons included."""
GRID = 4001
"""Points of the tabulated mass spectra."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decays:
    """Decays of unpolarised tau- at rest.

    Parameters
    ----------
    pdgid
        PDG ids, shape (N, MAX_PRODUCTS); 0 marks an empty slot.
    p4
        Four-momenta in the rest frame [GeV], shape (N, MAX_PRODUCTS, 4).
    polarimeter
        Vector h of the rate 1 + s.h for spin s, shape (N, 3); at most of unit length.
    """

    pdgid: NDArray[np.int32]
    p4: Array
    polarimeter: Array


def decay_at_rest(mode: NDArray[np.int64], *, rng: np.random.Generator) -> Decays:
    """Return decays of unpolarised tau- at rest into the given modes.

    Parameters
    ----------
    mode
        Indices into `MODES`, shape (N,).
    rng
        Source of randomness.

    Raises
    ------
    InputError
        If an index is not one of `MODES`.
    """
    mode = np.ascontiguousarray(mode, dtype=np.int64)
    if mode.size and not (mode.min() >= 0 and mode.max() < len(MODES)):
        msg = f"mode indices span [{mode.min()}, {mode.max()}]; they must be within [0, {len(MODES) - 1}]"
        raise InputError(msg)
    q2 = np.zeros(mode.size)
    bound = np.zeros(mode.size)
    for index, (cdf, grid, largest) in _spectra().items():
        rows = np.flatnonzero(mode == index)
        q2[rows] = np.interp(rng.random(rows.size), cdf, grid)
        bound[rows] = np.interp(q2[rows], grid, largest)
    for index, most in _phase_space_bounds().items():
        bound[mode == index] = most
    pdgid = np.zeros((mode.size, MAX_PRODUCTS), dtype=np.int32)
    p4 = np.zeros((mode.size, MAX_PRODUCTS, 4))
    polarimeter = np.zeros((mode.size, 3))
    _fill(mode, q2, bound, _products(), rng, pdgid, p4, polarimeter)
    return Decays(pdgid=pdgid, p4=p4, polarimeter=polarimeter)


@functools.cache
def _products() -> NDArray[np.int64]:
    """Return the products of all modes, shape (modes, 5), 0 where empty."""
    table = np.zeros((len(MODES), 5), dtype=np.int64)
    for products, mode in zip(table, MODES, strict=True):
        products[: len(mode.products)] = mode.products
    return table


@functools.cache
def _spectra() -> dict[int, tuple[Array, Array, Array]]:
    """Return, by mode, the cumulative spectrum, its q^2 grid [GeV^2] and the bound of the Dalitz density."""
    out = {}
    for mode, mass in ((E, M_ELECTRON), (MU, M_MUON)):
        v = np.linspace(mass**2 / M_TAU**2, 1, GRID)
        out[mode] = (cumulative(v, leptonic_spectrum(v, mass**2 / M_TAU**2)), v * M_TAU**2, np.zeros(GRID))
    s = np.linspace((M_PION + M_PION0) ** 2, M_TAU**2, GRID)
    out[RHO] = (cumulative(s, rho_spectrum(s)), s, np.zeros(GRID))
    for mode, pair in ((K_PI0, (M_KAON, M_PION0)), (K0_PI, (M_KAON0, M_PION))):
        s = np.linspace(sum(pair) ** 2, M_TAU**2, GRID)
        out[mode] = (cumulative(s, kstar_spectrum(s, pair)), s, np.zeros(GRID))
    for mode, masses in (
        (A1_ONE_PRONG, (M_PION0, M_PION0, M_PION)),
        (A1_THREE_PRONG, (M_PION, M_PION, M_PION)),
    ):
        coarse = np.linspace(sum(masses) ** 2 * (1 + 1e-9), M_TAU**2, 201)
        density, largest = a1_spectrum(coarse, masses)
        grid = np.linspace(coarse[0], coarse[-1], GRID)
        out[mode] = (cumulative(grid, np.interp(grid, coarse, density)), grid, np.interp(grid, coarse, largest))
    return out


@functools.cache
def _phase_space_bounds() -> dict[int, float]:
    """Return, by phase-space mode, the largest weight of `many_body`."""
    return {
        index: largest_weight(M_TAU, np.array([_mass_of(kind) for kind in products if kind != 0]))
        for index, products in enumerate(_products())
        if index > K0_PI
    }


@njit(cache=True)
def _mass_of(pdgid: int) -> float:
    """Return the mass of a decay product [GeV]."""
    kind = abs(pdgid)
    if kind == 211:
        return M_PION
    if kind == 111:
        return M_PION0
    if kind == 321:
        return M_KAON
    if kind == 130:
        return M_KAON0
    if kind == 13:
        return M_MUON
    if kind == 11:
        return M_ELECTRON
    return 0.0


@njit(cache=True)
def _fill(
    mode: NDArray[np.int64],
    q2: NDArray[np.float64],
    bound: NDArray[np.float64],
    products: NDArray[np.int64],
    rng: np.random.Generator,
    pdgid: NDArray[np.int32],
    p4: NDArray[np.float64],
    polarimeter: NDArray[np.float64],
) -> None:
    """Fill pdgid, p4 and polarimeter with one decay a row; pi0 become two photons."""
    buffer = np.zeros((8, 4))
    masses = np.zeros(8)
    for i in range(mode.size):
        kinds = products[mode[i]]
        n = 0
        while n < kinds.size and kinds[n] != 0:
            masses[n] = _mass_of(kinds[n])
            n += 1
        polarimeter[i] = one_decay(mode[i], q2[i], bound[i], masses[:n], rng, buffer)
        slot = 0
        for j in range(n):
            p = row(buffer, j)
            if kinds[j] == 111:
                first, second = two_body(M_PION0, 0.0, 0.0, rng)
                pdgid[i, slot] = pdgid[i, slot + 1] = 22
                p4[i, slot] = boost_from_rest(first, p, M_PION0)
                p4[i, slot + 1] = boost_from_rest(second, p, M_PION0)
                slot += 2
            else:
                pdgid[i, slot] = kinds[j]
                p4[i, slot] = p
                slot += 1
