"""Factors from control regions, against toys and correctionlib."""

from __future__ import annotations

import csv
from pathlib import Path

import correctionlib
import numpy as np
import pytest

from bumphunt.errors import InputError
from workflows.products.factor_files import write_correction, write_factor
from workflows.products.measured_factors import measure_factor


def test_factor_and_uncertainty_are_mean_and_width_of_toys() -> None:
    rng = np.random.default_rng(1)
    n_toys, luminosity_error = 200_000, 0.01
    truth, wanted, others = 0.65, 4000.0, 500.0
    n = rng.poisson(others + truth * wanted, n_toys)
    luminosity = rng.normal(1.0, luminosity_error, n_toys)
    m = luminosity * rng.normal(wanted, 40.0, n_toys)
    o = luminosity * rng.normal(others, 20.0, n_toys)
    toys = (n - o) / m
    factor = measure_factor(
        others + truth * wanted, wanted, 40.0**2, others, 20.0**2, luminosity_error=luminosity_error
    )
    assert factor.value[0] == pytest.approx(truth, rel=1e-12)
    assert factor.error[0] == pytest.approx(toys.std(), rel=0.01)
    for part in ("data_error", "simulation_error", "luminosity_error"):
        assert 0 < getattr(factor, part)[0] < factor.error[0]


def test_bins_are_independent() -> None:
    both = measure_factor(
        [90, 40], [100, 50], [4, 9], [10, 0], [1, 0], luminosity_error=0.02, observable="p", edges=[0, 1, 5]
    )
    for b, arguments in enumerate([(90, 100, 4, 10, 1), (40, 50, 9, 0, 0)]):
        alone = measure_factor(*arguments, luminosity_error=0.02)
        assert both.value[b] == alone.value[0]
        assert both.error[b] == alone.error[0]


def test_written_factor_is_what_correctionlib_reads(tmp_path: Path) -> None:
    factor = measure_factor(
        [90, 40], [100, 50], [4, 9], luminosity_error=0.02, observable="daughter(0, p)", edges=[0, 1, 5]
    )
    write_factor(factor, tmp_path, "trigger", description="of a trigger")
    read = correctionlib.CorrectionSet.from_file(str(tmp_path / "trigger.json"))["trigger"]
    p = np.array([-3.0, 0.5, 1.0, 4.9, 77.0])
    index = [0, 0, 1, 1, 1]
    np.testing.assert_allclose(read.evaluate(p, "nominal"), factor.value[index], rtol=1e-12)
    np.testing.assert_allclose(read.evaluate(p, "up"), (factor.value + factor.error)[index], rtol=1e-12)
    np.testing.assert_allclose(read.evaluate(p, "down"), (factor.value - factor.error)[index], rtol=1e-12)
    with (tmp_path / "trigger.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["value"]) for row in rows] == [0.9, 0.8]
    assert [row["high"] for row in rows] == ["1", "5"]


def test_factor_of_one_bin_needs_no_input(tmp_path: Path) -> None:
    write_factor(measure_factor(65, 100, 1, luminosity_error=0.0), tmp_path, "factor", description="")
    read = correctionlib.CorrectionSet.from_file(str(tmp_path / "factor.json"))["factor"]
    assert read.evaluate("nominal") == 0.65


def test_two_dimensional_correction_has_its_axes_in_order(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float64).reshape(2, 3)
    write_correction(
        tmp_path / "a.json",
        "a",
        edges={"p": [0, 1, 2], "theta": [0, 1, 2, 3]},
        values=values,
        errors=np.zeros((2, 3)),
        flow="error",
    )
    read = correctionlib.CorrectionSet.from_file(str(tmp_path / "a.json"))["a"]
    p, theta = np.meshgrid([0.5, 1.5], [0.5, 1.5, 2.5], indexing="ij")
    np.testing.assert_array_equal(
        read.evaluate(p.ravel(), theta.ravel(), "up").reshape(2, 3),
        values,
    )
    with pytest.raises(RuntimeError, match="above bounds"):
        read.evaluate(2.0, 0.5, "up")


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((10, 100, 1, 20), {}, r"10 events in data, but 20 expected of other samples: no factor"),
        ((10, 0, 0), {}, "nothing is simulated"),
        ((-1, 100, 1), {}, r"data = \[-1.0\]"),
        ((10, 100, np.nan), {}, r"wanted_variance = \[nan\]"),
        ((10, 100, 1), {"luminosity_error": -0.1}, "luminosity_error = -0.1"),
        (([10, 5], 100, 1), {}, "2 yields; 1 bins"),
        (([10, 5], 100, 1), {"observable": "p"}, "give both or neither"),
        (([10, 5], [10, 0], 1), {"observable": "p", "edges": [0, 1, 2]}, r"nothing.*p in \[1, 2\)"),
        (([10, 5], [10, 10], 1), {"observable": "p", "edges": [0, 1, 1]}, "ascending"),
    ],
)
def test_what_gives_no_factor_raises(arguments: tuple[object, ...], keywords: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure_factor(*arguments, **({"luminosity_error": 0.0} | keywords))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "errors", "message"),
    [
        ([1.0, 2.0, 3.0], [0.1, 0.1, 0.1], "the edges need"),
        ([1.0, np.nan], [0.1, 0.1], "must be finite"),
        ([1.0, 1.0], [0.1, -0.1], "not negative"),
    ],
)
def test_wrong_correction_is_not_written(
    tmp_path: Path, values: list[float], errors: list[float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_correction(tmp_path / "a.json", "a", edges={"p": [0, 1, 2]}, values=values, errors=errors)
    assert list(tmp_path.iterdir()) == []
