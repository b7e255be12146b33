"""The chain: which stages an analysis has, what each depends on, and in what order they are made.

========= =========================================================================================
stage     writes
========= =========================================================================================
simulate  ROOT ntuples of backgrounds, signals and pseudo-data, where the YAML asks for them; ``samples.csv``
check     ``inputs.csv``: every file that would be read
process   one read of every ntuple: cutflow, N-1, spectra and events before the optimised cuts
optimise  ``cuts.csv``: the cut table
spectra   ``spectra.root``, ``cutflow.csv``: after the optimised cuts, at the luminosity of the data
scan      ``scan.csv``, ``signal_model.csv``: a row for every mass hypothesis
limits    ``limits.csv``, ``limits.json``: the limit table
report    figures
========= =========================================================================================
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bumphunt.errors import BumphuntError, ConfigError
from workflows.config.analysis import Analysis
from workflows.results import PROVENANCE, Stage, read_json
from workflows.stages.making.check import Sample, check, check_simulated, samples, simulation_plans
from workflows.stages.making.cut_values import read_cut_values
from workflows.stages.making.limits import LIMIT_TABLE, set_limits
from workflows.stages.making.optimise import CLASSIFIER, RANKING, optimise_cuts, read_cuts, read_table
from workflows.stages.making.process import needed, process_ntuples, veto_axes
from workflows.stages.making.sample_table import write_samples
from workflows.stages.making.scan import read_columns, read_signal_models, run_scan
from workflows.stages.making.simulate import simulate
from workflows.stages.making.spectra import make_spectra, read_selected
from workflows.stages.showing.report import Records, draw
from workflows.stages.studying.correct import measure_controls
from workflows.stages.studying.impacts import IMPACTS, run_impacts
from workflows.stages.tasks import fit_tasks

__all__ = ["Chain", "Summary"]

CORRECT = "correct"
"""Name of the stage that measures factors."""

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
        """Return the stage that writes the impacts at one mass [GeV]; it reads `spectra` and `scan`.

        Raises
        ------
        ConfigError
            If the mass is outside the search, or excluded.
        """
        low, high = self.config.search.low, self.config.search.high
        if not low <= mass <= high:
            msg = f"--mass {mass:g}: the search of {self.config.path} goes from {low:g} to {high:g} GeV"
            raise ConfigError(msg)
        for first, last in self.config.excluded:
            if first < mass < last:
                msg = f"--mass {mass:g}: {first:g} to {last:g} GeV are not searched, see 'search.exclude'"
                raise ConfigError(msg)
        spectra, scan = self._folder("spectra"), self._folder("scan")

        def make(folder: Path) -> None:
            run_impacts(
                self.config, mass, selected=read_selected(spectra), signals=read_signal_models(scan), folder=folder
            )

        return Stage(
            name=IMPACTS,
            folder=self._folder(IMPACTS) / f"{mass:g}",
            settings=self._results_settings() | {"mass": mass},
            make=make,
            inputs=self.config.own_files,
            upstream=(spectra, scan),
        )

    def correct(self) -> Stage:
        """Return the stage that measures factors in control samples; it reads the ntuples again."""

        def make(folder: Path) -> None:
            measure_controls(
                self._inputs(),
                self.config,
                folder,
                workers=self.workers,
                allow_missing=self.allow_missing,
                progress=self.progress,
            )

        return Stage(
            name=CORRECT,
            folder=self._folder(CORRECT),
            settings=self._reading() | self._settings("control"),
            make=make,
            inputs=(*self._given_files(), *self.config.search_files, *self.config.correction_files),
            upstream=(self._folder("check"),),
        )

    def _reading(self) -> dict[str, Any]:
        """Return what the reading of ntuples depends on."""
        reading = self._settings(
            *("channel", "regions", "beams", "data", "samples", "signal", "ntuples", "spectrum", "search", "unblind"),
            *("corrections", "factors"),
        )
        reading |= {"allow_missing": self.allow_missing, "seed": self.config.seed, "slices": self._slices()}
        reading |= {"veto": [repr(veto_axes(self.config, region)) for region in self.config.signal_regions]}
        return reading

    def _results_settings(self) -> dict[str, Any]:
        """Return what the results of the scan depend on."""
        return self._settings(
            *("channel", "regions", "model", "beams", "data", "samples", "signal", "search", "spectrum", "fit"),
            *("systematics", "unblind", "optimise", "seed"),
        )

    def _stages(self) -> list[Stage]:
        """Return all stages, in order."""
        stages = []
        upstream: tuple[Path, ...] = ()
        if simulation_plans(self.config):
            stages.append(self._simulate())
            upstream = (self._folder("simulate"),)
        given = (*self._given_files(), *self.config.search_files, *self.config.correction_files)
        reading = self._reading()
        check, process, spectra = (self._folder(name) for name in ("check", "process", "spectra"))

        def stage(
            name: str, make: Callable[[Path], None], settings: dict[str, Any], inputs: tuple[Path, ...], *up: Path
        ) -> None:
            folder = self._folder(name)
            stages.append(Stage(name=name, folder=folder, settings=settings, make=make, inputs=inputs, upstream=up))

        stage("check", self._check, reading, given, *upstream)
        stage("process", self._process, reading, given, *upstream, check)
        cuts: tuple[Path, ...] = ()
        chosen = reading | self._settings("optimise")
        if self.config.optimise is not None and self.config.optimised:
            level = {"cl": self.config.fit.cl} if self.config.optimise.uses_limits else {}
            stage("optimise", self._optimise, chosen | level, (), process)
            cuts = (self._folder("optimise"),)
        stage("spectra", self._spectra, chosen | self._settings("model"), (), process, *cuts)
        results, own = self._results_settings(), self.config.own_files
        scan, limits = self._folder("scan"), self._folder("limits")
        stage("scan", self._scan, results, own, spectra)
        stage("limits", self._limits, results, own, spectra, scan)
        stage("report", self._report, results, own, process, *cuts, spectra, scan, limits)
        return stages

    def _slices(self) -> object:
        """Return the bins of a second observable, which the ntuples are read with."""
        return self._settings("fit")["fit"]["slices"]

    def _given_files(self) -> tuple[Path, ...]:
        """Return the input files that the YAML names, in order."""
        simulated = self._folder("simulate")
        return tuple(path for sample in self._inputs() for path in sample.files if path.parent != simulated)

    def _simulate(self) -> Stage:
        plans = simulation_plans(self.config)

        def make(folder: Path) -> None:
            check_simulated(self._inputs(), self.config, partial(needed, self.config), self._folder("simulate"))
            files = [simulate(plan, folder, workers=self.workers, progress=self.progress) for plan in plans]
            write_samples([file for some in files for file in some], folder)

        settings = {"plan": repr(plans), "seed": self.config.seed}
        return Stage(name="simulate", folder=self._folder("simulate"), settings=settings, make=make)

    def _check(self, folder: Path) -> None:
        check(
            self._inputs(),
            self.config,
            lambda sample: needed(self.config, sample),
            folder,
            allow_missing=self.allow_missing,
            progress=self.progress,
        )

    def _process(self, folder: Path) -> None:
        process_ntuples(
            self._inputs(),
            self.config,
            folder,
            workers=self.workers,
            allow_missing=self.allow_missing,
            progress=self.progress,
        )

    def _optimise(self, folder: Path) -> None:
        optimise_cuts(self._inputs(), self.config, self._folder("process"), folder, progress=self.progress)

    def _spectra(self, folder: Path) -> None:
        make_spectra(
            self._inputs(),
            self.config,
            self._folder("process"),
            self._folder("optimise") if self.config.optimised else None,
            folder,
            progress=self.progress,
        )

    def _scan(self, folder: Path) -> None:
        selected = read_selected(self._folder("spectra"))
        run_scan(self.config, selected, folder, workers=self.workers, progress=self.progress)

    def _limits(self, folder: Path) -> None:
        selected = read_selected(self._folder("spectra"))
        for task in fit_tasks(self.config):
            set_limits(
                read_columns(self._folder("scan") / f"{task.file('scan')}.json"),
                self.config,
                task,
                folder,
                luminosity=selected.luminosity(task.regions),
                complete=selected.complete,
            )

    def _report(self, folder: Path) -> None:
        config, limits = self.config, self._folder("limits")
        cuts = self._folder("optimise")
        records = Records(
            config=config,
            selected=read_selected(self._folder("spectra")),
            cuts={r.name: read_cuts(cuts, config, r) for r in config.signal_regions} if config.optimised else {},
            rankings=self._tables(RANKING),
            classifiers=self._tables(CLASSIFIER),
            cut_values={
                r.name: read_cut_values(config, self._inputs(), self._folder("process"), r)
                for r in config.region_records
            },
            signals=read_signal_models(self._folder("scan")),
            limits=[(task, read_columns(limits / f"{task.file(LIMIT_TABLE)}.json")) for task in fit_tasks(config)],
        )
        draw(records, folder)

    def _tables(self, name: str) -> dict[str, dict[str, Any]]:
        """Return a table of the optimisation by region, where it was made."""
        if not self.config.optimised:
            return {}
        cuts = self._folder("optimise")
        found = {r.name: read_table(cuts, self.config, r, name) for r in self.config.signal_regions}
        return {region: table for region, table in found.items() if table is not None}

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
        elif not np.any(limits["z0"][valid] > 0):
            sentence = "no mass hypothesis has an excess"
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
