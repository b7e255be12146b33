"""Tau pairs with their decays, e+e- -> tau+ tau- (gamma).

Use it as the background at intermediate recoil masses. The pair is made at tree level with the tau mass, vacuum
polarisation, one collinear photon from each beam and from each tau, the hardest of which is that of the exact matrix
element with all interference (`bumphunt.montecarlo.amplitudes.pair_photon`). The decays carry the full spin correlation
of the pair, transverse components included. There is no radiation from the decay products.

The decay modes are drawn from a proposal that favours what the search keeps and the events weighted back to the PDG's
branching fractions, so that the mean weight is the whole cross section.

References
----------
Y.-S. Tsai, Phys. Rev. D 4 (1971) 2821, and S. Jadach, Z. Was, Comput. Phys. Commun. 36 (1985) 191: spin correlations.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bumphunt.constants import M_TAU
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.amplitudes.vacuum_polarisation import vacuum_polarisation
from bumphunt.montecarlo.events import Events, beam_particles
from bumphunt.montecarlo.processes.parameters import RATES
from bumphunt.montecarlo.processes.process import Process
from bumphunt.montecarlo.processes.taus.decays import decay_at_rest
from bumphunt.montecarlo.processes.taus.modes import MODE_ENRICHMENT, sample_modes
from bumphunt.montecarlo.processes.taus.spins import antiparticles, decay_with_spins, taus_back_to_back
from bumphunt.montecarlo.radiation.final_state import radiate_final_state
from bumphunt.montecarlo.radiation.hardest_photon import hardest_photon_weight
from bumphunt.montecarlo.radiation.initial_state import radiate_initial_state
from bumphunt.montecarlo.radiation.lost_fractions import Shares
from bumphunt.theory.lepton_pairs import born_cross_section

__all__ = ["PROCESSES", "generate"]

Array = NDArray[np.float64]

TAU_SHARES: Shares = (0.88, 0.10, 0.02, 0.0, 0.0)
"""How often each kind of radiation from the taus is generated: less than from muons, as it happens less."""
LOWEST_MASS = 2 * M_TAU * (1 + 1e-9)
"""Lowest mass of a tau pair [GeV]: just above threshold, where its frame is still defined."""


def generate(
    n: int,
    *,
    beams: Beams,
    rng: np.random.Generator,
    mode_enrichment: Mapping[str, float] | str = "muon",
) -> Events:
    """Return `n` weighted events e+e- -> tau+ tau- (gamma) with decayed taus.

    The mean weight is the cross section, all decays included; some events have weight 0 (radiated below threshold).

    Parameters
    ----------
    n
        Number of events.
    beams
        The collider.
    rng
        Source of randomness.
    mode_enrichment
        How often each decay mode is drawn, compared with nature: a name of `modes.ENRICHMENTS` or factors by mode.

    Returns
    -------
    Events
        Columns: the photons of electron and positron, the products of the tau-, those of the tau+, the photons of tau-
        and tau+.

    Raises
    ------
    InputError
        If `mode_enrichment` names an unknown mode or a factor that is not positive.
    """
    minus_mode, minus_weight = sample_modes(n, enrichment=mode_enrichment, rng=rng)
    plus_mode, plus_weight = sample_modes(n, enrichment=mode_enrichment, rng=rng)
    electron, positron = beam_particles(beams, n, rng=rng)
    initial = radiate_initial_state(electron, positron, minimum_mass=LOWEST_MASS, rng=rng)
    s = initial.mass_squared
    cos, frame, charged = np.empty(n), np.empty((n, 3, 3)), np.empty((n, 2, 4))
    taus_back_to_back(initial.axis, s, rng, cos, frame, charged)
    taus, final_weight = radiate_final_state(initial.pair, charged, mass=M_TAU, rng=rng, slots=6, shares=TAU_SHARES)
    taus[:, 4:] = initial.photons
    exact = hardest_photon_weight(electron, positron, taus, mass=M_TAU)
    minus, plus = decay_at_rest(minus_mode, rng=rng), decay_at_rest(plus_mode, rng=rng)
    legs = ((minus.p4, minus.polarimeter), (plus.p4, plus.polarimeter))
    decay_with_spins(initial.pair, taus, cos, frame, *legs, rng)
    photons = taus[:, 2:]
    photon_id = np.where(photons[..., 0] > 0, np.int32(22), np.int32(0))
    sigma = born_cross_section(s, M_TAU) * vacuum_polarisation(s)
    return Events(
        pdgid=np.concatenate([photon_id[:, 2:], minus.pdgid, antiparticles(plus.pdgid), photon_id[:, :2]], axis=1),
        p4=np.concatenate([photons[:, 2:], minus.p4, plus.p4, photons[:, :2]], axis=1),
        weight=initial.weight * sigma * final_weight * exact * minus_weight * plus_weight,
        beams_p4=electron + positron,
    )


PROCESSES = (
    Process(
        name="tautau",
        summary="e+e- -> tau+ tau- (gamma), with decays",
        generate=generate,
        parameters={"mode_enrichment": MODE_ENRICHMENT},
        accuracy="total 1 %, spins exact; no radiation off the decay products",
        reference=f"Tsai, Phys. Rev. D 4 (1971) 2821; {RATES}",
    ),
)
