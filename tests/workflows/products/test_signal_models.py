"""Signal models on disk."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from bumphunt.models.signal import SignalModel
from bumphunt.spectrum.axis import MASS, SQUARED, reduced
from workflows.config.coordinates import ALONE
from workflows.products.signal_models import read_signal_models, write_signal_models


@pytest.mark.parametrize("axis", [SQUARED, MASS, reduced(0.21132, "M_{\\mu\\mu}")])
def test_signal_model_is_read_as_it_was_written(tmp_path, axis):
    model = SignalModel(
        masses=np.array([0.3, 1.0, 2.0]),
        parameters=np.tile([0.0, 0.01, 1.5, 3.0, 0.9, 1.5], (3, 1)),
        errors=np.full((3, 6), 1e-3),
        efficiencies=np.array([0.1, 0.2, 0.3]),
        efficiency_errors=np.full(3, 1e-3),
        support=(0.0, 5.0),
        tail="low",
        axis=axis,
    )
    wide = replace(model, efficiencies=np.array([0.3, 0.3, 0.3]))
    at = (("width", 0.1),)
    write_signal_models({ALONE: {"mumu": model}, at: {"mumu": wide}}, {"mumu": "signal_model"}, tmp_path)
    for point, written in ((ALONE, model), (at, wide)):
        again = read_signal_models(tmp_path, point)["mumu"]
        for field in fields(SignalModel):
            np.testing.assert_array_equal(getattr(again, field.name), getattr(written, field.name))
    assert (tmp_path / "signal_model_width_0.1.csv").is_file()
