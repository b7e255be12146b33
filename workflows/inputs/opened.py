"""All files of all samples, opened: what is missing is said of all of them at once, and so is what is assumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bumphunt.errors import NtupleError
from workflows.config.records import ReadingSetup
from workflows.inputs.needs import may_lack, needed
from workflows.inputs.samples import InputSample
from workflows.ntuples.contents import NtupleInfo, inspect
from workflows.ntuples.missing import MissingBranchesError, all_missing
from workflows.reading.chunk import jagged_variables
from workflows.reading.keys import COUNTED
from workflows.running.progress import Progress
from workflows.storage.addresses import Place

__all__ = ["OpenedFile", "assumptions", "open_inputs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedFile:
    """One file of a sample.

    Parameters
    ----------
    sample
        The sample.
    path
        The file.
    info
        What it holds; None where it cannot be used.
    assumed
        What the variables are taken for that it does not have, as text by variable.
    problem
        Why it cannot be used; None where it can.
    """

    sample: InputSample
    path: Place
    info: NtupleInfo | None
    assumed: Mapping[str, str]
    problem: str | None


def open_inputs(
    inputs: Sequence[InputSample], setup: ReadingSetup, *, allow_missing: bool, progress: Progress
) -> list[OpenedFile]:
    """Return all files, opened, in the order of the samples.

    Parameters
    ----------
    inputs
        The samples.
    setup
        How they will be read.
    allow_missing
        Return a file that cannot be used with its problem, instead of stopping.
    progress
        Called after each file.

    Raises
    ------
    NtupleError
        If a file cannot be used: names file, tree and branch; if branches are missing, those of all files.
    """
    total = sum(len(sample.files) for sample in inputs)
    found: list[OpenedFile] = []
    incomplete: list[MissingBranchesError] = []
    for sample in inputs:
        variables, absent = needed(setup, sample), may_lack(setup, sample)
        jagged = jagged_variables(r.plan.selection for r in setup.regions if r.name in sample.regions)
        for path in sample.files:
            info, problem = None, None
            try:
                info = inspect(
                    path, tree=sample.tree, variables=variables, names=setup.names, jagged=jagged, optional=absent
                )
            except NtupleError as error:
                if not allow_missing and not isinstance(error, MissingBranchesError):
                    raise
                if isinstance(error, MissingBranchesError):
                    incomplete.append(error)
                problem = str(error)
            assumed = {} if info is None else {name: _value(absent[name]) for name in info.absent}
            found.append(OpenedFile(sample=sample, path=path, info=info, assumed=assumed, problem=problem))
            progress("check", len(found), total)
    if incomplete and not allow_missing:
        raise all_missing(incomplete)
    return found


def _value(value: float | None) -> str:
    """Return what a variable is taken for as text."""
    return "counted" if value is COUNTED else f"{value:g}"


def assumptions(files: Sequence[OpenedFile], setup: ReadingSetup) -> Iterator[str]:
    """Yield a sentence for each variable that files do not have and that neither has the YAML a constant for.

    Parameters
    ----------
    files
        All files.
    setup
        How they will be read.
    """
    lacking: dict[tuple[str, str], list[OpenedFile]] = {}
    for file in files:
        for name, value in file.assumed.items():
            if name not in setup.constants:
                lacking.setdefault((name, value), []).append(file)
    for (name, value), some in lacking.items():
        more = f" and {len(some) - 1} more files have" if len(some) > 1 else " has"
        what = "the rows of each event are counted" if value == "counted" else f"it is taken for {value}"
        yield (
            f"{some[0].path}{more} no {name}: {what}; if it has another name say so under ntuples.names, or"
            f" ntuples: {{constants: {{{name}: ...}}}} says what it is"
        )
