"""Spectra for all variations, halves and slices: what is asked of them that is not there."""

from __future__ import annotations

import hist
import numpy as np
import pytest

from bumphunt.errors import InputError
from selections.cuts import Selection
from workflows.reading.plan import RegionPlan
from workflows.reading.spectra import fill_spectra, spectra_axes, spectrum_of

EDGES = np.array([0.0, 1.0, 2.0])


def spectra(*weights: list[float]) -> hist.Hist:
    """Spectra of three events at 0.5, 1.5 and beyond, the second of the second half."""
    return fill_spectra(
        np.array([0.5, 1.5, 7.0]),
        None,
        half=np.array([0, 1, 0]),
        weights=np.array(weights),
        variations=["nominal", "id_up"][: len(weights)],
        axes=spectra_axes("m", EDGES),
    )


def test_half_counts_twice_and_what_is_outside_is_in_the_flow() -> None:
    found = spectra([1.0, 2.0, 4.0], [1.5, 2.5, 5.0])
    np.testing.assert_array_equal(spectrum_of(found).values(flow=True), [0, 1, 2, 4])
    np.testing.assert_array_equal(spectrum_of(found, "id_up", half=1).values(), [0, 5])
    np.testing.assert_array_equal(spectrum_of(found, "id_up", half=1).variances(), [0, 25])


def test_unknown_variation_raises() -> None:
    with pytest.raises(InputError, match="'id_down' is not known"):
        spectrum_of(spectra([1.0, 1.0, 1.0]), "id_down")


@pytest.mark.parametrize(("weight", "message"), [(np.inf, "counts .*holds inf"), (1e200, "variances .*holds inf")])
def test_content_that_is_not_finite_raises(weight: float, message: str) -> None:
    with np.errstate(over="ignore"), pytest.raises(InputError, match=f"{message}; every bin must be finite"):
        spectrum_of(spectra([1.0, weight, 1.0]))


def test_observable_with_the_name_of_another_axis_raises() -> None:
    selection = Selection(name="s", variables=(), observables=lambda c: {"half": c["half"]}, cuts=(), spectrum="half")
    with pytest.raises(InputError, match="region 'a': the observable of its spectrum is called 'half'"):
        RegionPlan(name="a", selection=selection, edges=EDGES)
