"""`bumphunt study`: verdicts and files of each study, the same after any end; blinding; exact counts; refusals."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from bumphunt.errors import ConfigError
from bumphunt.studies.studies import CRITERIA, STUDIES
from bumphunt.studies.toys import FittedToys
from workflows import cli
from workflows.chain import hide_unblinded, prepare, study, up_to
from workflows.config.file import load
from workflows.products.study_table import printed_findings
from workflows.results import read_json
from workflows.running.blocks import Blocks

SMOOTH = {"method": "smooth", "background": {"family": "bernstein", "order": 2}, "limit": "asymptotic"}


@pytest.fixture(scope="module")
def analysis(tmp_path_factory) -> Path:
    """Return the YAML of a search in a column of masses, scanned already."""
    folder = tmp_path_factory.mktemp("study")
    masses = 1.0 + np.random.default_rng(4).exponential(2.0, 60_000)
    np.savetxt(folder / "data.csv", masses[masses < 8.0], header="M", comments="", fmt="%.5f")
    content = {
        "channel": "spectrum",
        "data": {"files": ["data.csv"], "column": "M"},
        "signal": {"resolution": "0.01 * mass"},
        "search": {"low": 2.0, "high": 5.0, "step": 20},
        "fit": SMOOTH,
        "unblind": True,
    }
    path = folder / "analysis.yaml"
    path.write_text(yaml.safe_dump(content))
    for step in up_to(job_of(path), "scan"):
        step.run()
    return path


def job_of(path: Path, **more: object):
    return prepare(load(path), path.parent / "results", **more)


@pytest.mark.parametrize("name", STUDIES)
def test_each_study_writes_a_table_a_figure_and_a_verdict(analysis, name, monkeypatch, capsys):
    output = ("--output", str(analysis.parent / "results"), "--toys", "60", "--mass", "3")
    monkeypatch.setattr(sys, "argv", ["bumphunt", "study", name, str(analysis), *output])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    folder = analysis.parent / "results" / "study" / name
    found = read_json(folder / f"{name}.json")
    assert ended.value.code == (1 if found["verdict"] == "failed" else 0)
    assert {path.name for path in folder.iterdir()} == {
        *(f"{name}.{kind}" for kind in ("csv", "json", "png", "pdf")),
        "provenance.json",
    }
    assert found["criterion"] == CRITERIA[name]
    assert set(found["findings"]["mass"]) == {3.0}
    assert set(found["findings"]["verdict"]) <= {"passed", "undecided", "failed", "not judged"}
    said = " ".join(capsys.readouterr().out.split())
    assert f"{name}: {found['verdict']}" in said
    assert CRITERIA[name].split(",")[0] in said


def test_toys_of_a_run_that_ended_are_kept_and_the_result_is_the_same(analysis):
    def ended(task: str, done: int, total: int) -> None:
        if "toys" in task:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study(job_of(analysis, progress=ended), "pulls", (3.5,), n_toys=700).run()
    step = study(job_of(analysis), "pulls", (3.5,), n_toys=700)
    (kept,) = step.folder.parent.glob(".pulls.*.partial/.blocks/toys/*.block")
    blocks = Blocks(folder=kept.parent, types=(FittedToys,))
    first = blocks.read(kept.stem)
    blocks.write(kept.stem, replace(first, pull=first.pull + 100.0))  # so that it is seen where it is used
    step.run()
    marked = read_json(step.folder / "pulls.json")["findings"]["value"]
    shutil.rmtree(step.folder)
    step.run()
    again = read_json(step.folder / "pulls.json")["findings"]["value"]
    assert marked[0] - again[0] == pytest.approx(100.0 * len(first) / 700, rel=1e-9)
    assert marked[2:] == again[2:]


def test_masses_are_spread_over_the_scan_unless_named(analysis):
    step = study(job_of(analysis), "pulls", n_toys=20)
    step.run()
    masses = sorted(set(read_json(step.folder / "pulls.json")["findings"]["mass"]))
    assert len(masses) == 5
    assert 2.0 <= masses[0] < 2.4
    assert 4.0 < masses[-1] <= 5.0


def test_blinded_study_says_nothing_of_data_and_others_are_removed(own_analysis):
    own = own_analysis()
    own.content |= {"search": {"low": 2.5, "high": 7.5, "step": 40}, "fit": SMOOTH}
    own.content["data"]["pseudo"] = False
    own.path.write_text(yaml.safe_dump(own.content))
    job = prepare(load(own.path), own.folder / "results")
    unblinded = own.folder / "results" / "study" / "pulls"
    unblinded.mkdir(parents=True)
    hide_unblinded(job)
    assert not unblinded.exists()
    for step in (*up_to(job, "scan"), wanted := study(job, "gof", (5.0,), n_toys=50)):
        step.run()
    hide_unblinded(job)
    found = read_json(wanted.folder / "gof.json")
    assert found["blinded"]
    assert found["findings"]["quantity"] == ["p < 0.05"]
    assert found["findings"]["truth"] == ["fit to the expectation"]


def test_limits_of_counts_cover_exactly(own_analysis):
    own = own_analysis()
    own.content |= {"search": {"low": 2.5, "high": 7.5, "step": 40}, "fit": {"method": "counting"}}
    own.path.write_text(yaml.safe_dump(own.content))
    job = prepare(load(own.path), own.folder / "results")
    for step in (*up_to(job, "scan"), wanted := study(job, "coverage", (5.0,), n_toys=50)):
        step.run()
    found = read_json(wanted.folder / "coverage.json")
    assert found["verdict"] == "passed"
    assert set(found["findings"]["n_toys"]) == {0}
    assert min(found["findings"]["value"]) >= 0.9
    with pytest.raises(ConfigError, match="which have no background that a fit could take for a signal"):
        study(job, "bias")
    with pytest.raises(ConfigError, match="which have no goodness of fit"):
        study(job, "gof")
    with pytest.raises(ConfigError, match="which have no background that a fit"):
        study(job, "background")
    with pytest.raises(ConfigError, match="which are not fitted: 'bumphunt study coverage' says"):
        study(job, "pulls")


@pytest.mark.parametrize(
    ("masses", "beside", "toys", "reason"),
    [
        ((9.0,), {}, 100, "--mass 9: the search of .* goes from 2 to 5 GeV"),
        ((3.0,), {}, 1, "--toys 1: an error needs two toys at the least"),
        ((3.0,), {"width": 1.0}, 100, "--at width: coordinate 'width' is not known"),
    ],
)
def test_what_cannot_be_studied_is_refused_with_the_reason(analysis, masses, beside, toys, reason):
    with pytest.raises(ConfigError, match=reason):
        study(job_of(analysis), "pulls", masses, beside, toys)


def test_printed_numbers_have_the_digits_of_their_errors():
    one = {"mass": 3.0, "truth": "fit to the data", "n_sigma": 3.0, "quantity": "pull mean", "verdict": "passed"}
    numbers = [
        (0.01234, 0.0456, -0.05, 0.05),
        (0.93, 0.0, 0.89, None),
        (None, None, 0.95, 1.05),
        (4.0, 0.0, None, None),
    ]
    findings: dict[str, list[object]] = {name: [value] * len(numbers) for name, value in one.items()}
    findings |= dict(zip(("value", "error", "low", "high"), map(list, zip(*numbers, strict=True)), strict=True))
    header, rows = printed_findings(json.loads(json.dumps(findings)))
    assert header[3:5] == ("value", "allowed")
    assert [row[3:5] for row in rows] == [
        ("0.012 +- 0.046", "+-0.05"),
        ("0.93", "from 0.89"),
        ("", "0.95 to 1.05"),
        ("4", ""),
    ]
    assert rows[0][1] == "data, 3 sigma"
