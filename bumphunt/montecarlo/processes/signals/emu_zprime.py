"""The signal e+e- -> e- mu+ Z' and e+ mu- Z', with a flavour-violating Z' that is then invisible.

The exact tree-level matrix element (`bumphunt.montecarlo.amplitudes.emu_zprime`) with all masses and diagrams, at all
angles, and one collinear photon from each beam. Most of the cross section has an electron that leaves along its beam
after it exchanged a soft photon, and is of no use to a search; nearly all events are drawn where the electron can be
seen, with small weights. The structure functions know s only: they radiate a little too much where an electron scatters
softly.

The Z' is one particle (PDG number 32) of zero width, heavier than the muon, which would decay to it otherwise.

References
----------
I. Galon, A. Kwa, P. Tanedo, JHEP 03 (2017) 064 (arXiv:1610.08060): the model.
I. Adachi et al. (Belle II), Phys. Rev. Lett. 124 (2020) 141801 (arXiv:1912.11276): the search.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON, M_MUON
from bumphunt.errors import InputError
from bumphunt.kinematics.compiled import P4, along, boost_from_rest, boost_to_rest, breakup_momentum, ray, row
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.amplitudes.emu_zprime import squared_amplitude
from bumphunt.montecarlo.events import INVISIBLE, Events, beam_particles
from bumphunt.montecarlo.phase_space.decays import direction
from bumphunt.montecarlo.processes.parameters import MASS, coupling
from bumphunt.montecarlo.processes.process import Process, beside
from bumphunt.montecarlo.radiation.initial_state import radiate_initial_state

__all__ = ["PROCESSES", "generate"]

Array = NDArray[np.float64]


# The proposal; any values give the same cross section, these keep the weights of events level where the electron is
# seen.
FLAT_SHARE, STEEP_SHARE = 0.4, 0.3
"""Shares of events with the squared mass of muon and Z' drawn flat, and flat in its inverse; the others are flat in its
logarithm."""
SOFT_SHARE = 0.2
"""Share of events with -t of the electron drawn flat in its logarithm over the whole range."""
WIDE_SHARE = 0.5
"""Share with the electron isotropic; what is left is flat in ln(-t) from `HARD_T` of the largest on."""
HARD_T = 1e-2
"""Smallest hard -t, in units of the largest: the electron is at 11 degrees from its beam."""
FORWARD_SHARE, PARALLEL_SHARE = 0.35, 0.15
"""Shares with the Z' peaked along the beam of the muon's line, and along the electron; the others are isotropic."""


def generate(
    n: int,
    *,
    beams: Beams,
    rng: np.random.Generator,
    mass: float,
    coupling: float = 0.1,
    radiation: bool = True,
) -> Events:
    """Return weighted events: e-, mu+, Z' or e+, mu-, Z', half of each, and the photons of electron and positron.

    The mean weight is the cross section of both together without any branching ratio of the Z'.

    Parameters
    ----------
    n
        Number of events.
    beams
        The beams, with their energy spread.
    rng
        Source of randomness.
    mass
        Mass of the Z' [GeV].
    coupling
        Coupling g' of L = g' Z'_alpha (ebar gamma^alpha mu + mubar gamma^alpha e).
    radiation
        Whether the beams radiate.

    Raises
    ------
    InputError
        If the mass is not between m_mu and sqrt(s) - m_e - m_mu, or the coupling not positive.
    """
    limit = beams.sqrt_s - M_ELECTRON - M_MUON
    if not M_MUON < mass < limit or not coupling > 0:
        msg = f"mass = {mass} GeV, coupling = {coupling}; want m_mu < mass < {limit:.4f} GeV and a positive coupling"
        raise InputError(msg)
    electron, positron = beam_particles(beams, n, rng=rng)
    lowest = (M_ELECTRON + M_MUON + mass) * (1 + 1e-9)
    initial = radiate_initial_state(electron, positron, minimum_mass=lowest, rng=rng, radiation=radiation)
    charge = np.where(rng.random(n) < 0.5, -1, 1)
    momenta, weight = np.empty((n, 3, 4)), np.empty(n)
    # with all charges reversed the positron beam is what the electron beam was
    _fill(initial.pair, -charge[:, np.newaxis] * initial.axis, initial.mass_squared, mass, rng, momenta, weight)
    p4 = np.concatenate([momenta, initial.photons], axis=1)
    pdgid = np.full((n, 5), 22, dtype=np.int32)
    pdgid[:, 0], pdgid[:, 1], pdgid[:, 2] = -11 * charge, 13 * charge, INVISIBLE
    return Events(
        pdgid=np.where(p4[..., 0] > 0, pdgid, np.int32(0)),
        p4=p4,
        weight=initial.weight * weight * (2 * coupling**2 * GEV2_TO_FB),
        beams_p4=electron + positron,
    )


@njit(cache=True)
def _squared_mass(low: float, high: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the squared mass of muon and Z' between `low` and `high`, and its density."""
    span, inverse, r = np.log(high / low), 1 / low - 1 / high, rng.random()
    if r < FLAT_SHARE:
        w2 = low + (high - low) * rng.random()
    elif r < FLAT_SHARE + STEEP_SHARE:
        w2 = 1 / (1 / low - inverse * rng.random())
    else:
        w2 = low * np.exp(span * rng.random())
    density = FLAT_SHARE / (high - low) + STEEP_SHARE / (inverse * w2 * w2)
    return w2, density + (1 - FLAT_SHARE - STEEP_SHARE) / (span * w2)


@njit(cache=True)
def _momentum_transfer(low: float, high: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return Q^2 = -t between `low` and `high`, and its density."""
    hard = max(low, HARD_T * high)
    soft_span, hard_span = np.log(high / low), np.log(high / hard)
    r = rng.random()
    if r < SOFT_SHARE:
        q2 = low * np.exp(soft_span * rng.random())
    elif r < SOFT_SHARE + WIDE_SHARE:
        q2 = low + (high - low) * rng.random()
    else:
        q2 = hard * np.exp(hard_span * rng.random())
    density = SOFT_SHARE / (soft_span * q2) + WIDE_SHARE / (high - low)
    if q2 >= hard:
        density += (1 - SOFT_SHARE - WIDE_SHARE) / (hard_span * q2)
    return q2, density


@njit(cache=True)
def _peaked(p: P4, constant: float, energy: float, momentum: float) -> tuple[float, float, float]:
    """Return |p|, and the lowest and highest constant + 2 p.k, of a k with given energy and momentum."""
    size = np.sqrt(p[1] ** 2 + p[2] ** 2 + p[3] ** 2)
    middle = constant + 2 * p[0] * energy
    return size, middle - 2 * size * momentum, middle + 2 * size * momentum


@njit(cache=True)
def _zprime_direction(
    beam: P4, electron: P4, constants: tuple[float, float], energy: float, momentum: float, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Return a direction of the Z' in the rest frame of muon and Z', and its density over 1 / 4 pi.

    The peaked components are flat in the logarithms of the denominators of lepton propagators: constant + 2 p.k, p the
    momentum of the positron beam, or of the electron.
    """
    size1, low1, high1 = _peaked(beam, constants[0], energy, momentum)
    size2, low2, high2 = _peaked(electron, constants[1], energy, momentum)
    r = rng.random()
    if r < FORWARD_SHARE + PARALLEL_SHARE:
        p, low, high, size = (beam, low1, high1, size1) if r < FORWARD_SHARE else (electron, low2, high2, size2)
        d = low * (high / low) ** rng.random()
        cos = min(max(1 - (d - low) / (2 * size * momentum), -1.0), 1.0)
        sin, phi = np.sqrt(1 - cos * cos), 2 * np.pi * rng.random()
        x, y, z = along(p, sin * np.cos(phi), sin * np.sin(phi), cos)
    else:
        x, y, z = direction(rng)
    d1 = low1 + 2 * momentum * (size1 - beam[1] * x - beam[2] * y - beam[3] * z)
    d2 = low2 + 2 * momentum * (size2 - electron[1] * x - electron[2] * y - electron[3] * z)
    density = 1 - FORWARD_SHARE - PARALLEL_SHARE
    density += FORWARD_SHARE * (high1 - low1) / (np.log(high1 / low1) * d1)
    density += PARALLEL_SHARE * (high2 - low2) / (np.log(high2 / low2) * d2)
    return x, y, z, density


@njit(cache=True)
def _event(
    root: float, mass: float, rng: np.random.Generator, work: NDArray[np.complex128]
) -> tuple[float, P4, P4, P4]:
    """Return weight [GeV^-2], electron, muon and Z' of e- mu+ Z' in the centre of mass, the electron beam along z."""
    me, mmu, energy = M_ELECTRON, M_MUON, root / 2
    p = np.sqrt(energy * energy - me * me)
    p1, p2 = (energy, 0.0, 0.0, p), (energy, 0.0, 0.0, -p)
    w2, density = _squared_mass((mmu + mass) ** 2, (root - me) ** 2, rng)
    w = np.sqrt(w2)
    k3 = breakup_momentum(root, me, w)
    e3 = np.sqrt(k3 * k3 + me * me)
    # t = 2 m^2 - 2 E E3 + 2 p k cos; the lowest -t without rounding: (E E3 - p k - m^2) = m^2 (E - E3)^2 / (...)
    low = 2 * me * me * (energy - e3) ** 2 / (energy * e3 + p * k3 - me * me)
    q2, t_density = _momentum_transfer(low, low + 4 * p * k3, rng)
    versine = min(max((q2 - low) / (2 * p * k3), 0.0), 2.0)
    sin, phi = np.sqrt(versine * (2 - versine)), 2 * np.pi * rng.random()
    p3 = (e3, k3 * sin * np.cos(phi), k3 * sin * np.sin(phi), k3 * (1 - versine))
    system = (root - e3, -p3[1], -p3[2], -p3[3])
    k_rest = breakup_momentum(w, mmu, mass)
    e_rest = np.sqrt(k_rest * k_rest + mass * mass)
    # the denominators m_mu^2 - (p2 - k)^2 and (p3 + k)^2 - m_mu^2
    constants = (mmu * mmu - me * me - mass * mass, me * me + mass * mass - mmu * mmu)
    x, y, z, angle_density = _zprime_direction(
        boost_to_rest(p2, system, w), boost_to_rest(p3, system, w), constants, e_rest, k_rest, rng
    )
    k = boost_from_rest((e_rest, k_rest * x, k_rest * y, k_rest * z), system, w)
    p4 = boost_from_rest((w - e_rest, -k_rest * x, -k_rest * y, -k_rest * z), system, w)
    square = squared_amplitude(p1, p2, p3, p4, k, -q2, (me, mmu, mass), work)
    # flux 4 p sqrt(s), average over four spin states, e^4; dPhi3 = dw2/2pi k3/(16 pi^2 sqrt(s)) dOmega3
    # k_rest/(16 pi^2 w) dOmega, dOmega3 = 2 pi dt / (2 p k3)
    rate = (4 * np.pi * ALPHA) ** 2 * square / 4 / (4 * p * root)
    rate *= 2 * np.pi / (2 * p * 16 * np.pi**2 * root) * 4 * np.pi * k_rest / (16 * np.pi**2 * w) / (2 * np.pi)
    return rate / (density * t_density * angle_density), p3, p4, k


@njit(cache=True)
def _fill(
    pair: Array, axis: Array, s_pair: Array, mass: float, rng: np.random.Generator, momenta: Array, weight: Array
) -> None:
    """Fill laboratory momenta of electron, muon and Z', (N, 3, 4), and weights with the cross section [GeV^-2].

    `axis` is the direction of the beam whose charge the electron has. Events below threshold have weight 0.
    """
    work = np.empty((2, 2, 2, 2, 6), dtype=np.complex128)
    threshold = M_ELECTRON + M_MUON + mass
    for i in range(weight.size):
        root = max(np.sqrt(s_pair[i]), threshold * (1 + 1e-9))
        w, p3, p4, k = _event(root, mass, rng, work)
        weight[i] = w if s_pair[i] > threshold**2 else 0.0
        frame, beam = row(pair, i), ray(axis, i)
        for slot, q in enumerate((p3, p4, k)):
            x, y, z = along(beam, q[1], q[2], q[3])
            momenta[i, slot] = boost_from_rest((q[0], x, y, z), frame, root)


PROCESSES = (
    Process(
        name="zprime_lfv",
        summary="e+e- -> e- mu+ Z' and e+ mu- Z', Z' -> invisible",
        generate=generate,
        parameters={"mass": MASS, "coupling": coupling(0.1, "coupling g' to e mu")},
        signal=True,
        mass_range=partial(beside, recoil=M_ELECTRON + M_MUON, lightest=M_MUON),
        accuracy="exact at tree level, one collinear photon from each beam",
        reference="Galon, Kwa, Tanedo, arXiv:1610.08060",
    ),
)
