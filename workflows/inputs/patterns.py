"""Patterns of the YAML -> files, each file once; what cannot be looked at is an error and never fewer files.

| in a pattern | stands for |
|---|---|
| ``*``, ``?``, ``[abc]`` | some characters, one character, one of these, inside one name |
| ``**`` alone between slashes | folders of any depth, linked ones too |
| ``~``, ``~name`` at the beginning | the home of a user |

A name that is there as it is written is taken as it is, brackets and all. A link that leads nowhere is a missing file
where a file is looked for: `check` stops at it, ``--allow-missing`` counts it. Where a folder is looked for, nobody
knows how many files are behind it, so that this is an error.

Addresses of files on servers begin with ``https://``, ``http://`` or ``root://``. Whether they are there is asked when
they are opened. ``*`` stands in the name of a file alone, and where the server says which there are: ``root://``.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from bumphunt.errors import ConfigError
from workflows.storage.addresses import Address, Place, is_address, whole_name
from workflows.storage.servers import PROTOCOLS, missing_package, names_in

__all__ = ["Identity", "find_files", "identity"]

Identity = tuple[object, ...]

_WILDCARD = re.compile(r"[*?[]")
_DEEP = "**"


class _UnusableError(Exception):
    """Why a pattern cannot be used, and what to do."""


def find_files(path: Path, key: str, patterns: Sequence[str]) -> tuple[Place, ...]:
    """Return the files that match patterns of a YAML, each once, in the order of the patterns and then of the names.

    A file that is found under several names, by links or by several patterns, has the first of them.

    Parameters
    ----------
    path
        The YAML, to whose folder they are relative.
    key
        Where they stand in it, for the error.
    patterns
        Paths with wildcards, see the head of this module.

    Raises
    ------
    ConfigError
        If a pattern matches no file, or a folder, or cannot be used; a folder on the way cannot be looked into; or what
        speaks the protocol of an address is not installed.
    """
    found: dict[Identity, Place] = {}
    for pattern in patterns:
        try:
            matches = _on_server(pattern) if is_address(pattern) else _matches(path.parent, pattern)
            for match in matches:
                found.setdefault(identity(match), match)
        except _UnusableError as error:
            msg = f"{path}: {key}: {error}"
            raise ConfigError(msg) from None
    return tuple(found.values())


def identity(path: Place) -> Identity:
    """Return what two names of one file have in common: links of any kind and other spellings of a path included.

    Parameters
    ----------
    path
        The file; where there is none yet, names are told apart by the path, and those on servers by the address.
    """
    if isinstance(path, Address):
        return (whole_name(path),)
    try:
        found = path.stat()
    except OSError:
        return (os.path.realpath(path),)
    return found.st_dev, found.st_ino


def _on_server(pattern: str) -> list[Address]:
    """Return the files of an address, with ``*`` in its name for those of the folder that match.

    Raises
    ------
    _UnusableError
        If it cannot be used, or matches none.
    """
    protocol, rest = pattern.split("://", 1)
    address = Address(f"{protocol.lower()}://{rest}")
    if address.protocol not in PROTOCOLS:
        want = ", ".join(f"{name}://" for name in PROTOCOLS)
        msg = f"{pattern!r}: files are read from disk, or from servers by {want}"
        raise _UnusableError(msg)
    folder, _, name = address.parts.path.rpartition("/")
    if not address.parts.hostname or not name:
        msg = f"{pattern!r} names no file of a server; want such as '{protocol}://server/folder/file.root'"
        raise _UnusableError(msg)
    if address.parts.password is not None:
        where = pattern.replace(f":{address.parts.password}@", ":...@")
        msg = f"{where!r} holds a password, which results would show; keep it in ~/.netrc"
        raise _UnusableError(msg)
    if (package := missing_package(address.protocol)) is not None:
        msg = f"{pattern!r} is read with the package {package}, which is not installed: pip install 'bumphunt[remote]'"
        raise _UnusableError(msg)
    if "*" not in address.parts.path:
        return [address]
    if address.protocol.startswith("http"):
        msg = f"{pattern!r}: a web server does not say which files there are; name each of them"
        raise _UnusableError(msg)
    if "*" in folder:
        msg = f"{pattern!r}: on a server '*' stands in the name of the file alone, not in its folder"
        raise _UnusableError(msg)
    start = f"{address.protocol}://{address.parts.netloc}{folder}"
    try:
        found = [Address(f"{start}/{there}") for there in names_in(Address(start)) if fnmatchcase(there, name)]
    except OSError as error:
        msg = f"the folder {start} cannot be listed ({error.strerror}): mend that, or name each file"
        raise _UnusableError(msg) from None
    if not found:
        msg = f"no file matches {pattern!r}"
        raise _UnusableError(msg)
    return found


def _matches(base: Path, pattern: str) -> list[Path]:
    """Return the files of one pattern, at least one, by name.

    Raises
    ------
    _UnusableError
        If there is none, or it matches a folder, or what it says is not supported.
    """
    try:
        expanded = Path(pattern).expanduser()
    except RuntimeError:
        msg = f"{pattern!r}: there is no such user; write the folder out"
        raise _UnusableError(msg) from None
    parts = expanded.parts
    if expanded == Path(expanded.anchor):
        msg = f"{pattern!r} names no file; want the name of one, or a pattern such as 'data/*.root'"
        raise _UnusableError(msg)
    if wrong := [part for part in parts if _DEEP in part and part != _DEEP]:
        want = f"**/{wrong[0].replace(_DEEP, '*')}"
        msg = f"{pattern!r}: '**' stands alone between slashes, not in {wrong[0]!r}; want {want!r}"
        raise _UnusableError(msg)
    if parts[-1] == _DEEP:
        msg = f"{pattern!r} matches folders alone; want '{pattern}/*.root'"
        raise _UnusableError(msg)
    found = sorted(_below(base, parts))
    if not found:
        msg = f"no file matches {pattern!r} (looked in {base.resolve()}){_hint(pattern)}"
        raise _UnusableError(msg)
    for match in found:
        _refuse_other(match, pattern)
    return found


def _hint(pattern: str) -> str:
    """Return what may be meant by a pattern without a match; nothing where that is not known."""
    if re.search(r"\.root:+\w", pattern):
        return "; the tree is named under ntuples.tree, not after the file"
    if "{" in pattern:
        return "; braces are not expanded: list several patterns"
    if "$" in pattern:
        return "; environment variables are not expanded: write the folder out"
    return "; a bracket that is part of a name beside wildcards is written [[]" if "[" in pattern else ""


def _below(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Yield what matches the parts of a pattern below a folder."""
    part, rest = parts[0], parts[1:]
    if part == _DEEP:
        for deep in _folders(folder, ()):
            yield from _below(deep, rest)
        return
    for path in _named(folder, part):
        if not rest:
            yield path
        elif _is_folder(path):
            yield from _below(path, rest)


def _named(folder: Path, part: str) -> list[Path]:
    """Return what is called by one part of a pattern in a folder."""
    literal = _status(folder / part) is not None
    if not _WILDCARD.search(part):
        return [folder / part] if literal else []
    found = [name for name in _names(folder) if fnmatchcase(name, part)]
    if literal and found and part not in found:
        msg = f"{part!r} in {folder} is a name that is there, and a pattern of {found[0]!r}; rename one of them"
        raise _UnusableError(msg)
    return [folder / name for name in found or ([part] if literal else [])]


def _folders(folder: Path, above: tuple[Identity, ...]) -> Iterator[Path]:
    """Yield a folder and all below it, links followed, but for a link back to one that it lies in."""
    here = identity(folder)
    if here in above:
        return
    yield folder
    for name in _names(folder):
        if _is_folder(folder / name):
            yield from _folders(folder / name, (*above, here))


def _names(folder: Path) -> list[str]:
    """Return the names in a folder."""
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError as error:
        msg = f"the folder {folder} cannot be looked into ({error.strerror}): mend that, or leave it out"
        raise _UnusableError(msg) from None


def _is_folder(path: Path) -> bool:
    """Return whether there is a folder, links followed.

    Raises
    ------
    _UnusableError
        If that cannot be known, as behind a link that leads nowhere.
    """
    found = _status(path)
    if found is not None and stat.S_ISLNK(found.st_mode):
        msg = f"{path} is a link to {path.readlink()}, where nothing is: mend or remove it, files may be lost behind it"
        raise _UnusableError(msg)
    return found is not None and stat.S_ISDIR(found.st_mode)


def _status(path: Path) -> os.stat_result | None:
    """Return what a path is, links followed; the link itself where it leads nowhere, and None for nothing at all.

    Raises
    ------
    _UnusableError
        If that cannot be known.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return path.lstat() if path.is_symlink() else None
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be looked at ({getattr(error, 'strerror', error)}): mend that, or leave it out"
        raise _UnusableError(msg) from None


def _refuse_other(path: Path, pattern: str) -> None:
    """Raise if a match is no file, nor a link to one that is missing."""
    found = _status(path)
    mode = 0 if found is None else found.st_mode
    if stat.S_ISDIR(mode):
        msg = f"{pattern!r} matches the folder {path}; want '{path}/*.root' for the files in it"
        raise _UnusableError(msg)
    if mode and not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        msg = f"{pattern!r} matches {path}, which is neither a file nor a folder; leave it out"
        raise _UnusableError(msg)
