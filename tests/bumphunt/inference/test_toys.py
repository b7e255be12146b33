"""Toys against exact counting, against asymptotic formulae where they hold, and made twice."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bumphunt.engines.choose import fit_data_sets
from bumphunt.engines.linear import fit_linear
from bumphunt.engines.minuit import fit_minuit
from bumphunt.engines.result import FitStatus
from bumphunt.errors import FitError, Flag, InputError
from bumphunt.inference.counts.distribution import CountingModel
from bumphunt.inference.counts.limit import counting_limit
from bumphunt.inference.fit import limit
from bumphunt.inference.profile import Profile
from bumphunt.inference.seeds import child_seed, seed_of
from bumphunt.inference.toy_limits import ToyStatistics, limit_from_toys
from bumphunt.inference.toys import Toys, _Statistics, make_toys, toy_limit
from bumphunt.likelihood.likelihood import held_at, likelihood
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import ControlRegion, Free, Gaussian, LogNormal, PerBin

SEED = np.random.SeedSequence(2026)


def one_bin(n, b, *uncertainties):
    return region("n", counts=[n], signal=[1.0], backgrounds=Sample("b", [b], uncertainties=uncertainties))


def toys_for(regions, seed=1, engine="auto", **options):
    return toy_limit(Profile(likelihood(regions), engine), rng=np.random.default_rng(seed), **options)


def peak_on_two_templates(scale=1.0, seed=4):
    x = np.linspace(0.0, 1.0, 25)
    signal = np.exp(-0.5 * ((x - 0.5) / 0.06) ** 2)
    free, known = scale * np.array([60.0 * np.exp(-x), 12.0 + 0.0 * x])
    counts = np.random.default_rng(seed).poisson(free + known)
    backgrounds = [
        Sample("free", free, uncertainties=[Free("free")]),
        Sample("known", known, uncertainties=[Gaussian("known", 0.15)]),
    ]
    return region("r", counts=counts, signal=signal / signal.sum(), backgrounds=backgrounds)


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


@pytest.mark.parametrize(("n", "b", "cl"), [(0, 1.2, 0.9), (1, 1.2, 0.95), (5, 3.0, 0.9), (10, 10.0, 0.95)])
def test_limit_on_a_count_is_the_exact_one(n, b, cl):
    exact = counting_limit(n, CountingModel(background=b), cl=cl)
    toys = toys_for(one_bin(n, b), 5, n_toys=3000, cl=cl)
    assert toys.limit.valid
    assert toys.limit.method == "cls_toys"
    assert abs(toys.limit.observed - exact.observed) < 4.0 * toys.limit.error + 1e-7  # no error without events
    assert toys.limit.error < 0.06 * exact.observed
    assert np.all(
        np.abs(toys.limit.expected - exact.expected) < 4.0 * toys.limit.expected_errors + 0.01 * exact.expected
    )


@pytest.mark.parametrize("regions", [peak_on_two_templates(), two_channels(20.0)], ids=["linear", "not_linear"])
def test_limit_with_nuisances_is_the_asymptotic_one_where_counts_are_large(regions):
    toys, formula = toys_for(regions, n_toys=2000), limit(regions)
    assert toys.limit.valid
    assert toys.n_failed == 0
    assert abs(toys.limit.observed - formula.observed) < 4.0 * toys.limit.error + 0.01 * formula.observed
    assert np.all(
        np.abs(toys.limit.expected - formula.expected) < 4.0 * toys.limit.expected_errors + 0.02 * formula.expected
    )


def test_engines_of_linear_toys_agree():
    r = peak_on_two_templates(0.1)
    model = likelihood(r)
    toys = make_toys(model, np.array([3.0, 1.0, 0.2]), seed=SEED, indices=range(200))
    start = np.tile([3.0, 1.0, 0.2], (200, 1))
    for free in (True, False):
        linear, newton = (
            fit_data_sets(m, toys.counts, toys.centres, start.copy(), strength_free=free)
            for m in (model, replace(model, linear=False))
        )
        assert (linear.engine, newton.engine) == ("linear", "newton")
        both = linear.usable & newton.usable
        assert both.mean() > 0.98
        np.testing.assert_allclose(linear.nll[both], newton.nll[both], atol=1e-7)


def test_two_bin_reference_with_poisson_constraints():
    # pyhf's two bins: asymptotic 95 % limit 1.01156939; background (50 +- 3, 52 +- 7)
    b = Sample("b", [50.0, 52.0], uncertainties=[PerBin("b", [3.0, 7.0])])
    two = region("two", counts=[51, 48], signal=[12.0, 11.0], backgrounds=b)
    toys = toys_for(two, 8, n_toys=4000, cl=0.95, expected=False)
    assert abs(toys.limit.observed - 1.01156939) < 4.0 * toys.limit.error + 0.01
    assert np.isnan(toys.limit.expected).all()


def test_error_is_the_spread_of_repetitions():
    b = Sample("b", [2.0, 3.0], uncertainties=[Gaussian("b", 0.2)])
    r = region("r", counts=[4, 3], signal=[0.6, 0.4], backgrounds=b)
    limits = [toys_for(r, seed, n_toys=500, expected=False) for seed in range(16)]
    spread = np.std([toys.limit.observed for toys in limits], ddof=1)
    assert 0.5 < spread / np.mean([toys.limit.error for toys in limits]) < 1.8


def test_a_toy_can_be_made_again_alone_and_in_any_grouping():
    model, truth = likelihood(peak_on_two_templates()), np.array([5.0, 1.0, 0.5])
    together = make_toys(model, truth, seed=SEED, indices=range(40))
    halves = [make_toys(model, truth, seed=SEED, indices=i) for i in (range(20), range(20, 40))]
    alone = make_toys(model, truth, seed=SEED, indices=[17])
    np.testing.assert_array_equal(np.concatenate([half.counts for half in halves]), together.counts)
    np.testing.assert_array_equal(alone.counts[0], together.counts[17])
    np.testing.assert_array_equal(alone.centres[0], together.centres[17])
    first = np.random.Generator(np.random.PCG64(np.random.SeedSequence(2026).spawn(18)[17]))
    np.testing.assert_array_equal(first.poisson(model.expected(truth)), alone.counts[0])


def test_record_names_the_seed_of_the_toys():
    r = one_bin(5, 3.0)
    result = toys_for(r, 77, n_toys=50, expected=False)
    seed = np.random.SeedSequence(result.seed[0], spawn_key=result.seed[1])
    counts = make_toys(likelihood(r), np.zeros(1), seed=child_seed(seed, 0, 1), indices=range(50)).counts[:, 0]
    # the toys without signal that are not above the data: CLb at the first tested value
    statistics = _Statistics(Profile(likelihood(r)), 50, seed, 50)(float(result.tested[0]), 0)
    clb = np.mean(statistics.background >= statistics.observed - 1e-6)
    assert clb == np.mean(counts <= 5)


def test_generator_gives_other_toys_each_time_and_the_same_again():
    one, two = np.random.default_rng(4), np.random.default_rng(4)
    assert seed_of(one).spawn_key == seed_of(two).spawn_key
    assert seed_of(one).spawn_key != seed_of(np.random.default_rng(4)).spawn_key
    state = one.bit_generator.state
    seed_of(one)
    assert one.bit_generator.state == state


def test_constraint_centres_fluctuate_and_others_do_not():
    backgrounds = [
        Sample("tied", [5.0] * 4, uncertainties=[Gaussian("tied", 0.1)]),
        Sample("free", [4.0, 3.0, 2.0, 1.0], uncertainties=[Free("free")]),
        Sample("held", [1.0, 2.0, 3.0, 4.0], uncertainties=[Gaussian("held", 0.3)]),
    ]
    r = region("r", counts=[10] * 4, signal=[0.25] * 4, backgrounds=backgrounds)
    model, truth = held_at(likelihood(r), {"held": 0.5}), np.array([0.0, 2.0, 0.7, 0.5])
    toys = make_toys(model, truth, seed=SEED, indices=range(2000))
    assert toys.centres[:, 1].mean() == pytest.approx(2.0, abs=0.1)
    assert toys.centres[:, 1].std() == pytest.approx(1.0, rel=0.06)
    np.testing.assert_array_equal(toys.centres[:, [0, 2, 3]], np.tile([0.0, 1.0, 0.5], (2000, 1)))
    assert toys.counts.mean(axis=0) == pytest.approx(model.expected(truth), rel=0.03)


@pytest.mark.parametrize("strength", [None, 3.0])
def test_fits_of_toys_are_those_of_single_data_sets(strength):
    backgrounds = [
        Sample("fixed", np.full(12, 9.0)),
        Sample("free", np.linspace(1.0, 12.0, 12), uncertainties=[Free("free")]),
        Sample("tied", np.full(12, 2.0), uncertainties=[Gaussian("tied", 0.2)]),
    ]
    signal = np.diff(stats.norm.cdf(np.linspace(-4.0, 4.0, 13)))
    model = likelihood(region("r", counts=np.zeros(12), signal=signal, backgrounds=backgrounds))
    toys = make_toys(model, np.array([4.0, 1.0, 0.0]), seed=SEED, indices=range(6))
    start = np.tile([4.0 if strength is None else strength, 1.0, 0.0], (6, 1))
    together = fit_data_sets(model, toys.counts, toys.centres, start, strength_free=strength is None)
    for row in range(6):
        alone = fit_linear(replace(model, counts=toys.counts[row], centres=toys.centres[row]), strength=strength)
        np.testing.assert_allclose(together.values[row], alone.values, rtol=1e-6, atol=1e-6)
        assert together.nll[row] == pytest.approx(alone.nll, abs=1e-9)


def rows_at(model, strength, n):
    """Toys of the nominal model with a strength, and where their fits start."""
    truth = np.where(np.arange(model.start.size) == 0, strength, model.start)
    return make_toys(model, truth, seed=np.random.SeedSequence(7), indices=range(n)), np.tile(truth, (n, 1))


@pytest.mark.parametrize("regions", [two_channels(), counted()], ids=["two_channels", "counted"])
@pytest.mark.parametrize("free", [True, False])
def test_fits_are_those_of_minuit(regions, free):
    model = likelihood(regions)
    toys, start = rows_at(model, 1.5, 12)
    fits = fit_data_sets(model, toys.counts, toys.centres, start, strength_free=free)
    assert fits.usable.all()
    for row in range(12):
        one = replace(model, counts=toys.counts[row], centres=toys.centres[row])
        theirs = fit_minuit(one, strength=None if free else 1.5, start=start[row], errors=False)
        if theirs.status.usable:
            assert fits.nll[row] == pytest.approx(theirs.nll, abs=1e-6)
            assert fits.nll[row] <= theirs.nll + 1e-9
        assert fits.nll[row] == pytest.approx(one.nll(fits.values[row]), abs=1e-9)


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
    got = _Statistics(Profile(likelihood(regions)), 6, np.random.SeedSequence(7), 6)(1.5, 0)
    signal, background = BEFORE[request.node.callspec.id]
    np.testing.assert_allclose(got.signal, signal, atol=2e-5)
    np.testing.assert_allclose(got.background, background, atol=2e-5)
    assert got.n_failed == 0


def test_impossible_toy_is_not_called_converged():
    model = likelihood(two_channels())
    toys, start = rows_at(model, 0.0, 2)
    start[1, 0] = -100.0  # negative expectation
    fits = fit_data_sets(model, toys.counts, toys.centres, start, strength_free=False)
    assert fits.status.tolist() == [FitStatus.CONVERGED, FitStatus.INFEASIBLE]
    assert fits.nll[1] == np.inf


def test_toy_without_free_parameters_keeps_its_start():
    model = likelihood(one_bin(3, 2.0))
    toys = Toys(counts=np.array([[3.0]]), centres=np.zeros((1, 1)))
    fits = fit_data_sets(model, toys.counts, toys.centres, np.array([[1.0]]), strength_free=False)
    assert (fits.values[0, 0], fits.status[0]) == (1.0, FitStatus.CONVERGED)
    assert fits.nll[0] == pytest.approx(0.0)


def test_toys_without_events_are_fitted():
    toys = toys_for(region("r", counts=[0, 0], signal=[0.5, 0.5], backgrounds=()), 2, n_toys=2000)
    assert toys.limit.observed == pytest.approx(np.log(10.0), rel=1e-12)
    assert toys.n_failed == 0


def test_failed_fit_of_the_data_is_an_invalid_result():
    twice = [Sample(name, [5.0, 6.0, 7.0], uncertainties=[Free(name)]) for name in ("x", "y")]
    result = toys_for(region("r", counts=[5, 7, 8], signal=[0.0, 1.0, 0.0], backgrounds=twice), n_toys=10)
    assert not result.limit.valid
    assert result.limit.flags == ("fit_singular",)
    assert np.isnan([result.limit.observed, result.limit.error, *result.limit.expected]).all()


def test_auto_takes_toys_for_few_events_and_says_so():
    rng = np.random.default_rng(1)
    auto = {"rng": rng, "method": "auto", "expected": False}
    assert limit(counted(), n_toys=200, **auto).method == "cls_toys"
    upper = limit(two_channels(), **auto)
    assert (upper.method, upper.flags) == ("cls_asymptotic", ())
    with pytest.raises(InputError, match="'bayesian', 'feldman-cousins', got 'exact'"):
        limit(counted(), rng=rng, method="exact")
    with pytest.raises(InputError, match="between 0 and 1"):
        limit(counted(), rng=rng, method="auto", cl=2.0)
    with pytest.raises(InputError, match="'auto' needs random numbers"):
        limit(counted(), method="auto")
    with pytest.raises(InputError, match="'feldman-cousins' are those of one count"):
        limit(counted(), rng=rng, method="feldman-cousins")
    with pytest.raises(InputError, match="must be positive, got 0"):
        limit(counted(), rng=rng, method="toys", n_toys=0)


def gaussian_statistics(n_failed=0, seed=SEED):
    """The statistics of a measurement 1 +- 1 of a positive signal, with known distribution."""

    def statistics(mu, index):
        signal, background = (
            np.random.Generator(np.random.PCG64(child_seed(seed, *key))).standard_normal(2000)
            for key in ((index, 0), (0, 1))
        )

        def q(hat):
            return np.where(hat > mu, 0.0, np.where(hat < 0.0, mu**2 - 2.0 * mu * hat, (mu - hat) ** 2))

        return ToyStatistics(
            observed=float(q(np.array(1.0))),
            signal=q(mu + signal),
            background=q(background),
            n_toys=4000,
            n_failed=n_failed,
        )

    return statistics


def test_limits_of_a_gaussian_measurement_are_the_analytic_ones_within_their_errors():
    # CLs = Phi(n - mu) / Phi(n) = 0.05 for a measurement n
    want = np.array([n - stats.norm.ppf(0.05 * stats.norm.cdf(n)) for n in (1, -2, -1, 0, 1, 2)])
    pulls = []
    for number in range(12):
        seed = np.random.SeedSequence(number)
        toys = limit_from_toys(gaussian_statistics(seed=seed), cl=0.95, guess=10.0 if number else 0.2, seed=seed)
        found, errors = [toys.limit.observed, *toys.limit.expected], [toys.limit.error, *toys.limit.expected_errors]
        pulls.append((np.array(found) - want) / errors)
    assert np.all(np.abs(np.mean(pulls, axis=0)) < 4.0 / np.sqrt(12.0))
    assert np.all(np.abs(pulls) < 4.5)
    assert 0.6 < np.std(pulls) < 1.4


def test_too_many_failed_toys_invalidate():
    few = limit_from_toys(gaussian_statistics(n_failed=30), cl=0.9, guess=2.0, seed=SEED)
    many = limit_from_toys(gaussian_statistics(n_failed=45), cl=0.9, guess=2.0, seed=SEED)
    assert few.limit.valid
    assert few.n_failed == 30 * few.tested.size
    assert (many.limit.valid, many.limit.flags) == (False, ("toys_failed",))
    assert np.isnan(many.limit.observed)


def test_limit_that_does_not_exist_is_flagged():
    def insensitive(mu, index):
        return ToyStatistics(observed=0.0, signal=np.zeros(10), background=np.zeros(10), n_toys=20, n_failed=0)

    def broken(mu, index):
        raise FitError(Flag.FIT_NOT_CONVERGED)

    assert limit_from_toys(insensitive, cl=0.9, guess=1.0, seed=SEED).limit.flags == ("no_root",)
    assert limit_from_toys(broken, cl=0.9, guess=1.0, seed=SEED).limit.flags == ("fit_not_converged",)


def test_bad_input_raises():
    with pytest.raises(InputError, match="must be positive, got 0"):
        toys_for(one_bin(3, 3.0), n_toys=0)
    with pytest.raises(InputError, match="between 0 and 1"):
        toys_for(one_bin(3, 3.0), cl=90.0)
    with pytest.raises(InputError, match="first tested value must be positive, got 0"):
        limit_from_toys(gaussian_statistics(), cl=0.9, guess=0.0, seed=SEED)


@pytest.mark.slow
@pytest.mark.parametrize("truth", [0.0, 3.0, 8.0])
def test_toy_limits_cover(truth):
    b = Sample("b", [1.5, 1.5, 1.5], uncertainties=[Gaussian("b", 0.3)])
    model = likelihood(region("r", counts=[0, 0, 0], signal=[0.2, 0.6, 0.2], backgrounds=b))
    data = make_toys(model, np.array([truth, 0.0]), seed=SEED, indices=range(150))
    covered = 0
    for counts, centres in zip(data.counts, data.centres, strict=True):
        profile = Profile(replace(model, counts=counts, centres=centres))
        toys = toy_limit(profile, rng=np.random.default_rng(int(counts.sum())), n_toys=400, expected=False)
        covered += toys.limit.observed > truth
    assert covered / 150 > 0.9 - 3.0 * np.sqrt(0.09 / 150)  # CLs covers at least
