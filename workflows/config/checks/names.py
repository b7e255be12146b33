"""Every name of a YAML stands for something: checked before anything is worked out."""

from __future__ import annotations

from collections.abc import Collection

from bumphunt.cuts.classifier import require
from bumphunt.errors import InputError, unknown_name
from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.detector.presets import DETECTORS
from selections.search import Search
from workflows.config.coordinates import NO_MASS
from workflows.config.derived.simulated import injections
from workflows.config.searches import Registry
from workflows.config.sections.analysis import Analysis
from workflows.config.sections.samples import SIGNAL
from workflows.simulation.hepmc import HEPMC

__all__ = ["check_names"]

LONGEST = 100
"""Characters of a name: it stands in tables and figures, and in names of files."""


def check_names(sections: Analysis, search: Search, registry: Registry) -> None:
    """Raise a `ValueError` for a name that stands for nothing, or can be none."""
    _check_own_names(sections)
    if isinstance(sections.beams, str) and sections.beams not in BEAMS:
        raise ValueError(unknown_name("beams =", sections.beams, BEAMS))
    if isinstance(sections.detector, str):
        if sections.detector not in DETECTORS:
            raise ValueError(unknown_name("detector =", sections.detector, DETECTORS))
    elif (name := sections.detector.get("preset")) not in DETECTORS:
        raise ValueError(unknown_name("detector.preset =", str(name), DETECTORS))
    _check_region_names(sections, search)
    _check_bounds(sections, search)
    _check_signals(sections, registry)
    _check_hypotheses(sections, search)
    _check_data_alone(sections, search)
    _check_coordinates(sections, search)
    _check_corrections(sections, search)
    _check_controls(sections, search)
    times = () if sections.fit.background is None else sections.fit.background.times
    for key, names in (("fit.templates", sections.fit.templates), ("fit.background.times", times)):
        for name in names:
            if name not in sections.backgrounds:
                raise ValueError(unknown_name(f"{key}: sample", name, sections.backgrounds))
    _check_alternatives(sections)


def _check_own_names(sections: Analysis) -> None:
    """Raise for a name that the YAML gives and that can be none; those that become files may not leave their folder."""
    files: dict[str, Collection[str]] = {"samples": sections.samples, "control": sections.control}
    words: dict[str, Collection[str]] = {
        "corrections": sections.corrections,
        "factors": sections.factors,
        "systematics": sections.systematics,
        "cuts": sections.cuts,
    }
    for key, names in {**files, **words}.items():
        for name in names:
            if not name.isprintable() or not 0 < len(name) <= LONGEST or name.strip(" /") != name:
                msg = (
                    f"{key}: {name[:LONGEST]!r} can be no name: want one line of at most {LONGEST} characters, without"
                    " blanks or slashes at its ends"
                )
                raise ValueError(msg)
            if key in files and (name.startswith(".") or set(name) & set("/\\")):
                msg = f"{key}: {name!r} names files too: want neither slashes nor a dot at its beginning"
                raise ValueError(msg)


def _check_alternatives(sections: Analysis) -> None:
    """Raise for an alternative to a sample that there is not, or a source that is the difference to no alternative."""
    for name, sample in sections.samples.items():
        if sample.alternative is not None and sample.alternative not in sections.backgrounds:
            known = sections.backgrounds
            raise ValueError(unknown_name(f"samples.{name}.alternative: sample", sample.alternative, known))
    known_alternatives = [name for name in sections.samples if name not in sections.backgrounds]
    for source, name in sections.alternatives.items():
        if name in sections.backgrounds:
            msg = (
                f"systematics.{source}.sample: {name!r} is part of the expectation; say what it is another simulation"
                f" of: samples: {{{name}: {{alternative: ...}}}}"
            )
            raise ValueError(msg)
        if name not in known_alternatives:
            raise ValueError(unknown_name(f"systematics.{source}.sample: alternative", name, known_alternatives))


def _check_region_names(sections: Analysis, search: Search) -> None:
    """Raise for a region that the search does not have, or if no peak is fitted in any."""
    known = {region.name: region for region in search.regions}
    named = {
        "regions": sections.regions,
        "ntuples.tree": () if isinstance(sections.ntuples.tree, str) else tuple(sections.ntuples.tree),
        "data.files": () if isinstance(sections.data.files, tuple) else tuple(sections.data.files),
    }
    for name, sample in sections.samples.items():
        named[f"samples.{name}.regions"] = sample.regions
        named[f"samples.{name}.files"] = () if isinstance(sample.files, tuple) else tuple(sample.files)
    for key, names in named.items():
        for name in names:
            if name not in known:
                raise ValueError(unknown_name(f"{key}: region", name, known))
    fitted = [r.name for r in search.signal_regions if not sections.regions or r.name in sections.regions]
    if not fitted:
        msg = f"regions: {', '.join(sections.regions)} are control samples; name one in which a peak is fitted"
        raise ValueError(msg)
    if search.alternatives and len(fitted) > 1:
        msg = (
            f"regions: {', '.join(fitted)} are those of different experiments; name one, such as regions: [{fitted[0]}]"
        )
        raise ValueError(msg)
    if sections.fit.limit == "feldman-cousins" and len(fitted) > 1:
        msg = (
            f"fit.limit: feldman-cousins is for one count, and {', '.join(fitted)} are fitted together; name one, such"
            f" as regions: [{fitted[0]}], or want limit: auto"
        )
        raise ValueError(msg)


def _check_bounds(sections: Analysis, search: Search) -> None:
    """Raise for an observable to cut on that neither the YAML nor the search has bounds for."""
    if sections.optimise is None:
        return
    if sections.optimise.classifier:
        try:
            require()
        except InputError as error:
            msg = f"optimise.classifier: {error}"
            raise ValueError(msg) from None
        if not search.features:
            msg = f"optimise.classifier: the search {search.name!r} names no features to learn from"
            raise ValueError(msg)
    for name, several in sections.optimise.variables.items():
        sides = [bounds.axis(name, (*search.candidates, *search.veto)).side for bounds in several]
        if not sides or len(set(sides)) < len(sides):
            msg = f"optimise.variables.{name}: bounds {', '.join(sides) or 'on no side'}; give one for a side"
            raise ValueError(msg)


def _check_signals(sections: Analysis, registry: Registry) -> None:
    """Raise for the process of a signal that is none."""
    named = {f"{key}.process =": injection.process for key, injection in injections(sections)}
    if sections.signal.simulate is not None:
        named["signal.simulate.process ="] = sections.signal.simulate.process
    for key, wanted in named.items():
        if wanted not in (None, *(() if "inject" in key else (HEPMC,)), *registry.known(signal=True)):
            raise ValueError(unknown_name(key, str(wanted), registry.known(signal=True)))


def _check_coordinates(sections: Analysis, search: Search) -> None:
    """Raise for coordinates of the signal that are not those of the search."""
    has, wanted = sections.signal.coordinates, {coordinate.name: coordinate for coordinate in search.coordinates}
    key = "signal.points" if sections.signal.simulate is None else "signal.simulate"
    for name in has:
        if not wanted:
            msg = f"{key}.coordinates.{name}: the hypotheses of {search.name!r} have no coordinate but their mass"
            raise ValueError(msg)
        if name not in wanted:
            raise ValueError(unknown_name(f"{key}.coordinates: coordinate", name, wanted))
    for name, coordinate in wanted.items():
        if name not in has:
            unit = f" [{coordinate.unit}]" if coordinate.unit else ""
            msg = f"{key}.coordinates: say {name}{unit}, {coordinate.meaning}, which the hypotheses of this search have"
            raise ValueError(msg)


def _check_hypotheses(sections: Analysis, search: Search) -> None:
    """Raise for masses of hypotheses that have none, or none where they have."""
    signal = sections.signal
    without = [f"signal.points[{i}].mass" for i, point in enumerate(signal.points) if point.mass == NO_MASS]
    without += ["signal.simulate.masses"] if signal.simulate and signal.simulate.masses == (NO_MASS,) else []
    without += [f"{key}.mass" for key, injection in injections(sections) if injection.mass == NO_MASS]
    if search.mass_range is not None:
        if sections.search is None:
            msg = f"search: is missing; say low and high [GeV], between which {search.name!r} is searched"
            raise ValueError(msg)
        for key in without:
            msg = f"{key}: is missing; say it [GeV]"
            raise ValueError(msg)
        return
    said = [f"signal.points[{i}].mass" for i, point in enumerate(signal.points) if point.mass != NO_MASS]
    said += ["signal.simulate.masses"] if signal.simulate and signal.simulate.masses != (NO_MASS,) else []
    said += [f"{key}.mass" for key, injection in injections(sections) if injection.mass != NO_MASS]
    for key in (["search"] if sections.search is not None else []) + said:
        msg = f"{key}: the hypotheses of {search.name!r} have no mass: remove it"
        raise ValueError(msg)


def _check_data_alone(sections: Analysis, search: Search) -> None:
    """Raise for what cannot be without samples, luminosity, or the column of a spectrum."""
    data, signal, fit = sections.data, sections.signal, sections.fit
    if data.luminosity is None and data.good_runs is None and data.parents is None:
        if sections.samples:
            name = next(iter(sections.samples))
            msg = f"data.luminosity: say it [fb^-1]; the sample {name!r} is brought to the luminosity of the data"
            raise ValueError(msg)
        if signal.simulate is not None:
            msg = "data.luminosity: say it [fb^-1], which is that of what is simulated too"
            raise ValueError(msg)
    for name, sample in sections.samples.items():
        if sample.of_parents != (data.parents is not None):
            wanted = "parents, or branching_fraction and generated" if data.parents else "luminosity, or cross_section"
            of = "a number of parents" if data.parents else "a luminosity"
            msg = f"samples.{name}: the data have {of}, so say {wanted}, of files"
            raise ValueError(msg)
    if data.column is not None and search.column is None:
        msg = f"data.column: the search {search.name!r} has its own columns; see 'ntuples.names', or channel: spectrum"
        raise ValueError(msg)
    named = data.column is not None or search.column in sections.ntuples.names
    if data.files and search.column is not None and not named:
        msg = f"data.column: say which branch or column of the files is the mass [GeV], which {search.name!r} scans"
        raise ValueError(msg)
    if signal.resolution is not None and search.coordinates:
        msg = f"signal.resolution: the hypotheses of {search.name!r} have more than a mass; give 'points' or 'simulate'"
        raise ValueError(msg)
    if sections.blinding == "sidebands" and sections.fit.method != "smooth":
        msg = f"blinding: sidebands say what a smooth background is, and fit.method is {sections.fit.method!r}"
        raise ValueError(msg)
    if sections.blinding == "sidebands" and fit.background is not None and fit.background.function is not None:
        msg = "blinding: sidebands are fitted with a family of fit.background, not with a function"
        raise ValueError(msg)
    if sections.blinding == "sidebands" and fit.peaks:
        msg = "blinding: sidebands are fitted without known resonances: leave out fit.peaks, and exclude their masses"
        raise ValueError(msg)
    if sections.blinding == "sidebands" and (sections.unblind or data.is_pseudo):
        what = "unblind: true" if sections.unblind else "pseudo-data"
        msg = f"blinding: sidebands and {what} exclude each other: remove one"
        raise ValueError(msg)
    if sections.model is not None:
        for key, missing in (
            ("data.luminosity", data.luminosity is None and data.good_runs is None and data.parents is None),
            ("signal.efficiency", signal.resolution is not None and signal.efficiency is None),
        ):
            if missing:
                msg = f"{key}: say it; the coupling of 'model' follows from a cross section"
                raise ValueError(msg)


def _check_corrections(sections: Analysis, search: Search) -> None:
    """Raise for a correction or factor of a sample or region that there is not, or with the name of another."""
    samples, regions = [*sections.backgrounds, SIGNAL], [region.name for region in search.regions]
    named = {
        f"corrections.{name}": (section.samples, section.regions) for name, section in sections.corrections.items()
    }
    named |= {f"factors.{name}": (factor.samples, factor.regions) for name, factor in sections.factors.items()}
    named |= {f"systematics.{name}": (source.samples, ()) for name, source in sections.systematics.items()}
    for key, (some_samples, some_regions) in named.items():
        for sample in some_samples:
            if sample not in samples:
                raise ValueError(unknown_name(f"{key}.samples: sample", sample, samples))
        for region in some_regions:
            if region not in regions:
                raise ValueError(unknown_name(f"{key}.regions: region", region, regions))
    for name in sections.factors:
        if name in sections.corrections:
            msg = f"factors: the name {name!r} stands under corrections too; names must be unique"
            raise ValueError(msg)


def _check_controls(sections: Analysis, search: Search) -> None:
    """Raise for a control sample that is none, or of a sample that there is not."""
    looked_at = [r.name for r in search.regions if r.name in sections.regions] or [
        r.name for r in search.signal_regions
    ]
    for name, control in sections.control.items():
        if control.region not in looked_at:
            raise ValueError(unknown_name(f"control.{name}.region =", control.region, looked_at) + "; see 'regions'")
        if search.region(control.region).role == "signal":
            controls = [region.name for region in search.regions if region.role == "control"]
            msg = (
                f"control.{name}.region = {control.region!r}: a peak is searched there; want a control sample:"
                f" {', '.join(controls) or 'the search has none'}"
            )
            raise ValueError(msg)
        for sample in control.samples:
            if sample not in sections.backgrounds:
                raise ValueError(unknown_name(f"control.{name}.samples: sample", sample, sections.backgrounds))
