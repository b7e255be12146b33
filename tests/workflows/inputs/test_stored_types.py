"""Observables see float64 and int64, whatever type a file stores."""

from __future__ import annotations

import numpy as np
import pytest
import uproot

from workflows.products.processed import read_processed

WHOLE = ("tracks", "photons", "__experiment__", "__run__", "__event__", "__candidate__", "__production__")
FLAGS = ("good", "tight")


def passing(c):
    """How many rows pass the cuts of the analysis, one after the other."""
    momentum = c["p"] > 0.4
    balance = momentum & (c["tracks"].astype(int) - c["photons"].astype(int) < 0.5)
    flags = balance & (c["good"].astype(int) + c["tight"].astype(int) > 1.5)
    return [len(momentum), *(int(mask.sum()) for mask in (momentum, balance, flags, flags))]


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_type_of_a_counter_or_a_flag_changes_no_count(own_analysis, columns, kind):
    analysis, c = own_analysis(), columns(2500)
    kept = WHOLE if np.dtype(kind).itemsize > 2 else ("tracks", "photons")
    analysis.write("data", c | {name: c[name].astype(kind) for name in (*kept, *FLAGS)})
    done = read_processed(analysis.make("process") / "process", data_luminosity=1.0)
    assert done.cutflows["all"]["data"].raw.tolist() == passing(c)


def test_rntuple_of_small_types_gives_the_same(own_analysis, columns):
    analysis, c = own_analysis(), columns(2500)
    small = {name: c[name].astype(np.uint8) for name in ("tracks", "photons")}
    path = analysis.folder / "n" / "data.root"
    path.unlink()
    with uproot.recreate(path) as file:
        file.mkrntuple("events", c | small)
    done = read_processed(analysis.make("process") / "process", data_luminosity=1.0)
    assert done.cutflows["all"]["data"].raw.tolist() == passing(c)
