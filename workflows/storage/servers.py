"""What a server is asked: bytes, the state, and the names of its files.

| protocol | asked by | wildcards | tells that a file was replaced by |
|---|---|---|---|
| ``http``, ``https`` | fsspec, aiohttp | none | its size, and ``ETag`` or ``Last-Modified`` |
| ``root`` | fsspec-xrootd, XRootD | in the name of the file | its size and time of change |

A question without a byte of an answer for `TIMEOUT`, a connection that breaks and an error of the server itself are
asked again, `TRIES` times in all, after `PAUSES`. What the server denies (no such file, no right to it) is not. So a
server that is silent ends in an error after ``TRIES * TIMEOUT`` and the pauses; twice that, where a web server is asked
for the state of a file (HEAD, and GET where that fails).

Every failure is an `OSError` with ``strerror``, as those of a disk are.
"""

from __future__ import annotations

import errno
import importlib
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from workflows.storage.addresses import Address

__all__ = ["PROTOCOLS", "fetch", "forget", "missing_package", "names_in", "size_and_mark"]

TIMEOUT = 20.0
"""Longest time without a byte of an answer [s]."""
TRIES = 3
"""How often a question is asked."""
PAUSES = (1.0, 3.0)
"""Time before the second and the third try [s]."""

PROTOCOLS = {"http": "aiohttp", "https": "aiohttp", "root": "fsspec_xrootd"}
"""The protocols, with the package that speaks each."""

Range = tuple[int, int]
"""The first byte, and the one after the last."""

T = TypeVar("T")

_DENIED = {401: errno.EACCES, 403: errno.EACCES, 404: errno.ENOENT, 410: errno.ENOENT}
"""What an answer of a web server means."""
_ASK_AGAIN = (408, 425, 429)
"""Answers of a web server, beside its own errors (500 and above), that may be others later."""
_SERVER_ERROR = 500
_XROOTD_DENIED = {"[3010]": errno.EACCES, "[3011]": errno.ENOENT, "[3016]": errno.EISDIR}
"""What an answer of an XRootD server means, by its number in the text."""


class _DeniedError(Exception):
    """An answer that will be the same again."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


def missing_package(protocol: str) -> str | None:
    """Return the name of the package that speaks a protocol, if it cannot be imported."""
    package = PROTOCOLS[protocol]
    try:
        importlib.import_module(package)
    except ImportError:
        return package
    return None


def size_and_mark(address: Address) -> tuple[int, str]:
    """Return the size of a file [bytes], and what its server marks its content with; "" where that is nothing.

    Raises
    ------
    OSError
        If the server does not say.
    """
    found = _asked(lambda: _system(address).info(_path(address)))
    if found.get("type") == "directory":
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if found.get("size") is None:
        raise OSError(errno.EIO, "the server does not say its size, and so sends no parts of it: copy it")
    marks = (found.get(name) for name in ("ETag", "Last-Modified", "mtime"))
    return int(found["size"]), next((str(mark) for mark in marks if mark), "")


def fetch(address: Address, ranges: Sequence[Range]) -> list[bytes]:
    """Return parts of a file, asked for at the same time.

    Parameters
    ----------
    address
        The file.
    ranges
        The parts, none of them empty.

    Raises
    ------
    OSError
        If the server does not send them, or something else.
    """
    system, path = _system(address), _path(address)
    found: dict[Range, bytes] = {}

    def ask() -> None:
        left = [part for part in dict.fromkeys(ranges) if part not in found]
        paths, starts, stops = [path] * len(left), [start for start, _ in left], [stop for _, stop in left]
        answers = system.cat_ranges(paths, starts, stops, on_error="return")
        for part, answer in zip(left, answers, strict=True):
            if not isinstance(answer, Exception):
                found[part] = _of_length(bytes(answer), part)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer

    _asked(ask)
    return [found[part] for part in ranges]


def names_in(folder: Address) -> list[str]:
    """Return the names of the files in a folder of a server, in order.

    Raises
    ------
    OSError
        If the server does not list it.
    """
    system, path = _system(folder), _path(folder)
    listed = _asked(lambda: system.ls(path, detail=True))
    forget(folder)
    names = [str(entry["name"]) for entry in listed if entry["type"] != "directory"]
    return sorted(name.rpartition("/")[2] for name in names)


def forget(address: Address) -> None:
    """Forget what is kept of a file, or of a folder, from earlier questions: it may have been replaced since."""
    _asked(lambda: _system(address).invalidate_cache(_path(address)))


def _system(address: Address) -> Any:
    """Return the file system of fsspec that an address belongs to; the same for all files of a server."""
    import fsspec

    if PROTOCOLS[address.protocol] == "fsspec_xrootd":
        host = f"{address.parts.netloc}"
        return fsspec.filesystem("root", hostid=host, timeout=max(1, round(TIMEOUT)))
    import aiohttp

    limits = aiohttp.ClientTimeout(total=None, connect=TIMEOUT, sock_connect=TIMEOUT, sock_read=TIMEOUT)
    return fsspec.filesystem(
        address.protocol,
        client_kwargs={"timeout": limits, "trust_env": True},  # proxies, and the ~/.netrc of the user
        headers={"Accept-Encoding": "identity"},  # the bytes of the file itself
    )


def _path(address: Address) -> str:
    """Return what a file system calls the file of an address."""
    if PROTOCOLS[address.protocol] != "fsspec_xrootd":
        return address.url
    parts = address.parts
    return f"/{parts.path.lstrip('/')}" + (f"?{parts.query}" if parts.query else "")


def _of_length(content: bytes, part: Range) -> bytes:
    """Return the bytes of a part, if they are as many as were asked for.

    Raises
    ------
    OSError
        If not.
    """
    start, stop = part
    if len(content) > stop - start:
        raise _DeniedError(OSError(errno.EIO, "the server sends whole files only, and no parts of them: copy it"))
    if len(content) < stop - start:
        raise OSError(errno.EIO, f"{len(content)} of the {stop - start} bytes from {start} on came")
    return content


def _asked(ask: Callable[[], T]) -> T:
    """Return the answer to a question, which is asked again where that may help.

    Raises
    ------
    OSError
        If there is no answer, or it is a denial.
    """
    for number in range(TRIES):
        if number:
            time.sleep(PAUSES[min(number, len(PAUSES)) - 1])
        try:
            return ask()
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except _DeniedError as error:
            raise error.error from None
        except Exception as error:
            reason = _reason(error)
            if reason.errno in _FINAL:
                raise reason from error
    raise OSError(reason.errno, f"{reason.strerror}, {TRIES} times") from None


_FINAL = (errno.ENOENT, errno.EACCES, errno.EISDIR, errno.EINVAL)
"""Denials: the answer will be the same again."""


def _reason(error: BaseException) -> OSError:
    """Return why a question has no answer."""
    if isinstance(error, FileNotFoundError) and error.__cause__ is not None:  # whatever went wrong, says fsspec
        return _reason(error.__cause__)
    if isinstance(error, TimeoutError):
        return TimeoutError(errno.ETIMEDOUT, f"the server was silent for {TIMEOUT:g} s")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "the server has no such file")
    text = " ".join(str(error).split())[:160] or type(error).__name__
    status = getattr(error, "status", None)
    if isinstance(status, int):
        number = _DENIED.get(status, errno.EIO if status >= _SERVER_ERROR or status in _ASK_AGAIN else errno.EINVAL)
        what = "has no such file" if number == errno.ENOENT else "refuses it" if number == errno.EACCES else "says no"
        return OSError(number, f"the server {what} ({status} {getattr(error, 'message', '')})".replace(" )", ")"))
    for mark, number in _XROOTD_DENIED.items():
        if mark in text:
            return OSError(number, f"the server has no such file, or refuses it ({text})")
    if "expired" in text:
        return TimeoutError(errno.ETIMEDOUT, f"the server was silent for {TIMEOUT:g} s")
    return OSError(errno.EIO, f"the server cannot be reached, or broke off ({text})")
