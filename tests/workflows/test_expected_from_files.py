"""Simulation on files and no data: Asimov data, and pseudo-data that are drawn from it."""

import numpy as np
import pytest

from bumphunt.errors import ConfigError


def column(rows, name):
    return np.array([float(row[name]) if row[name] else np.nan for row in rows])


def test_asimov_data_are_what_the_samples_expect(own_analysis):
    made = own_analysis()
    made.content["data"] = {"luminosity": 1.0, "asimov": True}
    made.content["fit"] = {"method": "templates", "limit": "asymptotic"}
    rows = made.limits()
    assert {row["valid"] for row in rows} == {"true"}
    np.testing.assert_allclose(column(rows, "n_obs"), column(rows, "n_bkg"), rtol=1e-3)
    np.testing.assert_allclose(column(rows, "z0"), 0.0, atol=1e-3)
    np.testing.assert_allclose(column(rows, "n_sig_ul_obs"), column(rows, "n_sig_ul_exp"), rtol=1e-3)
    # twice the luminosity is twice the background
    made.content["data"]["luminosity"] = 2.0
    np.testing.assert_allclose(column(made.limits(), "n_obs"), 2 * column(rows, "n_obs"), rtol=1e-6)


def test_pseudo_data_are_drawn_from_samples_on_files(own_analysis):
    made = own_analysis()
    made.content["data"] = {"luminosity": 1.0, "simulate": {"draw_from": "expectation"}}
    first = column(made.limits(), "n_obs")
    assert np.all(first == np.rint(first))
    np.testing.assert_array_equal(column(made.limits(), "n_obs"), first)
    made.content["seed"] = 2
    assert np.any(column(made.limits(), "n_obs") != first)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"luminosity": 1.0, "simulate": {}}, "from samples on files, say draw_from: expectation"),
        ({"asimov": True}, "'asimov' needs the 'luminosity'"),
        ({"luminosity": 1.0, "asimov": True, "files": ["n/data.root"]}, "give one of"),
        (
            {"luminosity": 1.0, "simulate": {"draw_from": "expectation", "inject": [{"mass": 4.0, "coupling": 1.0}]}},
            "coupling of a signal that is not simulated here is not known",
        ),
    ],
)
def test_what_cannot_be_drawn_is_said(own_analysis, data, says):
    made = own_analysis()
    made.content["data"] = data
    with pytest.raises(ConfigError, match=says):
        made.limits()


def test_nothing_is_expected_without_samples(own_analysis):
    made = own_analysis()
    made.content |= {"data": {"luminosity": 1.0, "asimov": True}, "samples": {}, "fit": {"method": "smooth"}}
    with pytest.raises(ConfigError, match=r"data.asimov: what is expected is the sum of samples"):
        made.limits()
