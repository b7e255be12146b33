"""Signal models, on disk.

========================== ===================================================================================
file                       holds
========================== ===================================================================================
``signal_models.json``     all of them, by region or slice
``signal_model.csv``       shape, resolution and efficiency at the simulated masses, by region or slice
``..._closure.json``       each of these, and what the others say of it by interpolation
========================== ===================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bumphunt.models.signal import SignalModel, leave_one_out
from bumphunt.models.signal_shape import PARAMETERS
from bumphunt.spectrum.axis import MassAxis
from workflows.results import read_json, write_csv, write_json

__all__ = ["MODELS", "read_signal_models", "write_signal_models"]

MODELS = "signal_models.json"
"""Name of the file of all signal models."""


def write_signal_models(models: Mapping[str, SignalModel], names: Mapping[str, str], folder: Path) -> None:
    """Write signal models, each as a table too.

    Parameters
    ----------
    models
        By region or slice.
    names
        Names of the tables.
    folder
        Where the files go.
    """
    for unit, model in models.items():
        table = {"mass": model.masses, "efficiency": model.efficiencies, "efficiency_error": model.efficiency_errors}
        table["resolution"] = model.resolution(model.masses)
        for i, parameter in enumerate(PARAMETERS):
            table |= {parameter: model.parameters[:, i], f"{parameter}_error": model.errors[:, i]}
        write_csv(folder / f"{names[unit]}.csv", table)
        write_json(folder / f"{names[unit]}_closure.json", asdict(leave_one_out(model)))
    write_json(folder / MODELS, {unit: asdict(model) for unit, model in models.items()})


def read_signal_models(folder: Path) -> dict[str, SignalModel]:
    """Return the signal models that `write_signal_models` wrote, by region or slice.

    Raises
    ------
    BumphuntError
        If the file cannot be read.
    """
    return {name: _signal_model(content) for name, content in read_json(folder / MODELS).items()}


def _signal_model(content: Mapping[str, Any]) -> SignalModel:
    """Return a signal model from its JSON."""
    names = ("masses", "parameters", "errors", "efficiencies", "efficiency_errors")
    arrays = {name: np.array(content[name], dtype=np.float64) for name in names}
    low, high = content["support"]
    return SignalModel(**arrays, support=(low, high), tail=content["tail"], axis=MassAxis(**content["axis"]))
