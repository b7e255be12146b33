"""The band of an expected spectrum against sums by hand."""

from __future__ import annotations

from collections.abc import Mapping

import hist
import numpy as np
from numpy.typing import NDArray

from bumphunt.scanning.sources import Source
from bumphunt.spectrum.histogram import rebin
from workflows.fitting.expectation import expected_error
from workflows.products.selected import Unit

Array = NDArray[np.float64]

MUMU, TAUTAU = np.array([100.0, 60.0, 30.0, 10.0]), np.array([4.0, 8.0, 16.0, 32.0])
VARIANCES = {"mumu": 2.0 * MUMU, "tautau": 0.5 * TAUTAU}


def histogram(values: Array, variances: Array | None = None) -> hist.Hist:
    found = hist.Hist(hist.axis.Regular(4, 0.0, 4.0, name="m"), storage=hist.storage.Weight())
    found.view()["value"] = values
    found.view()["variance"] = np.zeros(4) if variances is None else variances
    return found


def unit(name: str = "a", varied: Mapping[str, Mapping[str, tuple[hist.Hist, hist.Hist]]] | None = None) -> Unit:
    samples = {
        "mumu": histogram(MUMU, VARIANCES["mumu"]),
        "tautau": histogram(TAUTAU, VARIANCES["tautau"]),
    }
    return Unit(
        name=name, region="a", data=histogram(MUMU), before=samples, after=samples, varied=varied or {}, signals=()
    )


def error(
    *units: Unit, sources: tuple[Source, ...] = (), luminosity: float = 0.0, tautau: float = 0.0, bins: int = 4
) -> Array:
    return expected_error(
        units or (unit(),), lambda spectrum: rebin(spectrum, 4 // bins), normalisations={"mumu": 0.0, "tautau": tautau},
        luminosity=luminosity, sources=sources,
    )  # fmt: skip


STATISTICS = VARIANCES["mumu"] + VARIANCES["tautau"]


def test_simulated_events_normalisations_and_luminosity_add_in_quadrature() -> None:
    expected = np.sqrt(STATISTICS + (0.3 * TAUTAU) ** 2 + (0.007 * (MUMU + TAUTAU)) ** 2)
    np.testing.assert_allclose(error(tautau=0.3, luminosity=0.007), expected, rtol=1e-12)


def test_every_source_counts_and_moves_its_samples_together() -> None:
    veto = Source(name="veto", background={"mumu": 0.22, "tautau": 0.22})
    against = Source(name="migration", background={"mumu": 0.1, "tautau": -0.2})
    signal_only = Source(name="trigger", efficiency=0.06)
    expected = np.sqrt(STATISTICS + (0.22 * (MUMU + TAUTAU)) ** 2 + (0.1 * MUMU - 0.2 * TAUTAU) ** 2)
    np.testing.assert_allclose(error(sources=(veto, against, signal_only)), expected, rtol=1e-12)


def test_slope_counts_at_the_end_of_a_window_that_moves_the_bin_more() -> None:
    source = Source(name="shape", background={"mumu": 0.1}, background_slope={"mumu": -0.3})
    np.testing.assert_allclose(error(sources=(source,)), np.sqrt(STATISTICS + (0.4 * MUMU) ** 2), rtol=1e-12)


def test_variation_and_source_of_one_name_are_one_parameter() -> None:
    up, down = histogram(1.2 * MUMU), histogram(0.9 * MUMU)
    here = unit(varied={"tracking": {"mumu": (up, down)}})
    source = Source(name="tracking", background={"tautau": 0.1})
    expected = np.sqrt(STATISTICS + (0.15 * MUMU + 0.1 * TAUTAU) ** 2)
    np.testing.assert_allclose(error(here, sources=(source,)), expected, rtol=1e-12)


def test_source_of_some_units_moves_these_only() -> None:
    source = Source(name="veto", background={"mumu": 0.2}, regions=("b",))
    expected = np.sqrt(2 * STATISTICS + (0.2 * MUMU) ** 2)
    np.testing.assert_allclose(error(unit("a"), unit("b"), sources=(source,)), expected, rtol=1e-12)


def test_merged_bins_move_together_but_for_their_simulated_events() -> None:
    source = Source(name="veto", background={"tautau": 0.2})
    expected = np.sqrt(STATISTICS.reshape(2, 2).sum(axis=1) + (0.2 * TAUTAU.reshape(2, 2).sum(axis=1)) ** 2)
    np.testing.assert_allclose(error(sources=(source,), bins=2), expected, rtol=1e-12)


def test_source_of_a_sample_that_the_units_lack_moves_nothing() -> None:
    source = Source(name="veto", background={"gone": 0.5})
    np.testing.assert_allclose(error(sources=(source,)), np.sqrt(STATISTICS), rtol=1e-12)
