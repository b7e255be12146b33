"""What an analysis reads: each sample with its files and its normalisation, given or simulated.

Regions of the same candidate (a muon pair, a photon, ...) are filled from the same rows. An `InputSample` is what one
sample has of one candidate, so a sample that is seen in regions of two candidates is there twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bumphunt.errors import ConfigError, InputError
from bumphunt.spectrum.histogram import luminosity_factor
from workflows.config.coordinates import ALONE, At, at_of
from workflows.config.records import ResolvedAnalysis
from workflows.config.regions import AnalysedRegion, by_candidate, signal_samples
from workflows.config.sections.samples import DATA, Files
from workflows.inputs.patterns import Identity, find_files, identity
from workflows.ntuples.simulation_record import read_simulation
from workflows.simulation.plan import PSEUDODATA
from workflows.storage.addresses import Place

__all__ = ["InputSample", "input_samples"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSample:
    """One sample to process, of one candidate.

    Parameters
    ----------
    name
        Its name, unique in the analysis.
    kind
        What it is.
    regions
        Names of the regions that it fills, all of one candidate.
    tree
        Name of the tree.
    files
        ROOT files.
    luminosity
        Luminosity that a background's weights stand for, or that of the data [fb^-1]; None for a signal.
    mass
        Mass of a signal [GeV]; None for the others.
    at
        The other coordinates of a signal.
    generated
        Sum of weights of a signal or background before any selection, where the YAML says it.
    alternative
        The sample that this is another simulation of; None where it is part of the expectation.
    """

    name: str
    kind: Literal["data", "background", "signal", "alternative"]
    regions: tuple[str, ...]
    tree: str
    files: tuple[Place, ...]
    luminosity: float | None = None
    mass: float | None = None
    at: At = ALONE
    generated: float | None = None
    alternative: str | None = None

    @property
    def key(self) -> str:
        """Where the YAML names the files."""
        if self.mass is not None:
            return _key_of_signal(self.mass, self.at)
        return "data.files" if self.kind == "data" else f"samples.{self.name}.files"

    @property
    def generated_key(self) -> str:
        """Where the YAML says what was generated."""
        return f"{self.key.removesuffix('.files')}.generated"

    def sum_of_weights(self) -> float:
        """Return the sum of weights of a signal before any selection.

        Raises
        ------
        NtupleError
            If it is not given, and the files are not of bumphunt's simulation.
        """
        if self.generated is not None:
            return self.generated
        return sum(read_simulation(path).sum_of_weights for path in self.files)

    def normalisation(self, *, data_luminosity: float, fraction: float) -> float:
        """Return the factor that brings a background to the luminosity of the data: the one place where that is done.

        Parameters
        ----------
        data_luminosity
            Luminosity of the data that were read [fb^-1].
        fraction
            Fraction of the sample's rows that were read.

        Raises
        ------
        InputError
            If the sample has no luminosity.
        """
        if self.luminosity is None:
            msg = f"sample {self.name!r} has no luminosity to scale from"
            raise InputError(msg)
        return luminosity_factor(data_luminosity, self.luminosity * fraction)


def _key_of_signal(mass: float, at: At) -> str:
    """Return where the YAML names the files of a signal."""
    point = ", ".join([f"{mass:g} GeV", *(f"{name} = {value:g}" for name, value in at)])
    return f"signal.points[{point}].files"


def input_samples(analysis: ResolvedAnalysis, simulated: Path) -> tuple[InputSample, ...]:
    """Return the samples of an analysis, by candidate: the data, the backgrounds, then the signals by mass.

    Parameters
    ----------
    analysis
        The analysis.
    simulated
        Folder of the simulated files.

    Raises
    ------
    ConfigError
        If a pattern of the YAML matches no file, a file belongs to two samples, or the regions of one candidate name
        different trees.
    """
    candidates = by_candidate(analysis.regions)
    found: list[InputSample] = []
    for candidate, regions in candidates.items():
        trees = {region.tree for region in regions}
        if len(trees) > 1:
            msg = (
                f"{analysis.path}: ntuples.tree: the regions {_names(regions)} read the same rows, but name the trees"
                f" {sorted(trees)}"
            )
            raise ConfigError(msg)
        suffix = f"_{candidate}" if len(candidates) > 1 else ""
        found += [
            *_data(analysis, regions, simulated / f"{PSEUDODATA}{suffix}.root"),
            *_backgrounds(analysis, regions, simulated, suffix),
            *_signals(analysis, regions, simulated, suffix),
        ]
    _refuse_shared(analysis.path, found)
    return tuple(found)


def _refuse_shared(path: Path, inputs: Sequence[InputSample]) -> None:
    """Raise if a file belongs to two samples: each of its rows would be two events.

    Raises
    ------
    ConfigError
        If so.
    """
    owners: dict[Identity, tuple[InputSample, Place]] = {}
    for sample in inputs:
        for file in sample.files:
            first, other = owners.setdefault(identity(file), (sample, file))
            if first.name != sample.name:
                also = "" if other == file else f" (as {other})"
                msg = (
                    f"{path}: {sample.key}: the file {file} belongs to {sample.name!r} and to {first.name!r}{also}, so"
                    f" that its rows would count twice; narrow a pattern here or in {first.key}"
                )
                raise ConfigError(msg)


def _names(regions: Sequence[AnalysedRegion]) -> str:
    return ", ".join(region.name for region in regions)


def _data(analysis: ResolvedAnalysis, regions: Sequence[AnalysedRegion], drawn: Path) -> list[InputSample]:
    """Return the data of regions of one candidate; none where they are drawn from the expectation, or a histogram."""
    data = analysis.sections.data
    if not data.has_rows:
        return []
    files = (drawn,) if data.simulate is not None else _given(analysis.path, "data.files", data.files, regions)
    return [
        InputSample(
            name=DATA,
            kind="data",
            regions=tuple(region.name for region in regions),
            tree=regions[0].tree,
            files=files,
            luminosity=data.luminosity or data.parents,
        )
    ]


def _backgrounds(
    analysis: ResolvedAnalysis, regions: Sequence[AnalysedRegion], simulated: Path, suffix: str
) -> list[InputSample]:
    """Return the backgrounds of regions of one candidate."""
    found = []
    for name, sample in analysis.sections.samples.items():
        filled = [region for region in regions if sample.fills(region.name)]
        unused = sample.alternative is not None and name not in analysis.sections.alternatives.values()
        if not filled or unused:
            continue
        if sample.simulate is None:
            files, luminosity = (
                _given(analysis.path, f"samples.{name}.files", sample.files, filled),
                sample.mc_luminosity,
            )
        else:
            files, luminosity = (simulated / f"{name}{suffix}.root",), analysis.about.luminosity
        found.append(
            InputSample(
                name=name,
                kind="background" if sample.alternative is None else "alternative",
                regions=tuple(region.name for region in filled),
                tree=regions[0].tree,
                files=files,
                luminosity=luminosity,
                generated=sample.generated,
                alternative=sample.alternative,
            )
        )
    return found


def _signals(
    analysis: ResolvedAnalysis, regions: Sequence[AnalysedRegion], simulated: Path, suffix: str
) -> list[InputSample]:
    """Return the signals of regions of one candidate, by mass."""
    names = [coordinate.name for coordinate in analysis.about.search.coordinates]
    points = {
        (point.mass, at_of({name: point.coordinates[name] for name in names})): point
        for point in analysis.sections.signal.points
    }
    found = []
    for sample in signal_samples(regions):
        point = points.get((sample.mass, sample.at))
        found.append(
            InputSample(
                name=sample.name,
                kind="signal",
                regions=tuple(region.name for region in sample.regions),
                tree=regions[0].tree,
                files=(simulated / f"{sample.name}{suffix}.root",)
                if point is None
                else _given(analysis.path, _key_of_signal(sample.mass, sample.at), point.files, sample.regions),
                mass=sample.mass,
                at=sample.at,
                generated=None if point is None else point.generated,
            )
        )
    return found


def _given(path: Path, key: str, files: Files, regions: Sequence[AnalysedRegion]) -> tuple[Place, ...]:
    """Return the files that a YAML gives for regions of one candidate, in order.

    Raises
    ------
    ConfigError
        If there are none, or not the same for all of them.
    """
    if isinstance(files, dict) and len({files[region.name] for region in regions if region.name in files}) > 1:
        msg = f"{path}: {key}: the regions {_names(regions)} read the same rows, but name different files"
        raise ConfigError(msg)
    patterns = files if isinstance(files, tuple) else tuple(p for r in regions for p in files.get(r.name, ()))
    found = find_files(path, key, patterns)
    if not found:
        msg = f"{path}: {key}: no files for {_names(regions)}; name them there, or see 'regions'"
        raise ConfigError(msg)
    return found
