"""Events of any generator, from HepMC files (extra ``hepmc``): a process whose events are read instead of made.

Each event of the files is used once for a sample; pseudo-data draw from them at random. Stable particles (status 1) go
to the detector, from where they are made. Momenta are those of the laboratory, in any unit that the file names.

References
----------
A. Buckley et al., Comput. Phys. Commun. 260 (2021) 107310, arXiv:1912.08005: HepMC3, which reads version 2 too.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import ConfigError, InputError
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.events import Events
from bumphunt.montecarlo.processes.process import Parameter, Process

__all__ = ["HEPMC", "HepmcFiles", "count_events", "hepmc_files", "hepmc_process", "require"]

Array = NDArray[np.float64]

HEPMC = "hepmc"
"""What the process is called in the YAML."""
STABLE, BEAM = 1, 4
"""Status of particles that reach the detector, and of those of the beams."""
PB = 1000.0
"""1 pb, the unit of HepMC's cross sections, in fb."""
CM = {"MM": 0.1, "CM": 1.0}
"""Units of length in cm."""
GEV = {"MEV": 1e-3, "GEV": 1.0}
"""Units of momentum in GeV."""
OTHER_FRAME = 0.02
"""Largest distance of the sum of the stable particles' momenta from that of the beams, in units of sqrt(s)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HepmcFiles:
    """Files of one sample.

    Parameters
    ----------
    paths
        The files, in order.
    counts
        Number of events of each.
    cross_section
        Cross section [fb]; None for that of the files.
    """

    paths: tuple[Path, ...]
    counts: tuple[int, ...]
    cross_section: float | None

    @property
    def events(self) -> int:
        """Number of events."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Content:
    """The events of one file, with what it says of its cross section [fb]."""

    events: Events
    cross_section: float | None


def require() -> None:
    """Raise an `InputError` if pyhepmc is not installed."""
    if find_spec("pyhepmc") is None:
        msg = "HepMC files need pyhepmc: pip install 'bumphunt[hepmc]'"
        raise InputError(msg)


def count_events(path: Path) -> int:
    """Return the number of events of a HepMC file in ASCII, which may be gzipped.

    Raises
    ------
    ConfigError
        If it cannot be read, or holds no event.
    """
    try:
        return _counted(path, path.stat().st_mtime_ns)
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror or error}); names are relative to the folder of the YAML"
        raise ConfigError(msg) from None


@lru_cache(maxsize=64)
def _counted(path: Path, changed: int) -> int:
    """Return the number of lines that begin an event."""
    del changed
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if zipped else path.open("rb") as lines:
        found = sum(line.startswith(b"E ") for line in lines)
    if not found:
        msg = f"{path} holds no event of HepMC in ASCII"
        raise ConfigError(msg)
    return found


def hepmc_files(names: Sequence[str], folder: Path, cross_section: float | None) -> HepmcFiles:
    """Return the files of a sample.

    Parameters
    ----------
    names
        Their names, relative to `folder`.
    folder
        Folder of the YAML.
    cross_section
        Cross section [fb]; None for that of the files.

    Raises
    ------
    ConfigError
        If one cannot be read, or holds no event.
    """
    paths = tuple(folder / name for name in names)
    return HepmcFiles(paths=paths, counts=tuple(count_events(path) for path in paths), cross_section=cross_section)


def hepmc_process(name: str, by_mass: Mapping[float, HepmcFiles] | HepmcFiles) -> Process:
    """Return files as a process: a background, or with files at each mass a signal.

    Parameters
    ----------
    name
        Name of the process.
    by_mass
        The files, or those at each mass [GeV].
    """
    signal = not isinstance(by_mass, HepmcFiles)
    parameters = {
        "mass": Parameter(meaning="mass [GeV] at which there are files", above=0.0),
        "coupling": Parameter(meaning="that of the generator, in any unit", default=1.0, above=0.0),
    }
    files = by_mass if isinstance(by_mass, HepmcFiles) else tuple(by_mass.items())
    return Process(
        name=name,
        summary="events of HepMC files",
        generate=partial(_generate, files=files),
        parameters=parameters if signal else {},
        signal=signal,
        require=require,
        numbered=True,
        accuracy="that of the generator",
        reference="arXiv:1912.08005",
    )


def _generate(
    n: int,
    *,
    beams: Beams,
    rng: np.random.Generator,
    files: HepmcFiles | tuple[tuple[float, HepmcFiles], ...],
    first: int | None = None,
    mass: float = 0.0,
    coupling: float = 1.0,
) -> Events:
    """Return `n` events from number `first` on, or any of them if that is None; the mean weight is the cross section.

    Raises
    ------
    InputError
        If there are too few, or they are those of other beams.
    """
    del coupling
    if not isinstance(files, HepmcFiles) and mass not in dict(files):
        msg = f"mass = {mass:g} GeV; there are HepMC files at {', '.join(f'{known:g}' for known, _ in files)} GeV"
        raise InputError(msg)
    chosen = files if isinstance(files, HepmcFiles) else dict(files)[mass]
    if first is not None and first + n > chosen.events:
        msg = f"{chosen.paths[0]}: {first + n} events are asked for, and {chosen.events} are in the files"
        raise InputError(msg)
    number = rng.integers(chosen.events, size=n) if first is None else first + np.arange(n)
    ends = np.cumsum(chosen.counts)
    contents = [_content(path, path.stat().st_mtime_ns) for path in chosen.paths]
    parts = []
    for content, start, stop in zip(contents, ends - chosen.counts, ends, strict=True):
        if np.any(here := (number >= start) & (number < stop)):
            parts.append((np.flatnonzero(here), content.events.at(number[here] - start)))
    found = _joined(parts, n)
    _refuse_other_beams(found, beams, chosen.paths[0])
    total = sum(content.events.weight.sum() for content in contents)
    scale = _cross_section(chosen, contents) * chosen.events / total
    return found.at(np.arange(n), weight=found.weight * scale)


def _cross_section(files: HepmcFiles, contents: Sequence[_Content]) -> float:
    """Return the cross section [fb].

    Raises
    ------
    InputError
        If neither the YAML nor every file says it, or the weights add up to nothing.
    """
    if not sum(content.events.weight.sum() for content in contents) > 0:
        msg = f"{files.paths[0]}: the weights of the events add up to nothing"
        raise InputError(msg)
    if files.cross_section is not None:
        return files.cross_section
    said = [content.cross_section for content in contents]
    if None in said:
        msg = f"{files.paths[said.index(None)]} says no cross section: give cross_section [fb] beside 'files'"
        raise InputError(msg)
    return float(np.average([value for value in said if value is not None], weights=files.counts))


def _refuse_other_beams(events: Events, beams: Beams, path: Path) -> None:
    """Raise if the momenta of the stable particles do not add up to those of the beams, on average.

    Raises
    ------
    InputError
        If so.
    """
    total = events.p4.sum(axis=1).mean(axis=0)
    if np.max(np.abs(total - beams.p4)) > OTHER_FRAME * beams.sqrt_s:
        here, there = (", ".join(f"{value:.3g}" for value in p4) for p4 in (total, beams.p4))
        msg = (
            f"{path}: the stable particles add up to (E, px, py, pz) = ({here}) GeV, and 'beams' to ({there}) GeV:"
            " generate in the laboratory frame of these beams, and write invisible particles as stable ones too"
        )
        raise InputError(msg)


def _joined(parts: Sequence[tuple[NDArray[np.intp], Events]], n: int) -> Events:
    """Return events of several files, given with their places among `n`."""
    slots = max(part.pdgid.shape[1] for _, part in parts)
    pdgid, p4, vertex = np.zeros((n, slots), dtype=np.int32), np.zeros((n, slots, 4)), np.zeros((n, slots, 3))
    weight, beams_p4 = np.zeros(n), np.zeros((n, 4))
    for place, part in parts:
        width = part.pdgid.shape[1]
        pdgid[place, :width], p4[place, :width] = part.pdgid, part.p4
        weight[place], beams_p4[place] = part.weight, part.beams_p4
        if part.vertex is not None:
            vertex[place, :width] = part.vertex
    return Events(pdgid=pdgid, p4=p4, weight=weight, beams_p4=beams_p4, vertex=vertex if np.any(vertex) else None)


@lru_cache(maxsize=8)
def _content(path: Path, changed: int) -> _Content:
    """Return the events of a file; read once a process.

    Raises
    ------
    InputError
        If it cannot be read, or not to its end.
    """
    del changed
    import pyhepmc

    read: list[tuple[Any, ...]] = []
    cross_section = None
    try:
        with pyhepmc.open(str(path)) as file:
            for event in file:
                read.append(_particles(event))
                if event.cross_section is not None:
                    cross_section = PB * float(event.cross_section.xsec())  # the last one knows most events
    except Exception as error:
        msg = f"{path}: cannot be read as HepMC ({type(error).__name__}: {' '.join(str(error).split())[:160]})"
        raise InputError(msg) from error
    if len(read) != (there := count_events(path)):  # pyhepmc ends at a damaged event without a word
        msg = f"{path}: cannot be read as HepMC beyond event {len(read)} of {there}"
        raise InputError(msg)
    slots = max(len(pdgid) for pdgid, *_ in read)
    pdgid, p4, vertex = (np.zeros((len(read), slots, *more)) for more in ((), (4,), (3,)))
    for i, (codes, momenta, places, _, _) in enumerate(read):
        pdgid[i, : len(codes)], p4[i, : len(codes)], vertex[i, : len(codes)] = codes, momenta, places
    events = Events(
        pdgid=pdgid.astype(np.int32),
        p4=p4,
        weight=np.array([weight for *_, weight, _ in read]),
        beams_p4=np.array([beams for *_, beams in read]),
        vertex=vertex,
    )
    return _Content(events=events, cross_section=cross_section)


def _particles(event: Any) -> tuple[Array, Array, Array, float, Array]:
    """Return the stable particles of an event: codes, momenta, places; its weight, and the momentum of its beams."""
    length, unit = CM[event.length_unit.name], GEV[event.momentum_unit.name]
    particles = event.numpy.particles
    p4 = unit * np.stack([particles.e, particles.px, particles.py, particles.pz], axis=1)
    stable, beams = particles.status == STABLE, particles.status == BEAM
    places = np.zeros((np.count_nonzero(stable), 3))
    if np.any(event.numpy.vertices.has_set_position):
        for row, index in enumerate(np.flatnonzero(stable).tolist()):
            at = event.particles[index].production_vertex.position
            places[row] = length * at.x, length * at.y, length * at.z
    whole = p4[beams].sum(axis=0) if np.any(beams) else p4[stable].sum(axis=0)
    return particles.pid[stable], p4[stable], places, event.weight() if event.weights else 1.0, whole
