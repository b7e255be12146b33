"""The validation page of the Monte Carlo: ``validation.csv``, figures, and one self-contained ``validation.html``."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

import bumphunt
from bumphunt.montecarlo.processes.quarks import pythia
from bumphunt.montecarlo.validation.findings import Check, Findings
from bumphunt.montecarlo.validation.studies import EVENTS, STUDIES, run_study
from workflows.figures import validation as validation_plots
from workflows.figures.style import save
from workflows.results import write_csv
from workflows.running.progress import Progress
from workflows.running.workers import Workers, in_order

__all__ = ["PAGE", "SEED", "TABLE", "validate"]

SEED = 1
"""Seed of the studies: the page is the same each time."""
TABLE = "validation.csv"
"""Name of the table."""
PAGE = "validation.html"
"""Name of the page."""
FAR, SIGNIFICANT = 0.10, 3.0
"""A ratio is far from 1 if it is so by more than the first, and by more than the second in units of its error."""


def validate(
    folder: Path, *, workers: Workers = 1, seed: int = SEED, events: int = EVENTS, progress: Progress | None = None
) -> tuple[Check, ...]:
    """Run all studies, write table, figures and page into a folder, and return the numbers.

    Parameters
    ----------
    folder
        Where the files go; made if needed.
    workers
        Number of processes; the results do not depend on it.
    seed
        Seed of the studies.
    events
        Events of a sample of full statistics.
    progress
        Called after each study.

    Raises
    ------
    InputError
        If too few events are asked for.
    BumphuntError
        If a worker process dies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [partial(run_study, name, seed=seed, events=events) for name in STUDIES]
    with in_order(tasks, workers=workers) as results:
        found = Findings.joined(_counted(results, len(tasks), progress))
    _write_table(found.checks, folder)
    names = ["ratios", *(shape.name for shape in found.distributions)]
    save(validation_plots.ratios(found.checks), folder, names[0])
    for shape in found.distributions:
        save(validation_plots.compare(shape), folder, shape.name)
    _write_page(found.checks, names, folder, seed=seed, events=events)
    return found.checks


def _counted(results: Iterator[Findings], total: int, progress: Progress | None) -> Iterator[Findings]:
    """Yield the results and say how many there were."""
    for done, result in enumerate(results, start=1):
        if progress is not None:
            progress("validate", done, total)
        yield result


def _write_table(checks: tuple[Check, ...], folder: Path) -> None:
    """Write the numbers, a row each."""
    write_csv(
        folder / TABLE,
        {
            "quantity": [c.quantity for c in checks],
            "value": [c.value for c in checks],
            "error": [c.error for c in checks],
            "unit": [c.unit for c in checks],
            "reference": [c.reference for c in checks],
            "source": [c.source for c in checks],
            "ratio": [c.ratio for c in checks],
            "ratio_error": [c.ratio_error for c in checks],
        },
    )


def is_far(check: Check) -> bool:
    """Return whether a number is far from its reference, by more than statistics say."""
    off = abs(check.ratio - 1)
    return off > FAR and off > SIGNIFICANT * check.ratio_error


def _write_page(checks: tuple[Check, ...], figures: list[str], folder: Path, *, seed: int, events: int) -> None:
    """Write the page, with its figures inside."""
    environment = Environment(
        loader=PackageLoader("workflows", "stages/studying"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=False,
    )
    rows = [
        {
            "quantity": c.quantity,
            "value": f"{c.value:.4g}",
            "error": f"{c.error:.2g}",
            "unit": c.unit,
            "reference": f"{c.reference:.4g}",
            "ratio": f"{c.ratio:.3f} ± {c.ratio_error:.3f}",
            "source": c.source,
            "far": is_far(c),
        }
        for c in checks
    ]
    images = [
        {"name": name, "data": base64.b64encode((folder / f"{name}.png").read_bytes()).decode("ascii")}
        for name in figures
    ]
    page = environment.get_template(f"{PAGE}.j2").render(
        version=bumphunt.__version__,
        seed=seed,
        events=events,
        pythia=pythia.is_installed(),
        checks=rows,
        far=sum(map(is_far, checks)),
        figures=images,
    )
    partial_page = folder / f".{PAGE}.partial"
    partial_page.write_text(page, encoding="utf-8")
    partial_page.replace(folder / PAGE)
