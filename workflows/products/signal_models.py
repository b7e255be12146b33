"""Signal models, on disk.

========================== ===================================================================================
file                       holds
========================== ===================================================================================
``signal_models.json``     all of them, with the region or slice and the other coordinates of each
``signal_model.csv``       shape, resolution and efficiency at the simulated masses, one file each; of a signal that is
                           said, at the masses between which it is interpolated
``..._closure.json``       each of these, and what the others say of it by interpolation; of three simulated ones or
                           more
========================== ===================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.models.counted_signal import CountedSignal
from bumphunt.models.given_signal import GivenSignal, PeakModel
from bumphunt.models.peaks import TAILS
from bumphunt.models.signal import SignalModel, leave_one_out
from bumphunt.models.signal_shape import PARAMETERS
from bumphunt.spectrum.axis import MassAxis
from workflows.config.coordinates import ALONE, NO_MASS, At, at_of, file_suffix
from workflows.results import read_json, write_csv, write_json

__all__ = ["FEWEST", "MODELS", "read_signal_models", "write_signal_models"]

FEWEST = 3
"""Simulated masses from which on one can be left out."""
MODELS = "signal_models.json"
"""Name of the file of all signal models."""


def write_signal_models(models: Mapping[At, Mapping[str, PeakModel]], names: Mapping[str, str], folder: Path) -> None:
    """Write signal models, each as a table too.

    Parameters
    ----------
    models
        By the other coordinates, and by region or slice.
    names
        Names of the tables, by region or slice; the coordinates are added to them.
    folder
        Where the files go.
    """
    content = []
    for at, unit, model in ((at, unit, model) for at, by_unit in models.items() for unit, model in by_unit.items()):
        name = names[unit] + file_suffix(at)
        write_csv(folder / f"{name}.csv", _table(model))
        if isinstance(model, SignalModel) and model.masses.size >= FEWEST:
            write_json(folder / f"{name}_closure.json", asdict(leave_one_out(model)))
        content.append({"unit": unit, "at": dict(at), **asdict(model)})
    write_json(folder / MODELS, {"models": content})


def _table(model: PeakModel) -> dict[str, NDArray[np.float64]]:
    """Return the columns of the table of a signal model."""
    masses = {} if model.masses[0] == NO_MASS else {"mass": model.masses}
    table = masses | {"efficiency": model.efficiencies}
    if isinstance(model, CountedSignal):
        return table | {"efficiency_error": model.efficiency_errors}
    if isinstance(model, GivenSignal):
        table["resolution"] = model.resolution(model.masses)
        return table | {name: model.tails[:, i] for i, name in enumerate(TAILS[model.family])}
    table |= {"efficiency_error": model.efficiency_errors, "resolution": model.resolution(model.masses)}
    for i, parameter in enumerate(PARAMETERS):
        table |= {parameter: model.parameters[:, i], f"{parameter}_error": model.errors[:, i]}
    return table


def read_signal_models(folder: Path, at: At = ALONE) -> dict[str, PeakModel]:
    """Return the signal models that `write_signal_models` wrote, by region or slice.

    Parameters
    ----------
    folder
        Where the file is.
    at
        The other coordinates.

    Raises
    ------
    BumphuntError
        If the file cannot be read.
    """
    models = read_json(folder / MODELS)["models"]
    return {model["unit"]: _signal_model(model) for model in models if at_of(model["at"]) == at}


def _signal_model(content: Mapping[str, Any]) -> PeakModel:
    """Return a signal model from its JSON."""
    if "family" in content:
        given = {n: np.array(content[n], dtype=np.float64) for n in ("masses", "resolutions", "efficiencies")}
        tails = np.array(content["tails"], dtype=np.float64).reshape(
            given["masses"].size, len(TAILS[content["family"]])
        )
        axis = MassAxis(**content["axis"])
        return GivenSignal(**given, tails=tails, family=content["family"], tail=content["tail"], axis=axis)
    names = ("masses", "efficiencies", "efficiency_errors")
    arrays = {name: np.array(content[name], dtype=np.float64) for name in names}
    if "parameters" not in content:
        return CountedSignal(**arrays)
    arrays |= {name: np.array(content[name], dtype=np.float64) for name in ("parameters", "errors")}
    low, high = content["support"]
    return SignalModel(**arrays, support=(low, high), tail=content["tail"], axis=MassAxis(**content["axis"]))
