"""The signal: e+e- -> mu+ mu- Z', the Z' radiated from a muon and then invisible.

The exact tree-level matrix element (`bumphunt.theory.pair_and_vector`) with the muon mass and the whole
orientation, and one collinear photon from each beam. The Z' is one particle (PDG number 32) of zero width, with a
vector coupling g'.

References
----------
B. Shuve, I. Yavin, Phys. Rev. D 89 (2014) 113004 (arXiv:1403.2727): the model and this process.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import ALPHA, GEV2_TO_FB, M_MUON
from bumphunt.errors import InputError
from bumphunt.kinematics.compiled import along, boost_from_rest, row
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.events import INVISIBLE, Events, beam_particles
from bumphunt.montecarlo.phase_space.decays import direction
from bumphunt.montecarlo.processes.parameters import MASS, coupling
from bumphunt.montecarlo.processes.process import Parameters, Process, beside
from bumphunt.montecarlo.radiation.initial_state import radiate_initial_state
from bumphunt.theory.pair_and_vector import compiled_limits, transverse_current
from bumphunt.theory.zprime import branching_ratio_invisible

__all__ = ["PROCESSES", "generate"]

Array = NDArray[np.float64]


def generate(
    n: int,
    *,
    beams: Beams,
    rng: np.random.Generator,
    mass: float,
    coupling: float = 0.1,
    radiation: bool = True,
) -> Events:
    """Return weighted events: mu-, mu+, Z', and the photons of electron and positron.

    The mean weight is the cross section without any branching ratio of the Z'.

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
        Coupling g'.
    radiation
        Whether the beams radiate.

    Raises
    ------
    InputError
        If the mass is not between 0 and sqrt(s) - 2 m_mu, or the coupling not positive.
    """
    limit = beams.sqrt_s - 2 * M_MUON
    if not 0 < mass < limit or not coupling > 0:
        msg = f"mass = {mass} GeV, coupling = {coupling}; want 0 < mass < {limit:.4f} GeV and a positive coupling"
        raise InputError(msg)
    electron, positron = beam_particles(beams, n, rng=rng)
    lowest = (2 * M_MUON + mass) * (1 + 1e-9)
    initial = radiate_initial_state(electron, positron, minimum_mass=lowest, rng=rng, radiation=radiation)
    momenta, weight = np.empty((n, 3, 4)), np.empty(n)
    _decay(initial.pair, initial.axis, initial.mass_squared, mass, rng, momenta, weight)
    p4 = np.concatenate([momenta, initial.photons], axis=1)
    pdgid = np.where(p4[:, :, 0] > 0, np.array([13, -13, INVISIBLE, 22, 22], dtype=np.int32), np.int32(0))
    return Events(
        pdgid=pdgid,
        p4=p4,
        weight=initial.weight * weight * (coupling**2 * GEV2_TO_FB),
        beams_p4=electron + positron,
    )


@njit(cache=True)
def _decay(
    pair: Array, axis: Array, s_pair: Array, mass: float, rng: np.random.Generator, momenta: Array, weight: Array
) -> None:
    """Fill laboratory momenta of mu-, mu+, Z' (N, 3, 4), and weights with the cross section in GeV^-2 for g' = 1.

    d1 is drawn flat in its logarithm, then d2 within its limits, which flattens the propagators; the orientation is
    drawn uniformly. Events below threshold have weight 0.
    """
    m = M_MUON
    threshold = (2 * m + mass) ** 2
    for i in range(s_pair.size):
        s = max(s_pair[i], threshold * (1 + 1e-9))
        root = np.sqrt(s)
        low, high = np.log(2 * m * mass + mass**2), np.log((root - m) ** 2 - m * m)
        d1 = np.exp(low + (high - low) * rng.random())
        d2_low, d2_high = compiled_limits(d1, s, m, mass)
        span = np.log(max(d2_high / d2_low, 1.0))
        d2 = d2_low * np.exp(span * rng.random())
        # energies and the angle between the muons in the rest frame
        e1, e2 = (s - d2) / (2 * root), (s - d1) / (2 * root)
        p1, p2 = np.sqrt(max(e1**2 - m * m, 0.0)), np.sqrt(max(e2**2 - m * m, 0.0))
        e3 = root - e1 - e2
        cos = min(max((e3**2 - mass**2 - p1**2 - p2**2) / max(2 * p1 * p2, 1e-12), -1.0), 1.0)
        sin, psi = np.sqrt(1 - cos * cos), 2 * np.pi * rng.random()
        nx, ny, nz = direction(rng)
        q1 = (e1, p1 * nx, p1 * ny, p1 * nz)
        x, y, z = along((1.0, nx, ny, nz), p2 * sin * np.cos(psi), p2 * sin * np.sin(psi), p2 * cos)
        q2 = (e2, x, y, z)
        q3 = (e3, -q1[1] - x, -q1[2] - y, -q1[3] - z)
        along1 = q1[1] * axis[i, 0] + q1[2] * axis[i, 1] + q1[3] * axis[i, 2]
        along2 = x * axis[i, 0] + y * axis[i, 1] + z * axis[i, 2]
        square = transverse_current(d1, d2, along1, along2, s, m, mass)
        # 1/(2s) flux, (1/4) e^4 / s^2 2s, ds1 ds2 / (128 pi^3 s)
        factor = (4 * np.pi * ALPHA) ** 2 / (4 * s**2) / (128 * np.pi**3 * s)
        weight[i] = factor * square * (high - low) * d1 * span * d2 if s_pair[i] > threshold else 0.0
        frame = row(pair, i)
        for slot, q in enumerate((q1, q2, q3)):
            momenta[i, slot] = boost_from_rest(q, frame, root)


def _branching_ratio(parameters: Parameters) -> float:
    """Return that of the Z' to neutrinos."""
    return float(branching_ratio_invisible(float(parameters["mass"])))


PROCESSES = (
    Process(
        name="zprime",
        summary="e+e- -> mu+ mu- Z', Z' -> invisible",
        generate=generate,
        parameters={"mass": MASS, "coupling": coupling(0.1, "coupling g'")},
        signal=True,
        branching_ratio=_branching_ratio,
        mass_range=partial(beside, recoil=2 * M_MUON),
        accuracy="exact at tree level, one collinear photon from each beam; none from the muons",
        reference="Shuve, Yavin, arXiv:1403.2727",
    ),
)
