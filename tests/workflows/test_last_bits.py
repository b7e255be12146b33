"""What a machine does to the last bits of its inputs moves no mass grid, no cut and no limit."""

from __future__ import annotations

import csv

import numpy as np
import pytest

NAMES = ("data", "flat", *(f"signal_{m}" for m in (2, 4, 6, 8)))


def contents(columns):
    """Weighted rows of all samples by the name of the file."""
    rng = np.random.default_rng(11)
    found = {"data": columns(2500), "flat": columns(5000, seed=2)}
    found |= {f"signal_{m}": columns(2000, seed=m, mass=float(m)) for m in (2, 4, 6, 8)}
    for name in NAMES[1:]:
        found[name]["__weight__"] = rng.uniform(0.5, 1.5, found[name]["mass"].size)
    return found


def shaken(rng, values):
    """Change numbers in their last bits."""
    return values * (1.0 + 1e-14 * rng.normal(size=values.size))


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "fit", [{"method": "counting"}, {"method": "smooth", "background": {"order": 2}, "limit": "asymptotic"}]
)
def test_last_bits_of_the_ntuples_move_nothing(own_analysis, columns, fit):
    tables = []
    for seed in (None, 5):
        analysis = own_analysis()
        rng = np.random.default_rng(seed)
        for name, content in contents(columns).items():
            if seed is not None:
                content["mass"], content["p"] = shaken(rng, content["mass"]), shaken(rng, content["p"])
                if name != "data":
                    content["__weight__"] = shaken(rng, content["__weight__"])
            analysis.write(name, content)
        for point in analysis.content["signal"]["points"]:
            point["generated"] = 2800
        bounds = {"p": {"low": 0.0, "high": 3.0, "steps": 16}, "balance": {"low": -3, "high": 0, "steps": 7}}
        analysis.content |= {"fit": fit, "search": {"low": 2.5, "high": 7.5, "step": 6}}
        analysis.content["optimise"] = {"variables": bounds, "bin_width": 40, "cuts": "smooth"}
        limits = analysis.limits()
        tables.append((limits, rows(analysis.folder / "results" / "optimise" / "cuts.csv")))
    (first, first_cuts), (second, second_cuts) = tables
    assert len(first) == len(second) > 20
    for one, other in zip((*first, *first_cuts), (*second, *second_cuts), strict=True):
        assert one.keys() == other.keys()
        for key, value in one.items():
            try:
                number = float(value)
            except ValueError:
                assert value == other[key]
            else:
                assert float(other[key]) == pytest.approx(number, rel=1e-6, abs=1e-9, nan_ok=True), key
