"""What all masses of a scan share: how they are tested and limits are set, random numbers, whether they are blinded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bumphunt.engines.choose import Engine
from bumphunt.engines.zfit import require
from bumphunt.errors import InputError
from bumphunt.inference.seeds import child_seed, seed_of
from bumphunt.inference.settings import LimitSettings, SignificanceSettings
from bumphunt.scanning.method import Method

__all__ = ["ScanSetting", "scan_setting"]

GOODNESS_STREAM = 0x600D
"""Tells the toys of the goodness of fit from others of the same mass."""
OF_COUNTS = ("auto", "clsb", "bayesian", "feldman-cousins")
"""How the limits of counts may be set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSetting:
    """What all masses of a scan share.

    Parameters
    ----------
    method
        How a mass is tested.
    limits
        How limits are set.
    significance
        How p0 of fits is found.
    seed
        Of random numbers; None where none are needed.
    engine
        As in `bumphunt.inference.fit.fit`.
    blinded
        Whether the counts are an expectation.
    """

    method: Method
    limits: LimitSettings
    significance: SignificanceSettings
    seed: np.random.SeedSequence | None
    engine: Engine
    blinded: bool

    def rng(self, index: int) -> np.random.Generator | None:
        """Return the generator of the mass with a given number: it does not depend on the other masses."""
        return None if self.seed is None else np.random.default_rng(child_seed(self.seed, index))

    def goodness_seed(self, index: int) -> np.random.SeedSequence | None:
        """Return the seed of the toys that tell the goodness of fit of a mass: those of its limit have others."""
        return None if self.seed is None else child_seed(self.seed, index, GOODNESS_STREAM)


def scan_setting(
    method: Method,
    limits: LimitSettings | None,
    significance: SignificanceSettings | None,
    rng: np.random.Generator | None,
    engine: Engine,
    *,
    blinded: bool,
    n_regions: int,
) -> ScanSetting:
    """Return the shared part of a scan.

    Parameters
    ----------
    method, limits, significance, rng, engine
        As in `bumphunt.scanning.scan.scan_spectra`.
    blinded
        Whether the counts are an expectation.
    n_regions
        How many regions there are: the counts of several are fitted.

    Raises
    ------
    InputError
        If limits or p0 need a generator and there is none, limits are set in a way that the method has no use for, an
        engine is to fit counts, or zfit is not installed.
    """
    counting = method.kind == "counting"
    if engine == "zfit":
        require()
    if counting and n_regions == 1 and engine != "auto":
        msg = f"a count is not fitted, its p0 and limits are exact: leave out the engine {engine!r}"
        raise InputError(msg)
    settings = limits or LimitSettings(method="auto" if counting else "asymptotic")
    if counting and settings.method not in OF_COUNTS:
        msg = f"limits on counts are exact: the method must be one of {OF_COUNTS}, got {settings.method!r}"
        raise InputError(msg)
    if settings.method == "feldman-cousins" and not (counting and n_regions == 1):
        msg = (
            f"limits by 'feldman-cousins' are those of one count, got {n_regions} regions and the method"
            f" {method.kind!r}: scan regions apart by 'counting', or set limits by 'auto'"
        )
        raise InputError(msg)
    of_p0 = significance or SignificanceSettings()
    if not (counting and n_regions == 1):
        settings.checked_generator(rng)
        of_p0.checked_generator(rng)
    seed = None if rng is None else seed_of(rng)
    return ScanSetting(method=method, limits=settings, significance=of_p0, seed=seed, engine=engine, blinded=blinded)
