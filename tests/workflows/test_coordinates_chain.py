"""Hypotheses with more than a mass: a width, a lifetime; the chain from the files to tables and figures."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import yaml

from bumphunt.errors import ConfigError
from workflows.chain import impacts, prepare, up_to
from workflows.config.file import load
from workflows.products.limit_table import summarise
from workflows.results import read_json, read_table

WITH_WIDTH = """
from dataclasses import replace
from peak import SEARCH as PEAK
from selections.search import Coordinate, Model
SEARCH = replace(
    PEAK, name="wide",
    coordinates=(Coordinate(name="width", meaning="total width over the mass", symbol=r"\\Gamma/m"),),
    model=Model(coupling="g", meaning="coupling", reference="none",
                cross_section=lambda mass, sqrt_s, *, width: 50.0 * (1 + width) + 0 * mass),
)
"""
WIDTHS = (0.0, 0.1)
MASSES = (2.0, 4.0, 6.0, 8.0)


@pytest.fixture
def wide(own_analysis, columns):
    """An analysis of which the peak is simulated with two widths, and the wider one with half the efficiency."""
    own = own_analysis()
    (own.folder / "wide.py").write_text(WITH_WIDTH)
    points = []
    for mass in MASSES:
        for width in WIDTHS:
            n = 500 if width == 0.0 else 250
            found = columns(n, seed=int(10 * mass + 100 * width), mass=mass)
            if width:
                found["mass"] = np.random.default_rng(int(mass)).normal(mass, 0.04 + 0.5 * width, n)
            own.write(f"wide_{mass:g}_{width:g}", found)
            files = [f"n/wide_{mass:g}_{width:g}.root"]
            points.append({"mass": mass, "coordinates": {"width": width}, "files": files, "generated": 700})
    own.content |= {"channel": "wide.py:SEARCH", "signal": {"points": points}}
    own.content["search"] = {"low": 2.5, "high": 7.5, "step": 10}
    return own


def test_every_width_has_its_efficiency_resolution_and_limits(wide, tmp_path):
    results = wide.make("report")
    table = read_table(results / "limits", "limits")
    assert list(table)[:2] == ["mass", "width"]
    rows = {width: {name: column[table["width"] == width] for name, column in table.items()} for width in WIDTHS}
    narrow, broad = rows[0.0], rows[0.1]
    assert narrow["mass"].size + broad["mass"].size == table["mass"].size
    assert np.all(np.diff(narrow["mass"]) > 0)
    assert np.all(narrow["valid"])
    assert np.median(broad["resolution"]) == pytest.approx(0.09, rel=0.1)
    assert np.median(narrow["resolution"]) == pytest.approx(0.04, rel=0.1)
    assert np.median(broad["efficiency"]) == pytest.approx(0.5 * np.median(narrow["efficiency"]), rel=0.1)
    # each row is that of an analysis of one width alone
    alone = [point for point in wide.content["signal"]["points"] if point["coordinates"]["width"] == 0.0]
    for point in alone:
        del point["coordinates"]
    wide.content |= {"channel": "peak.py:SEARCH", "signal": {"points": alone}, "model": "one.py:model"}
    (wide.folder / "one.py").write_text("def model(mass, sqrt_s):\n    return 50.0 + 0 * mass\n")
    by_itself = read_table(wide.make("limits") / "limits", "limits")
    for name in ("mass", "n_obs", "n_bkg", "efficiency", "xsec_ul_obs", "coupling_ul_obs", "coupling_ul_exp"):
        np.testing.assert_allclose(narrow[name], by_itself[name], rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(
        broad["coupling_ul_obs"], np.sqrt(broad["xsec_ul_obs"] / 55.0), rtol=1e-12, err_msg="the model has the width"
    )
    figures = {path.name for path in (results / "report").glob("*.png")}
    assert {"p0_width_0.1.png", "limit_coupling_width_0.png", "limit_coupling_compared.png"} <= figures
    assert "signal_width_0.1.png" in figures


def test_impacts_and_the_last_sentence_name_the_point(wide):
    results = wide.make("scan")
    job = prepare(load(wide.path), results)
    step = impacts(job, 4.0, {"width": 0.1})
    step.run()
    assert read_json(step.folder / "impacts.json")["width"] == 0.1
    with pytest.raises(ConfigError, match=r"--at: width = 0.2 is no point .* there are width = 0; width = 0.1"):
        impacts(job, 4.0, {"width": 0.2})
    with pytest.raises(ConfigError, match="did you mean 'width'"):
        impacts(job, 4.0, {"widht": 0.1})
    for last in up_to(job, "limits"):
        last.run()
    said = summarise(results / "limits", coordinates=job.analysis.about.search.coordinates, blinded=False)
    assert said.most_significant.startswith("most significant hypothesis: ")
    assert ", width = 0" in said.most_significant
    assert list(said.head)[:2] == ["mass", "width"]


def test_points_that_cannot_be_are_refused(wide):
    def refused(points, says):
        wide.content["signal"]["points"] = points
        wide.path.write_text(yaml.safe_dump(wide.content))
        with pytest.raises(ConfigError, match=says):
            load(wide.path)

    points = wide.content["signal"]["points"]
    other = [*points[:1], {**points[1], "coordinates": {"width": 0.1, "spin": 1.0}}, *points[2:]]
    refused(other, "the coordinates at 2 GeV are spin, width, those of the first point width")
    few = [point for point in points if point["mass"] != 4.0 or point["coordinates"]["width"] == 0.0]
    refused(few, r"masses \[2.0, 6.0, 8.0\] at width = 0.1 in the range of region 'all'; at least 4 are needed")


def test_coordinates_that_the_search_has_not_are_refused(wide):
    wide.content["channel"] = "peak.py:SEARCH"
    wide.path.write_text(yaml.safe_dump(wide.content))
    with pytest.raises(ConfigError, match=r"width: the hypotheses of 'peak' have no coordinate but their mass"):
        load(wide.path)
    wide.content["channel"] = "wide.py:SEARCH"
    for point in wide.content["signal"]["points"]:
        point["coordinates"] = {}
    wide.content["signal"]["points"] = wide.content["signal"]["points"][::2]
    wide.path.write_text(yaml.safe_dump(wide.content))
    with pytest.raises(ConfigError, match=r"say width, total width over the mass, which the hypotheses"):
        load(wide.path)


DISPLACED = """
from dataclasses import replace
from selections.registry import SEARCHES
from selections.search import Coordinate
DILEPTON = SEARCHES["darkphoton-dilepton"]
SEARCH = replace(DILEPTON, name="displaced", model=None, published=None, coordinates=(
    Coordinate(name="ctau", meaning="decay length", symbol=r"c\\\\tau", unit="cm", parameter="lifetime"),))
"""


def test_simulated_signals_are_made_at_every_lifetime(tmp_path):
    (tmp_path / "displaced.py").write_text(DISPLACED)
    content = {
        "channel": "displaced.py:SEARCH",
        "regions": ["mumu"],
        "beams": "babar",
        "detector": "babar",
        "data": {"luminosity": 1.0, "simulate": {"draw_from": "expectation"}},
        "samples": {"mumu": {"simulate": {"events": 10_000}}},
        "signal": {"simulate": {"events": 4_000, "masses": [2.0, 2.5, 3.0, 3.5], "coordinates": {"ctau": [0.0, 3.0]}}},
        "search": {"low": 2.0, "high": 3.5, "step": 60, "exclude": []},
        "fit": {"method": "smooth", "background": {"family": "bernstein", "order": 1}, "limit": "asymptotic"},
    }
    path = tmp_path / "displaced.yaml"
    path.write_text(yaml.safe_dump(content))
    results = tmp_path / "results"
    for step in up_to(prepare(load(path), results), "limits"):
        step.run()
    with (results / "simulate" / "samples.csv").open() as file:
        names = {row["sample"] for row in csv.DictReader(file)}
    assert {"aprime_mumu_2_ctau_0", "aprime_mumu_3.5_ctau_3"} <= names
    table = read_table(results / "limits", "limits")
    prompt, late = (table["efficiency"][table["ctau"] == value] for value in (0.0, 3.0))
    assert np.median(late) < 0.9 * np.median(prompt)  # tracks that begin far out are lost
