"""Hypotheses of two masses, each with an axis of the spectrum: ee -> A' h' in the masses of a pair and its recoil."""

from __future__ import annotations

import numpy as np
import pytest
import uproot
import yaml
from matplotlib.figure import Figure
from scipy.stats import multivariate_normal, norm

from bumphunt.errors import ConfigError, InputError
from selections.search import Search
from workflows.chain import global_significance, impacts, prepare, status, study, up_to
from workflows.config.described import read_variables
from workflows.config.file import load
from workflows.ntuples.writing import write_tree
from workflows.results import read_json, read_table
from workflows.stages.showing.report import STAGE

SEARCH = """
from bumphunt.spectrum.axis import MASS
from selections.cuts import Cut, Selection, Variable
from selections.search import Binning, Coordinate, Model, Region, Search, SpectrumAxis


def observables(columns):
    return {name: columns[name] for name in ("m_pair", "m_recoil", "p")}


def selection(beams):
    return Selection(
        name="higgsstrahlung", observables=observables, spectrum="m_pair", axis=MASS,
        variables=tuple(Variable(name=n) for n in ("m_pair", "m_recoil", "p")),
        cuts=(Cut(name="momentum", observable="p", above=0.0, unit="GeV", description="", source=""),),
    )


SEARCH = Search(
    name="higgsstrahlung", final_state="mu mu + nothing", production="e^+e^-\\\\to A'h'", particle="A'",
    observable="mass of the pair and its recoil", reference="none", mass_range=(0.5, 5.0),
    coordinates=(Coordinate(name="m_higgs", meaning="mass of the dark Higgs", symbol="m_{h'}", unit="GeV"),),
    regions=(Region(
        name="mumu", description="pair", selection=selection, candidate="dimuon",
        binning=Binning(low=0.8, high=3.3, bins=500),
        axes=(SpectrumAxis(observable="m_recoil", axis=MASS, coordinate="m_higgs",
                           binning=Binning(low=3.2, high=6.8, bins=180)),),
    ),),
    model=Model(coupling="g", meaning="eps^2 alpha_D", reference="none", power=1.0,
                cross_section=lambda mass, sqrt_s, *, m_higgs: 1e3 * m_higgs / mass),
)
"""
MASSES, HIGGS = (1.0, 1.6, 2.3, 3.0), (4.0, 6.0)
GENERATED, EVENTS = 5000, 3000
RHO = -0.5


def resolutions(mass, higgs):
    """Along the mass of the pair, and along that of the recoil, which is better at high masses."""
    return 0.01 + 0.005 * mass, 0.12 - 0.01 * higgs + 0.01 * mass


def signal(n, mass, higgs, seed):
    a, b = resolutions(mass, higgs)
    covariance = [[a * a, RHO * a * b], [RHO * a * b, b * b]]
    return np.random.default_rng(seed).multivariate_normal([mass, higgs], covariance, n).T


def write(folder, name, pair, recoil):
    n = pair.size
    write_tree(
        folder / "n" / f"{name}.root",
        [{"__event__": np.arange(n, dtype=np.int32), "m_pair": pair, "m_recoil": recoil, "p": np.ones(n)}],
    )


def flat(n, seed):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.5, 3.5, n), rng.uniform(3.0, 7.0, n)


class Analysis:
    def __init__(self, folder):
        self.folder, self.path = folder, folder / "analysis.yaml"
        (folder / "n").mkdir()
        (folder / "search.py").write_text(SEARCH)
        pair, recoil = flat(6_000, 1)
        peak = signal(60, 2.0, 6.0, 2)
        write(folder, "data", np.append(pair, peak[0]), np.append(recoil, peak[1]))
        write(folder, "flat", *flat(30_000, 3))
        points = []
        for k, (mass, higgs) in enumerate((m, h) for h in HIGGS for m in MASSES):
            write(folder, f"s_{mass:g}_{higgs:g}", *signal(EVENTS, mass, higgs, 10 + k))
            files = [f"n/s_{mass:g}_{higgs:g}.root"]
            points.append({"mass": mass, "coordinates": {"m_higgs": higgs}, "files": files, "generated": GENERATED})
        self.content = {
            "channel": "search.py:SEARCH",
            "data": {"luminosity": 1.0, "files": ["n/data.root"], "pseudo": True},
            "samples": {"flat": {"files": ["n/flat.root"], "luminosity": 5.0}},
            "signal": {"points": points},
            "search": {"low": 1.0, "high": 3.0, "step": 3},
            "fit": {"method": "counting"},
        }

    def load(self):
        self.path.write_text(yaml.safe_dump(self.content))
        return load(self.path)

    def make(self, verb):
        results = self.folder / "results"
        for step in up_to(prepare(self.load(), results), verb):
            step.run()
        return results


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """The analysis by counting, made once: the analysis, and its results."""
    own = Analysis(tmp_path_factory.mktemp("higgsstrahlung"))
    return own, own.make("limits")


def test_each_hypothesis_counts_a_box_that_follows_both_resolutions(counted):
    own, results = counted
    table = read_table(results / "limits", "limits")
    assert list(table)[:4] == ["mass", "m_higgs", "window_m_higgs_lo", "window_m_higgs_hi"]
    data = uproot.open(own.folder / "n" / "data.root")["events"]
    pair, recoil = (data[name].array(library="np") for name in ("m_pair", "m_recoil"))
    for row in range(0, table["mass"].size, 7):
        one = {name: column[row] for name, column in table.items()}
        a, b = resolutions(one["mass"], one["m_higgs"])
        low, high = one["window_m_higgs_lo"], one["window_m_higgs_hi"]
        assert high - low == pytest.approx(4 * b, abs=0.25 * b), "the nearest bins, and the error of 3000 events"
        assert 0.5 * (high + low) == pytest.approx(one["m_higgs"], abs=0.2 * b)
        assert one["resolution"] == pytest.approx(a, rel=0.15)
        inside = (pair >= one["window_lo"]) & (pair < one["window_hi"]) & (recoil >= low) & (recoil < high)
        assert one["n_obs"] == np.count_nonzero(inside)
        area = (one["window_hi"] - one["window_lo"]) * (high - low) / 12.0
        assert one["n_bkg"] == pytest.approx(6_000 * area, rel=0.35)
        # the efficiency is that of the band: the part of the box along the first axis is in the limit on n_sig
        assert one["efficiency"] == pytest.approx(0.6 * (norm.cdf(2.0) - norm.cdf(-2.0)), rel=0.04)
    assert np.ptp(table["window_m_higgs_hi"][table["m_higgs"] == 6.0]) > 0.02, "it widens with the mass"


def test_the_fraction_of_a_correlated_signal_in_its_box_is_that_of_the_two_dimensional_gaussian(counted):
    """n_sig over what is counted beyond the background, against SciPy's bivariate distribution."""
    _, results = counted
    table = read_table(results / "limits", "limits")
    best = int(np.argmax(table["z0"]))
    one = {name: column[best] for name, column in table.items()}
    assert (one["m_higgs"], one["mass"]) == (6.0, pytest.approx(2.0, abs=0.06))
    a, b = resolutions(one["mass"], 6.0)
    shape = multivariate_normal([one["mass"], 6.0], [[a * a, RHO * a * b], [RHO * a * b, b * b]])
    low, high = (one["window_lo"], one["window_m_higgs_lo"]), (one["window_hi"], one["window_m_higgs_hi"])
    box = float(shape.cdf(np.array(high), lower_limit=np.array(low)))
    band = norm.cdf((high[1] - 6.0) / b) - norm.cdf((low[1] - 6.0) / b)
    assert (one["n_obs"] - one["n_bkg"]) / one["n_sig"] == pytest.approx(box / band, rel=0.02)
    assert one["z0"] > 5
    assert one["coupling_ul_obs"] == pytest.approx(one["xsec_ul_obs"] / (1e3 * 6.0 / one["mass"]))


def test_figures_are_projections_and_maps(counted, tmp_path, monkeypatch):
    """All are made, and none is painted, which takes most of the time."""
    own, results = counted
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **how: path.touch())
    STAGE.make(prepare(own.load(), results), tmp_path)
    made = {path.stem for path in tmp_path.glob("*.png")}
    assert {"spectrum", "spectrum_m_recoil", "p0_map", "limit_coupling_map"} <= made
    assert {"limit_coupling_m_higgs_4", "limit_coupling_compared"} <= made


def test_the_scan_depends_on_the_band(counted, tmp_path):
    own, results = counted
    path = own.folder / "narrow.yaml"
    path.write_text(yaml.safe_dump(own.content | {"fit": own.content["fit"] | {"band": 1.5}}))
    stale = {stage.name: stage.reasons for stage in status(prepare(load(path), results)) if stage.reasons}
    assert set(stale) == {"scan", "report"}  # the report was never made
    assert any("band" in reason for reason in stale["scan"])


def test_impacts_see_the_box_and_toys_of_the_whole_are_refused(counted):
    own, results = counted
    job = prepare(own.load(), results)
    step = impacts(job, 2.0, {"m_higgs": 4.0})
    step.run()
    found = read_json(step.folder / "impacts.json")
    table = read_table(results / "limits", "limits")
    near = int(np.argmin(abs(table["mass"] - 2.0) + 10 * abs(table["m_higgs"] - 4.0)))
    assert found["limit_exp"] == pytest.approx(table["n_sig_ul_exp"][near], rel=0.2)
    with pytest.raises(ConfigError, match="its own band of a spectrum with several axes"):
        global_significance(job, 100)


def test_coverage_is_that_of_the_boxes_of_a_point(counted):
    own, results = counted
    step = study(prepare(own.load(), results), "coverage", (2.0, 1.5), {"m_higgs": 4.0})
    step.run()
    found = read_json(step.folder / "coverage.json")
    assert found["findings"]["mass"] == [1.5] * 4 + [2.0] * 4
    assert found["verdict"] == "passed"
    assert min(found["findings"]["value"]) >= 0.9


@pytest.mark.parametrize("method", ["smooth", "templates"])
def test_a_fit_along_one_axis_in_the_band_of_the_other_finds_the_peak(tmp_path, method):
    own = Analysis(tmp_path)
    own.content["fit"] = {"method": method, "limit": "asymptotic", "significance": "asymptotic"}
    if method == "smooth":
        own.content["fit"]["background"] = {"family": "bernstein", "order": 1}
    own.content["search"] |= {"low": 1.8, "high": 2.2, "step": 0.5 if method == "smooth" else 2}
    table = read_table(own.make("limits") / "limits", "limits")
    best = int(np.nanargmax(table["z0"]))
    assert table["m_higgs"][best] == 6.0
    assert table["mass"][best] == pytest.approx(2.0, abs=0.03)
    assert table["n_sig"][best] == pytest.approx(60 * 0.95, abs=25)


def test_bins_wider_than_the_resolution_are_refused(tmp_path):
    own = Analysis(tmp_path)
    (tmp_path / "search.py").write_text(SEARCH.replace("bins=180", "bins=18"))
    with pytest.raises(InputError, match=r"region 'mumu', axis 'm_recoil': bins of 0.2 are wider than the resolution"):
        own.make("scan")


def test_between_simulated_values_of_the_second_mass_nothing_is_missed(tmp_path):
    """A peak half way between two simulated masses of the Higgs, which no hypothesis at these would see."""
    own = Analysis(tmp_path)
    pair, recoil = flat(6_000, 1)
    peak = signal(60, 2.0, 5.0, 2)
    write(tmp_path, "data", np.append(pair, peak[0]), np.append(recoil, peak[1]))
    own.content["search"] |= {"low": 1.7, "high": 2.3, "step": 1.5, "between": True}
    results = own.make("limits")
    table = read_table(results / "limits", "limits")
    rows = np.unique(table["m_higgs"])
    assert rows[[0, -1]].tolist() == [4.0, 6.0]
    steps = np.diff(rows)
    assert np.all(steps < 1.5 * 0.1)  # of the best resolution, that of a Higgs of 6 GeV and a pair of 1 GeV is 0.07
    np.testing.assert_allclose(steps, steps[0])
    best = int(np.argmax(table["z0"]))
    one = {name: column[best] for name, column in table.items()}
    assert (one["mass"], one["m_higgs"]) == (pytest.approx(2.0, abs=0.03), pytest.approx(5.0, abs=0.11))
    _, b = resolutions(one["mass"], one["m_higgs"])
    assert one["window_m_higgs_hi"] - one["window_m_higgs_lo"] == pytest.approx(4 * b, abs=0.3 * b)
    assert one["efficiency"] == pytest.approx(0.6 * (norm.cdf(2.0) - norm.cdf(-2.0)), rel=0.05)
    assert one["n_sig"] == pytest.approx(60 * 0.95, abs=25)
    at_simulated = table["z0"][np.isin(table["m_higgs"], (4.0, 6.0))]
    assert one["z0"] > 5 > at_simulated.max()
    job = prepare(load(own.path), results)
    step = impacts(job, 2.0, {"m_higgs": 5.03})
    step.run()
    assert read_json(step.folder / "impacts.json")["m_higgs"] == 5.03
    with pytest.raises(ConfigError, match=r"m_higgs = 6\.5 GeV is no point"):
        impacts(job, 2.0, {"m_higgs": 6.5})


EDITS = {
    "fit: {method: smooth, unbinned: true}": "fit.unbinned: the spectrum of region 'mumu' has several axes",
    "fit: {method: smooth, slices: {observable: p, edges: [0, 1, 2]}}": "fit.slices: the spectrum",
    "samples: {flat: {files: n/flat.root, luminosity: 5, smooth: {low: 1, high: 2, knots: 3, scale: 1}}}": "smooth",
    "fit: {method: counting, band: 0}": "fit.band",
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_is_for_one_axis_is_refused(tmp_path, edit):
    own = Analysis(tmp_path)
    own.content |= yaml.safe_load(edit)
    with pytest.raises(ConfigError, match=EDITS[edit]):
        own.load()


def test_the_listing_says_that_both_axes_are_read_for_the_spectrum(tmp_path):
    own = Analysis(tmp_path)
    search = own.load().about.search
    found = {variable.name: variable.needed for variable in read_variables(search, search.regions[0])}
    assert found["m_pair"] == found["m_recoil"] == "spectrum"
    assert found["p"] == "cuts: momentum"


def test_nothing_is_searched_between_values_without_an_axis(tmp_path):
    own = Analysis(tmp_path)
    text = SEARCH[: SEARCH.index("        axes=(")] + SEARCH[SEARCH.index("    ),),\n    model=") :]
    (tmp_path / "search.py").write_text(text)
    own.content["search"]["between"] = True
    with pytest.raises(ConfigError, match=r"search\.between: region 'mumu' has no second axis"):
        own.load()


def test_an_axis_of_a_coordinate_that_there_is_not_is_refused(tmp_path):
    (tmp_path / "search.py").write_text(SEARCH.replace('coordinate="m_higgs"', 'coordinate="m_hggs"'))
    with pytest.raises(InputError, match="did you mean 'm_higgs'"):
        exec(compile((tmp_path / "search.py").read_text(), "search.py", "exec"), {"__name__": "search"})
    assert Search.__name__ == "Search"
