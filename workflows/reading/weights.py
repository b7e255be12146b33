"""Corrections of simulated events, each a file of correctionlib, as weights with variations.

A correction is evaluated for each daughter where that is asked for; daughters vary together. Its variations,
``NAME_up`` and ``NAME_down``, have all other corrections at their nominal value. Data are never corrected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import ConfigError
from workflows.reading.correctionlib_files import LoadedCorrection, evaluate, load
from workflows.reading.plan import Correction
from workflows.reading.spectra import NOMINAL

__all__ = ["Corrections", "load_corrections"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """All corrections of an analysis, ready to be evaluated; see `load_corrections`."""

    entries: tuple[LoadedCorrection, ...] = ()

    @property
    def sources(self) -> tuple[Correction, ...]:
        """What the analysis asks for."""
        return tuple(entry.correction for entry in self.entries)

    def of(self, sample: str | None = None, region: str | None = None) -> Corrections:
        """Return those of one simulated sample, of one region, or of both."""

        def applies(source: Correction) -> bool:
            return all(
                name is None or among is None or name in among
                for name, among in ((sample, source.samples), (region, source.regions))
            )

        pairs = zip(self.entries, self.sources, strict=True)
        return Corrections(entries=tuple(entry for entry, source in pairs if applies(source)))

    @property
    def variations(self) -> tuple[str, ...]:
        """Names of the variations, ``nominal`` first."""
        names = [NOMINAL]
        for entry in self.entries:
            names += [f"{entry.correction.name}_{which}" for which in entry.names if which != NOMINAL]
        return tuple(names)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the observables and variables that are read."""
        names = []
        for entry in self.entries:
            given = [
                name
                for name, is_text in zip(entry.correction.inputs, entry.is_text, strict=True)
                if isinstance(name, str) and not is_text
            ]
            each = entry.correction.each or (0,)
            names += [name.replace("{i}", str(i)) for i in each for name in given]
        return tuple(dict.fromkeys(names))

    def nominal(
        self, values: Mapping[str, NDArray[Any]], rows: int, where: Callable[[int], str], *, beyond: bool = False
    ) -> list[Array]:
        """Return the nominal factor of each correction, each of shape (N,).

        Parameters
        ----------
        values
            Observables and variables by name, each of shape (N,).
        rows
            Number of rows N.
        where
            Function from a row to the text that says where it is, for errors.
        beyond
            For rows that fail a cut, which the corrections need not foresee: beyond its bins a correction has the value
            of the nearest one, and it is 1 where it reads NaN.

        Raises
        ------
        InputError
            If a correction has no value for a row.
        """
        return [evaluate(entry, NOMINAL, values, rows, where, beyond=beyond) for entry in self.entries]

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
            others = weights.copy()
            for factor in (*nominal[:i], *nominal[i + 1 :]):
                others *= factor
            for which in entry.names:
                if which != NOMINAL:
                    np.multiply(others, evaluate(entry, which, values, weights.size, where), out=out[row])
                    row += 1
        return out


def load_corrections(corrections: Sequence[Correction]) -> Corrections:
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
    return Corrections(entries=tuple(load(c) for c in corrections))
