"""The section ``fit`` of a YAML, as the library wants it."""

from __future__ import annotations

from bumphunt.inference.upper_limit import LimitSettings
from workflows.config.fit import Fit

__all__ = ["limit_settings"]


def limit_settings(fit: Fit) -> LimitSettings:
    """Return how limits are set."""
    return LimitSettings(method=fit.limit, cl=fit.cl, prior=fit.prior, n_toys=fit.toys)
