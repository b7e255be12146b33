"""What is fitted together, where not the same data were read for all regions."""

from __future__ import annotations

import hist
import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.models.signal import SignalModel
from workflows.config.file import load
from workflows.fitting.regions import scan_regions
from workflows.products.selected import Selected, Unit

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
    setup = load(path).scan
    combined, ee, mumu = setup.fits
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
            tail=region.definition.tail,
            axis=region.axis,
        )
        for region in combined.regions
    }
    selected = Selected(units=units, luminosities={"ee": 10.0, "mumu": 4.0}, complete=False)
    assert [selected.luminosity(task.regions) for task in (combined, ee, mumu)] == [10.0, 10.0, 4.0]
    masses = np.array([2.0, 3.0])
    regions, _ = scan_regions(setup, combined, selected, signals)
    for found, region, share in zip(regions, combined.regions, (1.0, 0.4), strict=True):
        np.testing.assert_allclose(
            found.branching_ratio(masses), share * region.definition.branching_ratio(masses), rtol=1e-4
        )
    (alone,), _ = scan_regions(setup, mumu, selected, signals)
    np.testing.assert_array_equal(alone.branching_ratio(masses), 1.0)


def test_negative_number_of_events_in_a_bin_is_refused(tmp_path):
    path = tmp_path / "analysis.yaml"
    path.write_text(
        ANALYSIS.replace("channel: darkphoton-dilepton\n", "channel: darkphoton-dilepton\nregions: [mumu]\n")
    )
    setup = load(path).scan
    edges = np.linspace(0.0, 5.0, 101)
    negative = hist.Hist.new.Var(edges, name="m").Weight(data=np.tile([-0.5, 1.0], (100, 1)))
    unit = Unit(name="mumu", region="mumu", data=negative, before={}, after={"mumu": negative}, varied={}, signals=())
    selected = Selected(units=(unit,), luminosities={"mumu": 10.0}, complete=True)
    with pytest.raises(InputError, match=r"'mumu': its weights leave -0\.5 events in a bin"):
        scan_regions(setup, setup.fits[0], selected, {"mumu": None})
