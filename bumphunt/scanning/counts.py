"""Counts in narrow windows over simulated backgrounds: for few events.

`counting_window` says what is counted in one region at one mass and what is uncertain about it. The limit on it is
exact (`count_limit`):

=====================  ==================================================  =============================================
limits by              are                                                 `method` of the row
=====================  ==================================================  =============================================
"auto"                 CLs (`bumphunt.inference.counts.distribution`)                 "cls_counting"
"clsb"                 CLs+b                                               "clsb_counting"
"bayesian"             Bayesian (`bumphunt.inference.bayesian`)            "bayesian_flat", "bayesian_1/sqrt"
"feldman-cousins"      upper ends of the intervals                         "feldman_cousins"
                       (`bumphunt.inference.counts.feldman_cousins`)
=====================  ==================================================  =============================================

All average over what is uncertain about background and efficiency. Of a Feldman-Cousins interval that has a lower end
too, the row has the upper one; that there is an excess is told by p0.

Several regions are as many bins of one likelihood (`counting_regions`), in which a source moves all that it moves
together: their limits come from toys where the background is below the threshold of the settings, from the asymptotic
formulae elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import Flag, InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.bayesian import bayesian_counting_limit
from bumphunt.inference.counts.distribution import (
    CountingModel,
    band_counts,
    counting_p0,
    event_weight,
    simulated_background,
)
from bumphunt.inference.counts.feldman_cousins import feldman_cousins_limit
from bumphunt.inference.counts.limit import Criterion, counting_limit
from bumphunt.inference.goodness import without_goodness
from bumphunt.inference.settings import LimitSettings, Prior
from bumphunt.inference.upper_limit import UpperLimit
from bumphunt.models.region import Region, Sample, region
from bumphunt.models.systematics import ControlRegion, LogNormal, Uncertainty
from bumphunt.scanning.likelihoods import Windows
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import Part, ScanMass, reshared
from bumphunt.scanning.rows import Outcome
from bumphunt.scanning.setting import ScanSetting
from bumphunt.scanning.sources import (
    SIGNAL_STATISTICS,
    TEMPLATE_STATISTICS,
    UNCOUNTED,
    Source,
    larger_change,
    norm_source,
    signal_statistics,
)
from bumphunt.scanning.spectra import Spectra

__all__ = [
    "CountingWindow",
    "count_limit",
    "count_outcome",
    "counting_regions",
    "counting_window",
]

Array = NDArray[np.float64]

NEARBY = 10.0
"""Half width [standard deviations] of the region that the typical weight of a template's events is taken from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountingWindow:
    """What is counted at one mass, and what is uncertain about it.

    Parameters
    ----------
    edges
        The two ends of the window in the unit of the axis.
    n_obs
        Events counted; None if blinded.
    background
        Expected background [events].
    fraction
        Fraction of the peak inside the window.
    background_shifts
        Change of the background at one standard deviation [events], by source.
    signal_shifts
        Relative change of the signal inside the window at one standard deviation, by source.
    """

    edges: Array
    n_obs: float | None
    background: float
    fraction: float
    background_shifts: Mapping[str, float]
    signal_shifts: Mapping[str, float]

    def model(self, *, without: str | None = None) -> CountingModel:
        """Return the counting model, with all sources or without one.

        The background has a gamma distribution with the sum of the squared shifts as variance, the efficiency is the
        product of log-normal factors (1 + shift)^z; that a source moves both is left out.
        """
        background, signal = (
            np.array([shift for name, shift in shifts.items() if name != without])
            for shifts in (self.background_shifts, self.signal_shifts)
        )
        return CountingModel(
            background=self.background,
            background_sigma=float(np.sqrt(background @ background)),
            efficiency_sigma=float(np.expm1(np.sqrt(np.sum(np.log1p(signal) ** 2)))),
        )


def counting_window(part: Part, method: Method, sources: Sequence[Source] = ()) -> CountingWindow:
    """Return what is counted of one region at one mass.

    The background is the sum of the templates in the window, each with its statistical uncertainty, which is never
    below that of an empty window (`bumphunt.inference.counts.distribution.simulated_background`).

    Parameters
    ----------
    part
        The region at the mass.
    method
        Half width of the window.
    sources
        What else is uncertain.

    Raises
    ------
    InputError
        If the relative uncertainty of a template is None, or a source moves what only a fit can use.
    """
    spectra, at = part.region.spectra, part.at
    _check_countable(spectra, sources)
    here = [source for source in sources if source.applies(part.region.name)]
    edges = part.window(method.half_width)
    inside, nearby = spectra.cut(edges), spectra.cut(part.window(NEARBY))
    b, b_error = simulated_background(
        inside.templates.sum(axis=1), inside.variances.sum(axis=1), _event_weights(nearby, spectra)
    )
    background_shifts = {TEMPLATE_STATISTICS: float(np.sqrt(b_error @ b_error))}
    for name, relative, yield_ in zip(spectra.names, spectra.uncertainties, b, strict=True):
        background_shifts[norm_source(name)] = float(relative or 0.0) * float(yield_)
    for source in here:
        background_shifts[source.name] = float(
            sum(
                larger_change(source.background.get(name, 0.0)) * float(yield_)
                for name, yield_ in zip(spectra.names, b, strict=True)
            )
        )
    return CountingWindow(
        edges=edges,
        n_obs=None if spectra.blinded or inside.counts is None else float(inside.counts.sum()),
        background=float(b.sum()),
        fraction=float(at.fractions(edges).sum()),
        background_shifts=background_shifts,
        signal_shifts=_signal_shifts(part, edges, here),
    )


def _check_countable(spectra: Spectra, sources: Sequence[Source]) -> None:
    """Raise an `InputError` for what a count cannot use."""
    if None in spectra.uncertainties:
        msg = "counting needs a number for the uncertainty of every template, got None: use the template fit"
        raise InputError(msg)
    for source in sources:
        for what in UNCOUNTED:
            if what in source.moves:
                msg = f"source {source.name!r} has a {what}, which a count cannot use: fit templates, or remove it"
                raise InputError(msg)


def _event_weights(nearby: Spectra, spectra: Spectra) -> Array:
    """Return the typical weight of a simulated event of each template, shape ``(K,)``: nearby, or else anywhere."""
    local, overall = (event_weight(s.templates.sum(axis=1), s.variances.sum(axis=1)) for s in (nearby, spectra))
    return np.where(nearby.templates.sum(axis=1) > 0.0, local, overall)


def _signal_shifts(part: Part, edges: Array, sources: Sequence[Source]) -> dict[str, float]:
    """Return the relative change of the signal in a window by its simulated events and each source."""
    at, shifts = part.at, {SIGNAL_STATISTICS: part.statistical}
    fraction = float(at.fractions(edges).sum())
    for source in sources:
        moved = [
            float(
                at.fractions(
                    edges,
                    shift=sign * source.signal_mean * at.sigma,
                    stretch=(1.0 + source.signal_width) ** sign,
                ).sum()
            )
            for sign in (1.0, -1.0)
        ]
        # a shift of the peak lowers the fraction on either side: the larger change counts
        shape = max((change / fraction - 1.0 for change in moved), key=abs)
        shifts[source.name] = larger_change(source.efficiency) + shape
    return shifts


def counting_regions(mass: ScanMass, method: Method) -> Windows:
    """Return the windows of one mass as regions of one bin, to be fitted together.

    The background of a region is alpha times a Poisson mean that N simulated events constrain, with alpha N and
    alpha^2 N as large as its expectation and its statistical variance. Sources and normalisations are log-normal
    factors, shared by regions where they have the same name. A region without any simulated background is left out.

    Parameters
    ----------
    mass
        The regions that see it, and the sources there.
    method
        Half width of the window.
    """
    counted = [counting_window(part, method, mass.sources) for part in mass.parts]
    reached = [k for k, found in enumerate(counted) if found.background > 0.0]
    kept = reshared([mass.parts[k] for k in reached]) if reached else ()
    regions = tuple(_one_bin(part, counted[k], len(mass.parts)) for part, k in zip(kept, reached, strict=True))
    return Windows(parts=kept, regions=regions, complete=len(kept) == len(mass.parts))


def _one_bin(part: Part, found: CountingWindow, n_parts: int) -> Region:
    """Return a window as a region of one bin."""
    name, b = part.region.name, found.background
    background: list[Uncertainty] = []
    if (sigma := found.background_shifts[TEMPLATE_STATISTICS]) > 0.0:
        background.append(ControlRegion(f"{TEMPLATE_STATISTICS}_{name}", (b / sigma) ** 2, alpha=sigma**2 / b))
    background += [
        LogNormal(source, shift / b)
        for source, shift in found.background_shifts.items()
        if source != TEMPLATE_STATISTICS and shift != 0.0
    ]
    signal: list[Uncertainty] = [
        LogNormal(signal_statistics(name, n_parts) if source == SIGNAL_STATISTICS else source, shift)
        for source, shift in found.signal_shifts.items()
        if shift != 0.0
    ]
    return region(
        f"{name} {part.at.mass:g} GeV",
        counts=[b if found.n_obs is None else found.n_obs],
        edges=found.edges,
        signal=Sample("peak", [part.share * found.fraction], uncertainties=signal),
        backgrounds=Sample("background", [b], uncertainties=background),
    )


def count_outcome(mass: ScanMass, setting: ScanSetting) -> Outcome:
    """Return what the count in the one region that sees a mass says."""
    (part,) = mass.parts
    found = counting_window(part, setting.method, mass.sources)
    model = found.model()
    n_obs = model.background if found.n_obs is None else found.n_obs
    p0 = counting_p0(n_obs, model)
    z0 = max(float(asymptotics.z_score(p0)), 0.0) + 0.0  # no negative zero
    return Outcome(
        parts=mass.parts,
        edges=[found.edges],
        n_obs=n_obs,
        n_bkg=model.background,
        n_sig=(n_obs - model.background) / found.fraction,
        n_sig_error=float(np.sqrt(n_obs + model.background_sigma**2)) / found.fraction,
        q0=z0**2,
        p0=p0,
        p0_error=0.0,
        z0=z0,
        limit=count_limit(found, model, setting.limits),
        core=np.inf,
        flags=(Flag.NO_BACKGROUND,) if model.background == 0.0 else (),
        engine="",
        goodness=without_goodness(),
    )


def count_limit(found: CountingWindow, model: CountingModel, settings: LimitSettings) -> UpperLimit:
    """Return the limit on the signal events in the whole peak [events], by the method of the settings.

    Parameters
    ----------
    found
        The count, and the fraction of the peak in its window.
    model
        Its background and what is uncertain, with all sources or without one.
    settings
        The method, and the confidence level.
    """
    if settings.method == "bayesian":
        upper = _bayesian_limit(found.n_obs, model, settings.cl, settings.prior)
    elif settings.method == "feldman-cousins":
        upper = feldman_cousins_limit(found.n_obs, model, cl=settings.cl)
    else:
        criterion: Criterion = "clsb" if settings.method == "clsb" else "cls"
        upper = counting_limit(found.n_obs, model, cl=settings.cl, criterion=criterion)
    return replace(upper, observed=upper.observed / found.fraction, expected=upper.expected / found.fraction)


def _bayesian_limit(n_obs: float | None, model: CountingModel, cl: float, prior: Prior) -> UpperLimit:
    """Return the Bayesian limit on a count, with those for the quantiles of the count without signal."""
    counts = [float(n) for n in band_counts(model)]
    observed = counts[2] if n_obs is None else n_obs
    found = {n: bayesian_counting_limit(n, model, cl=cl, prior=prior) for n in dict.fromkeys([*counts, observed])}
    return UpperLimit(
        observed=found[observed].upper,
        expected=np.array([found[n].upper for n in counts]),
        method=f"bayesian_{prior}",
        cl=cl,
        valid=found[observed].valid,
        flags=(*found[observed].flags, *((Flag.BLINDED,) if n_obs is None else ())),
    )
