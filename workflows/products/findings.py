"""What a search has found, as numbers and as a paragraph: the largest excess, and what is not to be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.search_wide.significance import GlobalSignificance
from workflows.products.limit_table import poor_fits

__all__ = ["FINDINGS", "findings"]

FINDINGS = "findings"
"""Name of the files, without their suffix."""
FEW = 10
"""Masses that a paragraph names; of more it has the number."""


def findings(found: GlobalSignificance, scanned: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return what is found: the largest excess, hypotheses without a valid result or with a poor fit, and a text.

    Parameters
    ----------
    found
        What the toys of the whole search say.
    scanned
        Columns of the scan, a row a hypothesis, in the order of the search.
    """
    bad = np.flatnonzero(~scanned["valid"].astype(bool))
    invalid = [{"mass": float(scanned["mass"][k]), "flags": str(scanned["flags"][k])} for k in bad]
    poor = scanned["mass"][poor_fits(scanned)].tolist()
    lost = [{"mass": mass, "flag": str(flag)} for mass, flag in found.left_out]
    with_failed = int(np.sum(found.largest.failed > 0))
    largest = None if np.isnan(found.z0_max) else _largest(found, scanned)
    masses = scanned["mass"]
    sentences = [
        f"A signal is searched for at {masses.size} hypotheses between {masses.min():.4g} and {masses.max():.4g} GeV.",
        *([_excess(found, largest)] if largest is not None else ["The data are blinded: no excess is quoted."]),
        _without("The result is not valid", masses[bad].tolist()),
        _without("The fit does not describe the data", poor),
        _without("No significance exists", [mass for mass, _ in found.left_out]),
        f"Of {len(found.largest)} pseudo-experiments {with_failed or 'none'} had a fit that failed."
        + ("" if found.valid else " These are too many for the global significance to be valid."),
    ]
    return {
        "largest": largest,
        "invalid": invalid,
        "poor": poor,
        "left_out": lost,
        "toys": {"n": len(found.largest), "with_failed_fits": with_failed, "failed_fits": found.n_failed},
        "valid": found.valid,
        "text": " ".join(filter(None, sentences)),
    }


def _largest(found: GlobalSignificance, scanned: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Return the numbers of the largest excess."""
    row = int(np.nanargmax(found.z0))
    names = ("p0_global", "p0_global_low", "p0_global_high", "n_beyond", "z0_global", "trials")
    return {
        **{name: float(scanned[name][row]) for name in ("mass", "n_sig", "n_sig_error", "n_obs", "n_bkg")},
        "z0": found.z0_max,
        "p0": found.p0,
        **{name: getattr(found, name) for name in names},
        "p0_extrapolated": found.p0_extrapolated,
        "p0_extrapolated_error": found.p0_extrapolated_error,
    }


def _excess(found: GlobalSignificance, largest: Mapping[str, float]) -> str:
    """Return the sentences on the largest excess."""
    n_toys = len(found.largest)
    signal = f"{largest['n_sig']:.3g} +- {largest['n_sig_error']:.2g} signal events"
    local = (
        f"The largest excess is at {largest['mass']:.4g} GeV, with {signal} and a local significance of"
        f" {found.z0_max:.1f} standard deviations (p = {found.p0:.2g})."
    )
    if found.n_beyond:
        whole = (
            f"In {found.n_beyond} of {n_toys} background-only pseudo-experiments of the complete spectrum some"
            f" hypothesis has at least that significance: the global p-value is {found.p0_global:.2g}"
            f" ({found.p0_global_low:.2g} to {found.p0_global_high:.2g} at 68 %),"
            f" a global significance of {max(found.z0_global, 0.0):.1f} standard deviations."
        )
    else:
        whole = (
            f"None of {n_toys} background-only pseudo-experiments of the complete spectrum reaches that significance at"
            f" any hypothesis: the global p-value is below {found.p0_global_high:.2g}; extrapolated from upcrossings of"
            f" {found.upcrossings.level:g} standard deviations it is {found.p0_extrapolated:.1g}."
        )
    greedy = "As that of the largest of many, the yield is biased upwards; by how much has not been measured."
    return f"{local} {whole} {greedy}"


def _without(what: str, masses: list[float]) -> str:
    """Return a sentence on hypotheses that lack something; "" for none."""
    if not masses:
        return ""
    if len(masses) > FEW:
        return f"{what} at {len(masses)} hypotheses."
    return f"{what} at {', '.join(f'{mass:.4g}' for mass in masses)} GeV."
