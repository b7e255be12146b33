"""Speed and memory of the pass over the ntuples, beside a bare loop over the same columns.

Run by ``make bench``; never a test. Two million rows of 55 branches are written as basf2 does: numbers of 8 bytes, with
ROOT's default compression (zlib, level 1), and once more with LZ4. Then, in one run,

* a bare `uproot.iterate` with NumPy sums of the columns that the Z' search needs,
* `workflows.reading.read.read_samples` of the same: observables, cutflow, N-1 histograms, spectra, events on disk, and
  an optimisation tensor from those; wanted: 0.8 of the rate of the bare loop,
* the same with ten more variations of the weights; wanted: less than twice the time,
* the same with ten of the momenta in their place; wanted: half of the rate with those of the weights,
* the memory of two million rows and of three times as many; wanted: less than 1 GB,
* a file with baskets of 1600 bytes before and after `workflows.ntuples.repack.repack`.

Both loops work in this process; the processor reads the next chunk in a thread while it works on one, so that the
times of the clock and of the processor are both given. ``python tests/benchmarks/processing.py ROWS`` takes fewer rows.
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import uproot

from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.conditions import Conditions
from bumphunt.montecarlo.detector.presets import DETECTORS
from bumphunt.montecarlo.processes.registry import find_process
from bumphunt.montecarlo.simulation import simulate_chunk
from selections.registry import SEARCHES
from selections.searches.zprime.tau_veto import VETO
from selections.shifts import Shift
from workflows.ntuples.branches import escape
from workflows.ntuples.repack import repack
from workflows.products.factor_files import write_correction
from workflows.reading.chunk import needed_variables
from workflows.reading.plan import Correction, RegionPlan, SampleFiles
from workflows.reading.processor import SearchProcessor
from workflows.reading.read import read_samples
from workflows.reading.second_pass import fill_tensor_of
from workflows.reading.weights import load_corrections

ROWS = 2_000_000
BRANCHES = 55
BASKET_ROWS = 200_000
TINY_ROWS = 100_000
TINY_BASKET_ROWS = 200
REPEATS = 4
WANTED_RATIO = 0.8
WANTED_MEMORY = 1000
SEARCH = SEARCHES["zprime-invisible"]

Times = dict[str, float]


def simulated_rows(n: int) -> dict[str, np.ndarray]:
    """Return rows of mu mu (gamma) in the types of basf2, filled up with more branches."""
    conditions = Conditions(beams=BEAMS["belle2"], detector=DETECTORS["belle2"], seed=1)
    parts, rows = [], 0
    while rows < n:
        chunk = simulate_chunk(
            find_process("mumu"), {}, conditions, n=100_000, chunk=len(parts), luminosity=1.0, total=n
        ).columns
        chunk["__experiment__"] = np.full(len(chunk["__event__"]), len(parts))
        parts.append(chunk)
        rows += len(chunk["__event__"])
    rng = np.random.default_rng(1)
    content = {}
    for name in parts[0]:
        values = np.concatenate([part[name] for part in parts])[:n]
        if values.dtype.kind == "f":
            values = values.astype(np.float64)
            if np.any(values != np.round(values)):  # all digits of a double, as a fit has them
                values *= 1 + 1e-9 * rng.normal(size=n)
        content[name] = values if values.dtype.kind == "f" else values.astype(np.int32)
    return content | {f"more{i}": rng.normal(size=n) for i in range(BRANCHES - len(content))}


def write(path: Path, rows: int, content: dict[str, np.ndarray], compression: Any, production: int = 0) -> Path:
    """Write the rows again and again, each time as another run, until there are enough."""
    size = len(content["__run__"])
    with uproot.recreate(path, compression=compression) as file:
        tree = file.mktree("events", {escape(name): values.dtype for name, values in content.items()})
        for run in range(rows // size):
            again = content | {"__run__": np.full(size, run, np.int32)}
            again["__production__"] = np.full(size, production, np.int32)
            tree.extend({escape(name): values for name, values in again.items()})
    return path


def plan() -> RegionPlan:
    """Return the region of the Z' search."""
    region = SEARCH.signal_regions[0]
    return RegionPlan(
        name=region.name,
        selection=region.selection(BEAMS["belle2"]),
        edges=region.binning.edges,
        keep=VETO,
        cut_on=VETO,
    )


def timed(function: Callable[[], object]) -> Times:
    """Return the times of a call [s]."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def bare(path: Path) -> float:
    """Read the needed columns and add them up."""
    branches = [escape(name) for name in needed_variables([plan()])]
    total = 0.0
    for arrays in uproot.iterate({str(path): "events"}, branches, library="np", step_size=BASKET_ROWS):
        total += sum(float(np.sum(arrays[branch])) for branch in branches)
    return total


def full(
    files: tuple[Path, ...],
    events: Path,
    corrections: tuple[Correction, ...] = (),
    shifts: tuple[Shift, ...] = (),
) -> None:
    """Process the files: everything that a search needs of them."""
    shutil.rmtree(events, ignore_errors=True)
    region = replace(plan(), shifts=shifts)
    sample = SampleFiles(files=files, simulated=True)
    processor = SearchProcessor(regions=[region], corrections=load_corrections(corrections), event_folder=events)
    read_samples(processor, {"mumu": sample})
    edges = np.linspace(0.0, 80.0, 41)
    fill_tensor_of(events, "mumu", region.name, edges=edges, axes=SEARCH.veto)


def ten_variations(folder: Path) -> tuple[Correction, ...]:
    """Return corrections like those of an analysis: trigger, tracking, muon ID, and two scale factors."""
    momenta, angles = np.linspace(0.0, 7.0, 15), np.linspace(0.0, np.pi, 11)
    rng = np.random.default_rng(2)
    shape = (momenta.size - 1, angles.size - 1)
    made: list[Correction] = []
    for name in ("trigger", "tracking", "muon_id"):
        values = rng.uniform(0.9, 1.0, shape)
        path = folder / f"{name}.json"
        write_correction(path, name, edges={"p": momenta, "theta": angles}, values=values, errors=0.01 * values)
        inputs = ("daughter({i}, p)", "daughter({i}, theta)")
        made.append(Correction(name=name, file=path, correction=name, inputs=inputs, each=(0, 1)))
    for name in ("factor0", "factor1"):
        path = folder / f"{name}.json"
        write_correction(path, name, edges={}, values=0.65, errors=0.03)
        made.append(Correction(name=name, file=path, correction=name, inputs=()))
    return tuple(made)


def ten_shifts() -> tuple[Shift, ...]:
    """Return shifts like those of an analysis: momentum scales and resolutions, and the energies of photons."""
    tracks = ("daughter(0, p)", "daughter(1, p)")
    photons = tuple(f"getVariableByRank(gamma:roe, E, E, {rank})" for rank in (1, 2, 3))
    return (
        Shift(name="momentum scale", kind="scale", columns=tracks, by=0.001),
        Shift(name="scale of the positive track", kind="scale", columns=tracks[:1], by=0.001),
        Shift(name="scale of the negative track", kind="scale", columns=tracks[1:], by=0.001),
        Shift(name="photon energy", kind="scale", columns=photons, by=0.01),
        Shift(name="momentum resolution", kind="smear", columns=tracks, by=0.002),
        Shift(name="photon resolution", kind="smear", columns=photons, by=0.02),
    )


def _peak(files: tuple[Path, ...], events: Path, queue: Any) -> None:
    full(files, events)
    # not that of getrusage, which a child takes over from its parent
    status = Path("/proc/self/status").read_text().splitlines()
    queue.put(next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024)


def peak_memory(files: tuple[Path, ...], events: Path) -> float:
    """Return the largest memory of a process that does everything [MB]."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_peak, args=(files, events, queue))
    child.start()
    found: float = queue.get(timeout=600)
    child.join()
    return found


def best(times: list[Times]) -> Times:
    """Return the shortest times."""
    return {which: min(t[which] for t in times) for which in times[0]}


def compare(label: str, path: Path, rows: int, folder: Path) -> dict[str, Any]:
    """Return and print the rates of the bare loop, of the processor, and of the processor with variations."""
    corrections = ten_variations(folder)
    cases: dict[str, Callable[[], object]] = {
        "bare loop": lambda: bare(path),
        "process": lambda: full((path,), folder / "events"),
        "process, 10 more variations": lambda: full((path,), folder / "events", corrections),
        "process, 10 of the momenta": lambda: full((path,), folder / "events", (), ten_shifts()),
    }
    measured: dict[str, list[Times]] = {name: [] for name in cases}
    for repeat in range(REPEATS + 1):
        for name, function in cases.items():
            found = timed(function)
            if repeat:  # the first time warms up
                measured[name].append(found)
    times = {name: best(values) for name, values in measured.items()}
    for name, t in times.items():
        print(
            f"{label:<6} {name:<28} {rows / t['wall'] / 1e6:6.2f} M rows/s {t['wall']:7.2f} s {t['cpu']:7.2f} s of CPU"
        )
    ratio = {which: times["bare loop"][which] / times["process"][which] for which in ("wall", "cpu")}
    extra = times["process, 10 more variations"]["cpu"] / times["process"]["cpu"] - 1
    print(
        f"{label:<6} rate of process / bare loop: {ratio['wall']:.2f} by the clock, {ratio['cpu']:.2f} by CPU (wanted"
        f" {WANTED_RATIO}); ten more variations cost {extra:.2f} of the first pass (wanted < 1)",
        flush=True,
    )
    moved = {
        which: times["process, 10 more variations"][which] / times["process, 10 of the momenta"][which]
        for which in ("wall", "cpu")
    }
    print(
        f"{label:<6} rate with ten variations of the momenta / of the weights: {moved['wall']:.2f} by the clock,"
        f" {moved['cpu']:.2f} by CPU (wanted 0.5)",
        flush=True,
    )
    return {"times": times, "ratio": ratio, "variations": extra, "momenta": moved}


def tiny_baskets(content: dict[str, np.ndarray], folder: Path) -> dict[str, float]:
    """Return and print rates before and after repacking."""
    part = {name: values[:TINY_BASKET_ROWS] for name, values in content.items()}
    tiny = write(folder / "tiny.root", TINY_ROWS, part, uproot.ZLIB(1))
    large = folder / "large.root"
    start = time.perf_counter()
    repack(tiny, large)
    rates = {"repack": TINY_ROWS / (time.perf_counter() - start)}
    for name, path in (("tiny", tiny), ("repacked", large)):
        rates[f"{name}, bare loop"] = TINY_ROWS / min(timed(lambda p=path: bare(p))["wall"] for _ in range(3))
        rates[f"{name}, process"] = TINY_ROWS / min(
            timed(lambda p=path: full((p,), folder / "events"))["wall"] for _ in range(3)
        )
    for name, rate in rates.items():
        print(f"{TINY_BASKET_ROWS} rows a basket: {name:<22} {rate / 1e6:6.2f} M rows/s")
    print(f"repacking makes process {rates['repacked, process'] / rates['tiny, process']:.1f} times faster", flush=True)
    return rates


def main() -> None:
    """Print the table, and write it to bench/processing.json."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    results: dict[str, Any] = {"rows": rows}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content = simulated_rows(min(BASKET_ROWS, rows))
        path = write(folder / "zlib.root", rows, content, uproot.ZLIB(1))
        results["zlib"] = compare("zlib", path, rows, folder)
        more = tuple(write(folder / f"{i}.root", rows, content, uproot.ZLIB(1), production=i) for i in (1, 2))
        results["memory"] = {
            str(rows * len(files)): peak_memory(files, folder / "events") for files in ((path,), (path, *more))
        }
        for size, memory in results["memory"].items():
            print(f"{int(size):,} rows: {memory:.0f} MB at most (wanted < {WANTED_MEMORY})", flush=True)
        for file in more:
            file.unlink()
        results["lz4"] = compare("lz4", write(folder / "lz4.root", rows, content, uproot.LZ4(1)), rows, folder)
        results["baskets"] = tiny_baskets(content, folder)
    output = Path("bench")
    output.mkdir(exist_ok=True)
    (output / "processing.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
