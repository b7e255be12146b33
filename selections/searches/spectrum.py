"""A peak in one column: no cuts, no candidates, no model; each row is an event, and the column is its mass.

For whoever has selected events elsewhere and wants the limit table of what is left. The YAML names the column
(``data: {files: data.root, column: M}``) or a histogram in its place, and says the signal by its resolution.
"""

from __future__ import annotations

from bumphunt.kinematics.momenta import Beams
from bumphunt.spectrum.axis import MASS
from selections.cuts import Columns, Observables, Selection, Variable
from selections.search import Region, Search

__all__ = ["COLUMN", "SEARCH"]

COLUMN = "mass"
"""The variable that is read, and the observable that is scanned."""


def _observables(columns: Columns) -> Observables:
    """Return the column."""
    return {COLUMN: columns[COLUMN]}


def _selection(beams: Beams) -> Selection:
    """Return the selection, which keeps every row."""
    del beams
    return Selection(
        name="spectrum",
        observables=_observables,
        variables=(Variable(name=COLUMN, unit="GeV", meaning="the mass of the row; data.column names it"),),
        cuts=(),
        spectrum=COLUMN,
        axis=MASS,
    )


SEARCH = Search(
    name="spectrum",
    final_state="whatever the column is the mass of",
    production="X",
    particle="X",
    observable="one column of masses, or a histogram of them",
    mass_range=(0.0, float("inf")),
    reference="the signal is said in the YAML",
    column=COLUMN,
    regions=(
        Region(name="all", description="every row", selection=_selection, candidate="row", binning=None, tail="low"),
    ),
)
