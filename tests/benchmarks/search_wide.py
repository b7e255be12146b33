"""Speed and memory of global significance: toys of a complete spectrum, every hypothesis fitted on each.

The search of BaBar for dark photons in electron and muon pairs has 5704 hypotheses (arXiv:1406.2980); here they have
windows of 200 bins and a third-order background, in one region, and in two with uncertain yields. Some hypotheses and
toys are made, and the time of all with 10 000 toys is worked out from them. Run as ``make bench``, or by itself with
the number of hypotheses; it prints a table and writes ``bench/search_wide.json``. One core.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from bumphunt.models.background import BackgroundModel
from bumphunt.models.signal import SignalModel
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion
from bumphunt.scanning.sources import Source
from bumphunt.scanning.spectra import checked_spectra
from bumphunt.search_wide.bump_hunt import bump_hunt
from bumphunt.search_wide.largest import BLOCK, largest_of_block
from bumphunt.search_wide.significance import region_densities
from bumphunt.search_wide.toys import draw_search_toys
from bumphunt.search_wide.whole import WholeSearch, scan_hypotheses, whole_search
from bumphunt.spectrum.axis import MASS

FOLDER = Path("bench")
N_HYPOTHESES, N_TOYS = 5704, 10_000
MASSES = 300
EDGES = np.linspace(0.0, 101.0, 40_401)
SIGMA = 0.025
"""Windows of 20 resolutions on either side have 400 bins of the spectrum, joined to 200."""


def region(name: str, level: float) -> ScanRegion:
    """Return a falling spectrum with a peak of constant width."""
    masses = np.linspace(0.5, 100.5, 11)
    signal = SignalModel(
        masses=masses,
        parameters=np.tile([0.0, SIGMA, 1.5, 3.0, 0.9, 1.5], (11, 1)),
        errors=np.zeros((11, 6)),
        efficiencies=np.full(11, 0.1),
        efficiency_errors=np.zeros(11),
        support=(0.0, 101.0),
        axis=MASS,
    )
    counts = np.random.default_rng(2).poisson(level * np.exp(-EDGES[1:] / 40.0))
    return ScanRegion(name=name, spectra=checked_spectra(counts, [], [], (), EDGES), signal=signal)


def search(n_regions: int, n_masses: int) -> tuple[WholeSearch, float]:
    """Return the search, and the seconds a hypothesis that it takes to make."""
    regions = [region(name, level) for name, level in (("ee", 100.0), ("mumu", 60.0))[:n_regions]]
    sources = [Source(name="electrons", efficiency=0.02, regions=("ee",)), Source(name="luminosity", efficiency=0.01)]
    method = Method(kind="smooth", window=20.0, background=BackgroundModel("bernstein", 3))
    masses, start = np.linspace(1.0, 100.0, n_masses).tolist(), time.process_time()
    seed = np.random.SeedSequence(1)
    hypotheses = scan_hypotheses(regions, masses, method=method, sources=sources, seed=seed)
    made = whole_search(
        hypotheses,
        [(one.name, one.spectra.edges) for one in regions],
        densities=region_densities(regions, method),
    )
    return made, (time.process_time() - start) / n_masses


def main() -> None:
    """Measure, print and write."""
    n_masses = int(sys.argv[1]) if len(sys.argv) > 1 else MASSES
    found = {}
    for title, n_regions in (("one region", 1), ("two regions, uncertain yields", 2)):
        largest_of_block(search(n_regions, 2)[0], range(2), seed=np.random.SeedSequence(1), level=1.0)  # compiles
        made, preparing = search(n_regions, n_masses)
        start = time.process_time()
        draw_search_toys(made.expectation, seed=np.random.SeedSequence(2), indices=range(BLOCK))
        drawing = (time.process_time() - start) / BLOCK
        start = time.process_time()
        largest_of_block(made, range(BLOCK), seed=np.random.SeedSequence(2), level=1.0)
        fitting = (time.process_time() - start - drawing * BLOCK) / BLOCK / n_masses
        whole = N_HYPOTHESES * preparing + N_TOYS * (drawing + N_HYPOTHESES * fitting)
        window = made.hypotheses[-1].window
        arrays = window.stack.columns.nbytes + window.stack.counts.nbytes
        found[title] = {
            "microseconds a window and toy": 1e6 * fitting,
            "milliseconds to draw a toy": 1e3 * drawing,
            "milliseconds to prepare a hypothesis": 1e3 * preparing,
            "minutes on two cores for 10 000 toys of 5704 hypotheses": whole / 60.0 / 2.0,
            "MB of the models of 5704 hypotheses": N_HYPOTHESES * arrays / 1e6,
            "MB of this process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        }
        print(title)
        for name, value in found[title].items():
            print(f"  {name:<58}{value:10.3g}")
    reference = 100.0 * np.exp(-np.arange(60) / 15.0)
    counts = np.random.default_rng(3).poisson(reference)
    bump_hunt(counts, reference, rng=np.random.default_rng(1))
    start = time.process_time()
    bump_hunt(counts, reference, rng=np.random.default_rng(1), n_toys=N_TOYS)
    found["BumpHunter"] = {"seconds for 10 000 toys of 60 bins": time.process_time() - start}
    print(f"BumpHunter, 10 000 toys of 60 bins: {time.process_time() - start:.2g} s")
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "search_wide.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
