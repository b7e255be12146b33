"""Selection of gamma A': each cut against an event that fails it, observables against `vector`, simulated events."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import vector
from numpy.typing import NDArray
from particle import Particle
from particle.pdgid import literals as pdg

from bumphunt.constants import M_ELECTRON, M_MUON
from bumphunt.kinematics.momenta import BEAMS, four_momentum
from bumphunt.montecarlo.conditions import Conditions
from bumphunt.montecarlo.detector.candidates import find_candidate
from bumphunt.montecarlo.detector.presets import BABAR, preset
from bumphunt.montecarlo.processes.registry import find_process
from bumphunt.montecarlo.simulation import simulate_chunk
from bumphunt.theory import dark_photon
from selections.objects import daughter
from selections.registry import SEARCHES
from selections.searches.darkphoton import dilepton as search
from selections.searches.darkphoton.photon_leptons import FIELD, MATERIAL, conversion_mass, pair_observables

Array = NDArray[np.float64]
BEAM = BEAMS["babar"]
SELECTIONS = {leptons.name: search.selection(BEAM, leptons=leptons) for leptons in (search.ELECTRONS, search.MUONS)}
MASS = {"ee": M_ELECTRON, "mumu": M_MUON}


def balanced(region: str, *, mass: float = 3.5, cos: float = 0.3, helicity: float = 0.2, azimuth: float = 0.8,
             energy: float = 1.0) -> dict[str, float]:  # fmt: skip
    """Return momenta and angles of a photon and two leptons that make up the event, times `energy`.

    Parameters
    ----------
    cos
        Of the photon and the electrons in the centre of mass.
    helicity
        cos of the angle between l- and the direction opposite to the photon's, in the rest frame of the pair.
    azimuth
        Of the plane of the pair about it.
    """
    s = BEAM.s
    e, px, py, pz = BEAM.p4
    lab = vector.obj(E=e, px=px, py=py, pz=pz)
    photon_energy = (s - mass**2) / (2 * np.sqrt(s))
    theta = np.arccos(cos)
    photon = vector.obj(E=photon_energy, px=photon_energy * np.sin(theta), py=0.0, pz=photon_energy * cos)
    pair = vector.obj(E=np.sqrt(s) - photon.E, px=-photon.px, py=0.0, pz=-photon.pz)
    p = np.sqrt(mass**2 / 4 - MASS[region] ** 2)
    axis = np.array([-np.sin(theta), 0.0, -cos])
    across = np.array([np.cos(theta), 0.0, -np.sin(theta)])
    up = np.cross(axis, across)
    sin = np.sqrt(1 - helicity**2)
    n = helicity * axis + sin * (np.cos(azimuth) * across + np.sin(azimuth) * up)
    at_rest = [vector.obj(E=mass / 2, px=sign * p * n[0], py=sign * p * n[1], pz=sign * p * n[2]) for sign in (-1, 1)]
    particles = [*(lepton.boost_p4(pair) for lepton in at_rest), photon]
    values = {}
    for i, (particle, size) in enumerate(zip(particles, ("p", "p", "E"), strict=True)):
        moved = particle.boost_p4(lab)
        values |= {
            daughter(i, size): energy * moved.mag,
            daughter(i, "theta"): moved.theta,
            daughter(i, "phi"): moved.phi,
        }
    return values


def event(region: str, changes: dict[str, float]) -> dict[str, NDArray[Any]]:
    """Return columns of one event that passes, but for changes."""
    columns: dict[str, float] = {
        "nTracks": 2.0,
        "L1PSNM(ffo)": 1.0,
        "totalEnergyOfParticlesInList(gamma:roe)": 0.05,
        **balanced(region),
    }
    for i, charge in enumerate((1.0, -1.0)):
        values = {"charge": charge, "dr": 0.02, "dz": -0.4, "electronID": 0.9, "muonID": 0.9, "clusterE": 0.2}
        columns |= {daughter(i, name): value for name, value in values.items()}
    return {name: np.array([value], dtype=np.float32) for name, value in (columns | changes).items()}


def failed(region: str, **changes: Any) -> list[str]:
    """Return the names of the cuts that an event fails."""
    selection = SELECTIONS[region]
    columns = event(region, changes.get("columns", {}))
    columns = {variable.name: columns[variable.name] for variable in selection.variables}
    found = selection.observables(columns)
    return [cut.name for cut in selection.cuts if not cut.passes(found[cut.observable])[0]]


@pytest.mark.parametrize("region", SELECTIONS)
def test_good_event_passes_everything(region: str) -> None:
    assert failed(region) == []


COMMON = [
    ({"nTracks": 3.0}, ["two tracks"]),
    ({daughter(1, "charge"): 1.0}, ["opposite charges"]),
    ({daughter(0, "dr"): 1.49}, []),
    ({daughter(0, "dr"): 1.51}, ["track dr"]),
    ({daughter(1, "dz"): -9.9}, []),
    ({daughter(1, "dz"): -10.1}, ["track dz"]),
    ({"L1PSNM(ffo)": 0.0}, ["trigger"]),
    ({"totalEnergyOfParticlesInList(gamma:roe)": 0.199}, []),
    ({"totalEnergyOfParticlesInList(gamma:roe)": 0.201}, ["extra photon energy"]),
]


@pytest.mark.parametrize("region", SELECTIONS)
@pytest.mark.parametrize(("columns", "cuts"), COMMON)
def test_each_common_cut(region: str, columns: dict[str, float], cuts: list[str]) -> None:
    assert failed(region, columns=columns) == cuts


@pytest.mark.parametrize(
    ("region", "columns", "cuts"),
    [
        ("mumu", {daughter(0, "muonID"): 0.49}, ["muon ID"]),
        ("mumu", {daughter(0, "clusterE"): 0.41}, ["muon cluster energy"]),
        ("mumu", {daughter(0, "clusterE"): np.nan}, []),
        ("mumu", {daughter(0, "electronID"): 0.0}, []),
        ("ee", {daughter(1, "electronID"): 0.49}, ["electron ID"]),
        ("ee", {daughter(1, "muonID"): 0.0}, []),
        ("ee", {daughter(1, "clusterE"): 4.0}, []),
    ],
)
def test_identification(region: str, columns: dict[str, float], cuts: list[str]) -> None:
    assert failed(region, columns=columns) == cuts


def mass_of(energy: float) -> float:
    """Return the mass that a photon of this E* recoils against."""
    return float(np.sqrt(BEAM.s - 2 * BEAM.sqrt_s * energy))


@pytest.mark.parametrize(
    ("region", "change", "cuts"),
    [
        ("mumu", {"mass": mass_of(0.205), "helicity": 0.0}, []),
        ("mumu", {"mass": mass_of(0.195), "helicity": 0.0}, ["photon energy"]),
        ("mumu", {"energy": 0.97}, ["kinematic fit"]),
        # photon along the l+ in the rest frame of the pair: l- opposite to it
        ("mumu", {"mass": 8.0, "helicity": 0.9999}, ["photon angle"]),
        ("ee", {"mass": 5.0, "helicity": 0.89}, []),
        ("ee", {"mass": 5.0, "helicity": 0.91}, ["helicity"]),
        ("mumu", {"mass": 5.0, "helicity": 0.91}, []),
        # a light pair goes opposite to the photon, one of the leptons along its beam
        ("ee", {"mass": 0.1, "cos": -0.89}, []),
        ("ee", {"mass": 0.1, "cos": -0.92}, ["t channel"]),
        ("ee", {"mass": 0.1, "cos": 0.92}, ["t channel"]),
        ("mumu", {"mass": 0.3, "cos": 0.92}, []),
        ("ee", {"mass": 0.02, "azimuth": -1.57}, ["conversions"]),
        ("ee", {"mass": 0.02, "azimuth": 0.0}, []),
        ("ee", {"mass": 0.02, "azimuth": 1.57}, []),
        ("mumu", {"mass": 0.2115}, []),
    ],
)  # fmt: skip
def test_kinematic_cuts(region: str, change: dict[str, float], cuts: list[str]) -> None:
    assert failed(region, columns=balanced(region, **change)) == cuts


def test_observables_are_those_of_vector() -> None:
    columns = event("ee", balanced("ee", mass=2.0, cos=-0.4, helicity=0.55, azimuth=2.0))
    found = SELECTIONS["ee"].observables({v.name: columns[v.name] for v in SELECTIONS["ee"].variables})
    sizes = ("p", "p", "E")
    plus, minus, photon = (
        vector.obj(
            pt=float(columns[daughter(i, size)][0]) * np.sin(float(columns[daughter(i, "theta")][0])),
            theta=float(columns[daughter(i, "theta")][0]),
            phi=float(columns[daughter(i, "phi")][0]),
            mass=M_ELECTRON if i < 2 else 0.0,
        )
        for i, size in enumerate(sizes)
    )
    pair = plus + minus
    e, px, py, pz = BEAM.p4
    lab = vector.obj(E=e, px=px, py=py, pz=pz)
    electron, positron = (
        vector.obj(E=p4[0], px=p4[1], py=p4[2], pz=p4[3]).boostCM_of_p4(lab) for p4 in (BEAM.electron, BEAM.positron)
    )
    in_pair, photon_in_pair = minus.boostCM_of_p4(pair), photon.boostCM_of_p4(pair)
    expected = {
        "mass": 2.0,
        "mass_measured": pair.mass,
        "reduced_mass": np.sqrt(4 - 4 * M_ELECTRON**2),
        "photon_energy": photon.boostCM_of_p4(lab).E,
        "photon_lepton_angle": min(photon.deltaangle(plus), photon.deltaangle(minus)),
        "cos_helicity": abs(np.cos(in_pair.deltaangle(photon_in_pair))),
        "cos_beam": max(
            np.cos(minus.boostCM_of_p4(lab).deltaangle(electron)), np.cos(plus.boostCM_of_p4(lab).deltaangle(positron))
        ),
    }
    for name, value in expected.items():
        assert found[name][0] == pytest.approx(value, abs=1e-5), name
    assert found["cos_helicity"][0] == pytest.approx(0.55, abs=1e-5)
    assert found["chi2"][0] < 1e-3


def converted_pair(radius: float, shares: Array, rng: np.random.Generator, *, pull: float = 1.0) -> tuple[Array, Array]:
    """Return p, theta, phi at the point nearest to the z axis of e+ and e- that start at a radius [cm], (N, 3) each.

    Exact helices: circles of radius pT / (0.3 B) in the transverse plane, clockwise for positive charges.
    """
    n = shares.size
    theta, phi = np.arccos(rng.uniform(-0.7, 0.7, n)), rng.uniform(-np.pi, np.pi, n)
    tracks = []
    for sign, share in ((1.0, shares), (-1.0, 1 - shares)):
        p = 5.0 * share
        curl = 100 * p * np.sin(theta) / (0.299792458 * FIELD)  # radius [cm]
        # centre of the circle: to the right of the way out for a positive charge
        x = radius * np.cos(phi) + sign * curl * np.sin(phi)
        y = radius * np.sin(phi) - sign * curl * np.cos(phi)
        # nearest to the axis the direction is across the line from the axis to the centre
        nearest = np.arctan2(sign * x, -sign * y)
        smear = pull * np.hypot(BABAR.angle_resolution_constant, BABAR.angle_resolution_scattering / p)
        tracks.append(
            np.stack(
                [p, theta + smear * rng.normal(size=n), nearest + smear / np.sin(theta) * rng.normal(size=n)], axis=1
            )
        )
    return tracks[0], tracks[1]


def pair_mass(plus: Array, minus: Array) -> Array:
    total = four_momentum(*plus.T, M_ELECTRON) + four_momentum(*minus.T, M_ELECTRON)
    return np.sqrt(total[:, 0] ** 2 - np.sum(total[:, 1:] ** 2, axis=1))


@pytest.mark.parametrize("radius", [MATERIAL[0], 5.0, MATERIAL[1]])
def test_conversions_on_helices_look_heavy_and_are_rejected(radius: float) -> None:
    rng = np.random.default_rng(1)
    plus, minus = converted_pair(radius, rng.uniform(0.1, 0.9, 20_000), rng)
    # with their azimuths at the beam line they seem to have a mass that is searched
    assert np.median(pair_mass(plus, minus)) > 0.018 * radius / 2.5
    kept = conversion_mass(plus, minus) > search.MIN_CONVERSION_MASS
    assert np.mean(kept) < 0.003  # as BaBar's, arXiv:1406.2980: more than 99.7 % rejected


def test_conversion_mass_of_exact_helices_is_two_electron_masses() -> None:
    rng = np.random.default_rng(2)
    plus, minus = converted_pair(4.0, rng.uniform(0.3, 0.7, 100), rng, pull=0.0)
    np.testing.assert_allclose(conversion_mass(plus, minus), 2 * M_ELECTRON, rtol=0.2)


def test_prompt_pairs_that_open_the_other_way_keep_their_mass() -> None:
    plus = np.array([[2.5, 1.2, 0.30]])
    for step, kept in ((-0.1, True), (0.1, False)):
        minus = np.array([[2.5, 1.2, 0.30 - step]])
        left = conversion_mass(plus, minus)[0] / pair_mass(plus, minus)[0]
        assert (left > 1.0) == kept
        assert left == pytest.approx(1 - np.sign(step) * left_turn(plus[0], step) / abs(step), rel=0.01)


def left_turn(track: Array, step: float) -> float:
    """Return how far the field turns two like tracks apart on the radius of the material next to their opening."""
    turn = 2 * 0.00299792458 * FIELD / (track[0] * np.sin(track[1]))
    return float(turn * np.clip(step / turn, *MATERIAL))


@cache
def simulated(region: str, mass: float) -> tuple[dict[str, Array], Array, float]:
    """Return observables and weights of selected signal, and what it weighs before: generated at |cos theta*| < 0.9."""
    found = SEARCHES["darkphoton-dilepton"].region(region)
    conditions = Conditions(beams=BEAM, detector=BABAR, seed=4, candidate=find_candidate(found.candidate))
    parameters = {"mass": mass, "coupling": 1.0}
    chunk = simulate_chunk(
        find_process(str(found.process)), parameters, conditions, n=20_000, chunk=0, luminosity=1.0, total=20_000
    )
    selection = found.selection(BEAM)
    values = selection.observables(chunk.columns)
    passes = np.all([cut.passes(values[cut.observable]) for cut in selection.cuts], axis=0)
    weight = chunk.columns["__weight__"][passes]
    at_wide_angles = float(dark_photon.tree_cross_section(mass, coupling=1.0, sqrt_s=BEAM.sqrt_s, max_cos=0.9))
    return {name: value[passes] for name, value in values.items()}, weight, at_wide_angles


# BaBar, arXiv:1406.2980: efficiencies of about 15 % (ee) and 35 % (mumu). Photons at |cos| < 0.9 in the centre of mass,
# which the calorimeter covers, are counted here. The trigger on Bhabha scattering, which takes more than half of the
# electrons of BaBar, is not in the preset.
@pytest.mark.parametrize(
    ("region", "mass", "low", "high"),
    [
        ("ee", 0.02, 0.30, 0.45),
        ("ee", 0.2, 0.28, 0.42),
        ("ee", 2.0, 0.22, 0.34),
        ("ee", 10.2, 0.18, 0.30),
        ("mumu", 0.25, 0.40, 0.60),
        ("mumu", 1.0, 0.25, 0.38),
        ("mumu", 5.0, 0.30, 0.45),
        ("mumu", 10.2, 0.25, 0.40),
    ],
)
def test_efficiency(region: str, mass: float, low: float, high: float) -> None:
    _, weight, at_wide_angles = simulated(region, mass)
    assert low < weight.sum() / at_wide_angles < high


def half_width(values: Array, weights: Array) -> float:
    """Return half of the central interval that holds 68.27 % of the weight."""
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    low, high = np.interp([0.15865, 0.84135], cumulative / cumulative[-1], values[order])
    return float((high - low) / 2)


# step of the scan of arXiv:1406.2980, half of the resolution [GeV]
@pytest.mark.parametrize(("mass", "step"), [(0.25, 0.23e-3), (0.5, 0.53e-3), (1.0, 0.92e-3), (3.0, 2.0e-3),
                                            (5.0, 2.6e-3), (7.0, 3.0e-3), (9.0, 3.2e-3)])  # fmt: skip
def test_dimuon_resolution_is_twice_the_published_step(mass: float, step: float) -> None:
    values, weight, _ = simulated("mumu", mass)
    assert half_width(values["mass"], weight) == pytest.approx(2 * step, rel=0.35)
    assert np.median(values["mass"]) == pytest.approx(mass, abs=step)
    # at the threshold the reduced mass has a wider peak than the mass, which the axis knows
    slope = search.MUONS.axis.slope(mass)
    assert half_width(values["reduced_mass"], weight) == pytest.approx(
        float(slope) * half_width(values["mass"], weight), rel=0.1
    )


@pytest.mark.parametrize(("name", "pdgid", "half"), [
    ("omega", 223, 0.03), ("phi", 333, 0.03), ("J/psi", 443, 0.05), ("psi(2S)", 100443, 0.05),
    ("Upsilon(1S)", 553, 0.05), ("Upsilon(2S)", 100553, 0.05),
])  # fmt: skip
def test_resonances_are_left_out(name: str, pdgid: int, half: float) -> None:
    found = {known.name: known for known in search.EXCLUDED}[name]
    mass = Particle.from_pdgid(pdgid).mass
    assert mass is not None
    assert (found.low + found.high) / 2 == pytest.approx(mass / 1000, abs=1e-8)
    assert (found.high - found.low) / 2 == pytest.approx(half, abs=1e-8)


def test_broad_meson_is_left_out_by_its_width() -> None:
    found = search.excluded("rho", 113, 0.03)
    width = Particle.from_pdgid(113).width
    assert width is not None
    assert found.high - found.low == pytest.approx(2 * 3 * width / 1000, abs=1e-8)


def test_particle_without_a_width_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match="no mass for particle 12"):
        search.excluded("nu", int(pdg.nu_e), 0.03)


def test_resolutions_of_another_detector() -> None:
    columns = event("mumu", {daughter(0, "p"): float(balanced("mumu")[daughter(0, "p")] * 1.02)})
    coarse = preset("babar", pt_resolution_constant=0.1)
    chi2 = [pair_observables(columns, BEAM, M_MUON, detector)["chi2"][0] for detector in (BABAR, coarse)]
    assert chi2[0] > 5 * chi2[1]
    region = search.search(coarse).region("mumu")
    columns = {v.name: columns[v.name] for v in region.selection(BEAM).variables}
    assert region.selection(BEAM).observables(columns)["chi2"][0] == pytest.approx(chi2[1])


def test_search_predicts_couplings_from_the_theory() -> None:
    found = SEARCHES["darkphoton-dilepton"]
    assert found.model is not None
    mass = np.array([0.05, 1.0, 9.0])
    xsec = dark_photon.cross_section(mass, coupling=2e-3, sqrt_s=BEAM.sqrt_s)
    np.testing.assert_allclose(xsec / found.model.cross_section(mass, BEAM.sqrt_s), 2e-3**2)
    np.testing.assert_allclose(found.region("ee").branching_ratio([0.1, 2.0]), [1.0, 0.24], atol=0.01)
    ratio = found.region("mumu").branching_ratio(mass[1:]) / found.region("ee").branching_ratio(mass[1:])
    np.testing.assert_allclose(ratio, 1.0, atol=1e-3)
