"""What the reading of samples needs: their corrections, and the variables that must be in their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from workflows.config.records import ReadingSetup
from workflows.inputs.samples import InputSample
from workflows.reading.chunk import needed_variables
from workflows.reading.keys import assumed
from workflows.reading.plan import Correction
from workflows.reading.run_list import RUN
from workflows.reading.weights import load_corrections

__all__ = ["corrections_on", "may_lack", "needed"]


def corrections_on(setup: ReadingSetup, inputs: Sequence[InputSample], *, but: Sequence[str] = ()) -> list[Correction]:
    """Return the corrections of some samples.

    Parameters
    ----------
    setup
        How the ntuples are read.
    inputs
        The samples.
    but
        Names of corrections to leave out.
    """
    simulated = [sample.name for sample in inputs if sample.kind != "data"]

    def there(samples: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if samples is None else tuple(name for name in samples if name in simulated)

    return [replace(c, samples=there(c.samples)) for c in setup.corrections if c.name not in but]


def needed(setup: ReadingSetup, sample: InputSample) -> tuple[str, ...]:
    """Return the variables that must be in the files of a sample, for all regions that read its rows.

    Raises
    ------
    BumphuntError
        If a file of corrections cannot be used.
    """
    candidate = _candidate(setup, sample)
    plans = [region.plan for region in setup.regions if region.definition.candidate == candidate]
    truth = () if setup.truth is None or sample.kind != "signal" else (setup.truth,)
    corrections = load_corrections(() if sample.kind == "data" else corrections_on(setup, [sample])).of(sample.name)
    runs = RUN if setup.good_runs is not None and sample.kind == "data" else ()
    return needed_variables(plans, setup.rule, corrections, setup.key, more=(*truth, *runs))


def may_lack(setup: ReadingSetup, sample: InputSample) -> dict[str, float | None]:
    """Return the variables that the files of a sample need not have, see `workflows.reading.keys.assumed`."""
    runs = RUN if setup.good_runs is not None and sample.kind == "data" else ()
    return assumed(setup.constants, setup.names, runs)


def _candidate(setup: ReadingSetup, sample: InputSample) -> str:
    """Return the candidate whose rows a sample holds."""
    return next(region.definition.candidate for region in setup.regions if region.name == sample.regions[0])
