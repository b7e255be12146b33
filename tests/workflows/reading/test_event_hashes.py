"""Hashes of passing events: repeats are found in memory, on disk, and in ranges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workflows.ntuples.entry_ranges import EntryRange
from workflows.reading.event_hashes import EventHashes, forget_hashes, hashes_of, keep_hashes, repeated_hashes


def parts(folder: Path | None) -> list[EventHashes]:
    rng = np.random.default_rng(4)
    hashes = [rng.integers(0, 2**64, n, dtype=np.uint64) for n in (500, 0, 700)]
    hashes[0][[3, 9]] = hashes[2][17]
    hashes[2][[5, 6]] = np.uint64(2**64 - 1)
    where = [EntryRange(file=f"{i}.root", tree="events", start=0, stop=h.size) for i, h in enumerate(hashes)]
    made = [hashes_of(*pair) for pair in zip(where, hashes, strict=True)]
    return made if folder is None else [keep_hashes(p, folder, "a/b", f"{i}") for i, p in enumerate(made)]


@pytest.mark.parametrize("at_once", [1, 50, 10**6])
@pytest.mark.parametrize("on_disk", [False, True])
def test_repeats_are_found_whatever_is_compared_at_once(tmp_path: Path, at_once: int, on_disk: bool) -> None:
    made = parts(tmp_path if on_disk else None)
    plain = parts(None)
    everything = np.concatenate([part.between(0, 256) for part in plain])
    values, counts = np.unique(everything, return_counts=True)
    found = repeated_hashes(made, at_once=at_once)
    assert [value for value, _ in found] == values[counts > 1].tolist()
    assert sorted(places for _, places in found) == [(0, 2), (2,)]


def test_record_on_disk_is_forgotten(tmp_path: Path) -> None:
    made = parts(tmp_path)
    assert keep_hashes(made[0], tmp_path, "a/b", "0") is made[0]
    assert any(tmp_path.iterdir())
    forget_hashes(tmp_path)
    assert list(tmp_path.iterdir()) == []
