"""The expected counts of each sample add up to those of the likelihood, and a fit has them."""

import numpy as np

from bumphunt.inference.fit import fit
from bumphunt.likelihood.by_sample import expected_by_sample
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.background import BackgroundModel
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import LogNormal, PeakWidth, SpuriousSignal


def test_samples_add_up_to_the_expectation_of_every_region():
    edges = np.linspace(0.0, 10.0, 11)
    peak = Sample("peak", gaussian(5.0, 1.0), uncertainties=[PeakWidth("width", 0.1), SpuriousSignal("fake", 2.0)])
    template = Sample("tau", np.full(10, 3.0), uncertainties=[LogNormal("tau", 0.2)], errors=np.full(10, 0.5))
    smooth = BackgroundModel("bernstein", 1)
    pair = [
        region(
            n,
            counts=np.full(10, 9.0),
            edges=edges,
            signal=peak,
            backgrounds=[template, smooth],
        )
        for n in ("a", "b")
    ]
    model = likelihood(pair)
    theta = model.start + 0.1
    found = expected_by_sample(model, theta)
    assert list(found) == ["a", "b"]
    assert list(found["a"]) == ["peak", "peak (spurious)", "tau", "bernstein"]
    total = np.concatenate([sum(samples.values()) for samples in found.values()])
    np.testing.assert_allclose(total, model.expected(theta)[: model.n_bins], rtol=1e-12)
    components = fit(pair).components
    np.testing.assert_allclose(sum(components["a"].values()).sum(), 90.0, rtol=0.05)
