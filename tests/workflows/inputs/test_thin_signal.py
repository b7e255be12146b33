"""A simulated mass with too few events is left out, with file and key, where enough others remain."""

from __future__ import annotations

import logging

import pytest

from bumphunt.errors import InputError

MASSES = (2, 3, 4, 5, 6, 8)


@pytest.fixture
def with_thin(own_analysis, columns):
    """Return what makes an analysis of six masses, of which some have few rows."""

    def make(rows, masses=MASSES):
        analysis = own_analysis()
        points = []
        for mass in masses:
            n = rows.get(mass, 500)
            analysis.write(f"signal_{mass}", columns(n, seed=mass, mass=float(mass)))
            points.append({"mass": float(mass), "files": [f"n/signal_{mass}.root"], "generated": 700})
        analysis.content["signal"]["points"] = points
        return analysis

    return make


def test_thin_mass_is_left_out_and_the_rows_beside_it_say_so(with_thin, caplog):
    thin = with_thin({4: 100})  # a third of the rows passes
    with caplog.at_level(logging.WARNING):
        rows = thin.limits()
    assert "n/signal_4.root: signal.points[4 GeV].files:" in caplog.text
    assert "of 4 GeV are selected in region 'all', too few for a shape: want 50; the mass is left out" in caplog.text
    flagged = {float(row["mass"]) for row in rows if "thin_signal" in row["flags"]}
    assert flagged == {mass for row in rows if 3.0 < (mass := float(row["mass"])) < 5.0}
    assert flagged
    without = with_thin({}, tuple(m for m in MASSES if m != 4)).limits()
    keys = ("mass", "xsec_ul_obs", "efficiency")
    assert [[row[key] for key in keys] for row in rows] == [[row[key] for key in keys] for row in without]


def test_masses_begin_where_the_first_of_them_is_known(with_thin):
    rows = with_thin({2: 100}).limits()
    assert float(rows[0]["mass"]) >= 3.0
    assert not any("thin_signal" in row["flags"] for row in rows)


def test_too_few_masses_that_remain_stop(with_thin):
    with pytest.raises(InputError, match=r"signal_8\.root: signal\.points\[8 GeV\]\.files: .* simulate more, or leave"):
        with_thin({8: 100}, (2, 4, 6, 8)).make("scan")


def test_file_with_hardly_a_row_is_said_by_check(with_thin, caplog):
    with caplog.at_level(logging.WARNING):
        with_thin({4: 49}).make("check")
    assert (
        "n/signal_4.root: signal.points[4 GeV].files: the 49 rows of 'zprime_4' are too few for a shape" in caplog.text
    )
