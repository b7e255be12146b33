"""The uncertainty of an expected spectrum, of all that the analysis says is uncertain: the band of the figures.

In each bin these are added in quadrature: the numbers of simulated events; the normalisation of each sample; the
luminosity, to which the expectation of all samples is proportional; and each source of uncertainty, those of the YAML
as well as measured variations of corrections and factors. A source moves the samples that it names together, in all
units, by as much as in the fits. A slope over the window of a fit has no place in a spectrum of all windows: it counts
as at the end of a window where it moves the bin more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import hist
import numpy as np
from numpy.typing import NDArray

from bumphunt.scanning.sources import Source, changes
from bumphunt.spectrum.histogram import add
from workflows.products.selected import Unit

__all__ = ["expected_error"]

Array = NDArray[np.float64]


def expected_error(
    units: Sequence[Unit],
    view: Callable[[hist.Hist], hist.Hist],
    *,
    normalisations: Mapping[str, float],
    luminosity: float,
    sources: Sequence[Source],
) -> Array:
    """Return the standard deviation of the expected events in each bin of the sum of units, shape (B,).

    Parameters
    ----------
    units
        The spectra after all cuts.
    view
        Function from a spectrum to the one of B bins that is shown.
    normalisations
        Relative uncertainty of each sample's normalisation.
    luminosity
        Relative uncertainty of the luminosity.
    sources
        The sources of the YAML; what they move of the signal does not matter here.
    """
    samples = {name: view(add(unit.after[name] for unit in units)) for name in units[0].after}
    total = add(samples.values())
    variance = np.asarray(total.variances() + (luminosity * total.values()) ** 2)
    for name, spectrum in samples.items():
        variance += (normalisations[name] * spectrum.values()) ** 2
    for name in dict.fromkeys([*(source.name for source in sources), *(n for unit in units for n in unit.varied)]):
        here = [source for source in sources if source.name == name]
        ends = [np.sum([_change(unit, name, here, view, end) for unit in units], axis=0) for end in (-1, 1)]
        variance += np.max(np.square(ends), axis=0)
    return np.sqrt(variance)


def _change(
    unit: Unit, name: str, sources: Sequence[Source], view: Callable[[hist.Hist], hist.Hist], end: int
) -> Array:
    """Return the change of the events of a unit with a source at one standard deviation, at one end of windows."""
    change = np.zeros(view(next(iter(unit.after.values()))).axes[0].size)
    for up, down in unit.varied.get(name, {}).values():
        change += 0.5 * (view(up).values() - view(down).values())
    for source in sources:
        if source.applies(unit.name):
            for sample in unit.after.keys() & (source.background.keys() | source.background_slope.keys()):
                up, down = changes(source.background.get(sample, 0.0))
                relative = up if down is None else 0.5 * (up - down)
                relative += end * source.background_slope.get(sample, 0.0)
                change += relative * view(unit.after[sample]).values()
    return change
