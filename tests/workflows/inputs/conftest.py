"""What `check` says of an analysis."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[..., str]:
    """Return what makes `check` and returns the warnings."""

    def check(analysis: Any, **kwargs: Any) -> str:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            analysis.make("check", **kwargs)
        return caplog.text

    return check
