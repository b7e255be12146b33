"""Selection of Z' -> invisible: observables against the `vector` package, each cut against an event that fails it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import vector
from numpy.typing import NDArray

from bumphunt.constants import M_MUON, M_TAU
from bumphunt.cuts.tensor import satisfies
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS
from selections.objects import daughter, photon
from selections.searches.zprime import invisible as search
from selections.searches.zprime import tau_veto
from selections.searches.zprime.recoil import TRIGGER

BEAM = BEAMS["belle2"]
SELECTION = search.selection(BEAM)


def event(**changes: Any) -> dict[str, NDArray[Any]]:
    """Return columns of one event that passes: a recoil of about 4.6 GeV at 75 deg."""
    columns: dict[str, float] = {
        "nTracks": 2.0,
        TRIGGER: 1.0,
        "totalEnergyOfParticlesInList(gamma:roe)": 0.1,
    }
    for i, (p, theta, phi, charge) in enumerate([(3.0, 1.0, 0.3, 1.0), (1.8, 1.2, 2.4, -1.0)]):
        columns |= {
            daughter(i, name): value
            for name, value in {
                "p": p, "theta": theta, "phi": phi, "charge": charge, "muonID": 0.95, "clusterE": 0.2,
                "dr": 0.01, "dz": -0.1,
            }.items()
        }  # fmt: skip
    for rank in (1, 2, 3):
        columns |= {photon(rank, name): np.nan for name in ("E", "theta", "phi")}
    return {name: np.array([value], dtype=np.float32) for name, value in (columns | changes).items()}


def failed(**changes: Any) -> list[str]:
    """Return the names of the cuts that an event fails."""
    found = SELECTION.observables(event(**changes))
    return [cut.name for cut in SELECTION.cuts if not cut.passes(found[cut.observable])[0]]


def recoil_direction() -> tuple[float, float]:
    p4 = lab_recoil(event())
    return float(p4.theta[0]), float(p4.phi[0])


def lab_muons(columns: dict[str, NDArray[Any]]) -> list[vector.MomentumNumpy4D]:
    return [
        vector.array(
            {
                "pt": columns[daughter(i, "p")].astype(float) * np.sin(columns[daughter(i, "theta")].astype(float)),
                "theta": columns[daughter(i, "theta")].astype(float),
                "phi": columns[daughter(i, "phi")].astype(float),
                "mass": np.full(columns[daughter(i, "p")].shape, M_MUON),
            }
        )
        for i in range(2)
    ]


def lab_recoil(columns: dict[str, NDArray[Any]]) -> Any:
    e, px, py, pz = BEAM.p4
    muons = lab_muons(columns)
    return vector.obj(E=e, px=px, py=py, pz=pz).subtract(muons[0] + muons[1])


def test_good_event_passes_everything() -> None:
    assert failed() == []


@pytest.mark.parametrize(
    ("changes", "cuts"),
    [
        ({"nTracks": 3.0}, ["two tracks"]),
        ({daughter(1, "charge"): 1.0}, ["opposite charges"]),
        ({daughter(1, "dr"): 0.6}, ["track dr"]),
        ({daughter(0, "dz"): -2.1}, ["track dz"]),
        ({daughter(0, "clusterE"): 0.45}, ["muon cluster energy"]),
        ({daughter(0, "p"): 0.5, daughter(0, "clusterE"): 0.21}, ["muon E/p"]),
        ({daughter(1, "muonID"): 0.4}, ["muon ID"]),
        ({TRIGGER: 0.0}, ["trigger"]),
        ({"totalEnergyOfParticlesInList(gamma:roe)": 0.5}, ["extra photon energy"]),
        # towards the forward endcap
        ({daughter(0, "theta"): 2.3, daughter(1, "theta"): 2.0}, ["recoil in barrel"]),
    ],
)
def test_each_cut_rejects_what_it_is_for(changes: dict[str, float], cuts: list[str]) -> None:
    assert failed(**changes) == cuts


def test_photon_along_the_recoil_rejects_and_one_further_off_does_not() -> None:
    theta, phi = recoil_direction()
    for offset, expected in ((14.0, ["no photon along the recoil"]), (16.0, [])):
        for rank in (1, 2, 3):
            where = {"E": 0.1, "theta": theta + np.deg2rad(offset), "phi": phi}
            assert failed(**{photon(rank, name): value for name, value in where.items()}) == expected


def test_recoil_into_the_gap_rejects() -> None:
    thetas = np.linspace(0.5, 1.3, 4001)
    columns = {k: np.repeat(v, thetas.size) for k, v in event().items()}
    columns[daughter(0, "theta")] = thetas.astype(np.float32)
    observables = SELECTION.observables(columns)
    (gap,) = (cut for cut in SELECTION.cuts if cut.name == "recoil off the 90 deg gap")
    mask = gap.passes(observables[gap.observable])
    degrees = np.rad2deg(observables["recoil_theta"])
    assert np.any(~mask)
    np.testing.assert_array_equal(mask, np.abs(degrees - 90.0) > 1.0)


def test_track_without_a_cluster_counts_with_no_energy() -> None:
    assert failed(**{daughter(0, "clusterE"): np.nan}) == []


def test_photon_without_a_direction_raises() -> None:
    with pytest.raises(InputError, match="all three or none"):
        failed(**{photon(1, "E"): 0.1})


def random_events(n: int = 2000) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(1)
    columns = {k: np.repeat(v, n) for k, v in event().items()}
    for i in range(2):
        columns[daughter(i, "p")] = rng.uniform(0.3, 5, n)
        columns[daughter(i, "theta")] = rng.uniform(0.3, 2.6, n)
        columns[daughter(i, "phi")] = rng.uniform(-3, 3, n)
    for rank in (1, 2, 3):
        there = rng.random(n) < 0.7
        columns[photon(rank, "E")] = np.where(there, 0.2, np.nan)
        columns[photon(rank, "theta")] = np.where(there, rng.uniform(0.3, 2.6, n), np.nan)
        columns[photon(rank, "phi")] = np.where(there, rng.uniform(-3, 3, n), np.nan)
    return columns


def test_observables_equal_vector() -> None:
    columns = random_events()
    observables = SELECTION.observables(columns)
    recoil = lab_recoil(columns)
    e, px, py, pz = BEAM.p4
    to_cms = vector.obj(x=-px / e, y=-py / e, z=-pz / e)
    plus, minus = (m.boost_beta3(to_cms) for m in lab_muons(columns))
    recoil_cms = recoil.boost_beta3(to_cms)
    leading = plus.mag >= minus.mag
    transverse = [recoil_cms.to_Vector3D().cross(m.to_Vector3D()).mag / m.mag for m in (plus, minus)]
    np.testing.assert_allclose(observables["m2_recoil"], recoil.tau2, atol=1e-9)
    np.testing.assert_allclose(observables["m_recoil"], recoil.tau, atol=1e-7)
    np.testing.assert_allclose(observables["recoil_theta"], recoil.theta, rtol=1e-9)
    np.testing.assert_allclose(observables["pt_rec_lmax"], np.where(leading, *transverse), rtol=1e-8)
    np.testing.assert_allclose(observables["pt_rec_lmin"], np.where(leading, *transverse[::-1]), rtol=1e-8)
    np.testing.assert_allclose(observables["pt_pair"], (plus + minus).pt, rtol=1e-9)
    np.testing.assert_allclose(observables["pt_pair"], recoil_cms.pt, rtol=1e-6, atol=1e-6)
    lmax, lmin = (
        [np.where(leading, a, b) for a, b in ((getattr(x, c), getattr(y, c)) for c in ("px", "py", "pz"))]
        for x, y in ((plus, minus), (minus, plus))
    )
    for name, muon in (("lmax", lmax), ("lmin", lmin)):
        p = np.sqrt(sum(c**2 for c in muon))
        recoil_parts = [-getattr(plus + minus, c) for c in ("px", "py", "pz")]
        along = sum(r * m for r, m in zip(recoil_parts, muon, strict=True)) / p
        np.testing.assert_allclose(observables[f"p_{name}"], p, rtol=1e-9)
        np.testing.assert_allclose(observables[f"pl_rec_{name}"], along, atol=1e-9)
    pair = plus + minus
    np.testing.assert_allclose(observables["p_recoil"], pair.mag, rtol=1e-9)
    np.testing.assert_allclose(observables["m_pair"], pair.mass, rtol=1e-9)
    np.testing.assert_allclose(observables["cos_recoil"], np.abs(pair.costheta), rtol=1e-9, atol=1e-12)
    ratio = (observables["p_lmax"] - observables["p_lmin"]) / (observables["p_lmax"] + observables["p_lmin"])
    np.testing.assert_allclose(observables["p_asymmetry"], ratio)
    angle = plus.to_Vector3D().deltaangle(minus.to_Vector3D())
    np.testing.assert_allclose(observables["acollinearity"], np.pi - angle, atol=1e-6)
    np.testing.assert_allclose(observables["acoplanarity"], np.pi - np.abs(plus.deltaphi(minus)), atol=1e-9)
    nearest = np.full(len(columns["nTracks"]), np.pi)
    for rank in (1, 2, 3):
        e, theta, phi = (columns[photon(rank, name)] for name in ("E", "theta", "phi"))
        v = vector.array({"x": np.sin(theta) * np.cos(phi), "y": np.sin(theta) * np.sin(phi), "z": np.cos(theta)})
        nearest = np.fmin(nearest, recoil.to_Vector3D().deltaangle(v))
    np.testing.assert_allclose(observables["recoil_photon_angle"], nearest, rtol=1e-6)


def test_transverse_recoil_of_the_softer_muon_is_the_larger() -> None:
    # both are abs(p+ x p-) over the momentum of the muon
    observables = SELECTION.observables(random_events())
    assert np.all(observables["pt_rec_lmin"] >= observables["pt_rec_lmax"])


def test_every_cut_has_a_source_and_the_variables_have_units() -> None:
    assert all(cut.source and cut.description for cut in search.cuts())
    assert all(v.unit == "GeV" for v in search.variables() if v.name.endswith((", p)", "clusterE)", " E, 1)")))
    assert len({v.name for v in search.variables()}) == len(search.variables())


def muons_of_tau_pairs(n: int) -> dict[str, NDArray[Any]]:
    """Columns of muons from back-to-back taus without radiation; the neutrinos have any mass that is possible."""
    rng = np.random.default_rng(3)
    e_tau = BEAM.sqrt_s / 2
    cos, phi = rng.uniform(-0.9, 0.9, n), rng.uniform(-np.pi, np.pi, n)
    columns = {k: np.repeat(v, n) for k, v in event().items()}
    e, px, py, pz = BEAM.p4
    for i, sign in enumerate((1, -1)):
        p_tau = np.sqrt(e_tau**2 - M_TAU**2)
        sin = np.sqrt(1 - cos**2)
        tau = vector.array(
            {"px": sign * p_tau * sin * np.cos(phi), "py": sign * p_tau * sin * np.sin(phi), "pz": sign * p_tau * cos,
             "E": np.full(n, e_tau)}
        )  # fmt: skip
        m2_neutrinos = rng.uniform(0, (M_TAU - M_MUON) ** 2, n) * (rng.random(n) > 0.2)
        energy = (M_TAU**2 + M_MUON**2 - m2_neutrinos) / (2 * M_TAU)
        direction = rng.normal(size=(3, n))
        direction *= np.sqrt(energy**2 - M_MUON**2) / np.linalg.norm(direction, axis=0)
        at_rest = vector.array({"px": direction[0], "py": direction[1], "pz": direction[2], "E": energy})
        lab = at_rest.boost_p4(tau).boost_beta3(vector.obj(x=px / e, y=py / e, z=pz / e))
        columns |= {daughter(i, "p"): lab.mag, daughter(i, "theta"): lab.theta, daughter(i, "phi"): lab.phi}
    return columns


def test_tau_excess_is_negative_for_tau_pairs_and_comes_close_to_zero() -> None:
    excess = SELECTION.observables(muons_of_tau_pairs(200_000))["tau_excess"]
    assert excess.max() < 1e-6
    # reached where all four neutrinos take the least mass and the muons lie in one plane with the taus
    assert excess.max() > -0.02
    # muons without any tau in between need not obey it
    assert np.mean(SELECTION.observables(random_events())["tau_excess"] > 0.1) > 0.05


def test_gap_margin_is_the_distance_to_the_nearest_edge_or_gap() -> None:
    observables = SELECTION.observables(random_events())
    degrees = np.rad2deg(observables["recoil_theta"])
    nearest = np.min([degrees - 33, 128 - degrees, np.abs(degrees - 90)], axis=0)
    np.testing.assert_allclose(np.rad2deg(observables["recoil_gap_margin"]), nearest, atol=1e-9)


def test_candidates_exist_and_their_first_bound_keeps_everything() -> None:
    observables = SELECTION.observables(random_events())
    passed = np.all([cut.passes(observables[cut.observable]) for cut in SELECTION.cuts], axis=0)
    passing = {name: values[passed] for name, values in observables.items()}
    bounds = [(axis.name, axis.side) for axis in tau_veto.CANDIDATES]
    assert len(set(bounds)) == len(bounds)
    assert {(name, "above") for name in tau_veto.VETO} <= set(bounds)
    assert set(tau_veto.FEATURES) <= observables.keys()
    for axis in tau_veto.CANDIDATES:
        assert np.all(satisfies(passing[axis.name], axis.thresholds[0], axis.side)), axis.name
        assert axis.thresholds.size == 20
