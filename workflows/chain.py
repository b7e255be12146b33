"""The chain: which stages an analysis has, what each depends on, and in what order they are made.

========= =========================================================================================
stage     writes
========= =========================================================================================
simulate  ROOT ntuples of backgrounds, signals and pseudo-data, where the YAML asks for them; ``samples.csv``
check     ``inputs.csv``: every file that would be read
tensors   what the cuts are chosen from, and the cutflow before them
optimise  ``cuts.csv``: the cut table
process   ``spectra.root``, ``cutflow.csv``
scan      ``scan.csv``, ``signal_model.csv``: a row for every mass hypothesis
limits    ``limits.csv``, ``limits.json``: the limit table
report    figures
========= =========================================================================================
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bumphunt.errors import BumphuntError, ConfigError
from workflows.config import Analysis
from workflows.event_processor import needed_variables
from workflows.impacts import IMPACTS, run_impacts
from workflows.inputs import Sample, check, samples, simulation_plan
from workflows.limits import LIMIT_TABLE, set_limits
from workflows.report import Records, draw
from workflows.results import PROVENANCE, Stage, read_json
from workflows.sample_table import write_samples
from workflows.scan import read_columns, run_scan
from workflows.selecting import (
    MODEL,
    candidate_rule,
    fit_signal,
    make_spectra,
    make_tensors,
    optimise_cuts,
    read_cuts,
    read_selected,
    read_signal_model,
    region_plan,
    veto_axes,
)
from workflows.simulate import simulate

__all__ = ["Chain", "Summary"]

HEAD_COLUMNS = ("mass", "n_obs", "n_bkg", "z0", "xsec_ul_obs", "coupling_ul_exp", "coupling_ul_obs")
HEAD_ROWS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run ends with.

    Parameters
    ----------
    head
        First rows of some columns of the limit table, as text.
    table, rows
        The table, and its number of rows.
    figures
        The figures.
    most_significant
        A sentence about the largest excess.
    """

    head: dict[str, list[str]]
    table: Path
    rows: int
    figures: str
    most_significant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """All stages of one analysis.

    Parameters
    ----------
    config
        The analysis.
    folder
        Where the results live, one sub-folder a stage.
    workers
        Processes to use; the results do not depend on it.
    allow_missing
        Go on when rows cannot be read, with the luminosity scaled down and every result marked.
    progress
        Called with a task, what is done of it, and all of it.
    """

    config: Analysis
    folder: Path
    workers: int
    allow_missing: bool
    progress: Callable[[str, int, int], None]

    def up_to(self, verb: str) -> list[Stage]:
        """Return the stages up to one, in order."""
        veto_axes(self.config)  # a wrong name is an error before anything is made
        stages = self._stages()
        names = [stage.name for stage in stages]
        if verb not in names:
            msg = f"{self.config.path}: asks for no stage {verb!r}; it has {', '.join(names)}"
            raise ConfigError(msg)
        return stages[: names.index(verb) + 1]

    def _folder(self, stage: str) -> Path:
        return self.folder / stage

    def _inputs(self) -> tuple[Sample, ...]:
        return samples(self.config, self._folder("simulate"))

    def _settings(self, *sections: str) -> dict[str, Any]:
        """Return sections of the configuration."""
        content = self.config.model_dump(mode="json")
        return {name: content[name] for name in sections}

    def impacts(self, mass: float) -> Stage:
        """Return the stage that writes the impacts at one mass [GeV]; it reads `process` and `scan`.

        Raises
        ------
        ConfigError
            If the mass is outside the search.
        """
        low, high = self.config.search.low, self.config.search.high
        if not low <= mass <= high:
            msg = f"--mass {mass:g}: the search of {self.config.path} goes from {low:g} to {high:g} GeV"
            raise ConfigError(msg)
        process, scan = self._folder("process"), self._folder("scan")

        def make(folder: Path) -> None:
            selected = read_selected(process)
            run_impacts(
                self.config,
                mass,
                data=None if self.config.blinded else selected.data,
                backgrounds=selected.after,
                signal=read_signal_model(scan / MODEL),
                folder=folder,
            )

        return Stage(
            name=IMPACTS,
            folder=self._folder(IMPACTS) / f"{mass:g}",
            settings=self._results_settings() | {"mass": mass},
            make=make,
            upstream=(process, scan),
        )

    def _results_settings(self) -> dict[str, Any]:
        """Return what the results of the scan depend on."""
        return self._settings(
            *("channel", "beams", "data", "samples", "signal", "search", "spectrum", "fit", "systematics"),
            *("unblind", "optimise", "seed"),
        )

    def _stages(self) -> list[Stage]:
        """Return all stages, in order."""
        stages = []
        upstream: tuple[Path, ...] = ()
        plan = simulation_plan(self.config)
        if plan is not None:
            stages.append(self._simulate())
            upstream = (self._folder("simulate"),)
        given = self._given_files()
        settings = self._settings(
            "channel", "beams", "data", "samples", "signal", "ntuples", "spectrum", "search", "optimise", "unblind"
        )
        settings |= {"allow_missing": self.allow_missing, "seed": self.config.seed}

        def reading(name: str, make: Callable[[Path], None], upstream: tuple[Path, ...]) -> Stage:
            folder = self._folder(name)
            return Stage(name=name, folder=folder, settings=settings, make=make, inputs=given, upstream=upstream)

        stages.append(reading("check", self._check, upstream))
        upstream = (*upstream, self._folder("check"))
        cuts: tuple[Path, ...] = ()
        if self.config.optimise is not None:
            stages.append(reading("tensors", self._tensors, upstream))
            cuts = (self._folder("optimise"),)
            stages.append(reading("optimise", self._optimise, (self._folder("tensors"),)))
        process = self._folder("process")
        stages.append(reading("process", self._process, (*upstream, *cuts)))
        results = self._results_settings()
        scan, limits, report = (self._folder(name) for name in ("scan", "limits", "report"))
        stages += [
            Stage(name="scan", folder=scan, settings=results, make=self._scan, upstream=(process,)),
            Stage(name="limits", folder=limits, settings=results, make=self._limits, upstream=(process, scan)),
            Stage(
                name="report",
                folder=report,
                settings=results,
                make=self._report,
                upstream=(process, *cuts, scan, limits),
            ),
        ]
        return stages

    def _given_files(self) -> tuple[Path, ...]:
        """Return the input files that the YAML names, in order."""
        simulated = self._folder("simulate")
        return tuple(path for sample in self._inputs() for path in sample.files if path.parent != simulated)

    def _simulate(self) -> Stage:
        plan = simulation_plan(self.config)

        def make(folder: Path) -> None:
            if plan is not None:
                write_samples(simulate(plan, folder, workers=self.workers, progress=self.progress), folder)

        settings = {"plan": repr(plan), "seed": self.config.seed}
        return Stage(name="simulate", folder=self._folder("simulate"), settings=settings, make=make)

    def _check(self, folder: Path) -> None:
        variables = needed_variables([region_plan(self.config)], candidate_rule(self.config))
        check(
            self._inputs(),
            self.config,
            variables,
            folder,
            allow_missing=self.allow_missing,
            progress=self.progress,
        )

    def _tensors(self, folder: Path) -> None:
        make_tensors(
            self._inputs(),
            self.config,
            folder,
            workers=self.workers,
            allow_missing=self.allow_missing,
            progress=self.progress,
        )

    def _optimise(self, folder: Path) -> None:
        optimise_cuts(self._inputs(), self.config, self._folder("tensors"), folder)

    def _process(self, folder: Path) -> None:
        make_spectra(
            self._inputs(),
            self.config,
            self._folder("optimise") if self.config.optimise is not None else None,
            folder,
            workers=self.workers,
            allow_missing=self.allow_missing,
            progress=self.progress,
        )

    def _scan(self, folder: Path) -> None:
        selected = read_selected(self._folder("process"))
        signal = fit_signal(selected.signals, factor=self.config.signal.scale, progress=self.progress)
        run_scan(
            self.config,
            data=None if self.config.blinded else selected.data,
            backgrounds=selected.after,
            signal=signal,
            folder=folder,
            workers=self.workers,
            progress=self.progress,
        )

    def _limits(self, folder: Path) -> None:
        selected = read_selected(self._folder("process"))
        scan = read_columns(self._folder("scan") / "scan.json")
        set_limits(scan, self.config, folder, luminosity=selected.luminosity, complete=selected.complete)

    def _report(self, folder: Path) -> None:
        records = Records(
            config=self.config,
            selected=read_selected(self._folder("process")),
            cuts=read_cuts(self._folder("optimise")) if self.config.optimise is not None else None,
            signal=read_signal_model(self._folder("scan") / MODEL),
            limits=read_columns(self._folder("limits") / f"{LIMIT_TABLE}.json"),
        )
        draw(records, folder)

    def hide_unblinded(self) -> None:
        """Remove the results of stages that were made unblinded, if the analysis now is blinded."""
        if not self.config.blinded:
            return
        folders = [stage.folder for stage in self._stages()]
        for folder in (*folders, *self._folder(IMPACTS).glob("*")):
            try:
                settings = read_json(folder / PROVENANCE)["settings"]
            except (BumphuntError, KeyError, TypeError):
                continue
            if settings.get("unblind") or (settings.get("data") or {}).get("pseudo"):
                shutil.rmtree(folder)

    def summary(self) -> Summary:
        """Return what a run ends with, from the files it wrote."""
        table = self._folder("limits") / f"{LIMIT_TABLE}.csv"
        limits = read_columns(table.with_suffix(".json"))
        valid = limits["valid"].astype(bool)
        figures = self._folder("report")
        names = ", ".join(sorted(path.name for path in figures.glob("*.png")))
        if self.config.blinded:
            sentence = "blinded: no observed significance; set 'unblind: true' when the review agrees"
        elif not np.any(valid & np.isfinite(limits["z0"])):
            sentence = "no mass hypothesis has a valid fit: see the flags in the limit table"
        else:
            best = int(np.nanargmax(np.where(valid, limits["z0"], np.nan)))
            flags = f"; its flags: {limits['flags'][best]}" if limits["flags"][best] else ""
            sentence = (
                f"most significant mass: {limits['mass'][best]:.3f} GeV, local significance"
                f" {limits['z0'][best]:.2f} sigma (p0 = {limits['p0'][best]:.2g}); the largest of {valid.size} masses,"
                f" so not the global significance{flags}"
            )
        return Summary(
            head={name: [f"{value:.4g}" for value in limits[name][:HEAD_ROWS]] for name in HEAD_COLUMNS},
            table=table,
            rows=valid.size,
            figures=f"{figures}: {names}",
            most_significant=sentence,
        )
