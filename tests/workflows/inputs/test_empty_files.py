"""A file whose tree has no rows is fully processed: it changes no number."""

from __future__ import annotations

import logging

import pytest

from bumphunt.errors import IncompleteError, NtupleError


@pytest.fixture
def two(own_analysis, columns):
    """Two equal analyses, and the columns of a file without rows."""
    return own_analysis(), own_analysis(), columns(0)


@pytest.mark.parametrize("allow_missing", [False, True])
def test_empty_files_beside_others_change_no_number(two, allow_missing):
    plain, more, empty = two
    for name in ("data_none", "flat_0", "signal_4_none"):
        more.write(name, empty)
    rows = more.limits(allow_missing=allow_missing)
    assert rows == plain.limits(allow_missing=allow_missing)
    assert len(rows) > 2
    assert not any("incomplete" in row["flags"] for row in rows)


def test_data_without_any_row_are_zero_events_of_the_whole_luminosity(two, caplog):
    plain, without, empty = two
    without.write("data", empty)
    with caplog.at_level(logging.WARNING):
        rows = without.limits()
    assert "no file of sample 'data' has a row" in caplog.text
    for row, full in zip(rows, plain.limits(), strict=True):
        assert row["n_obs"] == "0"
        assert [row[name] for name in ("mass", "n_bkg", "xsec_ul_exp")] == [
            full[name] for name in ("mass", "n_bkg", "xsec_ul_exp")
        ]


def test_background_without_any_row_adds_nothing(two):
    plain, more, empty = two
    more.write("none", empty)
    more.content["samples"]["none"] = {"files": ["n/none.root"], "luminosity": 3.0}
    columns = ("mass", "n_obs", "n_bkg", "z0", "xsec_ul_obs")
    assert [[row[c] for c in columns] for row in more.limits()] == [[r[c] for c in columns] for r in plain.limits()]


def test_signal_without_any_row_is_refused(two):
    _, analysis, empty = two
    analysis.write("signal_6", empty)
    with pytest.raises(NtupleError, match=r"signal_6\.root: sample '.*6' has no row in any file.*leave it out"):
        analysis.make("process")


def test_lost_file_beside_empty_ones_is_no_complete_sample(two):
    _, analysis, empty = two
    analysis.write("data", empty)
    (analysis.folder / "n" / "data_lost.root").write_bytes(b"root")
    with pytest.raises(NtupleError, match=r"data_lost\.root: is no ROOT file"):
        analysis.make("process")
    with pytest.raises(IncompleteError, match=r"sample 'data': 0 of 0 rows were processed; .*data_lost\.root"):
        analysis.make("process", allow_missing=True)
