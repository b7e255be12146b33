"""The engines on the same regions: random spectra, and the hard cases."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from bumphunt.engines import minuit
from bumphunt.engines import zfit as zfit_engine
from bumphunt.engines.result import FitStatus
from bumphunt.inference.fit import fit, limit
from bumphunt.inference.intervals import interval
from bumphunt.inference.significance import significance
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.background import BackgroundModel
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import ControlRegion, Free, Gaussian, LogNormal, PerBin, ShapeVariation

N_BINS = 25
SPECTRA = {
    "seed": st.integers(0, 10**6),
    "order": st.integers(0, 5),
    "mean": st.floats(0.0, 1.0),
    "sigma": st.floats(0.02, 0.2),
    "level": st.sampled_from([0.0, 0.1, 0.5, 3.0, 30.0, 3000.0]),
    "family": st.sampled_from(["bernstein", "chebyshev"]),
    "hole": st.sampled_from([0, 0, 1, 5]),
    "constrained": st.booleans(),
}
"""Random spectra: from no counts to many, with empty bins at the signal, which pull it to the boundary."""


def spectrum(seed, order, mean, sigma, level, family, hole, constrained):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(level * (1.0 + 0.5 * rng.uniform(size=N_BINS)))
    if hole:
        first = int(np.clip(mean * N_BINS - hole / 2, 0, N_BINS - hole))
        counts[first : first + hole] = 0
    backgrounds = [BackgroundModel(family, order)]
    if constrained:
        mc = 0.2 * level + rng.uniform(0.01, 1.0, N_BINS)
        backgrounds.append(Sample("mc", mc, uncertainties=[Gaussian("mc", 0.3)]))
    edges, signal = np.linspace(0.0, 1.0, N_BINS + 1), gaussian(mean, sigma)
    return region("r", counts=counts, edges=edges, signal=signal, backgrounds=backgrounds)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(**SPECTRA)
def test_engines_agree_where_the_model_is_linear(**description):
    r = spectrum(**description)
    linear, reference = fit(r), fit(r, engine="minuit")
    assert (linear.engine, reference.engine) == ("linear", "minuit")
    assert linear.status.usable
    if linear.status is FitStatus.CONVERGED:
        assert reference.status is FitStatus.CONVERGED
        assert reference.nll == pytest.approx(linear.nll, abs=1e-6)
        assert reference.n_sig == pytest.approx(linear.n_sig, abs=1e-3 * linear.n_sig_error)
        assert reference.n_sig_error == pytest.approx(linear.n_sig_error, rel=1e-2)
    elif reference.status.usable:
        assert reference.nll == pytest.approx(linear.nll, abs=1e-3)  # what a barrier leaves


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    **{
        **SPECTRA,
        "order": st.integers(0, 2),
        "sigma": st.floats(0.02, 0.08),
        "mean": st.floats(0.2, 0.8),
        "hole": st.integers(5, 7),
        "level": st.sampled_from([3.0, 30.0, 3000.0]),
    }
)
def test_negative_signal_at_the_boundary_fulfils_the_conditions_of_optimality(**description):
    """Karush, Kuhn, Tucker: the gradient is a sum, with factors >= 0, of those of the bins that expect nothing."""
    r = spectrum(**description)
    model, result = likelihood(r), fit(r)
    assert result.n_sig < 0.0
    assert result.status is FitStatus.AT_BOUNDARY
    nu, slopes = model.expected_and_slopes(result.values)
    _, gradient, _ = model.nll_and_gradient(result.values)
    whiten = np.linalg.cholesky(np.linalg.inv(model.nll_and_gradient(model.start)[2])).T
    at_boundary = (model.counts == 0.0) & (nu < 1e-4)
    _, residual = optimize.nnls(whiten @ slopes[:, at_boundary], whiten @ gradient)
    assert 0.5 * residual**2 < 1e-6  # about the distance to the minimum, in NLL


needs_zfit = pytest.mark.skipif(importlib.util.find_spec("zfit") is None, reason="the extra zfit is not installed")


@pytest.mark.slow
@needs_zfit
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=25, deadline=None, derandomize=True)
@given(**SPECTRA)
def test_zfit_agrees_over_random_spectra(**description):
    r = spectrum(**description)
    linear, zfit = fit(r), fit(r, engine="zfit")
    assert zfit.engine == "zfit"
    assert zfit.status is linear.status
    if linear.status is FitStatus.CONVERGED:
        assert zfit.nll == pytest.approx(linear.nll, abs=1e-6)
        assert zfit.n_sig == pytest.approx(linear.n_sig, abs=1e-3 * linear.n_sig_error)
        assert zfit.n_sig_error == pytest.approx(linear.n_sig_error, rel=1e-2)
    else:
        assert zfit.nll == pytest.approx(linear.nll, abs=1e-3)  # what the barrier leaves


HARD = {
    "no events": region(
        "a", counts=[0], signal=[1.0], backgrounds=Sample("b", [1.5], uncertainties=[LogNormal("x", 0.3)])
    ),
    "no background": region(
        "a", counts=[0], signal=[1.0], backgrounds=Sample("b", [1e-3], uncertainties=[LogNormal("x", 1.0)])
    ),
    "deep deficit": region(
        "a", counts=[0, 50], signal=[5.0, 1.0], backgrounds=Sample("b", [10, 45], uncertainties=[LogNormal("x", 0.1)])
    ),
    "empty control region": region(
        "a",
        counts=[2],
        signal=[1.0],
        backgrounds=[
            Sample("b", [1.0], uncertainties=[ControlRegion("c", 0, 0.2)]),
            Sample("d", [0.5], uncertainties=[LogNormal("q", 0.5)]),
        ],
    ),
    "no data": region(
        "a", counts=np.zeros(20), signal=gaussian(4.0, 1.0), backgrounds=BackgroundModel("exponential", 1)
    ),
}


@pytest.mark.parametrize("name", HARD)
def test_minimum_at_the_boundary_is_reported_as_such(name):
    result = fit(HARD[name])
    assert result.engine == "newton"
    assert result.status is FitStatus.AT_BOUNDARY
    assert np.isnan(result.n_sig_error)
    upper = limit(HARD[name])
    assert upper.valid
    assert "fit_at_boundary" in upper.flags
    assert ("low_counts" in upper.flags) is (name != "deep deficit")
    assert np.all(np.diff(upper.expected) > 0.0)


@needs_zfit
@pytest.mark.filterwarnings("ignore")
def test_zfit_fits_what_is_not_linear():
    common = [LogNormal("luminosity", 0.05), LogNormal("skew", 0.1, -0.05)]
    shape = ShapeVariation("slope", [44, 50, 56], [57, 50, 45])
    pair = [
        region(
            "a",
            counts=[55, 60, 40],
            signal=Sample("signal", [5.0, 9.0, 2.0], uncertainties=common),
            backgrounds=[
                Sample("b", [50, 50, 50], uncertainties=[shape, PerBin("stat", [3.0, 4.0, 0.0])]),
                Sample("c", [1.0, 2.0, 1.0], uncertainties=[ControlRegion("side", 12, 0.3)]),
            ],
        ),
        region(
            "b",
            counts=[31, 42, 35, 24, 20, 18, 9, 11],
            signal=Sample("signal", gaussian(3.0, 0.8), uncertainties=common, scale=4.0),
            backgrounds=BackgroundModel("exponential", 2),
        ),
    ]
    for strength in (None, 0.5):
        reference, zfit = fit(pair, strength=strength), fit(pair, strength=strength, engine="zfit")
        assert zfit.status is FitStatus.CONVERGED
        assert zfit.names == reference.names
        assert zfit.nll == pytest.approx(reference.nll, abs=1e-6)
        assert np.all(np.abs(zfit.values - reference.values) <= 1e-3 * reference.errors)
        np.testing.assert_allclose(zfit.errors, reference.errors, rtol=1e-2)


@needs_zfit
@pytest.mark.filterwarnings("ignore")
def test_zfit_reports_boundaries_and_failures():
    for name, r in HARD.items():
        reference, zfit = fit(r), fit(r, engine="zfit")
        assert zfit.status is FitStatus.AT_BOUNDARY, name
        assert np.isnan(zfit.n_sig_error), name
        assert zfit.nll == pytest.approx(reference.nll, abs=1e-3), name
        assert zfit.n_sig == pytest.approx(reference.n_sig, abs=1e-3), name
    impossible = region("a", counts=[3, 1], signal=[0.0, 1.0], backgrounds=Sample("b", [0.0, 1.0]))
    assert fit(impossible, engine="zfit").status is FitStatus.INFEASIBLE
    twice = [Sample(name, [5.0, 6.0, 7.0], uncertainties=[Free(name)]) for name in ("b", "c")]
    repeated = region("a", counts=[9, 8, 11], signal=[0.0, 1.0, 0.0], backgrounds=twice)
    assert fit(repeated, engine="zfit").status is FitStatus.SINGULAR


def perturbed_starts(model, number):
    """Return first parameters that differ in their last bits, then by a few percent."""
    rng = np.random.default_rng(1)
    for k in range(number):
        yield model.start * (1.0 + (1e-15 if k < number / 2 else 0.03) * rng.normal(size=model.start.size))


CLOSE = {"seed": 52150, "order": 2, "mean": 0.884521531618113, "sigma": 0.0769985195913224, "level": 3.0}
"""A spectrum with empty bins where Minuit's first minimum is 1e-8 above the best NLL."""


@pytest.mark.parametrize("tolerance", [0.3, 1.0, 3.0])
def test_status_of_minuit_does_not_hang_on_its_last_steps(monkeypatch, tolerance):
    monkeypatch.setattr(minuit, "TOLERANCE", tolerance * minuit.TOLERANCE)
    r = spectrum(**CLOSE, family="bernstein", hole=1, constrained=True)
    model, want = likelihood(r), fit(r)
    for start in perturbed_starts(model, 6):
        got = minuit.fit_minuit(model, start=start)
        assert got.status is want.status is FitStatus.CONVERGED
        assert got.n_sig == pytest.approx(want.n_sig, abs=1e-3 * want.n_sig_error)


HOLE = {"seed": 274530, "order": 4, "mean": 0.295, "sigma": 0.158, "family": "chebyshev", "hole": 5}
"""A large spectrum without events in five bins: nu there is lost in the rounding of the others."""


@pytest.mark.parametrize("level", [3000.0, 1e6])
def test_walls_are_not_lost_in_rounding(level):
    r = spectrum(**HOLE, level=level, constrained=False)
    fits = [fit(r, engine=engine, strength=s) for engine in ("linear", "newton") for s in (None, 0.0)]
    assert {got.status for got in fits} == {FitStatus.AT_BOUNDARY}
    linear, newton = (limit(r, engine=engine) for engine in ("linear", "newton"))
    assert linear.observed == pytest.approx(newton.observed, rel=1e-4)
    np.testing.assert_allclose(linear.expected, newton.expected, rtol=1e-4)


@needs_zfit
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["close", "deep deficit", "empty control region"])
def test_status_of_zfit_does_not_hang_on_its_last_steps(monkeypatch, name):
    r = spectrum(**CLOSE, family="bernstein", hole=1, constrained=True) if name == "close" else HARD[name]
    model, want = likelihood(r), fit(r)
    for k, start in enumerate(perturbed_starts(model, 4)):
        monkeypatch.setattr(zfit_engine, "TOLERANCE", (1e-8, 3e-8)[k % 2])
        got = zfit_engine.fit_zfit(model, start=start)
        assert got.status is want.status
        margin = 1e-6 if want.status is FitStatus.AT_BOUNDARY else 1e-3 * want.n_sig_error
        assert got.n_sig == pytest.approx(want.n_sig, abs=margin)


def test_boundary_of_one_bin_is_where_signal_cancels_background():
    result = fit(HARD["no events"])
    assert result.nll == pytest.approx(0.0, abs=1e-6)
    assert result.n_sig == pytest.approx(-1.5, abs=1e-3)


def test_deficit_decided_by_the_slope_is_that_of_a_converged_fit():
    low = region(
        "a", counts=[3, 50], signal=[5.0, 1.0], backgrounds=Sample("b", [10, 45], uncertainties=[LogNormal("x", 0.1)])
    )
    assert fit(low).n_sig < 0.0
    assert significance(low).q0 == 0.0


def test_one_sided_shape_variation_has_an_interval():
    r = region(
        "a",
        counts=[55, 60, 40],
        signal=[5.0, 1.0, 0.0],
        backgrounds=Sample(
            "b",
            [50, 50, 50],
            uncertainties=[ShapeVariation("x", [55, 52, 49], [53, 51, 50]), LogNormal("y", 0.1, 0.08)],
        ),
    )
    low, high = interval(r)
    assert low < fit(r).n_sig < high


def test_piecewise_and_smooth_interpolation_agree_outside_one_sigma():
    def far(interpolation):
        variation = ShapeVariation("x", [55.0, 62.0], [40.0, 44.0], interpolation)
        backgrounds = Sample("b", [50.0, 50.0], uncertainties=[variation, LogNormal("y", 0.1, -0.05, interpolation)])
        return fit(region("a", counts=[95.0, 100.0], signal=[0.0, 10.0], backgrounds=backgrounds))

    piecewise, smooth = far("piecewise"), far("smooth")
    assert min(abs(smooth.values[1:])) > 1.0
    np.testing.assert_allclose(piecewise.values, smooth.values, rtol=1e-4)


def test_mc_statistics_shared_by_samples_equal_one_sample_with_their_sum():
    a, b, ea, eb = np.array([20.0, 30.0]), np.array([10.0, 5.0]), np.array([2.0, 3.0]), np.array([1.0, 2.0])
    split = [Sample("a", a, errors=ea), Sample("b", b, errors=eb)]
    joint = Sample("ab", a + b, errors=np.hypot(ea, eb))
    description = {"counts": [33, 40], "signal": [5.0, 1.0], "mc_constraint": "normal"}
    results = [fit(region("r", backgrounds=samples, **description), engine="newton") for samples in (split, joint)]
    assert results[0].n_sig == pytest.approx(results[1].n_sig, rel=1e-6)
    per_bin = Sample("ab", a + b, uncertainties=[PerBin("e", np.hypot(ea, eb), "normal")])
    assert fit(region("r", counts=[33, 40], signal=[5.0, 1.0], backgrounds=per_bin)).n_sig == pytest.approx(
        results[0].n_sig, rel=1e-6
    )
