"""Constant factors on simulated samples, applied to what was read of them: another factor needs no other reading.

A factor scales everything of a sample, and is a variation of its weights: ``NAME_up`` and ``NAME_down`` with all other
factors at their value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import hist
import numpy as np

from bumphunt.spectrum.histogram import VARIATION
from selections.cuts import Cutflow
from workflows.config.sections.corrections import FactorSection, product
from workflows.reading.plan import CORRECTED
from workflows.reading.spectra import variations

__all__ = ["weighted_cutflow", "weighted_spectra"]

Factors = Mapping[str, FactorSection]
"""Those on one sample in one region, by name."""


def weighted_spectra(spectra: hist.Hist, factors: Factors) -> hist.Hist:
    """Return spectra with factors, and with the variations of these behind those that they have.

    Parameters
    ----------
    spectra
        See `workflows.reading.spectra`.
    factors
        The factors.
    """
    scales, names = [product(factors)] * len(variations(spectra)), list(variations(spectra))
    for name, factor in factors.items():
        for way, sign in (("up", 1.0), ("down", -1.0)):
            names.append(f"{name}_{way}")
            scales.append(product(factors) * (1.0 + sign * factor.uncertainty))
    old = spectra.view(flow=True)
    made = hist.Hist(
        hist.axis.StrCategory(names, name=VARIATION, overflow=False), *spectra.axes[1:], storage=hist.storage.Weight()
    )
    new = made.view(flow=True)
    for number, scale in enumerate(scales):
        source = old[number if number < old.shape[0] else 0]
        new["value"][number], new["variance"][number] = scale * source["value"], scale**2 * source["variance"]
    return made


def weighted_cutflow(flow: Cutflow, factors: Factors) -> Cutflow:
    """Return a cutflow with factors on its last step, that of the corrections, which is added where there is none."""
    if CORRECTED not in flow.steps:
        last = Cutflow(steps=(CORRECTED,), raw=flow.raw[-1:], sum_w=flow.sum_w[-1:], sum_w2=flow.sum_w2[-1:])
        flow = flow.then(last)
    scale = np.where(np.array(flow.steps) == CORRECTED, product(factors), 1.0)
    return replace(flow, sum_w=scale * flow.sum_w, sum_w2=scale**2 * flow.sum_w2)
