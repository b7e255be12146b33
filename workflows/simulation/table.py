"""What was simulated, as a table: ``samples.csv`` beside the files, and the rows that ``bumphunt simulate`` prints."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from bumphunt.errors import BumphuntError
from workflows.results import write_csv
from workflows.simulation.files import SimulatedFile
from workflows.simulation.plan import PSEUDODATA

__all__ = ["SAMPLE_TABLE", "printed_rows", "write_samples"]

SAMPLE_TABLE = "samples.csv"
"""Name of the file."""
SUMS = ("expected", "effective")


def write_samples(files: Sequence[SimulatedFile], folder: Path) -> None:
    """Write one row a file: what was generated, how many candidates it holds, cross section and effective statistics.

    The columns ``expected`` and ``effective`` are sum w and (sum w)^2 / sum w^2 of the candidates; ``drawn`` and
    ``repeated`` are of the pseudo-data: events, seen or not, and those among the rows that use a generated event again.
    """
    write_csv(
        folder / SAMPLE_TABLE,
        {
            "sample": [f.name for f in files],
            "process": [f.simulation.process for f in files],
            "mass": [f.simulation.mass for f in files],
            "coupling": [f.simulation.coupling for f in files],
            "generated": [f.simulation.generated for f in files],
            "rows": [f.rows for f in files],
            "cross_section": [f.simulation.cross_section for f in files],
            "cross_section_error": [f.simulation.cross_section_error for f in files],
            "luminosity": [f.simulation.luminosity for f in files],
            "expected": [f.expected_rows for f in files],
            "effective": [f.effective_rows for f in files],
            "drawn": [f.drawn if f.simulation.process == PSEUDODATA else math.nan for f in files],
            "repeated": [f.repeated if f.simulation.process == PSEUDODATA else math.nan for f in files],
        },
    )


def printed_rows(folder: Path) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the header and the rows of the table of a folder, as text for a screen.

    Raises
    ------
    BumphuntError
        If the table is missing or broken.
    """
    header = ("sample", "generated", "rows", "cross section [fb]", "expected", "effective")
    path = folder / SAMPLE_TABLE
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return header, [_printed(row) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError) as error:
        msg = f"{path}: cannot be read ({error}); make it again with 'bumphunt simulate'"
        raise BumphuntError(msg) from None


def _printed(row: dict[str, str]) -> tuple[str, ...]:
    """Return a row of the table as text."""
    cross_section = f"{int(row['drawn']):,} drawn" if row["drawn"] else ""
    if row["cross_section"]:
        cross_section = f"{float(row['cross_section']):.4g} +- {float(row['cross_section_error']):.1g}"
    counts = (f"{int(row[name]):,}" for name in ("generated", "rows"))
    sums = (f"{float(row[name]):,.4g}" if float(row[name]) < 1000 else f"{float(row[name]):,.0f}" for name in SUMS)
    return (row["sample"], *counts, cross_section, *sums)
