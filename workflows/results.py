"""The results on disk, with provenance.

Results of an analysis live in one folder, one sub-folder a stage. `Step.run` makes a stage into a temporary folder and
renames it when it is complete, so an interrupted stage leaves nothing; beside the outputs it writes ``provenance.json``
with the key of everything the outputs depend on. The stage is made again when that key has changed, and only then.

=============================== =====================================================
Step, lock                      one stage in its folder; a folder for one run at a time
fingerprint, code_digest        what a step depends on
write_table, read_table         columns, as CSV and as JSON
write_csv, write_json, read_json one file
=============================== =====================================================
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bumphunt
from bumphunt.errors import BumphuntError

__all__ = [
    "PROVENANCE",
    "Step",
    "code_digest",
    "fingerprint",
    "lock",
    "read_json",
    "read_table",
    "write_csv",
    "write_json",
    "write_table",
]

PROVENANCE = "provenance.json"
PACKAGES = (
    *("awkward", "boost-histogram", "coffea", "correctionlib", "hist", "iminuit", "numba", "numpy", "particle"),
    *("scipy", "uproot"),
)
_FINGERPRINT_BYTES = 65536


def _digest(content: object) -> str:
    """Return the SHA-256 of the canonical JSON of `content`; what JSON cannot hold may differ between processes."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def fingerprint(path: Path) -> dict[str, object]:
    """Return what identifies an input file: path, size, time of change and the SHA-256 of its first and last 64 KiB."""
    try:
        stat = path.stat()
        with path.open("rb") as file:
            sha = hashlib.sha256(file.read(_FINGERPRINT_BYTES))
            file.seek(max(0, stat.st_size - _FINGERPRINT_BYTES))
            sha.update(file.read())
    except OSError as error:  # whether it may be missing is decided where it is read
        return {"path": str(path.resolve()), "unreadable": str(error.strerror)}
    return {
        "path": str(path.resolve()),
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "sha256_ends": sha.hexdigest(),
    }


@cache
def code_digest() -> str:
    """Return the SHA-256 of the source of the three packages, so that a changed cut makes results stale."""
    root = Path(bumphunt.__file__).parents[1]
    sha = hashlib.sha256()
    for package in ("bumphunt", "selections", "workflows"):
        for source in sorted((root / package).rglob("*.py")):
            sha.update(f"{source.relative_to(root)}\0".encode())
            sha.update(source.read_bytes())
    return sha.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage in the folder of an analysis.

    Parameters
    ----------
    name
        The verb.
    folder
        Where its outputs live.
    settings
        The part of the configuration that the outputs depend on.
    inputs
        Input files that the outputs depend on, as they are when the step begins.
    loaded
        Fingerprints of files that were read before.
    upstream
        Folders of the stages that it reads.
    make
        Called with a temporary folder, which it fills.
    """

    name: str
    folder: Path
    settings: Mapping[str, object]
    make: Callable[[Path], None]
    inputs: Sequence[Path] = ()
    loaded: Sequence[Mapping[str, object]] = ()
    upstream: Sequence[Path] = ()

    def _dependencies(self) -> dict[str, object]:
        """Return everything the outputs depend on."""
        return {
            "stage": self.name,
            "settings": dict(self.settings),
            "code": code_digest(),
            "packages": {name: version(name) for name in PACKAGES},
            "inputs": [*map(fingerprint, self.inputs), *self.loaded],
            "upstream": [read_json(folder / PROVENANCE)["key"] for folder in self.upstream],
        }

    def is_current(self) -> bool:
        """Whether the outputs on disk are complete and were made from exactly these dependencies."""
        return (self.folder / PROVENANCE).exists() and self._is_made_of(self._dependencies())

    def _is_made_of(self, dependencies: Mapping[str, object]) -> bool:
        try:
            record = read_json(self.folder / PROVENANCE)
            sizes = {name: (self.folder / name).stat().st_size for name in record["outputs"]}
        except (OSError, BumphuntError, KeyError, TypeError, AttributeError):  # missing, or no record of ours
            return False
        return bool(record["key"] == _digest(dependencies) and sizes == record["outputs"])

    def run(self) -> bool:
        """Make the stage if it is out of date; return whether anything was done.

        Raises
        ------
        BumphuntError
            Whatever `make` raises; the outputs on disk are then those of before.
        """
        dependencies = self._dependencies()  # as they are now: what changes from here on is seen by the next run
        if self._is_made_of(dependencies):
            return False
        partial = self.folder.with_name(f".{self.folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            self.make(partial)
            _write_provenance(partial, dependencies)
            shutil.rmtree(self.folder, ignore_errors=True)
            partial.replace(self.folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return True


def _write_provenance(folder: Path, dependencies: Mapping[str, object]) -> None:
    """Write what the outputs in `folder` were made of."""
    outputs = {str(p.relative_to(folder)): p.stat().st_size for p in sorted(folder.rglob("*")) if p.is_file()}
    record = {
        "key": _digest(dependencies),
        "bumphunt": bumphunt.__version__,
        "python": platform.python_version(),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        **dependencies,
        "outputs": outputs,
    }
    write_json(folder / PROVENANCE, record)


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold the results folder, so that two runs do not write into each other.

    Raises
    ------
    BumphuntError
        If another process holds it, or it is no folder that can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        msg = f"{folder}: cannot hold results ({error.strerror}); choose another folder with --output"
        raise BumphuntError(msg) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"{folder}: another bumphunt is at work in this folder; wait for it, or choose another with --output"
            raise BumphuntError(msg) from None
        yield


def _replace(path: Path, text: str) -> None:
    """Write `text` to a temporary file and rename it, so that no reader sees half a file."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)  # noqa: PTH105
    finally:
        partial.unlink(missing_ok=True)


def _plain(value: object) -> object:
    """Return a NumPy scalar as a Python one, and NaN as None: an empty cell is no number."""
    item = getattr(value, "item", None)
    plain = item() if callable(item) else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def write_csv(path: Path, columns: Mapping[str, Any]) -> None:
    """Write columns of equal length as CSV; NaN becomes an empty cell, floats keep seven significant digits.

    Raises
    ------
    ValueError
        If the columns differ in length.
    """
    lines = [",".join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join(_cell(_plain(value)) for value in row))
    _replace(path, "\n".join(lines) + "\n")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.7g}"
    text = ";".join(value) if isinstance(value, (tuple, list)) else str(value)
    return f'"{text}"' if "," in text or '"' in text else text


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON document; NaN becomes null."""

    def clean(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(k): clean(v) for k, v in value.items()}
        if hasattr(value, "tolist"):
            return clean(value.tolist())
        if isinstance(value, (list, tuple)):
            return [clean(v) for v in value]
        plain = _plain(value)
        return plain if plain is None or isinstance(plain, (bool, int, float, str)) else str(plain)

    _replace(path, json.dumps(clean(content), indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON document.

    Raises
    ------
    BumphuntError
        If the file is missing or broken.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path}: cannot be read ({error}); make it again with 'bumphunt run'"
        raise BumphuntError(msg) from None
    return content


def write_table(folder: Path, name: str, columns: Mapping[str, Any], **about: Any) -> None:
    """Write columns of equal length as ``NAME.csv`` and ``NAME.json``.

    Parameters
    ----------
    folder, name
        Where.
    columns
        The columns; under ``columns`` in the JSON.
    about
        What else stands in the JSON, before them.
    """
    write_csv(folder / f"{name}.csv", columns)
    write_json(folder / f"{name}.json", {**about, "columns": columns})


def read_table(folder: Path, name: str) -> dict[str, NDArray[Any]]:
    """Return the columns that `write_table` wrote, from the JSON; empty cells are NaN.

    Raises
    ------
    BumphuntError
        If the file is missing or broken.
    """
    columns = read_json(folder / f"{name}.json")["columns"]
    return {key: np.array([np.nan if value is None else value for value in values]) for key, values in columns.items()}
