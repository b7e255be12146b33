"""The layout of results: those of another one are not read, but made again, unless they are newer.

The number stands as ``schema`` in the ``provenance.json`` of every stage; older results have none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bumphunt.errors import BumphuntError
from workflows.results import PROVENANCE, read_json

__all__ = ["SCHEMA", "other_schema", "refuse_newer"]

SCHEMA = 1
"""Raised with each change of tables, histograms or records that code of before, or of later, cannot read."""


def other_schema(folder: Path) -> str | None:
    """Return in words that the results in a folder are in another schema; None if they are not, or have no record."""
    record = _record(folder)
    if record is None or record.get("schema") == SCHEMA:
        return None
    said = "no number of a schema" if "schema" not in record else f"the schema {record['schema']}"
    return f"it has {said}, by bumphunt {record.get('bumphunt', 'of unknown version')}; this one has {SCHEMA}"


def refuse_newer(folder: Path) -> None:
    """Raise if results would be replaced that a newer version has made.

    Raises
    ------
    BumphuntError
        If so.
    """
    number = (_record(folder) or {}).get("schema")
    if isinstance(number, int) and number > SCHEMA:
        msg = f"{folder}: {other_schema(folder)}: update bumphunt, or choose another folder with --output"
        raise BumphuntError(msg)


def _record(folder: Path) -> dict[str, Any] | None:
    """Return the record in a folder, whatever its schema; None without one."""
    try:
        found = read_json(folder / PROVENANCE)
    except BumphuntError:
        return None
    return found if isinstance(found, dict) else None
