"""Optimised cuts: published Punzi numbers, planted optima, and the same by brute force over the events."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bumphunt.cuts import best as opt
from bumphunt.cuts.best import FigureOfMerit, SignalPoint, best_cuts
from bumphunt.cuts.table import CutTable
from bumphunt.cuts.tensor import CountTensor, VetoAxis, fill_tensor
from bumphunt.errors import InputError
from bumphunt.spectrum.axis import MASS, reduced

THRESHOLDS = np.linspace(0, 3, 7)
AXES = tuple(VetoAxis(name=name, thresholds=THRESHOLDS) for name in ("lmax", "lmin", "pair"))
GENERATED = 4000.0
EXACT = FigureOfMerit(background_error=0.0)


def resolution(mass: float) -> float:
    return 0.3


@pytest.mark.parametrize(
    ("background", "a", "b", "expected"),
    # Punzi, physics/0308063, evaluated independently
    [
        (0.0, 3, 1.28155, 3.083), (0.1, 3, 1.28155, 4.759), (1.0, 3, 1.28155, 7.954), (5.0, 3, 1.28155, 13.432),
        (10.0, 3, 1.28155, 17.466), (100.0, 3, 1.28155, 46.90), (1000.0, 3, 1.28155, 139.5),
        (0.0, 5, 1.645, 6.351), (1.0, 5, 1.645, 14.25), (10.0, 5, 1.645, 29.28), (100.0, 5, 1.645, 75.19),
    ],
)  # fmt: skip
def test_minimum_signal_is_punzis(background: float, a: float, b: float, expected: float) -> None:
    assert opt.punzi_minimum_signal(background, a=a, b=b) == pytest.approx(expected, rel=5e-4)


def test_full_figure_of_merit_becomes_proportional_to_the_simple_one_at_large_background() -> None:
    # S_min -> (a + b) sqrt(B), and a/2 + sqrt(B) -> sqrt(B)
    ratio = opt.punzi_simple(0.3, 1e12, a=3) / opt.punzi_full(0.3, 1e12, a=3, b=1.28155)
    assert ratio == pytest.approx(3 + 1.28155, rel=1e-5)


@pytest.mark.parametrize(("background", "a", "b"), [(-1.0, 3, 1), (float("nan"), 3, 1), (1.0, 0, 1), (1.0, 3, -1)])
def test_impossible_arguments_of_punzi_raise(background: float, a: float, b: float) -> None:
    with pytest.raises(InputError, match="must"):
        opt.punzi_minimum_signal(background, a=a, b=b)


def test_mass_bins_are_as_wide_as_asked_and_cover_the_range() -> None:
    edges = opt.mass_bins(lambda m: 0.3 - 0.02 * m, low=0.5, high=8.0, width=4.0)
    assert edges[0] == 0.25
    assert edges[-2] < 64 <= edges[-1]
    np.testing.assert_allclose(np.diff(edges), 4 * (0.3 - 0.02 * np.sqrt(edges[:-1])))


@pytest.mark.parametrize(
    ("low", "high", "sigma", "message"),
    [(2.0, 1.0, 0.3, "ordered"), (-1.0, 1.0, 0.3, "ordered"), (1.0, 2.0, 0.0, "positive"), (1.0, 2.0, np.nan, "nan")],
)
def test_impossible_mass_bins_raise(low: float, high: float, sigma: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        opt.mass_bins(lambda m: sigma, low=low, high=high)


def observables(rng: np.random.Generator, n: int, scale: float) -> dict[str, NDArray[np.float64]]:
    return {axis.name: rng.exponential(scale, n) for axis in AXES}


def background_tensor(edges: NDArray[np.float64], *, n: int = 4000, seed: int = 1) -> tuple[CountTensor, Any]:
    rng = np.random.default_rng(seed)
    obs, m2 = observables(rng, n, 0.6), rng.uniform(edges[0], edges[-1], n)
    half, weights = rng.integers(0, 2, n), rng.uniform(0.01, 0.1, n)
    tensor = fill_tensor(m2, obs, weights=weights, half=half, edges=edges, axes=AXES)
    return tensor, (m2, obs, weights, half)


def signal_point(mass: float, *, seed: int, scale: float = 1.5) -> tuple[SignalPoint, Any]:
    rng = np.random.default_rng(seed)
    n = int(GENERATED) // 4
    obs, m2, half = observables(rng, n, scale), rng.normal(mass**2, 0.3, n), rng.integers(0, 2, n)
    window = opt.signal_window(mass, resolution)
    tensor = fill_tensor(m2, obs, weights=np.ones(n), half=half, edges=window, axes=AXES)
    return SignalPoint(mass=mass, tensor=tensor, generated=GENERATED), (m2, obs, half, window)


@pytest.mark.parametrize("kind", ["punzi", "punzi-full", "expected-limit", "mean-limit"])
def test_best_cuts_equal_brute_force_over_the_events(kind: Any) -> None:
    merit = FigureOfMerit(kind=kind, a=3.0, background_error=0.0)
    mass = 4.0
    edges = np.array([mass**2 - 1.0, mass**2 + 1.0])
    tensor, (_, obs, weights, half) = background_tensor(edges)
    point, (s_m2, s_obs, s_half, window) = signal_point(mass, seed=2)
    table = best_cuts([tensor], [point], resolution=resolution, merit=merit)
    best: list[tuple[float, ...]] = []
    for bounds in itertools.product(THRESHOLDS, repeat=3):
        b_pass = np.all([obs[a.name] >= t for a, t in zip(AXES, bounds, strict=True)], axis=0)
        s_pass = np.all([s_obs[a.name] >= t for a, t in zip(AXES, bounds, strict=True)], axis=0)
        s_pass &= (s_m2 >= window[0]) & (s_m2 < window[1])
        values = []
        for h in (0, 1):
            # the +-2 sigma window is 1.2 of the 2.0 GeV^2 of the bin
            background = 2 * weights[b_pass & (half == h)].sum() * 1.2 / 2.0
            efficiency = 2 * np.count_nonzero(s_pass & (s_half == h)) / GENERATED
            values += [float(merit(efficiency, background, 0.0)), efficiency, background]
        best.append((*values, *bounds))
    expected = max(best, key=lambda row: row[0])
    got = [table.merit_choosing, table.efficiency_choosing, table.background_choosing]
    got += [table.merit_quoting, table.efficiency_quoting, table.background_quoting, *table.bounds.T]
    np.testing.assert_allclose(np.ravel(got), expected, rtol=1e-10)
    loosest = best[0]
    assert table.efficiency_before[0] == pytest.approx(loosest[4])
    assert table.background_before[0] == pytest.approx(loosest[5])


def planted(best: tuple[int, int, int]) -> tuple[CountTensor, SignalPoint]:
    """All signal at or above `best`, all background in cells that any looser bound lets in."""
    shape = (2, 1, 7, 7, 7)
    signal, background = np.zeros(shape), np.zeros(shape)
    signal[:, 0, *best] = 500.0
    for axis in range(3):
        if best[axis] > 0:
            below = list(best)
            below[axis] -= 1
            background[:, 0, *below] = 50.0
    edges = np.array([15.4, 16.6])
    window = opt.signal_window(4.0, resolution)
    return (
        CountTensor(edges=edges, axes=AXES, sum_w=background, sum_w2=background),
        SignalPoint(
            mass=4.0, tensor=CountTensor(edges=window, axes=AXES, sum_w=signal, sum_w2=signal), generated=GENERATED
        ),
    )


@pytest.mark.parametrize("cell", [(0, 0, 0), (3, 5, 1), (6, 6, 6), (0, 4, 2)])
@pytest.mark.parametrize("kind", ["punzi", "punzi-full", "expected-limit", "mean-limit"])
def test_planted_optimum_is_found(cell: tuple[int, int, int], kind: Any) -> None:
    background, signal = planted(cell)
    table = best_cuts([background], [signal], resolution=resolution, merit=FigureOfMerit(kind=kind))
    np.testing.assert_allclose(table.bounds[0], THRESHOLDS[list(cell)])
    assert table.efficiency_quoting[0] == pytest.approx(1000.0 / GENERATED)
    assert table.background_quoting[0] == 0.0


def test_monte_carlo_error_keeps_cuts_from_digging_into_fluctuations() -> None:
    # signal and background have the same distribution: any gain from a cut is luck
    rng = np.random.default_rng(7)
    mass, n, gains = 4.0, 60, {0.0: [], 1.0: []}
    edges = np.array([mass**2 - 0.6, mass**2 + 0.6])
    for seed in range(40):
        obs, half = observables(rng, n, 1.0), rng.integers(0, 2, n)
        tensor = fill_tensor(np.full(n, mass**2), obs, weights=np.full(n, 0.5), half=half, edges=edges, axes=AXES)
        point, _ = signal_point(mass, seed=seed, scale=1.0)
        for k, found in gains.items():
            merit = FigureOfMerit(background_error=k)
            table = best_cuts([tensor], [point], resolution=resolution, merit=merit)
            found.append(table.efficiency_quoting[0] / (0.8 + np.sqrt(table.background_quoting[0])))
    # judged on the other half, the careful choice is the better one
    assert np.mean(gains[1.0]) > np.mean(gains[0.0])


def test_choosing_half_looks_better_than_the_quoting_half_on_average() -> None:
    mass = 4.0
    edges = np.array([mass**2 - 0.6, mass**2 + 0.6])
    differences = []
    for seed in range(30):
        tensor, _ = background_tensor(edges, n=300, seed=seed)
        point, _ = signal_point(mass, seed=100 + seed)
        table = best_cuts([tensor], [point], resolution=resolution, merit=EXACT)
        differences.append(float(table.merit_choosing[0] - table.merit_quoting[0]))
    assert np.mean(differences) > 2 * np.std(differences) / np.sqrt(len(differences))


def test_efficiency_is_interpolated_between_masses_and_kept_beyond() -> None:
    edges = np.array([2.0, 6.0, 10.0, 90.0])
    tensor, _ = background_tensor(edges)
    points = [signal_point(mass, seed=3, scale=scale)[0] for mass, scale in ((2.0, 1.0), (3.0, 2.0))]
    table = best_cuts([tensor], points, resolution=resolution)
    low, high = (best_cuts([tensor], [point], resolution=resolution).efficiency_before[0] for point in points)
    t = np.sqrt(8.0) - 2.0
    np.testing.assert_allclose(table.efficiency_before, [low, (1 - t) * low + t * high, high], rtol=1e-12)


def test_smoothing_replaces_an_outlier_by_its_neighbours() -> None:
    edges = np.array([14.2, 15.4, 16.6, 17.8, 19.0, 20.2])
    content = np.zeros((2, 5, 7, 7, 7))
    for i, cell in enumerate([2, 2, 6, 2, 2]):
        content[:, i, cell - 1, 0, 0] = 100.0
    background = CountTensor(edges=edges, axes=AXES, sum_w=content, sum_w2=content)
    signal = np.zeros((2, 1, 7, 7, 7))
    signal[:, 0, 2:6, 0, 0] = 500.0
    signal[:, 0, 6, 0, 0] = 1000.0
    window = opt.signal_window(4.0, resolution)
    point = SignalPoint(
        mass=4.0, tensor=CountTensor(edges=window, axes=AXES, sum_w=signal, sum_w2=signal), generated=1e5
    )
    rough = best_cuts([background], [point], resolution=resolution)
    smooth = best_cuts([background], [point], resolution=resolution, cuts="smooth")
    np.testing.assert_allclose(rough.bounds[:, 0], THRESHOLDS[[2, 2, 6, 2, 2]])
    np.testing.assert_allclose(smooth.bounds[:, 0], THRESHOLDS[[2, 2, 2, 2, 2]])
    # what is quoted belongs to the smoothed bounds
    assert smooth.background_quoting[2] > rough.background_quoting[2]


def test_monotone_cuts_do_not_turn_around() -> None:
    edges = np.linspace(14.2, 20.2, 11)
    tensor, _ = background_tensor(edges, n=600, seed=5)
    point, _ = signal_point(4.0, seed=2)
    free, monotone = (best_cuts([tensor], [point], resolution=resolution, cuts=cuts) for cuts in ("free", "monotone"))
    for column in range(3):
        changes = np.diff(monotone.bounds[:, column])
        assert np.all(changes >= 0) or np.all(changes <= 0)
    changes = np.diff(free.bounds, axis=0)
    assert np.any((changes > 0).any(axis=0) & (changes < 0).any(axis=0))
    assert monotone.smooth
    assert np.all(monotone.merit_choosing <= free.merit_choosing + 1e-12)


def test_merit_of_limits_is_efficiency_over_the_limit() -> None:
    median, mean = (FigureOfMerit(kind=kind, background_error=0.0) for kind in ("expected-limit", "mean-limit"))
    assert float(median(0.5, 0.0, 0.0)) == pytest.approx(0.5 / np.log(10), rel=1e-3)
    assert float(mean(0.5, 0.69, 0.0)) == pytest.approx(0.5 / 3.0985, rel=1e-3)
    shifted = FigureOfMerit(kind="mean-limit", background_error=0.5)
    assert float(shifted(0.5, 0.5, 0.38)) == pytest.approx(float(mean(0.5, 0.69, 0.0)))
    assert FigureOfMerit(kind="mean-limit", background_uncertainty=0.5)(0.5, 100.0, 0.0) < mean(0.5, 100.0, 0.0) / 2
    with pytest.raises(InputError, match="expected-limit"):
        FigureOfMerit(kind="asimov")(0.5, 1.0, 0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("smooth", [False, True])
def test_bounds_are_steps_or_interpolated_between_the_centres_of_the_bins(smooth: bool) -> None:
    zeros = np.zeros(2)
    table = opt.CutTable(
        edges=np.array([0.0, 2.0, 4.0]), names=("p",), sides=("above",), bounds=np.array([[1.0], [2.0]]),
        smooth=smooth,
        merit_choosing=zeros, merit_quoting=zeros, efficiency_choosing=zeros, efficiency_quoting=zeros,
        efficiency_before=zeros, background_choosing=zeros, background_quoting=zeros, background_before=zeros,
    )  # fmt: skip
    m2 = np.array([-1.0, 1.5, 2.0, 2.5, 9.0])
    bounds = [1.0, 1.25, 1.5, 1.75, 2.0] if smooth else [1.0, 1.0, 2.0, 2.0, 2.0]
    for shift, expected in ((0.0, True), (-1e-9, False)):
        assert np.all(table.apply(m2, {"p": np.array(bounds) + shift}) == expected)
    assert opt.CutTable.from_columns(table.to_columns()).smooth is smooth


def test_mass_bins_are_not_narrower_than_asked() -> None:
    edges = opt.mass_bins(lambda m: 0.25, low=1.0, high=6.0, width=4.0, minimum_width=0.3)
    assert np.diff(np.sqrt(edges)).min() == pytest.approx(0.3)
    assert edges[1] == pytest.approx(2.0)


def test_no_signal_leaves_the_loosest_cuts() -> None:
    background, point = planted((3, 3, 3))
    nothing = SignalPoint(mass=4.0, tensor=point.tensor.scaled(0.0), generated=GENERATED)
    table = best_cuts([background], [nothing], resolution=resolution)
    np.testing.assert_array_equal(table.bounds, 0.0)
    assert table.merit_choosing[0] == 0.0


def test_backgrounds_add_up() -> None:
    edges = np.array([15.4, 16.6])
    parts = [background_tensor(edges, seed=seed)[0] for seed in (1, 2)]
    point, _ = signal_point(4.0, seed=3)
    together = best_cuts([parts[0] + parts[1]], [point], resolution=resolution, merit=EXACT)
    apart = best_cuts(parts, [point], resolution=resolution, merit=EXACT)
    np.testing.assert_allclose(apart.background_quoting, together.background_quoting)
    np.testing.assert_array_equal(apart.bounds, together.bounds)


def test_tensors_that_do_not_fit_raise() -> None:
    background, point = planted((1, 1, 1))
    other = fill_tensor([16.0], {"x": np.ones(1)}, weights=[1.0], half=[0], edges=background.edges,
                        axes=(VetoAxis(name="x", thresholds=THRESHOLDS),))  # fmt: skip
    shifted = CountTensor(edges=background.edges + 1, axes=AXES, sum_w=background.sum_w, sum_w2=background.sum_w2)
    for backgrounds, signals, message in [
        ([], [point], "at least one"),
        ([background], [], "at least one"),
        ([background, other], [point], "different axes"),
        ([background, shifted], [point], "different mass bins"),
        ([background], [point, point], "ascending order"),
        ([background], [SignalPoint(mass=4.0, tensor=point.tensor, generated=0.0)], "generated > 0"),
    ]:
        with pytest.raises(InputError, match=message):
            best_cuts(backgrounds, signals, resolution=resolution)


def table() -> CutTable:
    tensor, _ = background_tensor(np.array([12.0, 14.0, 16.0, 20.0]))
    return best_cuts([tensor], [signal_point(4.0, seed=2)[0]], resolution=resolution)


def test_table_applies_the_bounds_of_its_bin_and_the_nearest_outside() -> None:
    rng = np.random.default_rng(1)
    t, n = table(), 2000
    m2, obs = rng.uniform(5, 30, n), observables(rng, n, 1.5)
    obs["lmax"][:100] = t.bounds[1, 0]
    expected = []
    for i in range(n):
        row = 0 if m2[i] < 14 else 1 if m2[i] < 16 else 2
        expected.append(all(obs[name][i] >= t.bounds[row, v] for v, name in enumerate(t.names)))
    np.testing.assert_array_equal(t.apply(m2, obs), expected)


def test_table_survives_columns_of_text() -> None:
    t = table()
    text = {name: [f"{value:.7g}" for value in column] for name, column in t.to_columns().items()}
    back = CutTable.from_columns(text)
    assert (back.names, back.sides) == (t.names, t.sides)
    np.testing.assert_allclose(back.edges, t.edges)
    np.testing.assert_allclose(back.bounds, t.bounds)
    np.testing.assert_allclose(back.merit_quoting, t.merit_quoting, rtol=1e-6)
    assert t.to_columns()["mass"][0] == pytest.approx(np.sqrt(13.0))


def test_broken_tables_raise() -> None:
    columns = table().to_columns()
    with pytest.raises(InputError, match="merit_quoting"):
        CutTable.from_columns({k: v for k, v in columns.items() if k != "merit_quoting"})
    with pytest.raises(InputError, match="broken column"):
        CutTable.from_columns({**columns, "position_low": ["x"] * 3})
    with pytest.raises(InputError, match="gaps"):
        CutTable.from_columns({**columns, "position_low": [12.0, 14.5, 16.0]})
    with pytest.raises(InputError, match="needs the observable 'lmax'"):
        table().apply([13.0], {"pair": np.ones(1)})
    for wrong in (("above",), ("above", "under", "above")):
        with pytest.raises(InputError, match="of lmax, lmin, pair; give 'above' or 'below' for each"):
            replace(table(), sides=wrong)


@pytest.mark.parametrize("smooth", [False, True])
def test_upper_bounds_are_lower_bounds_on_the_negative(smooth: bool) -> None:
    """Tables, their columns and which events pass: the same numbers, and the opposite sign of a bound."""
    tensor, tensors = {}, {}
    for side, sign in (("above", 1.0), ("below", -1.0)):
        axes = (AXES[0], VetoAxis(name="lmin", thresholds=sign * THRESHOLDS, side=side), AXES[2])  # type: ignore[arg-type]
        rng = np.random.default_rng(3)
        found = [observables(rng, 4000, scale) for scale in (1.0, 2.0)]
        for obs in found:
            obs["lmin"] = sign * obs["lmin"]
        m2, w, half = rng.uniform(12, 20, 4000), rng.uniform(0, 1, 4000), rng.integers(0, 2, 4000)
        edges = np.array([12.0, 14.0, 16.0, 20.0])
        tensor[side] = fill_tensor(m2, found[0], weights=w, half=half, edges=edges, axes=axes)
        window = opt.signal_window(4.0, resolution)
        inside = fill_tensor(np.full(4000, 16.0), found[1], weights=w, half=half, edges=window, axes=axes)
        tensors[side] = SignalPoint(mass=4.0, tensor=inside, generated=4000.0)
    above, below = (
        best_cuts([tensor[side]], [tensors[side]], resolution=resolution, cuts="smooth" if smooth else "free")
        for side in ("above", "below")
    )
    assert below.sides == ("above", "below", "above")
    np.testing.assert_array_equal(below.bounds, above.bounds * [1, -1, 1])
    np.testing.assert_array_equal(below.merit_quoting, above.merit_quoting)
    steps = np.array([[0.5, 0.4, 0.2], [0.3, 0.7, 0.1], [0.8, 0.1, 0.6]])
    above, below = replace(above, bounds=steps), replace(below, bounds=steps * [1, -1, 1])
    columns = below.to_columns()
    assert ("max_lmin" in columns, "min_lmin" in columns, "min_lmax" in columns) == (True, False, True)
    again = CutTable.from_columns(columns)
    assert (again.names, again.sides) == (below.names, below.sides)
    obs = observables(np.random.default_rng(4), 3000, 1.5)
    m2 = np.random.default_rng(5).uniform(10, 22, 3000)
    passed = again.apply(m2, obs | {"lmin": -obs["lmin"]})
    np.testing.assert_array_equal(passed, above.apply(m2, obs))
    assert 0 < np.count_nonzero(passed) < 3000


def test_bins_and_windows_of_a_reduced_mass() -> None:
    axis = reduced(0.21132)
    edges = opt.mass_bins(lambda m: 0.002, low=0.21132, high=1.0, width=4.0, axis=axis)
    np.testing.assert_allclose(np.diff(edges), 0.008)
    assert edges[0] == 0.0
    assert edges[-2] < float(axis.position(1.0)) <= edges[-1]
    wide = opt.mass_bins(lambda m: 0.002, low=0.21132, high=1.0, width=4.0, minimum_width=0.05, axis=axis)
    assert np.diff(axis.mass(wide)).min() == pytest.approx(0.05)
    window = opt.signal_window(0.5, lambda m: 0.002, window=2.0, axis=axis)
    np.testing.assert_allclose(window, float(axis.position(0.5)) + np.array([-0.004, 0.004]))


def test_cut_table_of_a_mass_axis_keeps_its_masses() -> None:
    values = {name: getattr(table(), name) for name in CutTable.__dataclass_fields__}
    on_mass = CutTable(**{**values, "axis": MASS})
    np.testing.assert_allclose(on_mass.masses, (on_mass.edges[1:] + on_mass.edges[:-1]) / 2)
    again = CutTable.from_columns(on_mass.to_columns(), axis=MASS)
    assert again.axis == MASS
    np.testing.assert_allclose(again.masses, on_mass.masses)
