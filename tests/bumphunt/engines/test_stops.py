"""Free factors stop at 0, as those of pyhf do: against scans, pyhf, and closed forms."""

import numpy as np
import pyhf
import pytest
from scipy.special import xlogy

from bumphunt.engines.choose import fit_data_sets, fit_likelihood
from bumphunt.engines.result import FitStatus
from bumphunt.inference.fit import fit, limit
from bumphunt.inference.profile import Profile
from bumphunt.inference.toys import toy_limit
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import Free, LogNormal

RISING = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
SIGNAL = np.array([0.0, 0.2, 0.5, 0.3, 0.0])


def two_free(counts, *more):
    """Two templates with free yields, and one that is known."""
    backgrounds = [
        Sample("a", RISING, uncertainties=[Free("a"), *more]),
        Sample("b", RISING[::-1], uncertainties=[Free("b")]),
        Sample("c", np.full(5, 2.0)),
    ]
    return region("r", counts=counts, signal=SIGNAL, backgrounds=backgrounds)


def bounded(counts, strength):
    """The lowest NLL with factors and expectations >= 0: a convex function, by a section and scans that come closer."""
    n, low, high, best = np.array(counts), np.zeros(2), np.full(2, 4.0), np.inf
    peak = SIGNAL > 0.0
    for _ in range(16):
        axes = [np.linspace(a, b, 13) for a, b in zip(low, high, strict=True)]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
        background = 2.0 + points @ np.array([RISING, RISING[::-1]])

        def nll(s, background=background):
            nu = np.maximum(background + s[:, None] * SIGNAL, 1e-300)
            return np.sum(nu - n + xlogy(n, n) - xlogy(n, nu), axis=1)

        ends = [-(background[:, peak] / SIGNAL[peak]).min(axis=1), np.full(len(points), 60.0)]
        for _ in range(100 if strength is None else 0):
            inner = [(2.0 * ends[0] + ends[1]) / 3.0, (ends[0] + 2.0 * ends[1]) / 3.0]
            left = nll(inner[0]) < nll(inner[1])
            ends = [np.where(left, ends[0], inner[0]), np.where(left, inner[1], ends[1])]
        values = nll(ends[0]) if strength is None else nll(np.full(len(points), strength))
        best, reach = min(best, float(values.min())), 0.3 * (high - low)
        low = np.maximum(points[values.argmin()] - reach, 0.0)
        high = points[values.argmin()] + reach
    return best


COUNTS = [[0, 1, 0, 2, 9], [9, 5, 0, 2, 1], [0, 0, 0, 0, 1], [4, 1, 0, 1, 3], [12, 12, 12, 12, 12]]


@pytest.mark.parametrize("engine", ["linear", "newton"])
@pytest.mark.parametrize("strength", [None, 3.0])
@pytest.mark.parametrize("counts", COUNTS)
def test_minimum_is_that_of_a_scan(engine, strength, counts):
    model = likelihood(two_free(counts))
    got, want = fit_likelihood(model, engine, strength=strength), bounded(counts, strength)
    assert got.nll == pytest.approx(want, abs=1e-4)
    assert got.nll < want + 1e-7
    assert np.all(got.values[model.stops] >= -1e-7)


@pytest.mark.parametrize("counts", [COUNTS[0], COUNTS[3]])
def test_minuit_stops_at_the_same_place(counts):
    model = likelihood(two_free(counts))
    got, want = (fit_likelihood(model, engine, strength=3.0) for engine in ("minuit", "linear"))
    np.testing.assert_allclose(got.values, want.values, atol=1e-4)
    assert (got.engine, got.status) == ("minuit", FitStatus.AT_BOUNDARY)


@pytest.mark.parametrize("more", [(), (LogNormal("x", 0.1),)], ids=["linear", "newton"])
@pytest.mark.parametrize("strength", [None, 1.5])
def test_toys_stop_where_single_fits_do(more, strength):
    model = likelihood(two_free([2, 3, 4, 5, 6], *more))
    counts = np.random.default_rng(3).poisson([1.0, 2.0, 3.0, 3.0, 3.0], (60, 5)).astype(float)
    start = np.tile(model.start, (60, 1))
    start[:, 0] = 0.5 if strength is None else strength
    many = fit_data_sets(model, counts, np.tile(model.centres, (60, 1)), start, strength_free=strength is None)
    stopped = 0
    for k, data in enumerate(counts):
        one = fit(two_free(data, *more), strength=strength)
        assert many.usable[k] == one.status.usable
        assert many.nll[k] == pytest.approx(one.nll, abs=1e-6)
        stopped += bool(np.any(one.values[model.stops] == 0.0))
    assert 10 < stopped < 60


def test_statistic_of_a_factor_that_stops_is_that_of_pyhf():
    counts, known = [0.0, 3.0, 4.0, 3.0, 6.0], [2.0] * 5
    samples = [
        {"name": "s", "data": SIGNAL.tolist(), "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "a", "data": RISING[::-1].tolist(), "modifiers": [{"name": "a", "type": "normfactor", "data": None}]},
        {"name": "c", "data": known, "modifiers": []},
    ]
    theirs = pyhf.Model({"channels": [{"name": "r", "samples": samples}]}, poi_name="mu", validate=False)
    a = Sample("a", RISING[::-1], uncertainties=[Free("a")])
    ours = Profile(likelihood(region("r", counts=counts, signal=SIGNAL, backgrounds=[a, Sample("c", known)])))
    ranges = theirs.config.suggested_bounds()
    for strength in (2.0, 5.0, 9.0):
        want = pyhf.infer.test_statistics.qmu_tilde(
            strength, counts, theirs, theirs.config.suggested_init(), [(0.0, 20.0), ranges[1]], [False, False]
        )
        assert ours.qmu_tilde(strength) == pytest.approx(float(want), abs=2e-3)
    assert ours.at(5.0).value("a") == 0.0


def test_errors_beside_a_factor_that_stops_are_those_with_it_held():
    got = fit(two_free([0, 1, 1, 2, 9]))
    assert (got.status, got.value("b")) == (FitStatus.AT_BOUNDARY, 0.0)
    without = region(
        "r",
        counts=[0, 1, 1, 2, 9],
        signal=SIGNAL,
        backgrounds=[Sample("a", RISING, uncertainties=[Free("a")]), Sample("c", np.full(5, 2.0))],
    )
    if fit(without).status is FitStatus.CONVERGED:
        assert got.n_sig_error == pytest.approx(fit(without).n_sig_error, rel=1e-6)
    assert np.isnan(got.error("b"))


def one_bin(n):
    return region("r", counts=[n], signal=[1.0], backgrounds=Sample("b", [2.0], uncertainties=[Free("b")]))


def test_without_events_the_limit_beside_a_free_background_is_that_of_none():
    found = toy_limit(Profile(likelihood(one_bin(0))), rng=np.random.default_rng(1), n_toys=100)
    np.testing.assert_allclose([found.limit.observed, *found.limit.expected], np.log(10.0), rtol=1e-6)
    formulae = limit(one_bin(0))
    assert formulae.valid
    assert fit(one_bin(0)).n_sig == pytest.approx(0.0, abs=1e-6)


def test_events_that_signal_and_a_free_background_explain_alike_are_singular():
    assert fit(one_bin(3)).status is FitStatus.SINGULAR
    assert fit(one_bin(3), strength=5.0).value("b") == 0.0
