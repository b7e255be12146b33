"""Rows: which are valid, and which flags they carry, whatever method found their numbers."""

from dataclasses import replace

import numpy as np
import pytest

from bumphunt.errors import Flag
from bumphunt.inference.goodness import GoodnessOfFit
from bumphunt.inference.settings import LimitSettings, SignificanceSettings
from bumphunt.inference.upper_limit import UpperLimit, failed_limit
from bumphunt.models.signal import SignalModel
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion, scan_masses
from bumphunt.scanning.rows import Outcome, scan_row
from bumphunt.scanning.setting import ScanSetting
from bumphunt.scanning.spectra import checked_spectra

METHOD = Method(kind="templates")
LIMIT = UpperLimit(
    observed=7.0, expected=np.arange(5.0) + 3.0, method="cls_asymptotic", cl=0.9, valid=True, flags=("fit_at_boundary",)
)


def setting(*, blinded=False):
    limits = LimitSettings(threshold=10.0)
    return ScanSetting(
        method=METHOD, limits=limits, significance=SignificanceSettings(), seed=None, engine="auto", blinded=blinded
    )


def outcome(**change):
    """A mass of 2 GeV, 4 GeV^2 on the axis, seen by one region."""
    signal = SignalModel(
        masses=np.array([1.0, 3.0]),
        parameters=np.tile([0.0, 0.4, 5.0, 3.0, 1.0, 1.0], (2, 1)),
        errors=np.zeros((2, 6)),
        efficiencies=np.full(2, 0.1),
        efficiency_errors=np.zeros(2),
        support=(-1.0, 10.0),
    )
    region = ScanRegion(name="all", spectra=checked_spectra(None, [], [], (), np.arange(11.0)), signal=signal)
    (mass,) = scan_masses([region], [2.0], METHOD)
    found = Outcome(
        parts=mass.parts,
        edges=[np.array([-1.0, 4.0, 9.0])],
        n_obs=12.0,
        n_bkg=9.0,
        n_sig=3.0,
        n_sig_error=2.0,
        q0=2.25,
        p0=0.0668,
        p0_error=0.0,
        z0=1.5,
        limit=LIMIT,
        core=30.0,
        flags=("fit_at_boundary",),
        engine="newton",
        goodness=GoodnessOfFit(statistic=80.0, ndf=75, p_value=0.32, n_toys=0),
    )
    return replace(found, **change)


def test_row_holds_what_was_found_and_where():
    row = scan_row(outcome(), setting())
    assert (row.mass, row.window_lo, row.window_hi) == (2.0, -1.0, 3.0)
    assert (row.n_obs, row.n_bkg, row.n_sig, row.n_sig_error) == (12.0, 9.0, 3.0, 2.0)
    assert (row.q0, row.p0, row.z0) == (2.25, 0.0668, 1.5)
    assert row.efficiency == pytest.approx(0.1)
    assert row.resolution == pytest.approx(0.1, rel=0.02)  # 0.4 GeV^2 over a slope of 4 GeV
    assert (row.n_sig_ul_obs, row.n_sig_ul_exp_m2, row.n_sig_ul_exp, row.n_sig_ul_exp_p2) == (7.0, 3.0, 5.0, 7.0)
    assert (row.method, row.cl, row.valid, row.flags) == ("cls_asymptotic", 0.9, True, ("fit_at_boundary",))


def test_blinded_row_shows_no_excess():
    row = scan_row(outcome(flags=(Flag.REGION_WITHOUT_BACKGROUND,)), setting(blinded=True))
    assert (row.q0, row.p0, row.z0, row.valid) == (0.0, 0.5, 0.0, True)
    assert row.flags == ("fit_at_boundary", "region_without_background", "blinded")


@pytest.mark.parametrize(("core", "low"), [(9.9, True), (10.0, False), (np.inf, False), (np.nan, False)])
def test_few_background_events_are_flagged(core, low):
    assert ("low_counts" in scan_row(outcome(core=core), setting()).flags) == low


@pytest.mark.parametrize("blinded", [False, True])
def test_unknown_significance_is_an_invalid_row_unless_nothing_is_expected(blinded):
    unknown = {"q0": np.nan, "p0": np.nan, "z0": np.nan}
    failed = scan_row(outcome(**unknown, flags=("fit_singular",)), setting(blinded=blinded))
    assert not failed.valid
    assert "no_significance" not in failed.flags
    alone = scan_row(outcome(**unknown, core=0.0, flags=(Flag.NO_BACKGROUND,)), setting(blinded=blinded))
    assert alone.valid
    assert {"no_background", "no_significance", "low_counts"} <= set(alone.flags)
    for row in (failed, alone):
        assert np.isnan([row.q0, row.p0, row.z0]).all()


def test_failed_limit_is_an_invalid_row_that_says_why():
    row = scan_row(outcome(limit=failed_limit("cls_toys", 0.9, "toys_failed")), setting())
    assert not row.valid
    assert row.flags == ("toys_failed", "fit_at_boundary")
    assert np.isnan([row.n_sig_ul_obs, row.n_sig_ul_exp]).all()
    assert row.z0 == 1.5
