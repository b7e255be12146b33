"""The chain over given files with several regions: corrections, factors, control samples, slices, cuts, blinding.

One small simulation, whose pseudo-data have `FACTOR` times the dimuon events of the samples, is read as if its files
were a user's.
"""

from __future__ import annotations

import csv
import json
import sys
from itertools import pairwise
from pathlib import Path

import correctionlib
import numpy as np
import pytest
import uproot
import yaml

from bumphunt.cuts.separation import separation
from bumphunt.cuts.tensor import CHOOSING
from bumphunt.inference.fit import limit
from bumphunt.models.region import Region, Sample, region
from bumphunt.models.systematics import LogNormal
from bumphunt.scanning.windows import window_edges
from workflows import cli
from workflows.chain import correct, hide_unblinded, prepare, up_to
from workflows.config.file import load
from workflows.fitting.sources import sources_of
from workflows.ntuples.branches import escape
from workflows.ntuples.simulation_record import read_simulation
from workflows.products.factor_files import write_correction
from workflows.products.selected import read_selected
from workflows.products.signal_models import read_signal_models
from workflows.reading.events import read_events

FACTOR = 0.6
LUMINOSITY = 0.05
MASSES = [1.0, 1.5, 2.0, 2.5, 3.0]
REGIONS = ["mumu", "mumugamma", "emu"]
SAMPLES = ("mumu", "tautau")
SHARED = {"channel": "zprime-invisible", "regions": REGIONS, "seed": 5, "search": {"low": 1.0, "high": 3.0, "step": 5}}
SIMULATED = SHARED | {
    "data": {"luminosity": LUMINOSITY, "simulate": {}},
    "samples": {"mumu": {"simulate": {"events": 40_000}}, "tautau": {"simulate": {"events": 60_000}}},
    "signal": {"simulate": {"events": 6_000, "masses": MASSES}},
    "factors": {"put in": {"value": FACTOR, "samples": ["mumu"]}},
}
WINDOW = 10.0


def make(path: Path, folder: Path, verb: str) -> list[str]:
    """Make the stages up to a verb; return the names of those that had to be made."""
    return [step.name for step in up_to(prepare(load(path), folder), verb) if step.run()]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Path:
    """Return the folder of the simulated files."""
    folder = tmp_path_factory.mktemp("weights_chain")
    (folder / "simulated.yaml").write_text(yaml.safe_dump(SIMULATED))
    assert make(folder / "simulated.yaml", folder / "simulated", "simulate") == ["simulate"]
    return folder / "simulated" / "simulate"


def given(simulated: Path, **changes) -> dict:
    """Return an analysis over those files, blinded as real data are unless `data` says otherwise."""

    def files(name: str) -> dict[str, list[str]]:
        return {r: [str(simulated / f"{name}_{'emu' if r == 'emu' else 'dimuon'}.root")] for r in REGIONS}

    points = []
    for mass in MASSES:
        path = simulated / f"zprime_{mass:g}_dimuon.root"
        points.append({"mass": mass, "files": [str(path)], "generated": read_simulation(path).sum_of_weights})
    return (
        SHARED
        | {
            "data": {"luminosity": LUMINOSITY, "luminosity_uncertainty": 0.01, "files": files("pseudodata")},
            "samples": {name: {"files": files(name), "luminosity": LUMINOSITY, "uncertainty": 0.2} for name in SAMPLES},
            "signal": {"points": points, "uncertainty": 0.1},
            "optimise": None,
            "fit": {"method": "templates", "window": WINDOW, "limit": "asymptotic"},
        }
        | changes
    )


def write(path: Path, content: dict, *, pseudo: bool = True) -> Path:
    content = content | {"data": content["data"] | {"pseudo": pseudo}}
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def plain(simulated, tmp_path_factory) -> Path:
    """Return the folder of the analysis without corrections, up to the scan; its YAML lies beside it."""
    folder = tmp_path_factory.mktemp("plain")
    make(write(folder / "analysis.yaml", given(simulated)), folder / "results", "scan")
    return folder / "results"


EDGES, VALUES, ERRORS = [0.0, 2.0, 4.0, 20.0], np.array([0.9, 0.95, 0.8]), np.array([0.05, 0.01, 0.1])
FACTORS = {
    "tau": {"value": 1.2, "uncertainty": 0.1, "samples": ["tautau"], "regions": ["mumu"]},
    "seen": {"value": 0.5, "samples": ["signal"]},
}


@pytest.fixture(scope="module")
def weighted(simulated, tmp_path_factory) -> Path:
    """Return the folder of the analysis with a correction for each muon, and factors, up to the scan."""
    folder = tmp_path_factory.mktemp("weighted")
    write_correction(folder / "muon.json", "muon", edges={"p": EDGES}, values=VALUES, errors=ERRORS)
    muon = {"file": "muon.json", "inputs": ["daughter({i}, p)"], "each": [0, 1], "regions": ["mumu"]}
    content = given(simulated, corrections={"muon": muon}, factors=FACTORS)
    make(write(folder / "analysis.yaml", content), folder / "results", "scan")
    return folder / "results"


def command(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    """Return exit status, standard output and standard error of the command."""
    monkeypatch.setattr(sys, "argv", ["bumphunt", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


def corrected(simulated: Path, name: str) -> dict[str, np.ndarray]:
    """Return sums of weights of a sample in the signal region, with correctionlib called on the file directly."""
    with uproot.open(simulated / f"{name}_dimuon.root") as file:
        columns = file["events"].arrays(library="np")
    selection = load(simulated.parents[1] / "simulated.yaml").regions[0].plan.selection
    columns = {variable.name: columns[escape(variable.name)] for variable in selection.variables} | {
        "weight": columns["__weight__"].astype(np.float64)
    }
    observables = selection.observables(columns)
    passed = np.all([cut.passes(observables[cut.observable]) for cut in selection.cuts], axis=0)
    muon = np.array([columns[f"daughter({i}, p)"][passed].astype(np.float64) for i in (0, 1)])
    bins = np.clip(np.digitize(muon, EDGES) - 1, 0, 2)
    weight = columns["weight"][passed]
    shifted = {"nominal": VALUES, "up": VALUES + ERRORS, "down": VALUES - ERRORS}
    return {"plain": weight.sum()} | {way: (weight * v[bins].prod(axis=0)).sum() for way, v in shifted.items()}


def histogram(folder: Path, *path: str) -> np.ndarray:
    with uproot.open(folder / "spectra" / "spectra.root") as file:
        return np.asarray(file["/".join(path)].values())


def test_correction_scales_the_yields_as_correctionlib_by_hand(simulated, plain, weighted):
    for name, factor in (("mumu", 1.0), ("tautau", 1.2)):
        by_hand = corrected(simulated, name)
        assert histogram(plain, "mumu", name, "after").sum() == pytest.approx(by_hand["plain"], rel=1e-5)
        for variation, key in (("after", "nominal"), ("after_muon_up", "up"), ("after_muon_down", "down")):
            found = histogram(weighted, "mumu", name, variation).sum()
            assert found == pytest.approx(factor * by_hand[key], rel=1e-5)


def test_factors_scale_exactly_where_they_apply(plain, weighted):
    nominal = histogram(weighted, "mumu", "tautau", "after")
    for way, value in (("up", 1.1), ("down", 0.9)):
        np.testing.assert_allclose(histogram(weighted, "mumu", "tautau", f"after_tau_{way}"), value * nominal)
        seen = histogram(weighted, "mumu", "zprime_2", f"after_seen_{way}")  # no uncertainty, but there
        np.testing.assert_array_equal(seen, histogram(weighted, "mumu", "zprime_2", "after"))
    for region_name in ("mumugamma", "emu"):
        for name in SAMPLES:
            one, other = (histogram(folder, region_name, name, "after") for folder in (plain, weighted))
            np.testing.assert_array_equal(one, other)


def test_data_are_never_corrected(plain, weighted):
    for name in REGIONS:
        one, other = (histogram(folder, name, "data", "after") for folder in (plain, weighted))
        np.testing.assert_array_equal(one, other)


def test_measured_variations_are_sources_with_the_change_in_the_window(weighted):
    setup = load(weighted.parent / "analysis.yaml").scan
    (unit,) = read_selected(weighted / "spectra").of("mumu")
    models = read_signal_models(weighted / "scan")
    sources = sources_of(setup, [unit], models)
    changes = []
    for mass in (1.2, 2.7):
        at = {source.name: source for source in sources(mass)}
        assert set(at) == {"efficiency", "luminosity", "muon", "tau"}  # "seen" has no uncertainty
        sigma = float(models["mumu"].resolution(mass))
        place = (unit.data.axes[0].centers - mass**2) / (WINDOW * sigma)
        inside = np.abs(place) < 1
        for name in SAMPLES:
            up, down, nominal = (
                histogram(weighted, "mumu", name, part)[inside]
                for part in ("after_muon_up", "after_muon_down", "after")
            )
            # the change at the centre and its slope together are that of the yield
            slope = at["muon"].background_slope.get(name, 0.0) * np.average(place[inside], weights=nominal)
            whole = (up - down).sum() / (2 * nominal.sum())
            assert at["muon"].background[name] + slope == pytest.approx(whole, rel=1e-9)
        assert at["tau"].background == pytest.approx({"tautau": 0.1})
        assert at["tau"].efficiency == 0.0
        changes.append(at["muon"].background["tautau"])
    assert abs(changes[0] - changes[1]) > 1e-3
    low, high = (histogram(weighted, "mumu", "zprime_2", f"after_muon_{way}").sum() for way in ("down", "up"))
    efficiency = {source.name: source for source in sources(2.0)}["muon"].efficiency
    assert efficiency == pytest.approx((high - low) / (2 * histogram(weighted, "mumu", "zprime_2", "after").sum()))


def test_impacts_list_what_was_measured(weighted, monkeypatch, capsys):
    arguments = ("impacts", weighted.parent / "analysis.yaml", "--mass", 2.0, "--output", weighted)
    status, out, err = command(monkeypatch, capsys, *arguments)
    assert (status, err) == (0, "")
    found = json.loads((weighted / "impacts" / "2" / "impacts.json").read_text())["sources"]
    assert {"muon", "tau", "efficiency", "luminosity", "norm_tautau"} <= set(found["source"])
    assert "muon" in out
    muon = found["source"].index("muon")
    assert found["limit_exp"][muon] > 0


@pytest.fixture(scope="module")
def measured(simulated, tmp_path_factory) -> Path:
    """Return the folder of the factors that were measured."""
    folder = tmp_path_factory.mktemp("measured")
    control = {
        "radiative": {"region": "mumugamma", "samples": ["mumu"]},
        "taus": {"region": "emu", "samples": ["tautau"]},
        "binned": {"region": "mumugamma", "samples": ["mumu"], "observable": "extra_energy", "edges": [1, 3, 9]},
    }
    path = write(folder / "analysis.yaml", given(simulated, control=control), pseudo=False)
    job = prepare(load(path), folder / "results")
    for step in (*up_to(job, "check"), correct(job)):
        assert step.run()
    return folder / "results" / "correct"


def test_factor_that_was_put_into_the_data_is_measured(measured):
    """The data are blinded; control samples are not."""
    factors = json.loads((measured / "factors.json").read_text())["factors"]
    radiative, taus = factors["radiative"], factors["taus"]
    assert radiative["error"][0] < 0.1
    assert radiative["value"][0] == pytest.approx(FACTOR, abs=3 * radiative["error"][0])
    assert taus["error"][0] < 0.2
    assert taus["value"][0] == pytest.approx(1.0, abs=3 * taus["error"][0])
    binned = np.array([factors["binned"][key] for key in ("value", "error")])
    np.testing.assert_array_less(np.abs(binned[0] - FACTOR), 3 * binned[1])


def test_measured_factor_can_be_applied_and_closes(simulated, measured, tmp_path, monkeypatch, capsys):
    applied = {"radiative": {"file": str(measured / "radiative.json"), "samples": ["mumu"]}}
    control = {"again": {"region": "mumugamma", "samples": ["mumu"]}}
    path = write(tmp_path / "analysis.yaml", given(simulated, control=control, corrections=applied), pseudo=False)
    status, out, err = command(monkeypatch, capsys, "correct", path, "--output", tmp_path / "results")
    assert (status, err) == (0, "")
    assert "again" in out
    again = json.loads((tmp_path / "results" / "correct" / "factors.json").read_text())["factors"]["again"]
    first = json.loads((measured / "factors.json").read_text())["factors"]["radiative"]
    read = correctionlib.CorrectionSet.from_file(str(measured / "radiative.json"))["radiative"]
    assert read.evaluate("nominal") == pytest.approx(first["value"][0])
    assert again["value"][0] == pytest.approx(1.0, abs=1e-6)  # the same events, so without an error
    assert again["error"][0] == pytest.approx(first["error"][0] / first["value"][0], rel=1e-6)


SLICES = {"observable": "recoil_theta", "edges": [0.0, 1.5, 3.15]}


@pytest.fixture(scope="module")
def sliced(simulated, tmp_path_factory) -> Path:
    """Return the folder of the analysis in two slices, up to the scan."""
    folder = tmp_path_factory.mktemp("sliced")
    fit = {"method": "templates", "window": WINDOW, "limit": "asymptotic", "slices": SLICES}
    content = given(simulated, fit=fit, regions=["mumu"])
    make(write(folder / "analysis.yaml", content), folder / "results", "limits")
    return folder / "results"


def test_sum_of_slices_is_the_spectrum_without_slices(plain, sliced):
    for name in ("data", *SAMPLES, "zprime_1", "zprime_3"):
        whole = histogram(plain, "mumu", name, "after")
        parts = [histogram(sliced, f"mumu_{i}", name, "after") for i in (0, 1)]
        assert min(part.sum() for part in parts) > 0
        np.testing.assert_allclose(sum(parts), whole, rtol=1e-9, atol=1e-9)


def joined(edges: np.ndarray, background: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the edges of bins joined from below until four events say what is in each."""
    kept = [0]
    for last in range(1, edges.size):
        b, v = background[kept[-1] : last].sum(), variance[kept[-1] : last].sum()
        if b > 0 and v <= 0.25 * b**2:
            kept.append(last)
    kept[-1 if len(kept) > 1 else len(kept) :] = [edges.size - 1]
    return edges[kept]


def rebinned(spectrum, edges: np.ndarray, squares: bool = False) -> np.ndarray:
    """Return counts, or variances, between edges of the spectrum."""
    place = np.searchsorted(spectrum.axes[0].edges, edges)
    values = spectrum.variances() if squares else spectrum.values()
    return np.array([values[low:high].sum() for low, high in pairwise(place)])


def test_limits_of_two_slices_are_those_of_a_fit_by_hand(sliced):
    scan = json.loads((sliced / "scan" / "scan.json").read_text())["columns"]
    row = len(scan["mass"]) // 2
    mass, models = scan["mass"][row], read_signal_models(sliced / "scan")
    efficiency = {name: float(model.efficiency(mass)) for name, model in models.items()}
    assert scan["efficiency"][row] == pytest.approx(sum(efficiency.values()))
    regions: list[Region] = []
    for unit in read_selected(sliced / "spectra").units:
        at = models[unit.name].at([mass])[0]
        edges = window_edges(unit.data.axes[0].edges, at.position, at.sigma, half_width=WINDOW, bins_per_sigma=4.0)
        total = [sum(rebinned(s, edges, squares) for s in unit.after.values()) for squares in (False, True)]
        edges = joined(edges, *total)
        share = efficiency[unit.name] / sum(efficiency.values())
        uncertainties = [LogNormal("efficiency", 0.1), LogNormal("luminosity", 0.01)]
        uncertainties.append(LogNormal(f"simulated {unit.name}", at.efficiency_error / at.efficiency))
        backgrounds = [
            Sample(
                name, rebinned(s, edges), errors=np.sqrt(rebinned(s, edges, True)),
                uncertainties=[LogNormal(f"norm {name}", 0.2)],
            )
            for name, s in unit.after.items()
            if rebinned(s, edges).sum() > 0
        ]  # fmt: skip
        regions.append(
            region(
                unit.name, counts=rebinned(unit.data, edges), edges=edges, backgrounds=backgrounds,
                signal=Sample("signal", share * at.fractions(edges), uncertainties=uncertainties),
                mc_constraint="poisson",
            )
        )  # fmt: skip
    upper = limit(regions, cl=0.9, method="asymptotic")
    assert scan["n_sig_ul_obs"][row] == pytest.approx(upper.observed, rel=1e-3)
    assert scan["n_sig_ul_exp"][row] == pytest.approx(upper.expected[2], rel=1e-3)


@pytest.fixture(scope="module")
def optimised(simulated, tmp_path_factory) -> Path:
    """Return the folder of the analysis with optimised cuts and a classifier, up to the cuts."""
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("optimised")
    optimise = {"classifier": True, "min_bin_width": 0.5, "variables": {"pt_pair": {"low": 0, "high": 2, "steps": 6}}}
    content = given(simulated, optimise=optimise, regions=["mumu"])
    make(write(folder / "analysis.yaml", content), folder / "results", "optimise")
    return folder / "results"


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_overtraining_quotes_what_the_cut_table_quotes(optimised):
    cuts, halves = (table(optimised / "optimise" / f"{name}.csv") for name in ("cuts", "overtraining"))
    assert len(cuts) == len(halves) > 1
    for one, other in zip(cuts, halves, strict=True):
        assert float(other["quoting"]) == pytest.approx(float(one["merit_quoting"]), rel=1e-6)
    for one, other in zip(cuts, table(optimised / "optimise" / "classifier.csv"), strict=True):
        assert float(other["merit_cuts"]) == float(one["merit_quoting"])
        assert float(other["merit_classifier"]) > 0
        gain = float(other["limit_cuts"]) / float(other["limit_classifier"])
        assert float(other["gain_classifier"]) == pytest.approx(gain, rel=1e-5)


def test_ranking_is_the_separation_of_the_events_on_disk(simulated, plain, optimised):
    """The signal is interpolated between the simulated masses on either side; shapes are those before the cuts."""
    about, row = load(optimised.parent / "analysis.yaml").about, table(optimised / "optimise" / "cuts.csv")[-1]
    axis = next(axis for axis in about.search.candidates if axis.name == "pt_pair")
    resolution = read_signal_models(plain / "scan")["mumu"].resolution
    mass = float(row["mass"])

    def counts(sample: str, low: float, high: float) -> np.ndarray:
        total = np.zeros(axis.thresholds.size)
        for block in read_events(optimised / "process" / "events", sample, "mumu"):
            inside = (block.positions >= low) & (block.positions < high) & (block.half == CHOOSING)
            values, w = block.observables["pt_pair"][inside], block.weight("nominal")[inside]
            total += np.histogram(values, bins=[*axis.thresholds, np.inf], weights=w)[0]
        return total

    background = sum(counts(name, float(row["position_low"]), float(row["position_high"])) for name in SAMPLES)
    below, above = max(m for m in MASSES if m <= mass), min(m for m in MASSES if m > mass)
    signal = np.zeros(background.size)
    for near, share in ((below, above - mass), (above, mass - below)):
        name, half_width = f"zprime_{near:g}", 2 * float(resolution(near))
        found = counts(name, near**2 - half_width, near**2 + half_width)
        generated = read_simulation(simulated / f"{name}_dimuon.root").sum_of_weights
        signal += share / (above - below) * found / generated
    ranked = table(optimised / "optimise" / "ranking.csv")
    last = [entry for entry in ranked if entry["mass"] == row["mass"]]
    assert {entry["observable"] for entry in last} == {axis.name for axis in about.search.candidates}
    found = next(float(entry["separation"]) for entry in last if entry["observable"] == "pt_pair")
    assert background.sum() > 0
    assert found == pytest.approx(float(separation(signal, background)), rel=1e-5)


def test_blinding_hides_signal_regions_and_no_control_sample(simulated, plain, tmp_path):
    path, folder = write(tmp_path / "analysis.yaml", given(simulated), pseudo=False), tmp_path / "results"
    make(path, folder, "spectra")
    edges = read_selected(folder / "spectra").units[0].data.axes[0].edges
    centres = 0.5 * (edges[1:] + edges[:-1])
    inside = (centres > 1.0) & (centres < 9.0)
    hidden, seen = (histogram(f, "mumu", "data", "after") for f in (folder, plain))
    assert hidden[inside].sum() == 0 < seen[inside].sum()
    np.testing.assert_array_equal(hidden[~inside], seen[~inside])
    for name in ("mumugamma", "emu"):
        one, other = (histogram(f, name, "data", "after") for f in (folder, plain))
        np.testing.assert_array_equal(one, other)
        assert one.sum() > 0
    for name in REGIONS:
        rows = [
            {row["step"]: row for row in table(f / "process" / f"cutflow_{name}.csv") if row["sample"] == "data"}
            for f in (folder, plain)
        ]
        if name == "mumu":
            assert all(int(rows[0][step]["raw"]) <= int(rows[1][step]["raw"]) for step in rows[0])
            assert int(rows[0]["one candidate"]["raw"]) == hidden.sum()
        else:
            assert rows[0] == rows[1]
    unblinded = given(simulated, unblind=True)
    write(path, unblinded, pseudo=False)
    assert make(path, folder, "spectra") == ["check", "process", "spectra"]
    assert histogram(folder, "mumu", "data", "after")[inside].sum() > 0
    write(path, given(simulated), pseudo=False)
    hide_unblinded(prepare(load(path), folder))
    assert not any((folder / name).exists() for name in ("check", "process", "spectra"))
