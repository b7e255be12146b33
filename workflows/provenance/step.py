"""One stage in the folder of an analysis: made when something it depends on has changed, and only then.

`Step.run` makes a stage into a hidden folder and renames it when it is complete, so an interrupted stage leaves the
results of before. What it had finished may stay in a folder `workflows.running.blocks.BLOCKS` in there, whose name
holds the digest of everything that the stage depends on: it is used by the next run if that is the same, and removed if
not. Beside the outputs it writes ``provenance.json``:

============ =========================================================================================================
key          holds
============ =========================================================================================================
settings     values that the stage was given, under names of the YAML
code         modules of the framework that it imports, directly or not, with digests
packages     versions of other packages that make its numbers
files        fingerprints of the inputs; those of a user's search and its modules as they were when they were loaded
schema       number of the layout: results of another one are not read, but made again, unless they are newer
stages       of each stage whose results it reads, the digest of them
outputs      size, time of change and SHA-256 of every file, and the SHA-256 of the values in it
content      digest of the values of all outputs: the same for two equal runs
============ =========================================================================================================
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bumphunt
from bumphunt.errors import BumphuntError
from workflows.provenance.changes import changes
from workflows.provenance.code import Code, code_of, module_digest, versions_of
from workflows.provenance.files import Fingerprint, bytes_digest, content_digest, fingerprints
from workflows.provenance.schema import SCHEMA, other_schema, refuse_newer
from workflows.results import PROVENANCE, read_json, write_json
from workflows.running.blocks import BLOCKS
from workflows.storage.addresses import Place, whole_name
from workflows.whole_file import link

__all__ = ["Older", "Step", "content_of", "damaged_outputs", "forget_unfinished", "outputs_of", "record_of"]

logger = logging.getLogger(__name__)

SETTINGS = "settings.json"
"""Name of the file, beside the blocks of a stage that is being made, with the settings that they depend on."""
_DIGITS = 16
"""Digits of the digest in the name of such a folder."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Older:
    """Undamaged results of a stage that is made again, of which a part may still hold.

    Parameters
    ----------
    folder
        Where they are.
    before, now
        What they were made of, and what the stage is made of now, under the keys at the head of this module.
    """

    folder: Path
    before: Mapping[str, Any]
    now: Mapping[str, Any]


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
        The values that the outputs depend on, by name, as JSON can hold them.
    make
        Called with a temporary folder, which it fills, and with the older results; None where there are none.
    modules
        Modules of the framework that make the outputs; what they import counts too.
    files
        Input files that the outputs depend on, as they are when the step begins.
    loaded
        Fingerprints of files that were read before, by path.
    packages
        Versions of packages besides those that the modules import.
    upstream
        The stages whose results it reads.
    """

    name: str
    folder: Path
    settings: Mapping[str, object]
    make: Callable[[Path, Older | None], None]
    modules: Sequence[str] = ()
    files: Sequence[Place] = ()
    loaded: Mapping[str, Fingerprint] = field(default_factory=dict)
    packages: Mapping[str, str | None] = field(default_factory=dict)
    upstream: Sequence[Step] = ()

    def reasons(self) -> list[str]:
        """Return why the stage has to be made again, a sentence for each reason; none if it is up to date."""
        record = record_of(self.folder)
        return self._reasons(record, self._dependencies(record))

    def run(self) -> bool:
        """Make the stage if it is out of date; return whether anything was done.

        A stage whose results are read here is made again first if one of its files turns out to be damaged.

        Raises
        ------
        BumphuntError
            Whatever `make` raises; the outputs on disk are then those of before.
        """
        record = record_of(self.folder)
        dependencies = self._dependencies(record)  # as they are now: what changes from here on is seen by the next run
        reasons = self._reasons(record, dependencies)
        if not reasons:
            return False
        for step in self.upstream:
            step.mend()
        dependencies = {**dependencies, "stages": self._stages()}
        for reason in reasons:
            logger.info("%s: %s", self.name, reason)
        refuse_newer(self.folder)
        _refuse_of_others(self.folder)
        self._make(dependencies, self._older(record, dependencies))
        return True

    def part(self, make: Callable[[Path], None]) -> Path:
        """Have a part of the stage made, in blocks that the next `run` uses; return where they are.

        Several parts may be made at a time, by several processes.

        Parameters
        ----------
        make
            Called with the folder in which the stage is being made.

        Raises
        ------
        BumphuntError
            If a stage whose results are read is out of date, and whatever `make` raises.
        """
        for step in self.upstream:
            if reasons := step.reasons():
                msg = f"{step.folder}: {reasons[0]}; make it before the parts that read it: bumphunt {step.name}"
                raise BumphuntError(msg)
        partial = _partial(self.folder, self._dependencies(record_of(self.folder)))
        (partial / BLOCKS).mkdir(parents=True, exist_ok=True)
        write_json(partial / BLOCKS / SETTINGS, self.settings)
        make(partial)
        return partial

    def adopt(self, folder: Path) -> None:
        """Take the blocks of a part that was made in another folder of results.

        Raises
        ------
        BumphuntError
            If there are none that depend on the same settings, code and files.
        """
        mine = _partial(self.folder, self._dependencies(record_of(self.folder)))
        source = folder / mine.name / BLOCKS
        if not source.is_dir():
            others = _partials(folder / self.folder.name)
            why = "the part there was made with other settings, code or files" if others else "there is no part there"
            msg = f"{folder}: {why}; see 'bumphunt {self.name} --part'"
            raise BumphuntError(msg)
        for path in sorted(source.rglob("*")):
            target = mine / BLOCKS / path.relative_to(source)
            if path.is_file() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                link(path, target)

    def mend(self) -> None:
        """Make the stage again if a file of it is damaged, which every byte is read for.

        Raises
        ------
        BumphuntError
            As `run`.
        """
        if damaged := list(damaged_outputs(self.folder, record_of(self.folder) or {}, every_byte=True)):
            logger.warning("%s: %s; made again", self.folder, "; ".join(damaged))
            for step in self.upstream:
                step.mend()
            self._make(self._dependencies(None), None)

    def _older(self, record: Record | None, dependencies: Mapping[str, Any]) -> Older | None:
        """Return the older results, if all of them are what was written."""
        if record is None or any(damaged_outputs(self.folder, record, every_byte=True)):
            return None
        return Older(folder=self.folder, before=record, now=_as_recorded(dependencies))

    def _make(self, dependencies: Mapping[str, object], older: Older | None) -> None:
        """Make the outputs and their record, in place of those that are there."""
        partial = _partial(self.folder, dependencies)
        for other in _partials(self.folder):
            if other != partial:
                shutil.rmtree(other, ignore_errors=True)
        _keep_blocks(partial)
        partial.mkdir(parents=True, exist_ok=True)
        try:
            write_json(partial / BLOCKS / SETTINGS, self.settings)
            self.make(partial, older)
            shutil.rmtree(partial / BLOCKS)
            _write_provenance(partial, self.name, dependencies)
            shutil.rmtree(self.folder, ignore_errors=True)
            partial.replace(self.folder)
        except OSError as error:
            if error.filename is None and error.errno is not None:  # a full disk does not say where
                raise OSError(error.errno, error.strerror, str(partial)) from error
            raise
        finally:
            _keep_blocks(partial)

    def _dependencies(self, record: Record | None) -> dict[str, Any]:
        """Return everything the outputs depend on."""
        code = self._code(record)
        files = dict(zip(map(whole_name, self.files), fingerprints(self.files), strict=True))
        return {
            "settings": self.settings,
            "code": {"roots": list(self.modules), "modules": code.modules},
            "packages": {**code.packages, **self.packages},
            "files": {**files, **self.loaded},
            "stages": self._stages(),
        }

    def _code(self, record: Record | None) -> Code:
        """Return the code of the modules: where none of those that were recorded has changed, it is what it was."""
        if record is not None:
            before = record["code"]
            known = before["modules"]
            if before["roots"] == list(self.modules) and all(module_digest(m) == digest for m, digest in known.items()):
                return Code(modules=known, packages=versions_of(set(record["packages"]) - set(self.packages)))
        return code_of(self.modules)

    def _stages(self) -> dict[str, str | None]:
        """Return the digests of the results that are read; None for what is not there."""
        records = {step.name: record_of(step.folder) for step in self.upstream}
        return {name: None if record is None else record["content"] for name, record in records.items()}

    def _reasons(self, record: Record | None, dependencies: Mapping[str, Any]) -> list[str]:
        if record is None:
            missing = f"there is no {PROVENANCE} of it" if self.folder.exists() else "it is not made yet"
            return [other_schema(self.folder) or missing]
        now = _as_recorded(dependencies)
        return [*changes(record, now), *damaged_outputs(self.folder, record, every_byte=False)]


def _partial(folder: Path, dependencies: Mapping[str, object]) -> Path:
    """Return where the results of a stage are made that depend on something: no two things have the same place."""
    digest = hashlib.sha256(json.dumps(dependencies, sort_keys=True).encode()).hexdigest()
    return folder.with_name(f".{folder.name}.{digest[:_DIGITS]}.partial")


def _refuse_of_others(folder: Path) -> None:
    """Raise if the results in a folder cannot be replaced, before they are made again.

    Raises
    ------
    BumphuntError
        If so.
    """
    effective = os.access in os.supports_effective_ids
    if folder.exists() and not os.access(folder, os.W_OK | os.X_OK, effective_ids=effective):
        msg = f"{folder}: belongs to another user and cannot be replaced; choose another folder with --output"
        raise BumphuntError(msg)


def _partials(folder: Path) -> list[Path]:
    """Return the folders in which the stage of a folder was being made."""
    pattern = re.compile(rf"\.{re.escape(folder.name)}\.[0-9a-f]{{{_DIGITS}}}\.partial")
    there = folder.parent.iterdir() if folder.parent.exists() else ()
    return [path for path in there if pattern.fullmatch(path.name)]


def _keep_blocks(partial: Path) -> None:
    """Remove what was being made of a stage but for finished blocks, and all of it where there is none."""
    if any((partial / BLOCKS).rglob("*.block")):
        for path in partial.iterdir():
            if path.name != BLOCKS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    else:
        shutil.rmtree(partial, ignore_errors=True)


def forget_unfinished(folder: Path, allowed: Callable[[Mapping[str, Any]], bool]) -> None:
    """Remove what was finished of a stage that was being made, where its settings are not `allowed`."""
    for partial in _partials(folder):
        try:
            settings = read_json(partial / BLOCKS / SETTINGS)
        except BumphuntError:
            settings = {}
        if not allowed(settings):
            shutil.rmtree(partial)


def _as_recorded(dependencies: Mapping[str, Any]) -> Record:
    """Return dependencies as they are read again from a record."""
    recorded: Record = json.loads(json.dumps(dependencies))
    return recorded


def record_of(folder: Path) -> Record | None:
    """Return what the outputs in a folder were made of; None without a record of ours, in the schema of now."""
    try:
        record = read_json(folder / PROVENANCE)
    except BumphuntError:
        return None
    if isinstance(record, dict) and record.get("schema") != SCHEMA:
        return None
    kinds = {"settings": dict, "code": dict, "packages": dict, "files": dict, "stages": dict, "outputs": dict}
    if not isinstance(record, dict) or not all(isinstance(record.get(key), kind) for key, kind in kinds.items()):
        return None
    return record if {"roots", "modules"} <= record["code"].keys() and "content" in record else None


def damaged_outputs(folder: Path, record: Mapping[str, Any], *, every_byte: bool) -> Iterator[str]:
    """Yield a sentence for each output that is not what was written.

    Parameters
    ----------
    folder
        Where the outputs are.
    record
        What was written beside them.
    every_byte
        Whether also files are read that have kept their size and time of change.
    """
    for name, output in record.get("outputs", {}).items():
        path = folder / name
        try:
            stat = path.stat()
            same = stat.st_size == output["size"]
            if same and (every_byte or stat.st_mtime_ns != output["mtime_ns"]):
                same = bytes_digest(path) == output["sha256"]
        except FileNotFoundError:
            yield f"output {name} is missing"
            continue
        except OSError as error:
            yield f"output {name} cannot be read ({error.strerror})"
            continue
        if not same:
            yield f"output {name} is damaged: it is not what was written"


def outputs_of(folder: Path) -> list[Path]:
    """Return the files of a stage but its record, in order."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / PROVENANCE]


def _write_provenance(folder: Path, name: str, dependencies: Mapping[str, object]) -> None:
    """Write what the outputs in `folder` were made of, and what they are."""
    outputs = {}
    for path in outputs_of(folder):
        stat = path.stat()
        outputs[str(path.relative_to(folder))] = {
            "size": stat.st_size,
            "mtime_ns": stat.st_mtime_ns,
            "sha256": bytes_digest(path),
            "content": content_digest(path),
        }
    record = {
        "schema": SCHEMA,
        "stage": name,
        "bumphunt": bumphunt.__version__,
        "python": platform.python_version(),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "content": content_of({name: str(output["content"]) for name, output in outputs.items()}),
        "outputs": outputs,
        **dependencies,
    }
    write_json(folder / PROVENANCE, record)


def content_of(outputs: Mapping[str, str]) -> str:
    """Return the digest of the values of all outputs of a stage, by the names of the files."""
    return hashlib.sha256(json.dumps(outputs, sort_keys=True).encode()).hexdigest()
