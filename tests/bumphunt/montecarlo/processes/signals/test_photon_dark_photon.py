"""The generator of gamma A' against cross sections, decay angles and spin correlations known in closed form."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.constants import M_ELECTRON, M_MUON, M_PION, M_TAU
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, Beams, boost, mass_squared
from bumphunt.montecarlo.processes.signals import photon_dark_photon
from bumphunt.theory import dark_photon

SYMMETRIC = Beams(electron_energy=5.29, positron_energy=5.29)
BELLE2 = BEAMS["belle2"]
N = 100_000
CASES = [("ee", 0.02), ("ee", 6.0), ("mumu", 0.25), ("mumu", 5.0), ("pipi", 0.77), ("invisible", 8.0), ("tautau", 5.0)]
MASSES = {"ee": M_ELECTRON, "mumu": M_MUON, "pipi": M_PION}


def generate(n=N, *, seed, beams=SYMMETRIC, **parameters):
    return photon_dark_photon.generate(n, beams=beams, rng=np.random.default_rng(seed), **parameters)


@pytest.mark.parametrize(("final_state", "mass"), CASES)
def test_mean_weight_is_the_cross_section_with_radiation(final_state, mass):
    weight = generate(seed=1, beams=BELLE2, mass=mass, final_state=final_state, coupling=2e-3).weight
    expected = float(dark_photon.cross_section(mass, coupling=2e-3, sqrt_s=BELLE2.sqrt_s))
    error = weight.std() / np.sqrt(N)
    assert error < 0.006 * expected
    assert weight.mean() == pytest.approx(expected, abs=3.5 * error)
    assert weight.max() < 20 * expected


# sigma/eps^2 [pb] for |cos| < 0.9 at tree level: an independent calculation, to four digits
@pytest.mark.parametrize(("mass", "expected"), [(1.0, 4840), (3.0, 5575), (5.0, 7638), (8.0, 20340), (9.0, 37210)])
def test_tree_cross_section_away_from_the_beams_is_that_of_the_table(mass, expected):
    events = generate(3 * N, seed=2, mass=mass, final_state="invisible", coupling=1.0, radiation=False)
    photon = events.p4[:, 1:].sum(axis=1)
    within = np.where(np.abs(photon[:, 3]) < 0.9 * photon[:, 0], events.weight, 0.0)
    assert within.mean() / 1e3 == pytest.approx(expected, rel=0.01)
    assert within.mean() / 1e3 == pytest.approx(expected, abs=4 * within.std() / np.sqrt(within.size) / 1e3)


@pytest.mark.parametrize(("final_state", "mass"), CASES)
@pytest.mark.parametrize("radiation", [True, False])
def test_momentum_is_conserved_and_the_products_are_those_asked_for(final_state, mass, radiation):
    events = generate(3000, seed=3, beams=BELLE2, mass=mass, final_state=final_state, radiation=radiation)
    used = events.weight > 0
    assert used.mean() > 0.8
    np.testing.assert_allclose(events.p4.sum(axis=1)[used], events.beams_p4[used], atol=1e-8)
    assert not np.any(events.p4[events.pdgid == 0])
    photons = events.p4[:, -2:]
    np.testing.assert_allclose(mass_squared(events.beams_p4 - photons.sum(axis=1))[used], mass**2, rtol=1e-8)
    if final_state in MASSES:
        kind = {"ee": 11, "mumu": 13, "pipi": -211}[final_state]
        np.testing.assert_array_equal(events.pdgid[:, :2], np.tile([kind, -kind], (3000, 1)))
        np.testing.assert_allclose(mass_squared(events.p4[:, :2])[used], MASSES[final_state] ** 2, atol=1e-7)
    elif final_state == "invisible":
        np.testing.assert_array_equal(events.pdgid[:, 0], 32)
    else:
        neutrinos = np.isin(events.pdgid, (16, -16)).sum(axis=1)
        np.testing.assert_array_equal(neutrinos, 2)


def directions_at_rest(events):
    """Return the direction of the negative product those of both beams, A' at rest, and beam energies."""
    velocity = -events.p4[:, :2].sum(axis=1)
    velocity = velocity[:, 1:] / -velocity[:, :1]
    vectors = [events.p4[:, 0]] + [np.tile(p, (velocity.shape[0], 1)) for p in (SYMMETRIC.electron, SYMMETRIC.positron)]
    rest = [boost(v, velocity) for v in vectors]
    return [v[:, 1:] / np.linalg.norm(v[:, 1:], axis=1, keepdims=True) for v in rest], [v[:, 0] for v in rest[1:]]


@pytest.mark.parametrize(
    ("final_state", "mass"), [("mumu", 0.3), ("mumu", 4.0), ("ee", 8.0), ("pipi", 0.8), ("pipi", 6)]
)
def test_decay_angles_are_those_of_the_matrix_element(final_state, mass):
    """Berends, Kleiss: E1^2 (1 + c1^2 + r s1^2) + E2^2 (1 + c2^2 + r s2^2) at rest; for pions E1^2 s1^2 + E2^2 s2^2.

    In photons at wide angles, where the two beams are not in line; moments against those of this law, event by event.
    """
    events = generate(3 * N, seed=4, mass=mass, final_state=final_state, radiation=False)
    photon = events.p4[:, -2:].sum(axis=1)
    wide = np.abs(photon[:, 3]) < 0.9 * photon[:, 0]
    (n, a, b), (e1, e2) = directions_at_rest(events)
    r = 4 * MASSES[final_state] ** 2 / mass**2
    slope = -1.0 if final_state == "pipi" else (1 - r) / (1 + r)
    square = (1 / 3 + slope / 5) / (1 + slope / 3)  # <c^2> about one axis
    share, between = e1**2 / (e1**2 + e2**2), np.einsum("ij,ij->i", a, b) ** 2
    across, extra = (1 - square) / 2, (3 * square - 1) / 2  # <n_i n_j> = across delta_ij + extra a_i a_j
    for axis, same in ((a, share), (b, 1 - share)):
        expected = across + extra * (same + (1 - same) * between)
        difference = (np.einsum("ij,ij->i", n, axis) ** 2 - expected)[wide] * events.weight[wide]
        assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(difference.size)
    odd = np.einsum("ij,ij->i", n, a)[wide] * events.weight[wide]
    assert abs(odd.mean()) < 4 * odd.std() / np.sqrt(odd.size)


@pytest.mark.parametrize("mass", [4.0, 9.0])
def test_taus_have_their_spin_correlation(mass):
    """In pi nu of both, <c- c+> = <R_zz> / 9 with <R_zz> = (2 - r) / (2 + r), r = 4 m_tau^2 / m^2 (Tsai 1971)."""
    events = generate(200_000, seed=5, mass=mass, final_state="tautau", radiation=False, mode_enrichment={"pi": 400.0})
    both = (events.pdgid[:, 0] == -211) & (events.pdgid[:, 6] == 211) & (events.pdgid[:, 2] == 0) & (
        events.pdgid[:, 8] == 0
    )  # fmt: skip
    assert both.sum() > 150_000
    resonance = (events.beams_p4 - events.p4[:, -2:].sum(axis=1))[both]
    energy = [boost(events.p4[both, slot], -resonance[:, 1:] / resonance[:, :1])[:, 0] for slot in (0, 6)]
    gamma = mass / (2 * M_TAU)
    e_pi = (M_TAU**2 + M_PION**2) / (2 * M_TAU)
    p_pi = (M_TAU**2 - M_PION**2) / (2 * M_TAU)
    minus, plus = ((e / gamma - e_pi) / (p_pi * np.sqrt(1 - 1 / gamma**2)) for e in energy)
    r = 1 / gamma**2
    for sample, expected in ((minus * plus, (2 - r) / (2 + r) / 9), (minus, 0.0), (minus**2, 1 / 3)):
        assert sample.mean() == pytest.approx(expected, abs=4 * sample.std() / np.sqrt(sample.size))


def test_products_start_where_the_dark_photon_decays():
    mass, lifetime = 2.0, 0.3
    events = generate(seed=6, beams=BELLE2, mass=mass, final_state="mumu", lifetime=lifetime)
    assert not np.any(events.vertex[:, -2:])
    np.testing.assert_array_equal(events.vertex[:, 0], events.vertex[:, 3])
    resonance = events.beams_p4 - events.p4[:, -2:].sum(axis=1)
    beta_gamma = resonance[:, 1:] / mass
    proper = np.linalg.norm(events.vertex[:, 0], axis=1) / np.linalg.norm(beta_gamma, axis=1)
    np.testing.assert_allclose(events.vertex[:, 0], proper[:, np.newaxis] * beta_gamma, rtol=1e-6, atol=1e-12)
    assert stats.kstest(proper, "expon", args=(0, lifetime)).pvalue > 1e-3
    assert generate(10, seed=6, mass=mass).vertex is None


def test_generation_is_reproducible():
    first, second = (generate(100, seed=7, beams=BELLE2, mass=1.0) for _ in range(2))
    np.testing.assert_array_equal(first.p4, second.p4)
    np.testing.assert_array_equal(first.weight, second.weight)


@pytest.mark.parametrize(
    ("final_state", "mass"), [("mumu", 0.2), ("tautau", 3.5), ("pipi", 0.27), ("ee", 10.7), ("invisible", 0.0)]
)
def test_mass_outside_the_kinematic_range_raises_and_is_named(final_state, mass):
    with pytest.raises(InputError, match=f"mass = {mass} GeV"):
        generate(10, seed=1, mass=mass, final_state=final_state)


def test_bad_parameters_raise_and_are_named():
    with pytest.raises(InputError, match="final_state = 'kk'"):
        generate(10, seed=1, mass=1.0, final_state="kk")
    with pytest.raises(InputError, match=r"coupling = 0\.0"):
        generate(10, seed=1, mass=1.0, coupling=0.0)
    with pytest.raises(InputError, match=r"lifetime = -1\.0 cm"):
        generate(10, seed=1, mass=1.0, lifetime=-1.0)
    with pytest.raises(InputError, match="tau decay mode 'nothing' is unknown"):
        generate(10, seed=1, mass=5.0, final_state="tautau", mode_enrichment={"nothing": 2.0})
