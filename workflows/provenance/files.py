"""Digests of files: of an input, of the bytes of an output, and of the values in it.

Bytes tell whether a file is damaged. They hold dates and identifiers in ROOT and ZIP files, so that two equal runs
write different ones; what later stages depend on is the digest of the values.

============== =============================================================
fingerprint    what identifies an input; `fingerprints`, many of them
bytes_digest   of every byte of a file
content_digest of the values in it
============== =============================================================
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import uproot

from workflows.storage.addresses import Address, Place
from workflows.storage.files import read_bytes
from workflows.storage.servers import size_and_mark
from workflows.whole_file import read_whole

__all__ = ["WHOLE", "Fingerprint", "bytes_digest", "content_digest", "fingerprint", "fingerprint_of", "fingerprints"]

Fingerprint = Mapping[str, object]
"""What identifies a file, as JSON can hold it."""

WHOLE = 1 << 20
"""Files of at most so many bytes are read as a whole; of larger ones the ends are, and the time of change counts."""
_ENDS = 65536
_BATCH = "100 MB"
_AT_A_TIME = 16
"""Questions that servers are asked at a time."""


def fingerprints(places: Sequence[Place]) -> list[Fingerprint]:
    """Return what identifies input files; a server that has left one question without an answer is asked no more."""
    silent: dict[str, Fingerprint] = {}

    def found(place: Place) -> Fingerprint:
        server = place.parts.netloc if isinstance(place, Address) else ""
        if server in silent:
            return silent[server]
        answer = fingerprint(place)
        if server and answer.get("unreachable"):
            silent[server] = answer
        return answer

    if not any(isinstance(place, Address) for place in places):
        return [fingerprint(place) for place in places]
    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        return list(threads.map(found, places))


def fingerprint(path: Place) -> Fingerprint:
    """Return what identifies an input file: its content if it is small, else its size, ends and time of change.

    Of a file on a server it is the size with what the server marks its content with; the ends where that is nothing.
    """
    if isinstance(path, Address):
        return _of_address(path)
    try:
        stat = path.stat()
        if stat.st_size <= WHOLE:
            return fingerprint_of(read_whole(path))
        with path.open("rb") as file:
            sha = hashlib.sha256(file.read(_ENDS))
            file.seek(stat.st_size - _ENDS)
            sha.update(file.read())
    except OSError as error:  # whether it may be missing is decided where it is read
        return {"unreadable": str(error.strerror)}
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256_ends": sha.hexdigest()}


def _of_address(address: Address) -> Fingerprint:
    """Return what identifies a file on a server."""
    try:
        size, mark = size_and_mark(address)
        if mark:
            return {"size": size, "mark": mark}
        ends = [(0, min(size, _ENDS)), (max(0, size - _ENDS), size)]
        sha = hashlib.sha256(b"".join(read_bytes(address, start, stop) for start, stop in ends))
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        return {"unreadable": str(error.strerror)}
    except OSError as error:
        return {"unreadable": str(error.strerror), "unreachable": True}
    return {"size": size, "sha256_ends": sha.hexdigest()}


def fingerprint_of(content: bytes) -> Fingerprint:
    """Return the fingerprint of a small file whose content was read before."""
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def bytes_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_digest(path: Path) -> str:
    """Return the SHA-256 of the values in a file: the same for two equal runs.

    Those of ROOT files are branches and histograms, those of ZIP files (``.npz`` too) what is packed; the files of
    text and figures that stages write hold no date, so that their bytes are their values.
    """
    digest = _DIGESTS.get(path.suffix)
    return bytes_digest(path) if digest is None else digest(path)


def _zip(path: Path) -> str:
    """Return the digest of what a ZIP file packs."""
    sha = hashlib.sha256()
    with ZipFile(path) as file:
        for name in sorted(file.namelist()):
            content = file.read(name)
            sha.update(f"{name}\0{len(content)}\0".encode())
            sha.update(content)
    return sha.hexdigest()


def _root(path: Path) -> str:
    """Return the digest of the trees and histograms of a ROOT file."""
    sha = hashlib.sha256()
    with uproot.open(path) as file:
        for key, kind in sorted(file.classnames(cycle=False).items()):
            if kind == "TDirectory":
                continue
            sha.update(f"{key}\0{kind}\0".encode())
            sha.update((_histogram if kind.startswith("TH") else _tree)(file[key]).encode())
    return sha.hexdigest()


def _histogram(histogram: Any) -> str:
    """Return the digest of a histogram: contents, variances, edges and names of axes."""
    sha = hashlib.sha256()
    arrays = [histogram.values(flow=True), histogram.variances(flow=True)]
    for axis in histogram.axes:
        sha.update(f"{axis.member('fName')}\0{axis.member('fTitle')}\0".encode())
        arrays.append(axis.edges(flow=False))
    for values in arrays:
        _update(sha, values)
    return sha.hexdigest()


def _tree(tree: Any) -> str:
    """Return the digest of the branches of a tree, whose order and baskets say nothing."""
    branches = {name: hashlib.sha256() for name in sorted(tree.keys())}
    for batch in tree.iterate(library="np", step_size=_BATCH):
        for name, sha in branches.items():
            _update(sha, batch[name])
    whole = hashlib.sha256(f"{tree.num_entries}\0".encode())
    for name, sha in branches.items():
        whole.update(f"{name}\0{sha.hexdigest()}\0".encode())
    return whole.hexdigest()


def _update(sha: Any, values: Any) -> None:
    """Add an array to a digest: numbers by their bytes, anything else as text."""
    array = np.ascontiguousarray(values)
    if array.dtype == object:
        for value in array:
            sha.update(f"{value}\0".encode())
        return
    sha.update(f"{array.dtype.str}\0".encode())
    sha.update(array.view(np.uint8) if array.size else b"")


_DIGESTS: Mapping[str, Callable[[Path], str]] = {".root": _root, ".zip": _zip, ".npz": _zip}
"""How the values of a file are found, by the ending of its name."""
