from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, norm, poisson

import bumphunt as bh
from bumphunt.errors import InputError
from bumphunt.inference.settings import SignificanceSettings
from bumphunt.models.background import BackgroundModel
from bumphunt.models.signal import SignalModel
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion
from bumphunt.scanning.scan import scan_spectra
from bumphunt.scanning.sources import Source
from bumphunt.scanning.spectra import checked_spectra
from bumphunt.search_wide.global_p0 import global_p0
from bumphunt.search_wide.largest import joined_blocks, largest_of_block
from bumphunt.search_wide.significance import region_densities
from bumphunt.search_wide.toys import draw_search_toys
from bumphunt.search_wide.whole import WholeSearch, scan_hypotheses, whole_search
from bumphunt.spectrum.axis import MASS

EDGES = np.linspace(0.0, 10.0, 401)
SEED = np.random.SeedSequence(14)
CUBIC = Method(kind="smooth", window=10.0, background=BackgroundModel("bernstein", 3))
MASSES = np.arange(1.5, 8.5, 0.1)


def signal_model(efficiency_error: float = 0.0) -> SignalModel:
    masses = np.linspace(0.5, 9.5, 10)
    return SignalModel(
        masses=masses,
        parameters=np.tile([0.0, 0.1, 1.5, 3.0, 0.9, 1.5], (10, 1)),
        errors=np.zeros((10, 6)),
        efficiencies=np.full(10, 0.1),
        efficiency_errors=np.full(10, efficiency_error),
        support=(0.0, 10.0),
        axis=MASS,
    )


def smooth_region(name: str = "all", level: float = 200.0, seed: int = 3, error: float = 0.0) -> ScanRegion:
    counts = np.random.default_rng(seed).poisson(level * np.exp(-EDGES[1:] / 6.0))
    return ScanRegion(name=name, spectra=checked_spectra(counts, [], [], (), EDGES), signal=signal_model(error))


def template_region(level: float, events: float, **more: object) -> ScanRegion:
    """Return a flat background of `level` events a bin, simulated with as many events, as is expected of the data."""
    flat = np.full(EDGES.size - 1, level)
    spectra = checked_spectra(flat.round() if level >= 1 else flat, flat, flat**2 / events, (0.1,), EDGES, ("qq",))
    return ScanRegion(name="all", spectra=spectra, signal=signal_model(), **more)


def search_of(regions: list[ScanRegion], masses: np.ndarray, method: Method = CUBIC, **more: object) -> WholeSearch:
    hypotheses = scan_hypotheses(regions, masses.tolist(), method=method, seed=SEED, **more)
    spectra = [(region.name, region.spectra.edges) for region in regions]
    return whole_search(hypotheses, spectra, densities=region_densities(regions, method))


def compatible(n_beyond: int, n: int, p: float) -> bool:
    """Return whether a number of toys agrees with a probability, at 1e-4 on either side."""
    return bool(binom.cdf(n_beyond, n, p) > 1e-4 and binom.sf(n_beyond - 1, n, p) > 1e-4)


def test_independent_windows_have_the_product_of_their_probabilities() -> None:
    n, b = 20, 40_000.0
    edges, counts = np.arange(n + 1.0), np.random.default_rng(5).poisson(b, n)

    def at(mass: float) -> bh.region:
        k = int(mass)
        return bh.region(
            "r", counts=counts[k : k + 1], edges=edges[k : k + 2], signal=[1.0], backgrounds=bh.Sample("b", [b])
        )

    found = bh.global_significance(at, np.arange(n) + 0.5, n_toys=4000, rng=np.random.default_rng(1))
    for z in (1.0, 1.5, 2.0, 2.5, 3.0):
        p = 1.0 - norm.cdf(z) ** n
        assert compatible(global_p0(found.largest.z0, z).beyond, 4000, p)
    assert found.z0_max == pytest.approx(max(counts - b) / np.sqrt(b), rel=0.01)
    assert found.p0_global_low < found.p0_global < found.p0_global_high
    assert found.trials == pytest.approx(found.p0_global / norm.sf(found.z0_max))
    assert found.drawn_from == "data"


@pytest.mark.parametrize(("level", "error"), [(40.0, 0.0), (40.0, 0.01), (0.4, 0.0)])
def test_z0_of_the_data_and_of_each_toy_is_that_of_the_scan(level: float, error: float) -> None:
    regions = [smooth_region("ee", level, 3, error), smooth_region("mumu", 1.5 * level, 4, error)]
    sources = [Source(name="id", efficiency=0.3, regions=("ee",))] if error else []
    masses = MASSES[::10]
    faking = [*sources, Source(name="fit", spurious_signal=0.2)]
    scanned = scan_spectra(regions, masses=masses, method=CUBIC, sources=faking)
    data = search_of(regions, masses, sources=faking)
    np.testing.assert_allclose([one.z0 for one in data.hypotheses], scanned.column("z0"), atol=1e-6)
    search = search_of(regions, masses, sources=sources)
    toys = draw_search_toys(search.expectation, seed=SEED, indices=range(10))
    centred = {name: 0.0 * scores for name, scores in toys.normal.items()}  # as those of a scan are
    toys = replace(toys, normal=centred)
    found = np.array([one.of_toys(toys) for one in search.hypotheses])
    for k in range(10):
        replaced = [
            ScanRegion(
                name=region.name,
                spectra=checked_spectra(np.diff(sums[k]), [], [], (), EDGES),
                signal=region.signal,
            )
            for region, sums in zip(regions, toys.sums, strict=True)
        ]
        again = scan_spectra(replaced, masses=masses, method=CUBIC, sources=sources)
        np.testing.assert_allclose(found[:, k], again.column("z0"), atol=1e-6)


def test_uncertain_yields_of_several_regions_have_normal_z0() -> None:
    regions = [smooth_region("ee", 200.0, 3), smooth_region("mumu", 300.0, 4)]
    sources = [Source(name="id", efficiency=0.3, regions=("ee",)), Source(name="fit", spurious_signal=0.5)]
    search = search_of(regions, np.array([5.0]), sources=sources)
    largest = largest_of_block(search, range(1500), seed=SEED, level=1.0)
    assert largest.failed.sum() == 0
    for z in (0.5, 1.0, 2.0):
        assert compatible(global_p0(largest.z0, z).beyond, 1500, norm.sf(z))


def test_any_toy_can_be_made_again() -> None:
    search = search_of([smooth_region()], MASSES)
    together = largest_of_block(search, range(12), seed=SEED, level=1.0)
    apart = joined_blocks([largest_of_block(search, range(k, k + 1), seed=SEED, level=1.0) for k in (7, 3)])
    for name in ("z0", "mass", "crossings", "failed"):
        np.testing.assert_array_equal(getattr(together, name)[[7, 3]], getattr(apart, name))


def test_expectation_is_a_smooth_curve_through_the_data() -> None:
    search = search_of([smooth_region(level=2000.0)], MASSES)
    truth = 2000.0 * np.exp(-EDGES[1:] / 6.0)
    (spectrum,) = search.expectation.spectra
    inside = slice(60, 320)
    assert spectrum.expected[inside] == pytest.approx(truth[inside], rel=0.02)


@pytest.mark.parametrize("events", [20.0, 400.0])
def test_constraints_fluctuate_with_the_data(events: float) -> None:
    """One window over simulated backgrounds with few events: z0 is normal, as it is only if all centres move."""
    method = Method(kind="templates", window=5.0, bins_per_sigma=2.0)
    sources = [Source(name="shape", background_slope={"qq": 0.05}), Source(name="rate", background={"qq": 0.1})]
    search = search_of([template_region(40.0, events)], np.array([5.0]), method, sources=sources)
    largest = largest_of_block(search, range(2000), seed=SEED, level=1.0)
    assert largest.failed.sum() == 0
    for z in (0.5, 1.0, 1.5, 2.0):
        assert compatible(global_p0(largest.z0, z).beyond, 2000, norm.sf(z))


def test_few_events_are_judged_by_their_own_distribution() -> None:
    """One window with two events under the peak: sqrt(q0) is not normal, z0 must be."""
    method = Method(kind="smooth", window=10.0, background=BackgroundModel("bernstein", 1))
    region = smooth_region(level=1.0)
    settings = SignificanceSettings(method="auto")
    search = search_of([region], np.array([7.0]), method, significance=settings)
    largest = largest_of_block(search, range(4000), seed=SEED, level=1.0)
    for z in (1.0, 1.5, 2.0, 2.5):
        expected = norm.sf(z)
        found = global_p0(largest.z0, z)
        assert found.p0 == pytest.approx(expected, abs=4 * np.sqrt(expected / 4000) + 0.1 * expected)
    by_toys = scan_spectra(
        region,
        masses=[7.0],
        method=method,
        significance=SignificanceSettings(method="toys", n_toys=4000),
        rng=np.random.default_rng(2),
    )
    assert search.hypotheses[0].z0 == pytest.approx(by_toys.points[0].z0, abs=0.1)


def test_counts_have_the_exact_probability() -> None:
    method = Method(kind="counting")
    region = template_region(0.5, 1e9)
    known = checked_spectra(np.full(400, 1.0), np.full(400, 0.5), np.zeros(400), (0.0,), EDGES, ("qq",))
    region = ScanRegion(name="all", spectra=known, signal=signal_model())
    search = search_of([region], np.array([5.0]), method)
    largest = largest_of_block(search, range(3000), seed=SEED, level=1.0)
    b = 0.5 * 16  # +-2 sigma of 0.1 in bins of 0.025
    for n in (10, 12, 14):
        p = poisson.sf(n - 1, b)
        assert compatible(global_p0(largest.z0, norm.isf(p)).beyond, 3000, p)
    assert search.hypotheses[0].z0 == pytest.approx(norm.isf(poisson.sf(15, b)), abs=1e-6)


def test_counts_average_over_what_is_uncertain() -> None:
    """p0 of a count is exact with its uncertain background averaged over, if toys draw that too."""
    method = Method(kind="counting")
    flat = np.full(400, 2.0)
    spectra = checked_spectra(flat, flat, flat**2 / 20.0, (0.2,), EDGES, ("qq",))
    region = ScanRegion(name="all", spectra=spectra, signal=signal_model())
    sources = [Source(name="rate", background={"qq": 0.1})]
    search = search_of([region], np.array([5.0]), method, sources=sources)
    largest = largest_of_block(search, range(4000), seed=SEED, level=1.0)
    for z in (1.0, 2.0):
        assert global_p0(largest.z0, z).p0 == pytest.approx(norm.sf(z), rel=0.25)


def test_blinded_search_says_nothing_of_the_data() -> None:
    spectra = checked_spectra(200.0 * np.exp(-EDGES[1:] / 6.0), [], [], (), EDGES, expectation=True)
    region = ScanRegion(name="all", spectra=spectra, signal=signal_model())
    found = bh.global_significance(region, MASSES[::5], method=CUBIC, n_toys=20, rng=np.random.default_rng(1))
    assert found.drawn_from == "expectation"
    assert np.all(np.isnan(found.z0))
    assert np.isnan(found.p0_global)
    assert len(found.largest) == 20


def test_hypotheses_without_background_are_left_out() -> None:
    flat = np.where(EDGES[1:] < 5.0, 10.0, 0.0)
    spectra = checked_spectra(flat, flat, flat / 100, (0.1,), EDGES, ("qq",))
    region = ScanRegion(name="all", spectra=spectra, signal=signal_model())
    method = Method(kind="templates", window=5.0)
    found = bh.global_significance(region, [3.0, 8.0], method=method, n_toys=5, rng=np.random.default_rng(1))
    assert found.left_out == ((8.0, "no_background"),)
    with pytest.raises(InputError, match="none of 1 hypotheses has a significance: no_background"):
        bh.global_significance(region, [8.0], method=method, n_toys=5, rng=np.random.default_rng(1))


def test_bad_input_raises() -> None:
    region, rng = smooth_region(), np.random.default_rng(1)

    def apart(mass: float) -> bh.region:
        flat = bh.Sample("b", [9.0])
        return bh.region(f"{mass}", counts=[9], edges=[mass, mass + 1.0], signal=[1.0], backgrounds=flat)

    with pytest.raises(InputError, match="two toys at the least, got 1"):
        bh.global_significance(region, [5.0], method=CUBIC, n_toys=1, rng=rng)
    with pytest.raises(InputError, match="masses must rise"):
        bh.global_significance(region, [5.0, 4.0], method=CUBIC, rng=rng)
    with pytest.raises(InputError, match="give method=Method"):
        bh.global_significance(region, [5.0], rng=rng)
    with pytest.raises(InputError, match="has all of it in its regions"):
        bh.global_significance(apart, [5.0], method=CUBIC, rng=rng)
    with pytest.raises(InputError, match="no two masses have a region of the same name"):
        bh.global_significance(apart, [5.0, 6.0], rng=rng)
