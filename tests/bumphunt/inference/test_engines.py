"""The two engines on the same regions: random spectra, and the hard cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bumphunt.inference.fit import fit, interval, limit, significance
from bumphunt.inference.fit_result import FitStatus
from bumphunt.models.background import BackgroundModel
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import ControlRegion, Gaussian, LogNormal, PerBin, ShapeVariation


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    order=st.integers(0, 4),
    mean=st.floats(0.1, 0.9),
    level=st.sampled_from([0.0, 0.3, 3.0, 30.0, 3000.0]),
    family=st.sampled_from(["bernstein", "chebyshev"]),
    constrained=st.booleans(),
)
def test_engines_agree_where_the_model_is_linear(seed, order, mean, level, family, constrained):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(level * (1.0 + 0.5 * rng.uniform(size=25)))
    backgrounds = [BackgroundModel(family, order)]
    if constrained:
        backgrounds.append(Sample("mc", 0.2 * level + rng.uniform(0.01, 1.0, 25), uncertainties=[Gaussian("mc", 0.3)]))
    r = region("r", counts=counts, edges=np.linspace(0, 1, 26), signal=gaussian(mean, 0.05), backgrounds=backgrounds)
    convex, minuit = fit(r), fit(r, engine="minuit")
    assert convex.engine == "convex"
    assert convex.status.usable
    if minuit.status is FitStatus.CONVERGED and convex.status is FitStatus.CONVERGED:
        assert minuit.nll == pytest.approx(convex.nll, abs=1e-6)
        assert minuit.n_sig == pytest.approx(convex.n_sig, abs=1e-3 * convex.n_sig_error)
        assert minuit.n_sig_error == pytest.approx(convex.n_sig_error, rel=1e-2)
    elif minuit.status.usable:
        assert minuit.nll == pytest.approx(convex.nll, abs=1e-3)  # what the barrier leaves
    else:
        assert convex.status is FitStatus.AT_BOUNDARY or level == 0.0  # Minuit may fail there, and says so


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
    assert upper.flags == ("fit_at_boundary", "low_counts")
    assert np.all(np.diff(upper.expected) > 0.0)


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
    results = [
        fit(region("r", counts=[33, 40], signal=[5.0, 1.0], backgrounds=s), engine="newton") for s in (split, joint)
    ]
    assert results[0].n_sig == pytest.approx(results[1].n_sig, rel=1e-6)
    per_bin = Sample("ab", a + b, uncertainties=[PerBin("e", np.hypot(ea, eb), "normal")])
    assert fit(region("r", counts=[33, 40], signal=[5.0, 1.0], backgrounds=per_bin)).n_sig == pytest.approx(
        results[0].n_sig, rel=1e-6
    )
