"""Vector mesons by radiative return against quadrature, the Cauchy distribution and first-order formulae."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from bumphunt.constants import ALPHA, M_ELECTRON, M_MUON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, Beams, boost, mass_squared, to_centre_of_mass
from bumphunt.montecarlo.processes.resonances.isr_resonances import RESONANCES, breit_wigner, generate

BELLE2 = BEAMS["belle2"]
AT_REST = Beams(electron_energy=BELLE2.sqrt_s / 2, positron_energy=BELLE2.sqrt_s / 2)
N = 100_000
MASS = {11: M_ELECTRON, 13: M_MUON}


@pytest.fixture(scope="module")
def jpsi():
    return generate(N, beams=AT_REST, rng=np.random.default_rng(1), meson="jpsi")


@pytest.fixture(scope="module", params=[11, 13])
def everything(request):
    return request.param, generate(N, beams=BELLE2, rng=np.random.default_rng(2), lepton=request.param)


def error(weight):
    return weight.std() / np.sqrt(weight.size)


def meson_mass(events):
    """Return the mass of the leptons with their photons [GeV]."""
    return np.sqrt(mass_squared(events.p4[:, :4].sum(axis=1)))


def radiator(v, s, mass=M_ELECTRON):
    """Return Kuraev and Fadin's radiator to order beta^2, Sov. J. Nucl. Phys. 41 (1985) 466, eq. 28."""
    log = np.log(s / mass**2)
    beta = 2 * ALPHA / np.pi * (log - 1)
    soft = 1 + ALPHA / np.pi * (np.pi**2 / 3 - 0.5) + 0.75 * beta - beta**2 / 24 * (log / 3 + 2 * np.pi**2 - 37 / 4)
    hard = -beta * (1 - v / 2)
    hard += beta**2 / 8 * (4 * (2 - v) * np.log(1 / v) - (1 + 3 * (1 - v) ** 2) / v * np.log1p(-v) - 6 + v)
    return soft * beta * v ** (beta - 1) + hard


@pytest.mark.parametrize("name", RESONANCES)
def test_cross_section_is_radiator_times_breit_wigner(name):
    meson = RESONANCES[name]
    s = AT_REST.s
    weight = generate(N, beams=AT_REST, rng=np.random.default_rng(3), meson=name).weight
    points = meson.mass + np.array([-0.1, -10 * meson.width, -meson.width, meson.width, 10 * meson.width, 0.1])
    expected = sum(
        integrate.quad(
            lambda m: float(breit_wigner(m * m, meson, 13)) * radiator(1 - m * m / s, s) * 2 * m / s, a, b, epsrel=1e-6
        )[0]
        for a, b in itertools.pairwise(points)
    )
    assert weight.mean() == pytest.approx(expected, abs=4 * error(weight) + 4e-3 * expected)
    assert error(weight) < 6e-3 * expected
    narrow = 12 * np.pi**2 * meson.electron_width * meson.branching[13] / meson.mass * 0.3893793721e12
    narrow *= radiator(1 - meson.mass**2 / s, s) / s
    assert expected == pytest.approx(narrow, rel=0.05)  # the narrow-width formula, with the line cut at 0.1 GeV


def test_all_mesons_add_up(everything):
    lepton, events = everything
    single = [generate(20_000, beams=BELLE2, rng=np.random.default_rng(4), lepton=lepton, meson=k) for k in RESONANCES]
    expected = sum(e.weight.mean() for e in single)
    sigma = np.sqrt(sum(error(e.weight) ** 2 for e in single) + error(events.weight) ** 2)
    assert events.weight.mean() == pytest.approx(expected, abs=4 * sigma)
    assert sigma < 0.02 * expected


def test_each_meson_gets_its_share_of_events(everything):
    _, events = everything
    mass = meson_mass(events)
    counts = [np.sum(np.abs(mass - v.mass) < 0.1001) for v in RESONANCES.values()]
    assert sum(counts) == N
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("name", ["phi", "jpsi", "upsilon3s"])
def test_line_is_a_breit_wigner_of_the_pdg_width(name):
    """In m^2, a Cauchy distribution cut at both ends."""
    meson = RESONANCES[name]
    mass = meson_mass(generate(20_000, beams=BELLE2, rng=np.random.default_rng(5), meson=name))
    x = (mass**2 - meson.mass**2) / (meson.mass * meson.width)
    low, high = (((meson.mass + d) ** 2 - meson.mass**2) / (meson.mass * meson.width) for d in (-0.1, 0.1))
    a, b = stats.cauchy.cdf([low, high])
    assert stats.kstest(x, lambda t: (stats.cauchy.cdf(t) - a) / (b - a)).pvalue > 1e-3


def test_widths_reproduce_the_direct_measurement():
    """BaBar, Phys. Rev. D 69 (2004) 011103: Gamma_ee B_mumu = 0.3301 +- 0.0106 keV for J/psi in this process."""
    jpsi = RESONANCES["jpsi"]
    assert jpsi.electron_width * jpsi.branching[13] == pytest.approx(0.3301e-6, abs=0.0106e-6)
    for name, other in (("upsilon1s", 1.340e-6), ("psi2s", 2.33e-6), ("phi", 1.27e-6)):  # PDG: Gamma_ee
        assert RESONANCES[name].electron_width == pytest.approx(other, rel=0.01)


def test_momentum_is_conserved_on_the_mass_shells(everything):
    lepton, events = everything
    np.testing.assert_allclose(events.p4.sum(axis=1), events.beams_p4, atol=1e-9)
    square = mass_squared(events.p4)
    np.testing.assert_allclose(square[:, :2], MASS[lepton] ** 2, atol=1e-9)
    np.testing.assert_allclose(square[:, 2:], 0.0, atol=1e-9)
    assert np.all(events.pdgid[:, :2] == [lepton, -lepton])
    assert set(np.unique(events.pdgid[:, 2:])) <= {0, 22}


def test_weights_are_level(everything):
    _, events = everything
    assert np.all(np.isfinite(events.weight) & (events.weight >= 0))
    mass = meson_mass(events)
    for meson in RESONANCES.values():
        weight = events.weight[np.abs(mass - meson.mass) < 0.1]
        assert weight.max() < 15 * weight.mean()
        assert weight.sum() ** 2 / np.sum(weight**2) > 0.3 * weight.size


def test_one_hard_photon_recoils(jpsi):
    photon = jpsi.p4[:, 4:, 0].max(axis=1)
    expected = (AT_REST.s - RESONANCES["jpsi"].mass ** 2) / (2 * AT_REST.sqrt_s)
    assert np.average(np.abs(photon / expected - 1) < 0.01, weights=jpsi.weight) > 0.6


@pytest.mark.parametrize(("inner", "outer"), [(0.5, 0.9), (0.9, 0.99)])
def test_photon_angles_are_those_of_one_photon_emission(jpsi, inner, outer):
    """dsigma/dcos ~ (1 + c^2 + 4 x / (1 - x)^2) / (1 - c^2), x = m^2 / s, far from the beams."""
    x = RESONANCES["jpsi"].mass ** 2 / AT_REST.s
    rows = np.arange(N)
    photon = jpsi.p4[rows, 4 + np.argmax(jpsi.p4[:, 4:, 0], axis=1)]
    cos = np.abs(photon[:, 3] / photon[:, 0])
    within = [jpsi.weight * (cos < c) for c in (inner, outer)]
    exact = [
        integrate.quad(lambda c: (1 + c * c + 4 * x / (1 - x) ** 2) / (1 - c * c), 0, c0)[0] for c0 in (inner, outer)
    ]
    ratio = within[0].sum() / within[1].sum()
    residual = (within[0] - ratio * within[1]) / within[1].mean()
    assert ratio == pytest.approx(exact[0] / exact[1], abs=4 * error(residual) + 0.01)
    assert error(residual) < 0.01


def test_leptons_go_as_one_plus_cosine_squared_in_the_rest_frame_of_the_meson(jpsi):
    """Where the photon is collinear, so that both beams give the same axis, and the muons radiate little."""
    pair = jpsi.p4[:, :2].sum(axis=1)
    photon = jpsi.p4[:, 4:].sum(axis=1)
    chosen = (np.abs(photon[:, 3]) > 0.9999 * photon[:, 0]) & (np.abs(mass_squared(pair) - 3.0969**2) < 0.05)
    muon = boost(jpsi.p4[chosen, 0], -pair[chosen, 1:] / pair[chosen, :1])
    cos = muon[:, 3] / np.linalg.norm(muon[:, 1:], axis=1)
    weight = jpsi.weight[chosen]
    for power, expected in ((1, 0.0), (2, 0.4)):
        mean = np.average(cos**power, weights=weight)
        assert mean == pytest.approx(
            expected, abs=4 * np.sqrt(np.sum((weight * (cos**power - mean)) ** 2)) / weight.sum()
        )


@pytest.mark.parametrize("lepton", [11, 13])
def test_leptons_of_the_meson_have_their_radiative_tail(lepton):
    """The radiator in x = 1 - m_ll^2 / M^2 with the logarithm of the lepton pair's mass, exact for one photon."""
    events = generate(N, beams=AT_REST, rng=np.random.default_rng(9), lepton=lepton, meson="jpsi")
    meson, mass, weight = RESONANCES["jpsi"].mass, MASS[lepton], events.weight
    pair = np.sqrt(mass_squared(events.p4[:, :2].sum(axis=1)))
    tail = weight * ((pair > 2.0) & (pair < 3.0))

    def spectrum(x):
        log = np.log(meson**2 / mass**2) - 1
        return radiator(x, meson**2, mass) * (1 + np.log(1 - x) / log)

    expected = integrate.quad(spectrum, 1 - (3.0 / meson) ** 2, 1 - (2.0 / meson) ** 2)[0]
    fraction = tail.mean() / weight.mean()
    sigma = error(tail - fraction * weight) / weight.mean()
    assert fraction == pytest.approx(expected, abs=4 * sigma + 0.02 * expected)
    assert sigma < 0.02 * expected


def test_photons_are_symmetric_between_the_beams(jpsi):
    forward = to_centre_of_mass(jpsi.p4[:, 4:].sum(axis=1), AT_REST)[:, 3] > 0
    difference = jpsi.weight * np.where(forward, 1.0, -1.0)
    assert abs(difference.mean()) < 4 * error(difference)


def test_lower_energies_leave_out_what_is_too_heavy():
    below = Beams(electron_energy=4.8, positron_energy=4.8)
    events = generate(600, beams=below, rng=np.random.default_rng(6))
    assert meson_mass(events).max() < 3.8


def test_same_seed_same_events():
    one, two = (generate(100, beams=BELLE2, rng=np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one.p4, two.p4)
    np.testing.assert_array_equal(one.weight, two.weight)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"lepton": 15}, "lepton = 15"),
        ({"meson": "eta"}, "meson = 'eta'"),
        ({"beams": Beams(electron_energy=0.4, positron_energy=0.4)}, r"meson = 'all'; .* below 0\.600 GeV"),
    ],
)
def test_unknown_lepton_or_meson_raises(arguments, match):
    with pytest.raises(InputError, match=match):
        generate(10, **({"beams": BELLE2, "rng": np.random.default_rng(8)} | arguments))


def test_meson_at_the_energy_of_the_beams_raises():
    beams = Beams(electron_energy=4.8, positron_energy=4.8)
    with pytest.raises(InputError, match=r"a mass below 9\.4"):
        generate(10, beams=beams, rng=np.random.default_rng(8), meson="upsilon1s")
