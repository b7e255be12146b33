"""What stages depend on, as values under the names of the YAML: no more than they use, so that no more is made again.

They are the values of the records that a stage is given (`workflows.config.records`), not the text of the YAML: a
default that is written out changes nothing, and a default that changes does.

============== =======================================================================
function       returns
============== =======================================================================
read           what ntuples give
searched       the ends of the masses that are searched
normalised     what brings samples to the luminosity of the data
factors        constant factors on simulated samples
tested         how mass hypotheses are tested
shown          what is said of the data
============== =======================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflows.config.regions import AnalysedRegion
from workflows.inputs.samples import InputSample
from workflows.provenance.settings import plain
from workflows.stages.stage import Job
from workflows.storage.addresses import is_in

__all__ = ["BLINDED", "factors", "normalised", "read", "searched", "shown", "tested"]

BLINDED = "blinded"
"""Name of the setting that says whether nothing observed inside the search range is in the results of a stage."""


def read(job: Job) -> dict[str, Any]:
    """Return what ntuples give: all that cannot be worked out again without reading them.

    Where data are blinded, the rows inside the search range are among what is never read.
    """
    analysis = job.analysis
    setup, sections = analysis.reading, analysis.sections
    return {
        "channel": sections.channel,
        "beams": plain(sections.beams),
        "regions": {region.name: _filled(region) for region in setup.regions},
        "samples": _samples(job),
        "ntuples": plain(
            {"names": setup.names, "candidates": setup.rule, "key": setup.key, "constants": setup.constants}
        ),
        "cuts": plain(sections.cuts),
        "corrections": plain({correction.name: correction for correction in setup.corrections}),
        "optimise": setup.keep_events,
        "unbinned": setup.keep_values,
        "allow_missing": job.allow_missing,
        BLINDED: setup.blinded,
        "search": searched(setup.regions) if setup.blinded else {},
    }


def _filled(region: AnalysedRegion) -> dict[str, Any]:
    """Return what is filled for a region."""
    plan = region.plan
    return {
        "spectrum": _bins(plan.edges),
        "slices": plain(plan.slices),
        "others": {name: _bins(edges) for name, edges in plan.others},
        "kept": plain(plan.keep),
        "fitted": plan.fitted,
    }


def _bins(edges: NDArray[np.float64]) -> dict[str, Any]:
    """Return the bins of a spectrum: equal ones by their ends and number."""
    low, high, bins = float(edges[0]), float(edges[-1]), edges.size - 1
    equal = np.array_equal(edges, np.linspace(low, high, bins + 1))
    return {"low": low, "high": high, "bins": bins} if equal else {"edges": plain(edges)}


def _samples(job: Job) -> dict[str, Any]:
    """Return what is read of each sample; simulated files are the results of a stage, and known by these."""
    simulated = job.of("simulate")

    def content(sample: InputSample) -> dict[str, Any]:
        files = [str(path) for path in sample.files if not is_in(path, simulated)]
        found: dict[str, Any] = {
            "kind": sample.kind,
            "regions": list(sample.regions),
            "tree": sample.tree,
            "files": files,
        }
        runs = job.analysis.reading.good_runs
        if sample.kind == "data":
            found["good_runs"] = None if runs is None else runs.digest
        if sample.alternative is not None:
            found["alternative"] = sample.alternative
        if sample.kind == "signal":
            found["truth"] = job.analysis.reading.truth
        return found

    found: dict[str, Any] = {}
    for sample in job.inputs:
        found.setdefault(sample.name, {})["+".join(sample.regions)] = content(sample)
    return found


def searched(regions: Sequence[AnalysedRegion]) -> dict[str, Any]:
    """Return the ends of the masses that are searched in regions [GeV], as far as they have a signal."""
    signals = {region.name: region.signal for region in regions}
    return {name: {"low": s.low, "high": s.high} for name, s in signals.items() if s is not None}


def normalised(job: Job) -> dict[str, Any]:
    """Return what brings samples to the luminosity of the data, after their ntuples were read."""
    given = {
        sample.name: {"luminosity": sample.luminosity, "generated": sample.generated}
        for sample in job.inputs
        if sample.kind != "data"
    }
    return {"data": {"luminosity": job.analysis.about.luminosity}, "samples": given}


def factors(job: Job, *, uncertainties: bool) -> dict[str, Any]:
    """Return the constant factors on simulated samples, with or without their uncertainties."""
    left_out = set() if uncertainties else {"uncertainty"}
    found = job.analysis.sections.factors
    return {name: factor.model_dump(mode="json", exclude=left_out) for name, factor in found.items()}


def tested(job: Job) -> dict[str, Any]:
    """Return how mass hypotheses are tested."""
    scan = job.analysis.scan
    return {
        "channel": job.analysis.sections.channel,
        "search": plain(scan.masses),
        "fit": {
            **plain(scan.method),
            "limit": plain(scan.limits),
            "significance": plain(scan.significance),
            "engine": scan.engine,
            "templates": plain(scan.templates),
            "times": plain(scan.multiplied),
            "band": scan.band,
        },
        "fits": {task.title: task.combined for task in scan.fits},
        "samples": {name: {"uncertainty": value} for name, value in scan.uncertainties.items()},
        "systematics": {source.name: plain(source) for source in scan.sources},
        "signal": {r.name: plain(s.given) for r in scan.fits[0].regions if (s := r.signal) is not None and s.given},
        "seed": scan.seed,
        "blinding": {"sidebands": scan.sidebands},
        BLINDED: scan.blinded,
    }


def shown(job: Job) -> Mapping[str, Any]:
    """Return what is said of the data."""
    about = job.analysis.about
    return {
        "channel": job.analysis.sections.channel,
        "model": plain(job.analysis.sections.model),
        "coupling": about.model is not None,
        "absolute": about.absolute,
        "data": {
            "luminosity": about.luminosity,
            "parents": about.parents,
            "pseudo": about.pseudo,
            "injected": plain(about.injected),
        },
        BLINDED: about.blinded,
    }
