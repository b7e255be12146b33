"""The columns of a simulated ntuple, by basf2 variable name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.kinematics.vertex import Lines, fit_vertex
from bumphunt.montecarlo.detector.candidates import KINDS, Candidate
from bumphunt.montecarlo.detector.combinations import TrackCombinations
from bumphunt.montecarlo.detector.measured import Clusters, Tracks
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.detector.response import angle_resolution

__all__ = [
    "N_PHOTONS",
    "Columns",
    "numbering",
    "photon_columns",
    "photon_variable",
    "rest_columns",
    "track_columns",
]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Columns = dict[str, NDArray[Any]]
"""Columns by name, of the same length."""

N_PHOTONS = 3
"""How many photons outside the candidate are written, ranked by energy."""
_TOTAL = "totalEnergyOfParticlesInList(gamma:roe)"


def photon_variable(quantity: str, rank: int) -> str:
    """Return the basf2 name of a quantity of the photon of the given rank in energy, 1 being the first.

    Examples
    --------
    >>> photon_variable("theta", 1)
    'getVariableByRank(gamma:roe, E, theta, 1)'
    """
    return f"getVariableByRank(gamma:roe, E, {quantity}, {rank})"


def numbering(view: Ints) -> Columns:
    """Return event number, number of the candidate in its event, and their number, shape (R,).

    Parameters
    ----------
    view
        Number of the event, or of the view of an event, of each row, ordered.
    """
    new = np.ones(view.size, dtype=np.bool_)
    new[1:] = view[1:] != view[:-1]
    first = np.flatnonzero(new)
    size = np.diff(np.append(first, view.size))
    return {
        "__event__": view.astype(np.int64),
        "__candidate__": (np.arange(view.size) - np.repeat(first, size)).astype(np.int32),
        "__ncandidates__": np.repeat(size, size).astype(np.int32),
    }


def track_columns(
    tracks: Tracks, found: TrackCombinations, candidate: Candidate, detector: Detector, rng: np.random.Generator
) -> Columns:
    """Return the columns of the tracks of each combination, shape (B,).

    Parameters
    ----------
    tracks
        Tracks.
    found
        Combinations of them.
    candidate
        What they are combinations for.
    detector
        The detector.
    rng
        Source of randomness.
    """
    columns: Columns = {}
    measured: list[tuple[Array, Array]] = []
    for i, (position, kind) in enumerate(zip(found.daughters, candidate.kinds, strict=True)):
        cluster = tracks.cluster[position]
        genuine = np.abs(tracks.pdgid[position]) == KINDS[kind]
        u = rng.random(position.size)
        # the right particles crowd at 1, those taken for them are spread evenly
        likeness = np.where(genuine, 1 - u**4, u)
        name, threshold = _likelihood(kind, detector)
        likelihood = {name: threshold + (1 - threshold) * likeness}
        if "e" in candidate.kinds:
            # likelihood ratios of one track add up to 1 at most
            other = (1 - next(iter(likelihood.values()))) * rng.random(position.size)
            likelihood["muonID" if kind == "e" else "electronID"] = other
        if kind == "e":
            share = detector.fake_electron_deposit
            fake = tracks.p[position] * (share + (1 - share) * rng.random(position.size))
            cluster = np.where(genuine | (cluster == 0), cluster, fake)
        dr = tracks.dr[position] + detector.dr_resolution * rng.normal(size=position.size)
        dz = tracks.dz[position] + detector.dz_resolution * rng.normal(size=position.size)
        measured.append((dr, dz))
        values = {
            "p": tracks.p[position],
            "theta": tracks.theta[position],
            "phi": tracks.phi[position],
            "charge": np.where(tracks.positive[position], 1.0, -1.0),
            **likelihood,
            "clusterE": cluster,
            "dr": np.abs(dr),
            "dz": dz,
        }
        columns |= {f"daughter({i}, {name})": value.astype(np.float32) for name, value in values.items()}
    for number, vertex in enumerate(candidate.vertices):
        columns |= _vertex_columns(number, vertex, tracks, found, measured, detector)
    return columns


def _likelihood(kind: str, detector: Detector) -> tuple[str, float]:
    """Return the name of the likelihood ratio of a kind of track, and the least value that is simulated."""
    return {
        "e": ("electronID", detector.electron_id_threshold),
        "mu": ("muonID", detector.muon_id_threshold),
        "pi": ("pionID", detector.hadron_id_threshold),
        "K": ("kaonID", detector.hadron_id_threshold),
        "p": ("protonID", detector.hadron_id_threshold),
    }[kind]


def _vertex_columns(
    number: int,
    vertex: tuple[int, ...],
    tracks: Tracks,
    found: TrackCombinations,
    measured: Sequence[tuple[Array, Array]],
    detector: Detector,
) -> Columns:
    """Return the columns of the vertex of some daughters, given the distances of all from the beam line, shape (B,)."""
    positions = [found.daughters[i] for i in vertex]
    lines = Lines(
        dr=np.array([measured[i][0] for i in vertex]),
        dz=np.array([measured[i][1] for i in vertex]),
        theta=np.array([tracks.theta[position] for position in positions]),
        phi=np.array([tracks.phi[position] for position in positions]),
        angle_error=np.array([angle_resolution(tracks.p[position], detector) for position in positions]),
    )
    fitted = fit_vertex(lines, dr_error=detector.dr_resolution, dz_error=detector.dz_resolution)
    x, y, z = fitted.position.T
    values = {
        "x": x,
        "y": y,
        "z": z,
        "dr": np.hypot(x, y),
        "distance": np.hypot(np.hypot(x, y), z),
        "chi2": fitted.chi2,
    }
    return {f"vertex{number}_{name}": value.astype(np.float32) for name, value in values.items()}


def photon_columns(name: str, clusters: Clusters, position: Ints, *, with_time: bool = True) -> Columns:
    """Return the columns of one photon a row, shape (R,).

    Parameters
    ----------
    name
        Their names, with braces for the quantity.
    clusters
        Clusters.
    position
        Position of the photon of each row, -1 for none, which gives NaN.
    with_time
        Whether there is a column of its time.
    """
    quantities = {"E": clusters.energy, "theta": clusters.theta, "phi": clusters.phi}
    if with_time:
        quantities["clusterTiming"] = clusters.time
    # the last element is what -1 finds
    padded = {quantity: np.append(values, np.nan).astype(np.float32) for quantity, values in quantities.items()}
    return {name.format(quantity): values[position] for quantity, values in padded.items()}


def rest_columns(clusters: Clusters, view: Ints, used: Ints, n_views: int, detector: Detector) -> Columns:
    """Return the columns of the in-time photons outside each candidate, shape (R,).

    Parameters
    ----------
    clusters
        Clusters, ordered by view and by falling energy.
    view
        View of each row.
    used
        Positions of the photons of the candidate, shape (R, K).
    n_views
        Number of views.
    detector
        The detector.
    """
    count = np.bincount(clusters.event, minlength=n_views)
    first = np.cumsum(count) - count
    in_time = np.abs(clusters.time) < detector.in_time_window
    ranked = np.full((view.size, N_PHOTONS), -1)
    total = np.zeros(view.size)
    _rest_of_event(first[view], (first + count)[view], used, clusters.energy, in_time, ranked, total)
    columns: Columns = {_TOTAL: total.astype(np.float32)}
    for rank in range(N_PHOTONS):
        name = photon_variable("{}", rank + 1)
        columns |= photon_columns(name, clusters, ranked[:, rank], with_time=used.shape[1] > 0)
    return columns


@njit(cache=True)
def _rest_of_event(
    first: Ints, end: Ints, used: Ints, energy: Array, in_time: Mask, ranked: Ints, total: Array
) -> None:
    """Fill positions of the leading clusters (R, N_PHOTONS) and summed energy (R,) of the in-time clusters not used.

    Row r may take the clusters from first[r] to end[r], ordered by falling energy, but for used[r].
    """
    for r in range(first.size):
        rank = 0
        for i in range(first[r], end[r]):
            free = in_time[i]
            for k in range(used.shape[1]):
                free = free and used[r, k] != i
            if free:
                total[r] += energy[i]
                if rank < ranked.shape[1]:
                    ranked[r, rank] = i
                rank += 1
