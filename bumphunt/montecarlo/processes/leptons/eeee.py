"""Two-photon electron pairs, e+e- -> e+e- e+e-.

Use it as a background of searches with two electrons, where the other two leave along the beam pipe: see
`bumphunt.montecarlo.processes.leptons.two_photon_pairs`. Nobody knows which of the four electrons are the scattered
ones, so the lowest mass holds for each of the four pairs of opposite charge, as in the generator of Berends, Daverveldt
and Kleiss, from which Belle II quotes 39.7 nb above 0.5 GeV; here it is 40.8 nb. A cut on the produced pair alone would
leave 71 nb, half of them with a lepton that flies along with a scattered electron.

By default exchange and bremsstrahlung are in the weights. The multiperipheral diagrams alone give 36.3 nb: what lacks
is interference of exchange, near the beams. Of electrons more than 20 degrees from the beams they lack 1 %, but 6 %
where the pair's transverse momentum is 0.5 to 1 GeV in the centre of mass, 10 % from 1 to 2 GeV and 25 % above. The
beams do not radiate.

References
----------
F. A. Berends, P. H. Daverveldt, R. Kleiss, Comput. Phys. Commun. 40 (1986) 285: four leptons at lowest order.
E. Kou et al. (Belle II), PTEP 2019 (2019) 123C01 (arXiv:1808.10567), table of cross sections.
"""

from __future__ import annotations

import numpy as np

from bumphunt.constants import M_ELECTRON
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.events import Events
from bumphunt.montecarlo.processes.leptons.two_photon_pairs import PAIR_MASS, ProducedPair, generate_pairs
from bumphunt.montecarlo.processes.parameters import RATES
from bumphunt.montecarlo.processes.process import Parameter, Process

__all__ = ["PROCESSES", "generate"]

ISOTROPIC_SHARE = 0.4
"""Share of electrons drawn isotropic in the pair's rest frame, for level weights in total and in a detector."""


def generate(
    n: int,
    *,
    beams: Beams,
    rng: np.random.Generator,
    minimum_mass: float = 0.5,
    multiperipheral_only: bool = False,
) -> Events:
    """Return `n` weighted events e+e- -> e+e- e+e-.

    The mean weight is the cross section with all four pairs of opposite charge above `minimum_mass`.

    Parameters
    ----------
    n
        Number of events.
    beams
        The collider.
    rng
        Source of randomness.
    minimum_mass
        Lowest mass of each pair of opposite charge [GeV].
    multiperipheral_only
        Whether the weights hold the multiperipheral diagrams alone, or exchange and bremsstrahlung as well: the same
        events, three times faster.

    Returns
    -------
    Events
        Columns: electron and positron that are mostly the scattered ones, then the other positron and electron.

    Raises
    ------
    InputError
        If `minimum_mass` is not between the threshold and half of the centre-of-mass energy.
    """
    produced = ProducedPair(M_ELECTRON, minimum_mass, True, bool(multiperipheral_only), ISOTROPIC_SHARE)
    return generate_pairs(n, beams=beams, rng=rng, produced=produced, pdgid=11)


PROCESSES = (
    Process(
        name="eeee",
        summary="e+e- -> e+e- e+e-, two-photon pairs",
        generate=generate,
        parameters={
            "minimum_mass": PAIR_MASS,
            "multiperipheral_only": Parameter(
                meaning="whether exchange and bremsstrahlung diagrams are left out", default=False
            ),
        },
        accuracy="all diagrams at tree level; no radiation",
        reference=f"Berends, Daverveldt, Kleiss, Comput. Phys. Commun. 40 (1986) 285; {RATES}",
    ),
)
