"""Z' -> invisible: ee -> mu mu and nothing else, a peak in the mass that recoils against the muon pair.

Two opposite muons, no other track, no photon, and a recoil that points to where a photon would have been seen
(`selections.searches.zprime.recoil`). What is left is mumu(gamma) with lost photons, tautau(gamma) with two muons, and
eemumu with the electrons in the beam pipe. The tau veto, bounds on `VETO` in bins of recoil mass, is optimised apart
(`bumphunt.cuts.best`).

References
----------
Belle II, Phys. Rev. Lett. 124 (2020) 141801, arXiv:1912.11276; 130 (2023) 231801, arXiv:2212.03066.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from bumphunt.constants import M_MUON
from bumphunt.kinematics.momenta import Beams
from bumphunt.theory import zprime
from selections.cuts import Columns, Cut, Selection, Variable
from selections.lazy import LazyObservables, in_one_go
from selections.objects import (
    muon_cuts,
    muon_observables,
    muon_variables,
    pair_cuts,
    refuse_photons_without_direction,
    track_cuts,
    track_observables,
    track_variables,
)
from selections.readings import Reading
from selections.search import Binning, Model, PublishedLimit, Region, Search
from selections.searches.zprime import lfv
from selections.searches.zprime.recoil import (
    AXIS,
    BARREL,
    MIN_PHOTON_ANGLE,
    SOURCE,
    recoil_cuts,
    recoil_observables,
    recoil_variables,
    trigger_cut,
)
from selections.searches.zprime.tau_veto import CANDIDATES, FEATURES, OBSERVABLES, VETO, veto_observables

__all__ = [
    "MIN_CONTROL_ENERGY",
    "SEARCH",
    "cuts",
    "observables",
    "radiative_cuts",
    "radiative_selection",
    "selection",
    "variables",
]

MIN_CONTROL_ENERGY = 1.0
"""Smallest summed energy of photons in the control sample mumu gamma [GeV], laboratory."""


def variables() -> tuple[Variable, ...]:
    """Return the variables that the search reads; `daughter` 0 is the positive and 1 the negative muon."""
    return (*track_variables(2), *muon_variables(2), *recoil_variables())


def observables(columns: Columns, beams: Beams) -> LazyObservables:
    """Return the observables of the search, each of shape (N,).

    They are those of recoil and photons (`selections.searches.zprime.recoil`), of tracks and muons, and what the tau
    veto needs (`selections.searches.zprime.tau_veto`). ``recoil_gap_margin`` is the polar angle between the recoil and
    the nearest edge of the barrel, or the centre of its gap [rad]: photons of mumu(gamma) escape there.

    Parameters
    ----------
    columns
        Ntuple columns by basf2 name, see `variables`.
    beams
        Nominal beams.

    Raises
    ------
    InputError
        If a photon has an energy but no direction.
    """
    refuse_photons_without_direction(columns)
    functions = {
        **recoil_observables((M_MUON, M_MUON), beams),
        "recoil_gap_margin": lambda o: np.minimum(
            o["recoil_gap_distance"], np.minimum(o["recoil_theta"] - BARREL[0], BARREL[1] - o["recoil_theta"])
        ),
        **in_one_go(lambda o: veto_observables(o["_first_cms"], o["_second_cms"], beams.sqrt_s), OBSERVABLES),
        **in_one_go(lambda o: track_observables(o, 2), ("max_dr", "max_dz", "charge_product")),
        **in_one_go(lambda o: muon_observables(o, 2), ("min_muon_id", "max_cluster_energy", "max_e_over_p")),
    }
    return LazyObservables(columns, functions)


def cuts() -> tuple[Cut, ...]:
    """Return the cuts before the tau veto, in order."""
    return (*pair_cuts(SOURCE), *track_cuts(), *muon_cuts(), trigger_cut(), *recoil_cuts())


def radiative_cuts() -> tuple[Cut, ...]:
    """Return the cuts of the control sample mumu gamma: those of the search, with the photon that it forbids."""
    kept = [cut for cut in cuts() if cut.observable not in ("recoil_photon_angle", "extra_energy")]
    return (
        *kept,
        Cut(
            name="photon along the recoil",
            observable="recoil_photon_angle",
            below=MIN_PHOTON_ANGLE,
            unit="rad",
            description="a photon within 15 deg of the recoil",
            source="chosen here: the complement of the search",
        ),
        Cut(
            name="photon energy",
            observable="extra_energy",
            above=MIN_CONTROL_ENERGY,
            unit="GeV",
            description="an energetic photon, so that nothing else is left",
            source="chosen here",
        ),
    )


def selection(beams: Beams) -> Selection:
    """Return the selection of the search before the tau veto."""
    return Selection(
        name="zprime-invisible",
        variables=variables(),
        observables=partial(observables, beams=beams),
        cuts=cuts(),
        spectrum="m2_recoil",
        axis=AXIS,
    )


def radiative_selection(beams: Beams) -> Selection:
    """Return the selection of the control sample mumu gamma."""
    return Selection(
        name="zprime-invisible, mumu gamma",
        variables=variables(),
        observables=partial(observables, beams=beams),
        cuts=radiative_cuts(),
        spectrum="m2_recoil",
        axis=AXIS,
    )


_LMU_LTAU = Reading(
    name="lmu-ltau",
    meaning="coupling g' of a Z' of L_mu - L_tau",
    label=r"$L_\mu-L_\tau$",
    seen=lambda mass: 2 * zprime.width_neutrinos(mass, coupling=1.0),
    total=lambda mass: zprime.total_width(mass, coupling=1.0),
)
_INVISIBLE = Reading(
    name="invisible",
    meaning="coupling g' of a Z' that always decays invisibly",
    label=r"$\mathrm{BR}(Z'\to\mathrm{inv})=1$",
    seen=None,
    total=lambda mass: zprime.total_width(mass, coupling=1.0),
)
_BINNING = Binning(low=-4.0, high=100.0, bins=5200)
SEARCH = Search(
    name="zprime-invisible",
    final_state="mu+ mu- Z', Z' -> invisible",
    production=r"e^+e^-\to\mu^+\mu^-Z'",
    particle="Z'",
    observable="recoil mass",
    mass_range=(0.01, 8.0),
    reference="Belle II, arXiv:1912.11276, arXiv:2212.03066",
    regions=(
        Region(
            name="mumu",
            description="two muons and nothing else",
            selection=selection,
            candidate="dimuon",
            binning=_BINNING,
            process="zprime",
            branching_ratio=zprime.branching_ratio_invisible,
            decay=r"Z'\to\mathrm{inv}",
        ),
        Region(
            name="mumugamma",
            description="two muons and a photon along their recoil",
            selection=radiative_selection,
            candidate="dimuon",
            binning=_BINNING,
            role="control",
        ),
        Region(
            name="emu",
            description="an electron, a muon, and nothing else: tau pairs",
            selection=lfv.selection,
            candidate="emu",
            binning=_BINNING,
            role="control",
        ),
    ),
    veto=tuple(axis for axis in CANDIDATES if axis.name in VETO),
    candidates=CANDIDATES,
    features=FEATURES,
    model=Model(
        coupling="$g'$",
        meaning=_LMU_LTAU.meaning,
        cross_section=lambda mass, sqrt_s: zprime.cross_section(mass, coupling=1.0, sqrt_s=sqrt_s),
        reference="Shuve, Yavin, arXiv:1403.2727",
        readings=(_LMU_LTAU, _INVISIBLE),
        without_dark_matter=_LMU_LTAU,
    ),
    # read off figure 3 of arXiv:1912.11276: the curve of BR(Z' -> inv) = 1, as its floor of 2.3 events says, which the
    # efficiency of 3-5 % excludes for L_mu - L_tau
    published=PublishedLimit(
        reading=_INVISIBLE.name,
        label="Belle II 2018 observed, 276 pb$^{-1}$, 90 %",
        masses=(1.16, 2.29, 3.70, 4.69, 5.97),
        couplings=(0.051, 0.100, 0.226, 0.461, 0.994),
    ),
)
"""The search."""
