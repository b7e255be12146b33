"""Known resonances beside a hypothesis: free peaks in the windows that they reach, and what excluded masses do."""

import numpy as np
import pytest
from iminuit import Minuit
from scipy import stats

from bumphunt.errors import Flag, InputError
from bumphunt.models.background import BackgroundFunction, BackgroundModel
from bumphunt.models.given_signal import GivenSignal
from bumphunt.models.known_peaks import KNOWN_PEAKS, KnownPeak, known_peak
from bumphunt.models.peaks import gaussian, voigt
from bumphunt.scanning.method import Method
from bumphunt.scanning.neighbours import reaching, resonance_peak
from bumphunt.scanning.regions import ScanRegion, scan_masses
from bumphunt.scanning.scan import scan_spectra
from bumphunt.scanning.spectra import checked_spectra

MASSES = np.linspace(2.0, 5.0, 31)
EDGES = np.linspace(2.0, 5.0, 1501)
SIGNAL = GivenSignal(masses=MASSES, resolutions=0.004 * MASSES, efficiencies=np.full(31, 0.5), tails=np.empty((31, 0)))
JPSI, PSI2S = known_peak("jpsi"), known_peak("psi2s")
SMOOTH = 60.0 * np.exp(-0.8 * (EDGES[1:] - 2.0))
N_JPSI = 20_000.0


def spectrum(counts, name="mumu", excluded=(), multiplied=None, signal=SIGNAL):
    nothing = np.empty((0, 1500))
    return ScanRegion(
        name=name,
        spectra=checked_spectra(counts, nothing, nothing, [], EDGES, multiplied=multiplied),
        signal=signal,
        excluded=excluded,
    )


def method(*resonances, background=None):
    family = background or BackgroundModel("exponential", 2)
    return Method(kind="smooth", background=family, bins_per_sigma=4, known_peaks=resonances)


def expected(shift=0.0):
    peak = gaussian(JPSI.mass + shift, 0.004 * JPSI.mass)
    return SMOOTH + N_JPSI * peak.fractions(EDGES)


def test_known_masses_and_widths_are_those_of_the_pdg():
    """PDG 2024: masses and widths [MeV]."""
    want = {
        "omega": (782.66, 8.68),
        "phi": (1019.461, 4.249),
        "jpsi": (3096.900, 0.0926),
        "psi2s": (3686.10, 0.294),
        "upsilon1s": (9460.4, 0.054),
        "upsilon2s": (10023.4, 0.032),
        "upsilon3s": (10355.1, 0.0203),
        "z": (91188.0, 2495.5),
    }
    assert set(want) == set(KNOWN_PEAKS)
    for name, (mass, width) in want.items():
        found = known_peak(name)
        assert 1e3 * found.mass == pytest.approx(mass, rel=2e-5)
        assert 1e3 * found.width == pytest.approx(width, rel=0.03)
        assert 0.0 < found.mass_error < 2e-4 * found.mass  # omega: 0.13 MeV


@pytest.mark.parametrize("mass", [3.0, 3.05, 3.15, 3.2])
def test_without_the_neighbour_there_is_a_fake_excess_or_deficit_and_with_it_none(mass):
    r = spectrum(expected())
    (alone,) = scan_spectra(r, masses=[mass], method=method()).points
    (beside,) = scan_spectra(r, masses=[mass], method=method(JPSI, PSI2S)).points
    assert abs(alone.n_sig) > 10.0 * beside.n_sig_error
    assert abs(beside.n_sig) < 0.02 * beside.n_sig_error
    assert beside.z0 < 0.02
    assert beside.flags == ()


def test_yields_of_a_signal_beside_a_neighbour_are_unbiased_in_toys():
    """100 toys with a signal of 150 events 4 resolutions from 20 000 J/psi: mean and spread of the pulls."""
    rng, mass, n_sig = np.random.default_rng(4), 3.05, 150.0
    nu, pulls = expected() + n_sig * gaussian(mass, 0.004 * mass).fractions(EDGES), []
    for _ in range(100):
        (point,) = scan_spectra(spectrum(rng.poisson(nu)), masses=[mass], method=method(JPSI)).points
        pulls.append((point.n_sig - n_sig) / point.n_sig_error)
    assert abs(np.mean(pulls)) < 3.0 / np.sqrt(100)
    assert 0.8 < np.std(pulls) < 1.2


def test_fit_with_a_neighbour_is_that_of_an_independent_minuit_fit():
    """Yield, position within its error and smooth background, written down once more."""
    rng, mass, wide = np.random.default_rng(1), 3.05, KnownPeak(name="jpsi", mass=3.0969, mass_error=2e-3)
    nu = expected(1.5e-3) + 300.0 * gaussian(mass, 0.004 * mass).fractions(EDGES)
    r = spectrum(rng.poisson(nu))
    points = [
        scan_spectra(r, masses=[mass], method=method(wide), engine=engine).points[0] for engine in ("auto", "minuit")
    ]
    low, high = points[0].window_lo, points[0].window_hi
    ((part,),) = [found.parts for found in scan_masses([r], [mass], method(wide))]
    x = part.window(10.0, 4)
    assert (low, high) == pytest.approx((x[0], x[-1]))
    n, t = r.spectra.counts_in(x), 2.0 * (x - x[0]) / (x[-1] - x[0]) - 1.0
    nodes, weights = np.polynomial.legendre.leggauss(6)

    def cost(s, jpsi, moved, a, b, c):
        half = 0.5 * np.diff(t)[:, None]
        u = 0.5 * (t[1:] + t[:-1])[:, None] + half * nodes
        flat = (weights * half * np.exp(a + b * u + c * u * u)).sum(axis=1)
        peak = np.diff(stats.norm.cdf(x, mass, 0.004 * mass))
        known = np.diff(stats.norm.cdf(x, 3.0969 + 2e-3 * moved, 0.004 * 3.0969))
        expectation = flat + s * peak + jpsi * known
        return 2.0 * np.sum(expectation - n * np.log(expectation)) + moved**2

    reference = Minuit(cost, s=300, jpsi=2e4, moved=0.5, a=np.log(2000), b=-0.1, c=0)
    reference.strategy, reference.tol = 2, 1e-5
    reference.migrad(ncall=50_000)
    reference.hesse()
    assert reference.valid
    assert reference.values["moved"] == pytest.approx(0.75, abs=0.2)  # the data know it better than the error
    for point in points:
        assert point.n_sig == pytest.approx(reference.values["s"], abs=0.01 * point.n_sig_error)
        assert point.n_sig_error == pytest.approx(reference.errors["s"], rel=0.01)


def test_at_the_resonance_itself_there_is_no_answer():
    (point,) = scan_spectra(spectrum(expected()), masses=[JPSI.mass], method=method(JPSI)).points
    assert not point.valid
    assert Flag.FIT_SINGULAR in point.flags
    assert np.isnan(point.n_sig_ul_obs)


def test_resonances_far_away_leave_fast_windows_as_they_are():
    """No resonance in reach: the same rows as without any, by the linear engine; no resolution is needed there."""
    far, linear = KnownPeak(name="upsilon", mass=9.46), BackgroundModel("bernstein", 3)
    r, masses = spectrum(expected()), [2.5, 4.5]
    with_far = scan_spectra(r, masses=masses, method=method(JPSI, far, background=linear))
    assert with_far == scan_spectra(r, masses=masses, method=method(background=linear))


def test_what_reaches_a_window_depends_on_its_own_width():
    """Windows reach 10 resolutions; narrow ones are in within 5 of theirs from there, wide ones from further."""
    ((part,),) = [found.parts for found in scan_masses([spectrum(expected())], [3.0], method(JPSI))]
    edges = part.window(10.0, 4)  # 2.88 to 3.12
    narrow = [KnownPeak(name=f"{m}", mass=m) for m in (2.80, 2.83, 3.0, 3.17, 3.21)]
    assert [r.name for r, _ in reaching(part, edges, narrow)] == ["2.83", "3.0", "3.17"]
    wide = [KnownPeak(name=f"{m}", mass=m, width=0.1) for m in (2.4, 2.6, 3.4, 3.6)]
    assert [r.name for r, _ in reaching(part, edges, wide)] == ["2.6", "3.4"]


def test_shapes_of_resonances():
    region = spectrum(expected())
    assert resonance_peak(JPSI, region) == SIGNAL.at([JPSI.mass])[0].peak  # narrow: as a signal there
    wide = KnownPeak(name="wide", mass=3.0, width=0.01)
    assert resonance_peak(wide, region) == voigt(3.0, 0.012, 0.01)
    said = KnownPeak(name="beyond", mass=6.0, width=0.001, resolution=0.03)
    assert resonance_peak(said, region) == voigt(6.0, 0.03, 0.001)
    with pytest.raises(InputError, match="'beyond' at 6 GeV is outside the masses of the signal, 2 to 5 GeV: say its"):
        resonance_peak(KnownPeak(name="beyond", mass=6.0), region)


def test_regions_fitted_together_have_yields_of_their_own_and_one_mass():
    rng = np.random.default_rng(3)
    pair = [spectrum(rng.poisson(expected(1e-3)), name) for name in ("ee", "mumu")]
    wide = KnownPeak(name="jpsi", mass=JPSI.mass, mass_error=2e-3)
    (point,) = scan_spectra(pair, masses=[3.05], method=method(wide)).points
    assert point.valid
    assert abs(point.n_sig) < 3.0 * point.n_sig_error


def test_excluded_masses_move_a_window_to_the_other_side_and_the_row_says_so():
    r = spectrum(SMOOTH + 1e5 * gaussian(3.1, 0.012).fractions(EDGES), excluded=((3.03, 3.17),))
    found = scan_spectra(r, masses=[2.85, 2.95, 3.02, 3.17, 3.3, 3.4], method=method())
    for point, one_sided in zip(found.points, [False, False, True, True, False, False], strict=True):
        assert point.window_hi <= 3.03 + 2e-3 or point.window_lo >= 3.17 - 2e-3
        assert point.window_hi - point.window_lo == pytest.approx(20 * 0.004 * point.mass, rel=0.05)
        assert (Flag.ONE_SIDED in point.flags) == one_sided
        assert abs(point.n_sig) < point.n_sig_error  # the peak of 10^5 events is nowhere in the windows


def test_template_times_a_smooth_function_in_every_window():
    """A bump in the simulation that the smooth function alone cannot follow is no signal."""
    bump = SMOOTH * (1.0 + 0.5 * np.exp(-0.5 * ((EDGES[1:] - 3.6) / 0.02) ** 2))
    counts, simulated = 50.0 * bump * np.exp(0.2 * (EDGES[1:] - 3.0)), np.stack([10.0 * bump, 0.1 * bump])
    (alone,) = scan_spectra(spectrum(counts), masses=[3.6], method=method()).points
    (times,) = scan_spectra(spectrum(counts, multiplied=simulated), masses=[3.6], method=method()).points
    assert alone.z0 > 5.0
    assert abs(times.n_sig) < 0.1 * times.n_sig_error


def test_function_of_python_in_every_window():
    own = BackgroundFunction(lambda x, slope: np.exp(slope * (x - 3.0)), {"slope": -0.5})
    r = spectrum(np.random.default_rng(2).poisson(SMOOTH))
    for mass in (2.6, 3.6):
        (got,) = scan_spectra(r, masses=[mass], method=method(background=own)).points
        (want,) = scan_spectra(r, masses=[mass], method=method(background=BackgroundModel("exponential", 1))).points
        assert got.n_sig == pytest.approx(want.n_sig, abs=1e-3 * want.n_sig_error)
        assert got.n_sig_ul_obs == pytest.approx(want.n_sig_ul_obs, rel=1e-3)


def test_windows_of_functions_of_the_logarithm_begin_above_zero():
    signal = GivenSignal(
        masses=np.array([0.01, 3.0]),
        resolutions=np.array([0.05, 0.05]),
        efficiencies=np.ones(2),
        tails=np.empty((2, 0)),
    )
    edges, nothing = np.linspace(-1.0, 3.0, 401), np.empty((0, 400))
    r = ScanRegion(name="r", spectra=checked_spectra(np.full(400, 50.0), nothing, nothing, [], edges), signal=signal)
    for family in ("power", "logarithmic"):
        (point,) = scan_spectra(r, masses=[0.3], method=method(background=BackgroundModel(family, 2))).points
        assert point.window_lo == pytest.approx(0.01)
        assert point.valid


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Method(kind="counting", known_peaks=(JPSI,)), "no shape that tells a signal from jpsi"),
        (lambda: method(JPSI, JPSI), "need different names"),
        (lambda: known_peak("jspi"), "did you mean 'jpsi'"),
        (lambda: KnownPeak(name="x", mass=-1.0), "must be positive numbers of GeV"),
        (lambda: KnownPeak(name="x", mass=1.0, resolution=0.0), "must be positive numbers of GeV"),
        (lambda: KnownPeak(name="x", mass=1.0, width=-0.1), "must be >= 0"),
        (lambda: spectrum(SMOOTH, multiplied=np.ones((1, 1500))), r"want a multiplied template and its variances"),
    ],
)
def test_what_makes_no_sense_raises(call, message):
    with pytest.raises(InputError, match=message):
        call()
