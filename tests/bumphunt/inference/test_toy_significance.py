"""p0 from weighted toys: against exact sums, plain toys and, where counts are large, the formulae."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.engines.choose import fit_data_sets
from bumphunt.errors import InputError
from bumphunt.inference.profile import Profile
from bumphunt.inference.settings import SignificanceSettings
from bumphunt.inference.significance import significance
from bumphunt.inference.toys import make_toys
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.background import BackgroundModel
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import ControlRegion, Gaussian, LogNormal


def one_bin(n, b, *uncertainties):
    return region("n", counts=[n], signal=[1.0], backgrounds=Sample("b", [b], uncertainties=uncertainties))


def by_toys(regions, n_toys=4000, **options):
    return significance(regions, method="toys", rng=np.random.default_rng(3), n_toys=n_toys, **options)


@pytest.mark.parametrize(("n", "b"), [(5, 3.0), (4, 0.1), (12, 3.0), (30, 3.0), (130, 100.0)])
def test_count_over_a_known_background_is_the_exact_sum(n, b):
    found, want = by_toys(one_bin(n, b)), stats.poisson.sf(n - 1, b)
    assert found.method == "toys"
    assert abs(found.p0 - want) < 4.0 * found.p0_error
    assert found.p0_error < 0.15 * want
    assert found.z0 == pytest.approx(stats.norm.isf(found.p0), rel=1e-9)


def test_deficit_has_no_smaller_q0():
    found = by_toys(one_bin(2, 3.0))
    assert (found.q0, found.p0, found.p0_error, found.z0) == (0.0, 1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "regions",
    [
        one_bin(8, 3.0, ControlRegion("b", 4.0)),
        one_bin(8, 3.0, LogNormal("b", 0.4)),
        one_bin(8, 3.0, Gaussian("b", 0.2)),
        region(
            "peak",
            values=[4.6, 4.7, 4.97, 5.0, 5.01, 5.04, 5.3, 5.45],
            edges=np.linspace(4.5, 5.5, 41),
            signal=gaussian(5.0, 0.05),
            backgrounds=BackgroundModel("bernstein", 1),
        ),
    ],
    ids=["control region", "log-normal", "normal", "smooth"],
)
def test_weighted_toys_are_plain_toys(regions):
    found = by_toys(regions)
    profile = Profile(likelihood(regions))
    model, truth = profile.model, profile.at(0.0).values
    toys = make_toys(model, truth, seed=np.random.SeedSequence(11), indices=range(8000))
    start = np.tile(np.where(np.arange(truth.size) == 0, 1.0, truth), (8000, 1))
    free = fit_data_sets(model, toys.counts, toys.centres, start.copy(), strength_free=True)
    start[:, 0] = 0.0
    null = fit_data_sets(model, toys.counts, toys.centres, start, strength_free=False)
    above = (free.values[:, 0] > 0.0) & (2.0 * (null.nll - free.nll) >= found.q0 - 1e-6) & free.usable
    want = above.mean()
    assert abs(found.p0 - want) < 4.0 * np.hypot(found.p0_error, np.sqrt(want / 8000.0))
    assert found.p0_error < 0.15 * found.p0


@pytest.mark.parametrize("n_signal", [60, 160])
def test_formulae_hold_where_counts_are_large(n_signal):
    rng = np.random.default_rng(3)
    masses = np.concatenate([rng.uniform(4.5, 5.5, 2000), rng.normal(5.0, 0.05, n_signal)])
    peak = region(
        "peak",
        values=masses,
        edges=np.linspace(4.5, 5.5, 81),
        signal=gaussian(5.0, 0.05),
        backgrounds=BackgroundModel("bernstein", 2),
    )
    found, formulae = by_toys(peak, 2000), significance(peak)
    assert found.z0 == pytest.approx(formulae.z0, abs=0.12)
    assert formulae.p0_error == 0.0


def test_auto_takes_toys_for_few_events():
    rng = np.random.default_rng(1)
    few, many = one_bin(5, 3.0), one_bin(130, 100.0)
    assert significance(few, method="auto", rng=rng).method == "toys"
    assert significance(many, method="auto", rng=rng).method == "asymptotic"
    assert significance(few).method == "asymptotic"


def test_more_failed_toys_than_a_result_can_bear_are_flagged(monkeypatch):
    monkeypatch.setattr("bumphunt.inference.toy_significance.MAX_FAILED", -1.0)
    found = by_toys(one_bin(5, 3.0), 10)
    assert (found.valid, found.flags) == (False, ("toys_failed",))
    assert np.isnan([found.p0, found.z0]).all()


def test_bad_input_raises():
    with pytest.raises(InputError, match="one of 'auto', 'asymptotic', 'toys', got 'exact'"):
        significance(one_bin(5, 3.0), method="exact")
    with pytest.raises(InputError, match="'toys' needs random numbers"):
        significance(one_bin(5, 3.0), method="toys")
    with pytest.raises(InputError, match="number of toys must be positive, got 0"):
        SignificanceSettings(n_toys=0)
    with pytest.raises(InputError, match="threshold of the asymptotic formulae must be positive, got 0"):
        SignificanceSettings(threshold=0.0)
