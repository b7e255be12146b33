"""A user's analysis over own files: a peak in one column, six columns in all, made in a second."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from workflows.chain import prepare, up_to
from workflows.config.file import load
from workflows.ntuples.writing import write_tree

SEARCH = """\
from bumphunt.spectrum.axis import MASS
from selections.cuts import Cut, Selection, Variable
from selections.search import Binning, Region, Search


def observables(columns):
    return {
        "m": columns["mass"],
        "p": columns["p"],
        "balance": columns["tracks"] - columns["photons"],
        "flags": columns["good"] + columns["tight"],
    }


def selection(beams):
    return Selection(
        name="peak",
        observables=observables,
        variables=tuple(Variable(name=n) for n in ("mass", "p", "tracks", "photons", "good", "tight")),
        cuts=(
            Cut(name="momentum", observable="p", above=0.4, unit="GeV", description="", source=""),
            Cut(name="balance", observable="balance", below=0.5, description="", source=""),
            Cut(name="flags", observable="flags", above=1.5, description="", source=""),
        ),
        spectrum="m",
        axis=MASS,
    )


SEARCH = Search(
    name="peak", final_state="mu mu", production="e^+e^-", particle="X", observable="mass", reference="none",
    mass_range=(1.0, 9.0),
    regions=(
        Region(
            name="all", description="all", selection=selection, candidate="dimuon", process="zprime",
            binning=Binning(low=0.0, high=10.0, bins=500),
        ),
    ),
)
"""
MASSES = (2.0, 4.0, 6.0, 8.0)
GENERATED = 700

Columns = dict[str, NDArray[Any]]


def events(n: int, *, seed: int = 1, mass: float | None = None, first: int = 0) -> Columns:
    """One candidate an event; a peak where a mass [GeV] is given, else a flat spectrum."""
    rng = np.random.default_rng(seed)
    whole = np.zeros(n, dtype=np.int32)
    return {
        "__production__": whole,
        "__experiment__": whole + 7,
        "__run__": whole + 3,
        "__event__": first + np.arange(n, dtype=np.int32),
        "__candidate__": whole,
        "__weight__": np.ones(n),
        "mass": rng.uniform(0.5, 9.5, n) if mass is None else rng.normal(mass, 0.04, n),
        "p": rng.exponential(3.0, n),
        "tracks": rng.integers(2, 4, n),
        "photons": rng.integers(0, 5, n),
        "good": rng.random(n) > 0.1,
        "tight": rng.random(n) > 0.2,
    }


class OwnAnalysis:
    """A folder with files, a search and a YAML.

    Parameters
    ----------
    folder
        Where they are written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "analysis.yaml"
        (folder / "peak.py").write_text(SEARCH)
        (folder / "n").mkdir()
        self.write("data", events(2500))
        self.write("flat", events(5000, seed=2))
        for mass in MASSES:
            self.write(f"signal_{mass:g}", events(500, seed=int(mass), mass=mass))
        points = [{"mass": m, "files": [f"n/signal_{m:g}*.root"], "generated": GENERATED} for m in MASSES]
        self.content: dict[str, Any] = {
            "channel": "peak.py:SEARCH",
            "data": {"luminosity": 1.0, "files": ["n/data*.root"], "pseudo": True},
            "samples": {"flat": {"files": ["n/flat*.root"], "luminosity": 2.0, "uncertainty": 0.1}},
            "signal": {"points": points},
            "search": {"low": 2.5, "high": 7.5, "step": 40},
            "fit": {"method": "counting"},
            "optimise": None,
        }

    def write(self, name: str, content: Columns) -> Path:
        """Write a file of the folder ``n``."""
        path = self.folder / "n" / f"{name}.root"
        path.unlink(missing_ok=True)
        write_tree(path, [content])
        return path

    def events(self, n: int, **how: Any) -> Columns:
        """Return `events`."""
        return events(n, **how)

    def make(self, verb: str, *, allow_missing: bool = False) -> Path:
        """Make the stages up to a verb; return the folder of the results."""
        self.path.write_text(yaml.safe_dump(self.content))
        results = self.folder / "results"
        for step in up_to(prepare(load(self.path), results, allow_missing=allow_missing), verb):
            step.run()
        return results

    def limits(self, *, allow_missing: bool = False) -> list[dict[str, str]]:
        """Return the rows of the limit table."""
        with (self.make("limits", allow_missing=allow_missing) / "limits" / "limits.csv").open() as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def own_analyses() -> Callable[[Path], OwnAnalysis]:
    """Return what makes such an analysis in a folder."""
    return OwnAnalysis


@pytest.fixture
def own_analysis(tmp_path: Path) -> Callable[[], OwnAnalysis]:
    """Return what makes such an analysis in a folder of its own."""

    def make() -> OwnAnalysis:
        folder = tmp_path / f"analysis{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return OwnAnalysis(folder)

    return make


@pytest.fixture
def columns() -> Callable[..., Columns]:
    """Return `events`."""
    return events
