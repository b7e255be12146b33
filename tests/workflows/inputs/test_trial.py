"""What the first rows of a sample cannot mean is said by `check`, with file and key."""

from __future__ import annotations

import numpy as np
import pytest

from bumphunt.errors import NtupleError
from bumphunt.kinematics.momenta import BEAMS

UNITS = ("p", "theta", "phi")


def with_tracks(columns, machine, seed=3):
    """Add pairs of massless particles that share all the momentum of the beams of a machine."""
    n, rng, beams = columns["mass"].size, np.random.default_rng(seed), BEAMS[machine]
    cos, phi, half = rng.uniform(-0.9, 0.9, n), rng.uniform(-np.pi, np.pi, n), 0.5 * beams.s**0.5
    direction = np.stack([np.sqrt(1 - cos**2) * np.cos(phi), np.sqrt(1 - cos**2) * np.sin(phi), cos])
    velocity = beams.p4[1:] / beams.p4[0]
    gamma = 1.0 / np.sqrt(1.0 - velocity @ velocity)
    found = dict(columns)
    for index, sign in enumerate((1.0, -1.0)):
        p = sign * half * direction
        along = velocity @ p
        lab = p + velocity[:, None] * (gamma**2 / (gamma + 1.0) * along + gamma * half)
        size = np.sqrt((lab**2).sum(axis=0))
        values = (size, np.arccos(lab[2] / size), np.arctan2(lab[1], lab[0]))
        found |= {f"daughter({index}, {unit})": value for unit, value in zip(UNITS, values, strict=True)}
    return found


def reads_tracks(analysis):
    """Let the search read two daughters."""
    path = analysis.folder / "peak.py"
    names = ", ".join(f'"daughter({i}, {unit})"' for i in range(2) for unit in UNITS)
    path.write_text(path.read_text().replace('"good", "tight")', f'"good", "tight", {names})'))


@pytest.mark.parametrize(("machine", "doubted"), [("belle2", False), ("babar", True)])
def test_beams_of_another_machine_are_said(own_analysis, columns, said, machine, doubted):
    analysis = own_analysis()
    reads_tracks(analysis)
    for name, n in (("data", 2500), ("flat", 5000), *((f"signal_{m}", 500) for m in (2, 4, 6, 8))):
        mass = float(name.split("_")[1]) if "_" in name else None
        analysis.write(name, with_tracks(columns(n, seed=n, mass=mass), machine))
    text = said(analysis)
    assert ("carry more than 'beams' can give, 11.01 GeV with 2.999 GeV" in text) == doubted
    assert text.count("more samples") == doubted  # one sentence, not one a sample


def test_masses_in_mev_are_said(own_analysis, columns, said):
    analysis = own_analysis()
    flat = columns(5000, seed=2)
    analysis.write("flat", flat | {"mass": 1000.0 * flat["mass"]})
    text = said(analysis)
    assert "n/flat.root: m of the first" in text
    assert "rows of 'flat' that pass the cuts of region 'all' has the median" in text
    assert "and 0 are on the axis, 0 to 10 GeV: are momenta in GeV" in text


def test_rows_that_all_fail_a_cut_are_looked_at_before_it(own_analysis, columns, said):
    analysis = own_analysis()
    flat = columns(5000, seed=2)
    analysis.write("flat", flat | {"mass": 1000.0 * flat["mass"], "p": 0.001 * flat["p"]})
    assert "m of the first 5000 rows of 'flat' before the cuts of region 'all'" in said(analysis)


def test_file_of_another_mass_is_said_with_its_key(own_analysis, columns, said):
    analysis = own_analysis()
    analysis.write("signal_4", columns(500, seed=4, mass=6.0))
    text = said(analysis)
    assert "n/signal_4.root: m of the first" in text
    assert "but signal.points[4 GeV].files says 4 GeV, which is at 4 GeV: is it the file of another mass?" in text
    assert text.count("another mass") == 1


def test_blinded_data_are_not_looked_at(own_analysis, columns, said):
    analysis = own_analysis()
    del analysis.content["data"]["pseudo"]
    data = columns(2500)
    analysis.write("data", data | {"mass": 1000.0 * data["mass"]})
    assert "'data' that pass" not in said(analysis)


def test_nan_stops_before_all_rows_are_read(own_analysis, columns):
    analysis = own_analysis()
    flat = columns(5000, seed=2)
    flat["p"][17] = np.nan
    analysis.write("flat", flat)
    with pytest.raises(NtupleError, match=r"flat\.root.*17"):
        analysis.make("check")


def test_first_rows_that_are_lost_may_be_missing(own_analysis, columns, said):
    analysis = own_analysis()
    flat = columns(5000, seed=2)
    flat["p"][17] = np.nan
    analysis.write("flat", flat)
    assert "carry more" not in said(analysis, allow_missing=True)


@pytest.mark.parametrize(("generated", "doubted"), [(700, False), (355, False), (345, True), (1450, True)])
def test_efficiency_that_jumps_between_masses_is_said(own_analysis, said, generated, doubted):
    analysis = own_analysis()
    analysis.content["signal"]["points"][1]["generated"] = generated
    text = said(analysis)
    assert (f"at the masses beside it: is signal.points[4 GeV].generated = {generated} right" in text) == doubted


@pytest.mark.parametrize(("factor", "doubted"), [(4.9, False), (5.1, True)])
def test_first_mass_may_be_farther_off(own_analysis, said, factor, doubted):
    analysis = own_analysis()
    analysis.content["signal"]["points"][0]["generated"] = round(700 * factor)
    assert ("is signal.points[2 GeV].generated" in said(analysis)) == doubted
