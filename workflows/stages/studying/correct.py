"""The stage ``correct``: factors from control samples, as files that the YAML can name under ``corrections``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np

from bumphunt.errors import ConfigError
from workflows.config.records import ControlSetup, ReadingSetup
from workflows.config.sections.corrections import ControlSection, factors_on, product
from workflows.config.sections.samples import DATA
from workflows.inputs.needs import corrections_on
from workflows.inputs.reading import read_inputs
from workflows.inputs.samples import InputSample
from workflows.products.factor_files import write_factor, write_factors
from workflows.products.measured_factors import MeasuredFactor, measure_factor
from workflows.provenance.settings import plain
from workflows.reading.plan import ProcessedSample
from workflows.reading.read import CHUNK_RECORDS
from workflows.reading.spectra import spectrum_of
from workflows.running.blocks import BLOCKS, Blocks
from workflows.running.progress import Progress
from workflows.running.workers import Workers
from workflows.stages.depends import factors, normalised, read
from workflows.stages.stage import Job, Stage

__all__ = ["STAGE", "measure_controls"]


def measure_controls(
    inputs: Sequence[InputSample],
    reading: ReadingSetup,
    setup: ControlSetup,
    folder: Path,
    *,
    workers: Workers,
    allow_missing: bool,
    progress: Progress,
) -> None:
    """Measure the factors of the section ``control``; write each as ``NAME.json`` (correctionlib) and ``NAME.csv``.

    Corrections of the YAML are applied, but for the one with the name of the factor, which would be measured again.

    Parameters
    ----------
    inputs
        The samples.
    reading
        How they are read.
    setup
        Which factors are measured.
    folder
        Where the files go.
    workers, allow_missing, progress
        As for `workflows.reading.read.read_samples`.

    Raises
    ------
    ConfigError
        If there is nothing to measure, or a sample has no events in the control region's ntuples.
    InputError
        If the data are not more than the samples that are subtracted.
    """
    if not setup.factors:
        msg = f"{setup.path}: asks for no factors: name them under 'control'"
        raise ConfigError(msg)
    if setup.drawn:
        msg = f"{setup.path}: control: pseudo-data that are drawn from the expectation have no control samples"
        raise ConfigError(msg)
    plans = {region.name: region.plan for region in reading.regions}
    factors: dict[str, MeasuredFactor] = {}
    for name, control in setup.factors.items():
        seen = [
            sample for sample in inputs if control.region in sample.regions and sample.kind in ("data", "background")
        ]
        slices = None if control.observable is None else (control.observable, np.array(control.edges))
        done = read_inputs(
            reading,
            seen,
            [replace(plans[control.region], slices=slices, shifts=())],
            corrections_on(reading, seen, but=[name]),
            None,
            workers=workers,
            allow_missing=allow_missing,
            progress=progress,
            blocks=Blocks(folder=folder / BLOCKS / quote(name, safe=" "), types=CHUNK_RECORDS),
        )
        factors[name] = _factor(name, control, seen, done, setup)
        description = f"measured in region {control.region} of {setup.path.name}"
        write_factor(factors[name], folder, name, description=description)
    write_factors(factors, setup.factors, folder)


def _factor(
    name: str,
    control: ControlSection,
    seen: Sequence[InputSample],
    done: Mapping[str, ProcessedSample],
    setup: ControlSetup,
) -> MeasuredFactor:
    """Return the factor from the yields in the control region."""
    if setup.luminosity is None:
        msg = f"{setup.path}: data.luminosity: say it [fb^-1]; control samples are compared with simulated ones"
        raise ConfigError(msg)
    luminosity = setup.luminosity * done[DATA].fraction
    bins = 1 if control.observable is None else len(control.edges) - 1
    data, wanted, others = np.zeros(bins), np.zeros((2, bins)), np.zeros((2, bins))
    found = set()
    for sample in seen:
        yields = [spectrum_of(done[sample.name].regions[control.region].spectra, piece=i) for i in range(bins)]
        counts = np.array([spectrum.values().sum() for spectrum in yields])
        variances = np.array([spectrum.variances().sum() for spectrum in yields])
        if sample.kind == "data":
            data = counts
            continue
        applied = {key: known for key, known in setup.applied.items() if key != name}
        factor = sample.normalisation(data_luminosity=luminosity, fraction=done[sample.name].fraction)
        factor *= product(factors_on(applied, sample.name, control.region))
        counts, variances = factor * counts, factor**2 * variances
        if sample.name in control.samples:
            found.add(sample.name)
            wanted += (counts, variances)
        else:
            others += (counts, variances + (setup.uncertainties[sample.name] * counts) ** 2)
    if absent := [sample for sample in control.samples if sample not in found]:
        msg = f"{setup.path}: control.{name}: sample {absent[0]!r} has no ntuples in region {control.region!r}"
        raise ConfigError(msg)
    return measure_factor(
        data,
        *wanted,
        *others,
        luminosity_error=setup.luminosity_uncertainty,
        observable=control.observable,
        edges=control.edges or None,
    )


def _make(job: Job, folder: Path) -> None:
    analysis = job.analysis
    measure_controls(
        job.inputs,
        analysis.reading,
        analysis.control,
        folder,
        workers=job.workers,
        allow_missing=job.allow_missing,
        progress=job.progress,
    )


def _depends(job: Job) -> Mapping[str, object]:
    """Return which factors are measured, in what."""
    setup = job.analysis.control
    return {
        **read(job),
        "normalised": normalised(job),
        "control": plain(setup.factors),
        "factors": factors(job, uncertainties=False),
        "luminosity_uncertainty": setup.luminosity_uncertainty,
        "uncertainties": plain(setup.uncertainties),
    }


STAGE = Stage(
    name="correct",
    needs=("simulate",),
    depends=_depends,
    files=("ntuples", "search", "corrections"),
    make=_make,
)
