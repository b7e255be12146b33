"""What stands for an input file: a path on a disk, or the address of a file on a server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import SplitResult, urlsplit

__all__ = ["Address", "Place", "is_address", "is_in", "place_of", "relative_to", "whole_name"]

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a file on a server.

    Parameters
    ----------
    url
        Such as ``https://server/folder/file.root`` or ``root://server//folder/file.root``.
    """

    url: str

    def __str__(self) -> str:
        """Return the address as it is written."""
        return self.url

    @property
    def parts(self) -> SplitResult:
        """Protocol, server, path and query."""
        return urlsplit(self.url)

    @property
    def protocol(self) -> str:
        """The protocol, in small letters."""
        return self.parts.scheme

    @property
    def suffix(self) -> str:
        """The ending of the file's name, such as ``.root``."""
        return PurePosixPath(self.parts.path).suffix


Place = Path | Address
"""Where an input file is."""


def is_address(text: str) -> bool:
    """Return whether a text is the address of a file on a server, of whatever protocol.

    Examples
    --------
    >>> is_address("root://server//store/a.root"), is_address("data/a.root")
    (True, False)
    """
    return _ADDRESS.match(text) is not None


def place_of(text: str) -> Place:
    """Return what a text stands for."""
    return Address(text) if is_address(text) else Path(text)


def whole_name(place: Place) -> str:
    """Return the name of a file that is the same from everywhere: a path with its links followed, or an address."""
    return str(place) if isinstance(place, Address) else str(place.resolve())


def is_in(place: Place, folder: Path) -> bool:
    """Return whether a file stands in a folder of this machine, and in none of that."""
    return isinstance(place, Path) and place.parent == folder


def relative_to(place: Place, folder: Path) -> str:
    """Return the name of a file, relative to a folder if it is in there."""
    if isinstance(place, Path) and place.is_relative_to(folder):
        return str(place.relative_to(folder))
    return str(place)
