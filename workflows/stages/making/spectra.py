"""The stage ``spectra``: the optimised cuts are applied, and everything is brought to the luminosity of the data."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hist
import numpy as np
import uproot
from numpy.typing import NDArray
from scipy.stats import chi2

from bumphunt.cuts.table import CutTable
from bumphunt.cuts.tensor import QUOTING
from bumphunt.errors import FitError, InputError
from bumphunt.spectrum.histogram import add
from bumphunt.spectrum.smooth import smooth_spectrum
from workflows.config.derived.histogram_data import HistogramData
from workflows.config.records import SpectraSetup
from workflows.config.regions import AnalysedRegion
from workflows.config.sections.corrections import product
from workflows.config.sections.samples import DATA, Smooth
from workflows.inputs.samples import InputSample
from workflows.products.applied_factors import weighted_spectra
from workflows.products.cut_tables import read_cuts
from workflows.products.luminosities import write_luminosities
from workflows.products.processed import Processed, read_processed, write_cutflows
from workflows.products.selected import SPECTRA, UNITS, read_spectrum, write_values
from workflows.provenance.settings import plain
from workflows.reading.second_pass import optimised_step, spectra_of, values_of
from workflows.reading.spectra import spectrum_of, variations
from workflows.results import write_json
from workflows.running.progress import Progress
from workflows.stages.depends import BLINDED, factors, normalised, searched
from workflows.stages.stage import Job, Stage

__all__ = ["STAGE", "make_spectra"]

logger = logging.getLogger(__name__)

EXPECTATION_STREAM = 0xDA7A
"""Tells the random numbers of pseudo-data that are drawn from an expectation from others of the same seed."""
UNLIKELY = 1e-3
"""Probability of a chi^2 below which the simulation contradicts a smooth curve."""

Record = dict[str, dict[str, Any]]
"""What is there: by unit, its region and its samples."""


def make_spectra(
    inputs: Sequence[InputSample],
    setup: SpectraSetup,
    processed: Processed,
    cuts: Mapping[str, CutTable],
    folder: Path,
    *,
    progress: Progress,
) -> None:
    """Write the selected spectra (`workflows.products.selected`) and the cutflow with the optimised cuts.

    Parameters
    ----------
    inputs
        The samples.
    setup
        What is made of them.
    processed
        What was read.
    cuts
        The cut tables, by region; empty for none.
    folder
        Where the files go.
    progress
        Called after each sample.
    """
    record: Record = {unit: {"region": r.name, "samples": {}} for r in setup.regions for unit in r.units}
    after_cuts: dict[tuple[str, str], hist.Hist] = {}
    steps = [(region, sample) for region in setup.regions for sample in inputs if region.name in sample.regions]
    cutflows = {name: dict(flows) for name, flows in processed.cutflows.items()}
    values: dict[str, NDArray[np.float64]] = {}
    with uproot.recreate(folder / SPECTRA) as file:
        for done, (region, sample) in enumerate(steps):
            table = cuts.get(region.name)
            before = after = processed.spectra(region.name, sample.name)
            if table is not None:
                factors = processed.factors_on(region.name, sample.name)
                found = spectra_of(processed.events, sample.name, region.plan, table=table)
                after = weighted_spectra(found, factors)
                flow = cutflows[region.name][sample.name]
                step = optimised_step(processed.events, sample.name, region.name, table=table)
                cutflows[region.name][sample.name] = flow.then(step.scaled(product(factors)))
            if sample.kind == "data" and setup.values:
                kept = values_of(processed.events, sample.name, region.plan, table=table)
                values |= zip(region.units, kept, strict=True)
            pairs = None if sample.kind == "signal" else processed.pairs(region.name, sample.name)
            half = None if sample.kind == "data" or table is None else QUOTING
            for piece, unit in enumerate(region.units):
                found = _scaled(before, after, half, piece, processed.factor(region.name, sample))
                fit: dict[str, float] = {}
                if sample.kind in ("background", "alternative") and sample.name in setup.smooth:
                    found, fit = _smoothed(sample.name, setup.smooth[sample.name], found)
                elif sample.kind == "signal":
                    found |= _shapes(region, after, piece)
                found |= _mirrored(found, variations(after))
                after_cuts[unit, sample.name] = found["after"]
                if pairs is not None:
                    found["pairs"] = pairs * processed.factor(region.name, sample)
                for name, spectrum in found.items():
                    file[f"{unit}/{sample.name}/{name}"] = spectrum
                entry = _entry(sample, processed, region, variations(after)[1:], found["after"])
                record[unit]["samples"][sample.name] = entry | fit | {"pairs": pairs is not None}
            progress("spectra", done + 1, len(steps))
        _write_alternatives(setup, inputs, after_cuts, record, file)
    if setup.histogram is not None:
        _write_histogram(setup, setup.histogram, folder)
    if setup.drawn:
        _draw_data(setup, processed, record, folder)
    if setup.values:
        write_values(folder, values)
    write_cutflows(setup.regions, cutflows, folder)
    write_luminosities(setup.regions, inputs, processed, folder)
    luminosities = {region.name: processed.luminosity(region.name) for region in setup.regions}
    write_json(folder / UNITS, {"units": record, "data_luminosity": luminosities, "complete": processed.complete})


def _write_alternatives(
    setup: SpectraSetup,
    inputs: Sequence[InputSample],
    after_cuts: Mapping[tuple[str, str], hist.Hist],
    record: Record,
    file: Any,
) -> None:
    """Write alternative samples as variations of those that they stand for: up, and mirrored down."""
    stands_for = {sample.name: sample.alternative for sample in inputs if sample.alternative is not None}
    for source, name in setup.alternatives.items():
        nominal = stands_for.get(name, name)
        for unit, content in record.items():
            if name not in content["samples"] or nominal not in content["samples"]:
                continue
            here, other = after_cuts[unit, nominal], after_cuts[unit, name]
            mirrored = np.maximum(2.0 * here.values() - other.values(), 0.0)
            file[f"{unit}/{nominal}/after_{source}_up"] = other
            file[f"{unit}/{nominal}/after_{source}_down"] = _with_contents(here, mirrored, other.variances())
            entry = content["samples"][nominal]
            entry["variations"] = [*entry["variations"], f"{source}_up", f"{source}_down"]
            entry["other_events"] = [*entry["other_events"], source]


def _scaled(before: hist.Hist, after: hist.Hist, half: int | None, piece: int, factor: float) -> dict[str, hist.Hist]:
    """Return the spectra of a sample in a unit, at the luminosity of the data: before and after, and its variations."""
    found = {"before": spectrum_of(before, half=half, piece=piece), "after": spectrum_of(after, half=half, piece=piece)}
    for name in variations(after)[1:]:
        found[f"after_{name}"] = spectrum_of(after, name, half=half, piece=piece)
    return {name: spectrum * factor for name, spectrum in found.items()}


def _shifted(region: AnalysedRegion, varied: Sequence[str]) -> list[str]:
    """Return the names of the variations of the momenta among those of some spectra."""
    return [name for shift in region.plan.shifts for name, _ in shift.ends if name in varied]


def _shapes(region: AnalysedRegion, after: hist.Hist, piece: int) -> dict[str, hist.Hist]:
    """Return the shapes of a signal: of all its events, with momenta as they are and with others."""
    shifted = _shifted(region, variations(after))
    moved = {f"shape_{name}": spectrum_of(after, name, piece=piece) for name in shifted}
    return {"shape": spectrum_of(after, piece=piece), **moved}


def _mirrored(found: Mapping[str, hist.Hist], varied: Sequence[str]) -> dict[str, hist.Hist]:
    """Return the variations down of those that go up alone: as far from the spectrum, on the other side."""
    alone = [name for name in varied if name.endswith("_up") and f"{name.removesuffix('_up')}_down" not in varied]
    return {
        f"after_{name.removesuffix('_up')}_down": found["after"] * 2.0 + found[f"after_{name}"] * -1.0 for name in alone
    }


def _entry(
    sample: InputSample, processed: Processed, region: AnalysedRegion, varied: Sequence[str], after: hist.Hist
) -> dict[str, Any]:
    """Return what is said of a sample in a unit."""
    return {
        "kind": sample.kind,
        "mass": sample.mass,
        "at": dict(sample.at),
        "generated": processed.generated(region.name, sample) if sample.kind == "signal" else None,
        "variations": varied,
        "shifted": _shifted(region, varied),
        "other_events": [shift.name for shift in region.plan.shifts if f"{shift.name}_up" in varied],
        "events_after": float(after.values().sum()),
        "events_after_error": float(np.sqrt(after.variances().sum())),
    }


def _smoothed(
    sample: str, smooth: Smooth, spectra: Mapping[str, hist.Hist]
) -> tuple[dict[str, hist.Hist], dict[str, float]]:
    """Return smooth curves through the spectra of a background, and the chi^2 of that after all cuts.

    A curve that the simulated events contradict is told of by a warning.

    Raises
    ------
    InputError
        If no curve can be found; names the sample.
    """
    made, fit = {}, {}
    for name, spectrum in spectra.items():
        try:
            edges = spectrum.axes[0].edges
            found = smooth_spectrum(spectrum.values(), spectrum.variances(), edges, **smooth.model_dump())
        except (InputError, FitError) as error:
            msg = f"samples.{sample}.smooth: {error}"
            raise InputError(msg) from None
        dof = found.degrees_of_freedom
        if dof > 0 and chi2.sf(found.chi2, dof) < UNLIKELY:
            msg = f"samples.{sample}.smooth: chi^2 = {found.chi2:.1f} for {dof} degrees of freedom; want more knots"
            logger.warning(msg)
        made[name] = _with_contents(spectrum, found.expected, found.variance)
        if name == "after":
            fit = {"smooth_chi2": found.chi2, "smooth_degrees_of_freedom": dof}
    return made, fit


def _with_contents(spectrum: hist.Hist, counts: NDArray[np.float64], variances: NDArray[np.float64]) -> hist.Hist:
    """Return a spectrum in the bins of another, without what lies outside of them."""
    data = np.stack([counts, variances], axis=-1)
    return hist.Hist(*spectrum.axes, storage=hist.storage.Weight(), data=data)


def _write_histogram(setup: SpectraSetup, data: HistogramData, folder: Path) -> None:
    """Add data that are a spectrum already; where they are blinded, without the bins that reach into the search."""
    (region,) = setup.regions
    counts = data.counts.copy()
    if setup.blinded and region.searched is not None:
        low, high = region.searched
        counts[(data.edges[1:] > low) & (data.edges[:-1] < high)] = 0.0
    spectrum = _with_contents(_empty(region, data.edges), counts, counts)
    with uproot.update(folder / SPECTRA) as file:
        file[f"{region.name}/{DATA}/after"] = spectrum


def _empty(region: AnalysedRegion, edges: NDArray[np.float64]) -> hist.Hist:
    """Return an empty spectrum of a region in bins of given edges, and those of its other axes."""
    named = ((region.plan.selection.spectrum, edges), *region.plan.others)
    axes = [hist.axis.Variable(x, name=name) for name, x in named]
    return hist.Hist(*axes, storage=hist.storage.Weight())


def _draw_data(setup: SpectraSetup, processed: Processed, record: Record, folder: Path) -> None:
    """Add pseudo-data to the spectra: a Poisson number in each bin, from backgrounds and injected signals.

    Asimov data are the expectation itself.
    """
    path, drawn, regions = folder / SPECTRA, {}, {region.name: region for region in setup.regions}
    with uproot.open(path) as file:
        for number, (unit, content) in enumerate(record.items()):
            names = [name for name, entry in content["samples"].items() if entry["kind"] == "background"]
            spectra = [read_spectrum(file, unit, name, "after") for name in names]
            spectra += _injected(setup, processed, file, unit, content["region"])
            here = regions[content["region"]]
            expected = add(spectra) if spectra else _empty(here, here.edges)  # a count may be of nothing
            rng = np.random.default_rng(np.random.SeedSequence([setup.seed, EXPECTATION_STREAM, number]))
            counts = expected.values() if setup.asimov else rng.poisson(expected.values()).astype(np.float64)
            drawn[unit] = _with_contents(expected, counts, counts)
    with uproot.update(path) as file:
        for unit, spectrum in drawn.items():
            file[f"{unit}/{DATA}/after"] = spectrum


def _injected(setup: SpectraSetup, processed: Processed, file: Any, unit: str, region: str) -> list[hist.Hist]:
    """Return the expected spectra of the injected signals in a unit of a region.

    The weights of a signal are those of all of its rows, read or not.
    """
    return [
        read_spectrum(file, unit, injected.sample, "after")
        * (injected.strength / processed.fraction(region, injected.sample))
        for injected in setup.injected
        if injected.region == region
    ]


def _make(job: Job, folder: Path) -> None:
    setup = job.analysis.spectra
    optimised = setup.regions if job.analysis.optimisation is not None else ()
    cuts = read_cuts(job.of("optimise"), optimised)
    make_spectra(
        job.inputs,
        setup,
        read_processed(job.of("process"), data_luminosity=setup.luminosity, factors=job.analysis.sections.factors),
        cuts,
        folder,
        progress=job.progress,
    )


def _depends(job: Job) -> Mapping[str, object]:
    """Return what is made of the spectra; the seed and the signals that are put in only where data are drawn."""
    setup = job.analysis.spectra
    drawn = {"injected": plain(setup.injected), "seed": setup.seed}
    return {
        **normalised(job),
        "factors": factors(job, uncertainties=True),
        "smooth": plain(setup.smooth),
        "alternatives": plain(setup.alternatives),
        "drawn": drawn if setup.drawn else None,
        "asimov": setup.asimov,
        "histogram": _histogram(setup),
        "unbinned": setup.values,
        BLINDED: job.analysis.reading.blinded,
    }


def _histogram(setup: SpectraSetup) -> dict[str, object] | None:
    """Return the data that are a spectrum already, and what of them is hidden; None for others."""
    data = setup.histogram
    if data is None:
        return None
    hidden = searched(setup.regions) if setup.blinded else {}
    return {"file": str(data.path), "digest": data.digest, "counts": plain(data.counts), "blinded": hidden}


STAGE = Stage(
    name="spectra",
    needs=("simulate", "process", "optimise"),
    depends=_depends,
    files=("search",),
    make=_make,
)
