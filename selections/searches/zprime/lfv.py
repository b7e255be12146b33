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

import numpy as np
from numpy.typing import NDArray

from bumphunt.constants import M_ELECTRON, M_MUON
from bumphunt.kinematics.momenta import Beams, mass_squared, polar_angle, signed_mass, to_centre_of_mass
from selections.cuts import Columns, Cut, Selection, Variable
from selections.objects import (
    TOTAL_PHOTON_ENERGY,
    daughter,
    daughter_p4,
    electron_cuts,
    electron_e_over_p,
    electron_observables,
    electron_variables,
    muon_cuts,
    muon_observables,
    muon_variables,
    nearest_photon_angle,
    pair_cuts,
    photon_variables,
    track_cuts,
    track_observables,
    track_variables,
)
from selections.search import Binning, Region, Search
from selections.searches.zprime.invisible import AXIS, GAP_CENTRE, TRIGGER, recoil_cuts, trigger_cut
from selections.searches.zprime.tau_veto import CANDIDATES, VETO, veto_observables

__all__ = ["MIN_ELECTRON_E_OVER_P", "SEARCH", "cuts", "observables", "selection", "variables"]

Array = NDArray[np.float64]

MIN_ELECTRON_E_OVER_P = 0.8
"""Smallest ratio of calorimeter energy to momentum of an electron: its shower is contained."""

_SOURCE = "Belle II, arXiv:1912.11276"


def variables() -> tuple[Variable, ...]:
    """Return the variables that the search reads; `daughter` 0 is the electron and 1 the muon, of either charge."""
    return (
        *track_variables(2),
        *electron_variables(1),
        Variable(name=daughter(0, "clusterE"), unit="GeV", nan_allowed=True),
        *muon_variables(1, first=1),
        Variable(name="nTracks"),
        Variable(name=TRIGGER),
        Variable(name=TOTAL_PHOTON_ENERGY, unit="GeV"),
        *photon_variables(),
    )


def observables(columns: Columns, beams: Beams) -> dict[str, Array]:
    """Return the observables of the search, each of shape (N,).

    Recoil, photons and the momenta of the tau veto are those of `selections.searches.zprime.invisible.observables`.

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
    leptons = [daughter_p4(columns, 0, M_ELECTRON), daughter_p4(columns, 1, M_MUON)]
    recoil = beams.p4 - leptons[0] - leptons[1]
    m2, theta = mass_squared(recoil), polar_angle(recoil)
    electron, muon = (to_centre_of_mass(p4, beams) for p4 in leptons)
    veto = veto_observables(electron, muon, beams.sqrt_s)
    return {
        "m2_recoil": m2,
        "m_recoil": signed_mass(m2),
        "recoil_theta": theta,
        "recoil_gap_distance": np.abs(theta - GAP_CENTRE),
        "recoil_photon_angle": nearest_photon_angle(columns, recoil),
        "extra_energy": np.asarray(columns[TOTAL_PHOTON_ENERGY], dtype=np.float64),
        "n_tracks": np.asarray(columns["nTracks"], dtype=np.float64),
        "trigger": np.asarray(columns[TRIGGER], dtype=np.float64),
        **electron_observables(columns, 1),
        "electron_e_over_p": electron_e_over_p(columns, 0),
        **muon_observables(columns, 1, first=1),
        **{name: veto[name] for name in VETO},
        **track_observables(columns, 2),
    }


def cuts() -> tuple[Cut, ...]:
    """Return the cuts before the tau veto, in order."""
    return (
        *pair_cuts(_SOURCE),
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
