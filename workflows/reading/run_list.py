"""Which runs of the data are good, what luminosity each has, and what its trigger was prescaled by.

A list is a table in CSV, with a first line of names, or in JSON, as a list of objects::

    experiment,run,luminosity,prescale
    7,3017,0.00213,1
    7,3018,0.00187,10

``luminosity`` is that which was delivered in the run [fb^-1]; with a ``prescale`` one event of so many was kept, so
that the run counts with luminosity / prescale. Both columns may be left out: without luminosities the YAML says the sum
of them, and the prescale is 1.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import ConfigError, unknown_name
from workflows.whole_file import read_whole

__all__ = ["RUN", "RunList", "RunNumber", "read_run_list", "run_numbers"]

RUN = ("__experiment__", "__run__")
"""Variables that say the run of a row."""
RunNumber = int
"""Experiment and run in one number, experiment 2^32 + run."""
COLUMNS = ("experiment", "run", "luminosity", "prescale")
_BITS = 32


def run_numbers(experiment: NDArray[np.int64], run: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return experiments and runs in one number each, in the shape of both."""
    return (np.asarray(experiment, dtype=np.int64) << _BITS) + np.asarray(run, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunList:
    """The good runs.

    Parameters
    ----------
    path
        The file.
    numbers
        The runs, see `run_numbers`, ascending, shape (R,).
    luminosities
        What each counts with, prescale included [fb^-1], shape (R,); NaN where the list says no luminosity.
    """

    path: Path
    numbers: NDArray[np.int64]
    luminosities: NDArray[np.float64]

    @property
    def luminosity(self) -> float | None:
        """Sum over all runs [fb^-1]; None if the list says no luminosities."""
        return None if np.isnan(self.luminosities).any() else float(self.luminosities.sum())

    @property
    def digest(self) -> str:
        """SHA-256 of what the list says."""
        return hashlib.sha256(self.numbers.tobytes() + self.luminosities.tobytes()).hexdigest()

    def good(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which runs are in the list, in the shape of the numbers."""
        where = np.minimum(np.searchsorted(self.numbers, numbers), self.numbers.size - 1)
        return np.asarray(self.numbers[where] == numbers)

    def share(self, seen: Iterable[RunNumber]) -> float:
        """Return the part of the luminosity that belongs to runs of which there is a row; 1 without luminosities."""
        if self.luminosity is None:
            return 1.0
        return float(self.luminosities[np.isin(self.numbers, list(seen))].sum()) / self.luminosity

    def doubts(self, rows: Mapping[RunNumber, int], sample: str) -> list[str]:
        """Return a sentence for runs without luminosity and for luminosity without rows, each if there is any.

        Parameters
        ----------
        rows
            Rows of each run that was read.
        sample
            Name of the sample.
        """
        found = []
        listed = set(self.numbers.tolist())
        if bad := sorted(set(rows) - listed):
            lost = sum(rows[number] for number in bad)
            found.append(
                f"{self.path}: {lost} of {sum(rows.values())} rows of {sample!r} are of {len(bad)} runs that are not in"
                f" the list, {_names(bad)}: they are left out"
            )
        if unseen := sorted(listed - set(rows)):
            missing = self.luminosities[np.isin(self.numbers, unseen)].sum()
            without = "" if self.luminosity is None else f", with {missing:.4g} of {self.luminosity:.4g} fb^-1"
            counted = "are all files there?" if self.luminosity is None else "it is not counted: are all files there?"
            found.append(
                f"{self.path}: {len(unseen)} of {len(listed)} runs have no row in {sample!r}{without},"
                f" {_names(unseen)}: {counted}"
            )
        return found


def _names(numbers: list[RunNumber], most: int = 3) -> str:
    """Return runs as text, the first few."""
    more = ", ..." if len(numbers) > most else ""
    return ", ".join(f"{n >> _BITS}/{n & (2**_BITS - 1)}" for n in numbers[:most]) + more


def read_run_list(path: Path) -> RunList:
    """Return the list of a file.

    Raises
    ------
    ConfigError
        If it cannot be read or says something wrong: with file, row, and what is wanted.
    """
    rows = _rows(path)
    if not rows:
        msg = (
            f"{path}: there is no run in it; want columns {', '.join(COLUMNS[:2])}, and maybe {', '.join(COLUMNS[2:])}"
        )
        raise ConfigError(msg)
    found: dict[RunNumber, float] = {}
    with_luminosity = rows[0][1].get("luminosity") not in (None, "")
    for place, row in rows:
        if unknown := [name for name in row if name not in COLUMNS]:
            msg = f"{path}: {place}: {unknown_name('column', str(unknown[0]), COLUMNS)}"
            raise ConfigError(msg)
        experiment, run = (_whole(path, place, row, name) for name in COLUMNS[:2])
        number = (experiment << _BITS) + run
        if number in found:
            msg = f"{path}: {place}: the run {experiment}/{run} stands twice"
            raise ConfigError(msg)
        luminosity = _positive(path, place, row, "luminosity") if with_luminosity else np.nan
        if not with_luminosity and row.get("luminosity") not in (None, ""):
            msg = f"{path}: {place}: has a luminosity, which {rows[0][0]} has not; give it for all runs or for none"
            raise ConfigError(msg)
        prescale = _positive(path, place, row, "prescale") if row.get("prescale") not in (None, "") else 1.0
        if prescale < 1.0:
            msg = f"{path}: {place}: prescale = {prescale:g}; one event of so many was kept, so that it is 1 or more"
            raise ConfigError(msg)
        found[number] = luminosity / prescale
    numbers = np.array(sorted(found), dtype=np.int64)
    return RunList(path=path, numbers=numbers, luminosities=np.array([found[int(n)] for n in numbers]))


def _rows(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the rows of a table, each with its place.

    Raises
    ------
    ConfigError
        If it cannot be read as one.
    """
    try:
        text = read_whole(path).decode("utf-8-sig")
        if path.suffix.lower() == ".json":
            content = json.loads(text)
            if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
                msg = "want a list of objects"
                raise ValueError(msg)
            return [(f"entry {number}", row) for number, row in enumerate(content)]
        lines = csv.DictReader(text.splitlines(), skipinitialspace=True, strict=True)
        if missing := [name for name in COLUMNS[:2] if name not in (lines.fieldnames or ())]:
            msg = f"its first line names no column {missing[0]!r}, but {', '.join(lines.fieldnames or ()) or 'nothing'}"
            raise ValueError(msg)
        return [(f"line {lines.line_num}", {k or "": v for k, v in row.items()}) for row in lines]
    except FileNotFoundError:
        msg = f"{path}: there is no such file"
        raise ConfigError(msg) from None
    except (OSError, ValueError, csv.Error) as error:
        msg = f"{path}: is no list of runs: {error}"
        raise ConfigError(msg) from None


def _whole(path: Path, place: str, row: Mapping[str, Any], name: str) -> int:
    """Return a whole number of a row that is not negative."""
    try:
        value = float(row[name])
    except (KeyError, TypeError, ValueError):
        value = np.nan
    if not (0 <= value < 2**31 and value == int(value)):
        msg = f"{path}: {place}: {name} = {row.get(name)!r}; want a whole number, not negative"
        raise ConfigError(msg)
    return int(value)


def _positive(path: Path, place: str, row: Mapping[str, Any], name: str) -> float:
    """Return a positive number of a row."""
    try:
        value = float(row[name])
    except (KeyError, TypeError, ValueError):
        value = np.nan
    if not 0.0 < value < np.inf:
        msg = f"{path}: {place}: {name} = {row.get(name)!r}; want a positive number"
        raise ConfigError(msg)
    return value
