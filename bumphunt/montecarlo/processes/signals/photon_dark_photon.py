"""The signal e+e- -> gamma A', with A' -> ee, mumu, tautau, pi pi, or invisible.

The photon is radiation of a beam that returned to the A' (`bumphunt.montecarlo.radiation.radiative_return`): all
angles, with the peaks along the beams, and with soft and collinear photons beside it. The decay has the polarisation of
the A' that goes with that photon, exact for one photon; electrons and muons radiate, taus decay with their spin
correlation. The A' has no width, and a lifetime if one is given.

References
----------
R. Essig, P. Schuster, N. Toro, Phys. Rev. D 80 (2009) 015003 (arXiv:0903.3941): the process.
F. A. Berends, R. Kleiss, Nucl. Phys. B 177 (1981) 237: the decay angles.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON, M_MUON, M_PION, M_TAU
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.events import INVISIBLE, Events, beam_particles
from bumphunt.montecarlo.phase_space.decays import decay_vertices
from bumphunt.montecarlo.phase_space.vector_decays import SCALAR_SLOPE_ACROSS, decay_to_products, fermion_slope_across
from bumphunt.montecarlo.processes.parameters import LIFETIME, MASS, RECOILING_PHOTON, coupling
from bumphunt.montecarlo.processes.process import Parameters, Process, beside, everything
from bumphunt.montecarlo.processes.taus.decays import decay_at_rest
from bumphunt.montecarlo.processes.taus.modes import MODE_ENRICHMENT, sample_modes
from bumphunt.montecarlo.processes.taus.spins import antiparticles, orient_decays
from bumphunt.montecarlo.radiation.initial_state import InitialState
from bumphunt.montecarlo.radiation.radiative_return import return_to_resonance
from bumphunt.theory import dark_photon

__all__ = ["FINAL_STATES", "LIGHTEST", "PROCESSES", "generate"]

Array = NDArray[np.float64]
Products = tuple[NDArray[np.int32], Array, Array]
"""PDG numbers (N, P), laboratory momenta (N, P, 4), weights (N,)."""

LIGHTEST = 1e-3
"""Lowest mass that is generated [GeV]."""

FINAL_STATES: Mapping[str, tuple[int, float]] = {
    "ee": (11, M_ELECTRON),
    "mumu": (13, M_MUON),
    "tautau": (15, M_TAU),
    "pipi": (-211, M_PION),
    "invisible": (INVISIBLE, 0.0),
}
"""Final states of the A': PDG number of the negative particle, and its mass [GeV]."""


def generate(
    n: int,
    *,
    beams: Beams,
    rng: np.random.Generator,
    mass: float,
    coupling: float = 1e-3,
    final_state: str = "mumu",
    lifetime: float = 0.0,
    radiation: bool = True,
    mode_enrichment: Mapping[str, float] | str = "none",
) -> Events:
    """Return weighted events: the products of the A', and the photons of the beams, among them that of the process.

    The mean weight is the cross section at all angles without any branching ratio of the A'. Columns: the two products
    (negative first) and a photon from each, or the A', or the products of tau- and tau+; then the photons of electron
    and positron.

    Parameters
    ----------
    n
        Number of events.
    beams
        The beams, with their energy spread.
    rng
        Source of randomness.
    mass
        Mass of the A' [GeV].
    coupling
        Kinetic mixing epsilon.
    final_state
        One of `FINAL_STATES`.
    lifetime
        Proper decay length c tau of the A' [cm]; the products start where it decays.
    radiation
        Whether any number of photons is radiated; otherwise one, at tree level.
    mode_enrichment
        How often each decay mode of a tau is drawn, compared with nature (`modes.sample_modes`).

    Raises
    ------
    InputError
        If the final state is unknown, the mass is not between threshold (or `LIGHTEST`) and sqrt(s), the coupling is
        not positive, or the lifetime is negative.
    """
    if final_state not in FINAL_STATES:
        msg = f"final_state = {final_state!r}; choose from {', '.join(FINAL_STATES)}"
        raise InputError(msg)
    lowest = max(2 * FINAL_STATES[final_state][1], LIGHTEST)
    if not lowest < mass < beams.sqrt_s or not coupling > 0:
        msg = f"mass = {mass} GeV, coupling = {coupling}; want {lowest:.4g} < mass < sqrt(s) = {beams.sqrt_s:.4f} GeV"
        raise InputError(msg + " and a positive coupling")
    electron, positron = beam_particles(beams, n, rng=rng)
    initial = return_to_resonance(electron, positron, mass=mass, rng=rng, radiation=radiation)
    if final_state == "tautau":
        pdgid, p4, weight = _taus(initial, mass, mode_enrichment, rng)
    else:
        pdgid, p4, weight = _two_products(initial, mass, final_state, radiation, rng)
    vertex = decay_vertices(
        initial.pair, mass=mass, lifetime=lifetime, slots=p4.shape[1] + 2, products=slice(-2), rng=rng
    )
    # sigma(e+e- -> A') = 12 pi^2 Gamma_ee / m delta(s - m^2), Gamma_ee = alpha eps^2 m / 3
    peak = 4 * np.pi**2 * ALPHA * coupling**2 * GEV2_TO_FB
    photon_id = np.where(initial.photons[..., 0] > 0, 22, 0).astype(np.int32)
    return Events(
        pdgid=np.concatenate([pdgid, photon_id], axis=1),
        p4=np.concatenate([p4, initial.photons], axis=1),
        weight=peak * initial.weight * weight,
        beams_p4=electron + positron,
        vertex=vertex,
    )


def _two_products(
    initial: InitialState, mass: float, final_state: str, radiation: bool, rng: np.random.Generator
) -> Products:
    """Return two products with their photons, or the A' itself."""
    n, (pdgid, m) = initial.weight.size, FINAL_STATES[final_state]
    if final_state == "invisible":
        return np.full((n, 1), pdgid, dtype=np.int32), initial.pair[:, np.newaxis], np.ones(n)
    slope = SCALAR_SLOPE_ACROSS if final_state == "pipi" else fermion_slope_across(mass, m)
    p4, weight = decay_to_products(
        initial.pair,
        initial.axis,
        mass=mass,
        product_mass=m,
        slope=slope,
        radiation=radiation and final_state != "pipi",
        rng=rng,
    )
    return np.where(p4[..., 0] > 0, np.array([pdgid, -pdgid, 22, 22], dtype=np.int32), np.int32(0)), p4, weight


def _taus(
    initial: InitialState, mass: float, mode_enrichment: Mapping[str, float] | str, rng: np.random.Generator
) -> Products:
    """Return the decay products of two taus with their spin correlation."""
    n = initial.weight.size
    modes = [sample_modes(n, enrichment=mode_enrichment, rng=rng) for _ in range(2)]
    minus, plus = (decay_at_rest(mode, rng=rng) for mode, _ in modes)
    legs = ((minus.p4, minus.polarimeter), (plus.p4, plus.polarimeter))
    orient_decays(initial.pair, initial.axis, *legs, rng)
    pdgid = np.concatenate([minus.pdgid, antiparticles(plus.pdgid)], axis=1)
    return pdgid, np.concatenate([minus.p4, plus.p4], axis=1), modes[0][1] * modes[1][1]


def _branching_ratio(parameters: Parameters, *, final_state: str) -> float:
    """Return that of an A' without dark matter to a final state that is seen."""
    return float(dark_photon.branching_ratio(float(parameters["mass"]), final_state))


def _process(final_state: str) -> Process:
    """Return the process of a dark photon that decays to one final state; to an invisible one always."""
    lightest = max(2 * FINAL_STATES[final_state][1], LIGHTEST)
    taus = {"mode_enrichment": MODE_ENRICHMENT} if final_state == "tautau" else {}
    return Process(
        name=f"aprime_{final_state}",
        summary=f"e+e- -> gamma A', A' -> {final_state}",
        generate=partial(generate, final_state=final_state),
        parameters={"mass": MASS, "coupling": coupling(1e-3, "kinetic mixing epsilon"), "lifetime": LIFETIME} | taus,
        signal=True,
        branching_ratio=(
            everything if final_state == "invisible" else partial(_branching_ratio, final_state=final_state)
        ),
        mass_range=partial(beside, recoil=RECOILING_PHOTON, lightest=lightest),
        accuracy="one photon exact, further ones by structure functions; decay with exact polarisation",
        reference="Essig, Schuster, Toro, arXiv:0903.3941",
    )


PROCESSES = tuple(_process(final_state) for final_state in FINAL_STATES)
