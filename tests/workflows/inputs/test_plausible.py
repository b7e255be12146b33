"""Numbers that the files contradict are said with file and key."""

from __future__ import annotations

import numpy as np
import pytest

from bumphunt.errors import ConfigError, NtupleError
from workflows.inputs import plausible


def test_analysis_in_order_is_not_doubted(own_analysis, said):
    assert said(own_analysis()) == ""


@pytest.mark.parametrize(("luminosity", "total"), [(2.0e-6, 2.5e9), (2.0e6, 0.0025)])
def test_nb_for_fb_is_said_with_file_and_key(own_analysis, said, luminosity, total):
    analysis = own_analysis()
    analysis.content["samples"]["flat"]["luminosity"] = luminosity
    text = said(analysis)
    assert "n/data.root: 2500 rows of data before cuts in all" in text
    assert f"the samples add up to {total:.4g}, {total:.4g} of them from 'flat'" in text
    assert "samples.flat, luminosity [fb^-1] or cross_section [fb] and generated right?" in text


@pytest.mark.parametrize(("factor", "doubted"), [(9.9, False), (10.1, True), (0.101, False), (0.099, True)])
def test_samples_may_be_off_by_a_factor_of_ten(own_analysis, said, factor, doubted):
    analysis = own_analysis()
    # 5000 rows, half of which are expected in 2500 rows of data at twice the luminosity
    analysis.content["samples"]["flat"]["luminosity"] = 2.0 / factor
    assert ("add up to" in said(analysis)) == doubted


def test_weights_count_in_the_sum_and_chunks_do_not(own_analysis, columns, said, monkeypatch):
    monkeypatch.setattr(plausible, "CHUNK_ROWS", 700)
    analysis = own_analysis()
    analysis.write("flat", columns(5000, seed=2) | {"__weight__": np.full(5000, 30.0)})
    assert "the samples add up to 7.5e+04" in said(analysis)


def test_cross_section_in_nb_is_said(own_analysis, said):
    analysis = own_analysis()
    analysis.content["samples"]["flat"] = {"files": ["n/flat.root"], "cross_section": 0.0025, "generated": 5000}
    assert "the samples add up to 0.0025" in said(analysis)


@pytest.mark.parametrize("kind", ["signal", "background"])
def test_far_more_rows_than_were_generated_are_refused(own_analysis, said, kind):
    analysis = own_analysis()
    if kind == "signal":
        section, key, name = analysis.content["signal"]["points"][1], r"signal\.points\[4 GeV\]\.generated", "signal_4"
        rows = 500
    else:
        section = analysis.content["samples"]["flat"]
        del section["luminosity"]
        section["cross_section"], key, name, rows = 2500.0, r"samples\.flat\.generated", "flat", 5000
    section["generated"] = rows / 9.9  # several candidates an event
    said(analysis)
    section["generated"] = rows / 10.1
    with pytest.raises(
        NtupleError, match=rf"{name}\.root: {key} = .*, but the {rows} rows of '.*' have weights of {rows}"
    ):
        analysis.make("check")


def test_file_that_cannot_be_read_is_not_doubted_where_it_may_be_missing(own_analysis, said):
    analysis = own_analysis()
    path = analysis.folder / "n" / "flat.root"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    (analysis.folder / "n" / "flat_more.root").write_bytes(content)
    assert "add up to" not in said(analysis, allow_missing=True)


def test_damaged_weights_stop_or_are_missing(own_analysis, said, monkeypatch):
    def damaged(*_):
        msg = "n/flat.root: tree 'events' cannot be read, the file is damaged"
        raise NtupleError(msg)

    monkeypatch.setattr(plausible, "read_entries", damaged)
    with pytest.raises(NtupleError, match="damaged"):
        own_analysis().make("check")
    assert "add up to" not in said(own_analysis(), allow_missing=True)


def test_name_that_nothing_reads_is_said_with_the_nearest(own_analysis, said):
    analysis = own_analysis()
    analysis.content["ntuples"] = {"names": {"photon": "photons", "mass": "mass", "__weight__": "__weight__"}}
    text = said(analysis)
    assert "ntuples.names: nothing in the regions of this analysis reads 'photon'; did you mean 'photons'?" in text
    assert text.count("nothing in the regions") == 1


@pytest.mark.parametrize(
    ("section", "change", "key"),
    [
        (
            "data",
            {"luminosity_uncertainty": 6.0},
            r"data\.luminosity_uncertainty: 6 is more than 100 %; .*0\.06 for 6 %",
        ),
        ("signal", {"uncertainty": 15}, r"signal\.uncertainty: 15 is more"),
        (
            "samples",
            {"flat": {"files": ["f"], "luminosity": 1, "uncertainty": 1.01}},
            r"samples\.flat\.uncertainty: 1\.01",
        ),
        ("systematics", {"trigger": {"efficiency": -2.0}}, r"systematics\.trigger\.efficiency: -2 is more"),
        ("systematics", {"width": {"signal_width": 5.0}}, r"systematics\.width\.signal_width: 5 is more"),
        ("systematics", {"b": {"background": {"flat": 20.0}}}, r"systematics\.b\.background\.flat: 20 is more"),
        ("systematics", {"b": {"background_slope": {"flat": 3.0}}}, r"systematics\.b\.background_slope\.flat: 3 is"),
        ("factors", {"k": {"value": 1.0, "uncertainty": 3.0}}, r"factors\.k\.uncertainty: 3 is more"),
        ("optimise", {"background_uncertainty": 22}, r"optimise\.background_uncertainty: 22 is more"),
    ],
)
def test_relative_uncertainty_above_one_is_refused_with_its_key(own_analysis, section, change, key):
    analysis = own_analysis()
    analysis.content[section] = (analysis.content.get(section) or {}) | change
    with pytest.raises(ConfigError, match=key):
        analysis.make("check")
