"""Corrections of correctionlib files: read, checked, and evaluated for arrays.

References
----------
correctionlib: https://cms-nanoaod.github.io/correctionlib, schema version 2.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import correctionlib
import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import ConfigError, InputError, unknown_name
from workflows.reading.plan import Correction
from workflows.reading.spectra import NOMINAL
from workflows.whole_file import read_whole

__all__ = ["LoadedCorrection", "evaluate", "load", "weight_variation"]

Array = NDArray[np.float64]
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCorrection:
    """A `Correction` whose file was read: the names to evaluate, and what each input is."""

    correction: Correction
    text: str
    """The document."""
    clamped: str
    """The document with the nearest bin for what is beyond the bins."""
    names: dict[str, str]
    """Correction in the file by ``nominal``, ``up``, ``down``."""
    systematic: int | None
    """Which input says the systematic; None for none."""
    is_text: tuple[bool, ...]
    """Whether each entry of `Correction.inputs` is the text of a string input."""


def load(source: Correction) -> LoadedCorrection:
    """Return a correction with the text of its file.

    Raises
    ------
    ConfigError
        If the file is missing or no correctionlib file, the correction is not in it, or the inputs do not match.
    """
    try:
        if (text := source.content) is None:
            content = read_whole(source.file)
            text = (gzip.decompress(content) if content.startswith(_GZIP) else content).decode()
        found = _compiled(text)
        document = json.loads(text)
    except OSError as error:
        msg = f"correction {source.name!r}: {source.file} cannot be read: {error.strerror or error}"
        raise ConfigError(msg) from None
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        msg = f"correction {source.name!r}: {source.file} is no correctionlib file ({reason})"
        raise ConfigError(msg) from None
    names = {NOMINAL: source.correction}
    if source.up is not None and source.down is not None:
        names |= {"up": source.up, "down": source.down}
    for name in names.values():
        if name not in list(found):
            msg = f"{source.file}: {unknown_name('correction', name, list(found))}"
            raise ConfigError(msg)
    inputs = [(i.name, i.type) for i in found[source.correction].inputs]
    data = {c["name"]: c["data"] for c in document["corrections"]}[source.correction]
    systematic = None
    if source.up is None:
        for number, (name, kind) in enumerate(inputs):
            if kind == "string" and set(source.values) <= _keys(data, name):
                systematic = number
                names |= {"up": source.correction, "down": source.correction}
                break
    free = [entry for number, entry in enumerate(inputs) if number != systematic]
    if len(free) != len(source.inputs):
        wanted = ", ".join(f"{name} ({kind})" for name, kind in free)
        msg = f"{_label(source)}: {len(source.inputs)} inputs are given; it has {len(free)}: {wanted}"
        raise ConfigError(msg)
    for given, (name, kind) in zip(source.inputs, free, strict=True):
        if kind == "string" and (not isinstance(given, str) or given not in _keys(data, name)):
            known = ", ".join(sorted(_keys(data, name)))
            msg = f"{_label(source)}: the input {name!r} is {given!r}; it must be one of the texts {known}"
            raise ConfigError(msg)
    return LoadedCorrection(
        correction=source,
        text=text,
        clamped=json.dumps(_clamped(document)),
        names=names,
        systematic=systematic,
        is_text=tuple(kind == "string" for _, kind in free),
    )


def weight_variation(
    name: str, variables: Sequence[str], *, file: Path, samples: tuple[str, ...] | None = None
) -> Correction:
    """Return variables of an ntuple that vary the weight as a correction that is 1 without them.

    Parameters
    ----------
    name
        Name of the source.
    variables
        What the weight is multiplied with at +1 and at -1 standard deviation; one is mirrored at 1.
    file
        What names them, for errors.
    samples
        Samples that have them; None for all simulated ones.
    """
    inputs = [{"name": variable, "type": "real"} for variable in variables]
    same = {"version": 1, "inputs": inputs, "output": {"name": "weight", "type": "real"}}

    def formula(expression: str, variable: str) -> dict[str, object]:
        return {"nodetype": "formula", "parser": "TFormula", "expression": expression, "variables": [variable]}

    data = {NOMINAL: 1.0, "up": formula("x", variables[0])}
    data["down"] = formula("x", variables[1]) if len(variables) > 1 else formula("2-x", variables[0])
    entries = [{"name": key, "data": entry, **same} for key, entry in data.items()]
    return Correction(
        name=name,
        file=file,
        correction=NOMINAL,
        inputs=tuple(variables),
        samples=samples,
        up="up",
        down="down",
        content=json.dumps({"schema_version": 2, "corrections": entries}),
    )


def _keys(node: Any, name: str) -> set[str]:
    """Return the categories of a string input anywhere in a correction."""
    if isinstance(node, list):
        return set().union(*(_keys(entry, name) for entry in node))
    if not isinstance(node, dict):
        return set()
    found = set().union(*(_keys(entry, name) for entry in node.values()))
    if node.get("nodetype") == "category" and node.get("input") == name:
        found |= {entry["key"] for entry in node["content"] if isinstance(entry["key"], str)}
    return found


def _clamped(node: Any) -> Any:
    """Return a document in which no bins have an error beyond them."""
    if isinstance(node, list):
        return [_clamped(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    return {key: "clamp" if (key, value) == ("flow", "error") else _clamped(value) for key, value in node.items()}


@lru_cache(maxsize=64)
def _compiled(text: str) -> Any:
    """Return the correctionlib set of a document; compiled once a process."""
    return correctionlib.CorrectionSet.from_string(text)


def evaluate(
    loaded: LoadedCorrection,
    which: str,
    values: Mapping[str, NDArray[Any]],
    rows: int,
    where: Callable[[int], str],
    *,
    beyond: bool = False,
) -> Array:
    """Return a correction at its nominal value, up or down, shape (N,).

    Parameters
    ----------
    loaded
        The correction.
    which
        ``nominal``, ``up`` or ``down``.
    values
        Observables and variables by name, each of shape (N,).
    rows
        Number of rows N.
    where
        Function from a row to the text that says where it is, for errors.
    beyond
        Take the nearest bin beyond the bins, and 1 for NaN.

    Raises
    ------
    InputError
        If the correction has no value for a row.
    """
    source = loaded.correction
    function = _compiled(loaded.clamped if beyond else loaded.text)[loaded.names[which]]
    factor = np.ones(rows)
    for i in source.each or (0,):
        arguments = _arguments(loaded, which, values, i)
        absent = np.zeros(rows, dtype=np.bool_)
        for a in arguments:
            if isinstance(a, np.ndarray):
                absent |= np.isnan(a)
        if not beyond and absent.any():
            row = int(np.argmax(absent))
            msg = f"{_label(source)} reads {_row(arguments, row)} at {where(row)}; NaN cannot be corrected"
            raise InputError(msg)
        there = np.flatnonzero(~absent)
        arguments = [
            _typed(a[there] if isinstance(a, np.ndarray) else a, kind.type)
            for a, kind in zip(arguments, function.inputs, strict=True)
        ]
        try:
            result = np.broadcast_to(function.evaluate(*arguments), (there.size,))
        except Exception as error:
            raise _failed(source, function, arguments, where, there, error) from None
        wrong = np.flatnonzero(~np.isfinite(result))
        if wrong.size:
            row = int(wrong[0])
            place = f"{_row(arguments, row)} at {where(int(there[row]))}"
            msg = f"{_label(source)} is {result[row]} for {place}; it must be a number"
            raise InputError(msg)
        factor[there] *= result
    return factor


def _arguments(loaded: LoadedCorrection, which: str, values: Mapping[str, NDArray[Any]], daughter: int) -> list[Any]:
    """Return what a correction is evaluated with: arrays of shape (N,), numbers and texts."""
    source = loaded.correction
    arguments: list[Any] = []
    for entry, is_text in zip(source.inputs, loaded.is_text, strict=True):
        if isinstance(entry, str) and not is_text:
            arguments.append(np.asarray(values[entry.replace("{i}", str(daughter))], dtype=np.float64))
        else:
            arguments.append(entry)
    if loaded.systematic is not None:
        arguments.insert(loaded.systematic, dict(zip((NOMINAL, "up", "down"), source.values, strict=True))[which])
    return arguments


def _typed(argument: Any, kind: str) -> Any:
    """Return an argument in the type of the input."""
    if kind == "string":
        return argument
    number = np.int64 if kind == "int" else np.float64
    return argument.astype(number) if isinstance(argument, np.ndarray) else number(argument).item()


def _label(source: Correction) -> str:
    """Return the name and the place of a correction."""
    what = source.correction if source.content is None else " and ".join(map(str, source.inputs))
    return f"correction {source.name!r} ({what!r} of {source.file})"


def _row(arguments: Sequence[Any], row: int) -> list[Any]:
    """Return the arguments of one row."""
    return [a[row].item() if isinstance(a, np.ndarray) else a for a in arguments]


def _failed(
    source: Correction,
    function: Any,
    arguments: Sequence[Any],
    where: Callable[[int], str],
    there: NDArray[np.intp],
    error: Exception,
) -> InputError:
    """Return the error about the first of some rows for which a correction has no value."""
    reason, place = str(error), ""
    for number, row in enumerate(there.tolist()):
        one = _row(arguments, number)
        try:
            function.evaluate(*one)
        except Exception as first:
            reason, place = str(first), f" for {one} at {where(row)}"
            break
    return InputError(
        f"{_label(source)} has no value{place}: {reason}; extend its bins, or give it the flow 'clamp' or a number"
    )
