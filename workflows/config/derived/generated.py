"""Processes that a YAML makes of HepMC files, beside those of the search and of installed packages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bumphunt.errors import ConfigError
from workflows.config.searches import Registry
from workflows.config.sections.analysis import Analysis
from workflows.config.sections.samples import SIGNAL
from workflows.simulation.hepmc import HEPMC, HepmcFiles, hepmc_files, hepmc_process

__all__ = ["GIVEN_SIGNAL", "with_files"]

GIVEN_SIGNAL = f"{HEPMC}_{SIGNAL}"
"""Name of the process of signals in HepMC files."""


def with_files(registry: Registry, sections: Analysis, folder: Path) -> Registry:
    """Return a registry with the processes of the HepMC files that a YAML names.

    Parameters
    ----------
    registry
        The processes and candidates without them.
    sections
        What the YAML says.
    folder
        Its folder.

    Raises
    ------
    ValueError
        If a file cannot be used, or has too few events: names the key.
    """
    processes, files = list(registry.processes), dict[str, HepmcFiles]()
    for name, sample in sections.samples.items():
        if sample.simulate is not None and sample.simulate.files:
            key, wanted = f"samples.{name}.simulate", sample.simulate.events
            found = _files(key, sample.simulate.files, folder, wanted, sample.simulate.cross_section)
            files[sample.process_name(name)] = found
            processes.append(hepmc_process(sample.process_name(name), found))
    simulated = sections.signal.simulate
    if simulated is not None and simulated.files:
        by_mass = {
            mass: _files(
                "signal.simulate", [n.replace("{mass}", f"{mass:g}") for n in simulated.files], folder, simulated.events
            )
            for mass in simulated.masses
        }
        files |= {f"{GIVEN_SIGNAL}_{mass:g}": found for mass, found in by_mass.items()}
        processes.append(hepmc_process(GIVEN_SIGNAL, by_mass))
    return replace(registry, processes=tuple(processes), files=files)


def _files(
    key: str, names: list[str] | tuple[str, ...], folder: Path, events: int | None, cross_section: float | None = 1.0
) -> HepmcFiles:
    """Return the files of a sample, if they have as many events as are asked for; all of them for None.

    Efficiencies of signals do not depend on a cross section.
    """
    try:
        found = hepmc_files(names, folder, cross_section)
    except ConfigError as error:
        msg = f"{key}.files: {error}"
        raise ValueError(msg) from None
    if events is not None and events > found.events:
        msg = f"{key}.events = {events}, but {', '.join(names)} hold {found.events}"
        raise ValueError(msg)
    return found
