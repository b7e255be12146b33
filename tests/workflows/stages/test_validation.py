"""The validation page: table, figures and one file of HTML, the same for any number of workers."""

import csv
import re
import sys

import matplotlib.image
import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.montecarlo.validation import studies
from bumphunt.montecarlo.validation.findings import Check
from workflows import cli
from workflows.stages.studying import validate as validation
from workflows.stages.studying.validate import is_far, validate

FEW = ("resonances", "tau_spectra", "dimuon_resolution")
EVENTS = 5000


@pytest.fixture
def few_studies(monkeypatch):
    kept = {name: study for name, study in studies.STUDIES.items() if name in FEW}
    monkeypatch.setattr(validation, "STUDIES", kept)


@pytest.mark.usefixtures("few_studies")
def test_page_holds_every_number_and_every_figure(tmp_path):
    steps = []
    checks = validate(tmp_path, events=EVENTS, progress=lambda *step: steps.append(step))
    assert steps == [("validate", i, len(FEW)) for i in range(1, len(FEW) + 1)]
    with (tmp_path / "validation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["quantity"] for row in rows] == [check.quantity for check in checks]
    for row, check in zip(rows, checks, strict=True):
        assert float(row["ratio"]) == pytest.approx(check.value / check.reference, rel=1e-5)
        assert float(row["error"]) >= 0
        assert row["source"]
    page = (tmp_path / "validation.html").read_text()
    for check in checks:
        assert check.quantity.replace(">", "&gt;").replace("<", "&lt;").replace("'", "&#39;") in page
    figures = ["ratios", "tau_muon_spectrum", "dimuon_resolution"]
    assert re.findall(r'alt="(\w+)"', page) == figures
    assert page.count("data:image/png;base64,") == len(figures)
    assert not re.findall(r'(?:src|href)="(?!data:)', page)  # nothing from elsewhere
    for name in figures:
        image = matplotlib.image.imread(tmp_path / f"{name}.png")
        assert np.mean(image[..., :3] < 0.9) > 0.002
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.slow
@pytest.mark.usefixtures("few_studies")
def test_numbers_do_not_depend_on_the_number_of_workers(tmp_path):
    one, two = (validate(tmp_path / str(n), events=2000, workers=n) for n in (1, 2))
    assert one == two
    tables = [(tmp_path / str(n) / "validation.csv").read_bytes() for n in (1, 2)]
    assert tables[0] == tables[1]


def test_too_few_events_raise_and_leave_no_page(tmp_path):
    with pytest.raises(InputError, match="events = 1"):
        validate(tmp_path, events=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "error", "far"), [(1.0, 0.0, False), (1.2, 0.01, True), (1.2, 0.1, False), (0.92, 0.001, False)]
)
def test_far_is_by_more_than_statistics_and_ten_per_cent(value, error, far):
    assert is_far(Check(quantity="q", value=value, error=error, unit="", reference=1.0, source="s")) is far


def answer(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["bumphunt", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    streams = capsys.readouterr()
    return exit_.value.code or 0, streams.out, streams.err


@pytest.mark.usefixtures("few_studies")
def test_command_needs_no_yaml(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(validate.__kwdefaults__, "events", 2000)
    status, out, _ = answer(monkeypatch, capsys, "simulate", "--validate", "--output", tmp_path / "page")
    assert status == 0
    assert "validation.html" in out
    assert "jpsi" in out
    assert (tmp_path / "page" / "validation.html").exists()


@pytest.mark.parametrize("arguments", [(), ("a.yaml", "--validate")])
def test_either_a_yaml_or_validate(monkeypatch, capsys, arguments):
    status, _, err = answer(monkeypatch, capsys, "simulate", *arguments)
    assert status == 2
    assert "either an analysis" in err
