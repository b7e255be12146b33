"""What the figures of an analysis show, and what all of them say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from bumphunt.cuts.table import CutTable
from bumphunt.models.given_signal import PeakModel
from workflows.config.coordinates import At, in_figures
from workflows.config.records import About, ReportSetup
from workflows.config.tasks import FitTask
from workflows.products.cut_values import CutValues
from workflows.products.selected import Selected

__all__ = ["Records", "data_label", "joined", "mass_label", "place_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What the figures show.

    Parameters
    ----------
    setup
        What they show beside the results.
    selected
        The spectra.
    cuts
        The optimised cuts by region; empty for none.
    rankings, classifiers
        Columns of the ranking of observables, and of the comparison with a classifier, by region; empty for none.
    cut_values
        The observables that are cut on, by region.
    signals
        The signal models after all cuts, by the other coordinates and by unit.
    limits
        Columns of the limit tables, by fit.
    """

    setup: ReportSetup
    selected: Selected
    cuts: Mapping[str, CutTable]
    rankings: Mapping[str, Mapping[str, NDArray[Any]]]
    classifiers: Mapping[str, Mapping[str, NDArray[Any]]]
    cut_values: Mapping[str, Sequence[CutValues]]
    signals: Mapping[At, Mapping[str, PeakModel]]
    limits: Sequence[tuple[FitTask, Mapping[str, NDArray[Any]]]]


def place_of(records: Records, at: At) -> str:
    """Return where the hypotheses of a figure lie beside their mass."""
    return in_figures(at, records.setup.about.search.coordinates)


def joined(*parts: str) -> str:
    """Return the parts of a title that there are."""
    return ", ".join(part for part in parts if part)


def mass_label(about: About) -> str:
    """Return the label of an axis of masses."""
    return rf"$m_{{{about.search.particle}}}$ [GeV]"


def data_label(records: Records, region: str) -> str:
    """Return what the data are."""
    setup, about = records.setup, records.setup.about
    kind = "pseudo-data" if about.pseudo else "data"
    marks = ["blinded"] * about.blinded + ["INCOMPLETE"] * (not records.selected.complete)
    regions = [r for r in setup.regions if r.name == region] or setup.fits[0].regions
    luminosity = records.selected.luminosity(regions)
    data = kind if luminosity is None else f"{kind} {luminosity:.3g} fb$^{{-1}}$"
    if about.parents and luminosity is not None:
        data = f"{kind}, {luminosity / 1e6:.4g} M parents"
    several = [region] * (region != "" and len(setup.regions) > 1)
    name = about.search.name
    return ", ".join([f"bumphunt, {name}", *several, data, *marks])
