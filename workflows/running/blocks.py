"""Results of tasks on disk as soon as they are there, so that work that was ended goes on where it was.

A task that is kept looks for its result first; else it works, and writes it, in whatever process it runs: after Ctrl-C,
kill -9 or a lost machine only those tasks are done again that were at work. What the results depend on must be in the
name of the folder; `workflows.provenance.step` sees to that for the stages::

    blocks = Blocks(folder=folder / BLOCKS / "toys", types=(ToyCounts,))
    tasks = [blocks.kept(f"{number:06}", task) for number, task in enumerate(tasks)]
    with in_order(tasks, workers=workers) as results:
        ...

A result that is read again is, bit for bit, the one that was written.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from bumphunt.errors import BumphuntError
from workflows.running.records import BrokenRecordError, read_record, write_record
from workflows.whole_file import whole_file

__all__ = ["BLOCKS", "Blocks"]

T = TypeVar("T")

BLOCKS = ".blocks"
"""Name of the folder in that of a stage that is being made."""
_SUFFIX = ".block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """A folder of results.

    Parameters
    ----------
    folder
        The folder; made when the first result is there.
    types
        Types of records and enumerations that are in the results, see `workflows.running.records`.
    root
        Paths in the results that are below this folder may move with it; the folder itself unless given.
    """

    folder: Path
    types: tuple[type, ...] = ()
    root: Path | None = None

    def kept(self, name: str, task: Callable[[], T]) -> Callable[[], T]:
        """Return a task whose result is on disk when it is done, and is read from there where it is.

        Parameters
        ----------
        name
            Name of the result, one for each task.
        task
            What to do; it can be pickled when it is done elsewhere.
        """
        self._path(name).parent.mkdir(parents=True, exist_ok=True)
        return _Kept(blocks=self, name=name, task=task)

    def has(self, name: str) -> bool:
        """Whether there is a result of that name, every byte of which is right."""
        try:
            self.read(name)
        except (FileNotFoundError, BrokenRecordError):
            return False
        return True

    def read(self, name: str) -> Any:
        """Return a result.

        Raises
        ------
        FileNotFoundError
            If there is none of that name.
        BrokenRecordError
            If it is damaged.
        """
        with self._path(name).open("rb") as file:
            return read_record(file, self.types, root=self.root or self.folder)

    def write(self, name: str, result: object) -> None:
        """Write a result.

        Raises
        ------
        TypeError
            If there is a type in it that is none of `types`.
        """
        with whole_file(self._path(name)) as partial, partial.open("wb") as file:
            write_record(file, result, self.types, root=self.root or self.folder)

    def forget(self, name: str) -> None:
        """Remove the results whose names are below one, as ``name/...``."""
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept(Generic[T]):
    """A task whose result is kept."""

    blocks: Blocks
    name: str
    task: Callable[[], T]

    def __call__(self) -> T:
        """Return the result: from the disk, if it is there and whole.

        Raises
        ------
        BumphuntError
            If this machine has not the disk on which results are kept.
        """
        if not self.blocks.folder.is_dir():
            msg = f"{self.blocks.folder}: is not there on {socket.gethostname()}; all workers must see the same results"
            raise BumphuntError(msg)
        try:
            found: T = self.blocks.read(self.name)
        except (FileNotFoundError, BrokenRecordError):
            found = self.task()
            self.blocks.write(self.name, found)
        return found
