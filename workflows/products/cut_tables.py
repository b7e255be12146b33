"""Cuts in bins of mass and what is known of them, on disk: each table as CSV and JSON, by region.

=================== ========================================================================================
table               holds
=================== ========================================================================================
``cuts``            the cut table: bounds, figure of merit, efficiency and background on either half
``overtraining``    the figure of merit on the half that chose the cuts and on the other, with errors
``ranking``         separation of every observable that may be cut on, in every mass bin
``classifier``      what a classifier in place of the cuts gives, if asked for
=================== ========================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bumphunt.cuts.table import CutTable
from workflows.config.regions import AnalysedRegion
from workflows.results import read_json, read_table

__all__ = ["CLASSIFIER", "CUTS", "OVERTRAINING", "RANKING", "read_cuts", "tables_by_region"]

CUTS, OVERTRAINING, RANKING, CLASSIFIER = "cuts", "overtraining", "ranking", "classifier"
"""Names of the tables, without suffix and region."""


def read_cuts(folder: Path, regions: Sequence[AnalysedRegion]) -> dict[str, CutTable]:
    """Return the cut tables of those regions that have a signal.

    Raises
    ------
    BumphuntError
        If one cannot be read.
    """
    return {
        region.name: CutTable.from_columns(read_json(folder / f"{region.file(CUTS)}.json")["columns"], axis=region.axis)
        for region in regions
        if region.signal is not None
    }


def tables_by_region(
    folder: Path, regions: Sequence[AnalysedRegion], table: str
) -> dict[str, Mapping[str, NDArray[Any]]]:
    """Return the columns of a table by region, as far as it was made.

    Raises
    ------
    BumphuntError
        If one cannot be read.
    """
    return {
        region.name: read_table(folder, region.file(table))
        for region in regions
        if (folder / f"{region.file(table)}.json").exists()
    }
