"""The coffea processor of a search, for whoever runs coffea without a YAML.

`search_processor` makes of a `selections.search.Search` the processor that the chain runs; coffea's `Runner` runs it
with any of its executors, on a fileset whose metadata say what is ``simulated``::

    from coffea.nanoevents import BaseSchema
    from coffea.processor import FuturesExecutor, Runner

    fileset = {"mumu": {"files": {"mumu.root": "events"}, "metadata": {"simulated": True}}}
    run = Runner(executor=FuturesExecutor(workers=2), schema=BaseSchema)
    found = run(fileset, search_processor("zprime-invisible"), treename="events")
    found["mumu"]["mumu"].cutflow  # of the sample "mumu" in the region "mumu"

Neither corrections nor blinding nor cuts in bins of mass are in it unless they are asked for: the chain adds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bumphunt.errors import InputError, unknown_name
from bumphunt.kinematics.momenta import BEAMS, Beams
from selections.events import REJECT, ROW_KEY, CandidateRule, RowKey
from selections.registry import SEARCHES
from selections.search import Region, Search
from workflows.reading.plan import RegionPlan
from workflows.reading.processor import SearchProcessor
from workflows.reading.weights import Corrections

__all__ = ["search_processor"]


def search_processor(
    search: Search | str,
    *,
    beams: Beams | str = "belle2",
    regions: Sequence[str] = (),
    keep: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    rule: CandidateRule = REJECT,
    corrections: Corrections | None = None,
    key: RowKey = ROW_KEY,
    constants: Mapping[str, float] | None = None,
) -> SearchProcessor:
    """Return the processor of a search.

    Parameters
    ----------
    search
        The search, or the name of a shipped one.
    beams
        The nominal beams, or a name of `bumphunt.kinematics.momenta.BEAMS`, such as "belle2" or "babar-y3s".
    regions
        Names of the regions; those in which a peak is fitted unless given. They must read the same candidate.
    keep
        Observables or variables of passing events that are kept beside that of the spectrum, where events are written.
    names, rule, corrections, key, constants
        As for `workflows.reading.processor.SearchProcessor`.

    Returns
    -------
    SearchProcessor
        Whose result is, by sample and region, a `workflows.reading.plan.RegionResult`: cutflow, spectra and N-1
        distributions as `hist.Hist`.

    Raises
    ------
    InputError
        If there is no such search, machine or region, or the regions read different candidates.

    Examples
    --------
    >>> processor = search_processor("zprime-invisible")
    >>> [region.name for region in processor.regions], "daughter(0, p)" in processor.variables("mumu", simulated=True)
    (['mumu'], True)
    """
    if isinstance(search, str):
        if search not in SEARCHES:
            raise InputError(unknown_name("search", search, SEARCHES))
        search = SEARCHES[search]
    if isinstance(beams, str):
        if beams not in BEAMS:
            raise InputError(unknown_name("beams", beams, BEAMS))
        beams = BEAMS[beams]
    found = [search.region(name) for name in regions] or list(search.signal_regions)
    return SearchProcessor(
        regions=[RegionPlan.of(region, beams, keep=keep) for region in _of_one_candidate(search, found)],
        names=names,
        rule=rule,
        corrections=corrections,
        key=key,
        constants=constants,
    )


def _of_one_candidate(search: Search, regions: Sequence[Region]) -> Sequence[Region]:
    """Return regions that read the rows of one candidate.

    Raises
    ------
    InputError
        If they do not.
    """
    candidates = {region.candidate: region.name for region in regions}
    if len(candidates) > 1:
        those = ", ".join(f"{region!r} reads {candidate!r}" for candidate, region in candidates.items())
        msg = f"search {search.name!r}: {those}: these are rows of different ntuples; name regions of one of them"
        raise InputError(msg)
    return regions
