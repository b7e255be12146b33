"""The chain from simulation to the limit table: complete, blind, made once, independent of workers."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from bumphunt.errors import NtupleError
from bumphunt.kinematics.momenta import BEAMS
from bumphunt.theory.zprime import branching_ratio_invisible, cross_section
from workflows import cli
from workflows.chain import hide_unblinded, prepare, up_to
from workflows.config.file import load
from workflows.products.limit_table import limit_columns
from workflows.products.selected import read_selected

COUPLING = 0.7
MASSES = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]
ANALYSIS = {
    "channel": "zprime-invisible",
    "seed": 5,
    "data": {
        "luminosity": 0.276,
        "luminosity_uncertainty": 0.007,
        "simulate": {"inject": [{"mass": 3.0, "coupling": COUPLING}]},
    },
    "samples": {
        name: {"simulate": {"events": events}, "uncertainty": 0.2}
        for name, events in (("mumu", 100_000), ("tautau", 150_000), ("eemumu", 100_000))
    },
    "signal": {"simulate": {"events": 15_000, "masses": MASSES}, "uncertainty": 0.15},
    "factors": {"data/simulation": {"value": 0.65}},
    "search": {"low": 1.0, "high": 4.0},
    "optimise": {"cuts": "smooth"},
    "fit": {"method": "counting"},
}


def make(path: Path, folder: Path, *, verb: str = "report", workers: int = 1, allow_missing: bool = False) -> list[str]:
    """Make the stages up to a verb; return the names of those that had to be made."""
    job = prepare(load(path), folder, workers=workers, allow_missing=allow_missing)
    return [step.name for step in up_to(job, verb) if step.run()]


def write(path: Path, **changes) -> Path:
    path.write_text(yaml.safe_dump(ANALYSIS | changes))
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """Return the folder of a finished analysis; its YAML lies beside it."""
    folder = tmp_path_factory.mktemp("chain")
    made = make(write(folder / "analysis.yaml"), folder / "results")
    assert made == ["simulate", "check", "process", "optimise", "spectra", "scan", "limits", "report"]
    return folder / "results"


def table(folder: Path) -> dict[str, list[str]]:
    with (folder / "limits" / "limits.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def reading_free(flags: str) -> str:
    """Return the flags of a row without those of what its coupling is read as."""
    return ";".join(flag for flag in flags.split(";") if ":" not in flag)


def test_limit_table_has_exactly_the_promised_columns(done):
    limits = table(done)
    expected = """
        mass window_lo window_hi n_obs n_bkg n_sig n_sig_error q0 p0 z0 efficiency resolution
        n_sig_ul_obs n_sig_ul_exp_m2 n_sig_ul_exp_m1 n_sig_ul_exp n_sig_ul_exp_p1 n_sig_ul_exp_p2
        xsec_ul_obs xsec_ul_exp_m2 xsec_ul_exp_m1 xsec_ul_exp xsec_ul_exp_p1 xsec_ul_exp_p2
        coupling_ul_obs coupling_ul_exp_m2 coupling_ul_exp_m1 coupling_ul_exp coupling_ul_exp_p1 coupling_ul_exp_p2
        coupling_invisible_ul_obs coupling_invisible_ul_exp_m2 coupling_invisible_ul_exp_m1 coupling_invisible_ul_exp
        coupling_invisible_ul_exp_p1 coupling_invisible_ul_exp_p2
        p0_error n_sig_ul_obs_error n_sig_ul_exp_error method cl valid flags engine gof gof_ndf gof_p
    """.split()
    assert list(limits) == expected == list(limit_columns((), readings=["coupling_invisible"]))
    assert set(limits["method"]) == {"cls_counting"}
    assert set(limits["valid"]) == {"true"}
    document = json.loads((done / "limits" / "limits.json").read_text())
    assert list(document["columns"]) == expected


def test_limits_are_consistent(done):
    words = ("method", "valid", "flags", "engine", "gof", "gof_ndf", "gof_p")  # of counts there is no fit to judge
    limits = {k: np.array(v, dtype=float) for k, v in table(done).items() if k not in words}
    for quantity in ("n_sig", "xsec", "coupling"):
        bands = np.array([limits[f"{quantity}_ul_exp{suffix}"] for suffix in ("_m2", "_m1", "", "_p1", "_p2")])
        assert np.all(np.diff(bands, axis=0) >= 0)
    np.testing.assert_allclose(
        limits["xsec_ul_exp"], limits["n_sig_ul_exp"] / (0.276 * limits["efficiency"]), rtol=1e-5
    )
    # twice the coupling is four times the cross section
    ratio = limits["xsec_ul_exp_p2"] / limits["xsec_ul_exp"]
    np.testing.assert_allclose((limits["coupling_ul_exp_p2"] / limits["coupling_ul_exp"]) ** 2, ratio, rtol=1e-5)
    steps = np.diff(limits["mass"] ** 2) / (2 * limits["mass"] * limits["resolution"])[:-1]
    np.testing.assert_allclose(steps, 0.5, rtol=0.05)


def test_injected_signal_is_the_largest_excess(done):
    limits = table(done)
    z0 = np.array(limits["z0"], dtype=float)
    best = int(z0.argmax())
    assert z0[best] > 5
    assert float(limits["mass"][best]) == pytest.approx(3.0, abs=2 * float(limits["resolution"][best]))


def test_fitted_cross_section_is_the_injected_one(done):
    limits = table(done)
    near = int(np.argmin(np.abs(np.array(limits["mass"], dtype=float) - 3.0)))
    n_sig, error, efficiency = (float(limits[name][near]) for name in ("n_sig", "n_sig_error", "efficiency"))
    unit = 1 / (0.276 * efficiency)
    injected = float(
        cross_section(3.0, coupling=COUPLING, sqrt_s=BEAMS["belle2"].sqrt_s) * branching_ratio_invisible(3.0)
    )
    assert error < 0.3 * n_sig
    assert n_sig * unit == pytest.approx(injected, abs=3 * error * unit)


def test_second_run_does_nothing(done):
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*") if path.is_file()}
    assert make(done.parent / "analysis.yaml", done, workers=2) == []
    assert before == {path: path.stat().st_mtime_ns for path in done.rglob("*") if path.is_file()}


def test_only_stages_that_depend_on_a_change_are_remade(done, tmp_path):
    changed = write(tmp_path / "analysis.yaml", fit={"method": "counting", "cl": 0.95})
    at_90 = [float(x) for x in table(done)["n_sig_ul_exp"]]
    try:
        assert make(changed, done, verb="limits") == ["scan", "limits"]
        at_95 = [float(x) for x in table(done)["n_sig_ul_exp"]]
        assert all(b > a for a, b in zip(at_90, at_95, strict=True))
    finally:
        make(done.parent / "analysis.yaml", done, verb="limits")


def test_every_stage_has_provenance_and_every_figure_is_there(done):
    for stage in ("simulate", "check", "process", "optimise", "spectra", "scan", "limits", "report"):
        record = json.loads((done / stage / "provenance.json").read_text())
        assert record["stage"] == stage
        assert record["outputs"]
    figures = {"spectrum", "signal", "signal_closure", "n_minus_one", "cuts", "ranking", "p0"}
    figures |= {"limit_cross_section", "limit_coupling", "limit_coupling_invisible"}
    for suffix in ("png", "pdf"):
        assert {path.stem for path in (done / "report").glob(f"*.{suffix}")} == figures


def test_backgrounds_come_in_the_published_order(done):
    """Belle II, arXiv:1912.11276: mumu at low recoil mass, tau pairs in the middle (before the tau veto)."""
    spectra = read_selected(done / "spectra").units[0].before
    mass = np.sqrt(np.maximum(spectra["mumu"].axes[0].centers, 0))

    def largest(low: float, high: float) -> str:
        inside = (mass >= low) & (mass < high)
        return max(spectra, key=lambda name: float(spectra[name].values()[inside].sum()))

    assert largest(0.0, 1.0) == "mumu"
    assert largest(2.0, 6.0) == "tautau"


def test_cutflow_falls_and_ends_in_the_spectrum(done):
    with (done / "spectra" / "cutflow.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["sample"] == "tautau"]
    assert rows[0]["step"] == "all rows"
    assert rows[-1]["step"] == "optimised cuts"
    for column in ("raw", "sum_w", "sum_w2"):
        assert np.all(np.diff([float(row[column]) for row in rows]) <= 0)


def test_result_does_not_depend_on_workers(done, tmp_path):
    make(done.parent / "analysis.yaml", tmp_path / "results", verb="limits", workers=2)
    assert (tmp_path / "results" / "limits" / "limits.csv").read_bytes() == (
        done / "limits" / "limits.csv"
    ).read_bytes()
    stages = ("simulate", "check", "process", "optimise", "spectra", "scan", "limits")
    contents = [
        {stage: json.loads((folder / stage / "provenance.json").read_text())["content"] for stage in stages}
        for folder in (done, tmp_path / "results")
    ]
    assert contents[0] == contents[1]


def files_analysis(done: Path, **changes) -> dict:
    """Return the analysis over the simulated files as if they were given ones."""
    simulated = done / "simulate"
    return ANALYSIS | {
        "data": {"luminosity": 0.276, "files": [str(simulated / "pseudodata.root")]},
        "samples": {
            name: {"files": [str(simulated / f"{name}.root")], "luminosity": 0.276, "uncertainty": 0.2}
            for name in ("mumu", "tautau", "eemumu")
        },
        "signal": {
            "points": [{"mass": m, "files": [str(simulated / f"zprime_{m:g}.root")], "generated": 1e3} for m in MASSES]
        },
        **changes,
    }


def test_blinded_data_leave_no_trace_inside_the_search_range(done, tmp_path):
    path = tmp_path / "analysis.yaml"
    path.write_text(yaml.safe_dump(files_analysis(done)))
    folder = tmp_path / "results"
    made = make(path, folder)
    assert "simulate" not in made
    limits = table(folder)
    assert {reading_free(flags) for flags in limits["flags"]} == {"blinded"}
    assert limits["n_obs"] == limits["n_bkg"]
    assert {float(p) for p in limits["p0"]} == {0.5}
    data = read_selected(folder / "spectra").units[0].data
    inside = (data.axes[0].centers > 1.0) & (data.axes[0].centers < 16.0)
    assert data.values()[inside].sum() == 0
    assert data.values()[~inside].sum() > 0
    with (folder / "process" / "cutflow.csv").open() as file:
        first = next(row for row in csv.DictReader(file) if row["sample"] == "data")
    with (done / "process" / "cutflow.csv").open() as file:
        everything = next(row for row in csv.DictReader(file) if row["sample"] == "data")
    assert int(first["raw"]) < int(everything["raw"])
    scan = json.loads((folder / "scan" / "scan.json").read_text())["columns"]
    assert scan["n_obs"] == scan["n_bkg"]
    assert set(scan["q0"]) == {0.0}
    record = json.loads((folder / "spectra" / "spectra.json").read_text())["units"]["mumu"]["samples"]
    assert record["data"]["events_after"] == data.values().sum()


def test_blinding_again_removes_what_was_unblinded(done, tmp_path):
    path, folder = tmp_path / "analysis.yaml", tmp_path / "results"
    path.write_text(yaml.safe_dump(files_analysis(done, unblind=True)))
    make(path, folder, verb="limits")
    assert {reading_free(flags) for flags in table(folder)["flags"]} == {""}
    path.write_text(yaml.safe_dump(files_analysis(done)))
    hide_unblinded(prepare(load(path), folder))
    assert not any((folder / stage).exists() for stage in ("process", "spectra", "scan", "limits", "report"))


def test_lost_rows_stop_the_run_or_are_marked_in_every_row(done, tmp_path):
    simulated = done / "simulate"
    broken = tmp_path / "broken.root"
    broken.write_bytes((simulated / "tautau.root").read_bytes()[:-5000])
    content = files_analysis(
        done, data={"luminosity": 0.276, "files": [str(simulated / "pseudodata.root")], "pseudo": True}
    )
    content["samples"]["tautau"]["files"].append(str(broken))
    content["samples"]["tautau"]["luminosity"] = 0.552
    path = tmp_path / "analysis.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(NtupleError, match=r"broken\.root"):
        make(path, tmp_path / "results")
    make(path, tmp_path / "results", allow_missing=True, verb="limits")
    limits = table(tmp_path / "results")
    assert all("incomplete" in flags.split(";") for flags in limits["flags"])
    whole = read_selected(done / "spectra").units[0].before["tautau"].values().sum()
    assert read_selected(tmp_path / "results" / "spectra").units[0].before["tautau"].values().sum() == pytest.approx(
        whole, rel=1e-6
    )


@pytest.fixture(scope="module")
def fitted(done, tmp_path_factory):
    """Return a function that scans the simulated files, without optimised cuts, from 1.2 to 1.5 GeV: the table."""
    folder = tmp_path_factory.mktemp("fitted")
    path = folder / "analysis.yaml"
    data = {"luminosity": 0.276, "files": [str(done / "simulate" / "pseudodata.root")], "pseudo": True}

    def scan(**changes) -> dict[str, list[str]]:
        content = files_analysis(done, data=data, optimise=None, search={"low": 1.2, "high": 1.5}, **changes)
        path.write_text(yaml.safe_dump(content))
        made = make(path, folder / "results", verb="limits")
        assert made[-2:] == ["scan", "limits"]
        return table(folder / "results")

    scan.path, scan.folder = path, folder / "results"
    return scan


def test_systematics_weaken_the_limits_of_a_template_fit(fitted):
    fit = {"method": "templates", "limit": "asymptotic"}
    plain = fitted(fit=fit)
    sources = {
        "tracking": {"efficiency": 0.2, "background": {"tautau": 0.05}},
        "tau veto": {"background": {"tautau": 0.2}, "background_slope": {"tautau": 0.1}},
        "resolution": {"signal_width": 0.1, "signal_mean": 0.1},
        "shape": {"spurious_signal": 0.3},
    }
    uncertain = fitted(fit=fit, systematics=sources)
    for limits in (plain, uncertain):
        assert set(limits["method"]) == {"cls_asymptotic"}
        assert set(limits["valid"]) == {"true"}
    ratio = np.array(uncertain["n_sig_ul_exp"], dtype=float) / np.array(plain["n_sig_ul_exp"], dtype=float)
    assert np.all(ratio > 1.05)
    assert np.all(ratio < 2.0)


def test_smooth_background_needs_no_template(fitted):
    limits = fitted(fit={"method": "smooth", "window": 5, "background": {"order": 2}, "limit": "asymptotic"})
    assert set(limits["valid"]) == {"true"}
    # sqrt(b) sets the scale: the limit is a few of it
    b = np.array(limits["n_bkg"], dtype=float)
    assert np.all(np.array(limits["n_sig_ul_exp"], dtype=float) < 5 * np.sqrt(b))


def test_bayesian_limits_on_counts_are_close_to_cls(fitted):
    cls, bayes = (fitted(fit={"method": "counting", "limit": limit}) for limit in ("auto", "bayesian"))
    assert set(bayes["method"]) == {"bayesian_flat"}
    ratio = np.array(bayes["n_sig_ul_exp"], dtype=float) / np.array(cls["n_sig_ul_exp"], dtype=float)
    np.testing.assert_allclose(ratio, 1.0, atol=0.1)


def test_impacts_of_two_masses_are_tables_and_figures(fitted, monkeypatch, capsys):
    fitted(
        fit={"method": "counting"},
        systematics={"trigger": {"efficiency": 0.06}, "tau veto": {"background": {"tautau": 0.22}}},
    )
    arguments = ["bumphunt", "impacts", str(fitted.path), "--output", str(fitted.folder)]

    def run(*masses: str) -> int:
        options = [option for mass in masses for option in ("--mass", mass)]
        monkeypatch.setattr(sys, "argv", [*arguments, *options])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return int(stop.value.code or 0)

    assert run("1.3", "1.45") == 0
    out = capsys.readouterr().out
    for part in (
        "impacts at 1.3 GeV",
        "impacts at 1.45 GeV",
        "trigger",
        "tau veto",
        "norm_tautau",
        "statistical error",
    ):
        assert part in out
    for mass in ("1.3", "1.45"):
        folder = fitted.folder / "impacts" / mass
        assert {path.name for path in folder.iterdir()} == {
            *("impacts.csv", "impacts.json", "impacts.png", "impacts.pdf", "provenance.json")
        }
    record = json.loads((fitted.folder / "impacts" / "1.3" / "impacts.json").read_text())
    sources = record["sources"]
    veto = sources["source"].index("tau veto")
    assert sources["n_sig_up"][veto] < 0 < sources["n_sig_down"][veto]
    assert sources["limit_exp"][veto] > 0
    assert record["n_sig_error"] > record["statistical"]
    assert run("9.0") == cli.BAD_INPUT
    assert "goes from 1.2 to 1.5 GeV" in capsys.readouterr().err


def test_stage_that_is_not_there_is_named(done, tmp_path, monkeypatch, capsys):
    path = tmp_path / "analysis.yaml"
    path.write_text(yaml.safe_dump(files_analysis(done)))
    monkeypatch.setattr(sys, "argv", ["bumphunt", "simulate", str(path), "--output", str(tmp_path / "results")])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == cli.BAD_INPUT
    assert "asks for no stage 'simulate'" in capsys.readouterr().err


def test_run_prints_the_table_the_figures_and_the_largest_excess(done, monkeypatch, capsys):
    arguments = ["bumphunt", "run", str(done.parent / "analysis.yaml"), "--output", str(done)]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    assert stop.value.code == 0
    assert err == ""  # no progress bars where there is no terminal
    assert "coupling_ul_obs" in out
    assert str(done / "limits" / "limits.csv") in out
    assert "limit_coupling.png" in out
    assert "most significant mass: " in out
