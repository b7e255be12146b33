"""What one read of every ntuple gives, on disk.

========================== ==================================================================================
file                       holds
========================== ==================================================================================
``counts.zip``             spectra before the optimised cuts, by region and sample: variations, halves, slices (UHI)
``events/``                the events that pass, with what the optimisation needs of them
``cutflow.csv``            raw and weighted counts after each cut, before constant factors
``n_minus_one.root``       each observable that is cut on, of the events that pass all other cuts
``samples.json``           what was read
``ledger.csv``             what became of every file and entry range, see `workflows.products.ledger`
========================== ==================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import hist
import numpy as np
import uproot
from uhi.io.zip import read as read_histogram
from uhi.io.zip import write as write_histogram

from bumphunt.errors import InputError
from selections.cuts import Cutflow, cutflow_columns
from workflows.config.regions import AnalysedRegion
from workflows.config.sections.corrections import FactorSection, factors_on, product
from workflows.config.sections.samples import DATA, SIGNAL
from workflows.inputs.samples import InputSample
from workflows.products.applied_factors import weighted_cutflow, weighted_spectra
from workflows.products.ledger import read_ledger, write_ledger
from workflows.products.selected import read_spectrum
from workflows.reading.plan import ProcessedSample, RegionResult
from workflows.results import read_json, write_csv, write_json

__all__ = [
    "EVENTS",
    "N_MINUS_ONE",
    "SAMPLES",
    "Processed",
    "read_processed",
    "read_sample",
    "write_cutflows",
    "write_processed",
]

COUNTS = "counts.zip"
PAIRS = "/pairs"
"""Ends the name of the pairs of candidates of one event beside that of spectra."""
SAMPLES = "samples.json"
"""Name of the file that says what was read."""
EVENTS = "events"
"""Name of the folder of the events that pass."""
N_MINUS_ONE = "n_minus_one.root"
"""Name of the file of N-1 histograms."""

Cutflows = Mapping[str, Mapping[str, Cutflow]]
"""By region and sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """What was read.

    Parameters
    ----------
    folder
        Where it is.
    record
        What was read, by region and sample.
    cutflows
        By region and sample, with the factors.
    data_luminosity
        Luminosity of all data, read or not [fb^-1]; None where it is not said.
    factors
        Constant factors on simulated samples, by name.
    """

    folder: Path
    record: Mapping[str, Mapping[str, Mapping[str, Any]]]
    cutflows: Cutflows
    data_luminosity: float | None
    factors: Mapping[str, FactorSection]

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

    def luminosity(self, region: str) -> float | None:
        """Return the luminosity of the data that were read [fb^-1]: of all, where there are no ntuples of data.

        It is None where it is not said.
        """
        if self.data_luminosity is None:
            return None
        read = self.fraction(region, DATA) if DATA in self.record.get(region, {}) else 1.0
        return self.data_luminosity * read

    def generated(self, region: str, sample: InputSample) -> float:
        """Return the sum of weights of a signal before any selection, of the rows that were read."""
        return sample.sum_of_weights() * self.fraction(region, sample.name)

    def factor(self, region: str, sample: InputSample) -> float:
        """Return the factor that brings a sample to the luminosity of the data; 1 for data and signals.

        Raises
        ------
        InputError
            If the luminosity of the data is not known.
        """
        if sample.kind not in ("background", "alternative"):
            return 1.0
        luminosity, fraction = self.luminosity(region), self.fraction(region, sample.name)
        if luminosity is None:
            msg = f"sample {sample.name!r} cannot be brought to the luminosity of the data, which is not said"
            raise InputError(msg)
        return sample.normalisation(data_luminosity=luminosity, fraction=fraction)

    def factors_on(self, region: str, sample: str) -> dict[str, FactorSection]:
        """Return the constant factors on a sample: of an alternative those on the one that it stands for."""
        entry = self.record[region][sample]
        found = {} if entry["kind"] == "data" else self.factors
        return factors_on(found, SIGNAL if entry["kind"] == "signal" else entry["alternative"] or sample, region)

    def weight(self, region: str, sample: InputSample) -> float:
        """Return what the weights of the events of a sample are multiplied with: factors, and that of `factor`."""
        return self.factor(region, sample) * product(self.factors_on(region, sample.name))

    def spectra(self, region: str, sample: str) -> hist.Hist:
        """Return the spectra of a sample before the optimised cuts, at the luminosity of the sample itself."""
        with ZipFile(self.folder / COUNTS) as counts:
            spectra = hist.Hist(read_histogram(counts, f"{region}/{sample}"))
        return weighted_spectra(spectra, self.factors_on(region, sample))

    def pairs(self, region: str, sample: str) -> hist.Hist | None:
        """Return the pairs of candidates of one event, at the luminosity of the sample itself.

        They are there where all candidates of an event are kept; else it is None.
        """
        with ZipFile(self.folder / COUNTS) as counts:
            found = _read_pairs(counts, f"{region}/{sample}")
        return None if found is None else found * product(self.factors_on(region, sample))


def _read_pairs(counts: ZipFile, name: str) -> hist.Hist | None:
    """Return the pairs of candidates of one event; None where one candidate an event is kept."""
    there = any(file.startswith(f"{name}{PAIRS}") for file in counts.namelist())
    return hist.Hist(read_histogram(counts, f"{name}{PAIRS}")) if there else None


def read_sample(folder: Path, sample: InputSample) -> ProcessedSample:
    """Return what a sample gave, as `write_processed` wrote it: no row of it may have been missing.

    Raises
    ------
    BumphuntError
        If it cannot be read.
    """
    content = read_json(folder / SAMPLES)
    entry = content["regions"][sample.regions[0]][sample.name]
    regions = {}
    with uproot.open(folder / N_MINUS_ONE) as file, ZipFile(folder / COUNTS) as counts:
        for name in sample.regions:
            place = file[f"{name}/{sample.name}"]
            regions[name] = RegionResult(
                cutflow=_cutflow(content["cutflows"][name][sample.name]),
                spectra=hist.Hist(read_histogram(counts, f"{name}/{sample.name}")),
                pairs=_read_pairs(counts, f"{name}/{sample.name}"),
                n_minus_one={cut: read_spectrum(place, cut) for cut in place.keys(filter_classname="TH*", cycle=False)},
            )
    return ProcessedSample(
        name=sample.name,
        regions=regions,
        rows=entry["rows"],
        rows_expected=entry["rows_expected"],
        missing=(),
        files=len(sample.files),
        ledger=read_ledger(folder, sample),
        runs={int(number): rows for number, rows in entry["runs"].items()},
        luminosity_share=entry["fraction"],
    )


def _cutflow(flow: Mapping[str, Any]) -> Cutflow:
    """Return a cutflow from its JSON."""
    return Cutflow(
        steps=tuple(flow["steps"]),
        raw=np.array(flow["raw"], dtype=np.int64),
        sum_w=np.array(flow["sum_w"], dtype=np.float64),
        sum_w2=np.array(flow["sum_w2"], dtype=np.float64),
    )


def write_processed(
    regions: Sequence[AnalysedRegion], results: Iterable[tuple[InputSample, ProcessedSample]], folder: Path
) -> None:
    """Write what samples gave, each as soon as it is there, but for their events; see the head of this module.

    Parameters
    ----------
    regions
        The regions.
    results
        Samples, each of one candidate, with what they gave.
    folder
        Where the files go.
    """
    record: dict[str, dict[str, Any]] = {}
    cutflows: dict[str, dict[str, Cutflow]] = {region.name: {} for region in regions}
    read: list[tuple[InputSample, ProcessedSample]] = []
    with uproot.recreate(folder / N_MINUS_ONE) as file, ZipFile(folder / COUNTS, "w", ZIP_DEFLATED) as counts:
        for sample, result in results:
            read.append((sample, replace(result, regions={})))
            entry: dict[str, Any] = {
                "kind": sample.kind,
                "mass": sample.mass,
                "at": dict(sample.at),
                "alternative": sample.alternative,
                "rows": result.rows,
                "rows_expected": result.rows_expected,
                "missing": [asdict(missing) for missing in result.missing],
                "fraction": result.fraction,
                "runs": {str(number): rows for number, rows in sorted(result.runs.items())},
            }
            for name in sample.regions:
                found = result.regions[name]
                write_histogram(counts, f"{name}/{sample.name}", found.spectra)
                if found.pairs is not None:
                    write_histogram(counts, f"{name}/{sample.name}{PAIRS}", found.pairs)
                cutflows[name][sample.name] = found.cutflow
                for cut, histogram in found.n_minus_one.items():
                    file[f"{name}/{sample.name}/{cut}"] = histogram
                record.setdefault(name, {})[sample.name] = entry
    write_ledger(read, folder)
    write_cutflows(regions, cutflows, folder)
    flows = {region: {name: asdict(flow) for name, flow in of_region.items()} for region, of_region in cutflows.items()}
    write_json(folder / SAMPLES, {"regions": record, "cutflows": flows})


def write_cutflows(regions: Sequence[AnalysedRegion], cutflows: Cutflows, folder: Path) -> None:
    """Write the cutflows of the samples of each region as ``cutflow.csv``, with its name if there are several."""
    for region in regions:
        write_csv(folder / f"{region.file('cutflow')}.csv", cutflow_columns(cutflows[region.name]))


def read_processed(
    folder: Path, *, data_luminosity: float | None, factors: Mapping[str, FactorSection] | None = None
) -> Processed:
    """Return what `write_processed` wrote.

    Parameters
    ----------
    folder
        Where it is.
    data_luminosity
        Luminosity of all data, read or not [fb^-1]; None where it is not said.
    factors
        Constant factors on simulated samples, by name; None for none.

    Raises
    ------
    BumphuntError
        If it cannot be read.
    """
    content = read_json(folder / SAMPLES)
    cutflows = {
        region: {name: _cutflow(flow) for name, flow in flows.items()} for region, flows in content["cutflows"].items()
    }
    found = Processed(
        folder=folder,
        record=content["regions"],
        cutflows=cutflows,
        data_luminosity=data_luminosity,
        factors=factors or {},
    )
    if not found.factors:
        return found
    weighted = {
        region: {name: weighted_cutflow(flow, found.factors_on(region, name)) for name, flow in flows.items()}
        for region, flows in cutflows.items()
    }
    return replace(found, cutflows=weighted)
