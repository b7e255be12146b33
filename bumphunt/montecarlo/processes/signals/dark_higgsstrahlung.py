"""The signal e+e- -> A' h' by a virtual A', with A' -> mumu or ee and an h' that escapes.

Tree level with one collinear photon from each beam. The A' takes over the polarisation of the virtual one, which lies
across the beams: with it go the angle of production and, exactly, the angles of the decay. The lepton pair radiates.
Neither A' nor h' has a width, the A' a lifetime if one is given. For an h' of less than about 0.1 GeV a few events,
whose beams returned to just above the A', have weights of hundreds of times the mean.

References
----------
B. Batell, M. Pospelov, A. Ritz, Phys. Rev. D 79 (2009) 115008 (arXiv:0903.0363).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import M_ELECTRON, M_MUON
from bumphunt.errors import InputError
from bumphunt.kinematics.compiled import along, boost_from_rest, boost_to_rest, breakup_momentum, ray, row
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.events import INVISIBLE, Events, beam_particles
from bumphunt.montecarlo.phase_space.decays import decay_vertices, direction
from bumphunt.montecarlo.phase_space.vector_decays import decay_to_products, fermion_slope_along
from bumphunt.montecarlo.processes.parameters import LIFETIME, MASS, coupling
from bumphunt.montecarlo.processes.process import Parameter, Parameters, Process
from bumphunt.montecarlo.radiation.initial_state import radiate_initial_state
from bumphunt.theory import dark_photon
from bumphunt.theory.dark_higgs import born_cross_section

__all__ = ["FINAL_STATES", "PROCESSES", "generate"]

Array = NDArray[np.float64]

FINAL_STATES: Mapping[str, tuple[int, float]] = {"ee": (11, M_ELECTRON), "mumu": (13, M_MUON)}
"""Final states of the A': PDG number of the negative particle, and its mass [GeV]."""


def generate(
    n: int,
    *,
    beams: Beams,
    rng: np.random.Generator,
    mass: float,
    higgs_mass: float,
    coupling: float = 1e-7,
    final_state: str = "mumu",
    lifetime: float = 0.0,
    radiation: bool = True,
) -> Events:
    """Return weighted events: l-, l+ and a photon from each, the h', the photons of electron and positron.

    The mean weight is the cross section without any branching ratio of A' or h'.

    Parameters
    ----------
    n
        Number of events.
    beams
        The beams, with their energy spread.
    rng
        Source of randomness.
    mass, higgs_mass
        Masses of A' and h' [GeV].
    coupling
        eps^2 alpha_D.
    final_state
        One of `FINAL_STATES`.
    lifetime
        Proper decay length c tau of the A' [cm]; the leptons start where it decays.
    radiation
        Whether beams and leptons radiate.

    Raises
    ------
    InputError
        If the final state is unknown, the A' is below threshold, the h' not massive, both together not below sqrt(s),
        the coupling is not positive, or the lifetime is negative.
    """
    if final_state not in FINAL_STATES:
        msg = f"final_state = {final_state!r}; choose from {', '.join(FINAL_STATES)}"
        raise InputError(msg)
    pdgid, m = FINAL_STATES[final_state]
    if not (mass > 2 * m and higgs_mass > 0 and mass + higgs_mass < beams.sqrt_s and coupling > 0):
        msg = f"mass = {mass} GeV, higgs_mass = {higgs_mass} GeV, coupling = {coupling}; want mass > {2 * m:.4g} GeV, "
        raise InputError(msg + f"both masses positive, together below {beams.sqrt_s:.4f} GeV, and a positive coupling")
    electron, positron = beam_particles(beams, n, rng=rng)
    lowest = (mass + higgs_mass) * (1 + 1e-9)
    initial = radiate_initial_state(electron, positron, minimum_mass=lowest, rng=rng, radiation=radiation)
    bosons, spin, weight = np.empty((n, 2, 4)), np.empty((n, 3)), np.empty(n)
    _produce(initial.pair, initial.axis, initial.mass_squared, mass, higgs_mass, rng, bosons, spin, weight)
    weight *= initial.weight * coupling * born_cross_section(initial.mass_squared, mass, higgs_mass)
    slope = fermion_slope_along(mass, m)
    leptons, decay_weight = decay_to_products(
        bosons[:, 0], spin, mass=mass, product_mass=m, slope=slope, radiation=radiation, rng=rng
    )
    p4 = np.concatenate([leptons, bosons[:, 1:], initial.photons], axis=1)
    vertex = decay_vertices(bosons[:, 0], mass=mass, lifetime=lifetime, slots=7, products=slice(4), rng=rng)
    numbers = np.array([pdgid, -pdgid, 22, 22, INVISIBLE, 22, 22], dtype=np.int32)
    return Events(
        pdgid=np.where(p4[..., 0] > 0, numbers, np.int32(0)),
        p4=p4,
        weight=weight * decay_weight,
        beams_p4=electron + positron,
        vertex=vertex,
    )


@njit(cache=True)
def _produce(
    pair: Array,
    axis: Array,
    s_pair: Array,
    mass: float,
    higgs_mass: float,
    rng: np.random.Generator,
    bosons: Array,
    spin: Array,
    weight: Array,
) -> None:
    """Fill laboratory momenta of A' and h', (N, 2, 4), the spin of the A' at rest, (N, 3), and weights of mean 1.

    The direction is drawn uniformly. The virtual A' is a vector J across the axis; seen from the rest frame of the A',
    J stands for its spin state, and the rate goes as J^2 there: 1 + (p/m)^2 (J.n)^2, n the direction of the A'. On
    average over azimuth that is 1 + lambda s sin^2 / 8 m^2, the 8 m^2 / s + lambda sin^2 of the cross section.
    """
    for i in range(s_pair.size):
        root = max(np.sqrt(s_pair[i]), (mass + higgs_mass) * (1 + 1e-12))
        p = breakup_momentum(root, mass, higgs_mass)
        x, y, z = direction(rng)
        energy = np.sqrt(p * p + mass * mass)
        frame = row(pair, i)
        first = boost_from_rest((energy, p * x, p * y, p * z), frame, root)
        bosons[i, 0], bosons[i, 1] = first, boost_from_rest((root - energy, -p * x, -p * y, -p * z), frame, root)
        phi = 2 * np.pi * rng.random()
        j1, j2, j3 = along(ray(axis, i), np.cos(phi), np.sin(phi), 0.0)
        ratio = (p / mass) ** 2
        weight[i] = (1 + ratio * (j1 * x + j2 * y + j3 * z) ** 2) / (1 + ratio / 3)
        # by way of the laboratory, from which the leptons are boosted
        _, e1, e2, e3 = boost_to_rest(boost_from_rest((0.0, j1, j2, j3), frame, root), first, mass)
        norm = np.sqrt(e1 * e1 + e2 * e2 + e3 * e3)
        spin[i] = (e1 / norm, e2 / norm, e3 / norm)


def _branching_ratio(parameters: Parameters, *, final_state: str) -> float:
    """Return that of the A' without dark matter."""
    return float(dark_photon.branching_ratio(float(parameters["mass"]), final_state))


def _mass_range(parameters: Parameters, sqrt_s: float, *, lightest: float) -> tuple[float, float]:
    """Return the masses of the A' that leave room for the h'."""
    return lightest, sqrt_s - float(parameters.get("higgs_mass", 0.0))


PROCESSES = tuple(
    Process(
        name=f"darkhiggs_{final_state}",
        summary=f"e+e- -> A' h', A' -> {final_state}, h' escapes",
        generate=partial(generate, final_state=final_state),
        parameters={
            "mass": MASS,
            "higgs_mass": Parameter(meaning="mass of the h' [GeV]", above=0.0),
            "coupling": coupling(1e-7, "eps^2 alpha_D"),
            "lifetime": LIFETIME,
        },
        signal=True,
        branching_ratio=partial(_branching_ratio, final_state=final_state),
        mass_range=partial(_mass_range, lightest=2 * FINAL_STATES[final_state][1]),
        accuracy="exact at tree level, one collinear photon from each beam; the coupling enters linearly, as eps^2",
        reference="Batell, Pospelov, Ritz, arXiv:0903.0363",
    )
    for final_state in ("mumu", "ee")
)
