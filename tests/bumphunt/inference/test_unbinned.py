"""Unbinned fits against iminuit's own cost function, and against zfit where it is installed."""

import importlib.util

import numpy as np
import pytest
from iminuit import Minuit
from iminuit.cost import ExtendedUnbinnedNLL

from bumphunt.errors import InputError
from bumphunt.inference.fit import fit, significance
from bumphunt.inference.fit_result import FitStatus
from bumphunt.inference.unbinned import fit_unbinned, fit_zfit, unbinned_nll, unbinned_q0
from bumphunt.models.background import BackgroundModel, basis_cdf, basis_pdf
from bumphunt.models.peaks import crystal_ball, gaussian, two_sided_crystal_ball
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import LogNormal, PeakPosition, PeakWidth, SpuriousSignal

RNG = np.random.default_rng(3)
SUPPORT = (4.0, 6.0)
VALUES = np.concatenate([RNG.uniform(*SUPPORT, 1500), RNG.normal(5.0, 0.05, 120)])


def dimuon(peak=None, family="bernstein", order=2, uncertainties=(), bins=400):
    return region(
        "dimuon",
        values=VALUES,
        edges=np.linspace(*SUPPORT, bins + 1),
        signal=Sample("signal", peak or gaussian(5.0, 0.05), uncertainties=uncertainties),
        backgrounds=BackgroundModel(family, order),
    )


@pytest.mark.parametrize("family", ["bernstein", "chebyshev"])
def test_fit_is_that_of_iminuit_cost(family):
    model, peak = BackgroundModel(family, 2), gaussian(5.0, 0.05)

    def density(x, s, a, b, c):
        total = s * np.diff(peak.cdf(SUPPORT))[0] + np.array([a, b, c]) @ basis_cdf(model, 6.0, SUPPORT)
        return total, s * peak.pdf(x) + np.array([a, b, c]) @ basis_pdf(model, x, SUPPORT)

    start = (100.0, 1500.0, 0.0, 0.0) if family == "chebyshev" else (100.0, 500.0, 500.0, 500.0)
    reference = Minuit(ExtendedUnbinnedNLL(VALUES, density), *start)
    reference.migrad()
    reference.hesse()
    got = fit_unbinned(dimuon(family=family))
    assert got.status is FitStatus.CONVERGED
    assert got.n_sig == pytest.approx(reference.values["s"], abs=2e-3 * got.n_sig_error)
    assert got.n_sig_error == pytest.approx(reference.errors["s"], rel=5e-3)


def test_fine_bins_lose_nothing():
    unbinned, binned = fit_unbinned(dimuon()), fit(dimuon())
    assert unbinned.n_sig == pytest.approx(binned.n_sig, abs=0.05 * binned.n_sig_error)
    assert unbinned_q0(dimuon()) == pytest.approx(significance(dimuon()).q0, rel=0.05)


def test_constraints_and_moving_peaks_are_those_of_fine_bins():
    sources = [PeakPosition("p", 0.02), PeakWidth("w", 0.2), LogNormal("e", 0.1), SpuriousSignal("q", 10.0)]
    r = dimuon(uncertainties=sources, family="exponential", order=1)
    unbinned, binned = fit_unbinned(r), fit(r)
    assert unbinned.names == binned.names
    np.testing.assert_allclose(unbinned.values, binned.values, atol=0.15 * np.max(binned.errors[1:]), rtol=0.05)
    assert unbinned.n_sig_error == pytest.approx(binned.n_sig_error, rel=0.05)


def test_likelihood_differences_are_those_of_fine_bins():
    from bumphunt.models.likelihood import likelihood

    r = dimuon(bins=20_000)
    model = likelihood(r)
    a, b = model.start + np.array([50.0, 0.0, 0.05, 0.0]), model.start + np.array([80.0, 0.1, 0.0, 0.0])
    want = model.nll(a) - model.nll(b)
    assert unbinned_nll(r, a) - unbinned_nll(r, b) == pytest.approx(want, abs=0.02)


def test_negative_density_is_infinitely_unlikely():
    assert unbinned_nll(dimuon(), np.array([0.0, -1.0, -1.0, -1.0])) == np.inf


def test_counts_without_values_raise():
    binned = region("r", counts=[3.0, 4.0], signal=[1.0, 1.0], backgrounds=Sample("b", [3.0, 4.0]))
    with pytest.raises(InputError, match="2 binned counts, no values"):
        fit_unbinned(binned)


def test_histogram_has_no_density():
    r = region(
        "r", values=[0.5, 1.5], edges=[0.0, 1.0, 2.0], signal=gaussian(1.0, 0.3), backgrounds=Sample("b", [3.0, 4.0])
    )
    with pytest.raises(InputError, match="'b' of region 'r' is a histogram"):
        fit_unbinned(r)


@pytest.mark.skipif(importlib.util.find_spec("zfit") is not None, reason="zfit is installed")
def test_without_zfit_the_extra_is_named():
    with pytest.raises(InputError, match=r"bumphunt\[zfit\]"):
        fit_zfit(dimuon())


needs_zfit = pytest.mark.skipif(importlib.util.find_spec("zfit") is None, reason="the extra zfit is not installed")


@needs_zfit
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("peak", "family", "order"),
    [
        (gaussian(5.0, 0.05), "chebyshev", 2),
        (gaussian(5.0, 0.05), "bernstein", 2),
        (crystal_ball(5.0, 0.05, 1.2, 3.0, tail="high"), "exponential", 1),
        (two_sided_crystal_ball(5.0, 0.05, (1.2, 3.0), (1.5, 4.0)), "bernstein", 1),
    ],
)
def test_zfit_finds_the_same_signal(peak, family, order):
    r = dimuon(peak, family, order, bins=50)
    for ours, theirs in ((fit_unbinned(r), fit_zfit(r)), (fit(r), fit_zfit(r, binned=True))):
        assert theirs.status is FitStatus.CONVERGED
        assert ours.n_sig == pytest.approx(theirs.n_sig, abs=5e-3 * ours.n_sig_error)
        assert ours.n_sig_error == pytest.approx(theirs.n_sig_error, rel=0.01)


@needs_zfit
@pytest.mark.filterwarnings("ignore")
def test_what_zfit_is_not_given_raises():
    with pytest.raises(InputError, match="no uncertainties"):
        fit_zfit(dimuon(uncertainties=[LogNormal("e", 0.1)]))
    with pytest.raises(InputError, match="not given here"):
        fit_zfit(dimuon(family="exponential", order=3))
