"""The processor under coffea's own Runner, against the pass of the chain over the same file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coffea.nanoevents import BaseSchema
from coffea.processor import FuturesExecutor, IterativeExecutor, Runner
from numpy.typing import NDArray

from bumphunt.errors import InputError, NtupleError
from bumphunt.kinematics.momenta import BEAMS
from selections.cuts import Columns, Cut, Selection, Variable
from selections.events import EVENT_KEY, FILE, CandidateRule, RowKey
from selections.searches.zprime.invisible import selection as zprime_selection
from workflows.ntuples.branches import escape
from workflows.ntuples.writing import write_tree
from workflows.products.factor_files import write_correction
from workflows.reading.chunk import needed_variables
from workflows.reading.chunk_work import ChunkEvents
from workflows.reading.plan import Correction, RegionPlan, SampleFiles
from workflows.reading.processor import SearchProcessor
from workflows.reading.read import read_samples
from workflows.reading.spectra import variations
from workflows.reading.weights import load_corrections

LARGEST = CandidateRule(best="quality")


class Observables:
    """Observables of the same name; pickled by value, since workers cannot import this file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("lambda c: {'m2': c['m2'] * 1.0, 'p': c['daughter(0, p)'] * 1.0}",)

    def __call__(self, c: Columns) -> dict[str, NDArray[np.float64]]:
        return {"m2": c["m2"] * 1.0, "p": c["daughter(0, p)"] * 1.0}


PLAN = RegionPlan(
    name="region",
    selection=Selection(
        name="test",
        variables=(Variable(name="m2", unit="GeV^2"), Variable(name="daughter(0, p)", unit="GeV")),
        observables=Observables(),
        cuts=(Cut(name="momentum", observable="p", above=1.0, unit="GeV", description="", source=""),),
        spectrum="m2",
    ),
    edges=np.linspace(0.0, 10.0, 6),
)


def columns(n_events: int = 400) -> dict[str, NDArray[Any]]:
    """Events with one to four candidates, so that every chunk border lies within an event or beside one."""
    rng = np.random.default_rng(7)
    candidates = rng.integers(1, 5, n_events)
    n = int(candidates.sum())
    zeros = np.zeros(n, dtype=np.int32)
    return {
        **{f"__{name}__": zeros for name in ("production", "experiment", "run")},
        "__event__": np.repeat(np.arange(n_events, dtype=np.int32), candidates),
        "__candidate__": np.concatenate([np.arange(k, dtype=np.int32) for k in candidates]),
        "__weight__": rng.uniform(0.1, 2.0, n),
        "m2": rng.uniform(0.0, 10.0, n),
        "daughter(0, p)": rng.uniform(0.0, 4.0, n),
        "quality": rng.integers(0, 3, n).astype(np.float64),
    }


@pytest.mark.parametrize("rule", [CandidateRule(), LARGEST], ids=["reject", "best"])
@pytest.mark.parametrize("executor", [IterativeExecutor, FuturesExecutor])
def test_runner_of_coffea_gives_what_the_chain_gives(tmp_path: Path, executor: Any, rule: CandidateRule) -> None:
    paths = {"mc": tmp_path / "a.root", "data": tmp_path / "data.root"}
    write_tree(paths["mc"], [columns()])
    write_tree(paths["data"], [columns() | {"__weight__": np.ones(columns()["m2"].size)}])
    write_correction(tmp_path / "sf.json", "sf", edges={}, values=0.5, errors=0.1)
    correction = Correction(name="sf", file=tmp_path / "sf.json", correction="sf", inputs=())
    processor = SearchProcessor(regions=[PLAN], rule=rule, corrections=load_corrections([correction]))
    fileset = {
        name: {"files": {str(paths[name]): "events"}, "metadata": {"simulated": name == "mc", "blind": blind}}
        for name, blind in (("mc", None), ("data", {"region": (2.0, 5.0)}))
    }
    runner = Runner(executor=executor(status=False), schema=BaseSchema, chunksize=97)
    found = runner(fileset, processor, treename="events")
    samples = {
        name: SampleFiles(
            files=(paths[name],), simulated=sample["metadata"]["simulated"], blind=sample["metadata"]["blind"]
        )
        for name, sample in fileset.items()
    }
    expected = read_samples(processor, samples)
    assert found.keys() == expected.keys()
    for name, sample in expected.items():
        ours, theirs = sample.regions["region"], found[name]["region"]
        np.testing.assert_array_equal(theirs.cutflow.raw, ours.cutflow.raw)
        np.testing.assert_allclose(theirs.cutflow.sum_w, ours.cutflow.sum_w, rtol=1e-12)
        assert variations(theirs.spectra) == variations(ours.spectra)
        np.testing.assert_allclose(theirs.spectra.values(flow=True), ours.spectra.values(flow=True), rtol=1e-12)
        values = [result.n_minus_one["momentum"].values(flow=True) for result in (theirs, ours)]
        np.testing.assert_allclose(*values, rtol=1e-12)


def test_runner_of_coffea_takes_what_a_file_does_not_have_for_its_default(tmp_path: Path) -> None:
    whole = columns()
    bare = {name: values for name, values in whole.items() if name not in ("__production__", "__run__")}
    for name, content in (("whole", whole), ("bare", bare)):
        write_tree(tmp_path / f"{name}.root", [content])
    fileset = {
        name: {"files": {str(tmp_path / f"{name}.root"): "events"}, "metadata": {"simulated": True}}
        for name in ("whole", "bare")
    }
    runner = Runner(executor=IterativeExecutor(status=False), schema=BaseSchema, chunksize=97)
    found = runner(fileset, SearchProcessor(regions=[PLAN], rule=LARGEST), treename="events")
    flows = [found[name]["region"].cutflow.raw for name in ("whole", "bare")]
    np.testing.assert_array_equal(*flows)
    with pytest.raises(NtupleError, match=r"no branch 'p2' for the variable 'daughter\(0, p\)'"):
        SearchProcessor(regions=[PLAN], names={"daughter(0, p)": "p2"}).process(events_of(whole))


def test_runner_of_coffea_finds_a_row_that_is_there_twice(tmp_path: Path) -> None:
    c = {name: np.append(values, values[10]) for name, values in columns().items()}
    c["daughter(0, p)"][[10, -1]] = 2.0
    write_tree(tmp_path / "a.root", [c])
    fileset = {"mc": {"files": {str(tmp_path / "a.root"): "events"}, "metadata": {"simulated": True}}}
    runner = Runner(executor=IterativeExecutor(status=False), schema=BaseSchema, chunksize=97)
    with pytest.raises(NtupleError, match=rf"entry {len(c['m2']) - 1} repeats entry 10 \(.*event {c['__event__'][10]}"):
        runner(fileset, SearchProcessor(regions=[PLAN], rule=LARGEST), treename="events")


@pytest.mark.parametrize(("folder", "key"), [(None, "simulated"), (Path("events"), "number"), (None, "file_number")])
def test_metadata_that_do_not_say_what_is_needed_raise(folder: Path | None, key: str) -> None:
    metadata = {"dataset": "mc", "simulated": True, "number": 0, "file_number": 0}
    del metadata[key]
    with pytest.raises(InputError, match=f"sample 'mc': its metadata must say '{key}'"):
        SearchProcessor(regions=[PLAN], key=RowKey(event=(FILE, *EVENT_KEY)), event_folder=folder).process(
            ChunkEvents(columns={}, metadata=metadata)
        )


def test_needed_variables_hold_the_rule_unless_it_is_an_observable() -> None:
    assert "quality" in needed_variables([PLAN], LARGEST)
    assert needed_variables([PLAN], CandidateRule(best="p")) == needed_variables([PLAN])
    zprime = RegionPlan(name="mumu", selection=zprime_selection(BEAMS["belle2"]), edges=PLAN.edges)
    assert "daughter(1, clusterE)" in needed_variables([PLAN, zprime])


def events_of(c: dict[str, NDArray[Any]]) -> ChunkEvents:
    """One chunk, as a processor is given it."""
    place = {"dataset": "mc", "filename": "a.root", "treename": "events", "entrystart": 0, "entrystop": c["m2"].size}
    return ChunkEvents(columns={escape(k): v for k, v in c.items()}, metadata=place | {"simulated": True})


@pytest.mark.parametrize(
    ("stored", "seen"),
    [(np.float16, "f8"), (np.float32, "f8"), (np.uint8, "i8"), (np.uint64, "i8"), (np.int16, "i8"), (np.bool_, "i8")],
)
def test_observables_see_float64_or_int64_under_any_runner(stored: Any, seen: str) -> None:
    """coffea hands over what is stored, too."""
    types: dict[str, np.dtype[Any]] = {}

    def look(c: Columns) -> dict[str, NDArray[np.float64]]:
        types.update({name: values.dtype for name, values in c.items()})
        return {"m2": c["m2"] * 1.0, "p": c["daughter(0, p)"] * 1.0}

    c = columns()
    c["m2"] = c["m2"].astype(stored)
    plan = replace(PLAN, selection=replace(PLAN.selection, observables=look))
    SearchProcessor(regions=[plan]).process(events_of(c))
    assert types.pop("m2") == np.dtype(seen)
    assert set(types.values()) <= {np.dtype("f8"), np.dtype("i8")}


def test_whole_number_beyond_int64_is_named() -> None:
    c = columns()
    c["m2"] = np.full(c["m2"].size, 7, dtype=np.uint64)
    c["m2"][3] = 2**63 + 1
    with pytest.raises(NtupleError, match=r"m2 is 9223372036854775809 in entry 3; integers go up to 2\^63 - 1"):
        SearchProcessor(regions=[PLAN]).process(events_of(c))


def test_column_without_numbers_is_named() -> None:
    c = columns()
    c["m2"] = c["m2"].astype("U5")
    with pytest.raises(NtupleError, match="m2 holds <U5, no numbers"):
        SearchProcessor(regions=[PLAN]).process(events_of(c))
