"""Records by name: the shipped ones, and others that a user brings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from bumphunt.errors import InputError, unknown_name

__all__ = ["Named", "find", "with_others"]


class Named(Protocol):
    """A record with a name."""

    @property
    def name(self) -> str:
        """Its name."""


T = TypeVar("T", bound=Named)


def with_others(shipped: Mapping[str, T], extra: Iterable[T], what: str) -> dict[str, T]:
    """Return shipped records and others by name.

    Parameters
    ----------
    shipped
        The shipped ones by name.
    extra
        Others.
    what
        What they are, for the message.

    Raises
    ------
    InputError
        If two different ones have the same name.
    """
    known = dict(shipped)
    for record in extra:
        if known.setdefault(record.name, record) != record:
            msg = f"{what} {record.name!r} is there already; give it another name"
            raise InputError(msg)
    return known


def find(name: str, known: Mapping[str, T], what: str) -> T:
    """Return the record of a name.

    Raises
    ------
    InputError
        If there is none, with the nearest name.
    """
    if name not in known:
        raise InputError(unknown_name(what, name, known))
    return known[name]
