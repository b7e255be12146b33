"""Uncertainties have names of their own, and the engine can do the fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bumphunt.engines.zfit import require as require_zfit
from bumphunt.errors import InputError
from bumphunt.models.background import Background, BackgroundFunction
from bumphunt.scanning.sources import (
    OF_CHANNELS,
    OF_SAMPLES,
    SIGNAL_STATISTICS,
    TEMPLATE_STATISTICS,
    UNCOUNTED,
    Source,
    checked_sources,
    norm_source,
)
from workflows.config.sections.analysis import Analysis
from workflows.config.sections.fit import Fit

__all__ = ["check_engine", "check_sources"]


def check_sources(sections: Analysis, sources: Sequence[Source], templates: Sequence[str]) -> None:
    """Raise a `ValueError` for a source of uncertainty whose name is taken, or that the fit cannot use.

    Parameters
    ----------
    sections
        What the YAML says.
    sources
        The sources that it gives.
    templates
        Samples that are templates of the fit.
    """
    there = {source.name for source in sources} - set(sections.systematics)
    for key, names in (("corrections", sections.corrections), ("factors", sections.factors)):
        for name in names:
            if name in there or _is_taken(sections, name):
                msg = f"{key}: the name {name!r} is taken by an uncertainty that is there without it"
                raise ValueError(msg)
    checked_sources(sources, templates)
    for name, section in sections.systematics.items():
        if _is_taken(sections, name) or name in (*sections.corrections, *sections.factors):
            msg = f"systematics: the name {name!r} is taken by an uncertainty that is there without it"
            raise ValueError(msg)
        uncounted = [] if section.measured else [what for what in section.source(name).moves if what in UNCOUNTED]
        if sections.fit.method == "counting" and uncounted:
            msg = f"systematics.{name}: a count cannot use a {uncounted[0]}; want fit.method: templates"
            raise ValueError(msg)


def _is_taken(sections: Analysis, name: str) -> bool:
    """Return whether a name is, or may be, that of an uncertainty that is there without the YAML."""
    taken = {SIGNAL_STATISTICS, TEMPLATE_STATISTICS, *(norm_source(sample) for sample in sections.samples)}
    return name in taken or name.startswith(("mc_", f"{SIGNAL_STATISTICS}_")) or "[" in name


def check_engine(sections: Analysis, sources: Sequence[Source], background: Background | None) -> None:
    """Raise a `ValueError` if the engine is not installed or cannot do the fit, or there are no values to fit.

    Parameters
    ----------
    sections
        What the YAML says.
    sources
        The sources of uncertainty.
    background
        The smooth background; None for none.
    """
    fit = sections.fit
    if fit.unbinned and sections.data.drawn_from_expectation:
        msg = (
            "fit.unbinned: 'draw_from: expectation' draws a number in each bin, so that there are no values to fit;"
            " draw from events, or fit in bins"
        )
        raise ValueError(msg)
    if fit.unbinned and fit.background is not None and fit.background.times:
        msg = "fit.unbinned: 'background.times' multiplies events in bins, which are no density; leave one of them out"
        raise ValueError(msg)
    if fit.engine == "newton" and isinstance(background, BackgroundFunction):
        msg = "fit.engine = 'newton': it is compiled, and 'background.function' is Python; want auto or minuit"
        raise ValueError(msg)
    if fit.engine == "zfit":
        try:
            require_zfit()
        except InputError as error:
            msg = f"fit.engine = 'zfit': {error}"
            raise ValueError(msg) from None
    if fit.engine == "linear":
        for why in _not_linear(fit, sources, background):
            msg = f"fit.engine = 'linear': {why}, and is not linear in its parameters; want auto or newton"
            raise ValueError(msg)


def _not_linear(fit: Fit, sources: Sequence[Source], background: Background | None) -> Iterator[str]:
    """Yield what the linear engine cannot fit, beyond yields that are uncertain."""
    if fit.method == "templates":
        yield "method: templates multiplies simulated events with uncertain yields"
    if isinstance(background, BackgroundFunction):
        yield "the background is a function of Python"
    elif background is not None and not background.linear:
        yield f"the background {background.family!r} has its coefficients in an exponent"
    if fit.background is not None and fit.background.times:
        yield "the background multiplies samples"
    if fit.peaks:
        yield "peaks: known resonances have positions that are uncertain"
    if fit.unbinned:
        yield "unbinned: true has the yield of the signal as a parameter beside its uncertainty"
    if fit.limit == "bayesian":
        yield "limit: bayesian integrates over the yield of the signal and its uncertainty"
    for source in sources:
        if moved := sorted(set(source.moves) - OF_CHANNELS - OF_SAMPLES):
            yield f"systematics.{source.name}.{moved[0]} moves the shape of the peak"
