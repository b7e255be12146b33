"""What the stage ``global`` says of the whole search, as a sentence."""

from __future__ import annotations

from pathlib import Path

from workflows.results import read_json

__all__ = ["GLOBAL", "NUMBER", "TOYS", "global_sentence", "largest_excess"]

GLOBAL, TOYS = "global", "toys"
"""Names of the table and of that of the toys, without their suffix."""
NUMBER = "toys"
"""Name of the setting that says how many toys there are."""


def global_sentence(folder: Path) -> str:
    """Return what the table in a folder says of the largest excess as a whole.

    Raises
    ------
    BumphuntError
        If the table cannot be read.
    """
    found = read_json(folder / f"{GLOBAL}.json")
    n_toys, tried = found["n_toys"], found["hypotheses"] - len(found["left_out"])
    if found["z0_max"] is None:
        return f"blinded: {n_toys} toys of {tried} hypotheses, no observed significance"
    extrapolated = f"{found['p0_extrapolated']:.2g} +- {found['p0_extrapolated_error']:.1g} from upcrossings"
    if found["n_beyond"]:
        p = f"global p {found['p0_global']:.3g} ({found['p0_global_low']:.2g} to {found['p0_global_high']:.2g})"
        sentence = f"{p}, {max(found['z0_global'], 0.0):.2f} sigma, from {n_toys} toys ({extrapolated})"
        sentence += f", trials factor {found['trials']:.3g}"
    else:
        sentence = f"global p below {found['p0_global_high']:.2g}, none of {n_toys} toys is beyond ({extrapolated})"
    return sentence + ("" if found["valid"] else f"; NOT VALID: {found['n_failed']} fits of toys failed")


def largest_excess(folder: Path) -> str:
    """Return the largest excess of the table in a folder, as a whole and by itself; errors as `global_sentence`."""
    found, sentence = read_json(folder / f"{GLOBAL}.json"), global_sentence(folder)
    if found["z0_max"] is None:
        return sentence
    return f"{found['mass']:.3f} GeV, local significance {found['z0_max']:.2f} sigma; {sentence}"
