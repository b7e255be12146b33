"""Unbinned fits against iminuit's own cost function, fine bins, and zfit's densities where it is installed."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iminuit import Minuit
from iminuit.cost import ExtendedUnbinnedNLL

from bumphunt.engines.result import FitStatus
from bumphunt.engines.zfit import fit_densities
from bumphunt.engines.zfit_densities import unbinned_loss
from bumphunt.errors import InputError
from bumphunt.inference.fit import fit, limit
from bumphunt.inference.significance import significance
from bumphunt.inference.unbinned import fit_unbinned
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.likelihood.narrow_bins import narrow_bins, unbinned_constant, unbinned_likelihood
from bumphunt.models.background import BackgroundModel, basis_cdf
from bumphunt.models.peaks import (
    breit_wigner,
    crystal_ball,
    crystal_ball_gaussian,
    gaussian,
    two_sided_crystal_ball,
    voigt,
)
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import (
    ControlRegion,
    Free,
    Gaussian,
    LogNormal,
    PeakPosition,
    PeakWidth,
    SpuriousSignal,
)

RNG = np.random.default_rng(3)
SUPPORT = (4.0, 6.0)
VALUES = np.concatenate([RNG.uniform(*SUPPORT, 1500), RNG.normal(5.0, 0.05, 120)])
WITH_HOLE = VALUES[np.abs(VALUES - 5.0) > 0.06]


def dimuon(peak=None, family="bernstein", order=2, uncertainties=(), bins=400, values=VALUES, others=(), name="dimuon"):
    return region(
        name,
        values=values,
        edges=np.linspace(*SUPPORT, bins + 1),
        signal=Sample("signal", peak or gaussian(5.0, 0.05), uncertainties=uncertainties),
        backgrounds=[family if isinstance(family, BackgroundModel) else BackgroundModel(family, order), *others],
    )


def values_nll(regions, theta):
    """Return the integral of lambda minus the sum of ln lambda(x_i), with the constraints."""
    model = unbinned_likelihood(regions)
    return model.nll(theta) + unbinned_constant(model)


def cost_of_iminuit(values, peak, model, start, terms):
    """Return iminuit's fit of signal and coefficients with its own extended unbinned cost."""

    def density(x, *theta):
        total = theta[0] * np.diff(peak.cdf(SUPPORT))[0] + np.array(theta[1:]) @ basis_cdf(model, 6.0, SUPPORT)
        return total, theta[0] * peak.pdf(x) + np.array(theta[1:]) @ terms(model, x, SUPPORT)

    names = [f"t{k}" for k in range(len(start))]
    reference = Minuit(ExtendedUnbinnedNLL(values, density), *start, name=names)
    reference.tol = 1e-4
    reference.migrad()
    reference.hesse()
    return reference


@pytest.mark.parametrize("family", ["bernstein", "chebyshev"])
def test_fit_is_that_of_iminuit_cost(family, background_terms):
    start = (100.0, 1500.0, 0.0, 0.0) if family == "chebyshev" else (100.0, 500.0, 500.0, 500.0)
    reference = cost_of_iminuit(VALUES, gaussian(5.0, 0.05), BackgroundModel(family, 2), start, background_terms)
    got = fit_unbinned(dimuon(family=family))
    assert (got.status, got.engine) == (FitStatus.CONVERGED, "linear")
    assert got.n_sig == pytest.approx(reference.values[0], abs=1e-3 * got.n_sig_error)
    assert got.n_sig_error == pytest.approx(reference.errors[0], rel=1e-3)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    events=st.sampled_from([0, 1, 5, 50, 2000]),
    mean=st.floats(4.1, 5.9),
    sigma=st.floats(0.01, 0.2),
    order=st.integers(0, 3),
    family=st.sampled_from(["bernstein", "chebyshev"]),
)
def test_engines_agree_over_random_values(seed, events, mean, sigma, order, family):
    r = dimuon(
        gaussian(mean, sigma), family, order, values=np.random.default_rng(seed).uniform(*SUPPORT, events), bins=20
    )
    linear, minuit = fit_unbinned(r), fit_unbinned(r, engine="minuit")
    assert linear.status.usable
    if linear.status is FitStatus.CONVERGED:
        assert minuit.status is FitStatus.CONVERGED
        assert minuit.nll == pytest.approx(linear.nll, abs=1e-6)
        assert minuit.n_sig == pytest.approx(linear.n_sig, abs=1e-3 * linear.n_sig_error)
    elif minuit.status.usable:
        assert minuit.nll == pytest.approx(linear.nll, abs=1e-3)  # what a barrier leaves


def test_fine_bins_lose_nothing():
    fine = dimuon(bins=20_000)
    unbinned, binned = fit_unbinned(dimuon()), fit(fine)
    assert unbinned.n_sig == pytest.approx(binned.n_sig, abs=1e-3 * binned.n_sig_error)
    assert unbinned.n_sig_error == pytest.approx(binned.n_sig_error, rel=1e-3)
    assert significance(narrow_bins(dimuon())).q0 == pytest.approx(significance(fine).q0, rel=1e-3)
    asked, want = limit(narrow_bins(dimuon())), limit(fine)
    assert asked.observed == pytest.approx(want.observed, rel=1e-3)
    np.testing.assert_allclose(asked.expected, want.expected, rtol=1e-3)


def test_constraints_and_moving_peaks_are_those_of_fine_bins():
    sources = [PeakPosition("p", 0.02), PeakWidth("w", 0.2), LogNormal("e", 0.1), SpuriousSignal("q", 10.0)]
    more = {"uncertainties": sources, "family": "exponential", "order": 1}
    unbinned, binned = fit_unbinned(dimuon(**more)), fit(dimuon(bins=4000, **more))
    assert unbinned.names == binned.names
    assert np.all(np.abs(unbinned.values - binned.values) < 0.01 * binned.errors)
    np.testing.assert_allclose(unbinned.errors, binned.errors, rtol=0.01)


@pytest.mark.parametrize("bins", [50, 400])
def test_hole_at_the_peak_stops_where_the_density_would_be_negative(bins, background_terms):
    r = dimuon(values=WITH_HOLE, bins=bins)
    got, binned = fit_unbinned(r), fit(r)
    assert got.status is FitStatus.AT_BOUNDARY
    assert np.isnan(got.n_sig_error)
    assert got.n_sig == pytest.approx(binned.n_sig, rel=0.02)
    x = 0.5 * (r.edges[1:] + r.edges[:-1])
    unit = WITH_HOLE.size / 3.0
    density = got.n_sig * gaussian(5.0, 0.05).pdf(x)
    density = density + unit * got.values[1:] @ background_terms(BackgroundModel("bernstein", 2), x, SUPPORT)
    assert density.min() > -0.02 * WITH_HOLE.size
    assert significance(narrow_bins(r)).q0 == 0.0


def test_no_values_have_the_answer_of_no_counts():
    r = dimuon(values=[])
    got, binned = fit_unbinned(r), fit(r)
    assert got.status is binned.status is FitStatus.AT_BOUNDARY
    assert got.nll == pytest.approx(0.0, abs=1e-6)
    assert got.n_sig == pytest.approx(0.0, abs=1e-6)


def test_held_strength_is_kept():
    free, held = fit_unbinned(dimuon()), fit_unbinned(dimuon(), strength=100.0)
    assert (held.n_sig, held.n_sig_error) == (100.0, 0.0)
    assert held.nll > free.nll
    assert values_nll(dimuon(), held.values) == pytest.approx(held.nll, abs=1e-9)


def test_negative_density_is_infinitely_unlikely():
    assert values_nll(dimuon(), np.array([0.0, -1.0, -1.0, -1.0])) == np.inf


@pytest.mark.parametrize(
    ("r", "message"),
    [
        (
            dimuon(crystal_ball_gaussian((5.0, 0.04, 1.2, 2.0, 0.7, 2.0), (4.5, 5.5))),
            r"support \(4.5, 5.5\) of 'signal'",
        ),
        (dimuon(others=[Sample("mc", np.ones(400))]), "'mc' of region 'dimuon' is a histogram"),
        (dimuon(breit_wigner(5.0, 0.04, 0.05)), "zfit has no relativistic Breit-Wigner with a resolution"),
    ],
)
def test_what_zfit_is_not_given_raises(r, message):
    with pytest.raises(InputError, match=message):
        unbinned_loss(None, [r], likelihood(r), [], None)


@pytest.mark.skipif(importlib.util.find_spec("zfit") is not None, reason="zfit is installed")
def test_without_zfit_the_extra_is_named():
    for ask in (fit, fit_unbinned):
        with pytest.raises(InputError, match=r"bumphunt\[zfit\]"):
            ask(dimuon(), engine="zfit")


needs_zfit = pytest.mark.skipif(importlib.util.find_spec("zfit") is None, reason="the extra zfit is not installed")

BALL = crystal_ball_gaussian((5.0, 0.04, 1.2, 2.0, 0.7, 2.0), (3.0, 6.0), tail="high")
RESONANCES = [
    Sample("jpsi", gaussian(4.5, 0.1), scale=30.0, uncertainties=[ControlRegion("side", 20, 1.5)]),
    Sample("phi", crystal_ball(5.5, 0.1, 1.0, 3.0), scale=30.0, uncertainties=[Free("phi"), LogNormal("l", 0.1)]),
    Sample("rho", gaussian(4.2, 0.1), scale=20.0, uncertainties=[ControlRegion("rho", 9), Gaussian("g", 0.2)]),
]
DESCRIBED = {
    "resonances": [
        dimuon(uncertainties=[LogNormal("e", 0.1, -0.2), SpuriousSignal("q", 9.0)], others=RESONANCES),
        dimuon(gaussian(4.8, 0.1), name="dielectron", values=[], order=1),
    ],
    "crystal balls": [
        dimuon(crystal_ball(5.0, 0.05, 1.2, 3.0), "chebyshev", 3),
        dimuon(two_sided_crystal_ball(5.0, 0.05, (1.2, 3.0), (1.5, 4.0)), "exponential", 0, name="dielectron"),
    ],
    "families": [
        dimuon(voigt(5.0, 0.04, 0.05), BackgroundModel("dijet", 2, end=7.0), uncertainties=[PeakWidth("v", 0.1)]),
        dimuon(family="logarithmic", name="dielectron"),
        dimuon(family=BackgroundModel("threshold", 1, end=3.9), name="dipion"),
    ],
    "moving": [dimuon(BALL, "exponential", 3, uncertainties=[PeakWidth("w", 0.2), PeakPosition("p", 0.01)])],
}


@pytest.mark.slow
@needs_zfit
@pytest.mark.filterwarnings("ignore")
def test_densities_of_zfit_give_the_same_likelihood():
    import zfit

    rng = np.random.default_rng(5)
    for name, regions in DESCRIBED.items():
        model = likelihood(regions)
        theta = np.array(model.start)
        theta[0] = 80.0
        parameters = [zfit.Parameter(f"t{k}", value) for k, value in enumerate(theta)]
        loss = unbinned_loss(zfit, regions, model, parameters, zfit.Parameter("count", 0.0, floating=False))
        got, want = [], []
        for _ in range(4):
            moved = theta * (1.0 + 0.05 * rng.normal(size=theta.size)) + model.measured * rng.normal()
            zfit.param.set_values(parameters, moved)
            got.append(float(loss.value(full=True)))
            want.append(values_nll(regions, moved))
        np.testing.assert_allclose(np.diff(got), np.diff(want), atol=1e-3, err_msg=name)


@needs_zfit
@pytest.mark.filterwarnings("ignore")
def test_unbinned_fits_of_zfit():
    shared = [LogNormal("luminosity", 0.1)]
    pair = [
        dimuon(crystal_ball(5.0, 0.05, 1.2, 3.0), "chebyshev", 3, bins=50, uncertainties=shared),
        dimuon(BALL, "exponential", 2, bins=50, values=VALUES[::3], name="dielectron", uncertainties=shared),
    ]
    for regions in (dimuon(), pair):
        reference, zfit = fit_unbinned(regions), fit_unbinned(regions, engine="zfit")
        assert zfit.engine == "zfit"
        assert zfit.status is FitStatus.CONVERGED
        assert zfit.names == reference.names
        assert zfit.nll == pytest.approx(reference.nll, abs=1e-6)
        assert np.all(np.abs(zfit.values - reference.values) < 1e-3 * reference.errors)
        np.testing.assert_allclose(zfit.errors, reference.errors, rtol=0.01)


@needs_zfit
@pytest.mark.filterwarnings("ignore")
def test_zfit_says_that_values_with_a_hole_are_at_the_boundary():
    rng = np.random.default_rng(1)
    last_bits = rng.permutation(WITH_HOLE) * (1.0 + 3e-16 * rng.normal(size=WITH_HOLE.size))
    for values in (WITH_HOLE, last_bits, []):  # Minuit goes three ways, the result must not
        r = dimuon(values=values, bins=50)
        reference, zfit = fit_unbinned(r), fit_unbinned(r, engine="zfit")
        assert zfit.status is FitStatus.AT_BOUNDARY
        assert zfit.n_sig == pytest.approx(reference.n_sig, abs=1e-5)
        assert zfit.nll == pytest.approx(reference.nll, abs=1e-6)


@needs_zfit
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("values", [VALUES, WITH_HOLE], ids=["inside", "at the boundary"])
def test_densities_that_contradict_the_model_have_no_minimum(values):
    other = dimuon(values=np.concatenate([values, RNG.normal(5.0, 0.05, 400)]), order=0, bins=50)
    model = unbinned_likelihood(dimuon(values=values, order=0, bins=50))
    assert fit_densities([other], model).status is FitStatus.NOT_CONVERGED
