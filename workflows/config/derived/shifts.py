"""Momenta that are shifted: from the section ``systematics`` to records, checked against what the regions read."""

from __future__ import annotations

from collections.abc import Sequence

from bumphunt.errors import InputError, unknown_name
from selections.shifts import Shift, left_behind, refuse_others
from workflows.config.regions import AnalysedRegion
from workflows.config.sections.analysis import Analysis

__all__ = ["check_shifts", "shifts_of"]


def shifts_of(sections: Analysis) -> tuple[Shift, ...]:
    """Return the shifts of an analysis, in its order."""
    found = (section.shift(name) for name, section in sections.systematics.items())
    return tuple(shift for shift in found if shift is not None)


def check_shifts(shifts: Sequence[Shift], regions: Sequence[AnalysedRegion]) -> None:
    """Raise a `ValueError` if a shift names what no region reads, or no momentum, or leaves what is made of it behind.

    Parameters
    ----------
    shifts
        The shifts.
    regions
        The regions.
    """
    known = {v.name: v for region in regions for v in region.plan.selection.variables}
    for shift in shifts:
        key = f"systematics.{shift.name}.{shift.kind}"
        for column in shift.columns:
            if column not in known:
                raise ValueError(unknown_name(f"{key}: column", column, known))
        try:
            refuse_others(shift.columns, known)
            for region in regions:
                stays = left_behind(shift.columns, [v.name for v in region.plan.selection.variables])
                if stays is not None:
                    msg = (
                        f"region {region.name!r} reads {stays!r}, which is made of momenta that move, and would stay as"
                        " it is: make it of them among the observables of the search, or name it here too"
                    )
                    raise InputError(msg)
        except InputError as error:
            msg = f"{key}: {error}"
            raise ValueError(msg) from None
