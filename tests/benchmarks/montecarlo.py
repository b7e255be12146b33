"""Speed and size of the Monte Carlo: every process, the shipped example, and templates for 50 fb^-1.

Run by ``make bench``; never a test. Wanted: 150 000 mumu events/s and core through the detector; 276 pb^-1 of the
shipped example in 20 s and templates for 50 fb^-1 in 3 minutes, on two cores and in 1 GB, whatever the luminosity.

``python tests/benchmarks/montecarlo.py rates`` (or ``example``, ``templates``) does one part.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.conditions import Conditions
from bumphunt.montecarlo.detector.candidates import CANDIDATES
from bumphunt.montecarlo.detector.presets import DETECTORS
from bumphunt.montecarlo.processes.quarks.pythia import is_installed
from bumphunt.montecarlo.processes.registry import PROCESSES
from bumphunt.montecarlo.simulation import simulate_chunk
from workflows.config.file import load
from workflows.simulation.files import simulate
from workflows.simulation.plan import SampleSpec, SimulationPlan

EXAMPLE = Path(__file__).parents[2] / "examples" / "zprime_invisible.yaml"
REPEATS = 4
WANTED = 150_000
WORKERS = 2
# 50 fb^-1: in every 1 to 8 GeV^2 of recoil mass squared the variance of the templates after the preselection is below
# that of the data
TEMPLATES = {"mumu": 16_000_000, "tautau": 4_000_000, "eemumu": 40_000_000}
LUMINOSITY = 50.0
PARAMETERS = {"mass": 4.0, "higgs_mass": 1.0}
FINAL_STATES = {
    "bhabha": "photon_dielectron", "single_photon_bhabha": "photon", "diphoton": "three_photons", "eeee": "dielectron",
    "isr_resonances_mumu": "photon_dimuon", "isr_resonances_ee": "photon_dielectron", "zprime_lfv": "emu",
    "aprime_ee": "photon_dielectron", "aprime_mumu": "photon_dimuon", "aprime_invisible": "photon",
    "alp_diphoton": "three_photons", "alp_invisible": "photon", "darkhiggs_ee": "dielectron",
}  # fmt: skip
"""What is reconstructed of a process; two muons otherwise."""


def rate(name: str) -> float:
    """Return the best of several rates of a process through the detector [events per CPU second]."""
    process = PROCESSES[name]
    parameters = {key: PARAMETERS[key] for key, p in process.parameters.items() if p.default is None}

    candidate = CANDIDATES[FINAL_STATES.get(name, "dimuon")]
    conditions = Conditions(beams=BEAMS["belle2"], detector=DETECTORS["belle2"], seed=1, candidate=candidate)

    def chunk(number: int, n: int) -> float:
        start = time.process_time()
        simulate_chunk(process, parameters, conditions, n=n, chunk=number, luminosity=1.0, total=n)
        return time.process_time() - start

    chunk(0, min(1000, process.batch))
    return process.batch / min(chunk(i, process.batch) for i in range(1, REPEATS + 1))


def rates() -> dict[str, float]:
    """Return and print the rates of all processes."""
    found = {}
    for name in PROCESSES:
        if name.endswith("bar") and not is_installed():
            print(f"{name:<22} needs Pythia, which is not installed")
            continue
        found[name] = rate(name)
        print(f"{name:<22} {found[name]:>12,.0f} events/s and core", flush=True)
    print(f"mumu: {found['mumu'] / WANTED:.1f} x the wanted rate")
    return found


def proportional_memory() -> float:
    """Return the memory of this process and its children [MB], what they share counted once."""
    here = Path("/proc/self/task")
    pids = ["self", *(pid for task in here.iterdir() for pid in (task / "children").read_text().split())]
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def case(name: str, plan: SimulationPlan) -> dict[str, float]:
    """Simulate a plan, and return and print time, memory and size."""
    peak, done = 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(2.0):  # looking takes locks that the workers need
            peak = max(peak, proportional_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        files = simulate(plan, Path(folder), workers=WORKERS)
        wall = time.perf_counter() - start
        size = sum(file.path.stat().st_size for file in files) / 1e9
    done.set()
    watcher.join()
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(u.ru_utime + u.ru_stime for u in usage)
    rows, generated = sum(f.rows for f in files), sum(f.simulation.generated for f in files)
    print(
        f"{name}: {wall:.1f} s on {WORKERS} workers, {cpu:.1f} s of CPU, {peak:.0f} MB at most; {generated:,} events,"
        f" {rows:,} rows, {size:.2f} GB on disk"
    )
    for file in files:
        if file.name in TEMPLATES:
            print(f"    {file.name:<8} effective rows {file.effective_rows:>12,.0f} of {file.expected_rows:>12,.0f}")
    return {"wall": wall, "cpu": cpu, "memory": peak, "rows": rows, "generated": generated, "gigabytes": size}


def example_plan() -> SimulationPlan:
    """Return the plan of the shipped example."""
    (plan,) = load(EXAMPLE).simulation
    return plan


def template_plan() -> SimulationPlan:
    """Return the plan of the templates for 50 fb^-1, with the signals of the example."""
    plan = example_plan()
    signals = tuple(sample for sample in plan.samples if sample.name not in TEMPLATES)
    backgrounds = tuple(SampleSpec(name=name, process=PROCESSES[name], n=n) for name, n in TEMPLATES.items())
    return replace(plan, luminosity=LUMINOSITY, samples=(*backgrounds, *signals), pseudodata=(), injected=())


def main() -> None:
    """Print what is asked for, and write it to bench/montecarlo.json."""
    parts = sys.argv[1:] or ["rates", "example", "templates"]
    folder = Path("bench")
    folder.mkdir(exist_ok=True)
    results: dict[str, dict[str, float]] = {}
    if "rates" in parts:
        results["rates"] = rates()
    if "example" in parts:
        results["example"] = case("shipped example, 276 pb^-1", example_plan())
    if "templates" in parts:
        results["templates"] = case("templates for 50 fb^-1", template_plan())
    (folder / "montecarlo.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
