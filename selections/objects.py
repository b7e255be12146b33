"""Tracks, leptons and photons: definitions that the searches share.

Each kind has the variables it reads, the observables it makes of them, and its cuts. ``daughter(i, ...)`` is the i-th
daughter of the candidate; photons of the rest of the event are ranked by energy.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import four_momentum, opening_angle
from selections.cuts import Columns, Cut, Variable

__all__ = [
    "MAX_CLUSTER_ENERGY",
    "MAX_DR",
    "MAX_DZ",
    "MAX_E_OVER_P",
    "MIN_ELECTRON_ID",
    "MIN_MUON_ID",
    "N_PHOTONS",
    "TOTAL_PHOTON_ENERGY",
    "daughter",
    "daughter_p4",
    "electron_cuts",
    "electron_e_over_p",
    "electron_observables",
    "electron_variables",
    "muon_cuts",
    "muon_observables",
    "muon_variables",
    "nearest_photon_angle",
    "pair_cuts",
    "photon",
    "photon_variables",
    "refuse_photons_without_direction",
    "track_cuts",
    "track_observables",
    "track_variables",
]

Array = NDArray[np.float64]

MAX_DR = 0.5
"""Largest distance of closest approach in the transverse plane [cm]: Belle II, arXiv:1912.11276."""
MAX_DZ = 2.0
"""Largest distance of closest approach along z [cm]: Belle II, arXiv:1912.11276."""
MAX_CLUSTER_ENERGY = 0.4
"""Largest calorimeter energy of a muon [GeV]: Belle II, arXiv:1912.11276."""
MAX_E_OVER_P = 0.4
"""Largest ratio of calorimeter energy to momentum of a muon: Belle II, arXiv:1912.11276."""
MIN_MUON_ID = 0.5
"""Smallest muon likelihood ratio; the dimuon skims of Belle II start at 0.3."""
MIN_ELECTRON_ID = 0.5
"""Smallest electron likelihood ratio."""
N_PHOTONS = 3
"""Photons of the rest of the event that are stored, by energy."""
TOTAL_PHOTON_ENERGY = "totalEnergyOfParticlesInList(gamma:roe)"
"""basf2 name of the summed laboratory energy of the photons outside the candidate [GeV]."""


def daughter(index: int, variable: str) -> str:
    """Return the basf2 name of a variable of a daughter.

    Examples
    --------
    >>> daughter(0, "p")
    'daughter(0, p)'
    """
    return f"daughter({index}, {variable})"


def photon(rank: int, variable: str) -> str:
    """Return the basf2 name of a variable of the photon of the given rank in energy, from 1.

    Examples
    --------
    >>> photon(1, "theta")
    'getVariableByRank(gamma:roe, E, theta, 1)'
    """
    return f"getVariableByRank(gamma:roe, E, {variable}, {rank})"


def track_variables(n: int) -> tuple[Variable, ...]:
    """Return the variables of `n` tracks: p [GeV], theta, phi [rad], charge, dr, dz [cm]."""
    units = {"p": "GeV", "theta": "rad", "phi": "rad", "charge": "", "dr": "cm", "dz": "cm"}
    return tuple(Variable(name=daughter(i, v), unit=unit) for i in range(n) for v, unit in units.items())


def track_observables(columns: Columns, n: int) -> dict[str, Array]:
    """Return the largest abs(dr) and abs(dz) of `n` tracks [cm] and the product of their charges, each (N,)."""
    charges = [np.asarray(columns[daughter(i, "charge")], dtype=np.float64) for i in range(n)]
    return {
        "max_dr": _largest([np.abs(columns[daughter(i, "dr")]) for i in range(n)]),
        "max_dz": _largest([np.abs(columns[daughter(i, "dz")]) for i in range(n)]),
        "charge_product": reduce(np.multiply, charges),
    }


def pair_cuts(source: str) -> tuple[Cut, ...]:
    """Return the cuts that ask for two tracks of opposite charge, and no other."""
    return (
        Cut(
            name="two tracks",
            observable="n_tracks",
            equals=2,
            description="nothing but the pair in the tracking acceptance",
            source=source,
        ),
        Cut(
            name="opposite charges",
            observable="charge_product",
            equals=-1,
            description="one positive and one negative lepton",
            source=source,
        ),
    )


def track_cuts(
    *, max_dr: float = MAX_DR, max_dz: float = MAX_DZ, source: str = "Belle II, arXiv:1912.11276"
) -> tuple[Cut, ...]:
    """Return the cuts that make good tracks: from the interaction point.

    Parameters
    ----------
    max_dr, max_dz
        Largest distances of closest approach in the transverse plane, and along z [cm].
    source
        Where they come from.
    """
    return (
        Cut(
            name="track dr",
            observable="max_dr",
            below=max_dr,
            unit="cm",
            description="tracks come from the interaction point in the transverse plane",
            source=source,
        ),
        Cut(
            name="track dz",
            observable="max_dz",
            below=max_dz,
            unit="cm",
            description="tracks come from the interaction point along the beams",
            source=source,
        ),
    )


def muon_variables(n: int, first: int = 0) -> tuple[Variable, ...]:
    """Return the variables of muon identification of `n` tracks from `first` on; without a cluster clusterE is NaN."""
    return tuple(
        variable
        for i in range(first, first + n)
        for variable in (
            Variable(name=daughter(i, "muonID")),
            Variable(name=daughter(i, "clusterE"), unit="GeV", nan_allowed=True),
        )
    )


def muon_observables(columns: Columns, n: int, first: int = 0) -> dict[str, Array]:
    """Return the smallest muonID, the largest cluster energy [GeV] and E/p of `n` tracks from `first` on, each (N,).

    A track without a cluster counts with energy 0.
    """
    tracks = range(first, first + n)
    clusters = [_cluster(columns, i) for i in tracks]
    muon_id = [columns[daughter(i, "muonID")] for i in tracks]
    return {
        "min_muon_id": np.asarray(reduce(np.minimum, muon_id), dtype=np.float64),
        "max_cluster_energy": _largest([energy for energy, _ in clusters]),
        "max_e_over_p": _largest([ratio for _, ratio in clusters]),
    }


def electron_e_over_p(columns: Columns, index: int) -> Array:
    """Return the cluster energy of a track over its momentum, shape (N,); 0 without a cluster."""
    return _cluster(columns, index)[1]


def _cluster(columns: Columns, index: int) -> tuple[Array, Array]:
    """Return the energy of a track in the calorimeter [GeV], 0 without a cluster, and its ratio to the momentum."""
    energy = np.nan_to_num(np.asarray(columns[daughter(index, "clusterE")], dtype=np.float64))
    p = np.asarray(columns[daughter(index, "p")], dtype=np.float64)
    return energy, np.divide(energy, p, out=np.full(energy.shape, np.inf), where=p > 0)


def muon_cuts() -> tuple[Cut, ...]:
    """Return the cuts that make muons: minimum-ionising in the calorimeter, and muon-like."""
    return (
        Cut(
            name="muon cluster energy",
            observable="max_cluster_energy",
            below=MAX_CLUSTER_ENERGY,
            unit="GeV",
            description="muons leave a minimum-ionising energy",
            source="Belle II, arXiv:1912.11276",
        ),
        Cut(
            name="muon E/p",
            observable="max_e_over_p",
            below=MAX_E_OVER_P,
            description="electrons have E/p near 1",
            source="Belle II, arXiv:1912.11276",
        ),
        Cut(
            name="muon ID",
            observable="min_muon_id",
            above=MIN_MUON_ID,
            description="likelihood ratio of the muon hypothesis",
            source="chosen here; the dimuon skims of Belle II ask for 0.3",
        ),
    )


def electron_variables(n: int) -> tuple[Variable, ...]:
    """Return the variables of electron identification of `n` tracks."""
    return tuple(Variable(name=daughter(i, "electronID")) for i in range(n))


def electron_observables(columns: Columns, n: int) -> dict[str, Array]:
    """Return the smallest electronID of `n` tracks, (N,)."""
    electron_id = [columns[daughter(i, "electronID")] for i in range(n)]
    return {"min_electron_id": np.asarray(reduce(np.minimum, electron_id), dtype=np.float64)}


def electron_cuts() -> tuple[Cut, ...]:
    """Return the cut that makes electrons."""
    return (
        Cut(
            name="electron ID",
            observable="min_electron_id",
            above=MIN_ELECTRON_ID,
            description="likelihood ratio of the electron hypothesis",
            source="chosen here",
        ),
    )


def _largest(values: list[NDArray[Any]]) -> Array:
    """Return the largest of several arrays in each row, shape (N,)."""
    return np.asarray(reduce(np.maximum, values), dtype=np.float64)


def daughter_p4(columns: Columns, index: int, mass: float) -> Array:
    """Return the four-momentum of a daughter in the laboratory [GeV], shape (N, 4), under a mass hypothesis [GeV]."""
    return four_momentum(
        columns[daughter(index, "p")], columns[daughter(index, "theta")], columns[daughter(index, "phi")], mass
    )


def photon_variables(n: int = N_PHOTONS) -> tuple[Variable, ...]:
    """Return the variables of the `n` photons of highest energy; NaN where there is none."""
    units = {"E": "GeV", "theta": "rad", "phi": "rad"}
    return tuple(
        Variable(name=photon(rank, v), unit=unit, nan_allowed=True)
        for rank in range(1, n + 1)
        for v, unit in units.items()
    )


def refuse_photons_without_direction(columns: Columns, n: int = N_PHOTONS) -> None:
    """Raise if a photon has an energy but no direction: basf2 writes all or none.

    Raises
    ------
    InputError
        If so.
    """
    for rank in range(1, n + 1):
        energy, theta, phi = (np.isnan(columns[photon(rank, name)]) for name in ("E", "theta", "phi"))
        if np.any((theta | phi) & ~energy):
            msg = f"{photon(rank, 'E')} is a number where theta or phi is NaN; a photon has all three or none"
            raise InputError(msg)


def nearest_photon_angle(columns: Columns, direction: Array, n: int = N_PHOTONS) -> Array:
    """Return the angle between `direction` and the nearest photon [rad], shape (N,); pi where there is no photon.

    Parameters
    ----------
    columns
        Ntuple columns, without photons that `refuse_photons_without_direction` refuses.
    direction
        Four-momenta in the laboratory, shape (N, 4).
    n
        How many photons to look at.
    """
    nearest = np.full(len(direction), np.pi)
    for rank in range(1, n + 1):
        there = np.flatnonzero(~np.isnan(columns[photon(rank, "E")]))
        if there.size:
            theta, phi = (columns[photon(rank, name)][there] for name in ("theta", "phi"))
            # the angle does not depend on the energy
            angle = opening_angle(four_momentum(1.0, theta, phi, 0.0), np.take(direction.T, there, axis=-1).T)
            nearest[there] = np.minimum(nearest[there], angle)
    return nearest
