"""One description of regions, and the questions asked of it, against pyhf, Minuit and closed forms."""

import warnings

import hist
import numpy as np
import pyhf
import pytest
from scipy import optimize, stats

from bumphunt.engines.result import FitStatus
from bumphunt.errors import InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.counts.distribution import CountingModel
from bumphunt.inference.counts.limit import counting_limit
from bumphunt.inference.fit import fit, limit, scan
from bumphunt.inference.intervals import interval
from bumphunt.inference.significance import hypotest, significance
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.background import BackgroundModel
from bumphunt.models.peaks import gaussian
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
    SpuriousSignal,
)

LUMI = 0.05


def random_model(seed):
    """Return a pyhf model, its data, and the same as regions: two channels with every kind of modifier."""
    rng = np.random.default_rng(seed)
    use_shape, use_lumi, use_shapesys, use_staterror = rng.permutation([True, True, seed % 2 == 0, False])
    channels, observations, regions = [], [], []
    for c in range(2):
        n_bins = int(rng.integers(1, 4))
        s, b1, b2 = (rng.uniform(*r, n_bins) for r in ((2, 8), (20, 80), (5, 30)))
        n = rng.poisson(b1 + b2 + 0.5 * s).astype(float)
        up, down = b1 * (1 + rng.uniform(-0.1, 0.15, n_bins)), b1 * (1 - rng.uniform(-0.05, 0.15, n_bins))
        e1, e2, shape = b1 * 0.06, b2 * rng.uniform(0.05, 0.1, n_bins), b2 * rng.uniform(0.05, 0.2, n_bins)
        mods = {
            "sig": [{"name": "mu", "type": "normfactor", "data": None}],
            "b1": [{"name": "norm1", "type": "normsys", "data": {"hi": 1.12, "lo": 0.93}}],
            "b2": [{"name": f"norm2_{c}", "type": "normsys", "data": {"hi": 1.1, "lo": 0.92}}],
        }
        ours = {"sig": [], "b1": [LogNormal("norm1", 0.12, -0.07)], "b2": [LogNormal(f"norm2_{c}", 0.1, -0.08)]}
        if use_shape:
            data = {"hi_data": up.tolist(), "lo_data": down.tolist()}
            mods["b1"].append({"name": "shape", "type": "histosys", "data": data})
            ours["b1"].append(ShapeVariation("shape", up, down))
        if use_lumi:
            for name in mods:
                mods[name].append({"name": "lumi", "type": "lumi", "data": None})
                ours[name].append(Gaussian("lumi", LUMI))
        if use_shapesys:
            mods["b2"].append({"name": f"bins{c}", "type": "shapesys", "data": shape.tolist()})
            ours["b2"].append(PerBin(f"bins{c}", shape))
        if use_staterror:
            mods["b1"].append({"name": f"mc{c}", "type": "staterror", "data": e1.tolist()})
            mods["b2"].append({"name": f"mc{c}", "type": "staterror", "data": e2.tolist()})
        samples = [
            {"name": k, "data": v.tolist(), "modifiers": mods[k]} for k, v in (("sig", s), ("b1", b1), ("b2", b2))
        ]
        channels.append({"name": f"c{c}", "samples": samples})
        observations.append({"name": f"c{c}", "data": n.tolist()})
        regions.append(
            region(
                f"c{c}",
                counts=n,
                signal=Sample("sig", s, uncertainties=ours["sig"]),
                backgrounds=[
                    Sample("b1", b1, uncertainties=ours["b1"], errors=e1 if use_staterror else None),
                    Sample("b2", b2, uncertainties=ours["b2"], errors=e2 if use_staterror else None),
                ],
                mc_constraint="normal",
            )
        )
    lumi = {"name": "lumi", "auxdata": [1.0], "sigmas": [LUMI], "bounds": [[0.5, 1.5]], "inits": [1.0]}
    specification = {
        "version": "1.0.0",
        "channels": channels,
        "observations": observations,
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": [lumi]}}],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pyhf's schema validation
        workspace = pyhf.Workspace(specification)
        model = workspace.model()
    return model, workspace.data(model), regions


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 10))])
def test_random_models_agree_with_pyhf(seed):
    model, data, regions = random_model(seed)
    upper = limit(regions, cl=0.95)
    # pyhf's CLs at our limits must be 5 %: of the data and of each line of the band; the distance in the limit
    for index, strength in enumerate([*upper.expected, upper.observed]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (cls, expected), q = _pyhf_test(model, data, strength)
            (cls_beyond, expected_beyond), _ = _pyhf_test(model, data, 1.001 * strength)
        at, beyond = [*expected, cls][index], [*expected_beyond, cls_beyond][index]
        assert abs((at - 0.05) / (beyond - at)) * 1e-3 < 1e-4
        got = hypotest(regions, strength)
        assert got.observed == pytest.approx(cls, rel=2e-4)
        assert got.qmu_tilde == pytest.approx(q, rel=2e-4, abs=1e-6)
        np.testing.assert_allclose(got.expected, expected, rtol=2e-4)


def _pyhf_test(model, data, strength):
    """Return pyhf's CLs with band, and q~mu, from fits at a tight tolerance."""
    optimizer = pyhf.optimize.scipy_optimizer(tolerance=1e-12, maxiter=100_000)
    pyhf.set_backend("numpy", optimizer)
    try:
        cls, band = pyhf.infer.hypotest(strength, data, model, return_expected_set=True, test_stat="qtilde")
        settings = model.config.suggested_init(), model.config.suggested_bounds(), model.config.suggested_fixed()
        q = float(pyhf.infer.test_statistics.qmu_tilde(strength, data, model, *settings))
    finally:
        pyhf.set_backend("numpy", "scipy")
    return (float(cls), [float(value) for value in band]), q


def test_two_bins_of_pyhf_test_suite():
    two = region(
        "two",
        counts=[51, 48],
        signal=[12.0, 11.0],
        backgrounds=Sample("background", [50.0, 52.0], uncertainties=[PerBin("b", [3.0, 7.0])]),
    )
    for engine in ("linear", "newton", "minuit"):
        assert fit(two, engine=engine).engine == engine
        got = limit(two, cl=0.95, engine=engine)
        assert got.observed == pytest.approx(1.01156939, rel=1e-4)
        np.testing.assert_allclose(got.expected, [0.55988, 0.75702, 1.06235, 1.50117, 2.05079], rtol=1e-4)


def on_off(n_on, n_off, tau):
    return region(
        "on",
        counts=[n_on],
        signal=[1.0],
        backgrounds=Sample("off", [1.0], uncertainties=[ControlRegion("off", n_off, alpha=1.0 / tau)]),
    )


@pytest.mark.parametrize(("n_on", "n_off", "tau"), [(10, 5, 1.0), (140, 100, 1.0), (4, 5, 5.0), (523, 2327, 5.99)])
def test_on_off_significance_is_that_of_li_and_ma(n_on, n_off, tau):
    alpha, total = 1.0 / tau, n_on + n_off
    # T.-P. Li, Y.-Q. Ma, ApJ 272 (1983) 317, eq. 17
    logs = n_on * np.log((1 + alpha) / alpha * n_on / total) + n_off * np.log((1 + alpha) * n_off / total)
    assert significance(on_off(n_on, n_off, tau)).z0 == pytest.approx(np.sqrt(2.0 * logs), rel=1e-6)


def test_empty_control_region_has_a_limit():
    got = limit(on_off(3, 0, 10.0), cl=0.9)
    assert got.valid
    known = limit(region("on", counts=[3], signal=[1.0], backgrounds=Sample("off", [1e-3])), cl=0.9)
    assert got.observed == pytest.approx(known.observed, rel=0.1)


def test_alpha_times_events_is_the_same_as_counts():
    uncertainties = {"a": ControlRegion("cr", 12), "b": ControlRegion("cr", 12, alpha=0.1)}
    limits = [
        limit(region("x", counts=[4], signal=[1.0], backgrounds=Sample("f", [1.2], uncertainties=[u]))).observed
        for u in uncertainties.values()
    ]
    assert limits[0] == pytest.approx(limits[1], rel=1e-6)


def test_large_counts_agree_with_exact_counting():
    got = limit(region("n", counts=[1000], signal=[1.0], backgrounds=Sample("b", [1000.0])), cl=0.95)
    assert got.observed == pytest.approx(
        counting_limit(1000, CountingModel(background=1000.0), cl=0.95).observed, rel=0.02
    )


RNG = np.random.default_rng(7)
EDGES = np.linspace(4.0, 6.0, 61)
VALUES = np.concatenate([RNG.uniform(4.0, 6.0, 3000), RNG.normal(5.0, 0.05, 120)])


def dimuon(uncertainties=(), family="bernstein", order=2, mass=5.0, **data):
    return region(
        "dimuon",
        **(data or {"values": VALUES, "edges": EDGES}),
        signal=Sample("signal", gaussian(mass, 0.05), uncertainties=uncertainties),
        backgrounds=BackgroundModel(family, order),
    )


def test_histogram_counts_and_values_are_the_same_data():
    h = hist.Hist.new.Var(EDGES).Double().fill(VALUES)
    results = [fit(dimuon()), fit(dimuon(counts=h)), fit(dimuon(counts=h.values(), edges=EDGES))]
    assert len({round(result.n_sig, 9) for result in results}) == 1


def test_polynomial_families_and_engines_find_the_same_signal():
    reference = fit(dimuon())
    assert reference.engine == "linear"
    for other in (fit(dimuon(family="chebyshev")), fit(dimuon(), engine="minuit")):
        assert other.n_sig == pytest.approx(reference.n_sig, abs=1e-3 * reference.n_sig_error)
        assert other.nll == pytest.approx(reference.nll, abs=1e-6)
        assert other.n_sig_error == pytest.approx(reference.n_sig_error, rel=1e-4)
    with pytest.raises(InputError, match="not linear"):
        fit(dimuon(family="exponential"), engine="linear")
    exponential = fit(dimuon(family="exponential"))
    assert exponential.engine == "newton"
    assert exponential.n_sig == pytest.approx(reference.n_sig, rel=0.03)


def test_interval_is_where_an_independent_profile_rises_by_half():
    model = likelihood(dimuon())
    best = fit(dimuon())

    def profiled(strength):
        def objective(c):
            value = model.nll(np.concatenate([[strength], c]))
            return value if np.isfinite(value) else 1e9

        return optimize.minimize(objective, best.values[1:], method="Nelder-Mead", options={"xatol": 1e-6}).fun

    low, high = interval(dimuon())
    for end in (low, high):
        assert profiled(end) - best.nll == pytest.approx(0.5, abs=2e-4)
    assert low < best.n_sig < high


def test_lower_end_beyond_the_boundary_is_flagged():
    got = interval(region("n", counts=[0], signal=[1.0], backgrounds=Sample("b", [0.1])))
    assert np.isnan(got.low)
    assert got.flags == ("no_lower_end",)
    assert not got.valid


def test_uncertain_width_and_position_widen_the_limit():
    plain = limit(dimuon())
    moving = [PeakPosition("scale", 0.01), PeakWidth("resolution", 0.2)]
    assert fit(dimuon(moving)).engine == "newton"
    assert limit(dimuon(moving)).observed > plain.observed


def test_position_of_a_peak_is_measured():
    values = np.concatenate([VALUES[:3000], RNG.normal(5.02, 0.05, 2000)])
    result = fit(dimuon([PeakPosition("scale", 0.1)], values=values, edges=EDGES))
    assert 0.1 * result.value("scale") == pytest.approx(0.02, abs=3 * 0.1 * result.error("scale"))
    assert result.status is FitStatus.CONVERGED


def test_spurious_signal_adds_its_width_in_quadrature():
    plain, spurious = fit(dimuon()), fit(dimuon([SpuriousSignal("bias", 15.0)]))
    assert spurious.engine == "linear"
    assert spurious.n_sig_error == pytest.approx(np.hypot(plain.n_sig_error, 15.0), rel=1e-3)


def test_efficiency_and_luminosity_leave_q0_alone_but_not_the_limit():
    factors = [LogNormal("luminosity", 0.02), LogNormal("efficiency", 0.3)]
    assert significance(dimuon(factors)).q0 == pytest.approx(significance(dimuon()).q0, rel=1e-6)
    assert limit(dimuon(factors)).observed > 1.1 * limit(dimuon()).observed


def test_shared_signal_of_two_regions_is_the_weighted_mean():
    one, two = (
        region(name, counts=[n], signal=[s], backgrounds=Sample("b", [100.0]))
        for name, n, s in (("a", 120, 2.0), ("b", 90, 3.0))
    )
    # nll' = sum s (1 - n / nu) = 0
    root = optimize.brentq(lambda m: sum(s * (1 - n / (100 + m * s)) for n, s in ((120, 2.0), (90, 3.0))), -20, 50)
    assert fit([one, two]).n_sig == pytest.approx(root, rel=1e-9)


def test_free_normalisation_equals_a_wide_gaussian():
    def model(uncertainty):
        return region(
            "x",
            counts=[30.0, 55.0, 20.0],
            signal=[0.0, 10.0, 0.0],
            backgrounds=Sample("b", [28.0, 30.0, 25.0], uncertainties=[uncertainty]),
        )

    assert fit(model(Free("n"))).n_sig == pytest.approx(fit(model(Gaussian("n", 1e4))).n_sig, rel=1e-6)


def test_scan_finds_the_injected_peak_and_reports_engines():
    points = scan(lambda m: dimuon(mass=m), [4.5, 5.0, 5.5])
    assert max(points, key=lambda p: p.z0).mass == 5.0
    assert points[1].z0 == pytest.approx(significance(dimuon()).z0, rel=1e-6)
    assert points[1].limit.observed == pytest.approx(limit(dimuon()).observed, rel=1e-6)
    assert {p.engine for p in points} == {"linear"}


def test_asimov_significance_is_eq_97():
    s, b = 12.0, 30.0
    got = significance(region("a", counts=[s + b], signal=[s], backgrounds=Sample("b", [b]))).z0
    assert got == pytest.approx(np.sqrt(2 * ((s + b) * np.log1p(s / b) - s)), rel=1e-6)  # CCGV eq. 97


def test_broken_fit_is_flagged_and_has_no_numbers():
    singular = region(
        "s",
        counts=[3.0, 4.0],
        signal=[1.0, 1.0],
        backgrounds=[Sample(n, [2.0, 2.0], uncertainties=[Free(n)]) for n in ("x", "y")],
    )
    with np.errstate(all="raise"):
        point = scan(lambda _: singular, [1.0])[0]
    assert not point.valid
    assert np.isnan(point.limit.observed)
    assert any(flag.startswith("fit_") for flag in point.flags)


def test_impossible_data_are_flagged():
    impossible = region("i", counts=[3.0, 4.0], signal=[1.0, 0.0], backgrounds=Sample("b", [1.0, 0.0]))
    for engine in ("linear", "newton", "minuit"):
        assert fit(impossible, engine=engine).status is FitStatus.INFEASIBLE
        assert not limit(impossible, engine=engine).valid


def test_deficit_at_the_boundary_has_significance_and_limit():
    empty = region(
        "e",
        counts=[0.0, 5.0],
        signal=[1.0, 0.1],
        backgrounds=Sample("b", [0.5, 5.0], uncertainties=[LogNormal("b", 0.1)]),
    )
    found = significance(empty)
    assert (found.q0, found.p0) == (0.0, 0.5)
    assert limit(empty).valid


def test_expected_cls_is_that_of_the_asymptotic_formulae():
    got = hypotest(dimuon(), 40.0)
    root = stats.norm.isf(got.expected[2] / 2.0)
    want = stats.norm.sf(root - np.array(asymptotics.BAND)) / stats.norm.cdf(asymptotics.BAND)
    np.testing.assert_allclose(got.expected, want, rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: limit(dimuon(), cl=1.5), "between 0 and 1, got 1.5"),
        (lambda: interval(dimuon(), cl=0.0), "between 0 and 1, got 0.0"),
        (lambda: hypotest(dimuon(), -1.0), "must be positive, got -1.0"),
        (lambda: fit(dimuon(), engine="simplex"), "unknown engine 'simplex'"),
        (lambda: fit([dimuon(), dimuon()]), "different names"),
        (lambda: fit([]), "different names"),
        (lambda: fit(dimuon()).value("lumi"), "no parameter 'lumi'"),
    ],
)
def test_bad_questions_raise_with_the_value(call, message):
    with pytest.raises(InputError, match=message):
        call()
