"""Data that are a histogram already: of every format, with unequal bins, as counts, sums of weights or densities."""

import csv
import json

import hist
import numpy as np
import pytest
import uproot
import yaml
from uhi.io import json as uhi_json

import bumphunt as bh
from bumphunt.errors import BumphuntError, ConfigError
from workflows.chain import prepare, up_to
from workflows.config.file import load

EDGES = np.concatenate([np.linspace(2.0, 3.0, 101)[:-1], np.linspace(3.0, 4.0, 61)])
"""Bins of two widths."""
PEAK, SIGMA = 2.6, 0.03


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(2)
    values = np.concatenate([2.0 + rng.exponential(1.0, 20_000), rng.normal(PEAK, SIGMA, 500)])
    return np.histogram(values, EDGES)[0].astype(float)


def stored(counts, weights=None):
    """Return a histogram of hist."""
    storage = hist.storage.Weight() if weights is not None else hist.storage.Double()
    found = hist.Hist(hist.axis.Variable(EDGES, name="m"), storage=storage)
    if weights is None:
        found[...] = counts
    else:
        found.view().value, found.view().variance = counts * weights, counts * weights**2
    return found


def write(folder, counts):
    """Write the counts in every format; return the YAML's words for each."""
    with uproot.recreate(folder / "h.root") as file:
        file["spectrum"] = stored(counts)
        file["other"] = stored(counts * 2)
    rows = list(zip(EDGES[:-1].tolist(), EDGES[1:].tolist(), counts.tolist(), strict=True))
    (folder / "h.csv").write_text("\n".join(["low,high,count", *(",".join(map(repr, row)) for row in rows)]))
    bins = [{"low": low, "high": high} for low, high, _ in rows]
    column = {"header": {"name": "N"}, "values": [{"value": n} for _, _, n in rows]}
    table = {"independent_variables": [{"header": {"name": "M"}, "values": bins}], "dependent_variables": [column]}
    (folder / "h.yaml").write_text(yaml.safe_dump(table))
    (folder / "h.json").write_text(json.dumps(stored(counts), default=uhi_json.default))
    return [{"file": "h.root", "name": "spectrum"}, {"file": "h.csv"}, {"file": "h.yaml"}, {"file": "h.json"}]


def content(histogram, **data):
    return {
        "channel": "spectrum",
        "data": {"histogram": histogram, **data},
        "signal": {"resolution": SIGMA},
        "search": {"low": 2.3, "high": 3.4, "step": 3},
        "unblind": True,
    }


def run(folder, settings, verb="limits"):
    (folder / "a.yaml").write_text(yaml.safe_dump(settings))
    for step in up_to(prepare(load(folder / "a.yaml"), folder / "results"), verb):
        step.run()
    if verb == "check":
        return []
    with (folder / "results" / "limits" / "limits.csv").open() as file:
        return list(csv.DictReader(file))


def column(rows, name):
    return np.array([float(row[name]) if row[name] else np.nan for row in rows])


def test_every_format_gives_the_same_table_with_the_peak(tmp_path, counts):
    tables = [run(tmp_path, content(histogram)) for histogram in write(tmp_path, counts)]
    for table in tables[1:]:
        assert table == tables[0]
    rows = tables[0]
    near = int(np.argmin(abs(column(rows, "mass") - PEAK)))
    assert int(np.argmax(column(rows, "z0"))) == near
    # unequal bins are kept: the same fit by hand, in the bins of the window
    low, high = column(rows, "window_lo")[near], column(rows, "window_hi")[near]
    first, last = (int(np.argmin(abs(EDGES - end))) for end in (low, high))
    at = bh.region(
        "window",
        counts=counts[first:last],
        edges=EDGES[first : last + 1],
        signal=bh.gaussian(column(rows, "mass")[near], SIGMA),
        backgrounds=bh.BackgroundModel("bernstein", 3),
    )
    assert column(rows, "n_obs")[near] == counts[first:last].sum()
    assert column(rows, "n_sig")[near] == pytest.approx(bh.fit(at).n_sig, rel=0.02)  # by bins of a quarter resolution


def test_figures_and_list_of_inputs_know_the_histogram(tmp_path, counts):
    histogram = write(tmp_path, counts)[1]
    run(tmp_path, content(histogram, luminosity=2.0), "report")
    figures = {path.stem for path in (tmp_path / "results" / "report").glob("*.png")}
    assert figures == {"spectrum", "signal", "p0", "limit_cross_section"}
    with (tmp_path / "results" / "check" / "inputs.csv").open() as file:
        assert [row["format"] for row in csv.DictReader(file)] == ["histogram"]


def test_blinded_bins_are_not_written(tmp_path, counts):
    settings = content(write(tmp_path, counts)[1]) | {"unblind": False}
    rows = run(tmp_path, settings)
    assert {row["flags"] for row in rows} == {"no_expectation;blinded"}
    with uproot.open(tmp_path / "results" / "spectra" / "spectra.root") as file:
        found = file["all/data/after"].values()
    inside = (EDGES[1:] > 2.3) & (EDGES[:-1] < 3.4)
    assert np.all(found[inside] == 0.0)
    np.testing.assert_array_equal(found[~inside], counts[~inside])
    rows = run(tmp_path, settings | {"blinding": "sidebands"})
    assert all(row["valid"] == "true" for row in rows)


def test_densities_are_counts_over_the_width(tmp_path, counts):
    plain = run(tmp_path, content(write(tmp_path, counts)[1]))
    with uproot.recreate(tmp_path / "d.root") as file:
        file["d"] = stored(counts / np.diff(EDGES))
    (tmp_path / "part.csv").write_text("2.2,2.8,0.5\n2.8,3.5,0.25\n")
    with pytest.raises(ConfigError, match=r"a.yaml:\d+: data.histogram: .*bin 1, from 2.2, holds 0.5, which is no"):
        run(tmp_path, content({"file": "part.csv"}))
    with pytest.raises(ConfigError, match=r"holds 0.5 times the width of the bin, which is no number"):
        run(tmp_path, content({"file": "part.csv"}, counts="density"))
    assert run(tmp_path, content({"file": "d.root"}, counts="density")) == plain


def test_weights_that_are_the_same_change_nothing_but_the_cross_section(tmp_path, counts):
    plain = run(tmp_path, content(write(tmp_path, counts)[1], luminosity=2.0))
    with uproot.recreate(tmp_path / "w.root") as file:
        file["w"] = stored(counts, weights=2.5)
    with pytest.raises(ConfigError, match=r"say data\.counts: weighted"):
        run(tmp_path, content({"file": "w.root"}, luminosity=2.0))
    weighted = run(tmp_path, content({"file": "w.root"}, luminosity=2.0, counts="weighted"))
    for name in ("n_sig", "z0", "n_sig_ul_obs", "n_sig_ul_exp"):
        np.testing.assert_allclose(column(weighted, name), column(plain, name), rtol=1e-5)
    np.testing.assert_allclose(column(weighted, "xsec_ul_exp"), 2.5 * column(plain, "xsec_ul_exp"), rtol=1e-5)


def test_weights_that_vary_with_mass_are_those_of_the_peak(tmp_path, counts):
    centres = 0.5 * (EDGES[1:] + EDGES[:-1])
    with uproot.recreate(tmp_path / "w.root") as file:
        file["w"] = stored(counts, weights=200 / centres)
    plain = run(tmp_path, content(write(tmp_path, counts)[1], luminosity=2.0))
    weighted = run(tmp_path, content({"file": "w.root"}, luminosity=2.0, counts="weighted"))
    ratio = column(weighted, "xsec_ul_exp") / column(plain, "xsec_ul_exp")
    np.testing.assert_allclose(ratio, 200 / column(plain, "mass"), rtol=1e-3)


WRONG = {
    "nothing.csv": ({"file": "nothing.csv"}, {}, "there is no such file"),
    "pickle": ({"file": "h.pkl"}, {}, "a pickled histogram is not opened"),
    "name": ({"file": "h.root", "name": "spectrun"}, {}, "did you mean 'spectrum'"),
    "several": ({"file": "h.root"}, {}, "holds 2 TH1s; say the name of one: spectrum, other"),
    "no name": ({"file": "h.csv", "name": "x"}, {}, "a table of bins has no names"),
    "gap": ({"file": "gap.csv"}, {}, "bin 2 begins at 2.5, and the one before it ends at 2.4"),
    "word": ({"file": "word.csv"}, {}, r"word.csv:2: '2.4,2.5,many'"),
    "cut": ({"file": "cut.root"}, {}, "truncated"),
    "no errors": ({"file": "h.csv"}, {"counts": "weighted"}, "need their errors"),
    "column": ({"file": "h.csv"}, {"column": "M"}, "'column' is one of 'files'"),
    "both": ({"file": "h.csv"}, {"files": ["h.root"]}, "give one of 'files', 'histogram'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_a_line(tmp_path, counts, case):
    write(tmp_path, counts)
    (tmp_path / "gap.csv").write_text("2.3,2.4,5\n2.5,2.6,4\n")
    (tmp_path / "word.csv").write_text("2.3,2.4,5\n2.4,2.5,many\n")
    (tmp_path / "cut.root").write_bytes((tmp_path / "h.root").read_bytes()[:700])
    histogram, data, says = WRONG[case]
    with pytest.raises(BumphuntError, match=says) as caught:
        run(tmp_path, content(histogram, **data), "check")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"spectrum": {"low": 2, "high": 4, "bins": 9}}, {"fit": {"unbinned": True}}])
def test_bins_of_a_histogram_are_all_there_is(tmp_path, counts, change):
    settings = content(write(tmp_path, counts)[1]) | change
    with pytest.raises(ConfigError, match="whose bins are all that is known"):
        run(tmp_path, settings, "check")


def test_region_of_python_takes_a_histogram_of_uproot(tmp_path, counts):
    write(tmp_path, counts)
    with uproot.open(tmp_path / "h.root") as file:
        found = bh.region(
            "r",
            counts=file["spectrum"],
            signal=bh.gaussian(PEAK, SIGMA),
            backgrounds=bh.BackgroundModel("bernstein", 3),
        )
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_array_equal(found.edges, EDGES)
