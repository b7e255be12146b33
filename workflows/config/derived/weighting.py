"""How simulated events are weighted: corrections of the YAML, and variations of weights that the ntuples hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bumphunt.errors import ConfigError, InputError
from workflows.config.regions import AnalysedRegion, signal_samples
from workflows.config.sections.analysis import Analysis
from workflows.config.sections.samples import SIGNAL
from workflows.reading.correctionlib_files import weight_variation
from workflows.reading.plan import Correction
from workflows.reading.weights import load_corrections

__all__ = ["corrections_of"]


def corrections_of(sections: Analysis, regions: Sequence[AnalysedRegion], path: Path) -> tuple[Correction, ...]:
    """Return the corrections and the variations of weights, with the names of the signals for ``signal``.

    An alternative sample has the corrections of the one that it stands for.

    Parameters
    ----------
    sections
        What the YAML says.
    regions
        The regions.
    path
        The YAML, to whose folder files are relative.

    Raises
    ------
    ValueError
        If the file of one cannot be used.
    """
    signals = [sample.name for sample in signal_samples(regions)]

    def same(sample: str) -> list[str]:
        return [sample, *(name for name, other in sections.samples.items() if other.alternative == sample)]

    def named(samples: tuple[str, ...]) -> tuple[str, ...] | None:
        names = [name for sample in samples for name in (signals if sample == SIGNAL else same(sample))]
        return tuple(dict.fromkeys(names)) if samples else None

    found: list[Correction] = []
    for key, section in sections.corrections.items():
        try:
            found.append(section.record(key, path.parent, named(section.samples)))
            load_corrections(found[-1:])
        except (ConfigError, InputError) as error:
            msg = f"corrections.{key}: {error}"
            raise ValueError(msg) from None
    for key, source in sections.systematics.items():
        if source.weights:
            found.append(weight_variation(key, source.weights, file=path, samples=named(source.samples)))
    return tuple(found)
