"""Chunks, seeds and draws."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.constants import M_MUON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, four_momentum, polar_angle, recoil_mass_squared
from bumphunt.montecarlo.detector.candidates import CANDIDATES
from bumphunt.montecarlo.detector.presets import BELLE2
from bumphunt.montecarlo.simulation import (
    draw_chunk,
    draw_repeats,
    drawn_events,
    generation_for_draws,
    production_number,
    random_generator,
    simulate_chunk,
)

SIGNAL = {"mass": 2.0, "coupling": 0.1}
PARAMETERS = {"mumu": {}, "tautau": {}, "eemumu": {}, "zprime": SIGNAL}


def chunk(process="mumu", **kwargs):
    arguments = {"n": 3000, "chunk": 0, "seed": 1, "beams": BEAMS["belle2"], "detector": BELLE2, "luminosity": 0.276}
    arguments |= {"total": 3000, "parameters": PARAMETERS.get(process, {})}
    return simulate_chunk(process, **(arguments | kwargs))


def draw(process="mumu", **kwargs):
    arguments = {"n": 3000, "chunk": 0, "seed": 1, "beams": BEAMS["belle2"], "detector": BELLE2, "scale": 1e-7}
    return draw_chunk(process, **(arguments | {"parameters": PARAMETERS.get(process, {})} | kwargs))


def same(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[k], second[k], equal_nan=True) for k in first)


@pytest.mark.parametrize("process", PARAMETERS)
def test_chunk_is_reproducible_and_chunks_differ(process):
    first, again, other, third = (chunk(process, **k) for k in ({}, {}, {"chunk": 1}, {"seed": 2}))
    assert same(first.columns, again.columns)
    assert first.sum_weights == again.sum_weights
    assert not same(first.columns, other.columns)
    assert not same(first.columns, third.columns)


@pytest.mark.parametrize("process", PARAMETERS)
def test_weighted_and_drawn_rows_have_the_same_layout(process):
    layouts = [{k: v.dtype for k, v in c.columns.items()} for c in (chunk(process), draw(process))]
    assert layouts[0] == layouts[1]
    assert list(layouts[0]) == list(layouts[1])


def test_streams_and_parameters_are_independent():
    keys = [("mumu", {}, "sample", 0), ("mumu", {}, "data", 0), ("tautau", {}, "sample", 0), ("mumu", {}, "sample", 1)]
    keys += [("zprime", {"mass": m, "coupling": 0.1}, "sample", 0) for m in (1.0, 1.0000001)]
    first = [random_generator(1, process=p, parameters=q, stream=s, chunk=c).random() for p, q, s, c in keys]
    assert len(set(first)) == len(keys)
    swapped = random_generator(1, process="zprime", parameters={"coupling": 0.1, "mass": 1.0}, stream="sample", chunk=0)
    assert swapped.random() == first[4]  # the order of the parameters says nothing


def test_weights_scale_with_luminosity_and_sample_size():
    base = chunk()
    assert chunk(luminosity=2.76).columns["__weight__"] == pytest.approx(10 * base.columns["__weight__"])
    assert chunk(total=6000).columns["__weight__"] == pytest.approx(base.columns["__weight__"] / 2)


def test_event_numbers_go_on_from_chunk_to_chunk():
    events = chunk(first_event=100_000, chunk=1).columns["__event__"]
    assert events.min() >= 200_000
    assert events.max() < 206_000


def test_rows_are_numbered_without_repetition():
    columns = chunk("tautau").columns
    keys = set(zip(columns["__event__"].tolist(), columns["__candidate__"].tolist(), strict=True))
    assert len(keys) == columns["__event__"].size


def test_samples_have_production_numbers_of_their_own():
    numbers = {production_number("zprime", {"mass": m, "coupling": 0.1}) for m in np.linspace(0.1, 9, 90)}
    assert len(numbers) == 90
    assert all(0 <= n < 2**31 for n in numbers)
    assert np.all(chunk().columns["__production__"] == production_number("mumu", {}))


def test_drawn_events_have_unit_weight_and_carry_no_truth():
    columns = draw(scale=1e-6).columns
    assert np.all(columns["__weight__"] == 1)
    assert np.all(columns["__production__"] == 0)
    assert np.all(columns["__event__"] >= 0)


def test_drawn_yield_agrees_with_the_weights():
    luminosity, n = 0.276, 40_000
    weighted = simulate_chunk(
        "mumu",
        n=n,
        chunk=0,
        seed=1,
        beams=BEAMS["belle2"],
        detector=BELLE2,
        luminosity=luminosity,
        total=n,
        parameters={},
    )
    drawn = draw("mumu", n=n, scale=luminosity * 0.1 / n)
    w = weighted.columns["__weight__"][weighted.columns["L1PSNM(ffo)"] == 1]
    k = np.count_nonzero(drawn.columns["L1PSNM(ffo)"] == 1)
    assert k == pytest.approx(0.1 * w.sum(), abs=5 * np.sqrt(0.1 * w.sum() + 0.01 * np.sum(w**2)))


@pytest.mark.parametrize("mean", [0.0, 0.3, 1.0, 2.7])
def test_draws_are_unbiased(mean):
    n = 50_000
    repeats = draw_repeats(np.full(n, mean), rng=np.random.default_rng(1))
    assert repeats.mean() == pytest.approx(mean, abs=5 * 0.5 / np.sqrt(n))
    assert set(np.unique(repeats)) <= {int(np.floor(mean)), int(np.ceil(mean))}


def test_draws_of_a_poisson_sample_are_poisson():
    # the fault: Poisson draws from a fixed weighted sample have the variance (1 + w) times the mean
    rng = np.random.default_rng(2)
    totals = np.array([draw_repeats(np.full(rng.poisson(100), 0.8), rng=rng).sum() for _ in range(4000)])
    dispersion = totals.var(ddof=1) / totals.mean() * (totals.size - 1)
    assert 1e-4 < stats.chi2.sf(dispersion, totals.size - 1) < 1 - 1e-4


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf])
def test_impossible_expectation_raises(value):
    with pytest.raises(InputError, match="finite and not negative"):
        draw_repeats([0.5, value], rng=np.random.default_rng(1))


def test_size_of_the_pseudo_data_sample_is_poisson_and_never_zero():
    sizes = [drawn_events(400, seed=s, process="mumu", parameters={}) for s in range(300)]
    assert np.mean(sizes) == pytest.approx(400, abs=5 * 20 / np.sqrt(300))
    assert np.var(sizes) == pytest.approx(400, rel=5 * np.sqrt(2 / 300))
    assert drawn_events(0, seed=1, process="mumu", parameters={}) == 1


def test_enough_events_are_generated_that_few_are_repeated():
    settings = {"seed": 1, "beams": BEAMS["belle2"], "detector": BELLE2, "parameters": {}}
    luminosity, allowed = 0.02, 0.02
    n = generation_for_draws("mumu", expected_per_fb=luminosity, repeated=allowed, maximum=10**7, **settings)
    columns = draw_chunk("mumu", n=n, chunk=0, scale=luminosity / n, **settings).columns
    muons = [
        four_momentum(*(columns[f"daughter({i}, {name})"] for name in ("p", "theta", "phi")), M_MUON) for i in (0, 1)
    ]
    recoil_angle = np.degrees(polar_angle(BEAMS["belle2"].p4 - muons[0] - muons[1]))
    looked_at = (
        (np.abs(recoil_angle - 80) < 45)
        & (columns["totalEnergyOfParticlesInList(gamma:roe)"] < 0.5)
        & (columns["L1PSNM(ffo)"] == 1)
    )
    # uses of one generated event follow each other and differ by the measurement only
    recoil = recoil_mass_squared(muons[0] + muons[1], BEAMS["belle2"])[looked_at]
    angle = columns["daughter(0, theta)"][looked_at].astype(float)
    twins = (np.abs(np.diff(angle)) < 3e-3) & (np.abs(np.diff(recoil)) < 1.0)
    assert looked_at.sum() > 50
    assert twins.sum() <= allowed * looked_at.sum() + 5 * np.sqrt(allowed * looked_at.sum()) + 3


def test_generation_is_capped():
    settings = {"seed": 1, "beams": BEAMS["belle2"], "detector": BELLE2, "parameters": {}}
    assert generation_for_draws("mumu", expected_per_fb=0.02, repeated=0.01, maximum=10, **settings) == 10


def test_chunk_of_another_final_state():
    photons = CANDIDATES["three_photons"]
    alp = {"mass": 3.0, "coupling": 1e-3}
    weighted = chunk("alp_diphoton", parameters=alp, candidate=photons)
    drawn = draw("alp_diphoton", parameters=alp, candidate=photons, scale=1e-2)
    assert same(weighted.columns, chunk("alp_diphoton", parameters=alp, candidate=photons).columns)
    assert weighted.row_weights == pytest.approx(weighted.columns["__weight__"].sum())
    assert weighted.row_weights_squared == pytest.approx(np.sum(weighted.columns["__weight__"] ** 2))
    for columns in (weighted.columns, drawn.columns):
        assert columns["daughter(2, E)"].size > 0
        assert "daughter(0, p)" not in columns
    settings = {"seed": 1, "beams": BEAMS["belle2"], "detector": BELLE2, "parameters": alp, "candidate": photons}
    few, many = (
        generation_for_draws("alp_diphoton", expected_per_fb=x, repeated=0.01, maximum=10**7, **settings)
        for x in (1.0, 100.0)
    )
    assert few < many  # what is looked at is found without muons, too


def test_unknown_process_raises():
    with pytest.raises(InputError, match="process 'mumugamma' is not known; did you mean 'mumu'"):
        chunk("mumugamma")


@pytest.mark.parametrize("change", [{"n": 0}, {"luminosity": 0.0}, {"luminosity": float("nan")}, {"total": 10}])
def test_impossible_chunk_raises(change):
    with pytest.raises(InputError):
        chunk(**change)


@pytest.mark.parametrize("name", ["emu", "photon", "photon_dimuon"])
def test_chunks_hold_the_candidate_asked_for(name):
    candidate = CANDIDATES[name]
    weighted, drawn = chunk(candidate=candidate).columns, draw(candidate=candidate).columns
    assert {k: v.dtype for k, v in weighted.items()} == {k: v.dtype for k, v in drawn.items()}
    assert (f"daughter({len(candidate.leptons)}, clusterTiming)" in weighted) == (candidate.n_photons > 0)
    assert ("daughter(0, p)" in weighted) == bool(candidate.leptons)
