"""Selection of single photons: observables against `vector` and closed forms, each cut against an event that fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import vector
from numpy.typing import NDArray

from bumphunt.cuts.tensor import satisfies
from bumphunt.kinematics.escape import beam_holes, edge_energy
from bumphunt.kinematics.momenta import BEAMS, Beams, four_momentum, momentum, polar_angle, to_laboratory
from bumphunt.montecarlo.conditions import Conditions
from bumphunt.montecarlo.detector.candidates import CANDIDATES
from bumphunt.montecarlo.detector.muon_system import MUON_SYSTEM_CLUSTERS
from bumphunt.montecarlo.detector.presets import DETECTORS
from bumphunt.montecarlo.processes.process import Parameters
from bumphunt.montecarlo.processes.registry import find_process
from bumphunt.montecarlo.simulation import simulate_chunk
from bumphunt.theory import alp, dark_photon
from selections.objects import TOTAL_PHOTON_ENERGY, daughter, photon
from selections.search import Search
from selections.searches.alp.invisible import SEARCH as ALP
from selections.searches.darkphoton import single_photon as search
from selections.searches.darkphoton.invisible import SEARCH as DARK_PHOTON

GEOMETRIES = {"babar": search.BABAR_PHOTON, "belle2": search.BELLE2_PHOTON}


def event(experiment: str = "babar", *, e_star: float = 4.5, theta_star: float = 1.4, **changes: Any) -> dict[str, Any]:
    """Return columns of one event with a photon of a given energy and angle in the centre of mass."""
    p4 = to_laboratory(four_momentum(e_star, theta_star, 0.4, 0.0), BEAMS[experiment])
    columns: dict[str, float] = {
        daughter(0, "E"): float(p4[0]),
        daughter(0, "theta"): float(polar_angle(p4)),
        daughter(0, "phi"): float(np.arctan2(p4[2], p4[1])),
        "nTracks": 0.0,
        MUON_SYSTEM_CLUSTERS: 0.0,
        TOTAL_PHOTON_ENERGY: 0.0,
        **dict.fromkeys((*GEOMETRIES[experiment].lines, *GEOMETRIES[experiment].filters), 1.0),
    }
    for rank in (1, 2, 3):
        columns |= {photon(rank, name): np.nan for name in ("E", "theta", "phi")}
    return {name: np.array([value]) for name, value in (columns | changes).items()}


def observables(experiment: str = "babar", **changes: Any) -> dict[str, float]:
    selection = search.selection(BEAMS[experiment], GEOMETRIES[experiment])
    return {name: float(v[0]) for name, v in selection.observables(event(experiment, **changes)).items()}


def failed(experiment: str = "babar", **changes: Any) -> list[str]:
    """Return the names of the cuts that an event fails."""
    selection = search.selection(BEAMS[experiment], GEOMETRIES[experiment])
    found = selection.observables(event(experiment, **changes))
    return [cut.name for cut in selection.cuts if not cut.passes(found[cut.observable])[0]]


@pytest.mark.parametrize("experiment", GEOMETRIES)
def test_good_event_passes_everything(experiment: str) -> None:
    assert failed(experiment, theta_star=1.2) == []


def other(e: float, theta: float = 1.0) -> dict[str, float]:
    """Return changes that add one photon, of a laboratory energy [GeV]."""
    return {photon(1, "E"): e, photon(1, "theta"): theta, photon(1, "phi"): -2.0, TOTAL_PHOTON_ENERGY: e}


@pytest.mark.parametrize(
    ("changes", "cuts"),
    [
        ({"nTracks": 1.0}, ["no tracks"]),
        ({"theta_star": np.arccos(-0.62)}, ["photon cos(theta*)"]),
        ({"theta_star": np.arccos(0.62)}, ["photon cos(theta*)"]),
        ({"e_star": 1.85, "theta_star": 1.5}, ["photon energy"]),
        ({search.BABAR_PHOTON.lines[0]: 0.0}, ["trigger"]),
        (other(0.29, theta=2.2), ["no second photon"]),
        ({MUON_SYSTEM_CLUSTERS: 1.0}, ["muon system"]),
        ({TOTAL_PHOTON_ENERGY: 0.31}, ["extra photon energy"]),
    ],
)
def test_each_cut_of_babar_rejects_what_it_is_for(changes: dict[str, float], cuts: list[str]) -> None:
    if changes.get("e_star"):
        assert "photon energy" in failed(**changes)
    else:
        assert failed(**changes) == cuts


@pytest.mark.parametrize(("e_star", "fails"), [(1.89, True), (1.91, False)])
def test_boundary_of_the_photon_energy(e_star: float, fails: bool) -> None:
    assert ("photon energy" in failed(e_star=e_star)) is fails


@pytest.mark.parametrize(
    ("lines", "fires"), [((1, 0, 1), True), ((0, 1, 1), True), ((0, 0, 1), False), ((1, 1, 0), False)]
)
def test_belle2_needs_one_first_level_line_and_the_filter(lines: tuple[int, ...], fires: bool) -> None:
    geometry = search.BELLE2_PHOTON
    names = (*geometry.lines, *geometry.filters)
    changes = dict(zip(names, map(float, lines), strict=True))
    assert ("trigger" not in failed("belle2", theta_star=1.2, **changes)) is fires


@pytest.mark.parametrize("experiment", GEOMETRIES)
@pytest.mark.parametrize("mass", [0.0, 1.0, 4.7, 8.0])
def test_photon_of_a_mass_is_found_at_its_square(experiment: str, mass: float) -> None:
    beams = BEAMS[experiment]
    e_star = (beams.s - mass**2) / (2 * beams.sqrt_s)
    found = observables(experiment, e_star=e_star, theta_star=1.1)
    assert found["e_star"] == pytest.approx(e_star)
    assert found["m2_x"] == pytest.approx(mass**2, abs=1e-9)
    assert found["m2_x"] == pytest.approx(beams.s - 2 * beams.sqrt_s * found["e_star"])


def random_events(experiment: str, n: int = 500) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(4)
    columns = {name: np.repeat(value, n) for name, value in event(experiment).items()}
    columns |= {
        daughter(0, "E"): rng.uniform(1.0, 7.0, n),
        daughter(0, "theta"): rng.uniform(0.3, 2.5, n),
        daughter(0, "phi"): rng.uniform(-3, 3, n),
    }
    for rank in (1, 2, 3):
        there = rng.random(n) < 0.6
        for name, low, high in (("E", 0.05, 3.0), ("theta", 0.3, 2.5), ("phi", -3, 3)):
            columns[photon(rank, name)] = np.where(there, rng.uniform(low, high, n), np.nan)
    return columns


@pytest.mark.parametrize("experiment", GEOMETRIES)
def test_observables_equal_vector(experiment: str) -> None:
    beams, columns = BEAMS[experiment], random_events(experiment)
    found = search.observables(columns, beams, GEOMETRIES[experiment])
    e, px, py, pz = beams.p4
    to_cms = vector.obj(x=-px / e, y=-py / e, z=-pz / e)

    def star(prefix: Any) -> Any:
        energy, theta, phi = (columns[prefix(name)] for name in ("E", "theta", "phi"))
        lab = vector.array({"pt": energy * np.sin(theta), "theta": theta, "phi": phi, "mass": np.zeros(energy.size)})
        return lab.boost_beta3(to_cms)

    first = star(lambda name: daughter(0, name))
    axis = vector.obj(E=beams.electron[0], px=beams.electron[1], py=0.0, pz=beams.electron[3]).boost_beta3(to_cms)
    np.testing.assert_allclose(found["e_star"], first.E, rtol=1e-9)
    np.testing.assert_allclose(found["cos_theta"], np.cos(first.deltaangle(axis)), atol=1e-9)
    recoil = vector.obj(E=e, px=px, py=py, pz=pz).boost_beta3(to_cms).subtract(first)
    np.testing.assert_allclose(found["m2_x"], recoil.tau2, atol=1e-8)
    energies, angles = [], []
    for rank in (1, 2, 3):
        second = star(lambda name, rank=rank: photon(rank, name))
        energies.append(np.nan_to_num(second.E))
        angles.append(np.pi - second.deltaangle(first))
    best = np.argmax(energies, axis=0)
    none = np.max(energies, axis=0) == 0
    np.testing.assert_allclose(found["second_energy"], np.max(energies, axis=0), rtol=1e-9)
    expected = np.where(none, np.pi, np.choose(best, np.nan_to_num(angles)))
    np.testing.assert_allclose(found["acollinearity"], expected, atol=1e-6)
    assert np.any(none)


def test_edge_distance_is_zero_at_the_edge() -> None:
    beams = BEAMS["babar"]
    holes = beam_holes(DETECTORS["babar"].ecl_theta, beams)
    edge = float(edge_energy(1.4, beams.sqrt_s, holes))
    for shift in (-0.3, 0.0, 0.3):
        assert observables(e_star=edge + shift, theta_star=1.4)["edge_distance"] == pytest.approx(shift, abs=1e-6)


@pytest.mark.parametrize(("offset", "rejected"), [(0.0, True), (0.9, True), (1.2, False), (3.0, False)])
def test_photon_pair_with_one_in_the_slit_at_90_degrees_is_rejected(offset: float, rejected: bool) -> None:
    beams = BEAMS["belle2"]
    lost_theta = np.radians(90.0 + offset)
    lost = four_momentum(1.0, lost_theta, 0.7, 0.0)
    # energy of a photon of a pair in this direction
    lost = lost * (beams.s / 2 / (beams.p4[0] - beams.p4[1:] @ lost[1:]))
    seen = beams.p4 - lost
    assert momentum(seen) == pytest.approx(seen[0])
    changes = {
        daughter(0, "E"): seen[0], daughter(0, "theta"): float(polar_angle(seen)),
        daughter(0, "phi"): float(np.arctan2(seen[2], seen[1])),
    }  # fmt: skip
    assert ("partner not in a gap" in failed("belle2", **changes)) is rejected
    assert observables("belle2", **changes)["off_gap"] == pytest.approx(offset - 0.05 if offset else -0.05, abs=1e-3)


@pytest.mark.parametrize(
    ("degrees", "near"), [(90.5, True), (91.5, False), (31.8, True), (128.0, True), (127.0, False)]
)
def test_photon_near_a_gap_is_rejected(degrees: float, near: bool) -> None:
    assert ("photon off the gaps" in failed("belle2", **{daughter(0, "theta"): np.radians(degrees)})) is near


def simulated(
    experiment: str, process: str, parameters: Parameters, n: int = 20_000, without: str = "", **detector: float
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64], float]:
    """Return observables and weights of the rows that pass, but for one cut, and the weight of all generated events."""
    changed = replace(DETECTORS[experiment], **detector)
    conditions = Conditions(beams=BEAMS[experiment], detector=changed, seed=8, candidate=CANDIDATES["photon"])
    chunk = simulate_chunk(find_process(process), parameters, conditions, n=n, chunk=0, luminosity=1.0, total=n)
    selection = search.selection(BEAMS[experiment], GEOMETRIES[experiment])
    found = selection.observables(chunk.columns)
    keep = np.all([cut.passes(found[cut.observable]) for cut in selection.cuts if cut.name != without], axis=0)
    return {k: v[keep] for k, v in found.items()}, chunk.columns["__weight__"][keep], chunk.sum_weights / n


@pytest.mark.parametrize(
    ("experiment", "mass", "low", "high"),
    [("babar", 1.0, 0.03, 0.05), ("babar", 6.0, 0.04, 0.07), ("belle2", 1.0, 0.05, 0.07), ("belle2", 6.0, 0.06, 0.08)],
)
def test_efficiency_and_resolution_of_the_signal(experiment: str, mass: float, low: float, high: float) -> None:
    found, weight, produced = simulated(experiment, "aprime_invisible", {"mass": mass})
    assert low < weight.sum() / produced < high
    order = np.argsort(found["m2_x"])
    below, middle = np.interp([0.16, 0.5], np.cumsum(weight[order]) / weight.sum(), found["m2_x"][order])
    assert middle == pytest.approx(mass**2, abs=1.5)
    assert 0.7 < middle - below < 2.2


@pytest.mark.parametrize("experiment", GEOMETRIES)
def test_no_electron_pair_that_escapes_makes_a_photon_above_the_edge(experiment: str) -> None:
    found, weight, _ = simulated(
        experiment, "single_photon_bhabha", {"minimum_angle": float(np.radians(30.0)), "minimum_energy": 1.3},
        n=200_000, without="partner not in a gap", photon_loss=0.0, tracking_efficiency=1.0,
    )  # fmt: skip
    assert weight.size > 500
    # five resolutions of the energy, 2 %, or what a crossing angle leaves
    assert found["edge_distance"].max() < 0.3
    assert np.any(found["edge_distance"] > -0.6)  # the edge is where they end


@pytest.mark.parametrize("record", [DARK_PHOTON, ALP], ids=lambda record: record.name)
def test_searches_are_complete(record: Search) -> None:
    for region in record.signal_regions:
        selection = region.selection(BEAMS[region.name])
        columns = event(region.name)
        assert {v.name for v in selection.variables} <= columns.keys()
        found = selection.observables(columns)
        assert {axis.name for axis in record.veto} <= found.keys()
        assert selection.spectrum in found
        assert all(cut.source and cut.description for cut in selection.cuts)
        assert selection.axis.position(8.0) < region.binning.high


def test_first_bounds_of_the_veto_keep_everything_that_passed() -> None:
    found, weight, _ = simulated("babar", "aprime_invisible", {"mass": 8.0}, n=5000)
    assert weight.size
    for axis in search.VETO:
        assert np.all(satisfies(found[axis.name], axis.thresholds[0], axis.side))


@pytest.mark.parametrize(("record", "theory"), [(DARK_PHOTON, dark_photon), (ALP, alp)])
def test_coupling_is_that_of_the_theory(record: Search, theory: Any) -> None:
    sqrt_s, masses = BEAMS["babar"].sqrt_s, np.array([0.5, 3.0, 7.0])
    assert record.model is not None
    found = np.sqrt([1.0, 2.0, 3.0] / record.model.cross_section(masses, sqrt_s))
    for mass, coupling, sigma in zip(masses, found, [1.0, 2.0, 3.0], strict=True):
        assert theory.cross_section(mass, coupling=coupling, sqrt_s=sqrt_s) == pytest.approx(sigma, rel=1e-9)


def test_published_limit_is_in_the_searched_range() -> None:
    published = DARK_PHOTON.published
    assert published is not None
    assert len(published.masses) == len(published.couplings)
    assert min(published.couplings) == 3.96e-4
    assert published.masses[int(np.argmin(published.couplings))] == 4.7


def test_beams_without_boost_have_symmetric_edges() -> None:
    beams = Beams(electron_energy=5.29, positron_energy=5.29)
    columns = event("babar")
    for angle in (1.2, np.pi - 1.2):
        columns[daughter(0, "theta")] = np.array([angle])
        columns[daughter(0, "E")] = np.array([4.0])
        holes = beam_holes(DETECTORS["babar"].ecl_theta, beams)
        found = search.observables(columns, beams, search.BABAR_PHOTON)
        assert found["edge_distance"][0] == pytest.approx(4.0 - edge_energy(angle, 10.58, holes))
