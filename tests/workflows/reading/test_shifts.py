"""Shifted momenta in the pass over the files, against the same pass over files whose columns were shifted before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kstest

from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.conditions import Conditions
from bumphunt.montecarlo.detector.presets import DETECTORS
from bumphunt.montecarlo.processes.registry import find_process
from bumphunt.montecarlo.simulation import simulate_chunk
from selections.cuts import Columns, Cut, Selection, Variable
from selections.events import CandidateRule
from selections.registry import SEARCHES
from selections.shifts import Shift
from workflows.ntuples.writing import write_tree
from workflows.products.factor_files import write_correction
from workflows.reading.events import read_events
from workflows.reading.plan import Correction, RegionPlan, RegionResult, SampleFiles
from workflows.reading.processor import SearchProcessor
from workflows.reading.read import read_samples
from workflows.reading.second_pass import spectra_of
from workflows.reading.spectra import spectrum_of, variations
from workflows.reading.weights import load_corrections

BEST = CandidateRule(best="p0")
P0, P1 = "daughter(0, p)", "daughter(1, p)"
SCALE = Shift(name="scale", kind="scale", columns=(P0, P1), by=0.03)
SMEAR = Shift(name="resolution", kind="smear", columns=(P0, P1), by=0.05)


def observables(columns: Columns) -> dict[str, NDArray[np.float64]]:
    p0, p1 = columns[P0], columns[P1]
    return {
        "mass": np.sqrt(2 * p0 * p1 * (1 - np.cos(columns["angle"]))),
        "p0": p0,
        "smaller": np.minimum(p0, p1),
        "pt0": columns["daughter(0, pt)"],
        "quality": columns["quality"],
    }


def plan(**more: Any) -> RegionPlan:
    names = {P0: "GeV", P1: "GeV", "daughter(0, pt)": "GeV", "daughter(1, E)": "GeV", "angle": "rad", "quality": ""}
    cuts = {"quality": 0.2, "smaller": 1.0, "pt0": 0.8}
    return RegionPlan(
        name="pair",
        selection=Selection(
            name="pair",
            variables=tuple(Variable(name=name, unit=unit) for name, unit in names.items()),
            observables=observables,
            cuts=tuple(Cut(name=n, observable=n, above=above, description="", source="") for n, above in cuts.items()),
            spectrum="mass",
        ),
        edges=np.linspace(0.0, 8.0, 41),
        **more,
    )


def columns(n_events: int = 4000) -> dict[str, NDArray[Any]]:
    """Return events with one to three candidates, adjacent."""
    rng = np.random.default_rng(5)
    candidates = rng.integers(1, 4, n_events)
    n = int(candidates.sum())
    zeros = np.zeros(n, dtype=np.int32)
    p0, p1 = rng.uniform(0.2, 4.0, (2, n))
    return {
        **{f"__{name}__": zeros for name in ("production", "experiment", "run")},
        "__event__": np.repeat(np.arange(n_events), candidates),
        "__candidate__": np.concatenate([np.arange(k) for k in candidates]),
        "__weight__": rng.uniform(0.5, 1.5, n),
        P0: p0,
        P1: p1,
        "daughter(0, pt)": p0 * rng.uniform(0.3, 1.0, n),
        "daughter(1, E)": np.sqrt(p1**2 + 0.25),
        "angle": rng.uniform(0.5, 2.5, n),
        "quality": rng.random(n),
    }


KEPT = ("p0", P1, "daughter(1, E)")


def by_hand(content: dict[str, NDArray[Any]], f0: Any, f1: Any) -> dict[str, NDArray[Any]]:
    """Return the columns with momenta that were multiplied."""
    moved = {P0: content[P0] * f0, "daughter(0, pt)": content["daughter(0, pt)"] * f0, P1: content[P1] * f1}
    e, p = content["daughter(1, E)"], content[P1]
    return {**content, **moved, "daughter(1, E)": np.sqrt(e**2 + (f1 * f1 - 1.0) * p**2)}


def run(
    path: Path | Sequence[Path],
    shifts: Sequence[Shift] = (),
    *,
    region: RegionPlan | None = None,
    corrections: Sequence[Correction] = (),
    rule: CandidateRule = BEST,
    events: Path | None = None,
    simulated: bool = True,
    **how: Any,
) -> RegionResult:
    files = (path,) if isinstance(path, Path) else tuple(path)
    processor = SearchProcessor(
        regions=[replace(region or plan(), shifts=tuple(shifts))],
        rule=rule,
        corrections=load_corrections(corrections),
        event_folder=events,
    )
    done = read_samples(processor, {"mc": SampleFiles(files=files, simulated=simulated)}, **how)["mc"]
    return next(iter(done.regions.values()))


def same(one: RegionResult, name: str, other: RegionResult) -> None:
    """Check that a variation is what another file gives without any, bit for bit up to sums of weights."""
    found, expected = spectrum_of(one.spectra, name), spectrum_of(other.spectra)
    assert expected.values().sum() > 0
    np.testing.assert_allclose(found.values(flow=True), expected.values(flow=True), rtol=1e-12)
    np.testing.assert_allclose(found.variances(flow=True), expected.variances(flow=True), rtol=1e-12)


@pytest.mark.parametrize("rule", [BEST, CandidateRule()])
@pytest.mark.parametrize("chunk_size", [700, 100_000])
def test_scale_is_what_a_file_with_scaled_columns_gives(tmp_path: Path, rule: CandidateRule, chunk_size: int) -> None:
    edges, values = np.array([0.0, 1.5, 3.0, 9.0]), np.array([0.9, 1.1, 1.3])
    write_correction(tmp_path / "id.json", "id", edges={"p": edges}, values=values, errors=0.1 * values)
    id_ = Correction(name="id", file=tmp_path / "id.json", correction="id", inputs=("daughter({i}, p)",), each=(0, 1))
    content = columns()
    write_tree(tmp_path / "a.root", [content])
    how: dict[str, Any] = {"corrections": [id_], "rule": rule, "chunk_size": chunk_size}
    found = run(tmp_path / "a.root", [SCALE], events=tmp_path / "events", **how)
    assert variations(found.spectra) == ("nominal", "id_up", "id_down", "scale_up", "scale_down")
    plain = run(tmp_path / "a.root", **how)
    assert (found.cutflow.raw == plain.cutflow.raw).all()
    for name in ("nominal", "id_up"):
        np.testing.assert_array_equal(
            spectrum_of(found.spectra, name).values(), spectrum_of(plain.spectra, name).values()
        )
    disk = spectra_of(tmp_path / "events", "mc", plan())
    for name, f in (("scale_up", 1.03), ("scale_down", 0.97)):
        write_tree(tmp_path / f"{name}.root", [by_hand(content, f, f)])
        moved = run(tmp_path / f"{name}.root", events=tmp_path / name, **how)
        assert moved.cutflow.raw[-1] not in (0, plain.cutflow.raw[-1])
        same(found, name, moved)
        np.testing.assert_allclose(spectrum_of(disk, name).values(), spectrum_of(moved.spectra).values(), rtol=1e-12)
        kept = list(read_events(tmp_path / "events", "mc", "pair", shift=name))
        ours = np.sort(np.concatenate([b.observables["mass"] for b in kept]))
        theirs = np.sort(np.concatenate([b.observables["mass"] for b in read_events(tmp_path / name, "mc", "pair")]))
        np.testing.assert_array_equal(ours, theirs)


def test_workers_and_chunks_do_not_matter_and_a_smear_is_one_of_each_event(tmp_path: Path) -> None:
    write_tree(tmp_path / "a.root", [columns()])
    results = [
        run(tmp_path / "a.root", [SMEAR, SCALE], chunk_size=size, workers=workers)
        for size, workers in ((100_000, 1), (900, 1), (500, 2))
    ]
    assert variations(results[0].spectra) == ("nominal", "resolution_up", "scale_up", "scale_down")
    for name in variations(results[0].spectra):
        for other in results[1:]:
            found, expected = (spectrum_of(r.spectra, name).values(flow=True) for r in (other, results[0]))
            np.testing.assert_allclose(found, expected, rtol=1e-12)
    widths = [np.std(_masses(tmp_path, shifts)) for shifts in ([], [SMEAR])]
    assert widths[0] != widths[1]


def _masses(folder: Path, shifts: Sequence[Shift]) -> NDArray[np.float64]:
    """Return the masses that pass, of the last variation."""
    events = folder / f"events{len(shifts)}"
    run(folder / "a.root", shifts, events=events)
    name = f"{shifts[0].name}_up" if shifts else None
    return np.concatenate([b.observables["mass"] for b in read_events(events, "mc", "pair", shift=name)])


def test_smeared_momenta_have_the_resolution_that_is_asked_for(tmp_path: Path) -> None:
    """A monochromatic track: its momentum becomes a Gaussian, that of the other daughter another one."""
    n = 20_000
    content = {name: values[:n] for name, values in columns(12_000).items()}
    content |= {"__event__": np.arange(n), "__candidate__": np.zeros(n, dtype=np.int64)}
    content |= {P0: np.full(n, 2.0), P1: np.full(n, 3.0), "daughter(0, pt)": np.full(n, 1.9)}
    content |= {"angle": np.full(n, 1.0), "quality": np.ones(n), "daughter(1, E)": np.full(n, 4.0)}
    write_tree(tmp_path / "a.root", [content])
    run(tmp_path / "a.root", [SMEAR], region=plan(keep=KEPT, cut_on=KEPT), events=tmp_path / "events")
    blocks = list(read_events(tmp_path / "events", "mc", "pair", shift="resolution_up"))
    p0, p1, e1 = (np.concatenate([b.observables[name] for b in blocks]) for name in ("p0", P1, "daughter(1, E)"))
    assert p0.size == n
    assert kstest((p0 / 2.0 - 1.0) / 0.05, "norm").pvalue > 1e-3
    assert kstest((p1 / 3.0 - 1.0) / 0.05, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(p0, p1)[0, 1]) < 4 / np.sqrt(n)
    np.testing.assert_allclose(e1**2 - p1**2, 7.0, rtol=1e-12)


def test_data_are_never_shifted(tmp_path: Path) -> None:
    content = columns()
    write_tree(tmp_path / "a.root", [content | {"__weight__": np.ones(content[P0].size)}])
    assert variations(run(tmp_path / "a.root", [SCALE], simulated=False).spectra) == ("nominal",)


def test_region_that_reads_none_of_the_columns_has_no_such_variation(tmp_path: Path) -> None:
    write_tree(tmp_path / "a.root", [columns()])
    other = Shift(name="photon", kind="scale", columns=("daughter(2, E)",), by=0.01)
    assert variations(run(tmp_path / "a.root", [other]).spectra) == ("nominal",)


@pytest.fixture(scope="module")
def dimuons(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, NDArray[Any]]]:
    """Return simulated candidates of the Z' search, whose observables are worked out one by one."""
    conditions = Conditions(beams=BEAMS["belle2"], detector=DETECTORS["belle2"], seed=1)
    mumu = find_process("mumu")
    content = simulate_chunk(mumu, {}, conditions, n=20_000, chunk=0, luminosity=1.0, total=20_000).columns
    path = tmp_path_factory.mktemp("dimuons") / "mumu.root"
    content = {n: v.astype(np.float64) if v.dtype.kind == "f" else v for n, v in content.items()}
    write_tree(path, [content])
    return path, content


PHOTONS = "totalEnergyOfParticlesInList(gamma:roe)"


def photons(rank: int) -> str:
    return f"getVariableByRank(gamma:roe, E, E, {rank})"


Moved = Callable[[dict[str, NDArray[Any]], float], dict[str, NDArray[Any]]]


def tracks(content: dict[str, NDArray[Any]], f: float) -> dict[str, NDArray[Any]]:
    return {P0: content[P0] * f, P1: content[P1] * f}


def all_photons(content: dict[str, NDArray[Any]], f: float) -> dict[str, NDArray[Any]]:
    """Scale the photons one after the other, as the sum of their energies does."""
    moved, total = {}, content[PHOTONS]
    for name in (photons(1), photons(2), photons(3)):
        moved[name] = content[name] * f
        total = total + np.nan_to_num(moved[name] - content[name])
    return moved | {PHOTONS: total}


@pytest.mark.parametrize(
    ("named", "by_hand"), [((P0, P1), tracks), (tuple(photons(i) for i in (1, 2, 3)), all_photons)], ids=["p", "E"]
)
def test_lazy_observables_give_what_a_file_with_moved_columns_gives(
    tmp_path: Path, dimuons: tuple[Path, dict[str, NDArray[Any]]], named: tuple[str, ...], by_hand: Moved
) -> None:
    region = RegionPlan.of(SEARCHES["zprime-invisible"].signal_regions[0], BEAMS["belle2"], keep=("pt_pair",))
    path, content = dimuons
    how: dict[str, Any] = {"region": region, "rule": CandidateRule(best=P0)}
    found = run(path, [Shift(name="s", kind="scale", columns=named, by=0.02)], chunk_size=6000, **how)
    for name, f in (("s_up", 1.02), ("s_down", 0.98)):
        write_tree(tmp_path / f"{name}.root", [content | by_hand(content, f)])
        moved = run(tmp_path / f"{name}.root", **how)
        assert moved.cutflow.raw[-1] != found.cutflow.raw[-1]
        same(found, name, moved)
