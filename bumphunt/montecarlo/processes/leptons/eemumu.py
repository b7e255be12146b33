"""Two-photon muon pairs, e+e- -> e+e- mu+ mu-.

Use it as the background at high recoil mass, where both electrons leave along the beam pipe: see
`bumphunt.montecarlo.processes.leptons.two_photon_pairs`. The multiperipheral diagrams, which are the default, give 18.5
nb for pairs above 0.5 GeV, and 18.8 nb with bremsstrahlung; Belle II quotes 18.9 nb. Of muons more than 20 degrees from
the beams the default lacks 0.2 %, but 1 % where the pair's transverse momentum is 0.5 to 1 GeV in the centre of mass, 5
% from 1 to 2 GeV and 20 % above. Bremsstrahlung also makes muons that fly along a beam which lost nearly all of its
energy to them: there few events are drawn, and one in 10^5 has a weight of 10^3 means. The beams do not radiate.

References
----------
V. M. Budnev, I. F. Ginzburg, G. V. Meledin, V. G. Serbo, Phys. Rep. 15 (1975) 181.
E. Kou et al. (Belle II), PTEP 2019 (2019) 123C01 (arXiv:1808.10567), table of cross sections.
"""

from __future__ import annotations

import numpy as np

from bumphunt.constants import M_MUON
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.events import Events
from bumphunt.montecarlo.processes.leptons.two_photon_pairs import PAIR_MASS, ProducedPair, generate_pairs
from bumphunt.montecarlo.processes.parameters import RATES
from bumphunt.montecarlo.processes.process import Parameter, Process

__all__ = ["PROCESSES", "generate"]

ISOTROPIC_SHARE = 0.75
"""Share of muons drawn isotropic in the pair's rest frame, for level weights of those that a detector sees."""


def generate(
    n: int,
    *,
    beams: Beams,
    rng: np.random.Generator,
    minimum_mass: float = 0.5,
    multiperipheral_only: bool = True,
) -> Events:
    """Return `n` weighted events e+e- -> e+e- mu+ mu-.

    The mean weight is the cross section for muon pairs above `minimum_mass`.

    Parameters
    ----------
    n
        Number of events.
    beams
        The collider.
    rng
        Source of randomness.
    minimum_mass
        Lowest mass of the muon pair [GeV].
    multiperipheral_only
        Whether the weights hold the multiperipheral diagrams alone, or bremsstrahlung as well: the same events, at half
        the speed.

    Returns
    -------
    Events
        Columns: scattered electron and positron, mu+, mu-.

    Raises
    ------
    InputError
        If `minimum_mass` is not between the threshold and half of the centre-of-mass energy.
    """
    produced = ProducedPair(M_MUON, minimum_mass, False, bool(multiperipheral_only), ISOTROPIC_SHARE)
    return generate_pairs(n, beams=beams, rng=rng, produced=produced, pdgid=13)


PROCESSES = (
    Process(
        name="eemumu",
        summary="e+e- -> e+e- mu+ mu-, two-photon pairs",
        generate=generate,
        parameters={
            "minimum_mass": PAIR_MASS,
            "multiperipheral_only": Parameter(meaning="whether bremsstrahlung diagrams are left out", default=True),
        },
        accuracy="multiperipheral exact: 1 % at pair pT* below 1 GeV, 5 % to 2 GeV, 20 % above; no radiation",
        reference=f"Budnev et al., Phys. Rep. 15 (1975) 181; {RATES}",
    ),
)
