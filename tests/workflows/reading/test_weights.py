"""Corrections in the pass over the files, against correctionlib-free arithmetic on the same columns."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bumphunt.errors import ConfigError, InputError, NtupleError
from selections.cuts import Columns, Cut, Selection, Variable
from workflows.ntuples.writing import write_tree
from workflows.products.factor_files import write_correction
from workflows.reading.chunk import needed_variables
from workflows.reading.events import read_events
from workflows.reading.plan import Correction, ProcessedSample, RegionPlan, RegionResult, SampleFiles
from workflows.reading.processor import SearchProcessor
from workflows.reading.read import read_samples
from workflows.reading.second_pass import spectra_of
from workflows.reading.spectra import spectrum_of, variations
from workflows.reading.weights import load_corrections

EDGES = np.linspace(0.0, 10.0, 6)
P_EDGES = np.array([0.0, 1.0, 2.0, 4.0])
VALUES, ERRORS = np.array([0.9, 1.1, 1.3]), np.array([0.05, 0.02, 0.01])


def observables(columns: Columns) -> dict[str, NDArray[np.float64]]:
    return {"x": np.asarray(columns["x"]), "largest": np.maximum(columns["daughter(0, p)"], columns["daughter(1, p)"])}


def counted() -> dict[str, NDArray[Any]]:
    """The columns as data, whose weights are 1."""
    return columns() | {"__weight__": np.ones(500)}


def plan(name: str = "region", above: float = 2.0) -> RegionPlan:
    return RegionPlan(
        name=name,
        selection=Selection(
            name="test",
            variables=(Variable(name="x"), *(Variable(name=f"daughter({i}, p)", unit="GeV") for i in range(2))),
            observables=observables,
            cuts=(
                Cut(name="large", observable="largest", above=above, description="", source=""),
                Cut(name="x", observable="x", below=8.0, description="", source=""),
            ),
            spectrum="x",
        ),
        edges=EDGES,
    )


def columns(n: int = 500) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(3)
    zeros = np.zeros(n, dtype=np.int32)
    return {
        **{f"__{name}__": zeros for name in ("production", "experiment", "run", "candidate")},
        "__event__": np.arange(n, dtype=np.int32),
        "__weight__": rng.uniform(0.5, 1.5, n),
        "x": rng.uniform(0, 10, n),
        "daughter(0, p)": rng.uniform(0, 4, n),
        "daughter(1, p)": rng.uniform(0, 4, n),
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_tree(tmp_path / "a.root", [columns()])
    return tmp_path / "a.root"


@pytest.fixture
def trigger(tmp_path: Path) -> Correction:
    write_correction(tmp_path / "trigger.json", "trg", edges={"p": P_EDGES}, values=VALUES, errors=ERRORS)
    return Correction(
        name="trigger", file=tmp_path / "trigger.json", correction="trg", inputs=("daughter({i}, p)",), each=(0, 1)
    )


def constant(folder: Path, name: str, value: float, error: float, **where: Any) -> Correction:
    """Return a correction that is a number."""
    write_correction(folder / f"{name}.json", name, edges={}, values=value, errors=error)
    return Correction(name=name, file=folder / f"{name}.json", correction=name, inputs=(), **where)


def run(file: Path, *corrections: Correction, **kwargs: Any) -> ProcessedSample:
    samples = {"mc": SampleFiles(files=(file,), simulated=kwargs.pop("simulated", True))}
    return read(samples, corrections, **kwargs)["mc"]


def read(
    samples: dict[str, SampleFiles],
    corrections: Sequence[Correction],
    *,
    regions: Sequence[RegionPlan] | None = None,
    events: Path | None = None,
    **kwargs: Any,
) -> dict[str, ProcessedSample]:
    processor = SearchProcessor(
        regions=[plan()] if regions is None else regions,
        corrections=load_corrections(corrections),
        event_folder=events,
    )
    return read_samples(processor, samples, **kwargs)


def shifted(values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    return {"nominal": values, "up": values + ERRORS, "down": values - ERRORS}


def by_hand(which: str) -> NDArray[np.float64]:
    """The product of the corrections of both daughters."""
    c, table = columns(), shifted(VALUES)[which]
    return np.prod([table[np.digitize(c[f"daughter({i}, p)"], P_EDGES) - 1] for i in range(2)], axis=0)


def total(result: RegionResult) -> float:
    return float(spectrum_of(result.spectra).values().sum())


def mask() -> NDArray[np.bool_]:
    c = columns()
    return (observables(c)["largest"] > 2.0) & (c["x"] < 8.0)


@pytest.mark.parametrize("chunk_size", [70, 100_000])
def test_spectra_of_all_variations_equal_arithmetic(
    tmp_path: Path, file: Path, trigger: Correction, chunk_size: int
) -> None:
    factor = constant(tmp_path, "sf", 0.65, 0.03)
    result = run(file, trigger, factor, chunk_size=chunk_size, events=tmp_path / "events").regions["region"]
    c, keep = columns(), mask()
    expected = {
        "nominal": by_hand("nominal") * 0.65,
        "trigger_up": by_hand("up") * 0.65,
        "trigger_down": by_hand("down") * 0.65,
        "sf_up": by_hand("nominal") * 0.68,
        "sf_down": by_hand("nominal") * 0.62,
    }
    assert variations(result.spectra) == tuple(expected)
    from_disk = spectra_of(tmp_path / "events", "mc", plan())
    for name, factors in expected.items():
        w = (c["__weight__"] * factors)[keep]
        for spectra in (result.spectra, from_disk):
            spectrum = spectrum_of(spectra, name)
            np.testing.assert_allclose(spectrum.values(), np.histogram(c["x"][keep], EDGES, weights=w)[0], rtol=1e-12)
            np.testing.assert_allclose(
                spectrum.variances(), np.histogram(c["x"][keep], EDGES, weights=w**2)[0], rtol=1e-12
            )
    assert result.cutflow.steps[-2:] == ("one candidate", "corrections")
    weights = c["__weight__"][keep]
    np.testing.assert_allclose(result.cutflow.sum_w[-2], weights.sum(), rtol=1e-12)
    np.testing.assert_allclose(result.cutflow.sum_w[-1], (weights * expected["nominal"][keep]).sum(), rtol=1e-12)


def test_n_minus_one_has_the_nominal_corrections(file: Path, trigger: Correction) -> None:
    histogram = run(file, trigger).regions["region"].n_minus_one["large"]
    c = columns()
    others = c["x"] < 8.0
    w = (c["__weight__"] * by_hand("nominal"))[others]
    expected, _ = np.histogram(observables(c)["largest"][others], histogram.axes[0].edges, weights=w)
    np.testing.assert_allclose(histogram.values(), expected, rtol=1e-12)


def test_data_and_other_samples_and_regions_are_not_corrected(tmp_path: Path, file: Path, trigger: Correction) -> None:
    write_tree(tmp_path / "data.root", [counted()])
    samples = {
        "mc": SampleFiles(files=(file,), simulated=True),
        "other": SampleFiles(files=(file,), simulated=True),
        "data": SampleFiles(files=(tmp_path / "data.root",), simulated=False),
    }
    corrections = [
        constant(tmp_path, "sf", 0.5, 0.0, samples=("mc",), regions=("a",)),
        constant(tmp_path, "everywhere", 2.0, 0.0),
    ]
    done = read(samples, corrections, regions=[plan("a"), plan("b")])
    totals = {
        (name, region): total(done[name].regions[region]) / made()["__weight__"][mask()].sum()
        for name, made in (("mc", columns), ("other", columns), ("data", counted))
        for region in ("a", "b")
    }
    assert totals == pytest.approx(
        {
            ("mc", "a"): 1.0, ("mc", "b"): 2.0, ("other", "a"): 2.0, ("other", "b"): 2.0,
            ("data", "a"): 1.0, ("data", "b"): 1.0,
        }
    )  # fmt: skip
    assert variations(done["data"].regions["a"].spectra) == ("nominal",)
    assert variations(done["mc"].regions["b"].spectra) == ("nominal", "everywhere_up", "everywhere_down")
    assert len({tuple(done[name].regions["a"].cutflow.steps) for name in samples}) == 1


def test_corrections_for_up_and_down_by_name(tmp_path: Path, file: Path) -> None:
    constant = {"version": 1, "inputs": [{"name": "p", "type": "real"}], "output": {"name": "w", "type": "real"}}
    names = {"sf": 0.9, "sf_hi": 1.0, "sf_lo": 0.7}
    content = {"schema_version": 2, "corrections": [{"name": n, "data": v, **constant} for n, v in names.items()]}
    path = tmp_path / "sf.json.gz"
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
    correction = Correction(name="id", file=path, correction="sf", inputs=("largest",), up="sf_hi", down="sf_lo")
    spectra = run(file, correction).regions["region"].spectra
    totals = [spectrum_of(spectra, name).values().sum() for name in ("nominal", "id_up", "id_down")]
    np.testing.assert_allclose(np.array(totals) / totals[0], [1.0, 1.0 / 0.9, 0.7 / 0.9], rtol=1e-12)


def test_systematic_may_be_called_otherwise_and_texts_are_given(tmp_path: Path, file: Path) -> None:
    def category(name: str, content: dict[str, Any]) -> dict[str, Any]:
        values = [{"key": key, "value": value} for key, value in content.items()]
        return {"nodetype": "category", "input": name, "content": values}

    data = category("era", {"2018": category("shift", {"sf": 0.9, "systup": 1.0, "systdown": 0.8}), "2019": 5.0})
    inputs = [{"name": name, "type": "string"} for name in ("shift", "era")]
    entry = {
        "name": "id", "version": 1, "inputs": inputs, "output": {"name": "w", "type": "real"}, "data": data,
    }  # fmt: skip
    path = tmp_path / "id.json"
    path.write_text(json.dumps({"schema_version": 2, "corrections": [entry]}))
    shape = {"name": "id", "file": path, "correction": "id", "values": ("sf", "systup", "systdown")}
    spectra = run(file, Correction(inputs=("2018",), **shape)).regions["region"].spectra
    totals = [spectrum_of(spectra, name).values().sum() for name in ("nominal", "id_up", "id_down")]
    np.testing.assert_allclose(np.array(totals) / totals[0], [1.0, 1.0 / 0.9, 0.8 / 0.9], rtol=1e-12)
    with pytest.raises(ConfigError, match=r"'era' is '2020'; it must be one of the texts 2018, 2019"):
        run(file, Correction(inputs=("2020",), **shape))


def test_value_out_of_range_names_file_correction_value_and_entry(tmp_path: Path, file: Path) -> None:
    write_correction(tmp_path / "c.json", "trg", edges={"p": [0.0, 3.9]}, values=[1.0], errors=[0.0], flow="error")
    correction = Correction(name="trigger", file=tmp_path / "c.json", correction="trg", inputs=("largest",))
    largest = observables(columns())["largest"]
    entry = int(np.flatnonzero(mask() & (largest >= 3.9))[0])
    message = (
        rf"'trigger' \('trg' of .*c\.json\) has no value for \[{largest[entry]}, 'nominal'\] at entry {entry} of tree"
    )
    with pytest.raises(InputError, match=message):
        run(file, correction)


def test_rows_that_fail_a_cut_need_no_bin_of_their_own(tmp_path: Path) -> None:
    c = columns()
    failing = np.flatnonzero((observables(c)["largest"] < 2.0) & (c["x"] < 8.0))
    c["odd"] = np.full(500, 0.5)
    c["odd"][failing[:9]] = np.nan
    c["odd"][failing[9:]] = 7.0
    write_tree(tmp_path / "a.root", [c])
    region = plan()
    variables = (*region.selection.variables, Variable(name="odd", nan_allowed=True))
    selection = Selection(
        name="test", variables=variables, observables=observables, cuts=region.selection.cuts, spectrum="x"
    )
    write_correction(tmp_path / "c.json", "c", edges={"o": [0, 1, 2]}, values=[2.0, 3.0], errors=[0, 0], flow="error")
    correction = Correction(name="c", file=tmp_path / "c.json", correction="c", inputs=("odd",))
    result = run(
        tmp_path / "a.root", correction, regions=[RegionPlan(name="region", selection=selection, edges=EDGES)]
    ).regions["region"]
    w = c["__weight__"]
    assert total(result) == pytest.approx(2.0 * w[mask()].sum())
    # in the N-1 histogram: the nearest bin, and 1 for NaN
    below = w[failing[:9]].sum() + 3.0 * w[failing[9:]].sum()
    assert result.n_minus_one["large"].values(flow=True).sum() == pytest.approx(2.0 * w[mask()].sum() + below)
    c["odd"][np.flatnonzero(mask())[0]] = np.nan
    write_tree(tmp_path / "a.root", [c])
    entry = np.flatnonzero(mask())[0]
    with pytest.raises(
        InputError, match=rf"'c' .* reads \[nan, 'nominal'\] at entry {entry} of .*; NaN cannot be corrected"
    ):
        run(tmp_path / "a.root", correction, regions=[RegionPlan(name="region", selection=selection, edges=EDGES)])


def test_whole_numbers_are_given_to_whole_inputs(tmp_path: Path, file: Path) -> None:
    data = {
        "nodetype": "category",
        "input": "n",
        "content": [{"key": 0, "value": 0.5}, {"key": 3, "value": 4.0}],
    }
    entry = {
        "name": "n", "version": 1, "inputs": [{"name": "n", "type": "int"}],
        "output": {"name": "w", "type": "real"}, "data": data,
    }  # fmt: skip
    (tmp_path / "n.json").write_text(json.dumps({"schema_version": 2, "corrections": [entry]}))
    for given, expected in (("__run__", 0.5), (3.0, 4.0)):
        correction = Correction(name="n", file=tmp_path / "n.json", correction="n", inputs=(given,))
        found = total(run(file, correction).regions["region"])
        assert found == pytest.approx(expected * columns()["__weight__"][mask()].sum())


def test_correction_that_is_no_number_raises(tmp_path: Path, file: Path) -> None:
    formula = {"nodetype": "formula", "expression": "log(x-100)", "parser": "TFormula", "variables": ["x"]}
    entry = {
        "name": "f", "version": 1, "inputs": [{"name": "x", "type": "real"}],
        "output": {"name": "w", "type": "real"}, "data": formula,
    }  # fmt: skip
    (tmp_path / "f.json").write_text(json.dumps({"schema_version": 2, "corrections": [entry]}))
    with pytest.raises(InputError, match=r"'f'.* is nan for \[.*\] at entry \d+"):
        run(file, Correction(name="f", file=tmp_path / "f.json", correction="f", inputs=("x",)))


def test_correction_reads_a_variable_that_no_observable_needs(tmp_path: Path, trigger: Correction) -> None:
    content = columns() | {"extra": np.full(500, 1.5)}
    write_tree(tmp_path / "b.root", [content])
    write_correction(tmp_path / "c.json", "c", edges={"e": [0, 1, 2]}, values=[9.0, 3.0], errors=[0, 0])
    correction = Correction(name="c", file=tmp_path / "c.json", correction="c", inputs=("extra",))
    found = total(run(tmp_path / "b.root", correction).regions["region"])
    assert found == pytest.approx(3.0 * content["__weight__"][mask()].sum())
    write_tree(tmp_path / "a.root", [columns()])
    with pytest.raises(NtupleError, match="no branch 'extra' for the variable 'extra'"):
        run(tmp_path / "a.root", correction)


def test_only_what_is_corrected_needs_the_variables(tmp_path: Path) -> None:
    write_tree(tmp_path / "a.root", [columns()])
    write_tree(tmp_path / "data.root", [counted()])
    write_tree(tmp_path / "b.root", [columns() | {"truth": np.full(500, 0.5)}])
    write_correction(tmp_path / "c.json", "c", edges={"e": [0, 1]}, values=[3.0], errors=[0])
    correction = Correction(
        name="c", file=tmp_path / "c.json", correction="c", inputs=("truth",), samples=("mc",), regions=("region",)
    )
    samples = {
        "mc": SampleFiles(files=(tmp_path / "b.root",), simulated=True),
        "other": SampleFiles(files=(tmp_path / "a.root",), simulated=True),
        "data": SampleFiles(files=(tmp_path / "data.root",), simulated=False),
    }
    done = read(samples, [correction])
    totals = {name: total(sample.regions["region"]) for name, sample in done.items()}
    assert totals["mc"] == pytest.approx(3.0 * totals["other"])
    assert totals["data"] == mask().sum()
    loaded = load_corrections([correction])
    assert "truth" in needed_variables([plan()], corrections=loaded)
    assert "truth" not in needed_variables([plan("elsewhere")], corrections=loaded)


def change(source: Correction, /, **changes: Any) -> Correction:
    given = {name: getattr(source, name) for name in source.__slots__}
    return Correction(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": Path("/nowhere/c.json")}, r"/nowhere/c\.json cannot be read: No such file"),
        ({"correction": "trgg"}, "correction 'trgg' is not known; did you mean 'trg'"),
        ({"inputs": ("daughter({i}, p)", 1.0)}, r"2 inputs are given; it has 1: p \(real\)"),
        ({"up": "trg", "down": "nope"}, "correction 'nope' is not known"),
        ({"samples": ("nope",)}, "sample 'nope' is unknown"),
    ],
)
def test_wrong_correction_raises_before_anything_is_read(
    tmp_path: Path, trigger: Correction, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(tmp_path / "gone.root", change(trigger, **changes))


def test_file_that_is_no_correction_raises(tmp_path: Path, trigger: Correction) -> None:
    (tmp_path / "c.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"c\.json is no correctionlib file \(.*schema_version"):
        load_corrections([change(trigger, file=tmp_path / "c.json")])


def test_two_corrections_of_one_name_raise(trigger: Correction) -> None:
    with pytest.raises(ConfigError, match="two corrections are called 'trigger'"):
        load_corrections([trigger, trigger])


def test_correcting_data_raises(file: Path, trigger: Correction) -> None:
    with pytest.raises(ConfigError, match="'mc' is data, which are never corrected"):
        run(file, change(trigger, samples=("mc",)), simulated=False)


@pytest.mark.parametrize("bad", [{"each": ()}, {"inputs": ("x",)}, {"up": "trg"}])
def test_contradictory_correction_raises(trigger: Correction, bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="correction 'trigger'"):
        change(trigger, **bad)


def test_events_carry_the_weights_of_all_variations(tmp_path: Path, file: Path, trigger: Correction) -> None:
    run(file, trigger, events=tmp_path / "events")
    blocks = list(read_events(tmp_path / "events", "mc", "region"))
    weights = np.concatenate([block.weight("trigger_up") for block in blocks])
    expected = (columns()["__weight__"] * by_hand("up"))[mask()]
    np.testing.assert_allclose(np.sort(weights), np.sort(expected), rtol=1e-12)
    with pytest.raises(InputError, match="variation 'trigger_upp' is not known; did you mean 'trigger_up'"):
        blocks[0].weight("trigger_upp")
