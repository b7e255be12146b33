"""The findings say the largest excess, and everything that is not to be trusted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from bumphunt.errors import Flag
from bumphunt.search_wide.largest import Largest
from bumphunt.search_wide.significance import judged
from bumphunt.search_wide.spectra import Expectation
from bumphunt.search_wide.whole import Hypothesis, WholeSearch
from workflows.products.findings import findings

TOYS = Largest(
    z0=np.array([2.0, 2.5, 3.0, 3.5]),
    mass=np.full(4, 2.0),
    crossings=np.array([2, 3, 1, 2]),
    failed=np.array([0, 1, 0, 0]),
)


def search(z0: list[float], *, blinded: bool = False) -> WholeSearch:
    """Return a search of given significances, the last of which does not exist."""
    hypotheses = [Hypothesis(mass=1.0 + k, z0=z, window=None) for k, z in enumerate(z0)]
    hypotheses[-1] = replace(hypotheses[-1], z0=np.nan, flag=Flag.NO_BACKGROUND)
    return WholeSearch(
        hypotheses=tuple(hypotheses),
        expectation=Expectation(spectra=(), normal=(), counted=()),
        blinded=blinded,
    )


def scanned(n: int) -> dict[str, np.ndarray]:
    """Return the columns of a scan, whose first row is not valid."""
    columns = {name: np.arange(n) * 10.0 for name in ("n_sig", "n_sig_error", "n_obs", "n_bkg")}
    flags = np.array(["no_root", "", "low_counts;poor_fit", *[""] * (n - 3)])
    return {**columns, "mass": 1.0 + np.arange(n), "valid": np.arange(n) > 0, "flags": flags}


def test_findings_have_the_largest_excess_locally_and_globally():
    found = findings(judged(search([0.0, 2.8, 1.0, 0.0]), TOYS), scanned(4))
    largest = found["largest"]
    assert (largest["mass"], largest["n_sig"], largest["z0"]) == (2.0, 10.0, 2.8)
    assert largest["p0_global"] == 0.5
    assert largest["trials"] == pytest.approx(0.5 / norm.sf(2.8))
    assert found["invalid"] == [{"mass": 1.0, "flags": "no_root"}]
    assert found["poor"] == [3.0]
    assert found["left_out"] == [{"mass": 4.0, "flag": "no_background"}]
    assert found["toys"] == {"n": 4, "with_failed_fits": 1, "failed_fits": 1}
    for said in (
        "4 hypotheses between 1 and 4 GeV",
        "largest excess is at 2 GeV, with 10 +- 10 signal events and a local significance of 2.8",
        "In 2 of 4 background-only pseudo-experiments",
        "biased upwards",
        "The result is not valid at 1 GeV.",
        "The fit does not describe the data at 3 GeV.",
        "No significance exists at 4 GeV.",
        "Of 4 pseudo-experiments 1 had a fit that failed.",
    ):
        assert said in found["text"]


def test_without_a_toy_beyond_there_is_an_upper_limit():
    found = findings(judged(search([0.0, 5.0, 1.0, 0.0]), TOYS), scanned(4))
    assert np.isnan(found["largest"]["trials"])
    assert "None of 4 background-only pseudo-experiments" in found["text"]
    assert "global p-value is below 0.37" in found["text"]  # 1 - 0.159^(1/4)


def test_blinded_findings_have_no_excess():
    found = findings(judged(search([0.0, 5.0, 1.0, 0.0], blinded=True), TOYS), scanned(4))
    assert found["largest"] is None
    assert "blinded" in found["text"]
    assert "5" not in found["text"].partition("blinded")[2].partition("pseudo")[0]
