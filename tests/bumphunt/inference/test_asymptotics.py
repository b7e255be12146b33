"""Formulae against pyhf, closed forms and toys."""

import numpy as np
import pytest
from scipy import optimize, stats

from bumphunt.inference import asymptotics


def test_p_value_and_z_score_are_inverse_far_into_the_tail():
    z = np.array([0.0, 1.0, 5.0, 20.0])
    np.testing.assert_allclose(asymptotics.p_value(z), stats.norm.sf(z), rtol=1e-12)
    np.testing.assert_allclose(asymptotics.z_score(asymptotics.p_value(z)), z, atol=1e-9)


@pytest.mark.parametrize(("s", "b"), [(5.0, 10.0), (10.0, 100.0)])
def test_asimov_significance_of_a_counting_experiment(s, b):
    # CCGV eq. 97
    def nll(mu, n):
        return mu * s + b - n * np.log(mu * s + b)

    q = asymptotics.q0(nll(0.0, s + b), nll(1.0, s + b), 1.0)
    want = np.sqrt(2.0 * ((s + b) * np.log1p(s / b) - s))
    assert asymptotics.z0_from_q0(q) == pytest.approx(want, rel=1e-9)


def test_deficit_has_no_significance():
    assert asymptotics.q0(5.0, 1.0, -2.0) == 0.0


def test_rounding_below_zero_does_not_leak():
    assert asymptotics.q0(1.0, 1.0 + 1e-12, 1.0) == 0.0
    assert asymptotics.qmu_tilde(2.0, 1.0, 1.0 + 1e-12, 1.0, 3.0) == 0.0


@pytest.mark.parametrize(("q", "a"), [(0.5, 2.0), (2.0, 2.0), (3.0, 2.0), (1.0, 4.0)])
def test_cls_is_that_of_pyhf(q, a):
    from pyhf.infer.calculators import AsymptoticTestStatDistribution

    statistic = q - a if q <= a else (q**2 - a**2) / (2.0 * a)
    clsb, clb = asymptotics.clsb_and_clb(q, a)
    assert clsb == pytest.approx(float(AsymptoticTestStatDistribution(-a).pvalue(statistic)), rel=1e-9)
    assert clb == pytest.approx(float(AsymptoticTestStatDistribution(0.0).pvalue(statistic)), rel=1e-9)
    assert asymptotics.cls(q, a) == pytest.approx(clsb / clb, rel=1e-9)


def test_cls_stays_finite_where_probabilities_underflow():
    assert 0.0 < float(asymptotics.cls(45.0, 1.0)) < 1e-300 or float(asymptotics.cls(45.0, 1.0)) == 0.0
    assert np.isfinite(asymptotics.cls(39.0, 38.0))


@pytest.mark.parametrize("alpha", [0.1, 0.05])
@pytest.mark.parametrize("n_sigma", asymptotics.BAND)
def test_expected_statistic_solves_cls_equal_alpha(alpha, n_sigma):
    # a background fluctuation of N sigma has CLb = Phi(N), CLsb = Phi(N - sqrt(q_A))
    want = optimize.brentq(lambda a: stats.norm.cdf(n_sigma - a) / stats.norm.cdf(n_sigma) - alpha, 0.0, 20.0)
    assert asymptotics.expected_sqrt_qmu_asimov(alpha, n_sigma) == pytest.approx(want, rel=1e-9)


def test_sigma_from_asimov_is_the_gaussian_one():
    assert asymptotics.sigma_from_asimov(6.0, (6.0 / 2.5) ** 2) == pytest.approx(2.5)
