"""Corrections of simulated events: correctionlib files and constant factors, as weights with variations.

| | nominal weight | variations |
|---|---|---|
| `Correction` | a correctionlib correction, for each daughter where that is asked for | ``NAME_up``, ``NAME_down`` |
| `Factor` | a number, such as a data-driven scale factor | its value plus and minus its uncertainty |

A variation has all other corrections at their nominal value. Daughters vary together. Data are never corrected.

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
from workflows.regions import NOMINAL

__all__ = [
    "Correction",
    "Corrections",
    "Factor",
    "load_corrections",
]

Array = NDArray[np.float64]
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A correction of a correctionlib file.

    Parameters
    ----------
    name
        Its name in the analysis, and that of its variations.
    file
        The JSON file, which may be gzipped.
    correction
        Name of the correction in the file.
    inputs
        One entry for each input of the correction, but for that of the systematic: the name of an observable of the
        region or of an ntuple variable, with ``{i}`` for the daughter; a number; or the text of a string input.
    each
        Daughters whose corrections are multiplied; none for one evaluation without ``{i}``.
    samples
        Samples that are corrected; None for all simulated ones.
    regions
        Regions that are corrected; None for all.
    up, down
        Names of corrections in the file for the variations, where these are no string input.
    values
        What the string input of the systematic is called at its nominal value, up and down. An input whose categories
        hold all three is that of the systematic. Without it and without `up` and `down` there is no variation.

    Raises
    ------
    InputError
        If only one of `up` and `down` is given, or ``{i}`` without daughters, or daughters without ``{i}``.
    """

    name: str
    file: Path
    correction: str
    inputs: tuple[str | float, ...]
    each: tuple[int, ...] = ()
    samples: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    up: str | None = None
    down: str | None = None
    values: tuple[str, str, str] = (NOMINAL, "up", "down")

    def __post_init__(self) -> None:
        if (self.up is None) != (self.down is None):
            msg = f"correction {self.name!r}: up = {self.up!r}, down = {self.down!r}; give both or neither"
            raise InputError(msg)
        numbered = any("{i}" in entry for entry in self.inputs if isinstance(entry, str))
        if numbered != bool(self.each):
            msg = (
                f"correction {self.name!r}: inputs {self.inputs}, each {self.each}; '{{i}}' and 'each' need each other"
            )
            raise InputError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A constant factor on the weights.

    Parameters
    ----------
    name
        Its name in the analysis, and that of its variations.
    value
        The factor, positive.
    uncertainty
        Its uncertainty, not negative; with 0 there are variations all the same.
    samples, regions
        As for `Correction`.

    Raises
    ------
    InputError
        If the value is not positive, or the uncertainty is negative or larger than the value.
    """

    name: str
    value: float
    uncertainty: float
    samples: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.value) and self.value > 0 and 0 <= self.uncertainty <= self.value):
            msg = (
                f"factor {self.name!r}: {self.value} +- {self.uncertainty}; it must be positive, with an uncertainty"
                " from 0 to its value"
            )
            raise InputError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """A `Correction` whose file was read: the names to evaluate, and what each input is."""

    correction: Correction
    text: str
    names: dict[str, str]
    """Correction in the file by ``nominal``, ``up``, ``down``."""
    systematic: int | None
    """Which input says the systematic; None for none."""
    is_text: tuple[bool, ...]
    """Whether each entry of `Correction.inputs` is the text of a string input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """All corrections of an analysis, ready to be evaluated; see `load_corrections`."""

    entries: tuple[_Loaded | Factor, ...] = ()

    def of(self, sample: str | None = None, region: str | None = None) -> Corrections:
        """Return those of one simulated sample, of one region, or of both."""

        def applies(entry: _Loaded | Factor) -> bool:
            source = entry.correction if isinstance(entry, _Loaded) else entry
            return all(
                name is None or among is None or name in among
                for name, among in ((sample, source.samples), (region, source.regions))
            )

        return Corrections(entries=tuple(entry for entry in self.entries if applies(entry)))

    @property
    def variations(self) -> tuple[str, ...]:
        """Names of the variations, ``nominal`` first."""
        names = [NOMINAL]
        for entry in self.entries:
            if isinstance(entry, Factor):
                names += [f"{entry.name}_up", f"{entry.name}_down"]
            else:
                names += [f"{entry.correction.name}_{which}" for which in entry.names if which != NOMINAL]
        return tuple(names)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the observables and variables that are read."""
        names = []
        for entry in self.entries:
            if isinstance(entry, Factor):
                continue
            given = [
                name
                for name, is_text in zip(entry.correction.inputs, entry.is_text, strict=True)
                if isinstance(name, str) and not is_text
            ]
            each = entry.correction.each or (0,)
            names += [name.replace("{i}", str(i)) for i in each for name in given]
        return tuple(dict.fromkeys(names))

    def nominal(self, values: Mapping[str, NDArray[Any]], rows: int, where: Callable[[int], str]) -> list[Array]:
        """Return the nominal factor of each correction, each of shape (N,).

        Parameters
        ----------
        values
            Observables and variables by name, each of shape (N,).
        rows
            Number of rows N.
        where
            Function from a row to the text that says where it is, for errors.

        Raises
        ------
        InputError
            If a correction has no value for a row.
        """
        return [
            np.full(rows, entry.value) if isinstance(entry, Factor) else _evaluate(entry, NOMINAL, values, rows, where)
            for entry in self.entries
        ]

    def varied(
        self,
        weights: Array,
        nominal: Sequence[Array],
        values: Mapping[str, NDArray[Any]],
        where: Callable[[int], str],
    ) -> Array:
        """Return the weights of all variations, shape (V, N).

        Parameters
        ----------
        weights
            Weights before corrections, shape (N,).
        nominal
            Factors of `nominal`, for the same rows.
        values, where
            As for `nominal`.

        Raises
        ------
        InputError
            If a correction has no value for a row.
        """
        out = np.empty((len(self.variations), weights.size))
        out[0] = weights
        for factor in nominal:
            out[0] *= factor
        row = 1
        for i, entry in enumerate(self.entries):
            if isinstance(entry, Factor):
                for shift in (entry.uncertainty, -entry.uncertainty):
                    np.multiply(out[0], (entry.value + shift) / entry.value, out=out[row])
                    row += 1
                continue
            others = weights.copy()
            for factor in (*nominal[:i], *nominal[i + 1 :]):
                others *= factor
            for which in entry.names:
                if which != NOMINAL:
                    np.multiply(others, _evaluate(entry, which, values, weights.size, where), out=out[row])
                    row += 1
        return out


@lru_cache(maxsize=64)
def _compiled(text: str) -> Any:
    """Return the correctionlib set of a document; compiled once a process."""
    return correctionlib.CorrectionSet.from_string(text)


def _evaluate(
    loaded: _Loaded, which: str, values: Mapping[str, NDArray[Any]], rows: int, where: Callable[[int], str]
) -> Array:
    """Return a correction at its nominal value, up or down, for rows of values, shape (N,)."""
    source = loaded.correction
    function = _compiled(loaded.text)[loaded.names[which]]
    factor = np.ones(rows)
    for i in source.each or (0,):
        arguments: list[Any] = []
        for entry, is_text in zip(source.inputs, loaded.is_text, strict=True):
            if isinstance(entry, str) and not is_text:
                arguments.append(np.asarray(values[entry.replace("{i}", str(i))], dtype=np.float64))
            else:
                arguments.append(entry)
        if loaded.systematic is not None:
            arguments.insert(loaded.systematic, dict(zip((NOMINAL, "up", "down"), source.values, strict=True))[which])
        kinds = [kind.type for kind in function.inputs]
        arguments = [
            a.astype(np.int64) if kind == "int" and isinstance(a, np.ndarray) else a
            for a, kind in zip(arguments, kinds, strict=True)
        ]
        try:
            result = np.broadcast_to(function.evaluate(*arguments), (rows,))
        except Exception as error:
            raise _failed(source, function, arguments, where, rows, error) from None
        wrong = np.flatnonzero(~np.isfinite(result))
        if wrong.size:
            row = int(wrong[0])
            msg = f"{_label(source)} is {result[row]} for {_row(arguments, row)} at {where(row)}; it must be a number"
            raise InputError(msg)
        factor *= result
    return factor


def _label(source: Correction) -> str:
    """Return the name and the place of a correction."""
    return f"correction {source.name!r} ({source.correction!r} of {source.file})"


def _row(arguments: Sequence[Any], row: int) -> list[Any]:
    """Return the arguments of one row."""
    return [a[row].item() if isinstance(a, np.ndarray) else a for a in arguments]


def _failed(
    source: Correction,
    function: Any,
    arguments: Sequence[Any],
    where: Callable[[int], str],
    rows: int,
    error: Exception,
) -> InputError:
    """Return the error about the first row for which a correction has no value."""
    reason, place = str(error), ""
    for row in range(rows):
        one = _row(arguments, row)
        try:
            function.evaluate(*one)
        except Exception as first:
            reason, place = str(first), f" for {one} at {where(row)}"
            break
    return InputError(
        f"{_label(source)} has no value{place}: {reason}; extend its bins, or give it the flow 'clamp' or a number"
    )


def load_corrections(corrections: Sequence[Correction | Factor]) -> Corrections:
    """Return corrections ready to be evaluated, after a check of their files.

    Raises
    ------
    ConfigError
        If two have the same name, a file is missing or no correctionlib file, the correction is not in it, or the
        inputs do not match.
    """
    names = [correction.name for correction in corrections]
    if twice := [name for name in names if names.count(name) > 1]:
        msg = f"two corrections are called {twice[0]!r}; each needs a name of its own"
        raise ConfigError(msg)
    return Corrections(entries=tuple(c if isinstance(c, Factor) else _load(c) for c in corrections))


def _load(source: Correction) -> _Loaded:
    """Return a correction with the text of its file."""
    try:
        content = source.file.read_bytes()
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
    return _Loaded(
        correction=source,
        text=text,
        names=names,
        systematic=systematic,
        is_text=tuple(kind == "string" for _, kind in free),
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
