"""Resonances with a natural width and a resolution, against scipy's profile and distributions, and integration."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import voigt_profile

from bumphunt.errors import InputError
from bumphunt.models.natural_widths import breit_wigner_cdf, breit_wigner_pdf, voigt_cdf, voigt_pdf

RESONANCES = {  # mass, resolution, natural width [GeV]
    "Z": (91.19, 2.0, 2.5),
    "Z, seen sharply": (91.19, 1e-3, 2.5),
    "J/psi": (3.097, 8e-3, 9.3e-5),
    "rho": (0.775, 0.01, 0.149),
    "broad": (0.5, 0.05, 0.6),
}


def integrated(density, low, high, centre, scale):
    """Return the integral of a density by scipy's quadrature, in asinh of the distance from its centre."""
    ends = np.linspace(*np.arcsinh((np.array([low, high]) - centre) / scale), 12)

    def inside(t):
        return float(density(centre + scale * np.sinh(t))) * scale * np.cosh(t)

    return sum(integrate.quad(inside, a, b, epsabs=1e-15, epsrel=1e-10)[0] for a, b in itertools.pairwise(ends))


@pytest.mark.parametrize(("sigma", "width"), [(1.0, 1e-6), (1.0, 0.1), (1.0, 1.0), (0.1, 5.0), (1e-3, 2.5), (0.01, 0)])
def test_bins_of_a_voigt_profile_from_the_core_to_the_far_tails(sigma, width):
    scale = float(np.hypot(sigma, width))
    x = scale * np.array([-1e6, -300.0, -8.0, -3.0, -1.0, -0.2, 0.0, 0.1, 2.0, 5.0, 40.0, 1e4])
    got = np.diff(voigt_cdf(x + 3.0, 3.0, sigma, width))
    want = [
        integrated(lambda u: voigt_profile(u, sigma, width / 2), a, b, 0.0, scale) for a, b in itertools.pairwise(x)
    ]
    np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-13)  # 3 + x is rounded
    assert voigt_cdf(1e300, 0.0, sigma, width) == pytest.approx(1.0, abs=1e-14)


def test_voigt_without_a_width_or_a_resolution_is_normal_or_cauchy():
    x = np.linspace(-6.0, 6.0, 49)
    np.testing.assert_allclose(voigt_cdf(x, 0.5, 1.2, 0.0), stats.norm.cdf(x, 0.5, 1.2), atol=1e-14)
    np.testing.assert_allclose(voigt_cdf(x, 0.5, 1e-9, 2.4), stats.cauchy.cdf(x, 0.5, 1.2), atol=1e-14)
    np.testing.assert_allclose(voigt_pdf(x, 0.5, 0.3, 0.4), voigt_profile(x - 0.5, 0.3, 0.2))


@pytest.mark.parametrize("name", RESONANCES)
def test_breit_wigner_is_that_of_scipy_convolved_by_quadrature(name):
    mass, sigma, width = RESONANCES[name]
    bare, far = (
        stats.rel_breitwigner(mass / width, scale=width).pdf,
        np.array([-30, -10, -3, -1, -0.3, 0, 0.3, 1, 3, 10, 30]),
    )

    def folded(y):  # what the resolution takes below 0 is reflected
        def inside(m):
            gauss = np.exp(-0.5 * ((y - m) / sigma) ** 2) + np.exp(-0.5 * ((y + m) / sigma) ** 2)
            return bare(m) * gauss / (np.sqrt(2 * np.pi) * sigma)

        points = np.concatenate([[mass, y, 0.0], mass + width * far, y + sigma * np.linspace(-12, 12, 25)])
        points = np.unique(np.clip(points, max(0.0, y - 12 * sigma), y + 12 * sigma))
        return sum(integrate.quad(inside, a, b, epsabs=1e-13, epsrel=1e-10)[0] for a, b in itertools.pairwise(points))

    x = np.abs([0.02 * mass, 0.3 * mass, mass - 2 * sigma - width, mass, mass + width, mass + 4 * sigma, 1.5 * mass])
    np.testing.assert_allclose(breit_wigner_pdf(x, mass, sigma, width), [folded(y) for y in x], rtol=1e-8)


@pytest.mark.parametrize("name", RESONANCES)
def test_bins_of_a_breit_wigner_from_the_core_to_the_far_tails(name):
    mass, sigma, width = RESONANCES[name]
    scale = float(np.hypot(sigma, width))
    x = np.unique(np.clip(mass + scale * np.array([-1e3, -30, -5, -1, 0, 0.4, 3, 9, 1e3]), 0.0, np.inf))
    got = np.diff(breit_wigner_cdf(x, mass, sigma, width))
    want = [
        integrated(lambda m: breit_wigner_pdf(max(m, 0.0), mass, sigma, width), a, b, mass, scale)
        for a, b in itertools.pairwise(x)
    ]
    np.testing.assert_allclose(got, want, atol=1e-12)
    assert breit_wigner_cdf([-1.0, 0.0, 1e12 * mass], mass, sigma, width) == pytest.approx([0.0, 0.0, 1.0], abs=1e-13)


def test_breit_wigner_without_a_resolution_is_that_of_scipy():
    x = np.linspace(40.0, 200.0, 33)
    bare = stats.rel_breitwigner(91.19 / 2.5, scale=2.5)
    np.testing.assert_allclose(breit_wigner_cdf(x, 91.19, 1e-7, 2.5), bare.cdf(x), atol=1e-12)


def test_resonances_that_make_no_sense_raise():
    with pytest.raises(InputError, match=r"natural width >= 0, got 1.0 and -1.0"):
        voigt_pdf(0.0, 0.0, 1.0, -1.0)
    with pytest.raises(InputError, match=r"a mass and a width > 0, got -1.0 and 1.0"):
        breit_wigner_cdf(0.0, -1.0, 1.0, 1.0)
