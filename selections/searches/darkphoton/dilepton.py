"""gamma A', A' -> ee and mumu: a photon and two opposite leptons that make up the whole event; a peak in their mass.

Nothing is lost, so the momenta are fitted to those of the beams (`bumphunt.kinematics.beam_fit`): chi^2 selects, and
the fitted momenta have the mass. Backgrounds are the same final states from quantum electrodynamics, radiative Bhabha
scattering and mumu(gamma), smooth in the mass; omega, phi, the psi and Upsilon mesons by radiative return, whose masses
are left out; and, at low ee mass, photons that turn into an electron pair in the material, which bumphunt does not
simulate: the cut against them is tested on helices that start in the material.

The fit takes the errors of tracks and photons from the numbers of a detector (`bumphunt.montecarlo.detector.presets`),
those of BaBar unless a file of the user's says otherwise, which the YAML names as ``channel: my_search.py:SEARCH``::

    from bumphunt.montecarlo.detector.presets import preset
    from selections.searches.darkphoton.dilepton import search

    SEARCH = search(detector=preset("belle2", pt_resolution_linear=0.0012))

Nothing else in the selection depends on the detector but its material and field, `photon_leptons.MATERIAL`, `FIELD`.

References
----------
J. P. Lees et al. (BaBar), Phys. Rev. Lett. 113 (2014) 201801, arXiv:1406.2980.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bumphunt.constants import M_ELECTRON, M_MUON, particle_mass, particle_width
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.detector.presets import BABAR
from bumphunt.montecarlo.detector.trigger_lines import TRACK_TRIGGER
from bumphunt.spectrum.axis import MassAxis, reduced
from bumphunt.theory import dark_photon
from selections.cuts import Columns, Cut, Selection, Variable
from selections.objects import (
    TOTAL_PHOTON_ENERGY,
    daughter,
    electron_cuts,
    electron_observables,
    electron_variables,
    muon_cuts,
    muon_observables,
    muon_variables,
    pair_cuts,
    track_cuts,
    track_observables,
    track_variables,
)
from selections.search import Binning, Excluded, Model, PublishedLimit, Region, Search
from selections.searches.darkphoton.photon_leptons import pair_observables

__all__ = [
    "ELECTRONS",
    "EXCLUDED",
    "MUONS",
    "SEARCH",
    "FinalState",
    "cuts",
    "excluded",
    "observables",
    "search",
    "selection",
    "variables",
]

Array = NDArray[np.float64]

MAX_DR = 1.5
"""Largest distance of a track from the beam line [cm]: BaBar's loose tracks, recalled."""
MAX_DZ = 10.0
"""Largest distance along z of a track from the interaction point [cm]: BaBar's loose tracks, recalled."""
MIN_PHOTON_ENERGY = 0.2
"""Smallest E* of the photon [GeV]: arXiv:1406.2980."""
MAX_EXTRA_ENERGY = 0.2
"""Largest energy of other photons, laboratory [GeV]: arXiv:1406.2980, which asks it of each of them."""
MAX_CHI2 = 30.0
"""Largest chi^2 of the fit: arXiv:1406.2980, whose fit has four more degrees of freedom for the vertex."""
MIN_PHOTON_ANGLE = 0.2
"""Smallest angle between photon and leptons [rad], laboratory: final-state radiation is nearer."""
MAX_COS_HELICITY = 0.9
"""Largest |cos| between e- and photon in the rest frame of the pair: Bhabha scattering, whose photon is along an
electron or opposite to it, peaks there."""
MAX_COS_BEAM = 0.9
"""Largest cos between an electron and the beam of its charge, centre of mass: the t channel peaks there."""
MIN_CONVERSION_MASS = 0.008
"""Smallest `photon_leptons.conversion_mass` [GeV]: four times what resolution and scattering make of a conversion."""
BIN = 0.25e-3
"""Width of the bins [GeV]: four in a resolution or more."""
LOWEST_ELECTRONS = 0.012
"""Beginning of the spectrum of electrons [GeV]: beyond what the cut against conversions leaves of it."""
HIGHEST = 10.4
"""End of the spectra [GeV]: beyond the mass that goes with the lowest photon energy."""
LIGHT_MARGIN, HEAVY_MARGIN = 0.03, 0.05
"""Least distances from omega and phi, and from psi and Upsilon mesons [GeV]: arXiv:1406.2980."""
WIDTHS = 3.0
"""Least distances in units of the width of a meson, for the broad ones."""

_SOURCE = "BaBar, arXiv:1406.2980"
_CHOSEN = "chosen here, by signal / sqrt(background) of simulated events"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalState:
    """What is different for electrons and muons."""

    name: str
    """Name of the region."""
    mass: float
    """Lepton mass [GeV]."""
    variables: tuple[Variable, ...]
    """Variables of the identification of both leptons."""
    identify: Callable[[Columns, int], dict[str, Array]]
    """Observables of the identification."""
    identification: tuple[Cut, ...]
    """Cuts of the identification."""
    spectrum: str
    """Observable of the spectrum."""
    axis: MassAxis
    """Its axis."""
    cuts: tuple[Cut, ...] = ()
    """Cuts of this final state only, the last ones."""


def variables(leptons: FinalState) -> tuple[Variable, ...]:
    """Return the variables that a final state reads; daughter 0 is the positive lepton and 2 the photon."""
    return (
        *track_variables(2),
        *leptons.variables,
        Variable(name=daughter(2, "E"), unit="GeV"),
        Variable(name=daughter(2, "theta"), unit="rad"),
        Variable(name=daughter(2, "phi"), unit="rad"),
        Variable(name="nTracks"),
        Variable(name=TRACK_TRIGGER),
        Variable(name=TOTAL_PHOTON_ENERGY, unit="GeV"),
    )


def observables(columns: Columns, beams: Beams, leptons: FinalState, detector: Detector) -> dict[str, Array]:
    """Return the observables of a final state, each of shape (N,).

    Those of `photon_leptons.pair_observables`, of tracks and identification, and of the rest of the event.

    Parameters
    ----------
    columns
        Ntuple columns by basf2 name, see `variables`.
    beams
        Nominal beams.
    leptons
        The final state.
    detector
        Where the errors of tracks and photons come from.
    """
    return {
        **pair_observables(columns, beams, leptons.mass, detector),
        "extra_energy": np.asarray(columns[TOTAL_PHOTON_ENERGY], dtype=np.float64),
        "n_tracks": np.asarray(columns["nTracks"], dtype=np.float64),
        "trigger": np.asarray(columns[TRACK_TRIGGER], dtype=np.float64),
        **track_observables(columns, 2),
        **leptons.identify(columns, 2),
    }


def cuts(leptons: FinalState) -> tuple[Cut, ...]:
    """Return the cuts of a final state, in order."""
    return (
        *pair_cuts(_SOURCE),
        *track_cuts(max_dr=MAX_DR, max_dz=MAX_DZ, source="BaBar's loose tracks, recalled"),
        *leptons.identification,
        Cut(
            name="trigger",
            observable="trigger",
            equals=1,
            description="two tracks",
            source="NIM A 479 (2002) 1",
        ),
        Cut(
            name="photon energy",
            observable="photon_energy",
            above=MIN_PHOTON_ENERGY,
            unit="GeV",
            description="the photon that recoils against the pair, E* in the centre of mass",
            source=_SOURCE,
        ),
        Cut(
            name="extra photon energy",
            observable="extra_energy",
            below=MAX_EXTRA_ENERGY,
            unit="GeV",
            description="against further photons",
            source=_SOURCE,
        ),
        Cut(
            name="kinematic fit",
            observable="chi2",
            below=MAX_CHI2,
            description="leptons and photon add up to the beams",
            source=_SOURCE,
        ),
        Cut(
            name="photon angle",
            observable="photon_lepton_angle",
            above=MIN_PHOTON_ANGLE,
            unit="rad",
            description="against photons from the leptons",
            source=_CHOSEN,
        ),
        *leptons.cuts,
    )


_ELECTRON_CUTS = (
    Cut(
        name="helicity",
        observable="cos_helicity",
        below=MAX_COS_HELICITY,
        description="against Bhabha scattering with a photon along an electron",
        source=_CHOSEN,
    ),
    Cut(
        name="t channel",
        observable="cos_beam",
        below=MAX_COS_BEAM,
        description="against Bhabha scattering: electrons near the beam of their charge",
        source=_CHOSEN,
    ),
    Cut(
        name="conversions",
        observable="conversion_mass",
        above=MIN_CONVERSION_MASS,
        unit="GeV",
        description="against photons that turn into a pair in the material",
        source="chosen here; cf. BaBar, arXiv:1406.2980",
    ),
)
ELECTRONS = FinalState(
    name="ee",
    mass=M_ELECTRON,
    identify=electron_observables,
    variables=electron_variables(2),
    identification=electron_cuts(),
    spectrum="mass",
    axis=MassAxis(kind="mass", symbol="M_{ee}"),
    cuts=_ELECTRON_CUTS,
)
MUONS = FinalState(
    name="mumu",
    mass=M_MUON,
    identify=muon_observables,
    variables=muon_variables(2),
    identification=muon_cuts(),
    spectrum="reduced_mass",
    axis=reduced(2 * M_MUON, symbol=r"M_\mathrm{red}"),
)


def selection(beams: Beams, *, leptons: FinalState, detector: Detector = BABAR) -> Selection:
    """Return the selection of a final state.

    Parameters
    ----------
    beams
        Nominal beams, whose energy spreads are part of the fit.
    leptons
        `ELECTRONS` or `MUONS`.
    detector
        Where the errors of tracks and photons come from.
    """
    return Selection(
        name=f"darkphoton-dilepton, {leptons.name}",
        variables=variables(leptons),
        observables=partial(observables, beams=beams, leptons=leptons, detector=detector),
        cuts=cuts(leptons),
        spectrum=leptons.spectrum,
        axis=leptons.axis,
    )


def excluded(name: str, pdgid: int, margin: float) -> Excluded:
    """Return the masses about a resonance that are not searched: the larger of `margin` and `WIDTHS` widths each way.

    Parameters
    ----------
    name
        Its name.
    pdgid
        Its PDG number, by which mass and width are looked up.
    margin
        Least distance from its mass [GeV].

    Raises
    ------
    ValueError
        If the PDG table has no mass or width.

    Examples
    --------
    >>> round(excluded("phi", 333, 0.03).high, 2)
    1.05
    """
    mass = particle_mass(pdgid)
    half = max(margin, WIDTHS * particle_width(pdgid))
    return Excluded(name=name, low=round(mass - half, 9), high=round(mass + half, 9))


EXCLUDED = (
    excluded("omega", 223, LIGHT_MARGIN),
    excluded("phi", 333, LIGHT_MARGIN),
    excluded("J/psi", 443, HEAVY_MARGIN),
    excluded("psi(2S)", 100443, HEAVY_MARGIN),
    excluded("Upsilon(1S)", 553, HEAVY_MARGIN),
    excluded("Upsilon(2S)", 100553, HEAVY_MARGIN),
)
"""The narrow mesons that a photon can recoil against and that decay to lepton pairs."""


def _cross_section(mass: Array, sqrt_s: float) -> Array:
    """Return the cross section at epsilon = 1 [fb], with radiation, as in the simulation."""
    return np.asarray(dark_photon.cross_section(mass, coupling=1.0, sqrt_s=sqrt_s))


def search(detector: Detector = BABAR) -> Search:
    """Return the search with the errors of tracks and photons of a detector."""
    return Search(
        name="darkphoton-dilepton",
        final_state="gamma A', A' -> ee and mumu",
        production=r"e^+e^-\to\gamma A'",
        particle="A'",
        observable="mass of the lepton pair",
        mass_range=(0.02, 10.2),
        reference="BaBar, arXiv:1406.2980",
        regions=tuple(_region(leptons, detector) for leptons in (ELECTRONS, MUONS)),
        model=Model(
            coupling=r"$\varepsilon$",
            meaning="kinetic mixing epsilon of a dark photon",
            cross_section=_cross_section,
            reference="Essig, Schuster, Toro, arXiv:0903.3941, with initial-state radiation",
        ),
        excluded=EXCLUDED,
        known_peaks=("omega", "phi", "jpsi", "psi2s", "upsilon1s", "upsilon2s", "upsilon3s"),
        published=PublishedLimit(  # read off figure 4 of arXiv:1406.2980, whose points scatter by 30 %
            label="BaBar observed, 514 fb$^{-1}$, 90 %",
            masses=(0.03, 0.052, 0.095, 0.147, 0.244, 0.519, 0.628, 1.46, 2.39, 3.82, 5.77, 8.4, 9.71),
            couplings=(
                1.76e-3, 7.6e-4, 8.8e-4, 7.5e-4, 5.7e-4, 7.2e-4, 8.7e-4, 8.2e-4, 8.5e-4, 9.3e-4, 8.8e-4, 7.3e-4, 5.4e-4,
            ),
        ),
    )  # fmt: skip


def _region(leptons: FinalState, detector: Detector) -> Region:
    """Return the region of a final state."""
    electrons = leptons is ELECTRONS
    lowest = LOWEST_ELECTRONS if electrons else 0.0
    return Region(
        name=leptons.name,
        description=f"a photon and {'electrons' if electrons else 'muons'} of opposite charge, and nothing else",
        selection=partial(selection, leptons=leptons, detector=detector),
        candidate="photon_dielectron" if electrons else "photon_dimuon",
        binning=Binning(low=lowest, high=HIGHEST, bins=round((HIGHEST - lowest) / BIN)),
        process=f"aprime_{leptons.name}",
        mass_range=(0.02, 10.2) if electrons else (0.212, 10.2),
        branching_ratio=partial(dark_photon.branching_ratio, final_state=leptons.name),
        decay=r"A'\to e^+e^-" if electrons else r"A'\to\mu^+\mu^-",
        tail="low" if electrons else "high",  # lost: photons of the electrons, photons of the beams
    )


SEARCH = search()
"""The search with the errors of BaBar."""
