"""Backgrounds of every family, functions of Python and templates, against fits that iminuit makes of the formulas."""

import numpy as np
import pytest
from iminuit import Minuit
from iminuit.cost import ExtendedBinnedNLL
from scipy import stats

import bumphunt as bh
from bumphunt.engines.choose import fit_data_sets
from bumphunt.engines.result import FitStatus
from bumphunt.errors import InputError
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.background import BackgroundFunction, BackgroundModel
from bumphunt.models.peaks import breit_wigner, gaussian, voigt
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import PeakPosition, PeakWidth

EDGES = np.linspace(2.0, 6.0, 81)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(6)


def cumulative(density):
    """Return the integral of a density from the first edge to each."""

    def scaled_cdf(edges, *theta):
        half = 0.5 * np.diff(edges)[:, None]
        x = 0.5 * (edges[1:] + edges[:-1])[:, None] + half * NODES
        return np.append(0.0, np.cumsum((WEIGHTS * half * density(x, *theta)).sum(axis=1)))

    return scaled_cdf


FORMULAS = {  # background, density of the formula, its first values
    "power": (BackgroundModel("power", 1), lambda x, n, a: n * (x / 4) ** -a, (500, 2)),
    "dijet": (
        BackgroundModel("dijet", 2, end=7.0),
        lambda x, n, a, b: n * (1 - x / 7) ** a * (x / 4) ** -b,
        (2000, 2, 1),
    ),
    "threshold": (
        BackgroundModel("threshold", 1, end=1.9),
        lambda x, n, a, b: n * (x - 1.9) ** a * np.exp(b * (x - 4)),
        (500, 0.3, -0.5),
    ),
    "argus": (
        BackgroundModel("argus", 1, end=6.5),
        lambda x, n, c: n * x * np.sqrt(1 - (x / 6.5) ** 2) * np.exp(c * (1 - (x / 6.5) ** 2)),
        (200, 1.0),
    ),
    "logarithmic": (
        BackgroundModel("logarithmic", 2),
        lambda x, a, b, c: a + b * np.log(x / 4) + c * np.log(x / 4) ** 2,
        (700, -300, 10),
    ),
}


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(5)
    values = np.concatenate([2 + 4 * rng.beta(1.1, 1.6, 4000), rng.normal(4.0, 0.08, 150)])
    return np.histogram(values, EDGES)[0]


@pytest.mark.parametrize("name", FORMULAS)
def test_fit_of_a_family_is_that_of_its_formula_by_iminuit(name, counts):
    model, density, first = FORMULAS[name]
    background = cumulative(density)
    cost = ExtendedBinnedNLL(
        counts, EDGES, lambda x, s, *theta: s * stats.norm.cdf(x, 4.0, 0.08) + background(x, *theta)
    )
    reference = Minuit(cost, 100, *first, name=["s", *(f"c{k}" for k in range(len(first)))])
    reference.strategy, reference.tol = 2, 1e-5
    reference.migrad(ncall=50_000)
    reference.hesse()
    assert reference.valid
    r = region("r", counts=counts, edges=EDGES, signal=gaussian(4.0, 0.08), backgrounds=model)
    for engine in ("auto", "minuit"):
        got = bh.fit(r, engine=engine)
        assert got.status is FitStatus.CONVERGED
        assert 2 * got.nll == pytest.approx(reference.fval, abs=1e-4)
        assert got.n_sig == pytest.approx(reference.values[0], abs=1e-2 * got.n_sig_error)
        assert got.n_sig_error == pytest.approx(reference.errors[0], rel=1e-2)


def shape(x, slope, bend):
    t = (x - 4.0) / 2.0
    return np.exp(slope * t + bend * t * t)


def test_function_of_python_is_fitted_as_the_family_that_it_is(counts):
    keywords = {"counts": counts, "edges": EDGES, "signal": gaussian(4.0, 0.08)}
    family = region("r", backgrounds=BackgroundModel("exponential", 2), **keywords)
    own = region("r", backgrounds=BackgroundFunction(shape, {"slope": -0.5, "bend": 0.0}), **keywords)
    want, got = bh.fit(family), bh.fit(own)
    assert (want.engine, got.engine) == ("newton", "minuit")
    assert got.names == ("strength", "function_r[events]", "function_r[slope]", "function_r[bend]")
    assert got.nll == pytest.approx(want.nll, abs=1e-6)
    assert got.n_sig == pytest.approx(want.n_sig, abs=1e-3 * want.n_sig_error)
    assert got.n_sig_error == pytest.approx(want.n_sig_error, rel=1e-3)
    assert got.value("function_r[slope]") == pytest.approx(want.values[2], rel=1e-4)  # T_1 = t
    assert bh.limit(own).observed == pytest.approx(bh.limit(family).observed, rel=1e-4)
    assert bh.significance(own).z0 == pytest.approx(bh.significance(family).z0, rel=1e-4)


def test_toys_over_a_function_of_python_are_fitted_as_those_over_the_family():
    rng, family, own = (
        np.random.default_rng(2),
        BackgroundModel("exponential", 1),
        BackgroundFunction(lambda x, slope: np.exp(slope * x), {"slope": -0.5}),
    )
    data, found = rng.poisson(60.0 * np.exp(-0.4 * (EDGES[1:] - 2.0)), (6, 80)).astype(float), []
    for background in (family, own):
        r = region("r", counts=data[0], edges=EDGES, signal=gaussian(4.0, 0.08), backgrounds=background)
        model = likelihood(r)
        several = (data, np.tile(model.centres, (6, 1)), np.tile(model.start, (6, 1)))
        found.append([fit_data_sets(model, *several, strength_free=free) for free in (True, False)])
    for want, got in zip(*found, strict=True):
        np.testing.assert_allclose(got.nll, want.nll, atol=1e-5)
        np.testing.assert_allclose(got.values[:, 0], want.values[:, 0], atol=0.02)
        np.testing.assert_allclose(got.slopes, want.slopes, atol=1e-3)


def test_function_that_is_none_somewhere_is_not_gone_to(counts):
    """A logarithm of what Minuit may make negative: the fit stays where there is a density."""
    own = BackgroundFunction(lambda x, a: np.log(x - a), {"a": 0.9})
    got = bh.fit(region("r", counts=counts, edges=EDGES, signal=gaussian(4.0, 0.08), backgrounds=own))
    assert got.status is FitStatus.CONVERGED
    assert got.value("function_r[a]") < 1.0


def test_engine_that_is_compiled_refuses_a_function_of_python(counts):
    own = BackgroundFunction(shape, {"slope": -0.5, "bend": 0.0})
    r = region("r", counts=counts, edges=EDGES, signal=gaussian(4.0, 0.08), backgrounds=own)
    with pytest.raises(InputError, match="'newton' is compiled and cannot fit a background that is a function"):
        bh.fit(r, engine="newton")


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"slope": np.nan, "bend": 0.0}, "'slope' of 'shape' must start at a finite number"),
        ({"slope": 0.0}, r"called as shape\(x, slope=...\): missing a required argument: 'bend'"),
        ({"slope": 0.0, "bend": 0.0, "more": 1.0}, "got an unexpected keyword argument 'more'"),
    ],
)
def test_parameters_that_a_function_does_not_take_raise(start, message):
    with pytest.raises(InputError, match=message):
        BackgroundFunction(shape, start)


@pytest.mark.parametrize(
    "background",
    [
        BackgroundModel("exponential", 1),
        BackgroundModel("bernstein", 1),
        BackgroundFunction(lambda x, a: np.exp(a * x), {"a": 0.1}),
    ],
)
def test_template_times_a_smooth_function_is_that_product_by_iminuit(background):
    """The counts of a bin are those of the template times the mean of the function over the bin."""
    rng = np.random.default_rng(8)
    template = 50.0 + 30.0 * np.sin(2.0 * EDGES[1:]) + 200.0 * (np.arange(80) == 17)
    n = rng.poisson(template * np.exp(0.15 * (EDGES[1:] - 4.0)) + 120.0 * gaussian(4.0, 0.08).fractions(EDGES))

    def mean(a):
        if isinstance(background, BackgroundModel) and background.linear:
            return 1.0 + a * (0.5 * (EDGES[1:] + EDGES[:-1]) - 4.0)
        return np.diff(np.exp(a * (EDGES - 4.0))) / a / 0.05

    def cost(s, norm, a):
        nu = s * gaussian(4.0, 0.08).fractions(EDGES) + norm * template * mean(a)
        return 2.0 * np.sum(nu - n * np.log(nu))

    reference = Minuit(cost, s=100.0, norm=1.0, a=0.1)
    reference.strategy, reference.tol = 2, 1e-5
    reference.migrad()
    reference.hesse()
    got = bh.fit(
        region(
            *("r",),
            counts=n,
            edges=EDGES,
            signal=gaussian(4.0, 0.08),
            backgrounds=Sample("corrected", background, template=template),
        )
    )
    assert got.status is FitStatus.CONVERGED
    assert got.n_sig == pytest.approx(reference.values["s"], abs=1e-2 * got.n_sig_error)
    assert got.n_sig_error == pytest.approx(reference.errors["s"], rel=1e-2)


def test_template_that_is_empty_where_events_are_raises():
    smooth = Sample("corrected", BackgroundModel("exponential", 0), template=[1.0, 0.0, 2.0])
    with pytest.raises(InputError, match=r"empty in bin 1 of region 'r' \(1 to 2\), where 4 events are"):
        region("r", counts=[3, 4, 5], signal=[1.0, 1.0, 1.0], backgrounds=smooth)
    with pytest.raises(InputError, match="'tau' is no smooth background: it multiplies no template"):
        Sample("tau", [1.0, 2.0], template=[1.0, 2.0])


@pytest.mark.parametrize("peak", [voigt(4.0, 0.08, 0.1), breit_wigner(4.0, 0.08, 0.1)])
def test_peak_with_a_natural_width_moves_as_its_integrals_do(peak):
    """What compiled code reads from a table is the integral of the moved and widened density."""
    r = region(
        *("r",),
        counts=np.ones(80),
        edges=EDGES,
        signal=Sample("s", peak, uncertainties=[PeakPosition("p", 0.05), PeakWidth("w", 0.3)]),
        backgrounds=BackgroundModel("bernstein", 0),
    )
    model = likelihood(r)
    got = model.expected([1e6, 0.7, -1.2, 0.0])
    np.testing.assert_allclose(got, 1e6 * peak.fractions(EDGES, shift=0.035, stretch=1.3**-1.2), rtol=1e-6, atol=1e-3)
