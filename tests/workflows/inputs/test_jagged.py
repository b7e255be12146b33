"""Branches with any number of values a row reach the search as awkward arrays."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
import uproot

from bumphunt.errors import ConfigError, InputError, NtupleError
from workflows.products.processed import read_processed


def own_lists(analysis):
    """Let the search take the largest of a list of momenta, which may be empty, for its momentum."""
    path = analysis.folder / "peak.py"
    text = path.read_text().replace('"p": columns["p"]', '"p": ak.fill_none(ak.max(columns["momenta"], axis=1), 0.0)')
    text = text.replace('"mass", "p", "tracks"', '"mass", "tracks"')
    text = text.replace("variables=tuple(", 'variables=(Variable(name="momenta", jagged=True),) + tuple(')
    path.write_text("import awkward as ak\n" + text)


def lists(columns, kind, seed=5):
    """Replace the momentum by a list of it and some that are smaller; of none where it is below 0.2."""
    rng = np.random.default_rng(seed)
    p = columns["p"].astype(kind)
    number = np.where(p < 0.2, 0, rng.integers(1, 5, p.size))
    values = np.repeat(p, number) * np.where(rng.random(number.sum()) < 0.5, 1.0, 0.5)
    values[np.cumsum(number)[number > 0] - 1] = p[number > 0]
    return {n: v for n, v in columns.items() if n != "p"} | {"momenta": ak.unflatten(values.astype(kind), number)}


def write(analysis, name, content, kind="TTree"):
    """Write a file with lists."""
    path = analysis.folder / "n" / f"{name}.root"
    path.unlink(missing_ok=True)
    with uproot.recreate(path) as file:
        if kind == "RNTuple":
            file.mkrntuple("events", content)
        else:
            file.mktree("events", {n: v.type if isinstance(v, ak.Array) else v.dtype for n, v in content.items()})
            for rows in (slice(0, 300), slice(300, None)):
                file["events"].extend({n: v[rows] for n, v in content.items()})


@pytest.fixture
def with_lists(own_analysis, columns):
    """Return what makes an analysis whose files hold lists of momenta."""

    def make(kind="f4", file="TTree"):
        analysis = own_analysis()
        own_lists(analysis)
        contents = {"data": columns(2500), "flat": columns(5000, seed=2)}
        contents |= {f"signal_{m}": columns(500, seed=m, mass=float(m)) for m in (2, 4, 6, 8)}
        for name, content in contents.items():
            write(analysis, name, lists(content, kind), file)
        return analysis

    return make


@pytest.mark.parametrize(("kind", "file"), [("f4", "TTree"), ("f8", "TTree"), ("f4", "RNTuple"), ("f8", "RNTuple")])
def test_search_reads_lists_as_it_reads_numbers(with_lists, own_analysis, kind, file):
    jagged, plain = (
        read_processed(a.make("process") / "process", data_luminosity=1.0)
        for a in (with_lists(kind, file), own_analysis())
    )
    for sample in ("data", "flat"):
        assert jagged.cutflows["all"][sample].raw.tolist() == plain.cutflows["all"][sample].raw.tolist()
        np.testing.assert_array_equal(jagged.cutflows["all"][sample].sum_w, plain.cutflows["all"][sample].sum_w)


def test_limits_of_lists_are_those_of_numbers(with_lists, own_analysis):
    assert with_lists("f8").limits() == own_analysis().limits()


def test_nan_in_a_list_is_said_with_its_entry(with_lists, columns):
    analysis = with_lists()
    content = lists(columns(5000, seed=2), "f4")
    flat = ak.to_numpy(ak.flatten(content["momenta"])).copy()
    number = ak.num(content["momenta"])
    entry = int(np.flatnonzero(ak.to_numpy(number))[400])
    flat[int(ak.sum(number[:entry]))] = np.nan
    write(analysis, "flat", content | {"momenta": ak.unflatten(flat, number)})
    with pytest.raises(NtupleError, match=rf"branch 'momenta' is nan in entry {entry} \(1 such"):
        analysis.make("check")


def test_number_where_a_list_is_wanted_is_refused(with_lists, columns):
    analysis = with_lists()
    content = columns(5000, seed=2)
    analysis.write("flat", content | {"momenta": content["p"]})
    with pytest.raises(
        NtupleError, match=r"flat\.root: tree 'events': branch 'momenta' holds double, no list of numbers"
    ):
        analysis.make("check")


def test_list_where_a_number_is_wanted_says_how_it_is_read(own_analysis, columns):
    analysis = own_analysis()
    content = lists(columns(5000, seed=2), "f4")
    write(analysis, "flat", content | {"p": content["momenta"]})
    with pytest.raises(
        NtupleError, match=r"branch 'p' holds .*not one number a row \(a list of numbers: `jagged=True`"
    ):
        analysis.make("check")


@pytest.mark.parametrize("observable", ['columns["momenta"]', 'ak.max(columns["momenta"], axis=1)'])
def test_observable_without_one_number_a_row_says_what_to_do(with_lists, observable):
    analysis = with_lists()
    path = analysis.folder / "peak.py"
    text = path.read_text()
    path.write_text(text.replace('ak.fill_none(ak.max(columns["momenta"], axis=1), 0.0)', observable))
    with pytest.raises(InputError, match=r"observable 'p' holds .*, not one number a row: reduce lists"):
        analysis.make("check")


def test_list_cannot_be_kept_of_events(with_lists):
    analysis = with_lists()
    analysis.content["ntuples"] = {"candidates": {"best": "highest", "variable": "momenta"}}
    with pytest.raises(InputError, match=r"region 'all': 'momenta' holds any number of values a row"):
        analysis.make("check")


def test_constant_in_the_place_of_a_list_is_refused(with_lists):
    analysis = with_lists()
    analysis.content["ntuples"] = {"constants": {"momenta": 1.0}}
    with pytest.raises(ConfigError, match=r"ntuples\.constants\.momenta: region 'all' reads a list of numbers"):
        analysis.make("check")
