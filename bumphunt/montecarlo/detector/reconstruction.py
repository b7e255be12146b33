"""From generated particles to what an ntuple of candidates would hold: basf2's variables, flat, one row a candidate.

Two ways to apply an efficiency, both unbiased:

* `weighted=True`, for the simulated samples. Lepton identification multiplies the weight, and lost photons are a
  stratum of their own: an event with clusters gives one copy where all are seen and one where at least one is lost,
  with the probabilities of the two as weights; likewise where the muon system sees a lost photon, or does not. So the
  rare events that an analysis must know are there in numbers.
* `weighted=False`, for pseudo-data. Everything is decided by hit or miss and a row keeps the weight of its event.

The two-track trigger multiplies the weight where it is the only trigger, for candidates without a photon; the other
triggers, and this one beside them, are decided by hit or miss.

What a candidate is made of is in `bumphunt.montecarlo.detector.candidates`. A track may be that of a particle taken for
another.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.montecarlo.detector.candidates import CANDIDATES, Candidate
from bumphunt.montecarlo.detector.columns import Columns, numbering, photon_columns, rest_columns, track_columns
from bumphunt.montecarlo.detector.combinations import TrackCombinations, photon_combinations, track_combinations
from bumphunt.montecarlo.detector.measured import Clusters, Tracks
from bumphunt.montecarlo.detector.measurement import CHARGED, measure
from bumphunt.montecarlo.detector.muon_system import MUON_SYSTEM_CLUSTERS, muon_system_clusters
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.detector.photon_views import Views, add_background, photon_views
from bumphunt.montecarlo.detector.trigger_lines import TRACK_TRIGGER
from bumphunt.montecarlo.detector.triggers import calorimeter_triggers, track_trigger
from bumphunt.montecarlo.events import Events

__all__ = ["reconstruct"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def reconstruct(
    events: Events,
    detector: Detector,
    *,
    candidate: Candidate = CANDIDATES["dimuon"],
    rng: np.random.Generator,
    weighted: bool = True,
) -> Columns:
    """Return the candidates of events as flat columns by basf2 variable name, each of shape (R,).

    Events without a candidate or with weight 0 have no row. Kinematic columns are float32; ``__weight__`` [fb] is
    float64, and its sum over the rows divided by the number of generated events is the visible cross section.
    ``__event__`` is twice the position of the event in `events`, plus one for the copy with a lost photon.

    ======================================================  ==========================================================
    columns                                                 for
    ======================================================  ==========================================================
    daughter(i, p | theta | phi | charge | clusterE)        tracks [GeV, rad]; clusterE is 0 without a cluster
    daughter(i, dr | dz)                                    tracks [cm];  the distance, and z at this point
    daughter(i, muonID | electronID | pionID | ...)         tracks, by what they are taken for; electronID too if one
                                                            of them is an electron
    vertexk_x | y | z | dr | distance | chi2                the k-th vertex of the candidate [cm]
    daughter(i, E | theta | phi | clusterTiming)            photons [GeV, rad, ns]
    nTracks                                                 tracks of the event
    totalEnergyOfParticlesInList(gamma:roe)                 in-time photons beside the candidate [GeV]
    getVariableByRank(gamma:roe, E, E | theta | phi, k)     the k-th of them, k = 1, 2, 3; NaN where there is none
    getVariableByRank(gamma:roe, E, clusterTiming, k)       its time [ns], if the candidate has a photon
    L1PSNM(ffo)                                             if the candidate has tracks
    L1PSNM(hie), and the detector's photon lines            if it has a photon
    nKLMClusters                                            if it has photons only: clusters in the muon system
    ======================================================  ==========================================================

    Parameters
    ----------
    events
        Generated events in the laboratory.
    detector
        The detector.
    candidate
        What is reconstructed.
    rng
        Source of randomness.
    weighted
        Whether efficiencies go into the weight, or are decided by hit or miss.
    """
    events, position = _with_enough_tracks(events, candidate, detector)
    n = len(events.weight)
    tracks, measured = measure(events, detector, rng)
    found = track_combinations(tracks, events.weight, candidate, detector, rng=rng, weighted=weighted)
    weight, trigger = _track_trigger(tracks, found, candidate, n, detector, rng, weighted=weighted)
    views = photon_views(found.event, measured, n, detector, rng=rng, weighted=weighted)
    # a candidate may be out of time, the rest of the event not
    window = detector.background_time_window if candidate.n_photons else detector.in_time_window
    clusters = add_background(views, window, detector, rng=rng)
    combination, view = _rows(found.event, views)
    used = np.empty((view.size, 0), dtype=np.int64)
    if candidate.n_photons:
        combination, view, used = _with_photons(combination, view, views.event.size, clusters, candidate)
    columns = {
        **numbering(2 * position[views.event[view]] + views.lossy[view]),
        "__weight__": weight[combination] * views.probability[view],
    }
    of_tracks = track_columns(tracks, found, candidate, detector, rng)
    of_tracks["nTracks"] = np.bincount(tracks.event, minlength=n)[found.event].astype(np.float32)
    columns |= {name: values[combination] for name, values in (of_tracks | trigger).items()}
    if not candidate.tracks:
        behind, factor = muon_system_clusters(events, views, detector, rng=rng, weighted=weighted)
        columns["__weight__"] *= factor[view]
        columns[MUON_SYSTEM_CLUSTERS] = behind[view].astype(np.float32)
    for k in range(candidate.n_photons):
        columns |= photon_columns(f"daughter({len(candidate.tracks) + k}, {{}})", clusters, used[:, k])
    if candidate.n_photons:
        everything = clusters.and_also(_track_clusters(tracks, views, n))
        fired = calorimeter_triggers(everything, events.beams_p4[views.event], detector, rng=rng)
        columns |= {name: decision[view].astype(np.float32) for name, decision in fired.items()}
    return columns | rest_columns(clusters, view, used, views.event.size, detector)


def _with_enough_tracks(events: Events, candidate: Candidate, detector: Detector) -> tuple[Events, Ints]:
    """Return the events in which the tracks of a candidate may be found, and their positions; the rest has no row."""
    if not candidate.tracks:
        return events, np.arange(len(events.weight))
    enough = np.zeros(len(events.weight), dtype=np.bool_)
    low, high = detector.tracking_theta
    acceptance = (low, high, detector.tracking_pt_min)
    _count_charged(events.pdgid, events.p4, events.weight, acceptance, len(candidate.tracks), enough)
    position = np.flatnonzero(enough)
    return events.at(position), position


@njit(cache=True)
def _count_charged(
    pdgid: NDArray[np.int32], p4: Array, weight: Array, acceptance: tuple[float, float, float], least: int, enough: Mask
) -> None:
    """Fill which events have positive weight and enough charged particles that may leave tracks, before material.

    The acceptance is two polar angles [rad], and a transverse momentum [GeV].
    """
    low, high, pt_min = acceptance
    most, flat = np.cos(low) / max(np.sin(low), 1e-12), np.cos(high) / max(np.sin(high), 1e-12)
    for i in range(weight.size):
        charged = 0
        if weight[i] > 0:
            for j in range(pdgid.shape[1]):
                kind = abs(pdgid[i, j])
                if kind in CHARGED:
                    pt = np.sqrt(p4[i, j, 1] ** 2 + p4[i, j, 2] ** 2)
                    if pt >= pt_min and flat * pt <= p4[i, j, 3] <= most * pt:
                        charged += 1
        enough[i] = charged >= least


def _track_trigger(
    tracks: Tracks,
    found: TrackCombinations,
    candidate: Candidate,
    n: int,
    detector: Detector,
    rng: np.random.Generator,
    *,
    weighted: bool,
) -> tuple[Array, Columns]:
    """Return the weights of the combinations with the efficiency of the two-track trigger, and its column.

    It fires on any two tracks of the candidate.
    """
    if not candidate.tracks:
        return found.weight, {}
    fires = np.zeros(found.event.size, dtype=np.bool_)
    for first, second in itertools.combinations(found.daughters, 2):
        fires |= track_trigger(tracks, first, second, detector)
    weight = found.weight
    if weighted and not candidate.n_photons:
        weight = weight * np.where(fires, detector.trigger_efficiency, 1.0)
    else:
        fires &= (rng.random(n) < detector.trigger_efficiency)[found.event]
    return weight, {TRACK_TRIGGER: fires.astype(np.float32)}


def _rows(event: Ints, views: Views) -> tuple[Ints, Ints]:
    """Return the positions of combination and view of every row, ordered by view, given the events of combinations."""
    n_views = np.bincount(views.event, minlength=event[-1] + 1 if event.size else 0)
    first = np.cumsum(n_views) - n_views
    combination = np.arange(event.size)
    twice = combination[n_views[event] == 2]
    view = np.concatenate([first[event], first[event[twice]] + 1])
    order = np.argsort(view, kind="stable")
    return np.concatenate([combination, twice])[order], view[order]


def _with_photons(
    combination: Ints, view: Ints, n_views: int, clusters: Clusters, candidate: Candidate
) -> tuple[Ints, Ints, Ints]:
    """Return tracks (their combination), view and photons (R, n_photons) of every row, given the first two."""
    eligible = np.flatnonzero(clusters.energy > candidate.photon_energy_min)
    combinations = eligible[photon_combinations(clusters.event[eligible], candidate.n_photons)]
    count = np.bincount(clusters.event[combinations[:, 0]], minlength=n_views)
    first = np.cumsum(count) - count
    repeats = count[view]
    nth = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    combination, view = np.repeat(combination, repeats), np.repeat(view, repeats)
    return combination, view, combinations[first[view] + nth]


def _track_clusters(tracks: Tracks, views: Views, n: int) -> Clusters:
    """Return the clusters of the tracks of every view; they are in time."""
    n_tracks = np.bincount(tracks.event, minlength=n)
    start = np.cumsum(n_tracks) - n_tracks
    repeats = n_tracks[views.event]
    view = np.repeat(np.arange(views.event.size), repeats)
    nth = np.arange(view.size) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    position = start[views.event[view]] + nth
    found = tracks.cluster[position] > 0
    position = position[found]
    return Clusters(
        event=view[found],
        energy=tracks.cluster[position],
        theta=tracks.theta[position],
        phi=tracks.phi[position],
        time=np.zeros(position.size),
    )
