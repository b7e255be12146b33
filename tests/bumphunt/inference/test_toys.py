"""Toys against exact counting, against asymptotic formulae where they hold, and made twice."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.engines.linear import fit_channel
from bumphunt.errors import FitError, InputError
from bumphunt.inference.counting import CountingModel, counting_limit
from bumphunt.inference.limits import asymptotic_limit
from bumphunt.inference.toy_limits import ToyStatistics, limit_from_toys
from bumphunt.inference.toys import child_seed, fit_toys, make_toys, seed_of, toy_limit, toy_p0
from bumphunt.likelihood.linear import Channel, template_channel

SEED = np.random.SeedSequence(2026)


def peak_on_two_templates(scale=1.0, seed=4):
    x = np.linspace(0.0, 1.0, 25)
    signal = np.exp(-0.5 * ((x - 0.5) / 0.06) ** 2)
    templates = scale * np.array([60.0 * np.exp(-x), 12.0 + 0.0 * x])
    counts = np.random.default_rng(seed).poisson(templates.sum(axis=0))
    return template_channel(counts, signal / signal.sum(), templates, (None, 0.15))


@pytest.mark.parametrize(("n", "b", "cl"), [(0, 1.2, 0.9), (1, 1.2, 0.95), (5, 3.0, 0.9), (10, 10.0, 0.95)])
def test_limit_on_a_count_is_the_exact_one(n, b, cl):
    exact = counting_limit(n, CountingModel(background=b), cl=cl)
    toys = toy_limit(template_channel([n], [1.0], [[b]], (0.0,)), rng=np.random.default_rng(5), n_toys=3000, cl=cl)
    assert toys.limit.valid
    assert toys.limit.method == "cls_toys"
    assert abs(toys.limit.observed - exact.observed) < 4.0 * toys.error
    assert toys.error < 0.06 * exact.observed
    assert np.all(np.abs(toys.limit.expected - exact.expected) < 4.0 * toys.expected_errors + 0.01 * exact.expected)


def test_limit_with_nuisances_is_the_asymptotic_one_where_counts_are_large():
    channel = peak_on_two_templates()
    toys, formula = toy_limit(channel, rng=np.random.default_rng(1), n_toys=3000), asymptotic_limit(channel)
    assert toys.n_failed == 0
    assert abs(toys.limit.observed - formula.observed) < 4.0 * toys.error + 0.01 * formula.observed
    assert np.all(np.abs(toys.limit.expected - formula.expected) < 4.0 * toys.expected_errors + 0.02 * formula.expected)


def test_two_bin_reference_with_poisson_constraints():
    # pyhf's two bins: asymptotic 95 % limit 1.01156939; background (50 +- 3, 52 +- 7)
    tau = np.array([50.0 / 3.0, 52.0 / 7.0]) ** 2
    channel = Channel(
        counts=np.array([51.0, 48.0, *tau]),
        signal=np.array([12.0, 11.0, 0.0, 0.0]),
        templates=np.array([[50.0, 0.0, tau[0], 0.0], [0.0, 52.0, 0.0, tau[1]]]),
        centres=np.ones(2),
        sigmas=np.full(2, np.inf),
    )
    toys = toy_limit(channel, rng=np.random.default_rng(8), n_toys=4000, cl=0.95, expected=False)
    assert abs(toys.limit.observed - 1.01156939) < 4.0 * toys.error + 0.01
    assert np.isnan(toys.limit.expected).all()


def test_error_is_the_spread_of_repetitions():
    channel = template_channel([4.0, 3.0], [0.6, 0.4], [[2.0, 3.0]], (0.2,))
    limits = [toy_limit(channel, rng=np.random.default_rng(seed), n_toys=500, expected=False) for seed in range(16)]
    spread = np.std([toys.limit.observed for toys in limits], ddof=1)
    assert 0.5 < spread / np.mean([toys.error for toys in limits]) < 1.8


def test_p_value_of_a_count_is_the_poisson_tail():
    result = toy_p0(template_channel([7.0], [1.0], [[3.0]], (0.0,)), rng=np.random.default_rng(3), n_toys=20_000)
    assert result.p_value == pytest.approx(stats.poisson.sf(6, 3.0), abs=4.0 * result.error)
    assert result.error == pytest.approx(np.sqrt(result.p_value * (1.0 - result.p_value) / 20_000))
    assert result.flags == ()


def test_p_value_is_the_asymptotic_one_where_counts_are_large():
    channel = peak_on_two_templates(seed=11)
    result = toy_p0(channel, rng=np.random.default_rng(3), n_toys=8000)
    assert result.p_value == pytest.approx(stats.norm.sf(np.sqrt(result.statistic)), abs=4.0 * result.error + 0.01)


def test_p_value_beyond_the_reach_says_so():
    result = toy_p0(template_channel([60.0], [1.0], [[10.0]], (0.0,)), rng=np.random.default_rng(3), n_toys=200)
    assert result.p_value == 0.0
    assert result.error > 0.0
    assert result.flags == ("no_toy_beyond",)


def test_a_toy_can_be_made_again_alone_and_in_any_grouping():
    channel = peak_on_two_templates()
    together = make_toys(channel, 5.0, [1.0, 1.1], seed=SEED, indices=range(40))
    halves = [make_toys(channel, 5.0, [1.0, 1.1], seed=SEED, indices=i) for i in (range(20), range(20, 40))]
    alone = make_toys(channel, 5.0, [1.0, 1.1], seed=SEED, indices=[17])
    np.testing.assert_array_equal(np.concatenate([half.counts for half in halves]), together.counts)
    np.testing.assert_array_equal(alone.counts[0], together.counts[17])
    np.testing.assert_array_equal(alone.centres[0], together.centres[17])
    first = np.random.Generator(np.random.PCG64(np.random.SeedSequence(2026).spawn(18)[17]))
    np.testing.assert_array_equal(first.poisson(channel.expected(5.0, [1.0, 1.1])), alone.counts[0])


def test_record_names_the_seed_of_the_toys():
    channel = template_channel([5.0], [1.0], [[3.0]], (0.0,))
    result = toy_p0(channel, rng=np.random.default_rng(77), n_toys=50)
    seed = np.random.SeedSequence(result.seed[0], spawn_key=result.seed[1])
    counts = make_toys(channel, 0.0, [1.0], seed=seed, indices=range(50)).counts[:, 0]
    assert result.p_value == np.mean(counts >= 5.0)


def test_generator_gives_other_toys_each_time_and_the_same_again():
    one, two = np.random.default_rng(4), np.random.default_rng(4)
    assert seed_of(one).spawn_key == seed_of(two).spawn_key
    assert seed_of(one).spawn_key != seed_of(np.random.default_rng(4)).spawn_key
    state = one.bit_generator.state
    seed_of(one)
    assert one.bit_generator.state == state


def test_constraint_centres_fluctuate_and_others_do_not():
    channel = Channel(
        counts=np.full(4, 10.0),
        signal=np.full(4, 0.25),
        templates=np.array([[5.0] * 4, [4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]]),
        centres=np.array([1.0, 1.0, 1.5]),
        sigmas=np.array([0.1, np.inf, 0.0]),
    )
    toys = make_toys(channel, 0.0, [1.2, 0.7, 1.5], seed=SEED, indices=range(2000))
    assert toys.centres[:, 0].mean() == pytest.approx(1.2, abs=0.01)
    assert toys.centres[:, 0].std() == pytest.approx(0.1, rel=0.06)
    np.testing.assert_array_equal(toys.centres[:, 1:], np.tile([1.0, 1.5], (2000, 1)))
    assert toys.counts.mean(axis=0) == pytest.approx(channel.expected(0.0, [1.2, 0.7, 1.5]), rel=0.03)


@pytest.mark.parametrize("n_sig", [None, 3.0])
def test_fits_of_toys_are_those_of_single_channels(n_sig):
    channel = Channel(
        counts=np.zeros(12),
        signal=np.diff(stats.norm.cdf(np.linspace(-4.0, 4.0, 13))),
        templates=np.array([np.full(12, 9.0), np.linspace(1.0, 12.0, 12), np.full(12, 2.0)]),
        centres=np.ones(3),
        sigmas=np.array([0.0, np.inf, 0.2]),
    )
    toys = make_toys(channel, 4.0, [1.0, 1.0, 1.0], seed=SEED, indices=range(6))
    together = fit_toys(channel, toys, start=np.ones(3), n_sig=n_sig)
    for row in range(6):
        single = Channel(
            counts=toys.counts[row],
            signal=channel.signal,
            templates=channel.templates,
            centres=toys.centres[row],
            sigmas=channel.sigmas,
        )
        alone = fit_channel(single, n_sig=n_sig)
        np.testing.assert_allclose(together.parameters[row], [alone.n_sig, *alone.background], rtol=1e-6, atol=1e-6)
        assert together.nll[row] == pytest.approx(alone.nll, abs=1e-9)


def test_toys_without_events_are_fitted():
    channel = template_channel([0.0, 0.0], [0.5, 0.5], np.empty((0, 2)), ())
    toys = toy_limit(channel, rng=np.random.default_rng(2), n_toys=2000)
    assert abs(toys.limit.observed - np.log(10.0)) < 4.0 * toys.error
    assert toys.n_failed == 0


def test_failed_fit_of_the_data_is_an_invalid_result():
    template = [5.0, 6.0, 7.0]
    singular = template_channel([5.0, 7.0, 8.0], [0.0, 1.0, 0.0], [template, template], (None, None))
    limit, p0 = (f(singular, rng=np.random.default_rng(0), n_toys=10) for f in (toy_limit, toy_p0))
    assert not limit.limit.valid
    assert limit.limit.flags == ("fit_singular",)
    assert np.isnan([limit.limit.observed, limit.error, *limit.limit.expected]).all()
    assert (p0.valid, p0.flags) == (False, ("fit_singular",))
    assert np.isnan(p0.p_value)


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
        found, errors = [toys.limit.observed, *toys.limit.expected], [toys.error, *toys.expected_errors]
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
        flag = "fit_not_converged"
        raise FitError(flag)

    assert limit_from_toys(insensitive, cl=0.9, guess=1.0, seed=SEED).limit.flags == ("no_root",)
    assert limit_from_toys(broken, cl=0.9, guess=1.0, seed=SEED).limit.flags == ("fit_not_converged",)


def test_bad_input_raises():
    channel = template_channel([3.0], [1.0], [[3.0]], (0.0,))
    rng = np.random.default_rng(1)
    for function in (toy_limit, toy_p0):
        with pytest.raises(InputError, match="must be positive, got 0"):
            function(channel, rng=rng, n_toys=0)
    with pytest.raises(InputError, match="between 0 and 1"):
        toy_limit(channel, rng=rng, cl=90.0)
    with pytest.raises(InputError, match="first tested value must be positive, got 0"):
        limit_from_toys(gaussian_statistics(), cl=0.9, guess=0.0, seed=SEED)


@pytest.mark.slow
@pytest.mark.parametrize("truth", [0.0, 3.0, 8.0])
def test_toy_limits_cover(truth):
    channel = template_channel([0.0, 0.0, 0.0], [0.2, 0.6, 0.2], [[1.5, 1.5, 1.5]], (0.3,))
    data = make_toys(channel, truth, [1.0], seed=SEED, indices=range(150))
    covered = 0
    for counts, centres in zip(data.counts, data.centres, strict=True):
        seen = Channel(
            counts=counts, signal=channel.signal, templates=channel.templates, centres=centres, sigmas=channel.sigmas
        )
        toys = toy_limit(seen, rng=np.random.default_rng(int(counts.sum())), n_toys=400, expected=False)
        covered += toys.limit.observed > truth
    assert covered / 150 > 0.9 - 3.0 * np.sqrt(0.09 / 150)  # CLs covers at least
