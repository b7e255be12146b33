"""The stage ``process``: every ntuple is read once, for all regions, variations and figures.

========================== ==================================================================================
file                       holds
========================== ==================================================================================
``counts.zip``             spectra before the optimised cuts, by region and sample: variations, halves, slices (UHI)
``events/``                the events that pass, with what the optimisation needs of them
``cutflow.csv``            raw and weighted counts after each cut
``n_minus_one.root``       each observable that is cut on, of the events that pass all other cuts
``samples.json``           what was read
========================== ==================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import hist
import numpy as np
import uproot
from uhi.io.zip import read as read_histogram
from uhi.io.zip import write as write_histogram

from bumphunt.cuts.tensor import VetoAxis, veto_axis
from bumphunt.errors import InputError, NtupleError
from bumphunt.spectrum.histogram import luminosity_factor
from selections.cuts import Cutflow, cutflow_columns
from selections.events import REJECT, CandidateRule
from selections.search import Region
from workflows.config.analysis import DATA, Analysis
from workflows.config.corrections import SIGNAL
from workflows.reading.plan import RegionPlan, SampleFiles
from workflows.reading.processor import needed_variables
from workflows.reading.read import ProcessedSample, process
from workflows.reading.weights import Correction, Factor, load_corrections
from workflows.results import read_json, write_csv, write_json
from workflows.stages.making.check import Sample, by_candidate

__all__ = [
    "Processed",
    "Progress",
    "candidate_rule",
    "needed",
    "normalisation",
    "process_ntuples",
    "read_processed",
    "run_process",
    "veto_axes",
    "weights",
]

Progress = Callable[[str, int, int], None]
COUNTS = "counts.zip"
SAMPLES = "samples.json"
EVENTS = "events"
N_MINUS_ONE = "n_minus_one.root"


def candidate_rule(config: Analysis) -> CandidateRule:
    """Return the rule for events with several candidates."""
    rule = config.ntuples.candidates
    if rule == "reject":
        return REJECT
    return CandidateRule(best=rule.variable, largest=rule.best == "highest")


def veto_axes(config: Analysis, region: Region) -> tuple[VetoAxis, ...]:
    """Return the axes of the tensors of a region: those of the search, or those of the YAML; none without cuts."""
    if not config.optimised or config.optimise is None or region.role != "signal":
        return ()
    ranges = config.optimise.variables
    if not ranges:
        return config.search_record.veto
    own = {axis.name: axis for axis in (*config.search_record.candidates, *config.search_record.veto)}
    return tuple(
        own[name] if r is None else veto_axis(name, r.low, r.high, n=r.steps, unit=r.unit) for name, r in ranges.items()
    )


def weights(config: Analysis, inputs: Sequence[Sample], *, but: Sequence[str] = ()) -> list[Correction | Factor]:
    """Return the corrections and factors on some samples, with the names of the signals for ``signal``.

    Parameters
    ----------
    config
        The analysis.
    inputs
        The samples.
    but
        Names of corrections and factors to leave out.
    """
    simulated = {sample.name: sample.kind for sample in inputs if sample.kind != "data"}
    signals = [name for name, kind in simulated.items() if kind == "signal"]

    def named(samples: tuple[str, ...]) -> tuple[str, ...] | None:
        if not samples:
            return None
        names = [name for sample in samples for name in (signals if sample == SIGNAL else [sample])]
        return tuple(name for name in names if name in simulated)

    found: list[Correction | Factor] = [
        section.record(name, config.path.parent, named(section.samples)) for name, section in config.corrections.items()
    ]
    found += [factor.record(name, named(factor.samples)) for name, factor in config.factors.items()]
    return [correction for correction in found if correction.name not in but]


def region_plan(config: Analysis, region: Region) -> RegionPlan:
    """Return what is filled for a region."""
    slices = config.fit.slices if region.role == "signal" else None
    axes = veto_axes(config, region)
    search, names = config.search_record, config.selection(region).names
    more = [*(axis.name for axis in search.candidates), *search.features] if axes else []
    candidates = [name for name in more if name in names]
    return RegionPlan(
        name=region.name,
        selection=config.selection(region),
        edges=config.edges(region),
        keep=tuple(dict.fromkeys([*(axis.name for axis in axes), *candidates])),
        slices=None if slices is None else (slices.observable, np.array(slices.edges)),
        fitted=region.role == "signal",
    )


def _regions(config: Analysis, sample: Sample) -> tuple[Region, ...]:
    """Return all regions that read the rows of a sample."""
    return next(regions for regions in by_candidate(config).values() if sample.regions[0] in {r.name for r in regions})


def needed(config: Analysis, sample: Sample) -> tuple[str, ...]:
    """Return the variables that must be in the files of a sample.

    Raises
    ------
    BumphuntError
        If a file of corrections cannot be used.
    """
    plans = [region_plan(config, region) for region in _regions(config, sample)]
    return needed_variables(plans, candidate_rule(config), load_corrections(weights(config, [sample])))


def run_process(
    inputs: Sequence[Sample],
    config: Analysis,
    plans: Sequence[RegionPlan],
    corrections: Sequence[Correction | Factor],
    events: Path | None,
    *,
    workers: int,
    allow_missing: bool,
    progress: Progress,
) -> dict[str, ProcessedSample]:
    """Return what samples of one candidate give; blinded data lose their rows inside the search range before all else.

    Raises
    ------
    NtupleError
        If the weights of a simulated sample add up to nothing; and as `workflows.reading.read.process`.
    """
    signal = {region.name: region for region in config.signal_regions}
    blind = {}
    for plan in plans if config.blinded else ():
        if plan.name in signal:
            low, high = (float(plan.selection.axis.position(m)) for m in config.masses_of(signal[plan.name]))
            blind[plan.name] = (low, high)
    done = process(
        {
            s.name: SampleFiles(files=s.files, simulated=s.kind != "data", blind=blind if s.kind == "data" else None)
            for s in inputs
        },
        regions=plans,
        tree=inputs[0].tree,
        names=config.ntuples.names,
        rule=candidate_rule(config),
        corrections=corrections,
        events=events,
        workers=workers,
        allow_missing=allow_missing,
        progress=progress,
    )
    for sample in inputs:
        total = done[sample.name].regions[plans[0].name].cutflow.sum_w[0]
        if sample.kind != "data" and not total > 0:
            msg = f"{sample.files[0]}: the weights of sample {sample.name!r} add up to {total:g}; is __weight__ filled?"
            raise NtupleError(msg)
    return done


def process_ntuples(
    inputs: Sequence[Sample], config: Analysis, folder: Path, *, workers: int, allow_missing: bool, progress: Progress
) -> None:
    """Read every ntuple once and write what is needed of it; see the table at the head of this module.

    Parameters
    ----------
    inputs
        The samples.
    config
        The analysis.
    folder
        Where the files go.
    workers, allow_missing, progress
        As for `workflows.reading.read.process`.
    """
    record: dict[str, dict[str, Any]] = {}
    cutflows: dict[str, dict[str, Cutflow]] = {region.name: {} for region in config.region_records}
    with uproot.recreate(folder / N_MINUS_ONE) as file, ZipFile(folder / COUNTS, "w", ZIP_DEFLATED) as counts:
        for regions in by_candidate(config).values():
            names = {region.name for region in regions}
            samples = [sample for sample in inputs if names & set(sample.regions)]
            plans = [region_plan(config, region) for region in regions]
            done = run_process(
                samples,
                config,
                plans,
                weights(config, samples),
                folder / EVENTS if config.optimised else None,
                workers=workers,
                allow_missing=allow_missing,
                progress=progress,
            )
            for sample in samples:
                result = done[sample.name]
                entry: dict[str, Any] = {
                    "kind": sample.kind,
                    "mass": sample.mass,
                    "generated": sample.sum_of_weights() * result.fraction if sample.kind == "signal" else None,
                    "rows": result.rows,
                    "rows_expected": result.rows_expected,
                    "missing": [asdict(missing) for missing in result.missing],
                    "fraction": result.fraction,
                }
                for name in sample.regions:
                    found = result.regions[name]
                    write_histogram(counts, f"{name}/{sample.name}", found.spectra)
                    cutflows[name][sample.name] = found.cutflow
                    for cut, histogram in found.n_minus_one.items():
                        file[f"{name}/{sample.name}/{cut}"] = histogram
                    record.setdefault(name, {})[sample.name] = entry
    for region in config.region_records:
        columns = cutflow_columns(cutflows[region.name])
        write_csv(folder / f"{config.region_file('cutflow', region)}.csv", columns)
    flows = {region: {name: asdict(flow) for name, flow in of_region.items()} for region, of_region in cutflows.items()}
    write_json(folder / SAMPLES, {"regions": record, "cutflows": flows})


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """What the stage ``process`` wrote.

    Parameters
    ----------
    config
        The analysis.
    folder
        Its folder.
    record
        What was read, by region and sample.
    cutflows
        By region and sample.
    """

    config: Analysis
    folder: Path
    record: Mapping[str, Mapping[str, Mapping[str, Any]]]
    cutflows: Mapping[str, Mapping[str, Cutflow]]

    @property
    def events(self) -> Path:
        """Folder of the events that pass."""
        return self.folder / EVENTS

    @property
    def complete(self) -> bool:
        """Whether every row of every file was read."""
        return not any(entry["missing"] for samples in self.record.values() for entry in samples.values())

    def fraction(self, region: str, sample: str) -> float:
        """Return the fraction of the rows of a sample that were read."""
        return float(self.record[region][sample]["fraction"])

    def luminosity(self, region: str) -> float:
        """Return the luminosity of the data that were read [fb^-1]."""
        read = 1.0 if self.config.data.drawn_from_expectation else self.fraction(region, DATA)
        return self.config.data.luminosity * read

    def generated(self, region: str, sample: str) -> float:
        """Return the sum of weights of a signal before any selection, of the rows that were read."""
        return float(self.record[region][sample]["generated"])

    def factor(self, region: str, sample: Sample) -> float:
        """Return the factor that brings a sample to the luminosity of the data; 1 for data and signals."""
        if sample.kind != "background":
            return 1.0
        return normalisation(
            sample, data_luminosity=self.luminosity(region), fraction=self.fraction(region, sample.name)
        )

    def spectra(self, region: str, sample: str) -> hist.Hist:
        """Return the spectra of a sample before the optimised cuts, at the luminosity of the sample itself."""
        with ZipFile(self.folder / COUNTS) as counts:
            return hist.Hist(read_histogram(counts, f"{region}/{sample}"))


def read_processed(config: Analysis, folder: Path) -> Processed:
    """Return what the stage ``process`` wrote.

    Raises
    ------
    BumphuntError
        If it cannot be read.
    """
    content = read_json(folder / SAMPLES)
    cutflows = {
        region: {
            name: Cutflow(
                steps=tuple(flow["steps"]),
                raw=np.array(flow["raw"], dtype=np.int64),
                sum_w=np.array(flow["sum_w"], dtype=np.float64),
                sum_w2=np.array(flow["sum_w2"], dtype=np.float64),
            )
            for name, flow in flows.items()
        }
        for region, flows in content["cutflows"].items()
    }
    return Processed(config=config, folder=folder, record=content["regions"], cutflows=cutflows)


def normalisation(sample: Sample, *, data_luminosity: float, fraction: float) -> float:
    """Return the factor that brings a background to the luminosity of the data: the one place where that is done.

    Parameters
    ----------
    sample
        The background.
    data_luminosity
        Luminosity of the data that were read [fb^-1].
    fraction
        Fraction of the sample's rows that were read.

    Raises
    ------
    InputError
        If the sample has no luminosity.
    """
    if sample.luminosity is None:
        msg = f"sample {sample.name!r} has no luminosity to scale from"
        raise InputError(msg)
    return luminosity_factor(data_luminosity, sample.luminosity * fraction)
