"""Toys of regions: fits against Minuit and the convex engine, limits against the formulae."""

from dataclasses import replace

import numpy as np
import pytest

from bumphunt.engines import linear as convex
from bumphunt.engines import minuit
from bumphunt.engines.newton import fit_data_sets
from bumphunt.engines.result import FitStatus
from bumphunt.errors import InputError
from bumphunt.inference.fit import limit
from bumphunt.inference.profile import Profile
from bumphunt.inference.region_toys import _RegionToys, toy_region_limit
from bumphunt.inference.toys import Toys, draw_toys, toy_limit
from bumphunt.likelihood.likelihood import likelihood, linear_channel
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import ControlRegion, Gaussian, LogNormal

SEED = np.random.SeedSequence(7)


def two_channels(scale=1.0):
    """Not linear: log-normal luminosity on signal and background, shared by both channels."""
    luminosity = LogNormal("luminosity", 0.05)
    rows = [("ee", [21, 18], [3.0, 4.0], [20.0, 16.0]), ("mumu", [32, 35], [6.0, 9.0], [30.0, 28.0])]
    return [
        region(
            name,
            counts=np.round(scale * np.array(n)),
            signal=Sample("signal", scale**0.5 * np.array(s), uncertainties=[luminosity]),
            backgrounds=Sample("b", scale * np.array(b), uncertainties=[luminosity, LogNormal("norm", 0.1)]),
        )
        for name, n, s, b in rows
    ]


def counted(n=4):
    """A count with a control region and a log-normal efficiency."""
    return region(
        "count",
        counts=[n],
        signal=Sample("signal", [1.0], uncertainties=[LogNormal("efficiency", 0.1)]),
        backgrounds=[Sample("fake", [1.2], uncertainties=[ControlRegion("sideband", 12)]), Sample("tau", [2.5])],
    )


def toys_of(model, strength, n):
    truth = np.where(np.arange(model.start.size) == 0, strength, model.start)
    widths = np.where(model.precisions > 0.0, 1.0, 0.0)
    toys = draw_toys(
        model.expected(truth), np.where(widths > 0.0, truth, model.centres), widths, seed=SEED, indices=range(n)
    )
    return toys, np.tile(truth, (n, 1))


@pytest.mark.parametrize("regions", [two_channels(), counted()], ids=["two_channels", "counted"])
@pytest.mark.parametrize("free", [True, False])
def test_fits_are_those_of_minuit(regions, free):
    model = likelihood(regions)
    toys, start = toys_of(model, 1.5, 12)
    fits = fit_data_sets(model, toys.counts, toys.centres, start, strength_free=free)
    assert fits.usable.all()
    for row in range(12):
        one = replace(model, counts=toys.counts[row], centres=toys.centres[row])
        theirs = minuit.fit_likelihood(one, strength=None if free else 1.5, start=start[row], errors=False)
        if theirs.status.usable:
            assert fits.nll[row] == pytest.approx(theirs.nll, abs=1e-6)
            assert fits.nll[row] <= theirs.nll + 1e-9
        assert fits.nll[row] == pytest.approx(one.nll(fits.values[row]), abs=1e-9)


def test_fits_of_a_linear_model_are_those_of_the_convex_engine():
    linear = region(
        "r",
        counts=[9, 11, 8],
        signal=[1.0, 3.0, 1.0],
        backgrounds=Sample("b", [8.0, 9.0, 8.0], uncertainties=[Gaussian("norm", 0.2)]),
    )
    model = likelihood(linear)
    toys, start = toys_of(model, 0.5, 30)
    fits = fit_data_sets(model, toys.counts, toys.centres, start, strength_free=True)
    assert fits.usable.all()
    for row in range(30):
        channel = linear_channel(replace(model, counts=toys.counts[row], centres=toys.centres[row]))
        assert fits.nll[row] == pytest.approx(convex.fit_channel(channel).nll, abs=1e-8)


# q~mu of toys 0 to 5, with and without signal, from the numpy engine that this one replaced. Its fits of the data, and
# so the truth of the toys, were good to 1e-6.
BEFORE = {
    "two_channels": (
        [0.1012496, 0.0, 0.0, 0.6360646, 0.0, 1.0007008],
        [14.9145268, 2.4448094, 0.0085441, 9.1496541, 1.3476738, 4.0710986],
    ),
    "counted": (
        [0.0, 0.5385171, 1.1323390, 0.9775954, 0.0071767, 0.0],
        [1.7122973, 0.0, 0.0, 0.6444266, 0.0001488, 0.1106411],
    ),
}


@pytest.mark.parametrize("regions", [two_channels(), counted()], ids=["two_channels", "counted"])
def test_same_seed_gives_the_statistics_it_gave_before(regions, request):
    got = _RegionToys(Profile(likelihood(regions)), 6, SEED)(1.5, 0)
    signal, background = BEFORE[request.node.callspec.id]
    np.testing.assert_allclose(got.signal, signal, atol=2e-5)
    np.testing.assert_allclose(got.background, background, atol=2e-5)
    assert got.n_failed == 0


def test_impossible_toy_is_not_called_converged():
    model = likelihood(two_channels())
    toys, start = toys_of(model, 0.0, 2)
    start[1, 0] = -100.0  # negative expectation
    fits = fit_data_sets(model, toys.counts, toys.centres, start, strength_free=False)
    assert fits.status.tolist() == [FitStatus.CONVERGED, FitStatus.INFEASIBLE]
    assert fits.nll[1] == np.inf


def test_toy_without_free_parameters_keeps_its_start():
    model = likelihood(region("r", counts=[3], signal=[1.0], backgrounds=Sample("b", [2.0])))
    toys = Toys(counts=np.array([[3.0]]), centres=np.zeros((1, 1)))
    fits = fit_data_sets(model, toys.counts, toys.centres, np.array([[1.0]]), strength_free=False)
    assert (fits.values[0, 0], fits.status[0]) == (1.0, FitStatus.CONVERGED)
    assert fits.nll[0] == pytest.approx(0.0)


def test_limit_is_the_asymptotic_one_where_counts_are_large():
    regions = two_channels(20.0)
    toys, formula = toy_region_limit(regions, rng=np.random.default_rng(1), n_toys=2000), limit(regions)
    assert toys.limit.valid
    assert toys.n_failed == 0
    assert abs(toys.limit.observed - formula.observed) < 4.0 * toys.error + 0.01 * formula.observed
    assert np.all(np.abs(toys.limit.expected - formula.expected) < 4.0 * toys.expected_errors + 0.02 * formula.expected)


def test_linear_regions_go_to_the_batched_engine():
    regions = region(
        "r", counts=[5], signal=[1.0], backgrounds=Sample("b", [3.0], uncertainties=[ControlRegion("side", 30)])
    )
    one = toy_region_limit(regions, rng=np.random.default_rng(1), n_toys=300, expected=False)
    two = toy_limit(linear_channel(likelihood(regions)), rng=np.random.default_rng(1), n_toys=300, expected=False)
    assert one.limit.observed == two.limit.observed


def test_auto_takes_toys_for_few_events_and_says_so():
    rng = np.random.default_rng(1)
    auto = {"rng": rng, "method": "auto", "expected": False}
    assert limit(counted(), n_toys=200, **auto).method == "cls_toys"
    assert "low_counts" in limit(counted()).flags
    upper = limit(two_channels(), **auto)
    assert (upper.method, upper.flags) == ("cls_asymptotic", ())
    with pytest.raises(InputError, match="got 'exact'"):
        limit(counted(), rng=rng, method="exact")
    with pytest.raises(InputError, match="between 0 and 1"):
        limit(counted(), rng=rng, method="auto", cl=2.0)
    with pytest.raises(InputError, match="'auto' need random numbers"):
        limit(counted(), method="auto")


def test_bad_number_of_toys_raises():
    for regions in (counted(), two_channels()):
        with pytest.raises(InputError, match="must be positive, got 0"):
            toy_region_limit(regions, rng=np.random.default_rng(0), n_toys=0)
