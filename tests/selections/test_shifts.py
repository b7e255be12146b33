"""How columns of one particle move together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bumphunt.errors import InputError
from selections.cuts import Variable
from selections.events import event_hash, event_normals
from selections.lazy import LazyObservables
from selections.shifts import Shift, left_behind, moved_columns, moved_particles, refuse_others

TRACK = {q: f"daughter(0, {q})" for q in ("p", "px", "py", "pz", "pt", "E", "theta", "phi")}
RANKED = [f"getVariableByRank(gamma:roe, E, E, {rank})" for rank in (1, 2)]
TOTAL = "totalEnergyOfParticlesInList(gamma:roe)"


def track(n: int = 200, mass: float = 0.5) -> dict[str, Any]:
    """Return all columns of a track."""
    rng = np.random.default_rng(1)
    vector = rng.normal(0, 2, (3, n))
    p = np.sqrt((vector**2).sum(axis=0))
    values = {"p": p, "px": vector[0], "py": vector[1], "pz": vector[2], "pt": np.hypot(*vector[:2])}
    values |= {"E": np.hypot(p, mass), "theta": np.arccos(vector[2] / p), "phi": np.arctan2(vector[1], vector[0])}
    return {TRACK[q]: v for q, v in values.items()}


@pytest.mark.parametrize("named", ["p", "px", "pt"])
def test_scaled_track_keeps_mass_and_direction(named: str) -> None:
    columns = track()
    moved = columns | moved_columns(columns, moved_particles([TRACK[named]], list(columns)), lambda _: 1.1)
    p, px, py, pz, pt, e, theta, phi = (moved[TRACK[q]] for q in TRACK)
    np.testing.assert_allclose(p, 1.1 * columns[TRACK["p"]])
    np.testing.assert_allclose(p**2, px**2 + py**2 + pz**2)
    np.testing.assert_allclose(pt, np.hypot(px, py))
    np.testing.assert_allclose(e**2 - p**2, 0.25)
    np.testing.assert_allclose([np.arccos(pz / p), np.arctan2(py, px)], [theta, phi])


def test_photon_is_scaled_as_a_whole() -> None:
    columns = track(mass=0.0)
    moved = columns | moved_columns(columns, moved_particles([TRACK["E"]], list(columns)), lambda _: 0.9)
    for q in ("E", "p", "px", "pt"):
        np.testing.assert_allclose(moved[TRACK[q]], 0.9 * columns[TRACK[q]])


def test_names_without_spaces_and_of_ones_own_are_of_one_particle_too() -> None:
    assert [m.scaled for m in moved_particles(["daughter(0,p)"], ["daughter(0,p)", "daughter(0, pt)"])] == [
        ("daughter(0,p)", "daughter(0, pt)")
    ]
    (mine,) = moved_particles(["mu_px", "mu_py"], ["mu_px", "mu_py", "mu_charge", "e_px"])
    assert mine.scaled == ("mu_px", "mu_py")
    two = moved_particles(
        ["daughter(0, daughter(1, p))", "daughter(0, p)"], ["daughter(0, daughter(1, p))", TRACK["p"]]
    )
    assert [m.name for m in two] == ["daughter(0, daughter(1, {}))", "daughter(0, {})"]


def test_sum_of_energies_follows_those_that_move() -> None:
    columns = {RANKED[0]: np.array([2.0, 1.0]), RANKED[1]: np.array([1.0, np.nan]), TOTAL: np.array([3.5, 1.0])}
    moved = moved_columns(columns, moved_particles(RANKED, list(columns)), lambda _: 1.1)
    np.testing.assert_allclose(moved[TOTAL], [3.8, 1.1])
    assert np.isnan(moved[RANKED[1]][1])
    directly = moved_columns(columns, moved_particles([*RANKED, TOTAL], list(columns)), lambda _: 1.1)
    np.testing.assert_allclose(directly[TOTAL], [3.85, 1.1])


def test_energy_without_momentum_is_refused() -> None:
    with pytest.raises(InputError, match=r"'daughter\(0, pt\)' moves, but 'daughter\(0, E\)' cannot keep its mass"):
        moved_particles([TRACK["pt"]], [TRACK["pt"], TRACK["E"]])


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        (Variable(name="theta", unit="rad"), "'theta' is no momentum or energy .its unit is rad.: want one of .*p"),
        (Variable(name="mass"), r"'mass' is no momentum or energy .it has no unit.*Variable\(..., unit='GeV'\)"),
        (Variable(name="hits_p", jagged=True), "'hits_p' holds any number of values a row"),
    ],
)
def test_other_columns_are_refused(variable: Variable, message: str) -> None:
    known = {v.name: v for v in (variable, Variable(name=TRACK["p"], unit="GeV"))}
    with pytest.raises(InputError, match=message):
        refuse_others([variable.name], known)


def test_column_in_gev_may_be_named() -> None:
    refuse_others(["mass"], {"mass": Variable(name="mass", unit="GeV")})
    assert [m.columns for m in moved_particles(["mass"], ["mass", TRACK["p"]])] == [("mass",)]


@pytest.mark.parametrize(
    ("read", "stays"),
    [
        ("useCMSFrame(daughter(0, p))", True),
        ("M", True),
        ("useCMSFrame(E)", True),
        ("daughterInvM(0, 1)", True),
        ("daughter(0, theta)", False),
        ("daughter(1, p)", False),
        ("daughter(0, clusterE)", False),
        (TOTAL, False),
    ],
)
def test_what_is_made_of_moved_momenta_is_found(read: str, stays: bool) -> None:
    assert left_behind([TRACK["p"]], [TRACK["p"], read]) == (read if stays else None)
    assert left_behind([TRACK["p"], read], [TRACK["p"], read]) is None


@pytest.mark.parametrize(
    ("kind", "columns", "by", "message"),
    [
        ("scale", (), 0.1, "scale: names no column"),
        ("scale", ("p",), 0.6, "by = 0.6; a scale must be above 0 and at most 0.5"),
        ("scale", ("p",), 0.0, "by = 0; a scale must be above 0"),
        ("smear", ("p",), 1.0, "a smear must be above 0 and at most 0.1: a fraction, such as 0.01 for 1 %"),
        ("smear", ("p",), np.nan, "by = nan"),
    ],
)
def test_shift_out_of_range_is_refused(kind: Any, columns: tuple[str, ...], by: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Shift(name="s", kind=kind, columns=columns, by=by)


def test_random_numbers_of_an_event_are_its_own() -> None:
    keys = np.stack([np.zeros(5000, dtype=np.int64), np.arange(5000)], axis=-1)
    one, other = (event_normals(event_hash(keys), stream) for stream in ("a: daughter(0, {})", "a: daughter(1, {})"))
    order = np.random.default_rng(1).permutation(5000)
    np.testing.assert_array_equal(event_normals(event_hash(keys[order]), "a: daughter(0, {})"), one[order])
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05
    assert np.all(np.abs(one) < 8.3)


def test_columns_that_an_observable_was_made_of_are_known() -> None:
    columns = {"p": np.array([1.0, 2.0]), "q": np.array([0.0, 1.0]), "n": np.array([2, 3])}
    functions = {
        "_step": lambda o: o["p"] + 1,
        "sum": lambda o: o["_step"] + o["q"],
        # q is looked at where there are rows with n > 2
        "some": lambda o: o["q"] if np.any(o["n"] > 2) else o["n"],
    }
    lazy = LazyObservables(columns, functions)
    part = lazy.take(np.array([0]))
    assert part["sum"][0] == 2.0
    assert lazy.made_of("sum") == {"p", "q"}
    assert part["some"][0] == 2
    assert lazy.made_of("some") == {"n"}
    assert lazy["some"][1] == 1.0
    assert lazy.made_of("some") == {"n", "q"}
    again = lazy.with_columns({"p": np.array([5.0, 6.0])})
    assert again is not None
    np.testing.assert_array_equal(again["sum"], [6.0, 8.0])


def test_given_observables_may_be_made_of_all_columns() -> None:
    columns = {"p": np.array([1.0]), "n": np.array([2])}
    given = LazyObservables(columns, {}, known={"p": columns["p"], "double": 2 * columns["p"]})
    assert given.made_of("p") == {"p"}
    assert given.made_of("double") == {"p", "n"}
    assert given.with_columns({"p": np.array([2.0])}) is None
