"""The reference engine where there is nothing, or nothing possible, to fit; the other engines are held against it."""

import numpy as np
import pytest

from bumphunt.engines.minuit import fit_minuit
from bumphunt.engines.result import FitStatus
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.region import Sample, region


def test_nothing_to_fit_is_a_plain_evaluation():
    fit = fit_minuit(likelihood(region("r", counts=[3], signal=[1.0], backgrounds=())), strength=2.0)
    assert fit.status is FitStatus.CONVERGED
    assert fit.nll == pytest.approx(2.0 - 3.0 + 3.0 * np.log(1.5))


def test_counts_that_only_the_signal_explains_have_a_start():
    model = likelihood(region("r", counts=[3, 7], signal=[0.0, 1.0], backgrounds=Sample("b", [2.0, 0.0])))
    fit = fit_minuit(model)
    assert fit.status is FitStatus.CONVERGED
    assert fit.n_sig == pytest.approx(7.0, rel=1e-4)
    assert fit_minuit(model, strength=0.0).status is FitStatus.INFEASIBLE
