"""Checks of the named parameters of a record: an error names the parameter, its value and what would be right."""

from __future__ import annotations

import math
from typing import Any

from bumphunt.errors import InputError

__all__ = ["check_not_negative", "check_polar_angles", "check_probability"]


def check_not_negative(name: str, value: Any) -> None:
    """Raise InputError unless a value is a number and not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        msg = f"{name} = {value!r}; it must be a number and not negative"
        raise InputError(msg)


def check_probability(name: str, value: Any) -> None:
    """Raise InputError unless a value is a number in [0, 1]."""
    check_not_negative(name, value)
    if not value <= 1:
        msg = f"{name} = {value}; a probability is in [0, 1]"
        raise InputError(msg)


def check_polar_angles(name: str, interval: Any) -> None:
    """Raise InputError unless an interval is two ordered polar angles [rad]."""
    try:
        low, high = interval
        ordered = 0 <= low < high <= math.pi
    except (TypeError, ValueError):
        ordered = False
    if not ordered:
        msg = f"{name} = {interval} rad; it must be two polar angles, ordered, between 0 and pi"
        raise InputError(msg)
