"""`bumphunt fit`: the window of one mass as tables and a figure; refusals; the largest excesses of a run."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import yaml

from bumphunt.errors import ConfigError
from workflows.chain import fit, fits_of_excesses, prepare, up_to
from workflows.config.file import load
from workflows.results import read_json, read_table

FIT = {"method": "smooth", "background": {"family": "bernstein", "order": 1}, "limit": "asymptotic"}


def job_of(analysis, **content):
    analysis.content |= {"search": {"low": 2.5, "high": 7.5, "step": 40}, "fit": FIT} | content
    analysis.path.write_text(yaml.safe_dump(analysis.content))
    return prepare(load(analysis.path), analysis.folder / "results")


def test_fit_writes_its_window_and_run_those_of_the_largest_excesses(own_analysis):
    job = job_of(own_analysis())
    for step in up_to(job, "limits"):
        step.run()
    wanted = fit(job, 5.0)
    wanted.run()
    found = read_json(wanted.folder / "fit.json")
    with (wanted.folder / "bins_all.csv").open() as file:
        bins = list(csv.DictReader(file))
    expected = sum(float(row["peak"]) + float(row["smooth"]) for row in bins)
    assert expected == pytest.approx(sum(float(row["counts"]) for row in bins), rel=1e-4)  # as any polynomial's fit
    assert found["parameters"]["parameter"][0] == "strength"
    assert found["parameters"]["constraint"][0] == "free"
    assert "goodness of fit" in found["said"]
    assert (wanted.folder / "fit.png").stat().st_size > 10_000
    limits = read_table(job.of("limits"), "limits")
    steps = fits_of_excesses(job)
    assert 0 < len(steps) <= 5
    best = limits["mass"][np.argmax(limits["z0"])]
    assert steps[0].folder.name == f"{best:.6g}"


def test_blinded_window_is_the_expectation_and_says_so(own_analysis):
    analysis = own_analysis()
    analysis.content["data"]["pseudo"] = False
    job = job_of(analysis)
    for step in up_to(job, "scan"):
        step.run()
    wanted = fit(job, 5.0)
    wanted.run()
    assert "blinded: an expectation stands in the place of the data" in read_json(wanted.folder / "fit.json")["said"]
    assert fits_of_excesses(job) == []


@pytest.mark.parametrize(
    ("content", "mass", "reason"),
    [
        ({"fit": {"method": "counting"}}, 5.0, "takes counts .fit.method: counting., which are not fitted"),
        ({}, 9.0, "--mass 9: the search of .* goes from 2.5 to 7.5 GeV"),
        ({"search": {"low": 2.5, "high": 7.5, "exclude": [[4.0, 6.0]]}}, 5.0, "4 to 6 GeV are not searched"),
    ],
)
def test_what_has_no_window_is_refused_with_the_reason(own_analysis, content, mass, reason):
    with pytest.raises(ConfigError, match=reason):
        fit(job_of(own_analysis(), **content), mass)
