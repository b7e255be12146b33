"""Smooth backgrounds and known resonances from the YAML to the limit table: families, functions, templates, peaks."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bumphunt.errors import ConfigError
from bumphunt.models.known_peaks import known_peak
from workflows.chain import prepare, up_to
from workflows.config.file import load

SHAPE = """\
import numpy as np
from beside import MIDDLE

def shape(x, slope):
    return np.exp(slope * (x - MIDDLE))
"""
FIT = {"method": "smooth", "limit": "asymptotic", "bins_per_sigma": 2}
EXPONENTIAL = {"family": "exponential", "order": 1}


@pytest.fixture
def own(own_analysis, columns):
    """Return an analysis of 3000 events of a known resonance at 4 GeV, 0.04 GeV wide, on 2500 flat ones."""
    own = own_analysis()
    own.write("data_known", columns(3000, seed=9, mass=4.0, first=100_000))
    own.content["search"] = {"low": 3.7, "high": 4.3, "step": 2.5}
    (own.folder / "shape.py").write_text(SHAPE)
    (own.folder / "beside.py").write_text("MIDDLE = 4.0\n")
    return own


def rows(own: Any, fit: dict[str, Any], *, workers: int = 1) -> dict[float, dict[str, str]]:
    """Return the rows of the scan of one fit, by mass."""
    own.content["fit"] = FIT | fit
    own.path.write_text(yaml.safe_dump(own.content))
    for step in up_to(prepare(load(own.path), own.folder / "results", workers=workers), "limits"):
        step.run()
    with (own.folder / "results" / "limits" / "limits.csv").open() as file:
        return {round(float(row["mass"]), 2): row for row in csv.DictReader(file)}


def test_known_resonance_is_a_free_peak_in_the_windows_that_it_reaches(own):
    alone, beside = (
        rows(own, {"background": EXPONENTIAL, "peaks": peaks}) for peaks in ([], [{"mass": 4.0, "mass_error": 0.002}])
    )
    assert alone.keys() == beside.keys()
    assert abs(float(alone[3.8]["n_sig"])) > 5.0 * float(alone[3.8]["n_sig_error"])
    assert float(alone[3.9]["z0"]) > 5.0
    for mass, row in beside.items():
        if abs(mass - 4.0) > 0.06:
            assert row["valid"] == "true"
            assert abs(float(row["n_sig"])) < 3.0 * float(row["n_sig_error"])


def test_windows_end_at_excluded_masses_but_go_across_a_resonance_that_is_fitted(own):
    own.content["search"] |= {"exclude": [[3.85, 4.15]]}
    cut = rows(own, {"background": EXPONENTIAL})
    across = rows(own, {"background": EXPONENTIAL, "peaks": [{"mass": 4.0, "mass_error": 0.002}]})
    assert cut.keys() == across.keys()  # excluded masses are searched in neither
    assert not any(3.85 < mass < 4.14 for mass in cut)
    near = min(mass for mass in cut if mass > 4.1)
    assert float(cut[near]["window_lo"]) >= 4.13
    assert "one_sided" in cut[near]["flags"]
    assert float(across[near]["window_lo"]) < 3.8
    assert "one_sided" not in across[near]["flags"]


def test_function_of_a_file_is_fitted_as_the_family_that_it_is_and_is_a_dependency_of_the_scan(own):
    (own.folder / "n" / "data_known.root").unlink()
    want = rows(own, {"background": EXPONENTIAL})
    function = {"function": "shape.py:shape", "start": {"slope": 0.1}}
    got = rows(own, {"background": function}, workers=2)
    for mass, row in want.items():
        for name in ("n_sig", "n_sig_ul_obs"):
            error = 0.01 * float(row["n_sig_error"])
            assert float(got[mass][name]) == pytest.approx(float(row[name]), abs=error)
    before = {step.name: step for step in up_to(prepare(load(own.path), own.folder / "results"), "report")}
    assert not before["scan"].reasons()
    assert {Path(path).name for path in before["scan"].loaded} == {"peak.py", "shape.py", "beside.py"}
    (own.folder / "beside.py").write_text("MIDDLE = 4.5\n")
    after = {step.name: step for step in up_to(prepare(load(own.path), own.folder / "results"), "spectra")}
    assert not any(step.reasons() for step in after.values())
    scan = {step.name: step for step in up_to(prepare(load(own.path), own.folder / "results"), "scan")}["scan"]
    assert any("beside.py" in reason for reason in scan.reasons())


def test_sample_times_a_smooth_function_follows_the_sample(own, columns):
    """The resonance is in the simulated sample too: multiplied by a constant, it is no signal."""
    own.write("flat_known", columns(6000, seed=8, mass=4.0, first=200_000))
    found = rows(own, {"background": {"family": "exponential", "order": 1, "times": ["flat"]}})
    for mass in (3.8, 3.9):
        assert abs(float(found[mass]["n_sig"])) < 4.0 * float(found[mass]["n_sig_error"])


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        ({"background": {"family": "dijet"}}, r"fit.background.*'dijet' needs its end"),
        ({"background": {"family": "power", "end": 3.0}}, r"fit.background.*'power' has no end"),
        ({"background": {"family": "expo"}}, r"fit.background.family"),
        ({"background": {"times": ["flatt"]}}, r"fit.background.times: sample 'flatt' is not known; did you mean"),
        ({"background": {"start": {"a": 1.0}}}, r"'start' has first values of a, parameters of a 'function'"),
        ({"background": {"function": "shape.py:shape", "order": 2}}, r"'order' is of a family, but 'function' is"),
        ({"background": {"function": "shape.py:shape"}}, r"fit.background.function: 'shape' is called as shape\(x, \)"),
        ({"background": {"function": "shape.py:shpe"}}, r"shape.py: name 'shpe' is not known; did you mean 'shape'"),
        (
            {"background": {"function": "shape.py:shape", "start": {"slope": 0.1}}, "engine": "newton"},
            r"fit.engine = 'newton': it is compiled, and 'background.function' is Python",
        ),
        ({"background": {"times": ["flat"]}, "unbinned": True}, r"'background.times' multiplies events in bins"),
        ({"peaks": [{"mass": 4.0}], "engine": "linear"}, r"fit.engine = 'linear': peaks: known resonances have"),
        ({"peaks": ["jspi"]}, r"fit.*resonance 'jspi' is not known; did you mean 'jpsi'"),
        ({"peaks": ["upsilon1s"]}, r"upsilon1s at 9.46 GeV is outside the masses of the signal, 2 to 8 GeV"),
        ({"method": "counting", "limit": "auto", "peaks": ["jpsi"]}, r"fit.*peaks: a count has no shape"),
    ],
)
def test_what_cannot_be_is_said_with_its_key(own, fit, message):
    own.content["fit"] = FIT | fit
    own.path.write_text(yaml.safe_dump(own.content))
    with pytest.raises(ConfigError, match=message):
        load(own.path)


def test_resonances_of_a_channel_are_kept_as_far_as_the_signal_reaches(tmp_path):
    path = tmp_path / "analysis.yaml"
    content = {
        "channel": "darkphoton-dilepton",
        "regions": ["mumu"],
        "data": {"luminosity": 1.0, "simulate": {}},
        "samples": {"mumu": {"simulate": {"events": 100}}},
        "signal": {"simulate": {"events": 100, "masses": [0.9, 2.0, 3.5, 5.0, 9.9]}},
        "search": {"low": 0.95, "high": 9.8},
        "fit": {"method": "smooth", "peaks": "auto"},
    }
    path.write_text(yaml.safe_dump(content))
    names = [resonance.name for resonance in load(path).scan.method.known_peaks]
    assert names == ["phi", "jpsi", "psi2s", "upsilon1s"]
    content["fit"]["peaks"] = ["jpsi", {"mass": 10.02, "resolution": 0.05, "name": "upsilon2s"}]
    path.write_text(yaml.safe_dump(content))
    found = load(path).scan.method.known_peaks
    assert found[0] == known_peak("jpsi")
    assert (found[1].name, found[1].mass, found[1].resolution) == ("upsilon2s", 10.02, 0.05)
    assert np.isfinite(found[0].mass_error)
