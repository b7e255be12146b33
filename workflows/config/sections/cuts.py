"""The section of the YAML on the cuts of the search: which are changed, dropped or added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, model_validator

from bumphunt.errors import InputError, unknown_name
from bumphunt.kinematics.momenta import Beams
from selections.changes import CutChange, changed_selection
from selections.cuts import Selection
from selections.search import Region
from workflows.config.sections.section import Finite, Section

__all__ = ["CutSection", "Cuts", "check_cuts", "with_cuts"]

BOUNDS = ("above", "below", "equals")


class CutSection(Section):
    """A cut that is changed, dropped or added."""

    above: Finite | None = None
    """The observable must be greater; null leaves that side open."""
    below: Finite | None = None
    """The observable must be less; null leaves that side open."""
    equals: Finite | None = None
    """The observable must have exactly this value."""
    observable: str | None = None
    """What is cut on: an observable of the search. A cut that the search does not have must name one, or a variable."""
    variable: str | None = None
    """A variable of the ntuple that is cut on, where no observable is made of it."""
    unit: str | None = None
    """Unit of the bounds, for tables and figures; that of the cut unless given."""
    regions: tuple[str, ...] = ()
    """Regions in which this is so; all that have the cut unless given, for a new one all."""
    dropped: bool = False
    """All rows pass: ``NAME: off`` for short."""

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        said = self.model_fields_set - {"regions", "dropped"}
        if self.dropped and said:
            msg = f"'dropped' leaves nothing to cut on: remove it, or {', '.join(sorted(said))}"
            raise ValueError(msg)
        if not self.dropped and not said:
            msg = "give 'above', 'below' or 'equals', or say 'off' to drop the cut"
            raise ValueError(msg)
        if self.observable is not None and self.variable is not None:
            msg = "give either 'observable' or 'variable'"
            raise ValueError(msg)
        return self

    def change(self, name: str) -> CutChange:
        """Return the change of the cut of a name."""
        return CutChange(
            name=name,
            source="the YAML of the analysis",
            dropped=self.dropped,
            observable=self.observable,
            variable=self.variable,
            bounds={side: getattr(self, side) for side in BOUNDS if side in self.model_fields_set},
            unit=self.unit,
        )


def _off(value: Any) -> Any:
    """Return a section for ``off``, which YAML 1.1 reads as false, and refuse ``on``."""
    if value is False or value == "off":
        return {"dropped": True}
    if value is True or value == "on":
        msg = "a cut of the search is on unless it is changed here: leave it out, give bounds, or say 'off'"
        raise ValueError(msg)
    return value


Cuts = dict[str, Annotated[CutSection, BeforeValidator(_off)]]


@dataclass(frozen=True, slots=True)
class _Changed:
    """The selection of a region with changed cuts, for any beams."""

    region: Region
    changes: tuple[CutChange, ...]

    def __call__(self, beams: Beams) -> Selection:
        return changed_selection(self.region.selection(beams), self.changes)


def with_cuts(region: Region, cuts: Mapping[str, CutSection], beams: Beams) -> Region:
    """Return a region whose selection has the cuts of the YAML.

    Parameters
    ----------
    region
        The region.
    cuts
        What the YAML says, by name of the cut.
    beams
        The beams.

    Raises
    ------
    ValueError
        If that cannot be: names the key, and what there is.
    """
    selection = region.selection(beams)
    own = {cut.name for cut in selection.cuts}
    here: list[CutChange] = []
    for name, section in cuts.items():
        new = section.observable is not None or section.variable is not None
        if (section.regions and region.name not in section.regions) or (name not in own and not new):
            continue
        try:
            changed_selection(selection, [section.change(name)])
        except InputError as error:
            key = f"cuts.{name}" + (".observable" if str(error).startswith("observable") else "")
            msg = f"{key}: in region {region.name!r}: {error}"
            raise ValueError(msg) from None
        here.append(section.change(name))
    return replace(region, selection=_Changed(region, tuple(here))) if here else region


def check_cuts(cuts: Mapping[str, CutSection], regions: Mapping[str, Selection]) -> None:
    """Raise a `ValueError` for a cut or a region that there is not.

    Parameters
    ----------
    cuts
        What the YAML says, by name of the cut.
    regions
        The selections of the search that are looked at, by region.
    """
    for name, section in cuts.items():
        for region in section.regions:
            if region not in regions:
                raise ValueError(unknown_name(f"cuts.{name}.regions: region", region, regions))
        among = section.regions or tuple(regions)
        known = dict.fromkeys(cut.name for region in among for cut in regions[region].cuts)
        if name not in known and section.observable is None and section.variable is None:
            msg = f"{unknown_name('cuts: cut', name, known)}; a cut of your own names its observable"
            raise ValueError(msg)
