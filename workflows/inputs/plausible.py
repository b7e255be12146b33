"""Numbers of the YAML that the files contradict: a normalisation in the wrong unit, names that nothing reads.

What cannot be is an error; what can hardly be is one sentence, which `check` writes to the log.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bumphunt.errors import NtupleError
from bumphunt.models.shape_fit import MIN_EFFECTIVE_EVENTS
from workflows.config.records import ReadingSetup
from workflows.inputs.samples import InputSample
from workflows.ntuples.branches import branch_name
from workflows.ntuples.contents import NtupleInfo
from workflows.ntuples.entry_ranges import close_file, entry_ranges, read_entries
from workflows.reading.plan import WEIGHT

__all__ = [
    "Weighed",
    "doubtful_expectations",
    "refuse_more_than_generated",
    "sum_of_weights",
    "thin_signals",
    "uneven_signals",
    "unread_names",
]

FAR_ABOVE = 10.0
"""How many times more than was generated there may be: some candidates an event, but not this many."""
FAR_OFF = 10.0
"""By which factor samples and data may differ before cuts: their skims may, units such as nb and fb by far more."""
UNEVEN, UNEVEN_END = 2.0, 5.0
"""By which factor what a skim keeps of a signal may lie above or below that of both masses beside it; and that of the
first or last mass, where it may rise or fall from a threshold, beside its only neighbour."""
CHUNK_ROWS = 1_000_000
"""Rows whose weights are read at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """A sample with what its files hold.

    Parameters
    ----------
    sample
        The sample.
    rows
        Rows of its files.
    weights
        Sum of their weights; NaN where it is not known.
    """

    sample: InputSample
    rows: int
    weights: float


def sum_of_weights(infos: Iterable[NtupleInfo], names: Mapping[str, str], *, without: float | None = 1) -> float:
    """Return the sum of weights of all rows of files that were inspected.

    Parameters
    ----------
    infos
        The files.
    names
        Branch by variable, for branches that are not called by the escaped name.
    without
        Weight of the rows of files without weights.

    Raises
    ------
    NtupleError
        If rows cannot be read.
    """
    branch, total = branch_name(WEIGHT, names), 0.0
    try:
        for info in infos:
            if WEIGHT in info.absent:
                total += (without or 0.0) * info.rows
                continue
            for where in entry_ranges(info, CHUNK_ROWS):
                total += float(read_entries(where, [branch])[branch].sum(dtype="f8"))
    finally:
        close_file()
    return total


def refuse_more_than_generated(found: Weighed) -> None:
    """Raise if a sample has far more than what is said to have been generated.

    Raises
    ------
    NtupleError
        If so.
    """
    generated = found.sample.generated
    if generated is not None and found.weights > FAR_ABOVE * generated:
        msg = (
            f"{found.sample.files[0]}: {found.sample.generated_key} = {generated:g}, but the {found.rows} rows of"
            f" {found.sample.name!r} have weights of {found.weights:g} in all; give what was generated before any"
            " selection, in the unit of the weights"
        )
        raise NtupleError(msg)


def doubtful_expectations(samples: Sequence[Weighed]) -> list[str]:
    """Return a sentence for each kind of candidate whose samples add up to far more or less than its data.

    Parameters
    ----------
    samples
        All samples.
    """
    found = []
    for data in samples:
        if data.sample.kind != "data" or data.sample.luminosity is None:
            continue
        expected = {
            other.sample.name: other.weights
            * other.sample.normalisation(data_luminosity=data.sample.luminosity, fraction=1.0)
            for other in samples
            if other.sample.kind == "background" and set(other.sample.regions) & set(data.sample.regions)
        }
        total, rows = sum(expected.values()), max(data.rows, 1)
        if expected and (total > FAR_OFF * rows or total < rows / FAR_OFF):
            largest = max(expected, key=lambda name: abs(expected[name]))
            found.append(
                f"{data.sample.files[0]}: {data.rows} rows of data before cuts in"
                f" {', '.join(data.sample.regions)}, but the"
                f" samples add up to {total:.4g}, {expected[largest]:.4g} of them from {largest!r}: are data.luminosity"
                f" [fb^-1] and, of samples.{largest}, luminosity [fb^-1] or cross_section [fb] and generated right?"
            )
    return found


def uneven_signals(samples: Sequence[Weighed]) -> list[str]:
    """Return a sentence for each signal of which far more, or far fewer, rows are left than of its neighbours in mass.

    Parameters
    ----------
    samples
        All samples.
    """
    found = []
    signals = [s for s in samples if s.sample.kind == "signal" and s.sample.generated and s.weights > 0.0]
    for regions, at in sorted({(s.sample.regions, s.sample.at) for s in signals}):
        alike = [s for s in signals if (s.sample.regions, s.sample.at) == (regions, at)]
        here = sorted(alike, key=lambda s: s.sample.mass or 0.0)
        left = [s.weights / (s.sample.generated or 1.0) for s in here]
        for index, one in enumerate(here):
            near = [left[k] for k in (index - 1, index + 1) if 0 <= k < len(left)]
            far = UNEVEN if len(near) == 2 else UNEVEN_END
            if near and (left[index] > far * max(near) or far * left[index] < min(near)):
                beside = " and ".join(f"{ratio:.3g}" for ratio in near)
                found.append(
                    f"{one.sample.files[0]}: {left[index]:.3g} of what was generated is in the files of"
                    f" {one.sample.name!r}, but {beside} at the masses beside it: is {one.sample.generated_key} ="
                    f" {one.sample.generated:g} right, and are all files there?"
                )
    return found


def thin_signals(samples: Sequence[Weighed]) -> list[str]:
    """Return a sentence for each signal whose files hold fewer rows than a shape needs events.

    Parameters
    ----------
    samples
        All samples.
    """
    return [
        f"{s.sample.files[0]}: {s.sample.key}: the {s.rows} rows of {s.sample.name!r} are too few for a shape, which"
        f" wants {MIN_EFFECTIVE_EVENTS:.0f} events: the mass will be left out where enough others remain"
        for s in samples
        if s.sample.kind == "signal" and s.rows < MIN_EFFECTIVE_EVENTS
    ]


def unread_names(setup: ReadingSetup, read: Iterable[str]) -> list[str]:
    """Return a sentence for each entry of the name table, and each constant, that nothing reads.

    Parameters
    ----------
    setup
        How the ntuples are read.
    read
        Variables that are read.
    """
    known, found = sorted(set(read)), []
    for key, name in (*(("names", name) for name in setup.names), *(("constants", name) for name in setup.constants)):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            found.append(f"{setup.path}: ntuples.{key}: nothing in the regions of this analysis reads {name!r}{hint}")
    return found
