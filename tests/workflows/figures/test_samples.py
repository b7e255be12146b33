"""One colour a sample: colours, legends and stacks of all figures, read back from their artists."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.legend import Legend
from matplotlib.patches import StepPatch
from numpy.typing import NDArray
from scipy.stats import chi2, norm, poisson

from bumphunt.montecarlo.processes.registry import known_processes
from workflows.figures.names import PROCESSES
from workflows.figures.samples import PALETTE, garwood, sample_styles
from workflows.figures.selection import n_minus_one
from workflows.figures.spectra import stacked_spectrum
from workflows.figures.style import Figure
from workflows.products.cut_values import CutValues

Array = NDArray[np.float64]

EDGES = np.linspace(0.0, 4.0, 5)
PROCESS = {"mumu": "mumu", "tau_low": "tautau", "tau_high": "tautau", "four": "eemumu", "my_file": "my_file"}
STYLES = sample_styles(PROCESS)


def flat(**yields: float) -> dict[str, Array]:
    return {name: np.full(4, value) for name, value in yields.items()}


def spectrum(backgrounds: dict[str, Array], styles: object = STYLES) -> Figure:
    return stacked_spectrum(
        EDGES, backgrounds, np.ones(4), styles=styles, data=np.full(4, 5.0), label="", xlabel="", unit="GeV"
    )  # type: ignore[arg-type]


def panel(name: str, backgrounds: dict[str, Array], data: Array | None = None) -> CutValues:
    return CutValues(
        name=name, observable="pt_pair", unit="GeV", edges=EDGES, kept=(1.0, np.inf), backgrounds=backgrounds,
        data=data, signal=None, signal_label="", beyond=0.0,
    )  # fmt: skip


def areas(axes: Axes) -> dict[str, tuple[Array, str]]:
    """Return the tops and colours of the areas of a stack by label; each reaches down to what is drawn over it."""
    labels = {style.label for style in STYLES.values()}
    filled = [patch for patch in axes.patches if isinstance(patch, StepPatch) and patch.get_label() in labels]
    return {str(patch.get_label()): (patch.get_data().values, to_hex(patch.get_facecolor())) for patch in filled}


def entries(legend: Legend) -> dict[str, str]:
    """Return the colours of the areas in a legend by label, from the top."""
    found = {}
    for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True):
        if text.get_text() in {style.label for style in STYLES.values()}:
            found[text.get_text()] = to_hex(handle.get_facecolor())  # type: ignore[union-attr]
    return found


def test_samples_beyond_the_palette_look_different_each() -> None:
    styles = sample_styles({f"sample_{i}": f"sample_{i}" for i in range(130)})
    assert len({(style.colour, style.hatch) for style in styles.values()}) == 130
    assert [style.hatch for style in styles.values()][: len(PALETTE)] == [None] * len(PALETTE)


def test_samples_of_one_process_have_their_names_in_their_labels() -> None:
    assert STYLES["tau_low"].label == f"{PROCESSES['tautau']}, tau low"
    assert STYLES["mumu"].label == PROCESSES["mumu"]
    assert STYLES["my_file"].label == "my file"
    assert len({style.label for style in STYLES.values()}) == len(STYLES)


def test_colour_of_a_sample_is_the_same_in_each_figure_whatever_the_order() -> None:
    one = flat(mumu=1.0, tau_low=2.0, four=3.0)
    other = flat(mumu=9.0, tau_low=2.0, four=3.0)
    figures = [spectrum(one), spectrum(other), spectrum(flat(four=1.0, my_file=2.0))]
    page = n_minus_one([panel("a", one), panel("b", other)], styles=STYLES, label="")
    for axes in [*(figure.axes[0] for figure in figures), *page.axes[:2]]:
        drawn = areas(axes)
        assert drawn
        assert {label: colour for label, (_, colour) in drawn.items()} == {
            style.label: style.colour for style in STYLES.values() if style.label in drawn
        }


@pytest.mark.parametrize("largest", ["mumu", "four"])
def test_legend_has_every_sample_in_the_order_of_the_stack(largest: str) -> None:
    backgrounds = flat(mumu=1.0, tau_low=2.0, tau_high=0.0, four=3.0, my_file=0.5) | flat(**{largest: 10.0})
    axes = spectrum(backgrounds).axes[0]
    legend = entries(axes.get_legend())  # type: ignore[arg-type]
    by_yield = sorted(backgrounds, key=lambda name: -backgrounds[name].sum())
    assert list(legend) == [STYLES[name].label for name in by_yield]
    assert list(legend.values()) == [STYLES[name].colour for name in by_yield]


def test_areas_under_a_label_are_the_events_of_that_sample() -> None:
    backgrounds = {"mumu": np.array([5.0, 4.0, 3.0, 2.0]), "four": np.array([1.0, 9.0, 9.0, 0.5])}
    for axes in (
        spectrum(backgrounds).axes[0],
        n_minus_one([panel("a", backgrounds)], styles=STYLES, label="").axes[0],
    ):
        drawn = areas(axes)
        np.testing.assert_allclose(drawn[STYLES["mumu"].label][0], backgrounds["mumu"])
        np.testing.assert_allclose(drawn[STYLES["four"].label][0], backgrounds["mumu"] + backgrounds["four"])


def test_fifteen_samples_are_all_drawn_and_all_in_the_legend() -> None:
    backgrounds = {f"s{i}": np.full(4, float(i + 1)) for i in range(15)}
    styles = sample_styles({name: name for name in backgrounds})
    for figure, legend in (
        (spectrum(backgrounds, styles), None),
        (page := n_minus_one([panel("a", backgrounds)], styles=styles, label=""), page.legends[0]),
    ):
        drawn = {patch.get_label() for patch in figure.axes[0].patches}
        shown = {text.get_text() for text in (legend or figure.axes[0].get_legend()).get_texts()}  # type: ignore[union-attr]
        assert set(backgrounds) <= drawn
        assert set(backgrounds) <= shown


def test_every_background_of_the_monte_carlo_has_a_formula() -> None:
    assert PROCESSES.keys() == known_processes(signal=False).keys()


def test_garwood_interval_covers_as_the_poisson_distribution_says() -> None:
    counts = np.array([0.0, 1.0, 7.0, 400.0])
    below, above = garwood(counts)
    tail = norm.sf(1.0)
    np.testing.assert_allclose(poisson.cdf(counts, counts + above), tail, rtol=1e-9)
    np.testing.assert_allclose(poisson.sf(counts[1:] - 1, (counts - below)[1:]), tail, rtol=1e-9)
    assert below[0] == 0.0
    assert above[0] == pytest.approx(chi2.isf(tail, 2) / 2)
