"""The stage ``global``: what the largest of all local significances is worth, by toys of the complete spectra.

The toys of the main fit are made in blocks, by local processes, each written to ``.global_toys`` as it is finished: a
run that is ended goes on where it was, and more toys are added to those that are there. They belong to what they were
made of (settings, seed, spectra, scan and code), and go when that changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import ConfigError
from bumphunt.inference import asymptotics
from bumphunt.models.signal import SignalModel
from bumphunt.scanning.regions import ScanRegion, blinded
from bumphunt.search_wide.largest import BLOCK, Largest, joined_blocks, largest_of_block
from bumphunt.search_wide.significance import LEVEL, GlobalSignificance, global_p0, judged, region_densities
from bumphunt.search_wide.whole import Hypothesis, WholeSearch, scan_hypotheses, whole_search
from workflows.config.records import About, ResolvedAnalysis, ScanSetup
from workflows.figures.global_significance import global_significance as draw
from workflows.figures.style import save
from workflows.fitting.regions import scan_regions
from workflows.products.global_table import GLOBAL
from workflows.products.selected import Selected, read_selected
from workflows.products.signal_models import read_signal_models
from workflows.provenance.code import code_of
from workflows.provenance.step import record_of
from workflows.results import read_table, write_csv, write_table
from workflows.running.progress import Progress
from workflows.running.toy_blocks import block_path, read_block, write_block
from workflows.running.workers import in_order
from workflows.stages.depends import tested
from workflows.stages.stage import Job, Stage

__all__ = ["HIDDEN", "TOYS", "global_stage", "toys_of_search", "whole_of_scan"]

TOYS = ".global_toys"
"""Folder of the blocks of toys."""
HIDDEN = "blinded"
"""What the names of those folders in it begin with that hold nothing observed."""
TOY_STREAM, WINDOW_STREAM = 0x61B0, 0x61B1
"""Tell the random numbers of the toys, and of windows with few events, from others of the same seed."""
MASSES = 64
"""Hypotheses of one task."""
LEVELS = np.arange(0.0, 6.01, 0.1)
"""Local significances at which the global p-value is tabulated."""
SHARED = "search.pickle"
"""The search, for the processes that share it while toys are made."""


def whole_of_scan(
    setup: ScanSetup,
    selected: Selected,
    signals: Mapping[str, SignalModel],
    masses: NDArray[np.float64],
    *,
    workers: int,
    progress: Progress,
) -> WholeSearch:
    """Return the main fit of a scan as a search that toys can be made of.

    Parameters
    ----------
    setup
        How hypotheses are tested.
    selected
        The spectra.
    signals
        The signal models, by unit.
    masses
        The hypotheses of the scan [GeV].
    workers
        Processes to use.
    progress
        Called with the number of masses that are done.
    """
    regions, sources = scan_regions(setup, setup.fits[0], selected, signals)
    hidden = blinded(regions)
    make = partial(
        scan_hypotheses,
        regions,
        method=setup.method,
        sources=sources,
        significance=setup.significance,
        blinded=hidden,
        seed=np.random.SeedSequence((setup.seed, WINDOW_STREAM)),
    )
    tasks = [partial(make, masses[k : k + MASSES].tolist(), first=k) for k in range(0, masses.size, MASSES)]
    found: list[Hypothesis] = []
    with in_order(tasks, workers=workers) as results:
        for block in results:
            found.extend(block)
            progress("hypotheses", len(found), masses.size)
    return _united(regions, setup, found, hidden=hidden)


def _united(
    regions: Sequence[ScanRegion], setup: ScanSetup, found: Sequence[Hypothesis], *, hidden: bool
) -> WholeSearch:
    """Return the search of hypotheses over regions."""
    return whole_search(
        found,
        [(region.name, region.spectra.edges) for region in regions],
        densities=region_densities(regions, setup.method),
        blinded=hidden,
    )


def toys_of_search(
    search: Callable[[], WholeSearch], n_toys: int, *, seed: int, folder: Path, workers: int, progress: Progress
) -> tuple[WholeSearch, Largest]:
    """Return a search, and what is kept of its toys, of which those that are in the folder are not made again.

    Parameters
    ----------
    search
        Makes the search.
    n_toys
        How many.
    seed
        Of the analysis.
    folder
        Where blocks of toys are, of this search alone.
    workers
        Processes to use; the results do not depend on it.
    progress
        Called with the number of toys that are done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    blocks = [range(first, min(first + BLOCK, n_toys)) for first in range(0, n_toys, BLOCK)]
    found = {indices: read_block(block_path(folder, indices)) for indices in blocks}
    missing = [indices for indices in blocks if found[indices] is None]
    whole = search()
    shared = folder / SHARED
    tasks = [partial(_block, shared, os.getpid(), indices, seed) for indices in missing]
    done = n_toys - sum(map(len, missing))
    try:
        if missing:
            shared.write_bytes(pickle.dumps(whole))
        with in_order(tasks, workers=workers) as results:
            for indices, block in zip(missing, results, strict=True):
                found[indices] = block
                done += len(indices)
                progress("toys", done, n_toys)
    finally:
        _shared.cache_clear()
        shared.unlink(missing_ok=True)
    return whole, joined_blocks([block for block in found.values() if block is not None])


@lru_cache(maxsize=1)
def _shared(path: Path, owner: int) -> WholeSearch:
    """Return the search that a process wrote for all: each reads it once."""
    del owner
    found: WholeSearch = pickle.loads(path.read_bytes())
    return found


def _block(path: Path, owner: int, indices: range, seed: int) -> Largest:
    """Return a block of toys, which is on disk then."""
    made = largest_of_block(_shared(path, owner), indices, seed=np.random.SeedSequence((seed, TOY_STREAM)), level=LEVEL)
    write_block(block_path(path.parent, indices), made)
    return made


def _write(found: GlobalSignificance, about: About, folder: Path, title: str) -> None:
    """Write the local-to-global curve, what is said of the search, every toy, and the figure."""
    toys = [global_p0(found.largest.z0, z) for z in LEVELS]
    extrapolated, error = found.upcrossings.at(LEVELS)
    columns = {
        "z0": LEVELS,
        "p0": asymptotics.p_value(LEVELS),
        "p0_global": np.array([p.p0 for p in toys]),
        "p0_global_low": np.array([p.low for p in toys]),
        "p0_global_high": np.array([p.high for p in toys]),
        "n_beyond": np.array([p.beyond for p in toys]),
        "p0_extrapolated": extrapolated,
        "p0_extrapolated_error": error,
    }
    names = (
        *("mass", "z0_max", "p0", "p0_global", "p0_global_low", "p0_global_high", "n_beyond", "z0_global", "trials"),
        *("p0_extrapolated", "p0_extrapolated_error", "n_failed", "valid", "drawn_from"),
    )
    crossed = found.upcrossings
    write_table(
        folder,
        GLOBAL,
        columns,
        n_toys=len(found.largest),
        hypotheses=found.masses.size,
        **{name: getattr(found, name) for name in names},
        upcrossings={"level": crossed.level, "mean": crossed.mean, "error": crossed.error, "n_toys": crossed.n_toys},
        left_out=[{"mass": mass, "flag": str(flag)} for mass, flag in found.left_out],
        failed_toys=np.flatnonzero(found.largest.failed),
    )
    largest = found.largest
    write_csv(
        folder / "toys.csv",
        {"z0": largest.z0, "mass": largest.mass, "upcrossings": largest.crossings, "failed": largest.failed},
    )
    write_csv(folder / "local.csv", {"mass": found.masses, "z0": found.z0})
    kind = "expectation" if about.blinded else "pseudo-data" if about.pseudo else "data"
    figure = draw(
        columns,
        largest.z0,
        observed=None if np.isnan(found.z0_max) else (found.z0_max, found.p0_global),
        label=f"bumphunt, {title}, toys of fits to the {kind}" + (", blinded" if about.blinded else ""),
    )
    save(figure, folder, GLOBAL)


def global_stage(analysis: ResolvedAnalysis, n_toys: int) -> Stage:
    """Return the stage that makes a number of toys.

    Raises
    ------
    ConfigError
        If there are fewer than two.
    """
    if n_toys < 2:
        msg = f"--toys {n_toys}: a distribution needs two toys at the least; 10000 reach a global significance of 3.7"
        raise ConfigError(msg)

    def depends(job: Job) -> Mapping[str, object]:
        return {**tested(job), "toys": n_toys}

    def make(job: Job, folder: Path) -> None:
        setup, about = job.analysis.scan, job.analysis.about
        masses = np.asarray(read_table(job.of("scan"), setup.fits[0].file("scan"))["mass"], dtype=np.float64)
        search = partial(
            whole_of_scan,
            setup,
            read_selected(job.of("spectra")),
            read_signal_models(job.of("scan")),
            masses,
            workers=job.workers,
            progress=job.progress,
        )
        blocks = _toys_folder(job)
        whole, largest = toys_of_search(
            search, n_toys, seed=setup.seed, folder=blocks, workers=job.workers, progress=job.progress
        )
        for other in blocks.parent.iterdir():
            if other != blocks:
                shutil.rmtree(other, ignore_errors=True)
        _write(judged(whole, largest), about, folder, ", ".join([about.search.name, setup.fits[0].title]))

    return Stage(name=GLOBAL, folder=GLOBAL, needs=("spectra", "scan"), depends=depends, files=("search",), make=make)


def _toys_folder(job: Job) -> Path:
    """Return the folder of the blocks of toys that are made of the same settings, results and code."""
    records = {name: record_of(job.of(name)) for name in ("spectra", "scan")}
    code = code_of([__name__])
    made_of = {
        "settings": dict(tested(job)),
        "stages": {name: None if record is None else record["content"] for name, record in records.items()},
        "code": code.modules,
        "packages": code.packages,
    }
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    return job.of(TOYS) / f"{HIDDEN if job.analysis.about.blinded else 'open'}-{digest[:16]}"
