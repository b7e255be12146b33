"""Impacts against closed forms and against each other."""

import numpy as np
import pytest

from bumphunt.errors import FitError, InputError
from bumphunt.inference.fit import fit, limit
from bumphunt.models.background import BackgroundModel
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import ControlRegion, Free, Gaussian, LogNormal, PerBin
from bumphunt.scanning.impacts import impacts


def count(*uncertainties, n=110.0):
    return region("sr", counts=[n], signal=[1.0], backgrounds=Sample("b", [100.0], uncertainties=uncertainties))


def test_one_bin_shifts_are_those_of_the_background():
    row = impacts(count(Gaussian("b", 0.1))).rows[0]
    assert row.n_sig_up == pytest.approx(-10.0, rel=1e-6)
    assert row.n_sig_down == pytest.approx(10.0, rel=1e-6)
    assert row.n_sig_error == pytest.approx(10.0, rel=1e-6)
    assert (row.pull, row.constraint) == pytest.approx((0.0, 1.0), abs=1e-6)


def test_shares_and_the_statistical_error_add_in_quadrature():
    table = impacts(count(Gaussian("a", 0.1), Gaussian("b", 0.05)))
    shares = np.array([row.n_sig_error for row in table.rows])
    assert table.statistical == pytest.approx(np.sqrt(110.0), rel=1e-3)
    assert np.hypot(table.statistical, np.linalg.norm(shares)) == pytest.approx(table.n_sig_error, rel=0.01)
    assert [row.source for row in table.rows] == ["a", "b"]


def test_shift_of_the_limit_is_the_difference_without_the_source():
    with_both, without = count(Gaussian("a", 0.1), Gaussian("b", 0.05), n=100.0), count(Gaussian("a", 0.1), n=100.0)
    row = next(row for row in impacts(with_both, cl=0.95).rows if row.source == "b")
    want = limit(with_both, cl=0.95).observed - limit(without, cl=0.95).observed
    assert row.limit_obs == pytest.approx(want, rel=1e-4)  # the data are at the nominal: the pull is zero


def test_bins_of_one_source_are_one_row_and_free_coefficients_none():
    r = region(
        "sr",
        counts=[10.0, 30.0, 12.0],
        signal=[0.0, 10.0, 0.0],
        backgrounds=Sample("b", [11.0, 18.0, 12.0], uncertainties=[PerBin("bins", [1.0, 2.0, 1.0]), Free("norm")]),
    )
    table = impacts(r)
    assert [row.source for row in table.rows] == ["bins"]
    assert np.isnan(table.rows[0].n_sig_up)
    assert table.n_sig == pytest.approx(fit(r).n_sig)


def test_control_region_and_efficiency_in_two_regions():
    regions = [
        region(
            name,
            counts=[n],
            signal=Sample("s", [2.0], uncertainties=[LogNormal("efficiency", 0.1)]),
            backgrounds=Sample("b", [20.0], uncertainties=[ControlRegion("cr", 50)]),
        )
        for name, n in (("ee", 30), ("mumu", 35))
    ]
    table = impacts(regions)
    assert {row.source for row in table.rows} == {"efficiency", "cr"}
    efficiency = next(row for row in table.rows if row.source == "efficiency")
    assert efficiency.n_sig_up == pytest.approx(table.n_sig * (1 / 1.1 - 1), rel=1e-3)
    assert all(row.limit_obs > 0.0 and row.limit_exp > 0.0 for row in table.rows)


def test_failed_fit_raises_and_a_bad_level_too():
    impossible = region("i", counts=[3.0, 4.0], signal=[1.0, 0.0], backgrounds=Sample("b", [1.0, 0.0]))
    with pytest.raises(FitError, match="fit_infeasible"):
        impacts(impossible)
    with pytest.raises(InputError, match="got 2"):
        impacts(count(Gaussian("a", 0.1)), cl=2)


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_at_the_boundary_a_source_moves_by_its_width_before_the_fit(seed):
    counts = np.random.default_rng(seed).poisson(0.2, 40)
    r = region(
        "few",
        counts=counts,
        edges=np.linspace(0.0, 1.0, 41),
        signal=Sample("peak", gaussian(0.5, 0.03), uncertainties=[LogNormal("efficiency", 0.1)]),
        backgrounds=BackgroundModel("bernstein", 1),
    )
    table = impacts(r)
    (row,) = table.rows
    assert row.flags == ("fit_at_boundary",)
    assert np.isnan(row.n_sig_error)
    # the yield that fits is the same: the efficiency divides it
    assert row.n_sig_up == pytest.approx(table.n_sig * (1.0 / 1.1 - 1.0), rel=1e-4)
    assert row.n_sig_down == pytest.approx(table.n_sig * 0.1, rel=1e-4)
    assert row.limit_obs > 0.0
