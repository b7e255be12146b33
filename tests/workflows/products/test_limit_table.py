"""The sentence that a run ends with: what it says of an excess whose fit does not describe the data."""

import numpy as np
import pytest

from workflows.products.limit_table import COLUMNS, LIMIT_TABLE, poor_fits, summarise
from workflows.results import write_table


def write(folder, **columns):
    numbers = {name: np.full(3, 1.0) for name in COLUMNS}
    table = numbers | {"mass": np.array([1.0, 2.0, 3.0]), "valid": np.array([True] * 3), "flags": np.array([""] * 3)}
    write_table(folder, LIMIT_TABLE, table | {name: np.array(values) for name, values in columns.items()})


def test_poor_fit_is_said_beside_its_excess_with_the_best_of_the_others(tmp_path):
    write(tmp_path, z0=[5.0, 2.0, 1.0], flags=["low_counts;poor_fit", "", ""], gof_p=[2e-5, 0.4, 0.3])
    said = summarise(tmp_path, blinded=False).most_significant
    assert said.startswith("most significant mass: 1.000 GeV, local significance 5.00 sigma")
    assert "its flags: low_counts;poor_fit" in said
    assert "does not describe the data of the window (goodness of fit p = 2e-05)" in said
    assert said.endswith("the largest excess of a good fit: 2.000 GeV, local significance 2.00 sigma (p0 = 1)")


def test_only_poor_fits_have_an_excess(tmp_path):
    write(tmp_path, z0=[5.0, 0.0, 0.0], flags=["poor_fit", "", ""], gof_p=[1e-5, 0.4, 0.3])
    assert summarise(tmp_path, blinded=False).most_significant.endswith("no mass with a good fit has an excess")


@pytest.mark.parametrize("flags", [["", "", ""], ["", "poor_fit", ""]])
def test_good_fit_of_the_largest_excess_needs_no_word(tmp_path, flags):
    write(tmp_path, z0=[5.0, 2.0, 1.0], flags=flags, gof_p=[0.5, 1e-5, 0.3])
    assert "goodness" not in summarise(tmp_path, blinded=False).most_significant


def test_poor_fits_are_those_with_the_flag():
    assert poor_fits({"flags": np.array(["a;poor_fit", "", "poor_fitting"])}).tolist() == [True, False, False]
