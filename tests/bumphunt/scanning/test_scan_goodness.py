"""Goodness of fit in the rows of a scan: the same by all ways, a wrong background flagged, nothing where nothing is."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.errors import InputError
from bumphunt.inference.goodness import goodness_of_fit
from bumphunt.models.background import BackgroundModel
from bumphunt.models.signal import SignalModel
from bumphunt.scanning.fits import fitted_windows
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion, scan_masses
from bumphunt.scanning.scan import scan_spectra
from bumphunt.scanning.sources import Source
from bumphunt.scanning.spectra import checked_spectra
from bumphunt.spectrum.axis import MASS

EDGES = np.linspace(1.0, 3.0, 201)
CENTRES = 0.5 * (EDGES[1:] + EDGES[:-1])
SIGNAL = SignalModel(
    masses=np.array([1.0, 2.0, 3.0]),
    parameters=np.tile([0.0, 0.02, 1.5, 3.0, 0.7, 1.8], (3, 1)),
    errors=np.zeros((3, 6)),
    efficiencies=np.full(3, 0.2),
    efficiency_errors=np.full(3, 0.004),
    support=(1.0, 3.0),
    tail="low",
    axis=MASS,
)
SMOOTH = Method(kind="smooth", background=BackgroundModel("bernstein", 1), window=10.0)
SOURCE = Source(name="efficiency", efficiency=0.05)


def smooth_region(counts, **more):
    return ScanRegion(name="all", spectra=checked_spectra(counts, [], [], (), EDGES, **more), signal=SIGNAL)


def scan(counts, masses=(2.0,), method=SMOOTH, **setting):
    return scan_spectra(smooth_region(counts), masses=masses, method=method, sources=[SOURCE], **setting).points


def test_row_has_the_goodness_of_its_window_by_either_engine():
    counts = np.random.default_rng(3).poisson(80.0 - 15.0 * CENTRES)
    (mass,) = scan_masses([smooth_region(counts)], [2.0], SMOOTH, [SOURCE])
    alone = goodness_of_fit(fitted_windows(mass, SMOOTH).regions)
    for engine in ("auto", "newton", "minuit"):
        (row,) = scan(counts, engine=engine)
        assert row.gof == pytest.approx(alone.statistic, abs=1e-5)
        assert row.gof_ndf == alone.ndf
        assert row.gof_p == pytest.approx(stats.chi2.sf(row.gof, row.gof_ndf), rel=1e-6)
        assert "poor_fit" not in row.flags


def test_toys_of_small_counts_do_not_depend_on_the_engine_or_on_other_masses():
    counts = np.random.default_rng(3).poisson(4.0 - CENTRES)
    setting = {"rng": np.random.default_rng(5)}
    (row,) = scan(counts, **setting)
    assert 0.0 < row.gof_p < 1.0
    (again, _) = scan(counts, (2.0, 2.3), rng=np.random.default_rng(5))
    assert again.gof_p == row.gof_p
    (general,) = scan(counts, engine="newton", rng=np.random.default_rng(5))
    assert general.gof == pytest.approx(row.gof, abs=1e-5)
    assert general.gof_p == pytest.approx(row.gof_p, rel=0.05)  # toys of one seed, drawn at the same fit but for 1e-6


def test_wrong_background_is_flagged_beside_its_excess():
    counts = np.random.default_rng(7).poisson(np.where(np.abs(CENTRES - 2.0) < 0.08, 160.0, 60.0))
    far, near = scan(counts, (1.3, 2.0))
    assert near.gof_p < 1e-3
    assert "poor_fit" in near.flags
    assert near.valid
    assert near.z0 > 3.0
    assert "poor_fit" not in far.flags


def test_threshold_of_a_poor_fit_is_a_choice():
    counts = np.random.default_rng(3).poisson(80.0 - 15.0 * CENTRES)
    (row,) = scan(counts, method=Method(kind="smooth", background=SMOOTH.background, window=10.0, poor_fit=0.999))
    assert "poor_fit" in row.flags
    assert Method(kind="counting", poor_fit=1e-4).goodness_toys == 20_000
    with pytest.raises(InputError, match="p-value below which a fit is poor must be between 0 and 1, got 0"):
        Method(kind="counting", poor_fit=0.0)


def test_blinded_rows_and_counts_have_no_goodness():
    counts = np.random.default_rng(3).poisson(80.0 - 15.0 * CENTRES)
    region = smooth_region(counts, expectation=True)
    (blinded,) = scan_spectra(region, masses=[2.0], method=SMOOTH).points
    template = 80.0 - 15.0 * CENTRES
    spectra = checked_spectra(counts, template, 0.1 * template, (0.1,), EDGES)
    counted = ScanRegion(name="all", spectra=spectra, signal=SIGNAL)
    (count,) = scan_spectra(counted, masses=[2.0], method=Method(kind="counting")).points
    for row in (blinded, count):
        assert np.isnan(row.gof)
        assert np.isnan(row.gof_p)
        assert "poor_fit" not in row.flags
    assert count.gof_ndf == 0


def test_templates_have_degrees_of_freedom_for_their_simulated_events():
    """Bins are counts and constraints: only the strength of the signal takes a degree of freedom."""
    template = 80.0 - 15.0 * CENTRES
    counts = np.random.default_rng(4).poisson(template)
    spectra = checked_spectra(counts, template, 0.5 * template, (0.1,), EDGES)
    region = ScanRegion(name="all", spectra=spectra, signal=SIGNAL)
    (row,) = scan_spectra(region, masses=[2.0], method=Method(kind="templates", window=5.0)).points
    n_bins = int(np.diff(np.searchsorted(CENTRES, [row.window_lo, row.window_hi]))[0])
    assert row.gof_ndf == n_bins - 1
    assert row.gof_p > 1e-3


def test_unbinned_row_has_the_goodness_of_its_bins():
    values = np.random.default_rng(2).uniform(1.0, 3.0, 20_000)
    counts = np.histogram(values, EDGES)[0]
    method = Method(kind="smooth", background=SMOOTH.background, window=10.0, unbinned=True)
    (unbinned,) = scan_spectra(smooth_region(counts, values=values), masses=[2.0], method=method).points
    (binned,) = scan(counts)
    assert unbinned.gof == pytest.approx(binned.gof, abs=1e-5)
    assert unbinned.gof_ndf == binned.gof_ndf
