"""Rows and luminosity of each sample in each region, expected and processed, as ``luminosity.csv``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workflows.config.regions import AnalysedRegion
from workflows.inputs.samples import InputSample
from workflows.products.processed import Processed
from workflows.results import write_csv

__all__ = ["LUMINOSITIES", "write_luminosities"]

LUMINOSITIES = "luminosity.csv"
"""Name of the file."""
COLUMNS = "region sample kind rows_expected rows_processed luminosity_expected luminosity_processed".split()


def write_luminosities(
    regions: Sequence[AnalysedRegion], inputs: Sequence[InputSample], processed: Processed, folder: Path
) -> None:
    """Write the sums of the ledger (`workflows.products.ledger`) with luminosities [fb^-1]; signals have none.

    Parameters
    ----------
    regions
        The regions.
    inputs
        The samples.
    processed
        What was read.
    folder
        Where the file goes.
    """
    columns: dict[str, list[object]] = {name: [] for name in COLUMNS}
    for region, sample in ((r, s) for r in regions for s in inputs if r.name in s.regions):
        entry = processed.record[region.name][sample.name]
        luminosity = processed.data_luminosity if sample.kind == "data" else sample.luminosity
        read = None if luminosity is None else luminosity * processed.fraction(region.name, sample.name)
        row = (region.name, sample.name, sample.kind, entry["rows_expected"], entry["rows"], luminosity, read)
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    write_csv(folder / LUMINOSITIES, columns)
