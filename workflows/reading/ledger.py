"""The ledger of a read: for every file and entry range, the rows that were expected, those that were read, and why not.

What was expected is counted when the files are opened; what was read is counted by what reads it. `ledger` puts both
together, so that no range can be lost, and none be there twice, without being seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workflows.ntuples.entry_ranges import EntryRange
from workflows.running.missing import Missing

__all__ = ["LedgerEntry", "ReadRange", "ledger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRange:
    """An entry range that was read.

    Parameters
    ----------
    file, tree, start, stop
        As in `workflows.ntuples.entry_ranges.EntryRange`.
    rows
        Rows that were processed.
    """

    file: str
    tree: str
    start: int
    stop: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """What became of an entry range, or of a file that could not be opened.

    Parameters
    ----------
    file, tree
        Where.
    start, stop
        First entry, and the one after the last; None for a file that could not be opened.
    expected
        Rows that are there; None where nobody knows.
    processed
        Rows that were read.
    reason
        Why others were not; empty if all were.
    """

    file: str
    tree: str
    start: int | None
    stop: int | None
    expected: int | None
    processed: int
    reason: str

    @property
    def place(self) -> str:
        """The entries and the file, as the beginning of a sentence."""
        return f"{self.file}: entries {self.start} to {(self.stop or 0) - 1}"


def ledger(
    expected: Sequence[EntryRange], read: Iterable[ReadRange], missing: Iterable[Missing]
) -> tuple[LedgerEntry, ...]:
    """Return what became of the entry ranges of a sample, in their order, and then of files that could not be opened.

    Parameters
    ----------
    expected
        All entry ranges of the files that could be opened.
    read
        Those that were read.
    missing
        Ranges and files that could not be read.
    """
    rows: Counter[tuple[str, int | None, int | None]] = Counter()
    for found in read:
        rows[found.file, found.start, found.stop] += found.rows
    reasons = {(m.file, m.start, m.stop): m for m in missing}
    entries = []
    for where in expected:
        key = (where.file, where.start, where.stop)
        known = reasons.pop(key, None)
        entries.append(
            LedgerEntry(
                file=where.file,
                tree=where.tree,
                start=where.start,
                stop=where.stop,
                expected=where.stop - where.start,
                processed=rows[key],
                reason="" if known is None else known.reason,
            )
        )
    for m in reasons.values():
        entries.append(
            LedgerEntry(
                file=m.file, tree=m.tree, start=m.start, stop=m.stop, expected=None, processed=0, reason=m.reason
            )
        )
    return tuple(entries)
