"""From generated particles to what an ntuple of muon pairs would hold: basf2's variables, flat, one row a candidate.

Two ways to apply an efficiency, both unbiased:

* `weighted=True`, for the simulated samples. Muon identification and trigger multiply the weight, and lost photons are
  a stratum of their own: an event with clusters gives one copy where all are seen and one where at least one is lost,
  with the probabilities of the two as weights. So the rare events that an analysis must know are there in numbers.
* `weighted=False`, for pseudo-data. Everything is decided by hit or miss and a row keeps the weight of its event.

A candidate is a pair of opposite tracks that may be muons: muons, and pions and kaons taken for muons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.kinematics import M_MUON
from bumphunt.montecarlo.detector import (
    Detector,
    angle_resolution,
    in_ecl,
    in_tracking,
    muon_probability,
    photon_energy_resolution,
    transverse_momentum_resolution,
)
from bumphunt.montecarlo.events import Events

__all__ = ["N_PHOTONS", "ROULETTE", "photon_variable", "reconstruct"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

N_PHOTONS = 3
"""How many photons outside the candidate are written, ranked by energy."""
ROULETTE = 0.1
"""Identification probability below which a weighted row is kept only with probability p / ROULETTE, weighing more."""
_CHARGED = (11, 13, 211, 321, 2212)
_RANKED = ("E", "theta", "phi")
_TOTAL = "totalEnergyOfParticlesInList(gamma:roe)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tracks:
    """Reconstructed tracks, arrays of shape (T,), ordered by event."""

    event: Ints
    pdgid: Ints
    positive: Mask
    p: Array
    theta: Array
    phi: Array
    cluster: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clusters:
    """Neutral clusters, arrays of shape (C,)."""

    event: Ints
    energy: Array
    theta: Array
    phi: Array

    def where(self, keep: NDArray[np.bool_ | np.intp]) -> _Clusters:
        """Return the clusters that a mask or an array of positions names."""
        return _Clusters(
            event=self.event[keep], energy=self.energy[keep], theta=self.theta[keep], phi=self.phi[keep]
        )  # fmt: skip


def photon_variable(quantity: str, rank: int) -> str:
    """Return the basf2 name of a quantity of the photon of the given rank in energy, 1 being the first.

    Examples
    --------
    >>> photon_variable("theta", 1)
    'getVariableByRank(gamma:roe, E, theta, 1)'
    """
    return f"getVariableByRank(gamma:roe, E, {quantity}, {rank})"


def reconstruct(
    events: Events, detector: Detector, *, rng: np.random.Generator, weighted: bool = True
) -> dict[str, NDArray[Any]]:
    """Return the candidates of events as flat columns by basf2 variable name, each of shape (R,).

    Events without a candidate or with weight 0 have no row. Kinematic columns are float32; ``__weight__`` [fb] is
    float64, and its sum over the rows divided by the number of generated events is the visible cross section.
    ``__event__`` is twice the position of the event in `events`, plus one for the copy with a lost photon.

    Parameters
    ----------
    events
        Generated events in the laboratory.
    detector
        The detector.
    rng
        Source of randomness.
    weighted
        Whether efficiencies go into the weight, or are decided by hit or miss.
    """
    n = len(events.weight)
    tracks, clusters = _measure(events, detector, rng)
    probability = muon_probability(tracks.p, tracks.pdgid, detector)
    muons = np.flatnonzero(probability > 0 if weighted else rng.random(probability.size) < probability)
    plus, minus = _pairs(tracks, muons, n)
    weight = events.weight[tracks.event[plus]].astype(np.float64)
    if weighted:
        identified = probability[plus] * probability[minus]
        keep = (rng.random(identified.size) * ROULETTE < identified) & (weight > 0)
        weight = (weight * np.maximum(identified, ROULETTE))[keep]
        plus, minus = plus[keep], minus[keep]
    trigger = _triggers(tracks, plus, minus, detector)
    event = tracks.event[plus]
    n_tracks = np.bincount(tracks.event, minlength=n)[event]
    if weighted:
        weight = weight * np.where(trigger, detector.trigger_efficiency, 1.0)
    else:
        trigger &= (rng.random(n) < detector.trigger_efficiency)[event]
    candidates = _candidate_columns(tracks, plus, minus, detector, rng)
    candidates["nTracks"] = n_tracks.astype(np.float32)
    candidates["L1PSNM(ffo)"] = trigger.astype(np.float32)
    row, view, share, photons = _photon_views(event, clusters, n, detector, rng, weighted=weighted)
    columns = {**_numbering(view), "__weight__": weight[row] * share}
    columns |= {name: value[row] for name, value in candidates.items()}
    return columns | photons


def _measure(events: Events, detector: Detector, rng: np.random.Generator) -> tuple[_Tracks, _Clusters]:
    """Return the tracks found, and the clusters that belong to none of them."""
    kind = np.abs(events.pdgid)
    event, slot = np.nonzero(np.isin(kind, _CHARGED))
    p4, pdgid = events.p4[event, slot], events.pdgid[event, slot].astype(np.int64)
    px, py, pz = p4[:, 1], p4[:, 2], p4[:, 3]
    pt = np.hypot(px, py)
    p, theta, phi = np.hypot(pt, pz), np.arctan2(pt, pz), np.arctan2(py, px)
    found = in_tracking(theta, pt, detector) & (rng.random(pt.size) < detector.tracking_efficiency)
    deposit = _deposits(pdgid, p4[:, 0], p, theta, detector, rng)
    tracks = _smear_tracks(
        event[found], pdgid[found], p[found], theta[found], phi[found], deposit[found], detector, rng
    )
    photon_event, photon_slot = np.nonzero(kind == 22)
    q4 = events.p4[photon_event, photon_slot]
    lone = ~found & (deposit > 0)
    neutral = _Clusters(
        event=np.concatenate([photon_event, event[lone]]),
        energy=np.concatenate([q4[:, 0], deposit[lone]]),
        theta=np.concatenate([np.arctan2(np.hypot(q4[:, 1], q4[:, 2]), q4[:, 3]), theta[lone]]),
        phi=np.concatenate([np.arctan2(q4[:, 2], q4[:, 1]), phi[lone]]),
    )
    return tracks, _smear_clusters(neutral, detector, rng)


def _deposits(
    pdgid: Ints, energy: Array, p: Array, theta: Array, detector: Detector, rng: np.random.Generator
) -> Array:
    """Return the energy that charged particles leave in the calorimeter [GeV]; 0 where there are no crystals."""
    kind = np.abs(pdgid)
    # the Moyal density is that of mode - width log(z^2), z normal
    with np.errstate(divide="ignore"):
        ionisation = detector.mip_energy - detector.mip_energy_width * np.log(rng.normal(size=p.size) ** 2)
    hadron = (kind != 11) & (kind != 13)
    showers = hadron & (rng.random(p.size) < detector.shower_probability)
    deposit = ionisation + np.where(showers, rng.random(p.size) * p, 0.0)
    kinetic = energy - np.sqrt(np.maximum(energy**2 - p**2, 0.0))
    deposit = np.where(kind == 11, energy, np.minimum(deposit, kinetic))
    return np.where(in_ecl(theta, detector), deposit, 0.0)


def _smear_tracks(
    event: Ints, pdgid: Ints, p: Array, theta: Array, phi: Array, cluster: Array,
    detector: Detector, rng: np.random.Generator,
) -> _Tracks:  # fmt: skip
    """Return tracks with the resolutions of the detector."""
    noise = rng.normal(size=(3, p.size))
    sine = np.sin(theta)
    pt = p * sine
    beta = p / np.hypot(p, M_MUON)
    pt = np.abs(pt * (1 + transverse_momentum_resolution(pt, beta, detector) * noise[0]))
    angle = angle_resolution(p, detector)
    theta = np.clip(theta + angle * noise[1], 1e-6, np.pi - 1e-6)
    # pdg codes of charged leptons are positive for negative charge, those of hadrons for positive
    positive = np.where(np.abs(pdgid) < 20, pdgid < 0, pdgid > 0)
    return _Tracks(
        event=event,
        pdgid=pdgid,
        positive=positive,
        p=pt / np.sin(theta),
        theta=theta,
        phi=_wrap(phi + angle * noise[2] / sine),
        cluster=cluster,
    )


def _smear_clusters(clusters: _Clusters, detector: Detector, rng: np.random.Generator) -> _Clusters:
    """Return the clusters inside the calorimeter and above threshold, with its resolutions."""
    clusters = clusters.where(in_ecl(clusters.theta, detector) & (clusters.energy > detector.photon_energy_min / 2))
    noise = rng.normal(size=(3, clusters.energy.size))
    angle = detector.photon_angle_resolution / np.sqrt(clusters.energy)
    smeared = _Clusters(
        event=clusters.event,
        energy=clusters.energy * (1 + photon_energy_resolution(clusters.energy, detector) * noise[0]),
        theta=np.clip(clusters.theta + angle * noise[1], 0, np.pi),
        phi=_wrap(clusters.phi + angle * noise[2] / np.sin(clusters.theta)),
    )
    return smeared.where(smeared.energy > detector.photon_energy_min)


def _wrap(phi: Array) -> Array:
    """Return azimuths in [-pi, pi)."""
    return (phi + np.pi) % (2 * np.pi) - np.pi


def _pairs(tracks: _Tracks, muons: NDArray[np.intp], n_events: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the positions of the positive and of the negative track of every pair within an event."""
    plus, minus = muons[tracks.positive[muons]], muons[~tracks.positive[muons]]
    n_minus = np.bincount(tracks.event[minus], minlength=n_events)
    first_minus = np.cumsum(n_minus) - n_minus
    partners = n_minus[tracks.event[plus]]
    pair_plus = np.repeat(plus, partners)
    nth = np.arange(pair_plus.size) - np.repeat(np.cumsum(partners) - partners, partners)
    return pair_plus, minus[first_minus[tracks.event[pair_plus]] + nth]


def _triggers(tracks: _Tracks, plus: NDArray[np.intp], minus: NDArray[np.intp], detector: Detector) -> Mask:
    """Return whether pairs satisfy the two-track trigger: both in its polar angles, apart in the transverse plane."""
    low, high = detector.trigger_theta
    inside = (tracks.theta > low) & (tracks.theta < high)
    opening = np.abs(_wrap(tracks.phi[plus] - tracks.phi[minus]))
    return inside[plus] & inside[minus] & (opening > detector.trigger_opening)


def _candidate_columns(
    tracks: _Tracks, plus: NDArray[np.intp], minus: NDArray[np.intp], detector: Detector, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Return the columns of the two tracks of each pair: 0 is the positive one, 1 the negative one."""
    columns: dict[str, NDArray[Any]] = {}
    for i, (position, charge) in enumerate(((plus, 1.0), (minus, -1.0))):
        u = rng.random(position.size)
        # muons crowd at 1, hadrons taken for muons are spread evenly
        likeness = np.where(np.abs(tracks.pdgid[position]) == 13, 1 - u**4, u)
        threshold = detector.muon_id_threshold
        values = {
            "p": tracks.p[position],
            "theta": tracks.theta[position],
            "phi": tracks.phi[position],
            "charge": np.full(position.size, charge),
            "muonID": threshold + (1 - threshold) * likeness,
            "clusterE": tracks.cluster[position],
            "dr": detector.dr_resolution * np.abs(rng.normal(size=position.size)),
            "dz": detector.dz_resolution * rng.normal(size=position.size),
        }
        columns |= {f"daughter({i}, {name})": value.astype(np.float32) for name, value in values.items()}
    return columns


def _photon_views(
    event: Ints, clusters: _Clusters, n: int, detector: Detector, rng: np.random.Generator, *, weighted: bool
) -> tuple[NDArray[np.intp], Ints, Array, dict[str, NDArray[Any]]]:
    """Return how clusters are seen: row of the candidate, view, probability of the view, and the photon columns.

    A view is twice the event plus 0 (nothing lost; or the only one, by hit or miss) or 1 (at least one lost).
    """
    has_row = np.zeros(n, dtype=np.bool_)
    has_row[event] = True
    clusters = clusters.where(has_row[clusters.event])
    clusters = clusters.where(np.argsort(clusters.event, kind="stable"))
    rows = np.arange(event.size)
    if not weighted:
        seen = clusters.where(rng.random(clusters.event.size) >= detector.photon_loss)
        view = 2 * event
        return rows, view, np.ones(event.size), _photon_columns(seen, 2 * seen.event, view, n)
    count = np.bincount(clusters.event, minlength=n)
    nothing_lost = np.asarray((1 - detector.photon_loss) ** count, dtype=np.float64)
    lossy = rows[nothing_lost[event] < 1]
    kept = clusters.where(~_lost(clusters.event, count, nothing_lost, detector.photon_loss, rng))
    row = np.concatenate([rows, lossy])
    view = np.concatenate([2 * event, 2 * event[lossy] + 1])
    share = np.concatenate([nothing_lost[event], 1 - nothing_lost[event[lossy]]])
    order = np.argsort(view, kind="stable")
    both = _Clusters(
        event=np.concatenate([clusters.event, kept.event]),
        energy=np.concatenate([clusters.energy, kept.energy]),
        theta=np.concatenate([clusters.theta, kept.theta]),
        phi=np.concatenate([clusters.phi, kept.phi]),
    )
    cluster_view = np.concatenate([2 * clusters.event, 2 * kept.event + 1])
    return row[order], view[order], share[order], _photon_columns(both, cluster_view, view[order], n)


def _lost(event: Ints, count: Ints, nothing_lost: Array, loss: float, rng: np.random.Generator) -> Mask:
    """Return which clusters (ordered by event) are lost, given that at least one of each event is.

    The first lost one has the geometric distribution cut off at the number of clusters; those after it are independent.
    """
    if loss in (0.0, 1.0):
        return np.full(event.size, loss == 1.0)
    first = np.floor(np.log1p(-rng.random(count.size) * (1 - nothing_lost)) / np.log1p(-loss))
    first = np.minimum(first, np.maximum(count - 1, 0))
    nth = np.arange(event.size) - (np.cumsum(count) - count)[event]
    return (nth == first[event]) | ((nth > first[event]) & (rng.random(event.size) < loss))


def _photon_columns(clusters: _Clusters, cluster_view: Ints, view: Ints, n: int) -> dict[str, NDArray[Any]]:
    """Return the photon columns of the rows with the given views."""
    total = np.bincount(cluster_view, weights=clusters.energy, minlength=2 * n)
    order = np.lexsort((-clusters.energy, cluster_view))
    sorted_view = cluster_view[order]
    count = np.bincount(cluster_view, minlength=2 * n)
    rank = np.arange(order.size) - (np.cumsum(count) - count)[sorted_view]
    columns: dict[str, NDArray[Any]] = {_TOTAL: total[view].astype(np.float32)}
    for quantity, values in zip(_RANKED, (clusters.energy, clusters.theta, clusters.phi), strict=True):
        ranked = np.full((N_PHOTONS, 2 * n), np.nan, dtype=np.float32)
        leading = rank < N_PHOTONS
        ranked[rank[leading], sorted_view[leading]] = values[order][leading]
        columns |= {photon_variable(quantity, r + 1): ranked[r][view] for r in range(N_PHOTONS)}
    return columns


def _numbering(view: Ints) -> dict[str, NDArray[Any]]:
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
