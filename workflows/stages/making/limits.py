"""The stage ``limits``: limits on yields become limits on cross section and coupling, in the limit table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import ConfigError, Flag
from bumphunt.inference.upper_limit import cross_section
from selections.readings import NON_PERTURBATIVE, Reading
from selections.search import Model
from workflows.config.records import About
from workflows.config.tasks import FitTask
from workflows.products.limit_table import LIMIT_TABLE, LIMITS, limit_columns
from workflows.products.selected import read_selected
from workflows.provenance.settings import plain
from workflows.results import PROVENANCE, read_table, write_table
from workflows.stages.depends import BLINDED
from workflows.stages.stage import Job, Stage

__all__ = ["STAGE", "limit_table", "set_limits"]

Table = dict[str, NDArray[Any]]

WIDE = 0.3
"""Part of the resolution above which a width matters: about a twentieth of the peak is then outside of +-2 resolutions,
Gamma / (2 pi sigma) of a Breit-Wigner."""


def limit_table(
    scan: Mapping[str, NDArray[Any]],
    *,
    luminosity: float | None,
    sqrt_s: float,
    model: Model | None,
    absolute: bool,
    parents: bool = False,
    weights: tuple[Sequence[float], Sequence[float]] | None = None,
    branching_ratio: ArrayLike = 1.0,
    readings: Sequence[Reading] = (),
    seen: ArrayLike = 1.0,
    coordinates: Sequence[str] = (),
) -> Table:
    """Return the limit table.

    Parameters
    ----------
    scan
        Columns of the scan, shape (M,) each; ``flags`` is text. Without ``mass`` the model is given NaN for it.
    luminosity
        Integrated luminosity [fb^-1], or the number of parents; without it ``xsec`` and ``coupling`` are empty.
    sqrt_s
        Centre-of-mass energy [GeV].
    model
        What a coupling predicts; without one, ``coupling`` is empty.
    absolute
        Whether ``xsec`` is the cross section before the selection; else it is that times the efficiency.
    parents
        Whether decays of parents are searched: then ``br`` stands for the branching fraction, in place of ``xsec``, and
        the model predicts that.
    weights
        Masses [GeV] and what an event stands for there, between which it is interpolated; None where each is one.
    branching_ratio
        What the cross section of the model is multiplied with to be that of the table: 1 for the production, the
        branching ratio of the region where one region is fitted. Broadcast with the masses.
    readings
        What the coupling can mean; none for what the model says with these branching ratios.
    seen
        What the cross section of the table is multiplied with to be that of what is seen, from which readings start:
        1 where it is that already. Broadcast with the masses.
    coordinates
        What hypotheses have beside their mass: names of columns of the scan, which the model is given.

    Returns
    -------
    dict
        `limit_columns`, shape (M,) each. ``xsec`` is the visible cross section over the efficiency [fb]. ``coupling``
        is that of the first reading of the model, and the others follow it. Rows have the flag "wide" and the name of
        a reading where the width at its limit is above `WIDE` resolutions, and "non_perturbative" where the coupling
        is: judged by the observed limit, or by the expected one where there is none.

    Raises
    ------
    ConfigError
        If the model gives no positive cross section at a mass.
    """
    table = dict(scan)
    masses = _masses(scan)
    efficiency = table["efficiency"] if absolute else np.ones_like(masses)
    weight = np.ones_like(masses) if weights is None else np.interp(masses, weights[0], weights[1])
    beside = {name: np.asarray(table[name], dtype=np.float64) for name in coordinates}
    predicted = np.full(masses.shape, np.nan) if model is None else _predicted(model, masses, sqrt_s, beside)
    fraction, visible = np.asarray(branching_ratio, dtype=np.float64), np.asarray(seen, dtype=np.float64)
    for limit in LIMITS:
        n_sig = np.asarray(table[f"n_sig_ul_{limit}"], dtype=np.float64)
        xsec = np.full(masses.shape, np.nan)
        if luminosity is not None:
            xsec = cross_section(weight * n_sig, luminosity=luminosity, efficiency=efficiency)
        table[f"{'br' if parents else 'xsec'}_ul_{limit}"] = xsec
        for column, reading in zip(_columns(readings), readings, strict=True):
            table[f"{column}_ul_{limit}"] = reading.coupling_of(visible * xsec / predicted, masses)
        if not readings:
            power = 1.0 if model is None else model.power
            table[f"coupling_ul_{limit}"] = (xsec / fraction / predicted) ** (1.0 / power)
    table["flags"] = _judged(table, masses, readings)
    names = limit_columns(coordinates, parents=parents, readings=_columns(readings)[1:], there=scan)
    return {name: np.asarray(table[name]) for name in names}


def _columns(readings: Sequence[Reading]) -> list[str]:
    """Return what the couplings of readings are called in columns: the first is the coupling."""
    return ["coupling", *(reading.column for reading in readings[1:])][: len(readings)]


def _judged(table: Table, masses: NDArray[np.float64], readings: Sequence[Reading]) -> NDArray[np.str_]:
    """Return the flags of rows, with those of couplings at which the boson is wide, or perturbation theory ends."""
    found = [list(filter(None, str(flags).split(";"))) for flags in table["flags"]]
    for column, reading in zip(_columns(readings), readings, strict=True):
        seen = table[f"{column}_ul_obs"]
        coupling = np.where(np.isnan(seen), table[f"{column}_ul_exp"], seen)
        beyond = {Flag.NON_PERTURBATIVE: coupling * reading.charge > NON_PERTURBATIVE}
        if "resolution" in table:
            beyond[Flag.WIDE] = reading.width(masses, coupling) > WIDE * table["resolution"]
        for flag, rows in beyond.items():
            for row in np.flatnonzero(rows):
                found[row].append(f"{flag}:{reading.name}")
    return np.array([";".join(flags) for flags in found], dtype=np.str_)


def _masses(scan: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return the masses of hypotheses [GeV], shape (M,); NaN where they have none."""
    return np.asarray(scan.get("mass", np.full(scan["n_obs"].shape, np.nan)), dtype=np.float64)


def _predicted(
    model: Model, masses: NDArray[np.float64], sqrt_s: float, beside: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the cross sections of the production at coupling 1 [fb], shape (M,).

    Raises
    ------
    ConfigError
        If the model predicts none.
    """
    at_one = np.asarray(model.cross_section(masses, sqrt_s, **beside), dtype=np.float64)
    if at_one.ndim == 0 and np.all(np.isnan(masses)):  # without mass a number is as good as an array
        at_one = np.broadcast_to(at_one, masses.shape)
    if at_one.shape != masses.shape or not np.all(at_one > 0):
        msg = (
            f"model {model.reference!r}: the cross section at coupling 1 must be a positive number of fb for each of"
            f" the {masses.size} hypotheses; it gave an array of shape {at_one.shape}"
        )
        if at_one.shape == masses.shape:
            bad = int(np.flatnonzero(~(at_one > 0))[0])
            msg += (
                f" with {at_one[bad]} at {masses[bad]:.4g} GeV" if np.isfinite(masses[bad]) else f" with {at_one[bad]}"
            )
        raise ConfigError(msg)
    return at_one


def set_limits(
    scan: Mapping[str, NDArray[Any]],
    about: About,
    task: FitTask,
    folder: Path,
    *,
    luminosity: float | None,
    complete: bool,
) -> None:
    """Write the limit table of one fit as ``limits.csv`` and ``limits.json``, with the region's name if it has several.

    Parameters
    ----------
    scan
        Columns of the scan.
    about
        Search and data.
    task
        Which fit.
    folder
        Where the files go.
    luminosity
        Luminosity of the data that were read [fb^-1]; None where it is not said.
    complete
        Whether all rows of all samples were read; if not, every row gets the flag "incomplete".
    """
    model = about.model
    masses = _masses(scan)
    fraction, readings = task.regions[0].definition.branching_ratio(masses), task.readings(model)
    table = limit_table(
        scan,
        luminosity=luminosity,
        sqrt_s=about.sqrt_s,
        model=model,
        absolute=about.absolute,
        parents=about.parents,
        weights=about.weights,
        coordinates=[coordinate.name for coordinate in about.search.coordinates],
        branching_ratio=1.0 if task.combined else fraction,
        readings=readings,
        seen=fraction if task.combined else 1.0,
    )
    if not complete:
        table["flags"] = np.array([";".join(filter(None, [flags, Flag.INCOMPLETE])) for flags in table["flags"]])
    of_peaks = {"window": "GeV", "resolution": "GeV"} if "resolution" in scan else {}
    units: dict[str, str] = ({"mass": "GeV"} if "mass" in scan else {}) | of_peaks | {"n": "events"}
    units |= {"br": "none"} if about.parents else {"xsec": "fb"}
    units |= {coordinate.name: coordinate.unit or "none" for coordinate in about.search.coordinates}
    units["coupling"] = "none" if model is None else model.meaning
    units |= {reading.column: reading.meaning for reading in readings[1:]}
    content = {
        "provenance": PROVENANCE,
        "channel": about.search.name,
        "regions": [region.name for region in task.regions],
        ("branching_fraction" if about.parents else "cross_section"): task.cross_section(
            about.search, absolute=about.absolute, parents=about.parents
        ),
        ("parents" if about.parents else "luminosity"): luminosity,
        "sqrt_s": about.sqrt_s,
        "blinded": about.blinded,
        "units": units,
    }
    write_table(folder, task.file(LIMIT_TABLE), table, **content)


def _make(job: Job, folder: Path) -> None:
    analysis, selected = job.analysis, read_selected(job.of("spectra"))
    for task in analysis.scan.fits:
        set_limits(
            read_table(job.of("scan"), task.file("scan")),
            analysis.about,
            task,
            folder,
            luminosity=selected.luminosity(task.regions),
            complete=selected.complete,
        )


def _depends(job: Job) -> Mapping[str, object]:
    """Return what limits on yields are turned into limits on cross sections and couplings with."""
    analysis = job.analysis
    fits = {task.title: task.combined for task in analysis.scan.fits}
    return {
        "channel": analysis.sections.channel,
        "model": plain(analysis.sections.model),
        "coupling": analysis.about.model is not None,
        "absolute": analysis.about.absolute,
        "parents": analysis.about.parents,
        "weights": plain(analysis.about.weights),
        "beams": plain(analysis.sections.beams),
        "fits": fits,
        BLINDED: analysis.about.blinded,
    }


STAGE = Stage(name="limits", needs=("spectra", "scan"), depends=_depends, files=("search", "model"), make=_make)
