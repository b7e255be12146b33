"""What the sections of the YAML have in common: an unknown key is an error, and numbers are numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

__all__ = [
    "Count",
    "Curve",
    "CurveTable",
    "Finite",
    "NonNegative",
    "Number",
    "Positive",
    "Relative",
    "RelativeChange",
    "Section",
    "UpDown",
]


def _no_truth_value(value: object) -> object:
    """Refuse YAML's yes and no where a number is wanted: they would become 1 and 0."""
    if isinstance(value, bool):
        msg = f"{value} is no number"
        raise ValueError(msg)
    return value


def _at_most_all(value: float) -> float:
    """Refuse more than 100 %, which is a percentage taken for a fraction, or nothing that a fit can use."""
    if abs(value) > 1:
        msg = f"{value:g} is more than 100 %; write a fraction, such as {value / 100:g} for {value:g} %"
        raise ValueError(msg)
    return value


Number = BeforeValidator(_no_truth_value)
Positive = Annotated[float, Number, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Number, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Number, Field(allow_inf_nan=False)]
Relative = Annotated[float, Number, Field(ge=0, allow_inf_nan=False), AfterValidator(_at_most_all)]
"""A relative uncertainty."""
RelativeChange = Annotated[float, Number, Field(allow_inf_nan=False), AfterValidator(_at_most_all)]
"""A relative change at one standard deviation, of either sign."""
UpDown = tuple[RelativeChange, RelativeChange]
"""Relative changes at +1 and at -1 standard deviation."""
Count = Annotated[int, Number, Field(gt=0)]


class Section(BaseModel):
    """Base of all sections: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class CurveTable(Section):
    """A table of masses and values."""

    file: str
    """CSV file of two columns: masses [GeV], ascending, and values. Relative to the folder of the YAML."""


Curve = Finite | Annotated[str, "an expression, or file.py:FUNCTION"] | CurveTable
"""A function of mass in the YAML (`workflows.config.derived.curves`)."""
