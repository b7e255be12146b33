"""Events per second and core, generator and detector, for every process of the Z' -> invisible search.

Run by ``make bench``; never a test. The wanted rate is 150 000 mumu events/s and core through the detector.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from bumphunt.kinematics import BEAMS
from bumphunt.montecarlo.detector import DETECTORS
from bumphunt.montecarlo.simulation import PROCESSES, SIGNAL, simulate_chunk

EVENTS, REPEATS = 100_000, 5
WANTED = 150_000


def rate(process: str) -> float:
    """Return the best of several rates [events/s], after compilation."""
    parameters = {"mass": 2.0, "coupling": 0.1} if process == SIGNAL else {}

    def chunk(number: int, n: int) -> float:
        start = time.perf_counter()
        simulate_chunk(
            process,
            n=n,
            chunk=number,
            seed=1,
            beams=BEAMS["belle2"],
            detector=DETECTORS["belle2"],
            luminosity=1.0,
            total=n,
            parameters=parameters,
        )
        return time.perf_counter() - start

    chunk(0, 1000)
    return EVENTS / min(chunk(i, EVENTS) for i in range(1, REPEATS + 1))


def main() -> None:
    """Print the rates, and write them to bench/montecarlo.json."""
    rates = {process: rate(process) for process in PROCESSES}
    for process, value in rates.items():
        print(f"{process:<8} {value:>12,.0f} events/s and core, {value / WANTED:.1f} x the wanted rate")
    folder = Path("bench")
    folder.mkdir(exist_ok=True)
    (folder / "montecarlo.json").write_text(json.dumps(rates, indent=1) + "\n")


if __name__ == "__main__":
    main()
