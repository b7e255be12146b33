"""The findings of a study, as rows of a table to be printed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["printed_findings"]


def printed_findings(findings: Mapping[str, Sequence[Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the names of columns and the rows of a table, as text.

    Parameters
    ----------
    findings
        Fields of the findings by name, as in `bumphunt.studies.verdicts.Finding`; None for what is no number.
    """
    header = ("mass", "toys", "quantity", "value", "allowed", "verdict")
    names = ("mass", "truth", "n_sigma", "quantity", "value", "error", "low", "high", "verdict")
    rows: list[tuple[str, ...]] = []
    for mass, truth, n_sigma, quantity, value, error, low, high, verdict in zip(
        *(findings[name] for name in names), strict=True
    ):
        toys = truth.removeprefix("fit to the ") + (f", {n_sigma:g} sigma" if n_sigma else "")
        rows.append((f"{mass:.4g}", toys, quantity, _measured(value, error), _allowed(low, high), verdict))
    return header, rows


def _allowed(low: float | None, high: float | None) -> str:
    """Return what is allowed, in words; nothing where there is no criterion."""
    if low is None:
        return ""
    if high is None:
        return f"from {low:.3g}"
    return f"+-{high:.2g}" if low == -high else f"{low:.3g} to {high:.3g}"


def _measured(value: float | None, error: float | None) -> str:
    """Return a number with its error, as many digits as that has two of."""
    if value is None:
        return ""
    if not error:
        return f"{value:.3g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f} +- {error:.{digits}f}"
