"""The selected spectra, on disk: events that pass the optimised cuts, at the luminosity of the data.

``spectra.root`` holds, for every region (and every slice of it, ``region_0``, ``region_1``, ...) and every sample, the
histograms ``before`` and ``after`` the optimised cuts, ``after_X_up`` and ``after_X_down`` for every variation X, and
of a signal the ``shape``, for which all events count, with ``shape_X_up`` and, if there is one, ``shape_X_down`` where
momenta are shifted. Simulated spectra are those of the half of the events that did
not choose the cuts, counted twice. Pseudo-data that are drawn from the expectation are there ``after`` the cuts only.
``spectra.json`` says what is there. For unbinned fits ``values.npz`` holds the values that the spectra of the data
count, rising, by unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import hist
import numpy as np
import uproot
from numpy.typing import NDArray

from bumphunt.spectrum.histogram import add
from workflows.config.coordinates import ALONE, At, at_of
from workflows.config.regions import AnalysedRegion
from workflows.config.sections.samples import DATA
from workflows.results import read_json
from workflows.whole_file import whole_file

__all__ = [
    "SPECTRA",
    "UNITS",
    "FittedSignal",
    "Selected",
    "Unit",
    "projected",
    "read_selected",
    "read_spectrum",
    "write_values",
]

SPECTRA = "spectra.root"
"""Name of the file of spectra."""
VALUES = "values.npz"
UNITS = "spectra.json"
"""Name of the file that says what is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedSignal:
    """The selected spectra of one simulated mass.

    Parameters
    ----------
    mass
        Simulated mass [GeV].
    at
        The other coordinates.
    shape
        Spectrum to fit the shape to: all selected events, since no cut was chosen by the shape.
    selected
        Selected events that count for the efficiency, in the same unit as `generated`.
    generated
        Sum of weights before any selection.
    varied
        By source of uncertainty, the relative change of the selected events with the source up and down.
    moved
        By source that shifts momenta, the shape with the source up and down, or up alone.
    """

    mass: float
    shape: hist.Hist
    selected: hist.Hist
    generated: float
    at: At = ALONE
    varied: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    moved: Mapping[str, tuple[hist.Hist, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The spectra of a region, or of one slice of it: what is fitted with one background.

    Those of a region with more axes have as many dimensions more, until bands are cut out of them
    (`workflows.fitting.bands`).

    Parameters
    ----------
    name
        Name of the unit: of the region, and the number of the slice.
    region
        Name of the region.
    data
        Observed spectrum after all cuts.
    before, after
        Backgrounds at the luminosity of the data, before and after the optimised cuts, by sample.
    varied
        By source of uncertainty and sample, `after` with the source up and down.
    signals
        The simulated signals after all cuts.
    values
        The values that `data` counts, rising [unit of the axis]; None unless they were kept.
    pairs
        Pairs of entries of one event, of the backgrounds or without any of the data, where all candidates are kept;
        else None.
    other_events
        Sources of uncertainty whose variations are of other events, not of other weights: they shift momenta, or are
        another simulation.
    """

    name: str
    region: str
    data: hist.Hist
    before: Mapping[str, hist.Hist]
    after: Mapping[str, hist.Hist]
    varied: Mapping[str, Mapping[str, tuple[hist.Hist, hist.Hist]]]
    signals: tuple[FittedSignal, ...]
    values: NDArray[np.float64] | None = None
    pairs: hist.Hist | None = None
    other_events: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The selected spectra of an analysis.

    Parameters
    ----------
    units
        By region and slice, in the order of the search.
    luminosities
        Luminosity of the data that were read [fb^-1], by region: they differ where some ntuples are incomplete. None
        where it is not said.
    complete
        Whether every row of every file was read.
    """

    units: tuple[Unit, ...]
    luminosities: Mapping[str, float | None]
    complete: bool

    def luminosity(self, regions: Sequence[AnalysedRegion]) -> float | None:
        """Return the luminosity [fb^-1] that limits of regions refer to: the largest of theirs; None if not said."""
        return max((x for r in regions if (x := self.luminosities[r.name]) is not None), default=None)

    def sheet(self, at: At) -> Selected:
        """Return the spectra with the signals of one point of the other coordinates alone."""
        units = (replace(u, signals=tuple(s for s in u.signals if s.at == at)) for u in self.units)
        return replace(self, units=tuple(units))

    def of(self, region: str) -> tuple[Unit, ...]:
        """Return the units of a region."""
        return tuple(unit for unit in self.units if unit.region == region)


def read_spectrum(file: Any, *path: str) -> hist.Hist:
    """Return a spectrum of an open file: ROOT has the names of its axes as labels only."""
    stored = file["/".join(path)].to_hist()
    axes = [hist.axis.Variable(axis.edges, name=axis.label) for axis in stored.axes]
    return hist.Hist(*axes, storage=hist.storage.Weight(), data=stored.view(flow=True))


def projected(spectrum: hist.Hist, axis: int = 0) -> hist.Hist:
    """Return the spectrum along one axis of several, of all that is inside the ends of the others."""
    if spectrum.ndim == 1:
        return spectrum
    others = tuple(k for k in range(spectrum.ndim) if k != axis)
    data = np.stack([spectrum.values().sum(axis=others), spectrum.variances().sum(axis=others)], axis=-1)
    return hist.Hist(spectrum.axes[axis], storage=hist.storage.Weight(), data=data)


def read_selected(folder: Path) -> Selected:
    """Return the spectra that the stage ``spectra`` wrote.

    Raises
    ------
    BumphuntError
        If they cannot be read.
    """
    content = read_json(folder / UNITS)
    with uproot.open(folder / SPECTRA) as file:
        units = tuple(_unit(file, name, unit["region"], unit["samples"]) for name, unit in content["units"].items())
    if (folder / VALUES).exists():
        with np.load(folder / VALUES, allow_pickle=False) as values:
            units = tuple(replace(unit, values=values.get(unit.name)) for unit in units)
    return Selected(units=units, luminosities=content["data_luminosity"], complete=content["complete"])


def write_values(folder: Path, values: Mapping[str, NDArray[np.float64]]) -> None:
    """Write the values that the spectra of the data count, by unit."""
    with whole_file(folder / VALUES) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **values)


def _unit(file: Any, name: str, region: str, samples: Mapping[str, Mapping[str, Any]]) -> Unit:
    """Return the spectra of a unit from an open file."""
    backgrounds = [sample for sample, entry in samples.items() if entry["kind"] == "background"]
    varied: dict[str, dict[str, tuple[hist.Hist, hist.Hist]]] = {}
    for sample in backgrounds:
        for source in _sources(samples[sample]):
            up, down = (read_spectrum(file, name, sample, f"after_{source}_{way}") for way in ("up", "down"))
            varied.setdefault(source, {})[sample] = (up, down)
    return Unit(
        name=name,
        region=region,
        data=read_spectrum(file, name, DATA, "after"),
        before={sample: read_spectrum(file, name, sample, "before") for sample in backgrounds},
        after={sample: read_spectrum(file, name, sample, "after") for sample in backgrounds},
        varied=varied,
        signals=tuple(
            _signal(file, name, sample, entry) for sample, entry in samples.items() if entry["kind"] == "signal"
        ),
        pairs=_pairs(file, name, samples, backgrounds),
        other_events=frozenset(source for entry in samples.values() for source in entry["other_events"]),
    )


def _pairs(
    file: Any, unit: str, samples: Mapping[str, Mapping[str, Any]], backgrounds: Sequence[str]
) -> hist.Hist | None:
    """Return the pairs of entries of one event: of the backgrounds, or without any of the data."""
    having = [name for name in backgrounds or samples if samples[name]["pairs"]]
    found = [read_spectrum(file, unit, name, "pairs") for name in having]
    return add(found) if found else None


def _signal(file: Any, unit: str, sample: str, entry: Mapping[str, Any]) -> FittedSignal:
    """Return the spectra of one simulated mass in a unit."""
    selected = read_spectrum(file, unit, sample, "after")
    total = float(selected.values().sum())

    def change(source: str, way: str) -> float:
        varied = read_spectrum(file, unit, sample, f"after_{source}_{way}")
        return float(varied.values().sum()) / total - 1 if total > 0 else 0.0

    moved: dict[str, tuple[hist.Hist, ...]] = {}
    for name in entry["shifted"]:
        source = name.rpartition("_")[0]
        moved[source] = (*moved.get(source, ()), read_spectrum(file, unit, sample, f"shape_{name}"))
    return FittedSignal(
        mass=entry["mass"],
        at=at_of(entry["at"]),
        shape=read_spectrum(file, unit, sample, "shape"),
        selected=selected,
        generated=entry["generated"],
        varied={source: (change(source, "up"), change(source, "down")) for source in _sources(entry)},
        moved=moved,
    )


def _sources(entry: Mapping[str, Any]) -> list[str]:
    """Return the names of the sources of a sample's variations, which are called ``X_up`` and ``X_down``."""
    return list(dict.fromkeys(name.rpartition("_")[0] for name in entry["variations"]))
