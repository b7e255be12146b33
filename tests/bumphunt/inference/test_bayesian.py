"""Bayesian limits of regions against quadrature, the published counting table, and integrals over all nuisances."""

import numpy as np
import pytest
from scipy import integrate, interpolate, optimize, special, stats

from bumphunt.errors import Flag, InputError
from bumphunt.inference.bayesian import bayesian_counting_limit, bayesian_limit
from bumphunt.inference.counts.distribution import CountingModel
from bumphunt.inference.fit import limit
from bumphunt.models.background import BackgroundModel
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import ControlRegion, Free, Gaussian, LogNormal


def count(n, b, *uncertainties, signal=()):
    return region(
        "n",
        counts=[n],
        signal=Sample("s", [1.0], uncertainties=signal),
        backgrounds=Sample("b", [b], uncertainties=uncertainties),
    )


@pytest.mark.parametrize(
    ("n", "b", "at_90", "at_95"),
    [
        (0, 0.0, 2.303, 2.996),
        (0, 2.0, 2.303, 2.996),
        (1, 0.0, 3.890, 4.744),
        (1, 1.0, 3.272, 4.113),
        (3, 3.0, 4.362, 5.395),
        (5, 3.0, 6.437, 7.663),
        (100, 100.0, 17.80, 21.37),
    ],
)
def test_known_background_gives_the_table(n, b, at_90, at_95):
    # flat-prior limits: closed form, equal to CLs
    for cl, want in ((0.9, at_90), (0.95, at_95)):
        got = bayesian_limit(count(n, b), rng=np.random.default_rng(1), cl=cl)
        assert got.valid
        assert got.upper == pytest.approx(want, rel=1e-3)


@pytest.mark.parametrize("uncertainty", [LogNormal("u", 0.1), ControlRegion("u", 30.0)])
def test_as_many_events_as_expected_have_a_limit(uncertainty):
    for n in range(1, 12):
        assert bayesian_limit(count(n, float(n), uncertainty), rng=np.random.default_rng(n)).valid


def test_inverse_root_prior_is_that_of_quadrature():
    got = bayesian_limit(count(4, 2.5), rng=np.random.default_rng(3), prior="1/sqrt")
    total, _ = integrate.quad(lambda u: 2.0 * np.exp(-(u**2)) * (u**2 + 2.5) ** 4, 0.0, np.inf)
    below, _ = integrate.quad(lambda u: 2.0 * np.exp(-(u**2)) * (u**2 + 2.5) ** 4, 0.0, np.sqrt(got.upper))
    assert below / total == pytest.approx(0.9, abs=2e-4)
    assert (got.prior, got.credibility) == ("1/sqrt", 0.9)


def test_lognormal_and_gamma_are_those_of_quadrature():
    r = region(
        "n",
        counts=[4],
        signal=Sample("s", [1.0], uncertainties=[LogNormal("e", 0.1)]),
        backgrounds=[
            Sample("t", [2.5], uncertainties=[LogNormal("t", 0.2)]),
            Sample("f", [1.2], uncertainties=[ControlRegion("cr", 12)]),
        ],
    )
    got = bayesian_limit(r, rng=np.random.default_rng(2), n_samples=16384)
    z, w = np.polynomial.hermite_e.hermegauss(32)
    x, v = special.roots_genlaguerre(48, 12)  # weight x^12 exp(-x): the control region, flat prior
    b = 2.5 * 1.2 ** z[:, None] + 0.1 * x
    weight = w[:, None] * v
    s = np.linspace(0.0, 40.0, 1601)
    posterior = np.zeros(s.size)
    for kappa, wk in zip(1.1**z, w, strict=True):
        nu = s[:, None, None] * kappa + b
        posterior += wk * np.sum(weight * np.exp(-nu) * nu**4, axis=(1, 2))
    cumulative = integrate.cumulative_simpson(posterior, x=s, initial=0.0)
    want = np.interp(0.9, cumulative / cumulative[-1], s)
    assert got.upper == pytest.approx(want, rel=1e-3)
    assert got.error < 1e-3 * want
    assert got.method == "bayesian_importance"


def two_bins(sigmas, counts=(7, 4, 5)):
    """Three bins over two templates: free for an infinite uncertainty, fixed for none."""
    backgrounds = []
    for k, (template, sigma) in enumerate(zip([[3.0, 1.0, 4.0], [1.0, 1.0, 1.0]], sigmas, strict=True)):
        constraint = [] if sigma == 0.0 else [Free(f"t{k}") if np.isinf(sigma) else Gaussian(f"t{k}", sigma)]
        backgrounds.append(Sample(f"b{k}", template, uncertainties=constraint))
    return region("r", counts=counts, signal=[0.2, 0.7, 0.1], backgrounds=backgrounds)


@pytest.mark.parametrize("counts", [(7, 4, 5), (0, 3, 1)])
@pytest.mark.parametrize("sigmas", [(0.3, 0.0), (np.inf, 0.0), (np.inf, 0.5)])
@pytest.mark.parametrize("prior", ["flat", "1/sqrt"])
def test_limit_is_the_integral_over_the_coefficients(sigmas, prior, counts):
    first, second = np.linspace(-1.0, 8.0, 451), np.linspace(-1.5, 3.5, 101) if sigmas[1] else np.ones(1)
    grid = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
    grid = grid[np.all(np.isfinite(sigmas) | (grid >= 0.0), axis=1)]  # a free template has no negative yields
    ended = np.maximum(grid, 0.0)  # and a constraint takes none below 0
    background = ended @ np.array([[3.0, 1.0, 4.0], [1.0, 1.0, 1.0]])
    prior_density = np.prod(
        [np.exp(-0.5 * ((grid[:, k] - 1.0) / (s or 1.0)) ** 2) for k, s in enumerate(sigmas)], axis=0
    )

    def likelihood_of(s):
        nu = s * np.array([0.2, 0.7, 0.1]) + background
        good = np.all(nu > 0.0, axis=1)
        return prior_density[good] @ np.exp(np.sum(special.xlogy(counts, nu[good]) - nu[good], axis=1))

    u = np.linspace(0.0, 5.5, 161)  # s = u^2
    posterior = [likelihood_of(x**2) * (x if prior == "flat" else 1.0) for x in u]
    cumulative = interpolate.CubicSpline(u, posterior).antiderivative()
    want = optimize.brentq(lambda x: cumulative(x) / cumulative(u[-1]) - 0.9, u[1], u[-1]) ** 2
    got = bayesian_limit(two_bins(sigmas, counts), rng=np.random.default_rng(6), prior=prior, n_samples=8192)
    assert got.method == "bayesian_importance"
    assert got.error < 0.01 * got.upper
    assert abs(got.upper - want) < 4.0 * got.error + 2e-3 * want


@pytest.mark.parametrize("prior", ["flat", "1/sqrt"])
def test_uncertain_efficiency_is_that_of_counting(prior):
    model = CountingModel(background=5.0, efficiency_sigma=0.25)
    r = count(9, 5.0, signal=[LogNormal("e", 0.25)])
    got = bayesian_limit(r, rng=np.random.default_rng(0), prior=prior, n_samples=16384)
    want = bayesian_counting_limit(9, model, prior=prior).upper
    assert abs(got.upper - want) < 4.0 * got.error + 1e-3 * want


@pytest.mark.parametrize(("relative", "cl"), [(0.1, 0.9), (0.5, 0.95), (0.7, 0.9), (1.0, 0.95), (2.0, 0.9)])
def test_gamma_signal_without_events_has_the_closed_form(relative, cl):
    # int_x^inf (1 + s / N)^-(N + 1) ds is in proportion to (1 + x / N)^-N
    n = relative**-2
    got = bayesian_limit(count(0, 1.0, signal=[ControlRegion("e", n)]), rng=np.random.default_rng(1), cl=cl)
    want = n * ((1.0 - cl) ** (-1.0 / n) - 1.0)
    assert got.valid
    assert abs(got.upper - want) < 4.0 * got.error + 1e-4 * want
    assert got.error < 0.02 * want


@pytest.mark.parametrize("relative", [0.5, 1.0])
@pytest.mark.parametrize("prior", ["flat", "1/sqrt"])
@pytest.mark.parametrize("n_obs", [2, 12])
def test_gamma_signal_with_events_is_that_of_quadrature(relative, prior, n_obs):
    n = relative**-2
    got = bayesian_limit(count(n_obs, 1.0, signal=[ControlRegion("e", n)]), rng=np.random.default_rng(2), prior=prior)
    power = 0.0 if prior == "flat" else 0.5
    log_s, log_kappa = np.linspace(-12.0, 48.0, 2001), np.linspace(-60.0, 5.0, 1301)
    weight = np.exp((n + 1.0) * log_kappa - n * np.exp(log_kappa))  # kappa^N exp(-N kappa) dkappa
    nu = np.exp(log_s[:, None] + log_kappa) + 1.0
    posterior = np.exp((1.0 - power) * log_s) * (np.exp(special.xlogy(n_obs, nu) - nu) @ weight)
    cumulative = integrate.cumulative_simpson(posterior, x=log_s, initial=0.0)
    cumulative += posterior[0] / (1.0 - power)
    want = np.exp(np.interp(0.9, cumulative / cumulative[-1], log_s))
    assert got.valid
    assert abs(got.upper - want) < 4.0 * got.error + 3e-3 * want


@pytest.mark.parametrize("relative", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("n_obs", [0, 3])
def test_log_normal_signal_is_that_of_quadrature(relative, n_obs):
    z = np.linspace(-12.0, 12.0, 4001)
    kappa, weight = (1.0 + relative) ** z, np.exp(-0.5 * z**2)

    def above(log_s):  # int_x^inf (s k + 1)^n exp(-s k - 1) ds = n! Q(n + 1, x k + 1) / k
        return np.sum(weight / kappa * special.gammaincc(n_obs + 1, np.exp(log_s) * kappa + 1.0))

    want = np.exp(optimize.brentq(lambda log_s: above(log_s) / above(-50.0) - 0.1, -5.0, 50.0))
    down = 1.0 / (1.0 + relative) - 1.0
    known = LogNormal("e", relative, down=down, interpolation="piecewise")
    got = bayesian_limit(count(n_obs, 1.0, signal=[known]), rng=np.random.default_rng(3))
    assert abs(got.upper - want) < 4.0 * got.error + 1e-4 * want
    model = CountingModel(background=1.0, efficiency_sigma=relative)
    assert bayesian_counting_limit(n_obs, model).upper == pytest.approx(want, rel=1e-6)


def test_signal_of_which_next_to_nothing_is_known_is_flagged():
    got = bayesian_limit(count(0, 1.0, signal=[ControlRegion("e", 0.01)]), rng=np.random.default_rng(1))
    assert (got.valid, got.flags) == (False, ("posterior_not_normalisable",))
    free = bayesian_limit(count(2, 1.0, signal=[Free("e")]), rng=np.random.default_rng(1))
    assert not free.valid
    assert free.flags


@pytest.mark.parametrize("n_obs", [0, 3, 9])
def test_half_of_log_normal_is_the_same_in_counts_and_regions(n_obs):
    r = count(n_obs, 3.0, LogNormal("b", 0.5), signal=[LogNormal("e", 0.5)])
    got = bayesian_limit(r, rng=np.random.default_rng(4), n_samples=16384)
    model = CountingModel(background=3.0, background_sigma=1.5, prior="lognormal", efficiency_sigma=0.5)
    want = bayesian_counting_limit(n_obs, model).upper
    assert abs(got.upper - want) < 4.0 * got.error + 1e-3 * want
    assert abs(got.upper - want) < 0.02 * want


@pytest.mark.parametrize("n_obs", [0, 3, 9])
@pytest.mark.parametrize(("events", "alpha"), [(3.0, 0.8), (0.0, 2.0), (24.0, 0.1)])
def test_control_region_is_a_gamma_distribution_in_counts_and_regions(n_obs, events, alpha):
    r = count(n_obs, 1.0, ControlRegion("b", events, alpha=alpha))
    got = bayesian_limit(r, rng=np.random.default_rng(5), n_samples=16384)
    model = CountingModel(background=alpha * (events + 1.0), background_sigma=alpha * np.sqrt(events + 1.0))
    want = bayesian_counting_limit(n_obs, model).upper
    assert abs(got.upper - want) < 4.0 * got.error + 2e-3 * want


def test_large_counts_give_the_truncated_normal():
    sigma = np.sqrt(1.0e6 + 1.0e8)
    want = sigma * stats.norm.ppf(0.95)  # half a normal distribution: 0.5 + 0.45
    got = bayesian_limit(count(10**6, 1.0e6, Gaussian("b", 0.01)), rng=np.random.default_rng(0))
    assert got.upper == pytest.approx(want, rel=5e-3)


def test_error_is_the_spread_of_samples():
    r = two_bins((np.inf, 0.5), (0, 1, 0))
    limits = [bayesian_limit(r, rng=np.random.default_rng(seed), n_samples=512) for seed in range(20)]
    spread = np.std([found.upper for found in limits], ddof=1)
    assert 0.4 < spread / np.mean([found.error for found in limits]) < 2.5


def test_limit_of_the_table_names_its_prior():
    r = count(3, 1.0, LogNormal("b", 0.3))
    for prior in ("flat", "1/sqrt"):
        upper = limit(r, method="bayesian", prior=prior, rng=np.random.default_rng(1))
        alone = bayesian_limit(r, prior=prior, rng=np.random.default_rng(1))
        assert (upper.method, upper.valid, upper.flags) == (f"bayesian_{prior}", True, ())
        assert (upper.observed, upper.error) == (alone.upper, alone.error)
        assert upper.error > 0.0
        assert np.isnan(upper.expected).all()
    known = limit(count(3, 1.0), method="bayesian", rng=np.random.default_rng(1))
    assert known.observed == pytest.approx(5.711, rel=1e-3)
    with pytest.raises(InputError, match="'flat' or '1/sqrt', got 'log'"):
        limit(r, method="bayesian", prior="log", rng=np.random.default_rng(1))


def test_failed_fit_is_an_invalid_limit_with_its_reason():
    singular = [Sample(name, [5.0, 6.0, 7.0], uncertainties=[Free(name)]) for name in ("x", "y")]
    infeasible = [Sample("b", [0.0, 4.0], uncertainties=[Gaussian("b", 0.1)])]
    for backgrounds, flag in ((singular, "fit_singular"), (infeasible, "fit_infeasible")):
        n = len(backgrounds[0].shape)
        r = region("r", counts=[5, 7, 8][:n], signal=[0.0, 1.0, 0.0][:n], backgrounds=backgrounds)
        got = bayesian_limit(r, rng=np.random.default_rng(0))
        assert (got.valid, got.flags) == (False, (flag,))
        assert np.isnan([got.upper, got.error]).all()


def test_same_generator_gives_the_same_limit():
    r = count(5, 3.0, LogNormal("b", 0.3))
    one, two = (bayesian_limit(r, rng=np.random.default_rng(4)).upper for _ in range(2))
    assert one == two


def test_undetermined_background_is_flagged():
    r = region(
        "s", counts=[3.0], signal=[1.0], backgrounds=[Sample(n, [2.0], uncertainties=[Free(n)]) for n in ("x", "y")]
    )
    got = bayesian_limit(r, rng=np.random.default_rng(1))
    assert not got.valid
    assert np.isnan(got.upper)
    assert got.flags


def test_bad_arguments_raise():
    with pytest.raises(InputError, match="at least 32 members, got 16"):
        bayesian_limit(count(1, 1.0), rng=np.random.default_rng(1), n_samples=16)
    with pytest.raises(InputError, match=r"got 1\.0"):
        bayesian_limit(count(1, 1.0), rng=np.random.default_rng(1), cl=1.0)
    with pytest.raises(InputError, match="'flat' or '1/sqrt', got 'log'"):
        bayesian_limit(count(1, 1.0), rng=np.random.default_rng(1), prior="log")


def test_posterior_that_a_polynomial_without_events_spreads_out_has_a_flag_and_no_number():
    """A polynomial may cancel any signal where nothing is seen: its posterior has no end."""
    flat = BackgroundModel("bernstein", 0)
    count = region("a", counts=[0, 0], edges=[0.0, 1.0, 2.0], signal=Sample("s", [0.5, 0.5]), backgrounds=flat)
    found = bayesian_limit(count, rng=np.random.default_rng(1))
    assert np.isnan(found.upper)
    assert not found.valid
    assert found.flags == (Flag.FEW_EFFECTIVE_SAMPLES,)


def test_posterior_beside_a_free_background_without_events_is_that_of_none():
    """A free normalisation is at least 0."""
    count = region("a", counts=[0.0], signal=[1.0], backgrounds=Sample("b", [5.0], uncertainties=[Free("f")]))
    found = bayesian_limit(count, rng=np.random.default_rng(1))
    assert abs(found.upper - np.log(10.0)) < 4.0 * found.error
    assert found.error < 0.03
