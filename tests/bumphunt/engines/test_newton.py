"""The engine for likelihoods that are not linear: against Minuit, the linear engine, and models described twice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bumphunt.engines import codes, newton_kernels
from bumphunt.engines.linear import fit_linear
from bumphunt.engines.minuit import fit_minuit
from bumphunt.engines.newton import fit_data_sets, fit_newton
from bumphunt.engines.result import FitStatus
from bumphunt.inference.fit import fit, limit
from bumphunt.likelihood.flat import work_arrays
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.background import BackgroundModel
from bumphunt.models.peaks import crystal_ball, crystal_ball_gaussian, gaussian, two_sided_crystal_ball
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import (
    ControlRegion,
    Free,
    Gaussian,
    LogNormal,
    PeakPosition,
    PeakWidth,
    PerBin,
    ShapeVariation,
)

PEAKS = (
    gaussian(0.5, 0.1),
    crystal_ball(0.5, 0.1, 1.2, 3.0),
    two_sided_crystal_ball(0.5, 0.1, (1.0, 3.0), (1.5, 4.0)),
    crystal_ball_gaussian((0.5, 0.1, 1.0, 2.0, 0.7, 2.0), (0.0, 1.0)),
)


def nonlinear(rng, level):
    """Return one or two regions with every kind of uncertainty; data from the nominal expectation."""
    regions = []
    for k in range(int(rng.integers(1, 3))):
        n = int(rng.integers(5, 12))
        first, second = level * rng.uniform(0.5, 2.0, (2, n))
        one = [LogNormal("norm", 0.2, -0.1), ShapeVariation("tilt", first * np.linspace(0.95, 1.08, n))]
        two = [LogNormal("luminosity", 0.05), ShapeVariation("bend", second * 1.05, second * rng.uniform(0.9, 1.02, n))]
        if rng.uniform() < 0.5:
            two.append(PerBin(f"bins{k}", second * rng.uniform(0.05, 0.3, n), rng.choice(["poisson", "normal"])))
        error = [0.1 * first, 0.2 * second] if rng.uniform() < 0.5 else [None, None]
        backgrounds = [
            Sample("one", first, uncertainties=one, errors=error[0]),
            Sample("two", second, uncertainties=two, errors=error[1]),
        ]
        if rng.uniform() < 0.3:
            backgrounds.append(Sample("cr", rng.uniform(1.0, 2.0, n), uncertainties=[ControlRegion(f"cr{k}", 7, 0.3)]))
        efficiency = [LogNormal("luminosity", 0.05), LogNormal("efficiency", 0.1)]
        if rng.uniform() < 0.4:
            moves = [PeakPosition("position", 0.02), PeakWidth("width", 0.1)]
            signal = Sample("s", PEAKS[int(rng.integers(4))], scale=3.0, uncertainties=[*moves, *efficiency])
        else:
            signal = Sample("s", rng.uniform(0.0, 1.0, n) * np.sqrt(level), uncertainties=efficiency)
        counts = rng.poisson(first + second)
        edges = np.linspace(0.0, 1.0, n + 1)
        regions.append(region(f"r{k}", counts=counts, edges=edges, signal=signal, backgrounds=backgrounds))
    return regions


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6), level=st.sampled_from([3.0, 30.0, 1000.0]), strength=st.sampled_from([None, 0.0, 2.0])
)
def test_fit_is_that_of_minuit(seed, level, strength):
    model = likelihood(nonlinear(np.random.default_rng(seed), level))
    got = fit_newton(model, strength=strength)
    assert got.engine == "newton"
    assert got.status.usable
    theirs = fit_minuit(model, strength=strength)
    if theirs.status.usable and theirs.nll > got.nll + 1e-6:  # there may be two minima: is ours one?
        theirs = fit_minuit(model, strength=strength, start=got.values)
    if theirs.status.usable and got.status is FitStatus.CONVERGED:
        assert got.nll == pytest.approx(theirs.nll, abs=1e-6)
        if strength is None:
            assert got.n_sig == pytest.approx(theirs.n_sig, abs=1e-3 * got.n_sig_error)
            assert got.n_sig_error == pytest.approx(theirs.n_sig_error, rel=1e-2)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    level=st.sampled_from([0.02, 0.2, 2.0]),
    strength=st.sampled_from([None, 0.0, 1.0]),
    order=st.sampled_from([None, 1, 2]),
)
def test_linear_fit_at_the_boundary_is_that_of_the_linear_engine(seed, level, strength, order):
    rng = np.random.default_rng(seed)
    expectation = level * rng.uniform(0.5, 2.0, 12)
    backgrounds = [Sample("b", expectation, uncertainties=[Gaussian("b", 0.3)])]
    if order is not None:
        backgrounds.append(BackgroundModel("bernstein", order))
    counts = rng.poisson(expectation)
    one = region("r", counts=counts, edges=np.linspace(0, 1, 13), signal=gaussian(0.5, 0.08), backgrounds=backgrounds)
    model = likelihood(one)
    got, linear = fit_newton(model, strength=strength), fit_linear(model, strength=strength)
    assert linear.status.usable
    assert got.status.usable
    assert got.nll == pytest.approx(linear.nll, abs=1e-8)
    if linear.status is FitStatus.CONVERGED and got.status is FitStatus.CONVERGED:
        assert got.n_sig == pytest.approx(linear.n_sig, abs=1e-4 * max(linear.n_sig_error, 1e-3))


def test_minimum_where_an_empty_bin_expects_nothing_is_at_the_boundary():
    # nu = S + 2 kappa^x with no counts: the NLL nu + x^2 / 2 is 0 for S = -2, x = 0, and cannot be lower
    empty = region("e", counts=[0], signal=[1.0], backgrounds=Sample("b", [2.0], uncertainties=[LogNormal("x", 0.3)]))
    got = fit(empty)
    assert got.engine == "newton"
    assert got.status is FitStatus.AT_BOUNDARY
    assert got.nll == pytest.approx(0.0, abs=1e-9)
    assert got.n_sig == pytest.approx(-2.0, abs=1e-4)
    assert np.isnan(got.n_sig_error)


def test_factors_of_single_bins_are_shape_variations_of_each_bin():
    rng = np.random.default_rng(3)
    n, b, relative = 12, rng.uniform(10.0, 30.0, 12), rng.uniform(0.05, 0.3, 12)
    norm, efficiency = LogNormal("norm", 0.15), LogNormal("efficiency", 0.1)
    shifts = [ShapeVariation(f"bin{i}", b * (1.0 + relative * (np.arange(n) == i))) for i in range(n)]
    described = [[norm, PerBin("bins", relative * b, "normal")], [norm, *shifts]]
    fits = [
        fit(
            region(
                "r",
                counts=np.random.default_rng(4).poisson(b),
                signal=Sample("s", np.linspace(0.0, 4.0, n), uncertainties=[efficiency]),
                backgrounds=Sample("b", b, uncertainties=uncertainties),
            )
        )
        for uncertainties in described
    ]
    by_bin, by_shape = fits
    assert by_bin.nll == pytest.approx(by_shape.nll, abs=1e-9)
    assert by_bin.n_sig == pytest.approx(by_shape.n_sig, abs=1e-4 * by_shape.n_sig_error)
    assert by_bin.n_sig_error == pytest.approx(by_shape.n_sig_error, rel=1e-4)
    pulls = (np.array([by_bin.value(f"bins[{i}]") for i in range(n)]) - 1.0) / relative
    np.testing.assert_allclose(pulls, [by_shape.value(f"bin{i}") for i in range(n)], atol=1e-4)


@pytest.mark.parametrize(("n", "best"), [(95, 0.0), (80, 0.0), (130, None)])
def test_minimum_at_a_kink_is_found(n, best):
    # both sides of the piecewise interpolation rise: below 100 events nothing is better than the kink
    up_and_up = LogNormal("x", 0.2, 0.1, "piecewise")
    one = region("r", counts=[n], signal=[1.0], backgrounds=Sample("b", [100.0], uncertainties=[up_and_up]))
    got = fit(one, strength=0.0)
    model = likelihood(one)
    assert got.status is FitStatus.CONVERGED
    scan = model.nll_many(np.column_stack([np.zeros(8001), np.linspace(-4.0, 4.0, 8001)]))
    assert got.nll == pytest.approx(scan.min(), abs=1e-4)
    assert got.nll <= scan.min() + 1e-9
    if best is not None:
        assert got.value("x") == best


def test_undetermined_parameters_are_singular():
    free = [Sample(n, [5.0, 6.0], uncertainties=[Free(n), LogNormal("x", 0.1)]) for n in ("a", "b")]
    assert fit(region("r", counts=[9, 12], signal=[1.0, 0.0], backgrounds=free)).status is FitStatus.SINGULAR


def test_fits_that_run_out_of_steps_are_not_converged(monkeypatch):
    monkeypatch.setattr(newton_kernels, "INTERIOR_STEPS", 0)
    model = likelihood(nonlinear(np.random.default_rng(1), 30.0))
    work = work_arrays(model.flat)
    work.flags[0] = 1
    result = newton_kernels._interior.py_func(
        model.flat, model.counts, model.centres, model.precisions, model.start.copy(), work
    )
    assert FitStatus(result[1]) is FitStatus.NOT_CONVERGED


def test_codes_are_those_of_the_statuses():
    for status in FitStatus:
        assert getattr(codes, status.name) == status


def test_threads_give_the_same_numbers():
    model = likelihood(nonlinear(np.random.default_rng(2), 30.0))
    rng = np.random.default_rng(5)
    counts = rng.poisson(model.expected(model.start), (100, model.counts.size)).astype(float)
    data = model, counts, np.tile(model.centres, (100, 1)), np.tile(model.start, (100, 1))
    one, two = (fit_data_sets(*data, strength_free=True, threads=threads) for threads in (False, True))
    assert one.usable.all()
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_allclose(one.slopes, 0.0, atol=1e-3)


@pytest.mark.parametrize("peak", PEAKS, ids=lambda peak: peak.family)
def test_moving_peak_is_read_from_its_table(peak):
    edges = np.linspace(0.0, 1.0, 31)
    moves = [PeakPosition("position", 0.03), PeakWidth("width", 0.2)]
    model = likelihood(
        region(
            "r",
            counts=np.ones(30),
            edges=edges,
            signal=Sample("s", peak, scale=50.0, uncertainties=moves),
            backgrounds=Sample("b", np.ones(30)),
        )
    )
    for position, width in ((0.0, 0.0), (1.0, -1.0), (-4.0, 3.0)):
        theta = np.array([2.0, position, width])
        nu, slopes = model.expected_and_slopes(theta)
        want = 1.0 + 100.0 * peak.fractions(edges, shift=0.03 * position, stretch=1.2**width)
        np.testing.assert_allclose(nu, want, atol=1e-6)
        for p in (1, 2):
            step = 1e-4 * (np.arange(3) == p)
            numerical = (model.expected(theta + step) - model.expected(theta - step)) / 2e-4
            np.testing.assert_allclose(slopes[p], numerical, atol=1e-5)


def test_engines_give_the_same_limit():
    regions = nonlinear(np.random.default_rng(11), 30.0)
    newton, reference = (limit(regions, engine=engine) for engine in ("newton", "minuit"))
    assert newton.observed == pytest.approx(reference.observed, rel=1e-4)
    np.testing.assert_allclose(newton.expected, reference.expected, rtol=1e-4)
