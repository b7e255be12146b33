"""Blinded data of which each hypothesis sees what lies beside its own peak."""

import numpy as np
import pytest
from iminuit import Minuit

from bumphunt.errors import Flag
from bumphunt.models.background import BackgroundModel, integrals
from bumphunt.models.given_signal import GivenSignal
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion
from bumphunt.scanning.scan import scan_spectra
from bumphunt.scanning.sidebands import HIDDEN, sideband_fit
from bumphunt.scanning.spectra import checked_spectra

EDGES = np.linspace(1.0, 5.0, 401)
MASSES = np.array([2.5, 2.7])
SIGMA = 0.03


def signal():
    m = np.linspace(1.5, 4.5, 11)
    return GivenSignal(masses=m, resolutions=np.full(11, SIGMA), efficiencies=np.full(11, 1.0), tails=np.empty((11, 0)))


def counts(seed=1, slope=0.6, scale=300.0):
    expected = scale * np.exp(-slope * 0.5 * (EDGES[1:] + EDGES[:-1]))
    return np.random.default_rng(seed).poisson(expected).astype(float)


def scan(n, *, masses=MASSES, sidebands=True, background=None):
    spectra = checked_spectra(n, [], [], (), EDGES, sidebands=sidebands)
    method = Method(kind="smooth", background=background or BackgroundModel("bernstein", 2))
    return scan_spectra(ScanRegion(name="all", spectra=spectra, signal=signal()), masses=masses, method=method)


def hidden(mass):
    """The bins that a hypothesis of this mass does not see."""
    return (EDGES[1:] > mass - HIDDEN * SIGMA + 1e-9) & (EDGES[:-1] < mass + HIDDEN * SIGMA - 1e-9)


@pytest.mark.parametrize(
    ("family", "order"), [("bernstein", 2), ("chebyshev", 3), ("exponential", 1), ("exponential", 2)]
)
def test_fit_to_sidebands_is_that_of_minuit(family, order):
    edges, background = EDGES[150:251], BackgroundModel(family, order)
    n = counts()[150:250]
    beside = np.ones(100, dtype=bool)
    beside[42:58] = False
    found = sideband_fit(background, n, edges, beside)

    def nll(c):
        mu = integrals(background, c, edges)[0][beside]
        return 2 * float(np.sum(mu - n[beside] * np.log(mu))) if np.all(mu > 0) else 1e12

    start = np.full(order + 1, n.sum() / (order + 1)) if family == "bernstein" else np.zeros(order + 1)
    if family == "chebyshev":
        start[0] = n.sum()
    if family == "exponential":
        start[0] = np.log(n.sum())
    fit = Minuit(nll, start)
    fit.errordef, fit.strategy, fit.tol = Minuit.LIKELIHOOD, 2, 1e-3
    fit.migrad(ncall=20_000)
    assert fit.valid
    np.testing.assert_allclose(found, integrals(background, np.array(fit.values), edges)[0], rtol=1e-3)


def test_nothing_of_a_row_depends_on_what_is_under_its_peak():
    n = counts()
    bumped = n.copy()
    bumped[hidden(MASSES[0])] += 1000.0
    first, second = scan(n).points[0], scan(bumped).points[0]
    assert first == second
    assert Flag.BLINDED in first.flags
    assert (first.q0, first.p0, first.z0) == (0.0, 0.5, 0.0)
    assert first.valid
    # beside the other peak it is seen
    assert scan(bumped).points[1] != scan(n).points[1]


def test_expected_limit_is_that_of_the_data_where_there_is_no_signal():
    n = counts(scale=3000.0)
    blind, seen = scan(n), scan(n, sidebands=False)
    for one, other in zip(blind.points, seen.points, strict=True):
        assert one.n_sig_ul_exp == pytest.approx(other.n_sig_ul_exp, rel=0.02)
        assert one.n_bkg == pytest.approx(other.n_obs, rel=0.02)


def test_without_events_beside_there_is_no_expectation():
    n = counts()
    n[EDGES[:-1] < 2.9] = 0.0
    first, second = scan(n, masses=[2.2, 4.0]).points
    assert Flag.NO_EXPECTATION in first.flags
    assert not first.valid
    assert np.isnan([first.n_obs, first.n_bkg, first.n_sig_ul_exp, first.p0]).all()
    assert (first.efficiency, first.resolution) == (1.0, SIGMA)
    assert second.valid


def test_blinded_scan_without_samples_has_no_expectation():
    for point in scan(None, sidebands=False).points:
        assert set(point.flags) == {Flag.NO_EXPECTATION, Flag.BLINDED}
        assert not point.valid


def test_too_few_bins_beside_cannot_be_fitted():
    beside = np.zeros(10, dtype=bool)
    beside[:3] = True
    edges = np.linspace(0.0, 1.0, 11)
    assert sideband_fit(BackgroundModel("bernstein", 2), np.full(10, 50.0), edges, beside) is None
