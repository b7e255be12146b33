"""Bayesian limits of regions against quadrature and the published counting table."""

import numpy as np
import pytest
from scipy import integrate, special

from bumphunt.errors import InputError
from bumphunt.inference.marginal import bayesian_region_limit
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import ControlRegion, Free, LogNormal


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
        got = bayesian_region_limit(count(n, b), rng=np.random.default_rng(1), cl=cl)
        assert got.valid
        assert got.upper == pytest.approx(want, rel=1e-3)


@pytest.mark.parametrize("uncertainty", [LogNormal("u", 0.1), ControlRegion("u", 30.0)])
def test_as_many_events_as_expected_have_a_limit(uncertainty):
    for n in range(1, 12):
        assert bayesian_region_limit(count(n, float(n), uncertainty), rng=np.random.default_rng(n)).valid


def test_inverse_root_prior_is_that_of_quadrature():
    got = bayesian_region_limit(count(4, 2.5), rng=np.random.default_rng(3), prior="1/sqrt")
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
    got = bayesian_region_limit(r, rng=np.random.default_rng(2), n_samples=16384)
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


def test_same_generator_gives_the_same_limit():
    r = count(5, 3.0, LogNormal("b", 0.3))
    one, two = (bayesian_region_limit(r, rng=np.random.default_rng(4)).upper for _ in range(2))
    assert one == two


def test_undetermined_background_is_flagged():
    r = region(
        "s", counts=[3.0], signal=[1.0], backgrounds=[Sample(n, [2.0], uncertainties=[Free(n)]) for n in ("x", "y")]
    )
    got = bayesian_region_limit(r, rng=np.random.default_rng(1))
    assert not got.valid
    assert np.isnan(got.upper)
    assert got.flags


def test_bad_arguments_raise():
    with pytest.raises(InputError, match="got 16"):
        bayesian_region_limit(count(1, 1.0), rng=np.random.default_rng(1), n_samples=16)
    with pytest.raises(InputError, match=r"got 1\.0"):
        bayesian_region_limit(count(1, 1.0), rng=np.random.default_rng(1), cl=1.0)
    with pytest.raises(InputError, match="'flat' or"):
        bayesian_region_limit(count(1, 1.0), rng=np.random.default_rng(1), prior="log")
