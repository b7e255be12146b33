"""What a coupling means: a reading of the search, dark matter beside its decays, or a function of a user's file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError, unknown_name
from selections.readings import with_dark_matter
from selections.search import Model, Search
from workflows.config.derived.expressions import expression
from workflows.config.own_code import OwnCode
from workflows.config.searches import find_function, own_file
from workflows.config.sections.analysis import DarkMatter

__all__ = ["ChosenModel", "chosen_model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenModel:
    """A model, and what it is made of."""

    model: Model | None
    """The model; None where the search has none."""
    code: OwnCode | None
    """The file that it is a function of; None for one of the search."""


def chosen_model(chosen: str | DarkMatter | None, search: Search, folder: Path) -> ChosenModel:
    """Return the model that a YAML chooses.

    Parameters
    ----------
    chosen
        What stands under ``model``; None for the default of the search.
    search
        The search.
    folder
        What files are relative to.

    Raises
    ------
    ValueError
        If the search has no such reading, or no dark matter to decay to; or the mass of that makes no sense.
    ConfigError
        If a file of Python cannot be used.
    """
    if isinstance(chosen, str) and own_file(chosen, folder) is not None:
        loaded = find_function(chosen, folder)
        mine = Model(
            coupling="coupling", meaning=f"coupling of {chosen}", cross_section=loaded.function, reference=chosen
        )
        return ChosenModel(model=mine, code=loaded.code)
    if chosen is None:
        return ChosenModel(model=search.model, code=None)
    known = () if search.model is None else search.model.readings
    if search.model is None or not known:
        has = "no model" if search.model is None else "a model with one reading"
        msg = f"model: the search {search.name!r} has {has}; leave it out, or give 'file.py:FUNCTION'"
        raise ValueError(msg)
    if isinstance(chosen, DarkMatter):
        base = search.model.without_dark_matter
        if base is None:
            msg = f"model.alpha_D: nothing decays to dark matter in the search {search.name!r}; leave it out"
            raise ValueError(msg)
        first = with_dark_matter(base, alpha_dark=chosen.alpha_D, m_dark=_mass_of_chi(chosen.m_chi))
    else:
        names = [reading.name for reading in known]
        if chosen not in names:
            msg = f"{unknown_name('model:', chosen, names)}; or 'file.py:FUNCTION'"
            raise ValueError(msg)
        first = known[names.index(chosen)]
    readings = (first, *(reading for reading in known if reading.name != first.name))
    return ChosenModel(model=replace(search.model, meaning=first.meaning, readings=readings), code=None)


def _mass_of_chi(given: float | str) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the mass of dark matter [GeV] as a function of that of the boson [GeV].

    Raises
    ------
    ValueError
        If it is no expression.
    """
    if not isinstance(given, str):
        return lambda mass: np.full(mass.shape, given)
    try:
        return expression(given)
    except InputError as error:
        msg = f"model.m_chi: {error}"
        raise ValueError(msg) from None
