"""Public spectra of CMS: known peaks where the PDG has them, yields as iminuit finds them, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from iminuit import Minuit
from scipy import stats
from scipy.special import ndtr

import bumphunt as bh
from bumphunt.models.known_peaks import known_peak

SPECTRA = Path(__file__).parents[3] / "examples" / "spectra"
TAILS = ((1.17, 11.0), (1.3, 100.0))
"""Tails of the dimuon resolution, (alpha, n) below and above."""
JPSI, PSI2S, Z = known_peak("jpsi"), known_peak("psi2s"), known_peak("z")
SCALE = 0.003
"""Momentum scale of the muons, relative: the J/psi is seen up to 10 MeV too low."""


def spectrum(name, low=0.0, high=np.inf):
    """Return counts and edges of a spectrum, from the bin that begins at `low` to the one that ends at `high`."""
    table = np.loadtxt(SPECTRA / name, delimiter=",", skiprows=4)
    inside = table[(table[:, 0] >= low) & (table[:, 1] <= high)]
    return inside[:, 2], np.append(inside[:, 0], inside[-1, 1])


def charmonium(peak, mass, extra=()):
    """Return a charmonium of a resolution of 1 % whose position, and width to 10 %, are to be fitted."""
    moves = [bh.PeakPosition(f"m_{peak}", SCALE * mass), bh.PeakWidth(f"w_{peak}", 0.1)]
    shape = bh.two_sided_crystal_ball(mass, 0.01 * mass, *TAILS)
    return bh.Sample(peak, shape, scale=1e3, uncertainties=[*moves, *extra])


SMOOTH = bh.BackgroundModel("exponential", 4)


@pytest.fixture(scope="module")
def dimuons():
    return spectrum("cms_2010_dimuon.csv")


def below(t, alpha, n):
    """Return the integral of a Crystal Ball of height 1 from far below to t <= 0, in units of sigma."""
    tail = np.exp(-0.5 * alpha**2) * n / alpha / (n - 1.0)
    inside = tail + np.sqrt(2.0 * np.pi) * (ndtr(np.maximum(t, -alpha)) - ndtr(-alpha))
    return np.where(t < -alpha, tail * (1.0 - (alpha / n) * (np.minimum(t, -alpha) + alpha)) ** (1.0 - n), inside)


def double_ball(x, mean, sigma):
    """Return the integral of a double-sided Crystal Ball up to x."""
    t = (x - mean) / sigma
    ends = [float(below(0.0, *tail)) for tail in TAILS]
    return (below(np.minimum(t, 0.0), *TAILS[0]) + ends[1] - below(-np.maximum(t, 0.0), *TAILS[1])) / sum(ends)


def test_charmonia_are_at_their_masses_with_the_yields_of_an_independent_fit(dimuons):
    counts, edges = dimuons
    spectrum = bh.region(
        "dimuon",
        counts=counts,
        edges=edges,
        signal=charmonium("jpsi", JPSI.mass),
        backgrounds=[charmonium("psi2s", PSI2S.mass, [bh.Free("n_psi2s")]), SMOOTH],
    )
    found = bh.fit(spectrum)
    assert bh.fit(spectrum, engine="minuit").nll == pytest.approx(found.nll, abs=1e-3)  # there is another minimum
    t = 2.0 * (edges - edges[0]) / (edges[-1] - edges[0]) - 1.0
    nodes, weights = np.polynomial.legendre.leggauss(5)
    half = 0.5 * np.diff(t)[:, None]
    u = 0.5 * (t[1:] + t[:-1])[:, None] + half * nodes

    def cost(n1, m1, w1, n2, m2, w2, a, b, c, d, e):
        nu = (weights * half * np.exp(a + b * u + c * u**2 + d * u**3 + e * u**4)).sum(axis=1)
        for n, mass, moved, wide in ((n1, JPSI.mass, m1, w1), (n2, PSI2S.mass, m2, w2)):
            nu = nu + n * np.diff(double_ball(edges, mass * (1.0 + SCALE * moved), 0.01 * mass * 1.1**wide))
        return 2.0 * np.sum(nu - counts * np.log(nu)) + m1**2 + w1**2 + m2**2 + w2**2

    first = {"a": 10.5, "b": -0.6, "c": 0.2, "d": 0.2, "e": -0.1}
    reference = Minuit(cost, n1=1.4e5, m1=-1.0, w1=0.0, n2=5e3, m2=-1.0, w2=0.0, **first)
    reference.strategy, reference.tol = 1, 1e-2
    reference.migrad(ncall=100_000)
    reference.hesse()
    assert reference.valid
    assert found.n_sig * 1e3 == pytest.approx(reference.values["n1"], rel=1e-3)
    assert found.n_sig_error * 1e3 == pytest.approx(reference.errors["n1"], rel=0.02)
    assert found.value("n_psi2s") * 1e3 == pytest.approx(reference.values["n2"], rel=1e-2)
    for name, mass in (("jpsi", JPSI.mass), ("psi2s", PSI2S.mass)):
        seen = mass * (1.0 + SCALE * found.value(f"m_{name}"))
        assert seen == pytest.approx(mass, rel=SCALE)
    assert found.value("m_jpsi") == pytest.approx(reference.values["m1"], abs=0.01)


def test_no_other_peak_of_dimuons_is_significant_for_all_hypotheses(dimuons):
    """Beside both charmonia as known peaks; the bound is the number of hypotheses times the smallest p-value."""
    counts, edges = dimuons
    known = [charmonium(p, m, [bh.Free(f"n_{p}")]) for p, m in (("jpsi", JPSI.mass), ("psi2s", PSI2S.mass))]
    masses = [m for m in 2.47 * 1.01 ** np.arange(52) if m < 2.85 or 3.3 < m < 3.5 or 3.8 < m < 4.1]

    def at(mass):
        shape = bh.two_sided_crystal_ball(mass, 0.01 * mass, *TAILS)
        return bh.region("dimuon", counts=counts, edges=edges, signal=shape, backgrounds=[*known, SMOOTH])

    smallest = min(bh.significance(at(mass)).p0 for mass in masses)
    assert len(masses) > 20
    assert len(masses) * smallest > 0.01


def test_z_is_at_its_mass_with_the_yield_of_an_independent_fit():
    """A relativistic Breit-Wigner of the PDG's width, convolved with a resolution that is fitted."""
    counts, edges = spectrum("cms_2011_dielectron.csv", 82.0, 100.0)
    moves = [bh.PeakPosition("scale", 0.01 * Z.mass), bh.PeakWidth("resolution", 0.3)]
    signal = bh.Sample("Z", bh.breit_wigner(Z.mass, 2.2, Z.width), uncertainties=moves)
    smooth = bh.BackgroundModel("exponential", 1)
    found = bh.fit(bh.region("Z", counts=counts, edges=edges, signal=signal, backgrounds=smooth))
    bare, points = stats.rel_breitwigner(Z.mass / Z.width, scale=Z.width), np.polynomial.hermite_e.hermegauss(80)

    def cumulative(x):  # the resolution by Gauss and Hermite
        nodes, weights = points
        inside = bare.cdf(np.maximum(np.asarray(x)[:, None] - 2.2 * nodes, 0.0))
        return (inside * weights).sum(axis=1) / weights.sum()

    def cost(n, moved, wide, a, b):
        x = Z.mass + (edges - Z.mass - 0.01 * Z.mass * moved) / 1.3**wide
        flat = np.diff(np.exp(a + b * (edges - 91.0)) / b)
        nu = n * np.diff(cumulative(x)) + flat
        return 2.0 * np.sum(nu - counts * np.log(nu)) + moved**2 + wide**2

    reference = Minuit(cost, n=9e3, moved=-0.5, wide=0.0, a=4.0, b=-0.1)
    reference.strategy, reference.tol = 2, 1e-3
    reference.migrad()
    reference.hesse()
    assert reference.valid
    assert found.n_sig == pytest.approx(reference.values["n"], abs=0.01 * found.n_sig_error)
    assert found.n_sig_error == pytest.approx(reference.errors["n"], rel=0.02)
    assert Z.mass * (1.0 + 0.01 * found.value("scale")) == pytest.approx(91.188, rel=0.01)
    assert found.n_sig > 30.0 * found.n_sig_error


@pytest.mark.parametrize(("low", "high"), [(60.0, 80.0), (102.0, 120.0)])
def test_no_peak_beside_the_z_is_significant_for_all_hypotheses(low, high):
    counts, edges = spectrum("cms_2011_dielectron.csv", low, high)
    masses = np.arange(low + 3.0, high - 3.0, 1.0)

    def at(mass):
        smooth = bh.BackgroundModel("exponential", 2)
        return bh.region("side", counts=counts, edges=edges, signal=bh.gaussian(mass, 2.2), backgrounds=smooth)

    smallest = min(bh.significance(at(mass)).p0 for mass in masses)
    assert 2 * masses.size * smallest > 0.01
