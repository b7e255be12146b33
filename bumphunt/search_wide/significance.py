"""Global significance by brute force: the complete scan on toys of the complete spectra.

Of background-only toys the largest local significance of all hypotheses is kept, and the global p-value of the data is
the fraction of toys whose largest z0 is at least as large as theirs. Neighbouring hypotheses share the events of a
toy, so that nothing has to be known of how independent they are; regions are searched together, with one signal.

* Toys are drawn from the mean of the fits without signal of all windows (`bumphunt.search_wide.spectra`): fits to the
  data, or to the expectation that takes their place in a blinded search. `drawn_from` says which.
* z0 of a toy is found as the scan finds that of the data: the root of q0; in a window with few events, where the scan
  takes p0 from toys, that of p0 by one distribution of q0 a window (`bumphunt.search_wide.few_events`), which the data
  are judged by too; for counts that of the exact p0.
* Constraints fluctuate with the data, one number a toy for all windows; sources that a count averages over are drawn.
* A window has one model for all toys. Its spurious signal keeps the unit that it has for the data.
* A hypothesis whose fit failed is left out of the largest of that toy, and counted; more than 1 % of them make the
  result invalid.

Beyond the reach of the toys only the extrapolation of upcrossings is left (`bumphunt.search_wide.upcrossings`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import Flag, InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.seeds import child_seed, seed_of
from bumphunt.inference.settings import SignificanceSettings
from bumphunt.inference.toy_limits import MAX_FAILED
from bumphunt.models.region import Region
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion, blinded, checked_regions
from bumphunt.scanning.sources import Sources
from bumphunt.search_wide.global_p0 import GlobalP0, global_p0
from bumphunt.search_wide.largest import BLOCK, Largest, joined_blocks, largest_of_block
from bumphunt.search_wide.upcrossings import Upcrossings, upcrossings
from bumphunt.search_wide.whole import WholeSearch, region_hypotheses, scan_hypotheses, whole_search

__all__ = ["GlobalSignificance", "global_significance", "judged", "region_densities"]

Array = NDArray[np.float64]

LEVEL = 1.0
"""Of z0 whose upcrossings are counted: low, so that there are many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalSignificance:
    """What a search says as a whole; NaN for what is blinded.

    Parameters
    ----------
    masses, z0
        Hypotheses [GeV] and their local significances, shape ``(M,)``; NaN where there is none.
    largest
        What is kept of each toy.
    upcrossings
        Of the same toys.
    drawn_from
        What the toys were fitted to: "data", or the "expectation" of a blinded search.
    left_out
        Masses without a significance [GeV], and why.
    mass
        The most significant one [GeV].
    z0_max, p0
        Its local significance and p-value.
    p0_global, p0_global_low, p0_global_high, n_beyond
        Fraction of toys with a z0 at least as large, its Clopper-Pearson interval of one standard deviation, their
        number.
    z0_global
        Significance of that fraction; of the upper end of the interval where no toy is beyond.
    trials
        p0_global / p0, the trials factor; NaN where no toy is beyond.
    p0_extrapolated, p0_extrapolated_error
        The same p-value from upcrossings.
    n_failed
        Hypotheses of toys whose fit failed.
    valid
        Whether at most 1 % of them did.
    """

    masses: Array
    z0: Array
    largest: Largest
    upcrossings: Upcrossings
    drawn_from: Literal["data", "expectation"]
    left_out: tuple[tuple[float, Flag], ...]
    mass: float
    z0_max: float
    p0: float
    p0_global: float
    p0_global_low: float
    p0_global_high: float
    n_beyond: int
    z0_global: float
    trials: float
    p0_extrapolated: float
    p0_extrapolated_error: float
    n_failed: int
    valid: bool


def judged(search: WholeSearch, largest: Largest, *, level: float = LEVEL) -> GlobalSignificance:
    """Return what a search says, given its toys.

    Parameters
    ----------
    search
        The search.
    largest
        What was kept of its toys.
    level
        Of their upcrossings.
    """
    z0 = np.array([one.z0 for one in search.hypotheses])
    crossed = upcrossings(largest.crossings, level)
    tried = sum(one.window is not None for one in search.hypotheses)
    n_failed = int(largest.failed.sum())
    mass = z0_max = p0 = extrapolated = error = np.nan
    found = GlobalP0(p0=np.nan, low=np.nan, high=np.nan, beyond=0)
    if not search.blinded and np.any(np.isfinite(z0)):
        best = int(np.nanargmax(z0))
        mass, z0_max = search.hypotheses[best].mass, float(z0[best])
        p0, found = float(asymptotics.p_value(z0_max)), global_p0(largest.z0, z0_max)
        extrapolated, error = (float(value) for value in crossed.at(z0_max))
    return GlobalSignificance(
        masses=np.array([one.mass for one in search.hypotheses]),
        z0=z0,
        largest=largest,
        upcrossings=crossed,
        drawn_from="expectation" if search.blinded else "data",
        left_out=search.left_out,
        mass=mass,
        z0_max=z0_max,
        p0=p0,
        p0_global=found.p0,
        p0_global_low=found.low,
        p0_global_high=found.high,
        n_beyond=found.beyond,
        z0_global=float(asymptotics.z_score(found.p0 if found.beyond else found.high)),
        trials=found.p0 / p0 if found.beyond else np.nan,
        p0_extrapolated=extrapolated,
        p0_extrapolated_error=error,
        n_failed=n_failed,
        valid=n_failed <= MAX_FAILED * tried * len(largest),
    )


def region_densities(regions: Sequence[ScanRegion], method: Method) -> list[Array]:
    """Return how what is expected in a joined bin of each region is shared out: as simulated, or by width."""
    smooth = method.background is not None
    return [np.diff(region.spectra.edges) if smooth else region.spectra.templates.sum(axis=0) for region in regions]


def global_significance(
    regions: Callable[[float], Region | Sequence[Region]] | ScanRegion | Sequence[ScanRegion],
    masses: ArrayLike,
    *,
    rng: np.random.Generator,
    n_toys: int = 1000,
    method: Method | None = None,
    sources: Sources = (),
    significance: SignificanceSettings | None = None,
    level: float = LEVEL,
    progress: Callable[[int, int], object] | None = None,
) -> GlobalSignificance:
    """Return the global significance of a search, by toys of its complete spectra.

    Parameters
    ----------
    regions
        A function that gives the region or regions of each mass, as for `bumphunt.inference.fit.scan`, where regions of
        one name are windows of one spectrum; or the regions of `bumphunt.scanning.scan.scan_spectra`.
    masses
        Hypotheses [GeV], shape ``(M,)``, rising.
    rng
        Its seed spawns those of the toys: a child each.
    n_toys
        How many.
    method, sources
        How each mass is tested, and what else is uncertain, as in `scan_spectra`: for its regions only.
    significance
        How z0 is found: by the asymptotic formulae unless given.
    level
        Of z0 whose upcrossings are counted.
    progress
        Called with the number of toys that are done, and of all.

    Raises
    ------
    InputError
        If there are fewer than two toys, the masses do not rise, `method` is missing or without use, no hypothesis has
        a significance, or as `scan_spectra`.

    Examples
    --------
    Ten independent counts, as regions of one bin of the same spectrum:

    >>> import bumphunt as bh
    >>> edges, counts = np.arange(11.0), [104, 95, 98, 101, 99, 93, 108, 117, 96, 100]
    >>> def at(mass):
    ...     k = int(mass)
    ...     known = bh.Sample("background", [100.0])
    ...     return bh.region("data", counts=counts[k : k + 1], edges=edges[k : k + 2], signal=[1.0], backgrounds=known)
    >>> found = global_significance(at, np.arange(10) + 0.5, n_toys=4000, rng=np.random.default_rng(1))
    >>> found.mass, round(found.z0_max, 2), abs(found.p0_global - (1 - (1 - found.p0) ** 10)) < 0.03
    (7.5, 1.65, True)
    """
    m = np.atleast_1d(np.asarray(masses, dtype=np.float64))
    if m.size == 0 or not np.all(np.diff(m) > 0.0):
        msg = f"the masses must rise, got {m}"
        raise InputError(msg)
    if n_toys < 2:
        msg = f"a distribution needs two toys at the least, got {n_toys}"
        raise InputError(msg)
    of_toys, of_windows = (child_seed(seed_of(rng), k) for k in range(2))
    if callable(regions):
        if method is not None or sources:
            msg = "method and sources are those of a scan's regions: a function of mass has all of it in its regions"
            raise InputError(msg)
        hypotheses, spectra = region_hypotheses(regions, m.tolist(), significance=significance, seed=of_windows)
        search = whole_search(hypotheses, spectra)
    else:
        if method is None:
            msg = "regions of a scan need the method that each mass is tested by: give method=Method(...)"
            raise InputError(msg)
        several = checked_regions(regions)
        hidden = blinded(several)
        hypotheses = scan_hypotheses(
            several,
            m.tolist(),
            method=method,
            sources=sources,
            significance=significance,
            blinded=hidden,
            seed=of_windows,
        )
        search = whole_search(
            hypotheses,
            [(region.name, region.spectra.edges) for region in several],
            densities=region_densities(several, method),
            blinded=hidden,
        )
    blocks: list[Largest] = []
    for first in range(0, n_toys, BLOCK):
        indices = range(first, min(first + BLOCK, n_toys))
        blocks.append(largest_of_block(search, indices, seed=of_toys, level=level))
        if progress is not None:
            progress(indices.stop, n_toys)
    return judged(search, joined_blocks(blocks), level=level)
