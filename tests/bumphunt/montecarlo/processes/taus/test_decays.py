"""Tau decays at rest against analytic spectra and PDG numbers."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest

from bumphunt.constants import M_ELECTRON, M_MUON, M_PION, M_PION0, M_TAU
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import mass_squared
from bumphunt.montecarlo.processes.taus.decays import decay_at_rest
from bumphunt.montecarlo.processes.taus.modes import MODES, mode_probabilities, sample_modes

INDEX = {mode.name: index for index, mode in enumerate(MODES)}
# PDG 2022 [%], with the mode of ours that holds it
PDG = {
    "e": 17.82, "mu": 17.39, "pi": 10.82, "rho": 25.49, "pi 2pi0": 9.26, "3pi": 9.31, "K": 0.696,
    "K pi0": 0.433, "K0L pi": 0.838 / 2,
}  # fmt: skip


def decays(name, n=60_000, seed=1):
    return decay_at_rest(np.full(n, INDEX[name]), rng=np.random.default_rng(seed))


def michel(e, mass):
    """Return dGamma/dE of an unpolarised tau -> l nu nu with the lepton's mass (PDG review, rho = 3/4, eta = 0)."""
    top = (M_TAU**2 + mass**2) / (2 * M_TAU)
    return np.sqrt(e**2 - mass**2) * (e * (top - e) + (4 * e**2 - 3 * top * e - mass**2) / 6)


def test_branching_fractions_add_to_one():
    assert sum(mode.fraction for mode in MODES) == pytest.approx(1, abs=1e-12)
    for name, percent in PDG.items():
        assert MODES[INDEX[name]].fraction == pytest.approx(percent / 100, rel=0.01)


@pytest.mark.parametrize("enrichment", ["none", "muon", "emu", {"e": 5.0, "3pi": 0.5}])
def test_weights_bring_back_the_branching_fractions(enrichment):
    mode, weight = sample_modes(400_000, enrichment=enrichment, rng=np.random.default_rng(2))
    assert weight.mean() == pytest.approx(1, abs=5 * weight.std() / np.sqrt(weight.size) + 1e-12)
    for name, percent in PDG.items():
        chosen = weight * (mode == INDEX[name])
        assert chosen.mean() == pytest.approx(percent / 100, rel=0.01, abs=4 * chosen.std() / np.sqrt(weight.size))


def test_muon_enrichment_makes_mostly_muons():
    assert 0.6 < mode_probabilities("muon")[INDEX["mu"]] < 0.8


def test_emu_enrichment_makes_as_many_electrons_as_muons():
    probability = mode_probabilities("emu")
    assert probability[INDEX["e"]] == pytest.approx(probability[INDEX["mu"]], rel=0.05)
    assert probability[INDEX["e"]] + probability[INDEX["mu"]] > 0.8


@pytest.mark.parametrize(
    ("enrichment", "message"),
    [("tau", "'tau' is unknown"), ({"eta": 2.0}, "'eta' is unknown"), ({"mu": 0.0}, "is 0.0"), ({"mu": np.nan}, "nan")],
)
def test_wrong_enrichment_raises(enrichment, message):
    with pytest.raises(InputError, match=message):
        mode_probabilities(enrichment)


@pytest.mark.parametrize("index", [-1, len(MODES)])
def test_unknown_mode_raises(index):
    with pytest.raises(InputError, match="mode indices"):
        decay_at_rest(np.array([index]), rng=np.random.default_rng(1))


@pytest.mark.parametrize("name", list(INDEX))
def test_every_mode_conserves_momentum_charge_and_mass_shells(name):
    sample = decays(name, n=2000)
    assert np.abs(sample.p4.sum(axis=1) - [M_TAU, 0, 0, 0]).max() < 1e-12
    charge = {11: -1, 13: -1, -211: -1, 211: 1, -321: -1, 130: 0, 22: 0, 16: 0, -12: 0, -14: 0, 0: 0}
    assert np.all(np.vectorize(charge.get)(sample.pdgid).sum(axis=1) == -1)
    mass = np.vectorize({11: M_ELECTRON, 13: M_MUON, 211: M_PION, 321: 0.493677, 130: 0.497611}.get)(
        np.abs(sample.pdgid), 0.0
    )
    assert np.abs(mass_squared(sample.p4) - mass.astype(float) ** 2).max() < 1e-9
    # filled slots come first
    assert np.all(np.diff((sample.pdgid != 0).astype(int), axis=1) <= 0)


@pytest.mark.parametrize(("name", "mass"), [("e", M_ELECTRON), ("mu", M_MUON)])
def test_lepton_spectrum_is_michels(name, mass):
    energy = decays(name).p4[:, 0, 0]
    top = (M_TAU**2 + mass**2) / (2 * M_TAU)
    grid = np.linspace(mass, top, 400)
    cdf = np.array([quad(michel, mass, e, args=(mass,))[0] for e in grid])
    assert kstest(energy, lambda e: np.interp(e, grid, cdf / cdf[-1])).pvalue > 1e-3


def test_lepton_follows_the_spin_as_in_muon_decay():
    # mu-: d2Gamma ~ x^2 [(3 - 2x) - P cos (2x - 1)] with massless leptons; moments by quadrature
    sample = decays("e", n=200_000)
    x = 2 * sample.p4[:, 0, 0] / M_TAU
    cos = sample.p4[:, 0, 3] / np.linalg.norm(sample.p4[:, 0, 1:], axis=1)
    polarised = 1 + sample.polarimeter[:, 2]  # weight of a tau- with its spin along z
    for power in (0, 1, 2):
        top, _ = quad(lambda x, n: -(x ** (2 + n)) * (2 * x - 1) / 3, 0, 1, args=(power,))
        norm, _ = quad(lambda x: x**2 * (3 - 2 * x), 0, 1)
        value = polarised * cos * x**power
        assert value.mean() == pytest.approx(top / norm, abs=4 * value.std() / np.sqrt(value.size))


@pytest.mark.parametrize("name", ["e", "mu", "pi", "K", "rho", "pi 2pi0", "3pi", "K pi0", "K0L pi"])
def test_polarimeter_is_an_isotropic_unit_vector(name):
    # one helicity of one massless neutrino: the decay analyses the spin completely
    h = decays(name, n=20_000).polarimeter
    assert np.abs(np.linalg.norm(h, axis=1) - 1).max() < 1e-10
    assert np.abs(h.mean(axis=0)).max() < 4 / np.sqrt(3 * 20_000)


@pytest.mark.parametrize("name", ["pi", "K"])
def test_meson_goes_along_the_spin(name):
    sample = decays(name, n=1000)
    direction = sample.p4[:, 0, 1:] / np.linalg.norm(sample.p4[:, 0, 1:], axis=1, keepdims=True)
    assert np.abs(direction - sample.polarimeter).max() < 1e-12


@pytest.mark.parametrize(
    ("name", "products", "mass"), [("rho", 3, 0.770), ("K pi0", 3, 0.896), ("K0L pi", 2, 0.896)]
)  # fmt: skip
def test_vector_meson_analyses_the_spin_as_its_helicities_demand(name, products, mass):
    # <h . n> = (m^2 - 2 q^2) / (m^2 + 2 q^2), Tsai 1971; masses of the mesons from the PDG
    sample = decays(name, n=100_000)
    meson = sample.p4[:, :products].sum(axis=1)
    q2 = mass_squared(meson)
    direction = meson[:, 1:] / np.linalg.norm(meson[:, 1:], axis=1, keepdims=True)
    value = np.sum(direction * sample.polarimeter, axis=1) - (M_TAU**2 - 2 * q2) / (M_TAU**2 + 2 * q2)
    assert value.mean() == pytest.approx(0, abs=4 * value.std() / np.sqrt(value.size))
    assert np.median(np.sqrt(q2)) == pytest.approx(mass, abs=0.02)


def test_kstar_has_its_width():
    # half of a Breit-Wigner of 46 MeV (PDG, in tau decays) is within half the width of its peak
    sample = decays("K0L pi", n=100_000)
    q = np.sqrt(mass_squared(sample.p4[:, :2].sum(axis=1)))
    assert np.mean(np.abs(q - 0.8955) < 0.0231) == pytest.approx(0.5, abs=0.04)


def test_a1_analyses_the_spin_as_its_helicities_demand():
    sample = decays("3pi", n=100_000)
    a1 = sample.p4[:, :3].sum(axis=1)
    q2 = mass_squared(a1)
    direction = a1[:, 1:] / np.linalg.norm(a1[:, 1:], axis=1, keepdims=True)
    value = np.sum(direction * sample.polarimeter, axis=1) - (M_TAU**2 - 2 * q2) / (M_TAU**2 + 2 * q2)
    assert value.mean() == pytest.approx(0, abs=4 * value.std() / np.sqrt(value.size))
    assert 1.05 < np.median(np.sqrt(q2)) < 1.25


def test_photons_of_a_neutral_pion_have_its_mass():
    sample = decays("rho", n=1000)
    assert np.all(sample.pdgid[:, 1:3] == 22)
    assert np.abs(mass_squared(sample.p4[:, 1] + sample.p4[:, 2]) - M_PION0**2).max() < 1e-9


def test_phase_space_mode_has_the_three_body_mass_spectrum():
    # tau -> K pi pi nu flat: dN/dq ~ p(tau; q, 0) Int p(q; w, K) p(w; pi, pi) dw, w the mass of the pions
    sample = decays("K 2pi")
    q = np.sqrt(mass_squared(sample.p4[:, :3].sum(axis=1)))
    kaon = 0.493677

    def momentum(m, m1, m2):
        return np.sqrt(max((m**2 - (m1 + m2) ** 2) * (m**2 - (m1 - m2) ** 2), 0.0)) / (2 * m)

    def density(q):
        inner, _ = quad(lambda w: momentum(q, w, kaon) * momentum(w, M_PION, M_PION), 2 * M_PION, q - kaon)
        return (M_TAU**2 - q**2) * inner

    grid = np.linspace(kaon + 2 * M_PION, M_TAU, 200)
    steps = np.array([density(v) for v in grid])
    cdf = np.concatenate([[0.0], np.cumsum((steps[1:] + steps[:-1]) / 2)])
    assert kstest(q, lambda v: np.interp(v, grid, cdf / cdf[-1])).pvalue > 1e-3


def test_same_seed_same_decays():
    mode = np.arange(len(MODES)).repeat(5)
    one, two = (decay_at_rest(mode, rng=np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(one.p4, two.p4)
    assert np.array_equal(one.polarimeter, two.polarimeter)
