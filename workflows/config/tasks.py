"""The fits of an analysis: every region in which a peak is fitted by itself, and all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selections.readings import Reading
from selections.search import Model, Search
from workflows.config.regions import AnalysedRegion

__all__ = ["FitTask", "fit_tasks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitTask:
    """One fit.

    Parameters
    ----------
    regions
        The regions that are fitted together.
    name
        What its files are told apart by; "" for the main one.
    combined
        Whether branching ratios weigh the regions, so that the result is the cross section of the production.
    """

    regions: tuple[AnalysedRegion, ...]
    name: str
    combined: bool

    def file(self, stem: str) -> str:
        """Return the name of one of its files, without suffix."""
        return f"{stem}_{self.name}" if self.name else stem

    @property
    def title(self) -> str:
        """What is fitted, for figures."""
        return " + ".join(region.name for region in self.regions)

    def readings(self, model: Model | None) -> tuple[Reading, ...]:
        """Return what the coupling of a model can mean: nothing to choose where regions see different decays."""
        fractions = {region.definition.branching_ratio for region in self.regions}
        return () if model is None or len(fractions) > 1 else model.readings

    def cross_section(self, search: Search, *, absolute: bool, parents: bool) -> str:
        """Return what its limits are on, in the mathematics of a figure without dollar signs.

        It is the cross section of the production, or the branching fraction of a parent.

        Parameters
        ----------
        search
            What is searched for.
        absolute
            Whether the efficiency is taken out of it.
        parents
            Whether it is a branching fraction.
        """
        symbol = r"\mathcal{B}" if parents else r"\sigma"
        whole = f"{symbol}({search.production})"
        decay = "" if self.combined else self.regions[0].definition.decay
        visible = whole + (rf"\,\mathcal{{B}}({decay})" if decay else "")
        return visible if absolute else rf"\varepsilon\,{visible}"


def fit_tasks(regions: Sequence[AnalysedRegion]) -> tuple[FitTask, ...]:
    """Return the fits of regions: the main one first, which is the combination where several of them have a signal.

    With several regions that all see the whole production (their branching ratios are the same), the fit of one region
    is one of part of the data; else it is one of a final state.
    """
    fitted = tuple(region for region in regions if region.signal is not None)
    if len(fitted) == 1:
        return (FitTask(regions=fitted, name="", combined=False),)
    alone = (FitTask(regions=(region,), name=region.name, combined=False) for region in fitted)
    return (FitTask(regions=fitted, name="", combined=True), *alone)
