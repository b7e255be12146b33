"""Statuses as numbers that compiled code can compare: those of `bumphunt.engines.result.FitStatus`, and `RUNNING`.

That is the status of a fit that is to be made or under way.
"""

from __future__ import annotations

from bumphunt.engines.result import FitStatus

__all__ = ["AT_BOUNDARY", "CONVERGED", "INFEASIBLE", "NOT_CONVERGED", "RUNNING", "SINGULAR"]

CONVERGED, AT_BOUNDARY = int(FitStatus.CONVERGED), int(FitStatus.AT_BOUNDARY)
SINGULAR, NOT_CONVERGED = int(FitStatus.SINGULAR), int(FitStatus.NOT_CONVERGED)
INFEASIBLE, RUNNING = int(FitStatus.INFEASIBLE), -1
