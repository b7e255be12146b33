"""Processing of small ntuples, against plain loops and NumPy on the same columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from coffea.processor.executor import ExecutorBase, FuturesExecutor, IterativeExecutor
from numpy.typing import NDArray

from bumphunt.errors import IncompleteError, InputError, NtupleError
from selections.cuts import Columns, Cut, Selection, Variable
from selections.events import REJECT, CandidateRule
from workflows.ntuples.branches import escape
from workflows.ntuples.writing import write_tree
from workflows.reading.events import read_events
from workflows.reading.plan import ProcessedSample, RegionPlan, RegionResult, SampleFiles
from workflows.reading.processor import SearchProcessor
from workflows.reading.read import CHUNK_RECORDS, read_samples
from workflows.reading.spectra import spectrum_of
from workflows.running.blocks import Blocks

EDGES = np.linspace(-4.0, 100.0, 53)
LARGEST = CandidateRule(best="quality")
SMALLEST = CandidateRule(best="daughter(0, p)", largest=False)


def observables(columns: Columns) -> dict[str, NDArray[np.float64]]:
    return {
        "m2": np.asarray(columns["m2"], dtype=np.float64),
        "p": np.asarray(columns["daughter(0, p)"], dtype=np.float64),
        "angle": np.nan_to_num(np.asarray(columns["photon(angle)"], dtype=np.float64), nan=3.0),
    }


SELECTION = Selection(
    name="test",
    variables=(
        Variable(name="m2", unit="GeV^2"),
        Variable(name="daughter(0, p)", unit="GeV"),
        Variable(name="photon(angle)", unit="rad", nan_allowed=True),
    ),
    observables=observables,
    cuts=(
        Cut(name="momentum", observable="p", above=1.0, unit="GeV", description="", source=""),
        Cut(name="photon", observable="angle", above=0.5, unit="rad", description="", source=""),
    ),
    spectrum="m2",
)


def columns(n_events: int, *, seed: int = 1, first_event: int = 0) -> dict[str, NDArray[Any]]:
    """Events with one to four candidates, adjacent."""
    rng = np.random.default_rng(seed)
    candidates = rng.integers(1, 5, n_events)
    event = np.repeat(np.arange(n_events) + first_event, candidates)
    n = event.size
    angle = rng.uniform(0, 3, n).astype(np.float32)
    angle[rng.random(n) < 0.3] = np.nan
    return {
        "__production__": np.zeros(n, dtype=np.int32),
        "__experiment__": np.full(n, 3, dtype=np.int32),
        "__run__": (event // 50).astype(np.int32),
        "__event__": event.astype(np.int32),
        "__candidate__": np.concatenate([np.arange(k) for k in candidates]).astype(np.int32),
        "__weight__": rng.uniform(0.1, 2.0, n),
        "m2": rng.uniform(-6, 110, n),
        "daughter(0, p)": rng.uniform(0, 4, n).astype(np.float32),
        "photon(angle)": angle,
        "quality": rng.integers(0, 3, n).astype(np.float64),
    }


PLAN = RegionPlan(name="region", selection=SELECTION, edges=EDGES)


def write(path: Path, content: Mapping[str, NDArray[Any]]) -> Path:
    write_tree(path, [content])
    return path


def one(path: Path | list[Path], **kwargs: Any) -> Any:
    """The sample with its only region."""
    files = tuple(path) if isinstance(path, list) else (path,)
    blind = kwargs.pop("blind", None)
    sample = SampleFiles(files=files, simulated=True, blind=None if blind is None else {"region": blind})
    plan = RegionPlan(
        name="region",
        selection=kwargs.pop("selection", SELECTION),
        edges=kwargs.pop("edges", EDGES),
        keep=kwargs.pop("keep", ()),
        slices=kwargs.pop("slices", None),
    )
    processor = SearchProcessor(
        regions=[plan],
        names=kwargs.pop("names", None),
        rule=kwargs.pop("rule", REJECT),
        event_folder=kwargs.pop("events", None),
    )
    result = read_samples(processor, {"sample": sample}, **kwargs)["sample"]
    return One(result, result.regions["region"])


@dataclass
class One:
    sample: ProcessedSample
    region: RegionResult

    def __getattr__(self, name: str) -> Any:
        return getattr(self.region if name in ("cutflow", "spectra", "n_minus_one") else self.sample, name)


@dataclass
class Expected:
    """A row-by-row loop over the same columns."""

    raw: list[int]
    sum_w: list[float]
    events: list[int]


def by_hand(c: Mapping[str, NDArray[Any]], rule: CandidateRule) -> Expected:
    passing: dict[tuple[int, ...], list[int]] = {}
    steps: list[list[int]] = [[], [], []]
    for i in range(len(c["m2"])):
        steps[0].append(i)
        if not c["daughter(0, p)"][i] > 1.0:
            continue
        steps[1].append(i)
        if c["photon(angle)"][i] <= 0.5:
            continue
        steps[2].append(i)
        passing.setdefault((int(c["__run__"][i]), int(c["__event__"][i])), []).append(i)
    kept = []
    for rows in passing.values():
        if rule.best is None:
            kept += rows if len(rows) == 1 else []
        else:
            sign = -1 if rule.largest else 1
            kept.append(min(rows, key=lambda i: (sign * float(c[str(rule.best)][i]), int(c["__candidate__"][i]))))
    steps.append(sorted(kept))
    return Expected(
        raw=[len(s) for s in steps], sum_w=[float(c["__weight__"][s].sum()) for s in steps], events=sorted(kept)
    )


@pytest.mark.parametrize("rule", [CandidateRule(), LARGEST, SMALLEST], ids=["reject", "largest", "smallest"])
@pytest.mark.parametrize("chunk_size", [1, 2, 3, 7, 50, 100_000])
def test_cutflow_and_spectrum_equal_a_loop_for_any_chunk_size(
    tmp_path: Path, rule: CandidateRule, chunk_size: int
) -> None:
    c = columns(40)
    expected = by_hand(c, rule)
    # candidates of one event straddle most chunk borders of one to three rows
    result = one(write(tmp_path / "a.root", c), rule=rule, chunk_size=chunk_size)
    assert result.cutflow.steps == ("all rows", "momentum", "photon", "one candidate")
    np.testing.assert_array_equal(result.cutflow.raw, expected.raw)
    np.testing.assert_allclose(result.cutflow.sum_w, expected.sum_w, rtol=1e-12)
    m2, w = c["m2"][expected.events], c["__weight__"][expected.events]
    spectrum = spectrum_of(result.spectra)
    np.testing.assert_allclose(spectrum.values(), np.histogram(m2, EDGES, weights=w)[0], rtol=1e-12)
    np.testing.assert_allclose(spectrum.variances(), np.histogram(m2, EDGES, weights=w**2)[0], rtol=1e-12)
    assert result.rows == result.rows_expected == len(c["m2"])
    assert result.fraction == 1.0


def test_event_whose_candidates_straddle_two_files_is_one_event(tmp_path: Path) -> None:
    c = columns(60)
    middle = int(np.flatnonzero((c["__candidate__"] == 1) & (np.arange(len(c["m2"])) > 60))[0])
    files = [
        write(tmp_path / "a.root", {k: v[:middle] for k, v in c.items()}),
        write(tmp_path / "b.root", {k: v[middle:] for k, v in c.items()}),
    ]
    np.testing.assert_array_equal(one(files).cutflow.raw, by_hand(c, CandidateRule()).raw)


def test_workers_change_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", columns(300))
    reported: list[tuple[str, int, int]] = []
    results = [
        one(
            path,
            selection=plain_selection(),
            chunk_size=100,
            workers=workers,
            keep=("p",),
            events=tmp_path / f"events{workers}",
            progress=lambda *args: reported.append(args),
        )
        for workers in (1, 2)
    ]
    assert results[0].spectra == results[1].spectra
    np.testing.assert_array_equal(results[0].cutflow.sum_w2, results[1].cutflow.sum_w2)
    blocks = [list(read_events(tmp_path / f"events{workers}", "sample", "region")) for workers in (1, 2)]
    assert len(blocks[0]) == len(blocks[1]) > 2
    for first, second in zip(*blocks, strict=True):
        np.testing.assert_array_equal(first.observables["p"], second.observables["p"])
        np.testing.assert_array_equal(first.weights, second.weights)
    assert reported[-1] == ("process", results[0].rows, results[0].rows)
    assert len(reported) == 2 * (results[0].rows // 100)


@pytest.mark.parametrize("lost", ["nothing", "events", "hashes"])
def test_reading_goes_on_with_finished_chunks_and_their_events(tmp_path: Path, lost: str) -> None:
    path = write(tmp_path / "a.root", columns(300))
    how: dict[str, Any] = {"chunk_size": 100, "keep": ("p",)}
    whole = one(path, events=tmp_path / "whole", **how)
    root = tmp_path / "root"
    blocks = Blocks(folder=root / "chunks", types=CHUNK_RECORDS, root=root)

    def interrupt(task: str, done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one(path, events=root / "events", blocks=blocks, progress=interrupt, **how)
    finished = {file.name for file in (root / "chunks").rglob("*.block")}
    assert 2 < len(finished) < whole.rows // 100
    if lost == "events":
        min((root / "events" / "sample").rglob("*.npz")).unlink()
    elif lost == "hashes":
        (root / "events" / ".passed" / "sample" / "1").write_bytes(b"")
    root = root.rename(tmp_path / "moved")
    blocks = Blocks(folder=root / "chunks", types=CHUNK_RECORDS, root=root)
    times = {file.name: file.stat().st_mtime_ns for file in (root / "chunks").rglob("*.block")}
    found = one(path, events=root / "events", blocks=blocks, **how)
    now = {file.name: file.stat().st_mtime_ns for file in (root / "chunks").rglob("*.block")}
    assert sum(now[name] != time for name, time in times.items()) == (lost != "nothing")
    assert found.spectra == whole.spectra
    np.testing.assert_array_equal(found.cutflow.sum_w, whole.cutflow.sum_w)
    assert found.ledger == whole.ledger
    both = [list(read_events(folder, "sample", "region")) for folder in (tmp_path / "whole", root / "events")]
    for first, second in zip(*both, strict=True):
        np.testing.assert_array_equal(first.observables["p"], second.observables["p"])
        np.testing.assert_array_equal(first.weights, second.weights)


def test_events_that_are_not_on_this_disk_are_missed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", columns(300))

    class Elsewhere(IterativeExecutor):
        def __call__(self, items: Any, function: Any, accumulator: Any) -> Any:
            found = super().__call__(items, function, accumulator)
            min((tmp_path / "events" / "sample").rglob("*.npz")).unlink()
            return found

    with pytest.raises(IncompleteError, match="all workers must write to the same disk"):
        one(path, chunk_size=100, events=tmp_path / "events", executor=Elsewhere(status=False))


def test_error_in_a_worker_is_the_same_error(tmp_path: Path) -> None:
    c = columns(100)
    c["m2"][-1] = np.nan
    path = write(tmp_path / "a.root", c)
    with pytest.raises(NtupleError, match=rf"'m2' is nan in entry {len(c['m2']) - 1}"):
        one(path, selection=plain_selection(), chunk_size=100, workers=2)


def plain_selection() -> Selection:
    """A selection whose functions a worker process can import: it has no cuts."""
    return Selection(name="plain", variables=SELECTION.variables, observables=copy_columns, cuts=(), spectrum="m2")


class CopyColumns:
    """Observables of the same name; pickled by value, since workers cannot import this file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("lambda c: {'m2': c['m2'] * 1.0, 'p': c['daughter(0, p)'] * 1.0}",)

    def __call__(self, c: Columns) -> dict[str, NDArray[np.float64]]:
        return {"m2": c["m2"] * 1.0, "p": c["daughter(0, p)"] * 1.0}


copy_columns = CopyColumns()


def test_repeated_row_in_one_chunk_names_file_entries_and_key(tmp_path: Path) -> None:
    c = columns(20)
    c["daughter(0, p)"][:], c["photon(angle)"][:] = 2.0, 2.0
    twice = {k: np.insert(v, 5, v[4]) for k, v in c.items()}
    path = write(tmp_path / "a.root", twice)
    with pytest.raises(NtupleError, match=r"a\.root.*entry 5 repeats entry 4 .*experiment 3, run 0, event \d+"):
        one(path)


@pytest.mark.parametrize("hidden", ["cut", "blinded"])
def test_repeated_row_that_fails_a_cut_or_is_blinded_is_found_too(tmp_path: Path, hidden: str) -> None:
    c = columns(20)
    if hidden == "cut":
        c["daughter(0, p)"][:] = 0.0
    twice = {k: np.append(v, v[4]) for k, v in c.items()}
    path = write(tmp_path / "a.root", twice)
    with pytest.raises(
        NtupleError, match=rf"a\.root.*entry {len(c['m2'])} repeats entry 4 .*event {c['__event__'][4]}"
    ):
        one(path, blind=(-1e9, 1e9) if hidden == "blinded" else None)


@pytest.mark.parametrize("chunk_size", [3, 1000])
def test_repeated_row_far_away_names_both_places(tmp_path: Path, chunk_size: int) -> None:
    c = columns(200)
    index = by_hand(c, LARGEST).events[17]
    twice = {k: np.append(v, v[index]) for k, v in c.items()}
    path = write(tmp_path / "a.root", twice)
    message = f"entry {len(c['m2'])} repeats entry {index} .*event {c['__event__'][index]}, candidate"
    with pytest.raises(NtupleError, match=message):
        one(path, rule=LARGEST, chunk_size=chunk_size)


def test_file_given_under_two_names_is_a_repeat(tmp_path: Path) -> None:
    c = columns(30)
    files = [write(tmp_path / name, c) for name in ("a.root", "b.root")]
    with pytest.raises(NtupleError, match=r"b\.root: tree 'events': entry \d+ repeats entry \d+ of .*a\.root"):
        one(files, chunk_size=10)


def test_candidates_of_one_event_in_distant_rows_raise(tmp_path: Path) -> None:
    c = columns(100)
    index = by_hand(c, LARGEST).events[3]
    again = {k: np.append(v, v[index]) for k, v in c.items()}
    again["__candidate__"][-1] = 9
    path = write(tmp_path / "a.root", again)
    with pytest.raises(NtupleError, match="must be in adjacent rows"):
        one(path)


def test_same_event_in_two_samples_is_fine(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", columns(20))
    samples = {name: SampleFiles(files=(path,), simulated=True) for name in ("mumu", "tautau")}
    results = read_samples(SearchProcessor(regions=[PLAN]), samples)
    assert list(results) == ["mumu", "tautau"]
    first, second = (results[name].regions["region"] for name in results)
    assert first.spectra == second.spectra  # axes, and every bit of the contents


def test_nan_names_file_branch_and_entry(tmp_path: Path) -> None:
    c = columns(20)
    c["daughter(0, p)"][11] = np.nan
    path = write(tmp_path / "a.root", c)
    with pytest.raises(NtupleError, match=r"a\.root.*'daughter__bo0__cm__spp__bc' is nan in entry 11") as error:
        one(path, chunk_size=10, allow_missing=True)
    assert "\n" not in str(error.value)


def test_infinite_weight_raises(tmp_path: Path) -> None:
    c = columns(20)
    c["__weight__"][3] = np.inf
    with pytest.raises(NtupleError, match="'__weight__' is inf in entry 3"):
        one(write(tmp_path / "a.root", c))


def test_event_number_that_is_no_whole_number_raises(tmp_path: Path) -> None:
    c = columns(20)
    c["__event__"] = c["__event__"] + 0.5
    with pytest.raises(NtupleError, match=r"a\.root.*__event__ = .*whole number"):
        one(write(tmp_path / "a.root", c))


def test_blinded_rows_leave_no_trace(tmp_path: Path) -> None:
    c = columns(200)
    blind = (10.0, 60.0)
    outside = (c["m2"] < blind[0]) | (c["m2"] >= blind[1])
    blinded = one(write(tmp_path / "a.root", c), blind=blind)
    without = one(write(tmp_path / "b.root", {k: v[outside] for k, v in c.items()}))
    np.testing.assert_array_equal(blinded.cutflow.raw, without.cutflow.raw)
    np.testing.assert_allclose(blinded.cutflow.sum_w, without.cutflow.sum_w, rtol=1e-12)
    assert blinded.spectra == without.spectra
    assert blinded.rows == len(c["m2"])


def test_name_table_maps_foreign_branches(tmp_path: Path) -> None:
    c = columns(30)
    foreign = {{"daughter(0, p)": "muonMomentum", "__event__": "eventNumber"}.get(k, k): v for k, v in c.items()}
    path = write(tmp_path / "a.root", foreign)
    names = {"daughter(0, p)": "muonMomentum", "__event__": "eventNumber"}
    np.testing.assert_array_equal(one(path, names=names).cutflow.raw, by_hand(c, CandidateRule()).raw)
    with pytest.raises(NtupleError, match="no branch '__event__'"):
        one(path)


def test_branches_that_are_not_needed_are_not_read(tmp_path: Path) -> None:
    c = columns(100)
    path = write(tmp_path / "a.root", {**c, "unneeded": np.arange(len(c["m2"]), dtype=np.float64)})
    with uproot.open(path) as file:
        key = file["events"]["unneeded"].basket_key(0)
        start, stop = int(key.data_cursor.index), int(key.data_cursor.index) + int(key.data_compressed_bytes)
    destroy(path, start, stop)
    np.testing.assert_array_equal(one(path).cutflow.raw, by_hand(c, CandidateRule()).raw)


def destroy(path: Path, start: int, stop: int) -> None:
    content = bytearray(path.read_bytes())
    content[start:stop] = bytes(stop - start)
    path.write_bytes(bytes(content))


def damaged(path: Path) -> tuple[dict[str, NDArray[Any]], Path]:
    """A file of two baskets a branch, the second one of `m2` unreadable."""
    c = columns(200)
    half = len(c["m2"]) // 2
    with uproot.recreate(path) as file:
        tree = file.mktree("events", {escape(k): v.dtype for k, v in c.items()})
        for part in (slice(0, half), slice(half, None)):
            tree.extend({escape(k): v[part] for k, v in c.items()})
    with uproot.open(path) as file:
        key = file["events"]["m2"].basket_key(1)
        start = int(key.data_cursor.index)
        destroy(path, start, start + int(key.data_compressed_bytes))
    return {k: v[:half] for k, v in c.items()}, path


def test_unreadable_rows_stop_the_processing(tmp_path: Path) -> None:
    kept, path = damaged(tmp_path / "a.root")
    with pytest.raises(IncompleteError, match=rf"a\.root.*'events'.*entries {len(kept['m2'])} to \d+"):
        one(path, chunk_size=100)


def test_unreadable_rows_are_counted_where_allowed(tmp_path: Path) -> None:
    kept, path = damaged(tmp_path / "a.root")
    result = one(path, chunk_size=200, allow_missing=True)
    # the chunk border may cut an event, but a candidate it lost is missing as well
    assert result.rows == len(kept["m2"])
    assert result.fraction == len(kept["m2"]) / result.rows_expected
    assert [(m.start, m.stop) for m in result.missing] == [(len(kept["m2"]), result.rows_expected)]
    np.testing.assert_array_equal(result.cutflow.raw, by_hand(kept, CandidateRule()).raw)


def test_missing_file_stops_or_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", columns(30))
    files = [path, tmp_path / "gone.root"]
    with pytest.raises(NtupleError, match=r"gone\.root"):
        one(files)
    result = one(files, allow_missing=True)
    assert result.fraction == 0.5
    assert result.missing[0].file.endswith("gone.root")
    with pytest.raises(NtupleError, match=r"gone\.root"):
        one(tmp_path / "gone.root", allow_missing=True)


class ForgetfulExecutor(ExecutorBase):
    """Loses the last chunk, as an executor with `skipbadfiles` would."""

    def __call__(self, items: Any, function: Any, accumulator: Any) -> Any:
        from coffea.processor import accumulate

        return accumulate([function(item) for item in items[:-1]], accumulator), 0


def test_rows_lost_by_an_executor_are_noticed(tmp_path: Path) -> None:
    c = columns(50)
    path = write(tmp_path / "a.root", c)
    with pytest.raises(IncompleteError, match=rf"'sample': \d+ of {len(c['m2'])} rows"):
        one(path, chunk_size=30, executor=ForgetfulExecutor())


@pytest.mark.parametrize("executor", [IterativeExecutor, FuturesExecutor])
def test_executors_of_coffea_give_the_same(tmp_path: Path, executor: type[ExecutorBase]) -> None:
    path = write(tmp_path / "a.root", columns(100))
    ours = one(path, selection=plain_selection(), chunk_size=60)
    theirs = one(path, selection=plain_selection(), chunk_size=60, executor=executor(status=False))
    np.testing.assert_array_equal(ours.cutflow.raw, theirs.cutflow.raw)
    np.testing.assert_allclose(ours.spectra.values(), theirs.spectra.values(), rtol=1e-12)


def test_errors_of_a_foreign_executor_are_unwrapped(tmp_path: Path) -> None:
    class PlainExecutor(ExecutorBase):
        def __call__(self, items: Any, function: Any, accumulator: Any) -> Any:
            return [function(item) for item in items], 0

    c = columns(20)
    c["m2"][2] = np.nan
    with pytest.raises(NtupleError, match="'m2' is nan in entry 2"):
        one(write(tmp_path / "a.root", c), executor=PlainExecutor())


def test_rntuple_gives_the_same_as_ttree(tmp_path: Path) -> None:
    c = columns(50)
    path = tmp_path / "rntuple.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("events", {escape(k): v for k, v in c.items()})
    assert one(path).spectra == one(write(tmp_path / "ttree.root", c)).spectra


@pytest.mark.parametrize("bad", [{"chunk_size": 0}, {"workers": 0}])
def test_chunk_size_and_workers_must_be_positive(tmp_path: Path, bad: dict[str, int]) -> None:
    with pytest.raises(InputError, match="must be positive"):
        one(tmp_path / "a.root", **bad)


def test_sample_without_files_raises() -> None:
    with pytest.raises(InputError, match="'sample' has no files"):
        one([])


def test_file_given_twice_raises(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", columns(5))
    with pytest.raises(InputError, match=r"a\.root is given twice"):
        one([path, path])
