"""How often events are drawn, and how many are needed."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from bumphunt.constants import M_MUON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, four_momentum, polar_angle, recoil_mass_squared
from bumphunt.montecarlo.conditions import Conditions
from bumphunt.montecarlo.detector.candidates import CANDIDATES
from bumphunt.montecarlo.detector.presets import BELLE2
from bumphunt.montecarlo.processes.registry import PROCESSES
from bumphunt.montecarlo.pseudodata import draw_repeats, drawn_events, generation_for_draws
from bumphunt.montecarlo.simulation import draw_chunk

CONDITIONS = Conditions(beams=BEAMS["belle2"], detector=BELLE2, seed=1)
MUMU = PROCESSES["mumu"]


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
    sizes = [drawn_events(MUMU, {}, mean=400, seed=s) for s in range(300)]
    assert np.mean(sizes) == pytest.approx(400, abs=5 * 20 / np.sqrt(300))
    assert np.var(sizes) == pytest.approx(400, rel=5 * np.sqrt(2 / 300))
    assert drawn_events(MUMU, {}, mean=0, seed=1) == 1


def test_enough_events_are_generated_that_few_are_repeated():
    luminosity, allowed = 0.02, 0.02
    n = generation_for_draws(MUMU, {}, CONDITIONS, expected_per_fb=luminosity, repeated=allowed, maximum=10**7)
    columns = draw_chunk(MUMU, {}, CONDITIONS, n=n, chunk=0, scale=luminosity / n).columns
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
    assert generation_for_draws(MUMU, {}, CONDITIONS, expected_per_fb=0.02, repeated=0.01, maximum=10) == 10


def test_what_is_looked_at_is_found_without_muons_too():
    conditions = dataclasses.replace(CONDITIONS, candidate=CANDIDATES["three_photons"])
    few, many = (
        generation_for_draws(
            PROCESSES["alp_diphoton"], {"mass": 3.0, "coupling": 1e-3}, conditions, expected_per_fb=x, repeated=0.01,
            maximum=10**7,
        )
        for x in (1.0, 100.0)
    )  # fmt: skip
    assert few < many
