"""The scan's input: the signal model on disk, and regions of which not the same data were read."""

from dataclasses import asdict, fields

import hist
import numpy as np
import pytest

from bumphunt.models.signal import SignalModel
from bumphunt.spectrum.axis import MASS, SQUARED, reduced
from workflows.config.file import load
from workflows.results import write_json
from workflows.stages.making.scan import MODELS, read_signal_models, scan_regions
from workflows.stages.making.spectra import Selected, Unit
from workflows.stages.tasks import fit_tasks


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
    write_json(tmp_path / MODELS, {"mumu": asdict(model)})
    again = read_signal_models(tmp_path)["mumu"]
    for field in fields(SignalModel):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(model, field.name))


ANALYSIS = """\
channel: darkphoton-dilepton
beams: babar
detector: babar
data: {luminosity: 10, simulate: {draw_from: expectation}}
samples: {mumu: {simulate: {events: 1000}}}
signal: {simulate: {events: 1000, masses: [1, 2, 3, 4]}}
search: {low: 1, high: 4}
"""


def test_region_with_less_data_sees_less_of_the_signal(tmp_path):
    """n_sig over luminosity and efficiency of the table is the cross section, whatever was lost in which region."""
    path = tmp_path / "analysis.yaml"
    path.write_text(ANALYSIS)
    config = load(path)
    edges = np.linspace(0.0, 5.0, 101)
    flat = hist.Hist.new.Var(edges, name="m").Weight(data=np.tile([50.0, 1.0], (100, 1)))
    units = tuple(
        Unit(name=name, region=name, data=flat, before={"mumu": flat}, after={"mumu": flat}, varied={}, signals=())
        for name in ("ee", "mumu")
    )
    signals = {
        region.name: SignalModel(
            masses=np.array([1.0, 2.0, 4.0]),
            parameters=np.tile([0.0, 0.05, 1.5, 3.0, 0.9, 1.5], (3, 1)),
            errors=np.full((3, 6), 1e-3),
            efficiencies=np.full(3, 0.2),
            efficiency_errors=np.full(3, 1e-3),
            support=(0.0, 5.0),
            tail=region.tail,
            axis=config.axis(region),
        )
        for region in config.signal_regions
    }
    selected = Selected(units=units, luminosities={"ee": 10.0, "mumu": 4.0}, complete=False)
    combined, ee, mumu = fit_tasks(config)
    assert [selected.luminosity(task.regions) for task in (combined, ee, mumu)] == [10.0, 10.0, 4.0]
    masses = np.array([2.0, 3.0])
    regions, _ = scan_regions(config, combined, selected, signals)
    for found, region, share in zip(regions, config.signal_regions, (1.0, 0.4), strict=True):
        np.testing.assert_allclose(found.branching_ratio(masses), share * region.branching_ratio(masses), rtol=1e-4)
    (alone,), _ = scan_regions(config, mumu, selected, signals)
    np.testing.assert_array_equal(alone.branching_ratio(masses), 1.0)
