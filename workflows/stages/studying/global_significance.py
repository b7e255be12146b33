"""The stage ``global``: what the largest of all local significances is worth, by toys of the complete spectra.

The toys of the main fit are made in blocks, by local processes, and each block is on disk as soon as it is finished: a
run that is ended goes on where it was. Where only more toys are wanted, those that are there are kept. All points of
the other coordinates are hypotheses of the same spectra.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from bumphunt.errors import BumphuntError, ConfigError
from bumphunt.inference import asymptotics
from bumphunt.scanning.regions import blinded
from bumphunt.search_wide.global_p0 import global_p0
from bumphunt.search_wide.largest import BLOCK, Largest, joined_blocks, largest_of_block
from bumphunt.search_wide.significance import LEVEL, GlobalSignificance, judged, region_densities
from bumphunt.search_wide.whole import Hypothesis, WholeSearch, scan_hypotheses, whole_search
from workflows.config.records import ResolvedAnalysis
from workflows.figures.global_significance import global_significance as draw
from workflows.figures.limits import p0_scan
from workflows.figures.style import save
from workflows.fitting.regions import scan_regions
from workflows.products.findings import FINDINGS, findings
from workflows.products.global_table import GLOBAL, NUMBER, TOYS
from workflows.products.limit_table import poor_fits
from workflows.products.selected import read_selected
from workflows.products.signal_models import read_signal_models
from workflows.provenance.step import Older
from workflows.results import read_table, write_csv, write_json, write_table
from workflows.running.blocks import BLOCKS, Blocks
from workflows.running.workers import in_order
from workflows.stages.depends import tested
from workflows.stages.stage import Job, Stage
from workflows.whole_file import whole_file

__all__ = ["global_stage", "toys_of_search", "whole_of_scan"]

TOY_STREAM, WINDOW_STREAM = 0x61B0, 0x61B1
"""Tell the random numbers of the toys, and of windows with few events, from others of the same seed."""
MASSES = 64
"""Hypotheses of one task."""
ENOUGH = 10
"""Toys beyond a level that is taken from them; upcrossings say the others."""
LEVELS = np.arange(0.0, 8.01, 0.1)
"""Local significances at which the global p-value is tabulated."""


def whole_of_scan(job: Job) -> WholeSearch:
    """Return the main fit of the scan as a search that toys can be made of."""
    setup, selected = job.analysis.scan, read_selected(job.of("spectra"))
    table = read_table(job.of("scan"), setup.fits[0].file("scan"))
    tasks, n_hypotheses = [], table["mass"].size
    for at in setup.points:
        regions, sources = scan_regions(
            setup, setup.fits[0], selected.sheet(at), read_signal_models(job.of("scan"), at)
        )
        make = partial(
            scan_hypotheses,
            regions,
            method=setup.method,
            sources=sources,
            significance=setup.significance,
            blinded=blinded(regions),
            seed=np.random.SeedSequence((setup.seed, WINDOW_STREAM)),
        )
        here = np.flatnonzero(np.all([table["mass"] > 0.0, *(table[name] == value for name, value in at)], axis=0))
        for k in range(0, here.size, MASSES):
            block = here[k : k + MASSES]
            tasks.append(partial(make, table["mass"][block].tolist(), first=int(block[0])))
    found: list[Hypothesis] = []
    with in_order(tasks, workers=job.workers) as results:
        for made in results:
            found.extend(made)
            job.progress("hypotheses", len(found), n_hypotheses)
    return whole_search(
        found,
        [(region.name, region.spectra.edges) for region in regions],
        densities=region_densities(regions, setup.method),
        blinded=blinded(regions),
    )


def toys_of_search(search: WholeSearch, n_toys: int, job: Job, *, folder: Path, known: Largest | None) -> Largest:
    """Return what is kept of the toys of a search.

    Parameters
    ----------
    search
        The search.
    n_toys
        How many.
    job
        Seed, processes, and whom to tell the number of toys that are done.
    folder
        Where the finished blocks of toys are kept.
    known
        The first toys, where they were made before.
    """
    seed = job.analysis.scan.seed
    first = 0 if known is None else len(known) // BLOCK * BLOCK
    found = [] if known is None or first == 0 else [known.first(min(first, n_toys))]
    blocks, shared = Blocks(folder=folder / TOYS, types=(Largest,)), folder / "search"
    indices = [range(k, min(k + BLOCK, n_toys)) for k in range(first, n_toys, BLOCK)]
    folder.mkdir(parents=True, exist_ok=True)
    content = pickle.dumps(search)  # for the processes of this run alone
    shared.write_bytes(content)
    share = partial(_block, shared, hashlib.sha256(content).hexdigest())
    tasks = [blocks.kept(f"{one.start:08}_{len(one)}", partial(share, one, seed)) for one in indices]
    _shared.cache_clear()
    try:
        with in_order(tasks, workers=job.workers) as results:
            for one, block in zip(indices, results, strict=True):
                found.append(block)
                job.progress("toys", one.stop, n_toys)
    finally:
        _shared.cache_clear()
        shared.unlink(missing_ok=True)
    return joined_blocks(found)


@lru_cache(maxsize=1)
def _shared(path: Path, digest: str) -> WholeSearch:
    """Return the search that a process wrote for all: each reads it once, if it is that.

    Raises
    ------
    BumphuntError
        If the file is another one: to open what somebody else pickled is to execute it.
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        msg = f"{path}: is not what this run has written; run it again"
        raise BumphuntError(msg)
    found: WholeSearch = pickle.loads(content)
    return found


def _block(path: Path, digest: str, indices: range, seed: int) -> Largest:
    """Return a block of toys."""
    return largest_of_block(
        _shared(path, digest), indices, seed=np.random.SeedSequence((seed, TOY_STREAM)), level=LEVEL
    )


def _write(job: Job, found: GlobalSignificance, folder: Path) -> None:
    """Write the local-to-global curve, what is said of the search, every toy, and the figure."""
    about, setup = job.analysis.about, job.analysis.scan
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
    crossed, largest = found.upcrossings, found.largest
    write_table(
        folder,
        GLOBAL,
        columns,
        n_toys=len(largest),
        hypotheses=found.masses.size,
        **{name: getattr(found, name) for name in names},
        upcrossings={"level": crossed.level, "mean": crossed.mean, "error": crossed.error, "n_toys": crossed.n_toys},
        left_out=[{"mass": mass, "flag": str(flag)} for mass, flag in found.left_out],
        failed_toys=np.flatnonzero(largest.failed),
    )
    kept = {"z0": largest.z0, "mass": largest.mass, "upcrossings": largest.crossings, "failed": largest.failed}
    write_table(folder, TOYS, kept)
    scanned = read_table(job.of("scan"), setup.fits[0].file("scan"))
    beside = {name: scanned[name] for name, _ in setup.points[0]}
    write_csv(folder / "local.csv", {"mass": found.masses, **beside, "z0": found.z0})
    said = findings(found, scanned)
    write_json(folder / f"{FINDINGS}.json", said)
    with whole_file(folder / f"{FINDINGS}.txt") as text:
        text.write_text(said["text"] + "\n", encoding="utf-8")
    kind = "expectation" if about.blinded else "pseudo-data" if about.pseudo else "data"
    figure = draw(
        columns,
        largest.z0,
        observed=None if np.isnan(found.z0_max) else (found.z0_max, found.p0_global),
        label=f"bumphunt, {about.search.name}, {setup.fits[0].title}, toys of fits to the {kind}"
        + (", blinded" if about.blinded else ""),
    )
    save(figure, folder, GLOBAL)
    if not beside and not np.all(np.isnan(found.z0)):
        p0 = np.where(np.isnan(found.z0), np.nan, asymptotics.p_value(found.z0))
        figure = p0_scan(
            found.masses,
            p0,
            label=f"bumphunt, {about.search.name}, {setup.fits[0].title}, {kind}, {len(largest)} toys",
            xlabel=rf"$m_{{{about.search.particle}}}$ [GeV]",
            injected=about.injected,
            global_levels=_worth(found),
            poor=poor_fits(scanned),
        )
        save(figure, folder, "p0")


def _worth(found: GlobalSignificance) -> list[tuple[int, float]]:
    """Return the local p-values that are worth 1 to 5 standard deviations: by toys as far as they reach."""
    levels = []
    for z in range(1, 6):
        p = float(asymptotics.p_value(z))
        if p * len(found.largest) >= ENOUGH:
            local = float(np.quantile(found.largest.z0, 1.0 - p))
        else:
            local = float(np.interp(-p, -found.upcrossings.at(LEVELS)[0], LEVELS))
        levels.append((z, float(asymptotics.p_value(local))))
    return levels


def global_stage(analysis: ResolvedAnalysis, n_toys: int) -> Stage:
    """Return the stage that makes a number of toys.

    Raises
    ------
    ConfigError
        If there are fewer than two, the data are blinded but for the sidebands of each hypothesis, or the local p-value
        is the global one.
    """
    if analysis.scan.sidebands:
        msg = (
            f"{analysis.path}: blinding: sidebands: each hypothesis sees other data, so there is no spectrum of all"
            " to draw toys of; unblind, or give samples and leave 'blinding' out"
        )
        raise ConfigError(msg)
    scan = analysis.scan
    counts = any(region.counts for region in scan.fits[0].regions)
    if any(region.plan.others for region in scan.fits[0].regions):
        msg = (
            f"{analysis.path}: each hypothesis sees its own band of a spectrum with several axes, and toys of those are"
            " not made; the number of hypotheses times the local p-value is an upper bound of the global one"
        )
        raise ConfigError(msg)
    if counts or (scan.masses.low == scan.masses.high and len(scan.points) == 1):
        why = "all hypotheses have the same count" if counts else "there is one hypothesis"
        msg = f"{analysis.path}: {why}, so that the local p-value is the global one, and there are no toys to make"
        raise ConfigError(msg)
    if n_toys < 2:
        msg = f"--toys {n_toys}: a distribution needs two toys at the least; 10000 reach a global significance of 3.7"
        raise ConfigError(msg)

    def make(job: Job, folder: Path, known: Largest | None = None) -> None:
        whole = whole_of_scan(job)
        largest = toys_of_search(whole, n_toys, job, folder=folder / BLOCKS, known=known)
        _write(job, judged(whole, largest), folder)

    def remake(job: Job, folder: Path, older: Older) -> None:
        make(job, folder, _kept(older) if _same_but_for_toys(older) else None)

    return Stage(
        name=GLOBAL,
        folder=GLOBAL,
        needs=("spectra", "scan"),
        depends=lambda job: {**tested(job), NUMBER: n_toys},
        files=("search", "background"),
        make=make,
        remake=remake,
    )


def _same_but_for_toys(older: Older) -> bool:
    """Return whether older results were made of the same, but for the number of toys."""

    def made_of(record: Mapping[str, Any]) -> list[object]:
        settings = {name: value for name, value in record["settings"].items() if name != NUMBER}
        return [settings, *(record[name] for name in ("code", "packages", "files", "stages"))]

    return made_of(older.before) == made_of(older.now)


def _kept(older: Older) -> Largest:
    """Return the toys of older results."""
    found = read_table(older.folder, TOYS)
    return Largest(
        z0=found["z0"].astype(np.float64),
        mass=found["mass"].astype(np.float64),
        crossings=found["upcrossings"].astype(np.int64),
        failed=found["failed"].astype(np.int64),
    )
