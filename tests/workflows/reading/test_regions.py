"""Several regions in one pass, slices, N-1 histograms and the events on disk, against NumPy on the same columns."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bumphunt.cuts.table import CutTable
from bumphunt.cuts.tensor import VetoAxis
from bumphunt.errors import InputError, NtupleError
from selections.cuts import Columns, Cut, Selection, Variable
from selections.events import REJECT, CandidateRule, event_keys, half_sample
from selections.lazy import LazyObservables
from workflows.ntuples.writing import write_tree
from workflows.reading import cutflow, second_pass
from workflows.reading.events import read_events
from workflows.reading.plan import ProcessedSample, RegionPlan, SampleFiles
from workflows.reading.processor import SearchProcessor
from workflows.reading.read import read_samples
from workflows.reading.second_pass import fill_tensor_of, optimised_step, spectra_of
from workflows.reading.spectra import spectrum_of

EDGES = np.linspace(0.0, 10.0, 11)


def lazy(columns: Columns) -> LazyObservables:
    return LazyObservables(
        columns,
        {
            "x": lambda o: np.asarray(o["m"]),
            "_double": lambda o: 2.0 * o["q"],
            "q2": lambda o: o["_double"] / 2.0,
            "k": lambda o: np.asarray(o["n"], dtype=np.float64),
        },
    )


def eager(columns: Columns) -> dict[str, NDArray[np.float64]]:
    found = lazy(columns)
    return {name: found[name] for name in found}


CUTS = (
    Cut(name="number", observable="k", equals=2, description="", source=""),
    Cut(name="q", observable="q2", above=0.3, below=0.9, description="", source=""),
    Cut(name="x", observable="x", above=1.0, description="", source=""),
)


def selection(cuts: tuple[Cut, ...] = CUTS, function: Any = lazy) -> Selection:
    variables = tuple(Variable(name=name) for name in ("m", "q", "n", "c"))
    return Selection(name="test", variables=variables, observables=function, cuts=cuts, spectrum="x")


def columns(n: int = 3000, *, whole_weights: bool = False) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(8)
    zeros = np.zeros(n, dtype=np.int32)
    return {
        **{f"__{name}__": zeros for name in ("production", "experiment", "run", "candidate")},
        "__event__": np.arange(n, dtype=np.int32),
        "__weight__": rng.integers(1, 4, n).astype(np.float64) if whole_weights else rng.uniform(0.5, 1.5, n),
        "m": rng.uniform(-1, 11, n),
        "q": rng.uniform(0, 1.5, n),
        "n": rng.integers(0, 9, n).astype(np.int32),
        "c": rng.uniform(-1, 1, n),
    }


def run(path: Path, plans: list[RegionPlan], content: dict[str, NDArray[Any]], **kwargs: Any) -> ProcessedSample:
    blind = kwargs.pop("blind", None)
    write_tree(path / "a.root", [content])
    sample = SampleFiles(files=(path / "a.root",), simulated=True, blind=blind)
    processor = SearchProcessor(regions=plans, rule=kwargs.pop("rule", REJECT), event_folder=kwargs.pop("events", None))
    return read_samples(processor, {"s": sample}, **kwargs)["s"]


def passes(content: dict[str, NDArray[Any]], cuts: tuple[Cut, ...] = CUTS) -> NDArray[np.bool_]:
    """The cuts, written once more for the columns."""
    masks = {
        "number": content["n"] == 2,
        "q": (content["q"] > 0.3) & (content["q"] < 0.9),
        "x": content["m"] > 1.0,
    }
    return np.logical_and.reduce([masks[cut.name] for cut in cuts])


@pytest.mark.parametrize("function", [lazy, eager])
@pytest.mark.parametrize("block", [7, 100, 65536])
def test_regions_of_one_read_equal_numpy(
    tmp_path: Path, function: Any, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutflow, "BLOCK", block)
    c = columns()
    other = (CUTS[2], CUTS[0])
    plans = [
        RegionPlan(name="a", selection=selection(function=function), edges=EDGES),
        RegionPlan(name="b", selection=selection(other, function), edges=EDGES[::2]),
        RegionPlan(name="all", selection=selection((), function), edges=EDGES),
    ]
    result = run(tmp_path, plans, c, chunk_size=800)
    for plan, cuts in zip(plans, (CUTS, other, ()), strict=True):
        region = result.regions[plan.name]
        keep = passes(c, cuts) if cuts else np.ones(3000, dtype=np.bool_)
        counts, _ = np.histogram(c["m"][keep], plan.edges, weights=c["__weight__"][keep])
        np.testing.assert_allclose(spectrum_of(region.spectra).values(), counts, rtol=1e-12)
        left = [np.ones(3000, dtype=np.bool_)]
        for cut in cuts:
            left.append(left[-1] & passes(c, (cut,)))
        steps = [*left, keep]
        np.testing.assert_array_equal(region.cutflow.raw, [np.count_nonzero(m) for m in steps])
        np.testing.assert_allclose(region.cutflow.sum_w, [c["__weight__"][m].sum() for m in steps], rtol=1e-12)
        np.testing.assert_allclose(region.cutflow.sum_w2, [(c["__weight__"][m] ** 2).sum() for m in steps], rtol=1e-12)


@pytest.mark.parametrize("function", [lazy, eager])
def test_n_minus_one_equals_numpy_with_what_is_outside(tmp_path: Path, function: Any) -> None:
    c = columns()
    found = eager(c)
    result = run(tmp_path, [RegionPlan(name="a", selection=selection(function=function), edges=EDGES)], c)
    for i, cut in enumerate(CUTS):
        others = passes(c, CUTS[:i] + CUTS[i + 1 :])
        histogram = result.regions["a"].n_minus_one[cut.name]
        assert histogram.axes.name == (cut.observable,)
        np.testing.assert_array_equal(histogram.axes[0].edges, cut.bins)
        borders = np.concatenate([[-np.inf], cut.bins, [np.inf]])
        w = c["__weight__"][others]
        values = found[cut.observable][others]
        np.testing.assert_allclose(histogram.values(flow=True), np.histogram(values, borders, weights=w)[0], rtol=1e-12)
        np.testing.assert_allclose(
            histogram.variances(flow=True), np.histogram(values, borders, weights=w**2)[0], rtol=1e-12
        )
        # the thresholds are edges, so that the accepted bins hold the events that pass
        accepted = [e for e in (cut.above, cut.below) if e is not None]
        assert cut.equals is not None or all(np.any(np.isclose(histogram.axes[0].edges, e)) for e in accepted)


def test_cells_of_values_on_edges_are_those_of_searchsorted() -> None:
    edges = Cut(name="a", observable="a", above=0.1, description="", source="").bins
    values = np.concatenate([edges, np.nextafter(edges, -1), np.nextafter(edges, 1), [np.nan, np.inf, -np.inf, 1e300]])
    np.testing.assert_array_equal(cutflow._cells(values, edges), np.searchsorted(edges, values, side="right"))


def test_slices_are_a_second_axis(tmp_path: Path) -> None:
    c = columns()
    slices = np.array([-0.5, 0.0, 0.8])
    plan = RegionPlan(name="a", selection=selection(), edges=EDGES, slices=("c", slices))
    spectra = run(tmp_path, [plan], c, chunk_size=700, events=tmp_path / "events").regions["a"].spectra
    keep = passes(c)
    half = half_sample(event_keys(c))
    expected, _ = np.histogramdd(
        [half[keep], c["c"][keep], c["m"][keep]],
        bins=[[-0.5, 0.5, 1.5], slices, EDGES],
        weights=c["__weight__"][keep],
    )
    assert spectra.axes.name == ("variation", "half", "slice", "x")
    assert spectra.axes["slice"].label == "c"
    np.testing.assert_allclose(spectra["nominal", ...].values(), expected, rtol=1e-12)
    np.testing.assert_allclose(spectrum_of(spectra, piece=1).values(), expected[:, 1].sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(spectrum_of(spectra, half=1).values(), 2 * expected[1].sum(axis=0), rtol=1e-12)
    again = spectra_of(tmp_path / "events", "s", plan)
    np.testing.assert_allclose(again.variances(), spectra.variances(), rtol=1e-12)


def test_one_region_may_be_blinded_and_the_other_not(tmp_path: Path) -> None:
    c = columns()
    plans = [RegionPlan(name=name, selection=selection(()), edges=EDGES) for name in ("signal", "control")]
    result = run(tmp_path, plans, c, blind={"signal": (2.0, 5.0)}, events=tmp_path / "events")
    hidden = (c["m"] >= 2.0) & (c["m"] < 5.0)
    assert result.regions["signal"].cutflow.raw[0] == np.count_nonzero(~hidden)
    assert result.regions["control"].cutflow.raw[0] == 3000
    positions = np.concatenate([b.positions for b in read_events(tmp_path / "events", "s", "signal")])
    assert not np.any((positions >= 2.0) & (positions < 5.0))


@pytest.mark.parametrize("chunk_size", [100, 100_000])
def test_sums_of_whole_weights_do_not_depend_on_chunks_at_all(tmp_path: Path, chunk_size: int) -> None:
    c = columns(whole_weights=True)
    keep = passes(c)
    region = run(tmp_path, [RegionPlan(name="a", selection=selection(), edges=EDGES)], c, chunk_size=chunk_size)
    expected, _ = np.histogram(c["m"][keep], EDGES, weights=c["__weight__"][keep])
    np.testing.assert_array_equal(spectrum_of(region.regions["a"].spectra).values(), expected)
    assert region.regions["a"].cutflow.sum_w[-1] == c["__weight__"][keep].sum()


def table(names: tuple[str, ...] = ("q2",)) -> CutTable:
    zeros = np.zeros(2)
    quantities = {
        f"{name}_{which}": zeros
        for name in ("merit", "efficiency", "background")
        for which in ("choosing", "quoting", "before")
        if (name, which) != ("merit", "before")
    }
    return CutTable(
        edges=np.array([0.0, 4.0, 10.0]),
        names=names,
        sides=("above",),
        bounds=np.array([[0.4], [0.6]]),
        smooth=False,
        **quantities,
    )


@pytest.mark.parametrize("batch", [1, 30, 10**6])
def test_tensor_table_and_last_steps_come_from_the_events(
    tmp_path: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_pass, "BATCH", batch)
    c = columns()
    plan = RegionPlan(name="a", selection=selection(), edges=EDGES, keep=("q2", "c"))
    result = run(tmp_path, [plan], c, chunk_size=500, events=tmp_path / "events")
    events = tmp_path / "events"
    keep = passes(c)
    m, q, w = c["m"][keep], c["q"][keep], c["__weight__"][keep]
    axes = (VetoAxis(name="q2", thresholds=np.array([0.0, 0.4, 0.7])),)
    tensor = fill_tensor_of(events, "s", "a", edges=[0.0, 4.0, 10.0], axes=axes)
    half = half_sample(event_keys(c))[keep]
    expected, _ = np.histogramdd([half, m, q], bins=[[-0.5, 0.5, 1.5], [0, 4, 10], [0, 0.4, 0.7, 99]], weights=w)
    np.testing.assert_allclose(tensor.sum_w, expected, rtol=1e-12)
    cut = q >= np.where(m < 4.0, 0.4, 0.6)
    counts, _ = np.histogram(m[cut], EDGES, weights=w[cut])
    np.testing.assert_allclose(spectrum_of(spectra_of(events, "s", plan, table=table())).values(), counts, rtol=1e-12)
    flow = result.regions["a"].cutflow.then(optimised_step(events, "s", "a", table=table()))
    assert flow.steps[-1] == "optimised cuts"
    assert flow.raw[-1] == np.count_nonzero(cut)
    with pytest.raises(InputError, match="twice"):
        flow.then(flow)
    with pytest.raises(InputError, match="'p' is not known"):
        spectra_of(events, "s", replace(plan, slices=("p", EDGES)))
    assert sorted(path.name for path in events.iterdir()) == ["s"]


def test_events_of_a_sample_that_was_not_processed_raise(tmp_path: Path) -> None:
    with pytest.raises(NtupleError, match="no complete events of sample 's' in region 'a'"):
        next(read_events(tmp_path, "s", "a"))


def test_damaged_block_names_its_file(tmp_path: Path) -> None:
    run(tmp_path, [RegionPlan(name="a", selection=selection(), edges=EDGES)], columns(), events=tmp_path / "events")
    block = min((tmp_path / "events").rglob("0*.npz"))
    block.write_bytes(block.read_bytes()[:100])
    with pytest.raises(NtupleError, match=block.name):
        list(read_events(tmp_path / "events", "s", "a"))


def test_events_are_not_added_to_those_of_another_run(tmp_path: Path) -> None:
    plan = RegionPlan(name="a", selection=selection(), edges=EDGES)
    run(tmp_path, [plan], columns(), events=tmp_path / "events")
    with pytest.raises(InputError, match="there are events of sample 's' in region 'a'; give an empty folder"):
        run(tmp_path, [plan], columns(), events=tmp_path / "events")


def test_error_leaves_no_record_of_passed_events(tmp_path: Path) -> None:
    c = columns()
    c["m"][-1] = np.nan
    plan = RegionPlan(name="a", selection=selection(), edges=EDGES)
    with pytest.raises(NtupleError, match="'m' is nan"):
        run(tmp_path, [plan], c, chunk_size=100, events=tmp_path / "events")
    assert not (tmp_path / "events" / ".passed").exists()
    assert not list((tmp_path / "events").rglob("border.npz"))


def test_interrupt_stops_reading_and_leaves_no_record_of_passed_events(tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = threading.active_count()
    plan = RegionPlan(name="a", selection=selection(), edges=EDGES)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, [plan], columns(), chunk_size=100, events=tmp_path / "events", progress=interrupt)
    assert threading.active_count() == before
    assert not (tmp_path / "events" / ".passed").exists()
    assert not list((tmp_path / "events").rglob(".*"))


@pytest.mark.parametrize("on_disk", [False, True])
def test_event_that_passes_in_two_regions_in_distant_rows_raises(tmp_path: Path, on_disk: bool) -> None:
    c = {name: np.append(values, values[:1]) for name, values in columns().items()}
    c["__candidate__"] = c["__candidate__"].copy()
    c["__candidate__"][-1] = 1
    c["n"][[0, -1]], c["q"][[0, -1]], c["m"][[0, -1]] = 2, 0.5, 2.0
    # the row after the last one keeps the repeated event from being at the border of the file
    more = {name: np.append(values, values[1:2]) for name, values in c.items()}
    more["__event__"] = more["__event__"].copy()
    more["__event__"][-1] = 9999
    first = {name: np.concatenate([values[1:2], values]) for name, values in more.items()}
    first["__event__"][0] = 8888
    plans = [RegionPlan(name=name, selection=selection(), edges=EDGES) for name in ("a", "b")]
    with pytest.raises(NtupleError, match="must be in adjacent rows"):
        run(tmp_path, plans, first, events=tmp_path / "events" if on_disk else None)


def test_row_that_passes_in_two_fitted_regions_raises(tmp_path: Path) -> None:
    """Such an event would be counted twice in their combination; a control sample beside them may have it."""
    fitted, control = (
        [RegionPlan(name=name, selection=selection(), edges=EDGES, fitted=both or name == "a") for name in ("a", "b")]
        for both in (True, False)
    )
    entry = int(np.flatnonzero(passes(columns()))[0])
    with pytest.raises(InputError, match=f"entry {entry} passes in the regions 'a' and 'b'"):
        run(tmp_path, fitted, columns())
    assert set(run(tmp_path, control, columns()).regions) == {"a", "b"}


@pytest.mark.parametrize(
    ("plans", "blind", "message"),
    [
        (["a", "a"], None, "each a name of its own"),
        ([], None, "give at least one"),
        (["a"], {"b": (0.0, 1.0)}, "sample 's' is blinded: region 'b' is not known"),
    ],
)
def test_wrong_names_raise(
    tmp_path: Path, plans: list[str], blind: dict[str, tuple[float, float]] | None, message: str
) -> None:
    regions = [RegionPlan(name=name, selection=selection(), edges=EDGES) for name in plans]
    with pytest.raises(InputError, match=message):
        run(tmp_path, regions, columns(), blind=blind)


def test_unknown_observable_to_keep_is_a_missing_branch(tmp_path: Path) -> None:
    plan = RegionPlan(name="a", selection=selection(), edges=EDGES, keep=("pt",))
    with pytest.raises(NtupleError, match="no branch 'pt'"):
        run(tmp_path, [plan], columns())


def test_cut_on_an_unknown_observable_raises(tmp_path: Path) -> None:
    cut = Cut(name="pt", observable="pt", above=1.0, description="", source="")
    with pytest.raises(InputError, match="cut 'pt': observable 'pt' is not known; known are x, q2, k"):
        run(tmp_path, [RegionPlan(name="a", selection=selection((cut,)), edges=EDGES)], columns())


def test_rule_resolves_candidates_in_each_region_apart(tmp_path: Path) -> None:
    c = columns()
    c["__event__"] = c["__event__"] // 2
    c["__candidate__"] = np.tile(np.arange(2, dtype=np.int32), 1500)
    plans = [
        RegionPlan(name="a", selection=selection((CUTS[1],)), edges=EDGES),
        RegionPlan(name="b", selection=selection((CUTS[2],)), edges=EDGES),
    ]
    result = run(tmp_path, plans, c, rule=CandidateRule(best="x"), chunk_size=333)
    for plan, cut in zip(plans, (CUTS[1], CUTS[2]), strict=True):
        keep = passes(c, (cut,)).reshape(-1, 2)
        best = np.where(keep, c["m"].reshape(-1, 2), -np.inf).max(axis=1)
        counts, _ = np.histogram(best[keep.any(axis=1)], EDGES)
        assert result.regions[plan.name].cutflow.raw[-1] == np.count_nonzero(keep.any(axis=1))
        assert counts.sum() > 0
        halves = result.regions[plan.name].spectra["nominal", ...].values() > 0
        np.testing.assert_array_equal(halves.any(axis=0), counts > 0)
