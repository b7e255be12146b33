"""Limits on yields become limits on cross section and coupling: the limit table."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bumphunt
from bumphunt.inference.limits import cross_section
from bumphunt.theory import zprime
from workflows.config import Analysis
from workflows.results import PROVENANCE, code_digest, write_csv, write_json

__all__ = ["COLUMNS", "LIMITS", "LIMIT_TABLE", "limit_table", "set_limits"]

LIMITS = ("obs", "exp_m2", "exp_m1", "exp", "exp_p1", "exp_p2")
"""The six limits of each quantity: observed, and expected at -2 ... +2 standard deviations."""
COLUMNS = (
    *("mass", "window_lo", "window_hi", "n_obs", "n_bkg", "n_sig", "n_sig_error", "q0", "p0", "z0"),
    *("efficiency", "resolution"),
    *(f"{quantity}_ul_{limit}" for quantity in ("n_sig", "xsec", "coupling") for limit in LIMITS),
    *("method", "cl", "valid", "flags"),
)
"""Columns of the limit table, an interface: masses in GeV, cross sections in fb."""
INCOMPLETE = "incomplete"
"""Flag of every row when not all input was read."""
LIMIT_TABLE = "limits"
"""Name of the limit table, without its suffix."""

Table = dict[str, NDArray[Any]]


def limit_table(scan: Mapping[str, NDArray[Any]], *, luminosity: float, sqrt_s: float) -> Table:
    """Return the limit table.

    Parameters
    ----------
    scan
        Columns of the scan, shape (M,) each; ``flags`` is text.
    luminosity
        Integrated luminosity [fb^-1].
    sqrt_s
        Centre-of-mass energy [GeV].

    Returns
    -------
    dict
        `COLUMNS`, shape (M,) each. ``xsec`` is sigma(ee -> mumu Z') BR(Z' -> invisible) [fb], ``coupling`` the g' of
        L_mu - L_tau that predicts it, initial-state radiation included.
    """
    table = dict(scan)
    for limit in LIMITS:
        n_sig = np.asarray(table[f"n_sig_ul_{limit}"], dtype=np.float64)
        xsec = cross_section(n_sig, luminosity=luminosity, efficiency=table["efficiency"])
        table[f"xsec_ul_{limit}"] = xsec
        table[f"coupling_ul_{limit}"] = zprime.coupling_from_cross_section(xsec, table["mass"], sqrt_s=sqrt_s)
    return {name: np.asarray(table[name]) for name in COLUMNS}


def set_limits(
    scan: Mapping[str, NDArray[Any]], config: Analysis, folder: Path, *, luminosity: float, complete: bool
) -> None:
    """Write the limit table as ``limits.csv`` and ``limits.json``.

    Parameters
    ----------
    scan
        Columns of the scan.
    config
        The analysis.
    folder
        Where the files go.
    luminosity
        Luminosity of the data that were read [fb^-1].
    complete
        Whether all rows of all samples were read; if not, every row gets the flag "incomplete".
    """
    table = limit_table(scan, luminosity=luminosity, sqrt_s=config.beams_record.sqrt_s)
    if not complete:
        table["flags"] = np.array([";".join(filter(None, [flags, INCOMPLETE])) for flags in table["flags"]])
    write_csv(folder / f"{LIMIT_TABLE}.csv", table)
    units = {"mass": "GeV", "window": "GeV", "resolution": "GeV", "xsec": "fb", "coupling": "g'", "n": "events"}
    content = {
        "provenance": {
            "bumphunt": bumphunt.__version__,
            "code": code_digest(),
            "seed": config.seed,
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            "record": PROVENANCE,
        },
        "channel": config.channel,
        "luminosity": luminosity,
        "sqrt_s": config.beams_record.sqrt_s,
        "blinded": config.blinded,
        "units": units,
        "columns": table,
    }
    write_json(folder / f"{LIMIT_TABLE}.json", content)
