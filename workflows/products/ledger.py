"""What became of every row of every file, as ``ledger.csv``: a row for each entry range, in the order of reading.

=================== =========================================================================================
column              holds
=================== =========================================================================================
sample, kind        what the file belongs to
regions             regions that read it
file, tree          where; files in the folder of all results are given relative to it
start, stop         first entry, and the one after the last; empty for a file that could not be opened
expected            rows that are there; empty where nobody knows
processed           rows that were read: their sum is that of the cutflow before any cut
luminosity_share    part of the luminosity of the sample that belongs to them: 1 in all, less where rows are missing,
                    or good runs have no row
reason              why rows were not read; empty if all were
=================== =========================================================================================
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from bumphunt.errors import BumphuntError
from workflows.inputs.samples import InputSample
from workflows.reading.ledger import LedgerEntry
from workflows.reading.plan import ProcessedSample
from workflows.results import write_csv
from workflows.storage.addresses import place_of, relative_to

__all__ = ["LEDGER", "read_ledger", "write_ledger"]

LEDGER = "ledger.csv"
"""Name of the file."""
COLUMNS = "sample kind regions file tree start stop expected processed luminosity_share reason".split()


def write_ledger(read: Iterable[tuple[InputSample, ProcessedSample]], folder: Path) -> None:
    """Write the ledger of samples.

    Parameters
    ----------
    read
        The samples, with what was read of them.
    folder
        Folder of the stage, in that of all results.
    """
    columns: dict[str, list[object]] = {name: [] for name in COLUMNS}
    for sample, result in read:
        for entry in result.ledger:
            row = (
                sample.name,
                sample.kind,
                " ".join(sample.regions),
                relative_to(place_of(entry.file), folder.parent),
                *(entry.tree, entry.start, entry.stop, entry.expected, entry.processed),
                result.share(entry),
                entry.reason,
            )
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
    write_csv(folder / LEDGER, columns)


def read_ledger(folder: Path, sample: InputSample) -> tuple[LedgerEntry, ...]:
    """Return what `write_ledger` wrote of a sample.

    Raises
    ------
    BumphuntError
        If it cannot be read.
    """
    path = folder / LEDGER
    regions = " ".join(sample.regions)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [r for r in csv.DictReader(file) if (r["sample"], r["regions"]) == (sample.name, regions)]
        return tuple(_entry(row) for row in rows)
    except (OSError, KeyError, ValueError) as error:
        msg = f"{path}: cannot be read ({error}); make it again with 'bumphunt process'"
        raise BumphuntError(msg) from None


def _entry(row: dict[str, str]) -> LedgerEntry:
    """Return an entry from its row."""
    start, stop, expected = (int(row[name]) if row[name] else None for name in ("start", "stop", "expected"))
    return LedgerEntry(
        file=row["file"],
        tree=row["tree"],
        start=start,
        stop=stop,
        expected=expected,
        processed=int(row["processed"]),
        reason=row["reason"],
    )
