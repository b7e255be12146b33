"""Fits shared out to threads: the compiled steps of both engines let other threads run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba

__all__ = ["in_threads"]

BLOCK = 64
"""Fits that go to one thread together."""


def in_threads(fit: Callable[[slice], None], n_fits: int, *, threads: bool) -> None:
    """Make N fits, of which a function makes a slice; the results are the same however they are shared out.

    Parameters
    ----------
    fit
        Makes the fits of a slice of rows, and keeps their results.
    n_fits
        How many there are.
    threads
        Whether they are shared out to as many threads as numba has (`numba.set_num_threads`).
    """
    n_threads = numba.get_num_threads() if threads else 1
    if n_threads == 1 or n_fits <= BLOCK:
        fit(slice(0, n_fits))
        return
    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(fit, (slice(k, k + BLOCK) for k in range(0, n_fits, BLOCK))))
