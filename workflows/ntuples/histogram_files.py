"""Spectra that are histograms already, of several formats, with their bins as they are.

=========================== ==========================================================================================
ending                      holds
=========================== ==========================================================================================
``.root``                   a TH1, by its name
``.csv``, ``.txt``          a row a bin: lower edge, upper edge, content, and its error if there is a fourth column
``.yaml``, ``.yml``         a table of HEPData: the dependent variable of that name, or the only one
``.json``                   a histogram of hist or boost-histogram in the form of UHI, by its name if there are several
=========================== ==========================================================================================

A pickled histogram is not read: to open it is to execute it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import BumphuntError, InputError, NtupleError, unknown_name
from bumphunt.spectrum.axis import ascending_edges
from workflows.ntuples.opening import reading
from workflows.provenance.files import bytes_digest
from workflows.tables import read_numbers

__all__ = ["StoredHistogram", "read_histogram"]

Array = NDArray[np.float64]

CONTIGUOUS = 1e-6
"""By how much the upper edge of a bin and the lower one of the next may differ, in widths of a bin: rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHistogram:
    """A histogram of a file.

    Parameters
    ----------
    path
        The file.
    edges
        Bin edges, rising, shape (B + 1,).
    values
        Contents of the bins, shape (B,), without those below and above.
    variances
        Their variances, shape (B,); None where the file has none.
    digest
        Of the content of the file.
    """

    path: Path
    edges: Array
    values: Array
    variances: Array | None
    digest: str


def read_histogram(path: Path, name: str | None) -> StoredHistogram:
    """Return a histogram of a file.

    Parameters
    ----------
    path
        The file, of a format that its ending tells.
    name
        Name of the histogram in it; None for the only one.

    Raises
    ------
    InputError
        If the file is missing or damaged, has no such histogram, or one that is not of one axis: names the file.
    """
    if path.suffix.lower() not in _READERS:
        pickled = "; a pickled histogram is not opened, write it as JSON" if path.suffix == ".pkl" else ""
        msg = f"{path}: a histogram is read from a file that ends in {', '.join(_READERS)}{pickled}"
        raise InputError(msg)
    if not path.is_file():
        msg = f"{path}: there is no such file"
        raise InputError(msg)
    if path.stat().st_size == 0:
        msg = f"{path}: the file is empty (0 bytes)"
        raise InputError(msg)
    try:
        edges, values, variances = _READERS[path.suffix.lower()](path, name)
        edges = ascending_edges(edges)
    except BumphuntError as error:
        text = str(error)
        raise InputError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    except Exception as error:
        msg = f"{path}: holds no such histogram ({type(error).__name__}: {' '.join(str(error).split())[:160]})"
        raise InputError(msg) from error
    for what, numbers in (("content", values), ("variance", values if variances is None else variances)):
        if numbers.shape != (edges.size - 1,) or not np.all(np.isfinite(numbers)):
            msg = f"{path}: wants a finite {what} of each of its {edges.size - 1} bins"
            raise InputError(msg)
    return StoredHistogram(path=path, edges=edges, values=values, variances=variances, digest=bytes_digest(path))


_Read = tuple[Array, Array, Array | None]


def _chosen(name: str | None, known: Sequence[str], what: str) -> str:
    """Return the name that is meant.

    Raises
    ------
    InputError
        If it is not there, or none is given and there are several.
    """
    if name is None and len(known) == 1:
        return known[0]
    if name is None:
        msg = f"holds {len(known)} {what}s; say the name of one: {', '.join(known[:8]) or 'there is none'}"
        raise InputError(msg)
    if name not in known:
        raise InputError(unknown_name(what, name, known) if known else f"holds no {what}")
    return name


def _root(path: Path, name: str | None) -> _Read:
    """Return a TH1."""
    import uproot

    try:
        with reading(path, name or ""), uproot.open(path) as file:
            kinds = file.classnames(cycle=False)
            one = _chosen(name, [key for key, kind in kinds.items() if kind.startswith("TH1")], "TH1")
            stored = file[one]
            weighted = len(stored.member("fSumw2", none_if_missing=True) or ()) > 0
            values = np.asarray(stored.values(), dtype=np.float64)
            variances = np.asarray(stored.variances(), dtype=np.float64) if weighted else None
            return np.asarray(stored.axis().edges(), dtype=np.float64), values, variances
    except NtupleError as error:
        raise InputError(str(error).replace(f"tree {name or ''!r} cannot be read", "cannot be read")) from None


def _table(path: Path, name: str | None) -> _Read:
    """Return the histogram of a table of numbers."""
    if name is not None:
        msg = f"a table of bins has no names: leave out {name!r}"
        raise InputError(msg)
    rows = read_numbers(path, columns=(3, 4))
    errors = rows[:, 3] ** 2 if rows.shape[1] == 4 else None
    return _joined(rows[:, 0], rows[:, 1]), rows[:, 2], errors


def _joined(low: Array, high: Array) -> Array:
    """Return the edges of bins.

    Raises
    ------
    InputError
        If one does not begin where the one before ends.
    """
    gaps = np.abs(low[1:] - high[:-1]) > CONTIGUOUS * np.minimum(np.diff(low), high[1:] - low[1:])
    if np.any(gaps):
        where = int(np.argmax(gaps))
        msg = f"bin {where + 2} begins at {low[where + 1]:g}, and the one before it ends at {high[where]:g}"
        raise InputError(msg)
    return np.append(low, high[-1])


def _hepdata(path: Path, name: str | None) -> _Read:
    """Return a table of HEPData; symmetric errors are added in quadrature, of asymmetric ones the mean."""
    import yaml

    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    (axis,) = content["independent_variables"]
    several = {str(column["header"]["name"]): column["values"] for column in content["dependent_variables"]}
    column = several[_chosen(name, list(several), "dependent variable")]
    if missing := [row for row in axis["values"] if "low" not in row or "high" not in row]:
        msg = f"a bin of HEPData has 'low' and 'high', got {missing[0]}"
        raise InputError(msg)
    ends = np.array([[float(row["low"]), float(row["high"])] for row in axis["values"]])
    values = np.array([float(row["value"]) for row in column])
    errors = None
    if all(row.get("errors") for row in column):
        errors = np.array([sum(_squared(error) for error in row["errors"]) for row in column])
    return _joined(ends[:, 0], ends[:, 1]), values, errors


def _squared(error: Mapping[str, Any]) -> float:
    """Return the square of an error of HEPData."""
    if "symerror" in error:
        return float(error["symerror"]) ** 2
    both = error["asymerror"]
    return (0.5 * (abs(float(both["plus"])) + abs(float(both["minus"])))) ** 2


def _uhi(path: Path, name: str | None) -> _Read:
    """Return a histogram in the form of UHI."""
    import hist
    from uhi.io import json as uhi_json

    content = json.loads(path.read_text(encoding="utf-8"), object_hook=uhi_json.object_hook)
    if "uhi_schema" not in content:
        content = content[_chosen(name, list(content), "histogram")]
    stored = hist.Hist(content)
    if stored.ndim != 1:
        msg = f"holds a histogram of {stored.ndim} axes; project it on one"
        raise InputError(msg)
    variances = stored.variances() if isinstance(stored.storage_type(), hist.storage.Weight) else None
    edges, values = np.asarray(stored.axes[0].edges, dtype=np.float64), np.asarray(stored.values(), dtype=np.float64)
    return edges, values, None if variances is None else np.asarray(variances, dtype=np.float64)


_READERS: dict[str, Callable[[Path, str | None], _Read]] = {
    ".root": _root,
    ".csv": _table,
    ".txt": _table,
    ".yaml": _hepdata,
    ".yml": _hepdata,
    ".json": _uhi,
}
