"""Two-photon lepton pairs, e+e- -> e+e- mu+ mu- and e+e- -> e+e- e+e-.

Use muons as the background at high recoil mass, where both electrons leave along the beam pipe, and electrons as that
of searches with two electrons, where the other two do.

Both electrons scatter with exact kinematics, at any virtuality of the photons, and the matrix element is that of the
two multiperipheral diagrams with all masses (`bumphunt.montecarlo.amplitudes.two_photons`); in the limit of small
virtualities it is the equivalent-photon approximation. If asked for, events are weighted to the sum with bremsstrahlung
and exchange (`bumphunt.montecarlo.amplitudes.four_leptons`). The beams do not radiate.

Events are drawn where a search with two leptons in the tracking acceptance looks
(`bumphunt.montecarlo.phase_space.virtual_photons`).

The multiperipheral diagrams give 18.5 nb for muon pairs above 0.5 GeV, and 18.8 nb with bremsstrahlung; Belle II quotes
18.9 nb. Of muons more than 20 degrees from the beams the former, which are the default of ``eemumu``, lack 0.2 %, but 1
% where the pair's transverse momentum is 0.5 to 1 GeV in the centre of mass, 5 % from 1 to 2 GeV and 20 % above.
Bremsstrahlung also makes muons that fly along a beam which lost nearly all of its energy to them: there few events are
drawn, and one in 10^5 has a weight of 10^3 means.

Nobody knows which of four electrons are the scattered ones, so the lowest mass holds for each of the four pairs of
opposite charge, as in the generator of Berends, Daverveldt and Kleiss, from which Belle II quotes 39.7 nb above 0.5
GeV; here it is 40.8 nb. A cut on the produced pair alone would leave 71 nb, half of them with a lepton that flies along
with a scattered electron. By default ``eeee`` has exchange and bremsstrahlung in the weights. The multiperipheral
diagrams alone give 36.3 nb: what lacks is interference of exchange, near the beams. Of electrons more than 20 degrees
from the beams they lack 1 %, but 6 % where the pair's transverse momentum is 0.5 to 1 GeV in the centre of mass, 10 %
from 1 to 2 GeV and 25 % above.

References
----------
V. M. Budnev, I. F. Ginzburg, G. V. Meledin, V. G. Serbo, Phys. Rep. 15 (1975) 181.
F. A. Berends, P. H. Daverveldt, R. Kleiss, Comput. Phys. Commun. 40 (1986) 285: four leptons at lowest order.
E. Kou et al. (Belle II), PTEP 2019 (2019) 123C01 (arXiv:1808.10567), table of cross sections.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON, M_MUON
from bumphunt.errors import InputError
from bumphunt.kinematics.compiled import P4, add, boost_to_rest, mass_squared, row, to_laboratory
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.amplitudes.four_leptons import Workspace, correction, workspace
from bumphunt.montecarlo.amplitudes.two_photons import electron_tensor, squared_amplitude
from bumphunt.montecarlo.events import Events, beam_particles
from bumphunt.montecarlo.phase_space.virtual_photons import (
    draw_cosine,
    draw_rapidity,
    draw_tau,
    draw_virtuality,
    pair_of_leptons,
    scatter,
    smallest_virtuality,
)
from bumphunt.montecarlo.processes.parameters import RATES
from bumphunt.montecarlo.processes.process import Parameter, Process

__all__ = ["PROCESSES", "ProducedPair", "generate"]

Array = NDArray[np.float64]
Photons = tuple[P4, P4, float, float]
"""Momenta of the two photons [GeV], and their virtualities Q^2 [GeV^2]."""

_SHARES = {11: (M_ELECTRON, 0.4), 13: (M_MUON, 0.75)}
"""Mass of the lepton [GeV] by PDG number, and the share drawn isotropic in the pair's rest frame, for level weights of
those that a detector sees."""
MARGIN = 0.8
"""y1 y2 s starts at this fraction of the squared minimum mass (the mass of the pair is below y1 y2 s almost always)."""


class ProducedPair(NamedTuple):
    """What is produced, and how."""

    mass: float
    """Mass of the lepton [GeV]."""
    minimum_mass: float
    """Lowest mass of the pair [GeV]."""
    identical: bool
    """Whether the leptons are electrons: then each of the four pairs of opposite charge must have the lowest mass."""
    multiperipheral_only: bool
    """Whether the weights hold the multiperipheral diagrams alone, or bremsstrahlung and exchange as well."""
    isotropic_share: float
    """Share of leptons drawn isotropic in the pair's rest frame; the others are uniform in rapidity."""


def generate(
    n: int,
    *,
    beams: Beams,
    rng: np.random.Generator,
    lepton: int,
    multiperipheral_only: bool,
    minimum_mass: float = 0.5,
) -> Events:
    """Return `n` weighted events e+e- -> e+e- l+ l-.

    The mean weight is the cross section for muon pairs above `minimum_mass`, or with all four electron pairs of
    opposite charge above it.

    Parameters
    ----------
    n
        Number of events.
    beams
        The collider.
    rng
        Source of randomness.
    lepton
        PDG number of the l-, 11 or 13.
    multiperipheral_only
        Whether the weights hold the multiperipheral diagrams alone, or exchange and bremsstrahlung as well: the same
        events, two to three times faster.
    minimum_mass
        Lowest mass of the muon pair, or of each electron pair of opposite charge [GeV].

    Returns
    -------
    Events
        Columns: electron and positron that are (mostly) the scattered ones, l+, l-.

    Raises
    ------
    InputError
        If the lepton is unknown, or `minimum_mass` not between threshold and half of the centre-of-mass energy.
    """
    if lepton not in _SHARES:
        msg = f"lepton = {lepton}; known are {', '.join(map(str, _SHARES))}"
        raise InputError(msg)
    mass, share = _SHARES[lepton]
    if not 2 * mass < minimum_mass < beams.sqrt_s / 2:
        limits = f"2 m = {2 * mass:.6f} GeV and sqrt(s)/2 = {beams.sqrt_s / 2:.3f} GeV"
        msg = f"minimum_mass = {minimum_mass} GeV; it must be between {limits}"
        raise InputError(msg)
    produced = ProducedPair(mass, minimum_mass, lepton == 11, bool(multiperipheral_only), share)
    electron, positron = beam_particles(beams, n, rng=rng)
    total = electron + positron
    p4, weight = np.zeros((n, 4, 4)), np.zeros(n)
    drawn = _fill(electron, total, produced, rng, workspace(), p4, weight)
    return Events(
        pdgid=np.tile(np.array([11, -11, -lepton, lepton], dtype=np.int32), (n, 1)),
        p4=p4,
        weight=weight * (GEV2_TO_FB * n / drawn),
        beams_p4=total,
    )


@njit(cache=True)
def _azimuth(p: P4, pair: P4, w: float, e1: P4, e2: P4) -> tuple[float, float]:
    """Return cosine and sine of the azimuth of p, in the pair's rest frame, from e1 to e2."""
    r = boost_to_rest(p, pair, w)
    c = r[1] * e1[1] + r[2] * e1[2] + r[3] * e1[3]
    s = r[1] * e2[1] + r[2] * e2[2] + r[3] * e2[3]
    norm = np.sqrt(c * c + s * s)
    return (c / norm, s / norm) if norm > 0 else (1.0, 0.0)


@njit(cache=True)
def _square(
    energy: float, photons: Photons, pair: P4, minus: P4, cos: float, mass: float, work: NDArray[np.complex128]
) -> float:
    """Return `squared_amplitude` of two photons and the l- in the centre of mass."""
    q1, q2, q21, q22 = photons
    w2 = mass_squared(pair)
    w, p = np.sqrt(w2), np.sqrt(energy**2 - M_ELECTRON**2)
    q, k = boost_to_rest(q1, pair, w), boost_to_rest(minus, pair, w)
    n = np.sqrt(q[1] ** 2 + q[2] ** 2 + q[3] ** 2)
    q = (q[0], q[1] / n, q[2] / n, q[3] / n)
    y = (0.0, k[2] * q[3] - k[3] * q[2], k[3] * q[1] - k[1] * q[3], k[1] * q[2] - k[2] * q[1])
    n = max(np.sqrt(y[1] ** 2 + y[2] ** 2 + y[3] ** 2), 1e-30)
    e2 = (0.0, y[1] / n, y[2] / n, y[3] / n)
    e1 = (0.0, e2[2] * q[3] - e2[3] * q[2], e2[3] * q[1] - e2[1] * q[3], e2[1] * q[2] - e2[2] * q[1])
    q1q2 = (w2 + q21 + q22) / 2
    x = q1q2**2 - q21 * q22
    c, s = _azimuth((2 * energy - q1[0], -q1[1], -q1[2], 2 * p - q1[3]), pair, w, e1, e2)
    tensor1 = electron_tensor(q21, 2 * (energy * q2[0] - p * q2[3]) - q1q2, x, M_ELECTRON, c, s)
    c, s = _azimuth((2 * energy - q2[0], -q2[1], -q2[2], -2 * p - q2[3]), pair, w, e1, e2)
    tensor2 = electron_tensor(q22, 2 * (energy * q1[0] + p * q1[3]) - q1q2, x, M_ELECTRON, c, s)
    return squared_amplitude(w, q21, q22, cos, mass, tensor1, tensor2, work)


@njit(cache=True)
def _event(
    energy: float, produced: ProducedPair, rng: np.random.Generator, work: NDArray[np.complex128], spinors: Workspace
) -> tuple[float, P4, P4, P4, P4]:
    """Return weight [GeV^-2], electron, positron, l+ and l- in the centre of mass, the electron beam along z.

    The weight is 0 below the minimum mass; the leptons are meaningless if the pair itself is below.
    """
    s, mass, lowest = 4 * energy * energy, produced.mass, produced.minimum_mass**2
    tau, density = draw_tau(MARGIN * lowest / s, rng)
    rapidity, d_rapidity = draw_rapidity(-np.log(tau) / 2, rng)
    y1, y2 = np.sqrt(tau) * np.exp(rapidity), np.sqrt(tau) * np.exp(-rapidity)
    # an electron must keep its mass
    most = 1 - 2 * M_ELECTRON / energy
    allowed = max(y1, y2) < most
    y1, y2 = min(y1, most), min(y2, most)
    low1, low2 = smallest_virtuality(y1, energy), smallest_virtuality(y2, energy)
    q21, d1 = draw_virtuality(low1, (1 - y1) * s, tau * s, rng)
    q22, d2 = draw_virtuality(low2, (1 - y2) * s, tau * s, rng)
    e1, q1 = scatter(y1, q21 - low1, 2 * np.pi * rng.random(), energy, 1.0)
    e2, q2 = scatter(y2, q22 - low2, 2 * np.pi * rng.random(), energy, -1.0)
    pair = add(q1, q2)
    w2 = mass_squared(pair)
    if not (allowed and w2 > lowest):
        return 0.0, e1, e2, pair, pair
    beta = np.sqrt(1 - 4 * mass**2 / w2)
    cos, d_cosine = draw_cosine(beta, produced.isotropic_share, rng)
    plus, minus = pair_of_leptons(pair, np.sqrt(w2), mass, q1, cos, 2 * np.pi * rng.random())
    if produced.identical:
        others = mass_squared(add(e1, e2)), mass_squared(add(e1, plus)), mass_squared(add(minus, e2))
        if min(others) < lowest:
            return 0.0, e1, e2, plus, minus
    p = np.sqrt(energy**2 - M_ELECTRON**2)
    square = _square(energy, (q1, q2, q21, q22), pair, minus, cos, mass, work)
    # dsigma = (4 pi alpha)^4 L1 L2 T T* / (Q1^4 Q2^4) dPhi4 / (8 E p); an electron has d^3p'/2E' = (E/4p) dy dQ^2 dphi,
    # the leptons dPhi2 = beta/(16 pi) dcos; dy1 dy2 = tau dln(tau) dY, dQ^2 = Q^2 dln(Q^2)
    rate = (4 * np.pi * ALPHA) ** 4 * square / (q21 * q22) / (8 * energy * p) * beta / (16 * np.pi)
    rate *= (2 * np.pi * energy / (4 * p * (2 * np.pi) ** 3)) ** 2
    if not produced.multiperipheral_only:
        a, b = (energy, 0.0, 0.0, p), (energy, 0.0, 0.0, -p)
        rate *= correction(a, b, e1, e2, plus, minus, mass, produced.identical, spinors)
    return rate * tau / (density * d_rapidity * d1 * d2 * d_cosine), e1, e2, plus, minus


@njit(cache=True)
def _fill(
    electron: Array,
    total: Array,
    produced: ProducedPair,
    rng: np.random.Generator,
    spinors: Workspace,
    p4: Array,
    weight: Array,
) -> int:
    """Fill p4 (lab) and weight [GeV^-2] of events with the given beams, (N, 4) each, and return how often it drew."""
    drawn = 0
    work = np.zeros((4, 3, 3), dtype=np.complex128)
    for i in range(weight.size):
        beams = row(total, i)
        energy = np.sqrt(mass_squared(beams)) / 2
        w = 0.0
        while w <= 0:
            w, e1, e2, plus, minus = _event(energy, produced, rng, work, spinors)
            drawn += 1
        weight[i] = w
        to_laboratory((e1, e2, plus, minus), row(electron, i), beams, p4[i])
    return drawn


def _process(lepton: int, name: str, accuracy: str, reference: str, *, multiperipheral_only: bool) -> Process:
    """Return the process of pairs of a lepton."""
    diagrams = "bremsstrahlung" if lepton == 13 else "exchange and bremsstrahlung"
    return Process(
        name=f"ee{name}",
        summary=f"e+e- -> e+e- {'mu+ mu-' if lepton == 13 else 'e+e-'}, two-photon pairs",
        generate=partial(generate, lepton=lepton),
        parameters={
            "minimum_mass": Parameter(meaning="lowest mass of the pair [GeV]", default=0.5, above=0.22),
            "multiperipheral_only": Parameter(
                meaning=f"whether {diagrams} diagrams are left out", default=multiperipheral_only
            ),
        },
        accuracy=accuracy,
        reference=f"{reference}; {RATES}",
    )


PROCESSES = (
    _process(
        13,
        "mumu",
        "multiperipheral exact: 1 % at pair pT* below 1 GeV, 5 % to 2 GeV, 20 % above; no radiation",
        "Budnev et al., Phys. Rep. 15 (1975) 181",
        multiperipheral_only=True,
    ),
    _process(
        11,
        "ee",
        "all diagrams at tree level; no radiation",
        "Berends, Daverveldt, Kleiss, Comput. Phys. Commun. 40 (1986) 285",
        multiperipheral_only=False,
    ),
)
