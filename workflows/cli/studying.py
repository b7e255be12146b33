"""The verbs that ask of a mass, or of the whole search, what it is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from workflows.cli.options import Asked, At, command, coordinates
from workflows.cli.terminal import NOT_VERIFIED, say, show
from workflows.cli.work import make

if TYPE_CHECKING:
    from workflows.provenance.step import Step
    from workflows.stages.stage import Job

__all__ = ["VERBS"]

_IMPACT_NUMBERS = ("n_sig", "n_sig_error", "limit_obs", "limit_exp", "statistical")

Masses = Annotated[
    list[float] | None,
    typer.Option(help="Mass [GeV]; may be given several times; not needed where there is one, or none."),
]


@command
def impacts(asked: Asked, mass: Masses = None, at: At = None) -> None:
    """Show what each source of uncertainty does to the signal and to its limit at a mass."""
    from workflows import chain
    from workflows.results import read_json

    beside = coordinates(at)

    def wanted(job: Job) -> list[Step]:
        return [chain.impacts(job, m, beside) for m in mass or (None,)]

    for step in wanted(make(asked, "scan", extra=wanted)):
        found = read_json(step.folder / "impacts.json")
        columns = ("source", "n_sig_up", "n_sig_down", "n_sig_error", "limit_obs", "limit_exp")
        # a number that could not be worked out is null
        number = {name: "none" if found[name] is None else f"{found[name]:.4g}" for name in _IMPACT_NUMBERS}
        where = _where(found, at)
        title = f"impacts at {where}: n_sig = {number['n_sig']} +- {number['n_sig_error']} events,"
        title += f" limit {number['limit_obs']} (expected {number['limit_exp']}) at {found['cl']:.0%}"
        rows = zip(*(found["sources"][name] for name in columns), strict=True)
        printed = [[v if isinstance(v, str) else "" if v is None else f"{v:.3g}" for v in row] for row in rows]
        show(title, columns, printed, text=("source",))
        say(f"statistical error: {number['statistical']} events; table and figure: {step.folder}")


@command
def fit_window(asked: Asked, mass: Masses = None, at: At = None) -> None:
    """Fit the window of a mass and draw it: data, components, pulls, likelihood, parameters."""
    from workflows import chain
    from workflows.results import read_json

    beside = coordinates(at)

    def wanted(job: Job) -> list[Step]:
        return [chain.fit(job, m, beside) for m in mass or (None,)]

    for step in wanted(make(asked, "scan", extra=wanted)):
        found = read_json(step.folder / "fit.json")
        columns = ("parameter", "constraint", "centre", "width", "value", "error")
        rows = zip(*(found["parameters"][name] for name in columns), strict=True)
        printed = [[v if isinstance(v, str) else "" if v is None else f"{v:.4g}" for v in row] for row in rows]
        where = _where(found, at)
        show(f"fit at {where}", columns, printed, text=columns[:2])
        say(found["said"])
        say(f"tables and figure: {step.folder}")


@command
def global_significance(
    asked: Asked,
    toys: Annotated[int, typer.Option(help="Toys of the complete spectra; those that are there are kept.")] = 1000,
) -> None:
    """Say what the largest local significance is worth: the complete scan on toys of the complete spectra."""
    from workflows import chain
    from workflows.products.global_table import largest_excess

    job = make(asked, "scan", extra=lambda job: [chain.global_significance(job, toys)])
    folder = job.of("global")
    say(f"table and figure: {folder}")
    say(largest_excess(folder))


def _where(found: Mapping[str, Any], at: Sequence[str] | None) -> str:
    """Return which hypothesis was looked at: its mass, if it has any, and its other coordinates."""
    mass = f"{found['mass']:g} GeV" if "mass" in found else ""
    return " ".join(filter(None, [mass, *(at or ())])) or "the count"


StudyName = Annotated[
    Literal["bias", "injection", "pulls", "coverage", "gof", "stability", "background"],
    typer.Argument(metavar="STUDY", help="bias, injection, pulls, coverage, gof, stability or background."),
]


@command
def study(
    name: StudyName,
    asked: Asked,
    mass: Annotated[
        list[float] | None, typer.Option(help="Mass [GeV]; may be given several times; five of the scan unless given.")
    ] = None,
    toys: Annotated[int, typer.Option(help="Toys of each mass, signal and background.")] = 1000,
    at: At = None,
) -> None:
    """Say whether fits are unbiased, pulls normal, limits above the signal, p-values right: exit status 1 if not."""
    from workflows import chain
    from workflows.products.study_table import printed_findings
    from workflows.results import read_json

    beside = coordinates(at)

    def wanted(job: Job) -> list[Step]:
        return [chain.study(job, name, mass or (), beside, toys)]

    (step,) = wanted(make(asked, "scan", extra=wanted))
    found = read_json(step.folder / f"{name}.json")
    header, rows = printed_findings(found["findings"])
    show(f"study of {name}: {found['criterion']}", header, rows, text=("toys", "quantity", "verdict"))
    for one in found["left_out"]:
        say(f"left out: {one['mass']:g} GeV ({one['flag']})")
    say(found["said"])
    say(f"table and figure: {step.folder}")
    if found["verdict"] == "failed":
        raise typer.Exit(NOT_VERIFIED)


VERBS: dict[str, Callable[..., None]] = {
    "fit": fit_window,
    "impacts": impacts,
    "global": global_significance,
    "study": study,
}
"""The verbs by name, in the order of the help."""
