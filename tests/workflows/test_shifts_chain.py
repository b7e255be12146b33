"""Shifted momenta from the YAML to sources of uncertainty, against NumPy on the rows of the same files."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from bumphunt.errors import ConfigError
from bumphunt.scanning.sources import Source
from selections.events import half_sample
from workflows.chain import impacts, prepare, up_to
from workflows.config.file import load
from workflows.fitting.regions import scan_regions
from workflows.ntuples.writing import write_tree
from workflows.products.cut_tables import read_cuts
from workflows.products.selected import read_selected
from workflows.products.signal_models import read_signal_models

SEARCH = """\
import numpy as np
from bumphunt.cuts.tensor import veto_axis
from bumphunt.spectrum.axis import MASS
from selections.cuts import Cut, Selection, Variable
from selections.search import Binning, Region, Search

MOMENTA = tuple(f"daughter({i}, {q})" for i in (0, 1) for q in ("p", "pt"))


def observables(columns):
    p = [columns["daughter(0, p)"], columns["daughter(1, p)"]]
    return {
        "m": np.sqrt(2 * p[0] * p[1] * (1 - np.cos(columns["angle"]))),
        "pt": np.minimum(columns["daughter(0, pt)"], columns["daughter(1, pt)"]),
        "softer": np.minimum(*p),
    }


def selection(beams):
    return Selection(
        name="pair", observables=observables,
        variables=(*(Variable(name=n, unit="GeV") for n in MOMENTA), Variable(name="angle", unit="rad")),
        cuts=(Cut(name="pt", observable="pt", above=1.0, unit="GeV", description="", source=""),),
        spectrum="m", axis=MASS,
    )


SEARCH = Search(
    name="pair", final_state="mu mu", production="e^+e^-", particle="X", observable="mass", reference="none",
    mass_range=(1.0, 9.0), veto=(veto_axis("softer", 1.0, 2.0, n=5),),
    regions=(
        Region(
            name="all", description="all", selection=selection, candidate="dimuon", process="zprime",
            binning=Binning(low=0.0, high=10.0, bins=1000),
        ),
    ),
)
"""
MASSES = (3.0, 4.0, 5.0, 6.0)
SIGMA, BY, SMEARED = 0.05, 0.01, 0.02
GENERATED = 8000
P = ["daughter(0, p)", "daughter(1, p)"]
SCALE = {"scale": P, "by": BY}

Columns = dict[str, NDArray[Any]]


def pairs(mass: NDArray[np.float64], seed: int, weight: float = 1.0, spread: float = 0.3) -> Columns:
    """Return pairs of a mass, whose momenta are of every size, and differ by a factor of some spread."""
    rng, n = np.random.default_rng(seed), mass.size
    angle = rng.uniform(0.8, 2.8, n)
    product, ratio = mass**2 / (2 * (1 - np.cos(angle))), np.exp(rng.normal(0, spread, n))
    p = [np.sqrt(product * ratio), np.sqrt(product / ratio)]
    zeros = np.zeros(n, dtype=np.int32)
    return {
        **{f"__{name}__": zeros for name in ("production", "experiment", "run", "candidate")},
        "__event__": np.arange(n),
        "__weight__": np.full(n, weight),
        "angle": angle,
        **{f"daughter({i}, p)": p[i] for i in (0, 1)},
        **{f"daughter({i}, pt)": p[i] * np.sin(rng.uniform(0.3, 2.8, n)) for i in (0, 1)},
    }


def content() -> dict[str, Columns]:
    """Return the rows of every file: a falling background, the same as data, and peaks of a Gaussian width."""
    rng = np.random.default_rng(1)
    found = {"flat": pairs(rng.triangular(1.0, 1.0, 9.5, 40_000), 2, weight=0.5, spread=0.9)}
    found["data"] = pairs(rng.triangular(1.0, 1.0, 9.5, 20_000), 3, spread=0.9)
    return found | {f"s{m:g}": pairs(rng.normal(m, SIGMA, GENERATED), int(10 * m)) for m in MASSES}


def written(folder: Path, **changed: Any) -> Path:
    """Write search, files and YAML; return the path of the latter."""
    (folder / "pair.py").write_text(SEARCH)
    for name, columns in content().items():
        if not (folder / f"{name}.root").exists():
            write_tree(folder / f"{name}.root", [columns])
    said = {
        "channel": "pair.py:SEARCH",
        "data": {"luminosity": 1.0, "files": ["data.root"], "pseudo": True},
        "samples": {"flat": {"files": ["flat.root"], "luminosity": 1.0}},
        "signal": {"points": [{"mass": m, "files": [f"s{m:g}.root"], "generated": GENERATED} for m in MASSES]},
        "search": {"low": 3.5, "high": 5.5, "step": 10},
        "fit": {"method": "templates", "limit": "asymptotic", "window": 6},
        "optimise": None,
        "systematics": {"momentum scale": SCALE, "resolution": {"smear": P, "by": SMEARED}},
    }
    (folder / "analysis.yaml").write_text(yaml.safe_dump({**said, **changed}, sort_keys=False))
    return folder / "analysis.yaml"


def make(path: Path, verb: str) -> list[str]:
    """Make the stages up to a verb; return those that were made."""
    job = prepare(load(path), path.parent / "results")
    return [step.name for step in up_to(job, verb) if step.run()]


def observed(columns: Columns, f: float = 1.0) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return mass, smaller pt and smaller momentum with momenta times a factor."""
    p0, p1 = (columns[name] * f for name in P)
    pt = np.minimum(*(columns[f"daughter({i}, pt)"] * f for i in (0, 1)))
    return np.sqrt(2 * p0 * p1 * (1 - np.cos(columns["angle"]))), pt, np.minimum(p0, p1)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an analysis up to the scan."""
    folder = tmp_path_factory.mktemp("shifts")
    make(written(folder), "scan")
    return folder


@pytest.fixture(scope="module")
def sources(results: Path) -> Callable[[float], dict[str, Source]]:
    """Return the function from a mass to its sources by name."""
    analysis = load(results / "analysis.yaml")
    selected, models = read_selected(results / "results" / "spectra"), read_signal_models(results / "results" / "scan")
    models = models if "all" in models else next(iter(models.values()))
    _, found = scan_regions(analysis.scan, analysis.scan.fits[0], selected, models)
    return lambda mass: {source.name: source for source in found(mass)}


def test_scale_moves_the_peak_by_its_percentage_and_the_efficiency_as_counted_by_hand(sources: Any) -> None:
    rows = content()
    for mass in MASSES:
        source = sources(mass)["momentum scale"]
        assert source.signal_mean * SIGMA == pytest.approx(BY * mass, rel=0.03)
        assert source.signal_width == pytest.approx(BY, abs=0.005)
        passing = [float((observed(rows[f"s{mass:g}"], f)[1] > 1.0).sum()) for f in (1.0, 1 + BY, 1 - BY)]
        assert source.efficiency == pytest.approx(0.5 * (passing[1] - passing[2]) / passing[0], rel=1e-9)
        assert source.efficiency > 0


def test_smear_widens_the_peak_as_errors_add_up(sources: Any) -> None:
    """Mass is the root of the product of both momenta, so that its relative error is by / sqrt(2).

    Three standard deviations of a width that is found from some thousand events.
    """
    rows = content()
    for mass in MASSES:
        found, pt, _ = observed(rows[f"s{mass:g}"])
        source, width = sources(mass)["resolution"], np.std(found[pt > 1.0])
        wider = np.hypot(width, SMEARED / np.sqrt(2) * mass) / width
        error = 3 / np.sqrt(2 * np.sum(pt > 1.0))
        assert 1 + source.signal_width == pytest.approx(wider, rel=error)
        assert abs(source.signal_mean) < 3 * wider / np.sqrt(np.sum(pt > 1.0))


def test_spectra_of_the_background_are_those_of_moved_rows(results: Path, sources: Any) -> None:
    (unit,) = read_selected(results / "results" / "spectra").units
    rows, edges = content()["flat"], unit.data.axes[0].edges
    counts = {}
    for way, f in (("up", 1 + BY), ("down", 1 - BY), ("as it is", 1.0)):
        mass, pt, _ = observed(rows, f)
        counts[way] = np.histogram(mass[pt > 1.0], edges)[0] * 0.5
    up, down = (spectrum.values() for spectrum in unit.varied["momentum scale"]["flat"])
    np.testing.assert_allclose(up, counts["up"])
    np.testing.assert_allclose(down, counts["down"])
    smeared, mirrored = (spectrum.values() for spectrum in unit.varied["resolution"]["flat"])
    np.testing.assert_allclose(smeared + mirrored, 2 * counts["as it is"], atol=1e-9)
    assert abs(smeared - counts["as it is"]).sum() > 0
    inside = abs(unit.data.axes[0].centers - 4.5) < 0.3
    change = 0.5 * (counts["up"] - counts["down"])[inside].sum() / counts["as it is"][inside].sum()
    assert sources(4.5)["momentum scale"].background["flat"] == pytest.approx(change, abs=0.01)


def test_optimised_cuts_are_applied_to_moved_observables(tmp_path: Path) -> None:
    path = written(tmp_path, optimise={"min_bin_width": 0.8}, systematics={"momentum scale": SCALE})
    make(path, "spectra")
    analysis = load(path)
    table = read_cuts(tmp_path / "results" / "optimise", analysis.regions)["all"]
    (unit,) = read_selected(tmp_path / "results" / "spectra").units
    rows, edges = content()["flat"], unit.data.axes[0].edges
    keys = np.stack([rows[f"__{n}__"] for n in ("production", "experiment", "run", "event")], axis=-1).astype(np.int64)
    quoting = half_sample(keys) == 1
    for spectrum, f in zip(unit.varied["momentum scale"]["flat"], (1 + BY, 1 - BY), strict=True):
        mass, pt, softer = observed(rows, f)
        passing = (pt > 1.0) & quoting & table.apply(mass, {"softer": softer})
        np.testing.assert_allclose(spectrum.values(), np.histogram(mass[passing], edges)[0] * 0.5 * 2)
        assert passing.sum() < ((pt > 1.0) & quoting).sum()


def test_impacts_have_the_sources_and_limits_know_of_them(results: Path) -> None:
    job = prepare(load(results / "analysis.yaml"), results / "results")
    impacts(job, 4.5).run()
    (table,) = (results / "results" / "impacts").glob("*/impacts.csv")
    with table.open() as file:
        rows = {row["source"]: row for row in csv.DictReader(file)}
    for name in ("momentum scale", "resolution"):
        assert abs(float(rows[name]["n_sig_up"])) > 0.1
        assert float(rows[name]["limit_obs"]) > 0


def test_another_shift_reads_the_simulation_again_and_no_data(results: Path, tmp_path: Path) -> None:
    path = written(tmp_path)
    make(path, "process")
    before = (tmp_path / "results" / "process" / "samples.json").read_text()
    (tmp_path / "data.root").rename(tmp_path / "away.root")
    (tmp_path / "data.root").symlink_to("away.root")
    written(tmp_path, systematics={"momentum scale": {**SCALE, "by": 0.02}})
    assert make(path, "process")[-1] == "process"
    assert (tmp_path / "results" / "process" / "samples.json").read_text() == before


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"scale": ["daughter(0,p)"], "by": 0.01}, r"shift.scale: column 'daughter\(0,p\)' is not known; did you mean"),
        ({"smear": ["angle"], "by": 0.01}, "shift.smear: 'angle' is no momentum or energy .*unit is rad.*daughter"),
        ({"scale": P, "by": 2.0}, r"systematics.shift.*by = 2; a scale must be .* at most 0.5: .*0.02 for 2 %"),
        ({"smear": P, "by": 0.2}, "by = 0.2; a smear must be above 0 and at most 0.1"),
        ({"scale": P}, r"give 'by' with one of 'scale' and 'smear'"),
        ({"by": 0.1}, r"give 'by' with one of 'scale' and 'smear'"),
        ({"scale": [], "by": 0.1}, r"give 'by' with one of 'scale' and 'smear'"),
        ({"scale": P, "smear": P, "by": 0.1}, "'scale' is a source of its own: give smear under another name"),
        ({"scale": P, "by": 0.1, "efficiency": 0.1}, "'scale' is a source of its own: give efficiency under another"),
    ],
)
def test_what_cannot_be_shifted_is_said(tmp_path: Path, said: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(written(tmp_path, systematics={"shift": said}))


def test_column_that_would_stay_behind_is_said(tmp_path: Path) -> None:
    path = written(tmp_path)
    search = (tmp_path / "pair.py").read_text()
    (tmp_path / "pair.py").write_text(
        search.replace('Variable(name="angle"', 'Variable(name="M"), Variable(name="angle"')
    )
    with pytest.raises(ConfigError, match=r"momentum scale.scale: region 'all' reads 'M', which is made of momenta"):
        load(path)
