"""Measured factors on disk: as files of correctionlib, which a YAML names under ``corrections``, and as tables.

================= =========================================================
write_correction  values and errors -> correctionlib file
write_factor      a factor -> correctionlib file and table
write_factors     all of them -> ``factors.json``
factor_rows       that again -> what ``bumphunt correct`` prints
================= =========================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.spectrum.axis import ascending_edges
from workflows.config.sections.corrections import ControlSection
from workflows.products.measured_factors import MeasuredFactor
from workflows.reading.spectra import NOMINAL
from workflows.results import read_json, write_csv, write_json

__all__ = ["factor_rows", "write_correction", "write_factor", "write_factors"]

Array = NDArray[np.float64]

FACTORS = "factors.json"
"""Name of the file of all factors."""


def write_correction(
    path: Path,
    name: str,
    *,
    edges: Mapping[str, ArrayLike],
    values: ArrayLike,
    errors: ArrayLike,
    description: str = "",
    flow: Literal["clamp", "error"] = "clamp",
) -> None:
    """Write a correction with uncertainty as a correctionlib file.

    Its inputs are those of `edges` and the string ``systematic``, which is ``nominal``, ``up`` or ``down``.

    Parameters
    ----------
    path
        The file.
    name
        Name of the correction.
    edges
        Bin edges of each input; none for a constant.
    values, errors
        Correction and uncertainty in each bin, a dimension an input.
    description
        Where it comes from.
    flow
        What is outside of the bins: ``clamp`` for the nearest bin, ``error`` for none.

    Raises
    ------
    InputError
        If the shapes do not match, a value is not finite, or an uncertainty is negative.
    """
    axes = {key: ascending_edges(e) for key, e in edges.items()}
    shape = tuple(e.size - 1 for e in axes.values())
    nominal, error = np.asarray(values, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if nominal.shape != shape or error.shape != shape:
        msg = f"values have shape {nominal.shape} and errors {error.shape}; the edges need {shape}"
        raise InputError(msg)
    if not (np.all(np.isfinite(nominal)) and np.all(np.isfinite(error)) and np.all(error >= 0)):
        msg = f"values {nominal.tolist()}, errors {error.tolist()}; they must be finite, errors not negative"
        raise InputError(msg)

    def node(content: Array) -> Any:
        if not axes:
            return float(content)
        return {
            "nodetype": "multibinning",
            "inputs": list(axes),
            "edges": [e.tolist() for e in axes.values()],
            "content": [float(content[cell]) for cell in product(*(range(n) for n in shape))],
            "flow": flow,
        }

    shifted = {NOMINAL: nominal, "up": nominal + error, "down": nominal - error}
    document = {
        "schema_version": 2,
        "corrections": [
            {
                "name": name,
                "description": description,
                "version": 1,
                "inputs": [
                    *({"name": key, "type": "real"} for key in axes),
                    {"name": "systematic", "type": "string"},
                ],
                "output": {"name": "weight", "type": "real"},
                "data": {
                    "nodetype": "category",
                    "input": "systematic",
                    "content": [{"key": key, "value": node(content)} for key, content in shifted.items()],
                },
            }
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, document)


def write_factor(
    factor: MeasuredFactor,
    folder: Path,
    name: str,
    *,
    description: str,
) -> None:
    """Write a factor as a correctionlib file and as a table.

    Parameters
    ----------
    factor
        The factor.
    folder
        Where ``NAME.json``, the correction called `name`, and ``NAME.csv`` go.
    name
        Name of the correction.
    description
        Where it comes from.
    """
    low = factor.edges[:-1] if factor.edges is not None else [None]
    high = factor.edges[1:] if factor.edges is not None else [None]
    parts = ("data", "wanted", "others", "value", "data_error", "simulation_error", "luminosity_error", "error")
    columns: dict[str, Any] = {"observable": [factor.observable] * factor.value.size, "low": low, "high": high}
    scalar = factor.edges is None or factor.observable is None
    write_correction(
        folder / f"{name}.json",
        name,
        edges={} if factor.edges is None or factor.observable is None else {factor.observable: factor.edges},
        values=factor.value[0] if scalar else factor.value,
        errors=factor.error[0] if scalar else factor.error,
        description=description,
    )
    write_csv(folder / f"{name}.csv", columns | {part: getattr(factor, part) for part in parts})


def write_factors(factors: Mapping[str, MeasuredFactor], controls: Mapping[str, ControlSection], folder: Path) -> None:
    """Write all factors into one file.

    Parameters
    ----------
    factors
        By name.
    controls
        Where they were measured, by name.
    folder
        Where the file goes.
    """
    found = {
        name: {
            "region": controls[name].region,
            "samples": list(controls[name].samples),
            "observable": factor.observable,
            "edges": factor.edges,
            "value": factor.value,
            "error": factor.error,
            "data_error": factor.data_error,
            "simulation_error": factor.simulation_error,
            "luminosity_error": factor.luminosity_error,
            "file": f"{name}.json",
        }
        for name, factor in factors.items()
    }
    write_json(folder / FACTORS, {"factors": found})


def factor_rows(folder: Path) -> list[tuple[str, ...]]:
    """Return one row a bin of every factor that `write_factors` wrote, as text for a screen.

    Raises
    ------
    BumphuntError
        If they cannot be read.
    """
    rows = []
    for name, factor in read_json(folder / FACTORS)["factors"].items():
        edges = factor["edges"]
        for i, value in enumerate(factor["value"]):
            where = "all" if edges is None else f"{edges[i]:g} < {factor['observable']} < {edges[i + 1]:g}"
            parts = (factor[f"{part}_error"][i] for part in ("data", "simulation", "luminosity"))
            text = (f"{value:.4g} +- {factor['error'][i]:.2g}", *(f"{part:.2g}" for part in parts))
            rows.append((name, factor["region"], where, *text))
    return rows
