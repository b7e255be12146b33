"""Decays of a number of parents, in place of a luminosity: limits on branching fractions."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from bumphunt.errors import ConfigError
from workflows.config.file import load
from workflows.results import read_json, read_table

PARENTS = 121.3e6


@pytest.fixture
def decays(own_analysis):
    """An analysis of which the data are decays of a number of parents."""
    own = own_analysis()
    own.content["data"] = {"parents": PARENTS, "parents_uncertainty": 0.009, "files": ["n/data*.root"], "pseudo": True}
    own.content["samples"] = {
        "flat": {"files": ["n/flat*.root"], "branching_fraction": 1e-4, "generated": 1e-4 * 2 * PARENTS}
    }
    (own.folder / "model.py").write_text("def model(mass, sqrt_s):\n    return 1e-3 + 0 * mass\n")
    own.content["model"] = "model.py:model"
    return own


def test_limits_are_on_the_branching_fraction(decays):
    results = decays.make("report")
    table = read_table(results / "limits", "limits")
    assert not any(name.startswith("xsec") for name in table)
    expected = table["n_sig_ul_obs"] / (PARENTS * table["efficiency"])
    np.testing.assert_allclose(table["br_ul_obs"], expected, rtol=1e-12)
    np.testing.assert_allclose(table["coupling_ul_obs"], np.sqrt(table["br_ul_obs"] / 1e-3), rtol=1e-12)
    about = read_json(results / "limits" / "limits.json")
    assert about["parents"] == PARENTS
    assert about["branching_fraction"] == r"\mathcal{B}(e^+e^-)"
    assert about["units"]["br"] == "none"
    assert {"limit_branching_fraction.png", "limit_coupling.png"} <= {p.name for p in (results / "report").iterdir()}


def test_they_are_those_of_a_luminosity_of_as_many(decays):
    """A number of parents is to a branching fraction what a luminosity is to a cross section."""
    table = read_table(decays.make("limits") / "limits", "limits")
    decays.content["data"] = {"luminosity": 1.0, "luminosity_uncertainty": 0.009, "files": ["n/data*.root"]}
    decays.content["data"]["pseudo"] = True
    decays.content["samples"] = {"flat": {"files": ["n/flat*.root"], "luminosity": 2.0}}
    same = read_table(decays.make("limits") / "limits", "limits")
    for name in ("n_bkg", "n_sig_ul_obs", "n_sig_ul_exp", "p0"):
        np.testing.assert_allclose(table[name], same[name], rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(table["br_ul_obs"], same["xsec_ul_obs"] / PARENTS, rtol=1e-9)


@pytest.mark.parametrize(
    ("data", "sample", "says"),
    [
        ({"luminosity": 1.0}, {}, "'parents' stands in place of 'luminosity'"),
        ({}, {"luminosity": 2.0}, "files need either 'luminosity' or both"),
        ({}, {"branching_fraction": None, "generated": None, "luminosity": 2.0}, "say parents, or branching_fraction"),
        ({"parents": None, "parents_uncertainty": 0.0, "luminosity": 1.0}, {}, "say luminosity, or cross_section"),
        ({"parents": None}, {}, "'parents_uncertainty' is given, but no 'parents'"),
    ],
)
def test_what_does_not_go_together_is_refused(decays, data, sample, says):
    for part, changes in ((decays.content["data"], data), (decays.content["samples"]["flat"], sample)):
        part.update(changes)
        for name in [name for name, value in part.items() if value is None]:
            del part[name]
    decays.path.write_text(yaml.safe_dump(decays.content))
    with pytest.raises(ConfigError, match=says):
        load(decays.path)
