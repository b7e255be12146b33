"""The shipped searches, by the name that the YAML gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bumphunt.kinematics import Beams
from bumphunt.tensor import VetoAxis, veto_axis
from selections import zprime_invisible
from selections.cuts import Selection

__all__ = ["SEARCHES", "PublishedLimit", "Search"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedLimit:
    """A few points of a published limit, drawn beside ours.

    Parameters
    ----------
    label
        Experiment, luminosity and confidence level.
    masses
        Masses [GeV].
    couplings
        Upper limits on the coupling.
    """

    label: str
    masses: tuple[float, ...]
    couplings: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a channel of the YAML stands for.

    Parameters
    ----------
    final_state
        What is produced and seen.
    observable
        Where the peak is.
    mass_range
        Published mass range [GeV].
    reference
        The published search.
    selection
        Function from the nominal beams to the selection before the optimised cuts.
    veto
        Candidate lower bounds on the observables that are optimised in bins of mass.
    candidate
        What the simulation reconstructs: a key of `bumphunt.montecarlo.candidates.CANDIDATES`.
    process
        The signal that is simulated unless the YAML names another: a key of `bumphunt.montecarlo.processes.PROCESSES`.
    published
        A published limit to compare with; None for none.
    """

    final_state: str
    observable: str
    mass_range: tuple[float, float]
    reference: str
    selection: Callable[[Beams], Selection]
    veto: tuple[VetoAxis, ...]
    candidate: str = "dimuon"
    process: str = "zprime"
    published: PublishedLimit | None = None


SEARCHES: dict[str, Search] = {
    "zprime-invisible": Search(
        final_state="mu+ mu- Z', Z' -> invisible",
        observable="recoil mass",
        mass_range=(0.01, 8.0),
        reference="Belle II, arXiv:1912.11276, arXiv:2212.03066",
        selection=zprime_invisible.selection,
        veto=tuple(veto_axis(name, 0.0, 3.8) for name in zprime_invisible.VETO),
        published=PublishedLimit(  # read off figure 3 of arXiv:1912.11276
            label="Belle II 2018 observed, 276 pb$^{-1}$, 90 %",
            masses=(1.16, 2.29, 3.70, 4.69, 5.97),
            couplings=(0.051, 0.100, 0.226, 0.461, 0.994),
        ),
    ),
}
"""The searches by channel."""
