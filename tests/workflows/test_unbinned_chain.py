"""`fit: {engine, unbinned}` of the YAML: values that are kept, rows that name their engine, refusals before work."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from bumphunt.engines import zfit as zfit_engine
from bumphunt.errors import ConfigError
from workflows.chain import prepare, up_to
from workflows.config.file import load
from workflows.products.selected import read_selected
from workflows.reading.events import has_events
from workflows.results import read_table

SMOOTH = {"method": "smooth", "background": {"family": "bernstein", "order": 1}, "limit": "asymptotic"}
SEARCH = {"low": 2.5, "high": 7.5, "step": 30}


def scanned(analysis, **fit):
    analysis.content |= {"search": SEARCH, "fit": SMOOTH | fit}
    return read_table(analysis.make("scan") / "scan", "scan")


def test_unbinned_scan_of_files_keeps_the_values_that_are_counted(own_analysis):
    analysis = own_analysis()
    binned, found = scanned(analysis), scanned(analysis, unbinned=True)
    results = analysis.folder / "results"
    (unit,) = read_selected(results / "spectra").units
    assert unit.values is not None
    np.testing.assert_array_equal(np.histogram(unit.values, unit.data.axes[0].edges)[0], unit.data.values())
    assert unit.values.size > 100
    assert has_events(results / "process" / "events", "data", "all")
    assert not has_events(results / "process" / "events", "flat", "all")  # simulated events are not asked for
    assert found["valid"].all()
    assert set(found["engine"]) == {"newton"}
    assert set(binned["engine"]) == {"linear"}
    np.testing.assert_allclose(found["n_obs"], binned["n_obs"])
    np.testing.assert_allclose(found["n_sig_ul_exp"], binned["n_sig_ul_exp"], rtol=0.05)
    assert np.any(found["n_sig_ul_obs"] != binned["n_sig_ul_obs"])


def test_blinded_values_are_those_outside_of_the_search(own_analysis):
    analysis = own_analysis()
    analysis.content["data"]["pseudo"] = False
    scan = scanned(analysis, unbinned=True)
    (unit,) = read_selected(analysis.folder / "results" / "spectra").units
    assert unit.values.size > 0
    assert not np.any((unit.values > 2.5) & (unit.values < 7.5))
    assert all("blinded" in flags for flags in scan["flags"])


def test_only_the_data_are_read_again_for_their_values(own_analysis):
    analysis = own_analysis()
    scanned(analysis)
    analysis.content["fit"] = SMOOTH | {"unbinned": True}
    analysis.path.write_text(yaml.safe_dump(analysis.content))
    seen: list[int] = []
    job = prepare(
        load(analysis.path),
        analysis.folder / "results",
        progress=lambda task, done, total: seen.append(total) if task == "process" else None,
    )
    for step in up_to(job, "process"):
        step.run()
    assert seen
    assert max(seen) == 2500  # the rows of the data


@pytest.mark.parametrize("engine", ["minuit", "newton"])
def test_engine_of_the_yaml_fits_the_scan(own_analysis, engine):
    analysis = own_analysis()
    auto, found = scanned(analysis), scanned(analysis, engine=engine)
    assert set(found["engine"]) == {engine}
    np.testing.assert_allclose(found["n_sig_ul_obs"], auto["n_sig_ul_obs"], rtol=1e-3)
    np.testing.assert_allclose(found["z0"], auto["z0"], atol=1e-3)


@pytest.mark.parametrize(
    ("fit", "reason"),
    [
        (
            {"method": "counting", "engine": "minuit"},
            "engine: minuit has nothing to fit, since p0 and limits of",
        ),
        ({"method": "templates", "unbinned": True}, "unbinned: true needs densities, and method: templates has events"),
        ({"method": "templates", "engine": "linear"}, "fit.engine = 'linear': method: templates multiplies simulated"),
        (SMOOTH | {"engine": "linear", "unbinned": True}, "fit.engine = 'linear': unbinned: true has the yield"),
        (SMOOTH | {"engine": "linear", "limit": "bayesian"}, "fit.engine = 'linear': limit: bayesian integrates"),
        (
            {"method": "smooth", "engine": "linear", "background": {"family": "exponential", "order": 1}},
            "fit.engine = 'linear': the background 'exponential' has its coefficients in an exponent",
        ),
        (SMOOTH | {"engine": "roofit"}, "'auto', 'linear', 'newton', 'minuit' or 'zfit'"),
    ],
)
def test_what_an_engine_cannot_do_is_said_when_the_yaml_is_read(own_analysis, fit, reason):
    analysis = own_analysis()
    analysis.path.write_text(yaml.safe_dump(analysis.content | {"fit": fit}))
    with pytest.raises(ConfigError, match=reason):
        load(analysis.path)


def test_moving_peak_is_no_matter_of_the_linear_engine(own_analysis):
    analysis = own_analysis()
    analysis.content |= {"fit": SMOOTH | {"engine": "linear"}, "systematics": {"scale": {"signal_mean": 0.1}}}
    analysis.path.write_text(yaml.safe_dump(analysis.content))
    with pytest.raises(ConfigError, match=r"systematics\.scale\.signal_mean moves the shape of the peak"):
        load(analysis.path)


def test_missing_zfit_is_answered_in_a_line(own_analysis, monkeypatch):
    monkeypatch.setattr(zfit_engine, "find_spec", lambda name: None)
    analysis = own_analysis()
    analysis.path.write_text(yaml.safe_dump(analysis.content | {"fit": SMOOTH | {"engine": "zfit"}}))
    with pytest.raises(ConfigError, match=r"fit\.engine = 'zfit': zfit is not installed: pip install") as raised:
        load(analysis.path)
    assert "\n" not in str(raised.value)
