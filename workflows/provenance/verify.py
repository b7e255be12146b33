"""Whether a folder of results belongs to the inputs on disk: every byte of it is read, and every input looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bumphunt.errors import BumphuntError
from workflows.provenance.files import content_digest, fingerprints
from workflows.provenance.schema import other_schema
from workflows.provenance.step import content_of, damaged_outputs, outputs_of, record_of
from workflows.results import PROVENANCE
from workflows.storage.addresses import place_of

__all__ = ["Verified", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found of one stage.

    Parameters
    ----------
    stage
        Its folder, relative to that of the results.
    outputs, files
        Number of its outputs, and of the input files that it was made of.
    problems
        A sentence for each thing that is not as it was recorded; none if the results belong to the inputs.
    """

    stage: str
    outputs: int
    files: int
    problems: tuple[str, ...]


def verify(folder: Path) -> list[Verified]:
    """Return what is found of every stage in a folder of results.

    Its outputs are what was written, byte by byte and value by value; the input files are those that it was made of;
    and the results of other stages that it was made of are those in the folder.

    Parameters
    ----------
    folder
        The results of an analysis.

    Raises
    ------
    BumphuntError
        If there are no results in it.
    """
    places = sorted(path.parent for path in folder.glob(f"**/{PROVENANCE}"))
    if not places:
        msg = f"{folder}: holds no results of bumphunt: there is no {PROVENANCE} in any folder of it"
        raise BumphuntError(msg)
    records = {place: record_of(place) for place in places}
    contents = {record["stage"]: record["content"] for record in records.values() if record is not None}
    return [_verified(folder, place, record, contents) for place, record in records.items()]


def _verified(folder: Path, place: Path, record: Mapping[str, Any] | None, contents: Mapping[str, str]) -> Verified:
    """Return what is found of one stage."""
    stage = str(place.relative_to(folder))
    if record is None:
        why = other_schema(place) or f"{PROVENANCE} cannot be read"
        return Verified(stage=stage, outputs=0, files=0, problems=(why,))
    problems = [*damaged_outputs(place, record, every_byte=True)]
    if not problems:
        problems += _other_values(place, record)
    names = [str(path.relative_to(place)) for path in outputs_of(place)]
    problems += [f"{name} was not made by it" for name in names if name not in record["outputs"]]
    problems += [f"input {path} is not the file that was read" for path in _changed(record["files"])]
    problems += [
        f"it was made of other results of {name}"
        for name, content in record["stages"].items()
        if contents.get(name) != content
    ]
    return Verified(stage=stage, outputs=len(record["outputs"]), files=len(record["files"]), problems=tuple(problems))


def _other_values(place: Path, record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the digests of the values, which a record that was edited does not fit."""
    contents = {name: content_digest(place / name) for name in record["outputs"]}
    for name, content in contents.items():
        if content != record["outputs"][name]["content"]:
            yield f"output {name} has other values than are recorded"
    if content_of(contents) != record["content"]:
        yield "the digest of all values is not that of its outputs"


def _changed(files: Mapping[str, Any]) -> list[str]:
    """Return the input files that are not what they were."""
    now = fingerprints([place_of(path) for path in files])
    return [path for path, found in zip(files, now, strict=True) if found != files[path]]
