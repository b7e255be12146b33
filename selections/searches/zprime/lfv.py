"""Z' with lepton-flavour violation: ee -> e mu and nothing else, a peak in the mass that recoils against the pair.

The chain is that of `selections.searches.zprime.invisible` with an electron in the place of a muon. No process of the
Standard Model makes an electron and a muon without neutrinos: what is left is tau pairs, and pairs of muons, alone or
from two photons, of which one is taken for an electron or one electron of the beams is seen. No model is agreed on, so
the limit is that on efficiency times cross section; a user may give the function that makes a coupling of it.

References
----------
Belle II, Phys. Rev. Lett. 124 (2020) 141801, arXiv:1912.11276.
"""

from __future__ import annotations

from functools import partial

from bumphunt.constants import M_ELECTRON, M_MUON
from bumphunt.kinematics.momenta import Beams
from selections.cuts import Columns, Cut, Selection, Variable
from selections.lazy import LazyObservables, in_one_go
from selections.objects import (
    daughter,
    electron_cuts,
    electron_e_over_p,
    electron_observables,
    electron_variables,
    muon_cuts,
    muon_observables,
    muon_variables,
    pair_cuts,
    refuse_photons_without_direction,
    track_cuts,
    track_observables,
    track_variables,
)
from selections.search import Binning, Region, Search
from selections.searches.zprime.recoil import (
    AXIS,
    SOURCE,
    recoil_cuts,
    recoil_observables,
    recoil_variables,
    trigger_cut,
)
from selections.searches.zprime.tau_veto import CANDIDATES, VETO, veto_observables

__all__ = ["MIN_ELECTRON_E_OVER_P", "SEARCH", "cuts", "observables", "selection", "variables"]

MIN_ELECTRON_E_OVER_P = 0.8
"""Smallest ratio of calorimeter energy to momentum of an electron: its shower is contained."""


def variables() -> tuple[Variable, ...]:
    """Return the variables that the search reads; `daughter` 0 is the electron and 1 the muon, of either charge."""
    return (
        *track_variables(2),
        *electron_variables(1),
        Variable(name=daughter(0, "clusterE"), unit="GeV", nan_allowed=True),
        *muon_variables(1, first=1),
        *recoil_variables(),
    )


def observables(columns: Columns, beams: Beams) -> LazyObservables:
    """Return the observables of the search, each of shape (N,).

    They are those of recoil and photons (`selections.searches.zprime.recoil`), of tracks, electron and muon, and the
    momenta of the published tau veto (`selections.searches.zprime.tau_veto`).

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
        **recoil_observables((M_ELECTRON, M_MUON), beams),
        **in_one_go(lambda o: electron_observables(o, 1), ("min_electron_id",)),
        "electron_e_over_p": lambda o: electron_e_over_p(o, 0),
        **in_one_go(lambda o: muon_observables(o, 1, first=1), ("min_muon_id", "max_cluster_energy", "max_e_over_p")),
        **in_one_go(lambda o: veto_observables(o["_first_cms"], o["_second_cms"], beams.sqrt_s), VETO),
        **in_one_go(lambda o: track_observables(o, 2), ("max_dr", "max_dz", "charge_product")),
    }
    return LazyObservables(columns, functions)


def cuts() -> tuple[Cut, ...]:
    """Return the cuts before the tau veto, in order."""
    return (
        *pair_cuts(SOURCE),
        *track_cuts(),
        *electron_cuts(),
        Cut(
            name="electron E/p",
            observable="electron_e_over_p",
            above=MIN_ELECTRON_E_OVER_P,
            description="electrons leave their energy in the calorimeter",
            source="chosen here",
        ),
        *muon_cuts(),
        trigger_cut(),
        *recoil_cuts(),
    )


def selection(beams: Beams) -> Selection:
    """Return the selection of the search before the tau veto."""
    return Selection(
        name="zprime-lfv",
        variables=variables(),
        observables=partial(observables, beams=beams),
        cuts=cuts(),
        spectrum="m2_recoil",
        axis=AXIS,
    )


SEARCH = Search(
    name="zprime-lfv",
    final_state="e mu Z', Z' -> invisible",
    production=r"e^+e^-\to e^\pm\mu^\mp Z'",
    particle="Z'",
    observable="recoil mass",
    mass_range=(0.5, 8.0),
    reference="Belle II, arXiv:1912.11276",
    regions=(
        Region(
            name="emu",
            description="an electron, a muon, and nothing else",
            selection=selection,
            candidate="emu",
            binning=Binning(low=-4.0, high=100.0, bins=5200),
            process="zprime_lfv",
        ),
    ),
    veto=tuple(axis for axis in CANDIDATES if axis.name in VETO),
)
"""The search; without a model, its limit is that on efficiency times cross section."""
