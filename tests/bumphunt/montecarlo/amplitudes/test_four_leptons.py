"""Diagrams of four leptons against 4x4 Dirac matrices."""

import itertools

import numpy as np
import pytest

from bumphunt.constants import M_ELECTRON, M_MUON
from bumphunt.kinematics.momenta import Beams, mass_squared
from bumphunt.montecarlo.amplitudes.four_leptons import correction, workspace
from bumphunt.montecarlo.processes.leptons import two_photon_pairs

BEAMS = Beams(electron_energy=5.29, positron_energy=5.29)
METRIC = np.diag([1.0, -1, -1, -1])
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
GAMMA = np.array(
    [np.diag([1.0, 1, -1, -1]) + 0j]
    + [np.block([[np.zeros((2, 2)), s], [-s, np.zeros((2, 2))]]) for s in PAULI]  # Dirac representation
)


def slash(p):
    return np.einsum("m,mij->ij", METRIC @ p, GAMMA)


def particle(p, mass):
    """Return both spinors u, as columns: (pslash + m) e / sqrt(E + m)."""
    return (slash(p) + mass * np.eye(4))[:, :2] / np.sqrt(p[0] + mass)


def antiparticle(p, mass):
    """Return both spinors v, as columns: (m - pslash) e / sqrt(E + m)."""
    return (mass * np.eye(4) - slash(p))[:, 2:] / np.sqrt(p[0] + mass)


def ratio_from_dirac_matrices(p1, p2, e1, e2, plus, minus, mass, same):
    """Return |sum|^2 over the sum of |multiperipheral|^2, by brute force: no trick shared with the code."""
    masses = (M_ELECTRON, M_ELECTRON, mass)
    starts = (particle(p1, M_ELECTRON), antiparticle(e2, M_ELECTRON), antiparticle(plus, mass))
    ends = tuple(
        s.conj().T @ GAMMA[0] for s in (particle(e1, M_ELECTRON), antiparticle(p2, M_ELECTRON), particle(minus, mass))
    )
    flow_in, flow_out = (p1, -e2, -plus), (e1, -p2, minus)
    total, multiperipheral = 0, 0.0
    for permutation in itertools.permutations(range(3)):
        if permutation[0] == 1 or (not same and permutation[2] != 2):
            continue  # the beams annihilate; an electron turns into a muon
        sign = np.linalg.det(np.eye(3)[list(permutation)])
        for middle in range(3):
            a, b = (k for k in range(3) if k != middle)
            photons = {}
            for k in (a, b):
                q = flow_in[k] - flow_out[permutation[k]]
                current = np.einsum("si,mij,jt->mst", ends[permutation[k]], GAMMA, starts[k])
                photons[k] = q, current / (q @ METRIC @ q)
            amplitude = 0
            for first, second in ((a, b), (b, a)):
                q, current = photons[first]
                k = flow_in[middle] + q
                propagator = (slash(k) + masses[middle] * np.eye(4)) / (k @ METRIC @ k - masses[middle] ** 2)
                lower = METRIC @ np.eye(4)
                vertex = np.einsum(
                    "si,mij,jk,nkl,lt->mnst", ends[permutation[middle]], GAMMA, propagator, GAMMA, starts[middle]
                )
                order = "aA" if first == a else "bB"
                other = "bB" if first == a else "aA"
                amplitude = amplitude + np.einsum(
                    f"mnst,nN,N{order[1]}{order[0]},mM,M{other[1]}{other[0]}->aAbBts",
                    vertex,
                    lower,
                    current,
                    lower,
                    photons[second][1],
                )
            # axes: starts of lines 0, 1, 2, then ends 0, 1, 2
            axes = [0] * 6
            for place, line in ((0, a), (2, b), (4, middle)):
                axes[line] = place
                axes[3 + permutation[line]] = place + 1
            amplitude = np.transpose(amplitude, axes)
            total = total + sign * amplitude
            if middle != 0 and permutation[middle] != 1:
                multiperipheral += np.sum(np.abs(amplitude) ** 2)
    return np.sum(np.abs(total) ** 2) / multiperipheral


@pytest.mark.parametrize(("lepton", "mass", "same"), [(13, M_MUON, False), (11, M_ELECTRON, True)])
def test_correction_equals_dirac_matrices(lepton, mass, same):
    events = two_photon_pairs.generate(
        4000, beams=BEAMS, rng=np.random.default_rng(1), lepton=lepton, multiperipheral_only=True
    )
    hard = np.minimum(-mass_squared(events.p4[:, 0] - BEAMS.electron), -mass_squared(events.p4[:, 1] - BEAMS.positron))
    work = workspace()
    values = []
    for p4 in events.p4[hard > 1e-2][:25]:
        momenta = (BEAMS.electron, BEAMS.positron, *p4)
        mine = correction(*(tuple(p) for p in momenta), mass, same, work)
        assert mine == pytest.approx(ratio_from_dirac_matrices(*momenta, mass, same), rel=1e-3)
        values.append(mine)
    assert len(values) == 25
    assert np.ptp(values) > 0.3


@pytest.mark.parametrize(("mass", "same"), [(M_MUON, False), (M_ELECTRON, True)])
def test_photons_that_are_nearly_real_need_no_correction_at_wide_angles(mass, same):
    """Both electrons scatter by 1e-4 rad, the pair is at 90 degrees: what is left out goes as Q^2 / W^2."""
    energy, after = 5.29, 4.5
    p, k = (np.sqrt(e**2 - M_ELECTRON**2) for e in (energy, after))
    angle = 1e-4
    e1 = (after, k * np.sin(angle), 0.0, k * np.cos(angle))
    e2 = (after, 0.0, k * np.sin(angle), -k * np.cos(angle))
    half = np.array([energy - after, -e1[1] / 2, -e2[2] / 2, 0.0])
    side = np.cross(half[1:], [0.0, 0.0, 1.0])
    side = side / np.linalg.norm(side) * np.sqrt(half[0] ** 2 - mass**2 - half[1:] @ half[1:])
    plus, minus = (tuple(half + np.array([0.0, *(s * side)])) for s in (1, -1))
    a, b = (energy, 0.0, 0.0, p), (energy, 0.0, 0.0, -p)
    assert correction(a, b, e1, e2, plus, minus, mass, same, workspace()) == pytest.approx(1.0, abs=1e-3)
