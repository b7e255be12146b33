"""Exceptions a caller may branch on, and the flags of results.

Every error of bumphunt derives from `BumphuntError`; its message is one line that names the offending value and says
what would be right. Bad arguments of a library function raise `InputError`, which is a `ValueError` too. A result that
does not exist, or asks for care, says why by a `Flag`; a `FitError` carries the flag of the result that it prevents.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import StrEnum

__all__ = [
    "BumphuntError",
    "ConfigError",
    "FitError",
    "Flag",
    "IncompleteError",
    "InputError",
    "NtupleError",
    "unknown_name",
]


class Flag(StrEnum):
    """What went wrong with a result, or asks for care: the words in the column `flags` of a table.

    Each is the text that it stands for: ``Flag.NO_ROOT == "no_root"``.
    """

    FIT_AT_BOUNDARY = "fit_at_boundary"
    """The minimum lies where the expected count of an empty bin, or a sample, ends at zero: the fit has no errors, its
    limit is valid."""
    FIT_SINGULAR = "fit_singular"
    """The data and constraints do not determine the parameters."""
    FIT_NOT_CONVERGED = "fit_not_converged"
    """The iteration limit of a fit was reached."""
    FIT_INFEASIBLE = "fit_infeasible"
    """There are counts where nothing can be expected."""
    NO_ROOT = "no_root"
    """The equation for a limit has no solution."""
    NO_LOWER_END = "no_lower_end"
    """The likelihood does not fall below the level of an interval on its lower side."""
    NO_UPPER_END = "no_upper_end"
    """The same on its upper side."""
    LOW_COUNTS = "low_counts"
    """Too little background in the core of the signal for asymptotic formulae (`bumphunt.inference.core`)."""
    EMPTY_INTERVAL = "empty_interval"
    """CLs+b excludes every signal, however small: the data have a deficit that the background makes improbable too."""
    CLB_UNDERFLOW = "clb_underflow"
    """A count that is impossible under the background: CLs would be a ratio of underflows."""
    TOO_MANY_EVENTS = "too_many_events"
    """More events than an interval of Feldman and Cousins is made for."""
    NEGATIVE_BACKGROUND = "negative_background"
    """The limit would be more signal than there are events: it rests on a background that is negative."""
    DEEP_DEFICIT = "deep_deficit"
    """Next to no toy without signal has as few events as the data: CLs would be a ratio of unknown tails."""
    TOYS_FAILED = "toys_failed"
    """More toys failed than their result can bear."""
    POSTERIOR_NOT_NORMALISABLE = "posterior_not_normalisable"
    """A Bayesian posterior that does not fall at large signals, or so slowly that its quantile cannot be found."""
    FEW_EFFECTIVE_SAMPLES = "few_effective_samples"
    """An importance sample whose error is not to be trusted: take more."""
    NO_EXPECTATION = "no_expectation"
    """The data are blinded, and nothing says what is expected in their place."""
    BLINDED = "blinded"
    """An expectation stands in the place of the data."""
    NO_BACKGROUND = "no_background"
    """No background is expected in the window."""
    REGION_WITHOUT_BACKGROUND = "region_without_background"
    """The same in one of several regions, which is left out."""
    WITHOUT_SOURCES = "without_sources"
    """The limit of a window that no background reaches leaves out the sources of uncertainty."""
    NO_SIGNIFICANCE = "no_significance"
    """The data are impossible without signal: there is a limit, but neither q0 nor p0."""
    ONE_SIDED = "one_sided"
    """The window ends at excluded masses beside the peak: the background is seen on one side alone."""
    POOR_FIT = "poor_fit"
    """The best fit does not describe the data of its window: its goodness of fit is below the threshold."""
    THIN_SIGNAL = "thin_signal"
    """A simulated signal beside this mass has too few events and was left out: farther ones say the shape."""
    WIDE = "wide"
    """At the limit on the coupling the boson is so wide that the peak is not the one that was fitted. In tables the
    flag has the reading of the coupling behind it, ``wide:lmu-ltau``."""
    NON_PERTURBATIVE = "non_perturbative"
    """The limit on the coupling is above sqrt(4 pi), where it means nothing; with the reading behind it, too."""
    OVERDISPERSED = "overdispersed"
    """Events have several entries in the window, so that its count fluctuates more than a number of events does."""
    INCOMPLETE = "incomplete"
    """Not all of the input was read."""


class BumphuntError(Exception):
    """Base of every error raised on purpose by bumphunt."""


class InputError(BumphuntError, ValueError):
    """An argument has a value that makes no sense (negative counts, a mass beyond the kinematic limit, ...)."""


class FitError(BumphuntError):
    """A fit or a root that cannot be trusted, where the caller asked for a number and not for a status.

    Parameters
    ----------
    flag
        Why; callers branch on it.
    detail
        What a person may want to know beside it: the offending value.
    """

    def __init__(self, flag: Flag, detail: str = "") -> None:
        super().__init__(flag, detail)
        self.flag, self.detail = flag, detail

    def __str__(self) -> str:
        """Return the flag, and the detail where there is one."""
        return f"{self.flag}: {self.detail}" if self.detail else str(self.flag)


class ConfigError(BumphuntError):
    """The YAML of an analysis is wrong: names the file, the key (with its line where known) and the value."""


class NtupleError(BumphuntError):
    """An ntuple cannot be used: missing, truncated, empty, without a branch, with NaN; names file, tree and branch."""


class IncompleteError(NtupleError):
    """Rows that should have been processed were not; names file, tree and entry range."""


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a name that does not exist, with the nearest that does.

    Examples
    --------
    >>> unknown_name("detector", "bele2", ["belle2", "babar"])
    "detector 'bele2' is not known; did you mean 'belle2'?"
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"{what} {name!r} is not known; " + (
        f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
    )
