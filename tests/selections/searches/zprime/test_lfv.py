"""Selection of e mu and nothing else: observables against `vector`, each cut against an event that fails it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import vector
from numpy.typing import NDArray

from bumphunt.constants import M_ELECTRON, M_MUON
from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.conditions import Conditions
from bumphunt.montecarlo.detector.candidates import CANDIDATES
from bumphunt.montecarlo.detector.presets import DETECTORS
from bumphunt.montecarlo.processes.process import Parameters
from bumphunt.montecarlo.processes.registry import find_process
from bumphunt.montecarlo.simulation import simulate_chunk
from selections.objects import TOTAL_PHOTON_ENERGY, daughter, photon
from selections.searches.zprime import lfv as search
from selections.searches.zprime.recoil import TRIGGER
from selections.searches.zprime.tau_veto import VETO

BEAM = BEAMS["belle2"]
SELECTION = search.selection(BEAM)


def event(**changes: Any) -> dict[str, NDArray[Any]]:
    """Return columns of one event that passes: a recoil of about 4.6 GeV at 75 deg."""
    columns: dict[str, float] = {"nTracks": 2.0, TRIGGER: 1.0, TOTAL_PHOTON_ENERGY: 0.1}
    kinds = (("electronID", 0.95, 2.9), ("muonID", 0.9, 0.2))
    for i, (p, theta, phi, charge) in enumerate([(3.0, 1.0, 0.3, 1.0), (1.8, 1.2, 2.4, -1.0)]):
        name, likelihood, cluster = kinds[i]
        values = {"p": p, "theta": theta, "phi": phi, "charge": charge, "dr": 0.01, "dz": -0.1, "clusterE": cluster}
        columns |= {daughter(i, key): value for key, value in (values | {name: likelihood}).items()}
    for rank in (1, 2, 3):
        columns |= {photon(rank, name): np.nan for name in ("E", "theta", "phi")}
    return {name: np.array([value]) for name, value in (columns | changes).items()}


def failed(**changes: Any) -> list[str]:
    """Return the names of the cuts that an event fails."""
    return failed_cuts(event(**changes))


def failed_cuts(columns: dict[str, NDArray[Any]]) -> list[str]:
    found = SELECTION.observables(columns)
    return [cut.name for cut in SELECTION.cuts if not cut.passes(found[cut.observable])[0]]


def test_good_event_passes_everything() -> None:
    assert failed() == []


@pytest.mark.parametrize(
    ("changes", "cuts"),
    [
        ({"nTracks": 3.0}, ["two tracks"]),
        ({daughter(1, "charge"): 1.0}, ["opposite charges"]),
        ({daughter(1, "dr"): 0.6}, ["track dr"]),
        ({daughter(0, "dz"): -2.1}, ["track dz"]),
        ({daughter(0, "electronID"): 0.4}, ["electron ID"]),
        ({daughter(0, "clusterE"): 2.3}, ["electron E/p"]),
        ({daughter(0, "clusterE"): np.nan}, ["electron E/p"]),
        ({daughter(1, "clusterE"): 0.45}, ["muon cluster energy"]),
        ({daughter(1, "p"): 0.45, daughter(1, "clusterE"): 0.19}, ["muon E/p"]),
        ({daughter(1, "muonID"): 0.4}, ["muon ID"]),
        ({TRIGGER: 0.0}, ["trigger"]),
        ({TOTAL_PHOTON_ENERGY: 0.5}, ["extra photon energy"]),
        ({daughter(0, "theta"): 2.3, daughter(1, "theta"): 2.0}, ["recoil in barrel"]),
    ],
)
def test_each_cut_rejects_what_it_is_for(changes: dict[str, float], cuts: list[str]) -> None:
    assert failed(**changes) == cuts


def test_electron_and_muon_are_not_interchangeable() -> None:
    swapped = event()
    for name in ("p", "theta", "phi", "charge", "clusterE"):
        swapped[daughter(0, name)], swapped[daughter(1, name)] = swapped[daughter(1, name)], swapped[daughter(0, name)]
    assert failed_cuts(swapped) == [
        "electron E/p", "muon cluster energy", "muon E/p",
    ]  # fmt: skip


def test_observables_equal_vector() -> None:
    rng, n = np.random.default_rng(1), 1000
    columns = {name: np.repeat(value, n) for name, value in event().items()}
    for i in range(2):
        columns[daughter(i, "p")] = rng.uniform(0.3, 5, n)
        columns[daughter(i, "theta")] = rng.uniform(0.3, 2.6, n)
        columns[daughter(i, "phi")] = rng.uniform(-3, 3, n)
    found = SELECTION.observables(columns)
    electron, muon = (
        vector.array(
            {
                "pt": columns[daughter(i, "p")] * np.sin(columns[daughter(i, "theta")]),
                "theta": columns[daughter(i, "theta")],
                "phi": columns[daughter(i, "phi")],
                "mass": np.full(n, mass),
            }
        )
        for i, mass in enumerate((M_ELECTRON, M_MUON))
    )
    e, px, py, pz = BEAM.p4
    recoil = vector.obj(E=e, px=px, py=py, pz=pz).subtract(electron + muon)
    to_cms = vector.obj(x=-px / e, y=-py / e, z=-pz / e)
    electron, muon, recoil_cms = (p.boost_beta3(to_cms) for p in (electron, muon, recoil))
    transverse = [recoil_cms.to_Vector3D().cross(p.to_Vector3D()).mag / p.mag for p in (electron, muon)]
    leading = electron.mag >= muon.mag
    np.testing.assert_allclose(found["m2_recoil"], recoil.tau2, atol=1e-8)
    np.testing.assert_allclose(found["recoil_theta"], recoil.theta, rtol=1e-9)
    np.testing.assert_allclose(found["pt_rec_lmax"], np.where(leading, *transverse), rtol=1e-8)
    np.testing.assert_allclose(found["pt_rec_lmin"], np.where(leading, *transverse[::-1]), rtol=1e-8)
    np.testing.assert_allclose(found["pt_pair"], (electron + muon).pt, rtol=1e-9)


def simulated(process: str, parameters: Parameters, n: int) -> tuple[dict[str, Any], NDArray[np.float64], float]:
    """Return observables and weights of the rows that pass, and the weight of all candidates [fb]."""
    conditions = Conditions(beams=BEAM, detector=DETECTORS["belle2"], seed=8, candidate=CANDIDATES["emu"])
    chunk = simulate_chunk(find_process(process), parameters, conditions, n=n, chunk=0, luminosity=1.0, total=n)
    found = SELECTION.observables(chunk.columns)
    keep = np.all([cut.passes(found[cut.observable]) for cut in SELECTION.cuts], axis=0)
    return {k: v[keep] for k, v in found.items()}, chunk.columns["__weight__"][keep], chunk.row_weights


@pytest.mark.parametrize(("mass", "low", "high"), [(1.0, 0.08, 0.16), (4.0, 0.07, 0.13), (7.0, 0.04, 0.11)])
def test_efficiency_and_resolution_of_the_signal(mass: float, low: float, high: float) -> None:
    # the electron mostly stays in the beam: efficiency is that for candidates, both leptons in the acceptance
    found, weight, candidates = simulated("zprime_lfv", {"mass": mass}, 40_000)
    assert low < weight.sum() / candidates < high
    order = np.argsort(found["m2_recoil"])
    below, middle = np.interp([0.16, 0.5], np.cumsum(weight[order]) / weight.sum(), found["m2_recoil"][order])
    assert middle == pytest.approx(mass**2, abs=0.5)
    assert 0.05 < middle - below < 0.6


def test_emu_enrichment_gives_the_same_rate_with_more_rows() -> None:
    n = 100_000
    runs = [simulated("tautau", {"mode_enrichment": name}, n)[1] for name in ("emu", "none")]
    totals = [w.sum() for w in runs]
    errors = [np.sqrt(np.sum(w**2)) for w in runs]
    assert abs(totals[0] - totals[1]) < 4 * np.hypot(*errors)
    effective = [(total / error) ** 2 for total, error in zip(totals, errors, strict=True)]
    assert effective[0] > 4 * effective[1]


def test_search_is_without_a_model_and_its_veto_exists() -> None:
    assert search.SEARCH.model is None
    assert [axis.name for axis in search.SEARCH.veto] == list(VETO)
    assert set(VETO) <= SELECTION.observables(event()).keys()
    assert {v.name for v in SELECTION.variables} == event().keys()
    assert all(cut.source and cut.description for cut in SELECTION.cuts)
