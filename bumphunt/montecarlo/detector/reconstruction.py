"""From generated particles to what an ntuple of candidates would hold: basf2's variables, flat, one row a candidate.

Two ways to apply an efficiency, both unbiased:

* `weighted=True`, for the simulated samples. Lepton identification multiplies the weight, and lost photons are a
  stratum of their own: an event with clusters gives one copy where all are seen and one where at least one is lost,
  with the probabilities of the two as weights; likewise where the muon system sees a lost photon, or does not. So the
  rare events that an analysis must know are there in numbers.
* `weighted=False`, for pseudo-data. Everything is decided by hit or miss and a row keeps the weight of its event.

The two-track trigger multiplies the weight where it is the only trigger, for candidates without a photon; the other
triggers, and this one beside them, are decided by hit or miss.

What a candidate is made of is in `bumphunt.montecarlo.detector.candidates`. A lepton may be a particle taken for one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bumphunt.montecarlo.detector.candidates import CANDIDATES, Candidate, Pairs, lepton_pairs, photon_combinations
from bumphunt.montecarlo.detector.detector import Detector
from bumphunt.montecarlo.detector.measurement import CHARGED, Clusters, Tracks, measure
from bumphunt.montecarlo.detector.muon_system import MUON_SYSTEM_CLUSTERS, muon_system_clusters
from bumphunt.montecarlo.detector.photon_views import Views, add_background, photon_views
from bumphunt.montecarlo.detector.trigger_lines import TRACK_TRIGGER
from bumphunt.montecarlo.detector.triggers import calorimeter_triggers, track_trigger
from bumphunt.montecarlo.events import Events

__all__ = ["N_PHOTONS", "photon_variable", "reconstruct"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Columns = dict[str, NDArray[Any]]

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
    daughter(i, p | theta | phi | charge | clusterE)        leptons [GeV, rad]; clusterE is 0 without a cluster
    daughter(i, dr | dz)                                    leptons [cm]; the distance, and z at this point
    daughter(i, muonID), daughter(i, electronID)            leptons; electronID if one of them is an electron
    daughter(i, E | theta | phi | clusterTiming)            photons [GeV, rad, ns]
    nTracks                                                 tracks of the event
    totalEnergyOfParticlesInList(gamma:roe)                 in-time photons beside the candidate [GeV]
    getVariableByRank(gamma:roe, E, E | theta | phi, k)     the k-th of them, k = 1, 2, 3; NaN where there is none
    getVariableByRank(gamma:roe, E, clusterTiming, k)       its time [ns], if the candidate has a photon
    L1PSNM(ffo)                                             if the candidate has leptons
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
    pairs = lepton_pairs(tracks, events.weight, candidate, detector, rng=rng, weighted=weighted)
    weight, trigger = _track_trigger(tracks, pairs, candidate, n, detector, rng, weighted=weighted)
    views = photon_views(pairs.event, measured, n, detector, rng=rng, weighted=weighted)
    # a candidate may be out of time, the rest of the event not
    window = detector.background_time_window if candidate.n_photons else detector.in_time_window
    clusters = add_background(views, window, detector, rng=rng)
    pair, view = _rows(pairs.event, views)
    used = np.empty((pair.size, 0), dtype=np.int64)
    if candidate.n_photons:
        pair, view, used = _with_photons(pair, view, views.event.size, clusters, candidate)
    columns = {
        **_numbering(2 * position[views.event[view]] + views.lossy[view]),
        "__weight__": weight[pair] * views.probability[view],
    }
    of_pair = _lepton_columns(tracks, pairs, candidate, detector, rng)
    of_pair["nTracks"] = np.bincount(tracks.event, minlength=n)[pairs.event].astype(np.float32)
    columns |= {name: values[pair] for name, values in (of_pair | trigger).items()}
    if not candidate.leptons:
        behind, factor = muon_system_clusters(events, views, detector, rng=rng, weighted=weighted)
        columns["__weight__"] *= factor[view]
        columns[MUON_SYSTEM_CLUSTERS] = behind[view].astype(np.float32)
    for k in range(candidate.n_photons):
        columns |= _photon_columns(f"daughter({len(candidate.leptons) + k}, {{}})", clusters, used[:, k])
    if candidate.n_photons:
        everything = clusters.and_also(_track_clusters(tracks, views, n))
        fired = calorimeter_triggers(everything, events.beams_p4[views.event], detector, rng=rng)
        columns |= {name: decision[view].astype(np.float32) for name, decision in fired.items()}
    return columns | _rest_columns(clusters, view, used, views.event.size, detector)


def _with_enough_tracks(events: Events, candidate: Candidate, detector: Detector) -> tuple[Events, Ints]:
    """Return the events in which the leptons of a candidate may be found, and their positions; the rest has no row."""
    if not candidate.leptons:
        return events, np.arange(len(events.weight))
    enough = np.zeros(len(events.weight), dtype=np.bool_)
    _count_charged(events.pdgid, events.p4, events.weight, *detector.tracking_theta, detector.tracking_pt_min, enough)
    position = np.flatnonzero(enough)
    kept = Events(
        pdgid=events.pdgid[position],
        p4=events.p4[position],
        weight=events.weight[position],
        beams_p4=events.beams_p4[position],
        vertex=None if events.vertex is None else events.vertex[position],
    )
    return kept, position


@njit(cache=True)
def _count_charged(
    pdgid: NDArray[np.int32], p4: Array, weight: Array, low: float, high: float, pt_min: float, enough: Mask
) -> None:
    """Fill which events have positive weight, and two charged particles in the acceptance of tracks before material."""
    most, least = np.cos(low) / max(np.sin(low), 1e-12), np.cos(high) / max(np.sin(high), 1e-12)
    for i in range(weight.size):
        charged = 0
        if weight[i] > 0:
            for j in range(pdgid.shape[1]):
                kind = abs(pdgid[i, j])
                if kind in CHARGED:
                    pt = np.sqrt(p4[i, j, 1] ** 2 + p4[i, j, 2] ** 2)
                    if pt >= pt_min and least * pt <= p4[i, j, 3] <= most * pt:
                        charged += 1
        enough[i] = charged >= 2


def _track_trigger(
    tracks: Tracks,
    pairs: Pairs,
    candidate: Candidate,
    n: int,
    detector: Detector,
    rng: np.random.Generator,
    *,
    weighted: bool,
) -> tuple[Array, Columns]:
    """Return the weights of the pairs with the efficiency of the two-track trigger, and its column."""
    if not candidate.leptons:
        return pairs.weight, {}
    fires = track_trigger(tracks, pairs.daughters[0], pairs.daughters[1], detector)
    weight = pairs.weight
    if weighted and not candidate.n_photons:
        weight = weight * np.where(fires, detector.trigger_efficiency, 1.0)
    else:
        fires &= (rng.random(n) < detector.trigger_efficiency)[pairs.event]
    return weight, {TRACK_TRIGGER: fires.astype(np.float32)}


def _rows(event: Ints, views: Views) -> tuple[Ints, Ints]:
    """Return the positions of pair and view of every row, ordered by view, given the events of the pairs (ordered)."""
    n_views = np.bincount(views.event, minlength=event[-1] + 1 if event.size else 0)
    first = np.cumsum(n_views) - n_views
    pair = np.arange(event.size)
    twice = pair[n_views[event] == 2]
    view = np.concatenate([first[event], first[event[twice]] + 1])
    order = np.argsort(view, kind="stable")
    return np.concatenate([pair, twice])[order], view[order]


def _with_photons(
    pair: Ints, view: Ints, n_views: int, clusters: Clusters, candidate: Candidate
) -> tuple[Ints, Ints, Ints]:
    """Return pair, view and photons (R, n_photons) of every row, given the pairs in each view."""
    eligible = np.flatnonzero(clusters.energy > candidate.photon_energy_min)
    combinations = eligible[photon_combinations(clusters.event[eligible], candidate.n_photons)]
    count = np.bincount(clusters.event[combinations[:, 0]], minlength=n_views)
    first = np.cumsum(count) - count
    repeats = count[view]
    nth = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    pair, view = np.repeat(pair, repeats), np.repeat(view, repeats)
    return pair, view, combinations[first[view] + nth]


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


def _lepton_columns(
    tracks: Tracks, pairs: Pairs, candidate: Candidate, detector: Detector, rng: np.random.Generator
) -> Columns:
    """Return the columns of the leptons of each pair."""
    columns: Columns = {}
    for i, (position, kind) in enumerate(zip(pairs.daughters, candidate.leptons, strict=False)):
        cluster = tracks.cluster[position]
        genuine = np.abs(tracks.pdgid[position]) == (11 if kind == "e" else 13)
        u = rng.random(position.size)
        # the right particles crowd at 1, those taken for them are spread evenly
        likeness = np.where(genuine, 1 - u**4, u)
        threshold = detector.electron_id_threshold if kind == "e" else detector.muon_id_threshold
        likelihood = {f"{'electron' if kind == 'e' else 'muon'}ID": threshold + (1 - threshold) * likeness}
        if "e" in candidate.leptons:
            # likelihood ratios of one track add up to 1 at most
            other = (1 - next(iter(likelihood.values()))) * rng.random(position.size)
            likelihood["muonID" if kind == "e" else "electronID"] = other
        if kind == "e":
            share = detector.fake_electron_deposit
            fake = tracks.p[position] * (share + (1 - share) * rng.random(position.size))
            cluster = np.where(genuine | (cluster == 0), cluster, fake)
        values = {
            "p": tracks.p[position],
            "theta": tracks.theta[position],
            "phi": tracks.phi[position],
            "charge": np.where(tracks.positive[position], 1.0, -1.0),
            **likelihood,
            "clusterE": cluster,
            "dr": np.abs(tracks.dr[position] + detector.dr_resolution * rng.normal(size=position.size)),
            "dz": tracks.dz[position] + detector.dz_resolution * rng.normal(size=position.size),
        }
        columns |= {f"daughter({i}, {name})": value.astype(np.float32) for name, value in values.items()}
    return columns


def _photon_columns(name: str, clusters: Clusters, position: Ints, *, with_time: bool = True) -> Columns:
    """Return the columns of one photon a row, NaN where its position is negative."""
    quantities = {"E": clusters.energy, "theta": clusters.theta, "phi": clusters.phi}
    if with_time:
        quantities["clusterTiming"] = clusters.time
    # the last element is what -1 finds
    padded = {quantity: np.append(values, np.nan).astype(np.float32) for quantity, values in quantities.items()}
    return {name.format(quantity): values[position] for quantity, values in padded.items()}


def _rest_columns(clusters: Clusters, view: Ints, used: Ints, n_views: int, detector: Detector) -> Columns:
    """Return the columns of the in-time photons outside each candidate."""
    count = np.bincount(clusters.event, minlength=n_views)
    first = np.cumsum(count) - count
    in_time = np.abs(clusters.time) < detector.in_time_window
    ranked = np.full((view.size, N_PHOTONS), -1)
    total = np.zeros(view.size)
    _rest_of_event(first[view], (first + count)[view], used, clusters.energy, in_time, ranked, total)
    columns: Columns = {_TOTAL: total.astype(np.float32)}
    for rank in range(N_PHOTONS):
        name = photon_variable("{}", rank + 1)
        columns |= _photon_columns(name, clusters, ranked[:, rank], with_time=used.shape[1] > 0)
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


def _numbering(view: Ints) -> Columns:
    """Return event number, number of the candidate in its event, and their number, for rows ordered by view."""
    new = np.ones(view.size, dtype=np.bool_)
    new[1:] = view[1:] != view[:-1]
    first = np.flatnonzero(new)
    size = np.diff(np.append(first, view.size))
    return {
        "__event__": view.astype(np.int64),
        "__candidate__": (np.arange(view.size) - np.repeat(first, size)).astype(np.int32),
        "__ncandidates__": np.repeat(size, size).astype(np.int32),
    }
