"""The limit table: one row a hypothesis, flat; these column names are an interface."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import Flag
from selections.search import Coordinate
from workflows.config.coordinates import at_of, words
from workflows.results import read_table

__all__ = [
    "COLUMNS",
    "LIMITS",
    "LIMIT_TABLE",
    "OF_PEAKS",
    "OVERDISPERSION",
    "Summary",
    "limit_columns",
    "poor_fits",
    "summarise",
]

LIMITS = ("obs", "exp_m2", "exp_m1", "exp", "exp_p1", "exp_p2")
"""The six limits of each quantity: observed, and expected at -2 ... +2 standard deviations."""
COLUMNS = (
    *("mass", "window_lo", "window_hi", "n_obs", "n_bkg", "n_sig", "n_sig_error", "q0", "p0", "z0"),
    *("efficiency", "resolution"),
    *(f"{quantity}_ul_{limit}" for quantity in ("n_sig", "xsec", "coupling") for limit in LIMITS),
    *("p0_error", "n_sig_ul_obs_error", "n_sig_ul_exp_error"),
    *("method", "cl", "valid", "flags"),
    *("engine", "gof", "gof_ndf", "gof_p"),
)
"""Columns of the limit table, an interface: masses in GeV, cross sections in fb."""
OF_PEAKS = ("window_lo", "window_hi", "resolution")
"""Those of them that a count, which has no spectrum, is without."""
OVERDISPERSION = "overdispersion"
"""A column beside them where all candidates of an event are kept: the variance of the count over its expectation."""
LIMIT_TABLE = "limits"
"""Name of the limit table, without its suffix."""

HEAD_COLUMNS = ("n_obs", "n_bkg", "z0", "xsec_ul_obs", "br_ul_obs", "coupling_ul_exp", "coupling_ul_obs")
LIMITED = {"xsec_ul_obs", "br_ul_obs", "coupling_ul_exp", "coupling_ul_obs"}
"""Those of them that are left out where they are empty or not there: without a luminosity, or a model."""
YIELDS = ["n_sig_ul_exp", "n_sig_ul_obs"]
"""What is shown where all of these are."""
HEAD_ROWS = 5


def limit_columns(
    coordinates: Sequence[str],
    *,
    parents: bool = False,
    readings: Sequence[str] = (),
    there: Collection[str] = COLUMNS,
) -> tuple[str, ...]:
    """Return the columns of a limit table: what hypotheses have beside their mass stands behind it.

    Where decays of parents are searched, branching fractions (``br``) are in the place of cross sections (``xsec``).

    Parameters
    ----------
    coordinates
        What hypotheses have beside their mass.
    parents
        Whether decays of parents are searched.
    readings
        Other readings of the coupling, by what stands for it (`selections.readings.Reading.column`): they stand behind.
    there
        Columns of the scan. Hypotheses without mass have no such column, and counts none of `OF_PEAKS`; spectra with
        more axes have the ends of the bands in the masses of the coordinates, and those of all candidates
        `OVERDISPERSION`.
    """
    rate = "br_ul" if parents else "xsec_ul"
    mass = [name for name in ("mass",) if name in there]
    bands = [band for name in coordinates for end in ("lo", "hi") if (band := f"window_{name}_{end}") in there]
    others = [name.replace("xsec_ul", rate) for name in COLUMNS[1:] if name not in OF_PEAKS or name in there]
    behind = others.index(f"coupling_ul_{LIMITS[-1]}") + 1
    more = [f"{reading}_ul_{limit}" for reading in readings for limit in LIMITS]
    last = [name for name in (OVERDISPERSION,) if name in there]
    return (*mass, *coordinates, *bands, *others[:behind], *more, *others[behind:], *last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run ends with.

    Parameters
    ----------
    head
        First rows of some columns of the limit table, as text.
    table, rows
        The table, and its number of rows.
    most_significant
        A sentence about the largest excess.
    """

    head: dict[str, list[str]]
    table: Path
    rows: int
    most_significant: str


def summarise(
    folder: Path, *, coordinates: Sequence[Coordinate] = (), blinded: bool, whole: str | None = None
) -> Summary:
    """Return what a run ends with, from the main limit table in a folder.

    Parameters
    ----------
    folder
        Folder of the limit tables.
    coordinates
        What hypotheses have beside their mass.
    blinded
        Whether no excess is told of.
    whole
        What is known of the whole search; None for nothing.

    Raises
    ------
    BumphuntError
        If the table cannot be read.
    """
    limits = read_table(folder, LIMIT_TABLE)
    valid = limits["valid"].astype(bool)
    names = [coordinate.name for coordinate in coordinates]
    named = [*(["mass"] if "mass" in limits else []), *names]
    what = "mass" if named == ["mass"] else "hypothesis"
    kind = "mass hypothesis" if "mass" in limits else "hypothesis"
    if blinded:
        sentence = "blinded: no observed significance; set 'unblind: true' when the review agrees"
        if np.all(np.char.find(limits["flags"].astype(str), Flag.NO_EXPECTATION) >= 0):
            sentence += "; nothing says what is expected: give samples, or 'blinding: sidebands'"
    elif not np.any(valid & ~np.isnan(limits["z0"])):
        sentence = f"no {kind} has a valid fit: see the flags in the limit table"
    elif not np.any(limits["z0"][valid] > 0):
        sentence = f"no {kind} has an excess"
    else:
        best = int(np.nanargmax(np.where(valid, limits["z0"], np.nan)))
        flags = f"; its flags: {limits['flags'][best]}" if limits["flags"][best] else ""
        several = "masses" if what == "mass" else "hypotheses"
        unknown = f"the largest of {valid.size} {several}, so not the global significance"
        if valid.size == 1:
            unknown = "the only hypothesis"
        sentence = f"most significant {what}: {_excess(limits, best, coordinates)}; {whole or unknown}{flags}"
        if poor_fits(limits)[best]:
            sentence += _beside_poor_fit(limits, best, coordinates)
    shown = [n for n in HEAD_COLUMNS if n not in LIMITED or (n in limits and not np.all(np.isnan(limits[n])))]
    if not LIMITED & set(shown):
        shown += YIELDS
    columns = (*named, *shown)
    return Summary(
        head={name: [f"{value:.4g}" for value in limits[name][:HEAD_ROWS]] for name in columns},
        table=folder / f"{LIMIT_TABLE}.csv",
        rows=valid.size,
        most_significant=sentence,
    )


def poor_fits(limits: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Return which rows of a limit table have a best fit that does not describe its window, shape (M,)."""
    return np.array([str(Flag.POOR_FIT) in str(flags).split(";") for flags in limits["flags"]], dtype=np.bool_)


def _excess(limits: Mapping[str, NDArray[Any]], row: int, coordinates: Sequence[Coordinate]) -> str:
    """Return where a row is, and its local significance."""
    beside = words(at_of({c.name: limits[c.name][row] for c in coordinates}), coordinates)
    mass = f"{limits['mass'][row]:.3f} GeV" if "mass" in limits else ""
    place = ", ".join(filter(None, [mass, beside])) or "the count"
    return f"{place}, local significance {limits['z0'][row]:.2f} sigma (p0 = {limits['p0'][row]:.2g})"


def _beside_poor_fit(limits: Mapping[str, NDArray[Any]], row: int, coordinates: Sequence[Coordinate]) -> str:
    """Return what is said of an excess whose fit is poor: how poor, and the largest excess of a fit that is not."""
    said = f". Its fit does not describe the data of the window (goodness of fit p = {limits['gof_p'][row]:.2g})"
    good = limits["valid"].astype(bool) & ~poor_fits(limits) & (limits["z0"] > 0)
    if not good.any():
        return f"{said}; no mass with a good fit has an excess"
    best = int(np.nanargmax(np.where(good, limits["z0"], np.nan)))
    return f"{said}; the largest excess of a good fit: {_excess(limits, best, coordinates)}"
