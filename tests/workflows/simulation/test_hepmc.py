"""Events of another generator in HepMC files, written by pyhepmc: through our detector into ntuples."""

from __future__ import annotations

import gzip
import shutil

import numpy as np
import pyhepmc
import pytest
import uproot
import yaml

from bumphunt.errors import ConfigError, InputError
from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.processes.registry import find_process
from workflows.chain import prepare, up_to
from workflows.config.file import load
from workflows.simulation.hepmc import hepmc_files, hepmc_process

BELLE2 = BEAMS["belle2"]
UNITS = {"GEV": 1.0, "MEV": 1e-3}
BEAM_PARTICLES = (
    (BELLE2.electron_p4(np.array([BELLE2.electron_energy])), 11),
    (BELLE2.positron_p4(np.array([BELLE2.positron_energy])), -11),
)
LENGTHS = {"MM": 0.1, "CM": 1.0}


def generated(name, n, seed=1, **parameters):
    return find_process(name).events(n, beams=BELLE2, rng=np.random.default_rng(seed), parameters=parameters)


def write(path, events, *, momentum="GEV", length="MM", cross_section=None, weights=None):
    """Write events, every particle from a vertex where it starts; the cross section is in fb."""
    units = pyhepmc.Units.GEV if momentum == "GEV" else pyhepmc.Units.MEV
    lengths = pyhepmc.Units.MM if length == "MM" else pyhepmc.Units.CM
    weights = events.weight if weights is None else weights
    with pyhepmc.open(str(path), "w") as file:
        for i in range(len(weights)):
            event = pyhepmc.GenEvent(units, lengths)
            vertex = pyhepmc.GenVertex((0, 0, 0, 0))
            for beam, code in BEAM_PARTICLES:
                energy, px, py, pz = np.ravel(beam) / UNITS[momentum]
                vertex.add_particle_in(pyhepmc.GenParticle((px, py, pz, energy), code, 4))
            away = {}
            for slot in np.flatnonzero(events.pdgid[i]):
                energy, px, py, pz = events.p4[i, slot] / UNITS[momentum]
                particle = pyhepmc.GenParticle((px, py, pz, energy), int(events.pdgid[i, slot]), 1)
                place = (0.0, 0.0, 0.0) if events.vertex is None else tuple(events.vertex[i, slot] / LENGTHS[length])
                if not any(place):
                    vertex.add_particle_out(particle)
                else:
                    away.setdefault(place, []).append(particle)
            event.add_vertex(vertex)
            for place, particles in away.items():
                decaying = pyhepmc.GenParticle((0, 0, 0, 1), 9900032, 2)
                vertex.add_particle_out(decaying)
                decay = pyhepmc.GenVertex((*place, 0))
                decay.add_particle_in(decaying)
                for particle in particles:
                    decay.add_particle_out(particle)
                event.add_vertex(decay)
            event.weights = [float(weights[i])]
            if cross_section is not None:
                known = pyhepmc.GenCrossSection()
                known.set_cross_section(cross_section / 1000.0, 0.0, i + 1, i + 1)
                event.cross_section = known
            file.write(event)
    return path


def read(path, n, *, first=None, cross_section=1.0, folder=None):
    files = hepmc_files([str(p) for p in path], folder or path[0].parent, cross_section)
    process = hepmc_process("hepmc_it", files)
    return process.events(n, beams=BELLE2, rng=np.random.default_rng(1), parameters={}, first=first)


def ordered(events):
    """Return the momenta of each event in an order that does not depend on the file."""
    return np.sort(np.where(events.pdgid != 0, events.p4[:, :, 0], 0.0), axis=1)[:, ::-1]


@pytest.mark.parametrize("momentum", ["GEV", "MEV"])
@pytest.mark.parametrize("length", ["MM", "CM"])
def test_events_are_those_that_were_written(tmp_path, momentum, length):
    events = generated("aprime_mumu", 50, mass=3.0, lifetime=1.0)
    found = read([write(tmp_path / "a.hepmc", events, momentum=momentum, length=length)], 50, first=0)
    np.testing.assert_allclose(found.weight / found.weight.mean(), events.weight / events.weight.mean(), rtol=1e-9)
    slots = np.argsort(-events.p4[:, :, 0], axis=1)
    there = np.argsort(-np.where(found.pdgid != 0, found.p4[:, :, 0], -1.0), axis=1)[:, : events.pdgid.shape[1]]
    rows = np.arange(50)[:, np.newaxis]
    np.testing.assert_array_equal(found.pdgid[rows, there], events.pdgid[rows, slots])
    np.testing.assert_allclose(found.p4[rows, there], events.p4[rows, slots], rtol=1e-6, atol=1e-9)
    places = np.where(events.pdgid[..., np.newaxis] != 0, events.vertex, 0.0)
    np.testing.assert_allclose(found.vertex[rows, there], places[rows, slots], rtol=1e-6, atol=1e-9)


def test_each_event_of_several_files_is_used_once_and_zipped_ones_too(tmp_path):
    events = [generated("mumu", n, seed=n) for n in (30, 20)]
    paths = [write(tmp_path / f"{i}.hepmc", one) for i, one in enumerate(events)]
    with paths[1].open("rb") as plain, gzip.open(tmp_path / "1.hepmc.gz", "wb") as zipped:
        shutil.copyfileobj(plain, zipped)
    paths[1] = tmp_path / "1.hepmc.gz"
    whole = ordered(read(paths, 50, first=0))
    for part in events:
        width = part.pdgid.shape[1]
        start = 0 if part is events[0] else 30
        np.testing.assert_allclose(whole[start : start + len(part.weight), :width], ordered(part), rtol=1e-6, atol=1e-9)
    middle = ordered(read(paths, 10, first=25))
    np.testing.assert_allclose(middle, whole[25:35, : middle.shape[1]])
    drawn = read(paths, 500)
    assert len(np.unique(drawn.p4[:, 0, 0])) == 50


def test_mean_weight_is_the_cross_section(tmp_path):
    events = generated("mumu", 40)
    said = write(tmp_path / "a.hepmc", events, cross_section=2500.0)
    assert read([said], 40, first=0, cross_section=None).weight.mean() == pytest.approx(2500.0)
    assert read([said], 40, first=0, cross_section=7.0).weight.mean() == pytest.approx(7.0)
    silent = write(tmp_path / "b.hepmc", events)
    with pytest.raises(InputError, match=r"b\.hepmc says no cross section: give cross_section"):
        read([silent], 40, first=0, cross_section=None)


def test_events_of_other_beams_are_refused(tmp_path):
    path = write(tmp_path / "a.hepmc", generated("mumu", 20))
    process = hepmc_process("hepmc_it", hepmc_files([path.name], tmp_path, 1.0))
    with pytest.raises(InputError, match=r"a\.hepmc: the stable particles add up to .* generate in the laboratory"):
        process.events(20, beams=BEAMS["babar"], rng=np.random.default_rng(1), parameters={}, first=0)


@pytest.mark.filterwarnings("ignore")
def test_damaged_file_is_told(tmp_path):
    """pyhepmc ends at a damaged event without an error."""
    path = write(tmp_path / "a.hepmc", generated("mumu", 20))
    text, events = path.read_text(), path.read_text().split("\nE ")
    path.write_text(text.replace(events[12], events[12].replace("P 3 ", "Q 3 ")))
    with pytest.raises(InputError, match=r"a\.hepmc: cannot be read as HepMC"):
        read([path], 20, first=0)


MASSES = (1.0, 2.0, 3.0, 4.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with an analysis whose background and signals are HepMC files."""
    folder = tmp_path_factory.mktemp("hepmc")
    write(folder / "mumu.hepmc", generated("mumu", 3000), cross_section=1.148e6)
    for mass in MASSES:
        write(folder / f"zp_{mass:g}.hepmc", generated("zprime", 300, mass=mass))
    content = {
        "channel": "zprime-invisible",
        "data": {
            "luminosity": 1.0,
            "simulate": {"draw_from": "expectation", "inject": [{"mass": 2.0, "coupling": 1.0}]},
        },
        "samples": {"mumu": {"simulate": {"process": "hepmc", "files": ["mumu.hepmc"]}}},
        "signal": {
            "simulate": {"process": "hepmc", "files": ["zp_{mass}.hepmc"], "events": 300, "masses": list(MASSES)}
        },
        "search": {"low": 1.0, "high": 4.0},
    }
    (folder / "analysis.yaml").write_text(yaml.safe_dump(content))
    return folder


def made(folder, verb="process"):
    for step in up_to(prepare(load(folder / "analysis.yaml"), folder / "results"), verb):
        step.run()
    return folder / "results"


def edited(folder, tmp_path, **changes):
    """Return a folder with another YAML over the same files."""
    content = yaml.safe_load((folder / "analysis.yaml").read_text())
    for key, value in changes.items():
        content["samples" if key == "background" else key] = value if key != "background" else {"mumu": value}
    (folder / "edited.yaml").write_text(yaml.safe_dump(content))
    return load(folder / "edited.yaml")


def test_ntuples_are_those_of_our_own_generator(folder):
    results = made(folder)
    with uproot.open(results / "simulate" / "mumu.root") as file:
        rows = file["events"].arrays(["__weight__", "__event__"], library="np")
    assert len(np.unique(rows["__event__"] // 2)) > 1000
    events = generated("mumu", 3000)
    seen = rows["__weight__"].sum() / 1.148e6  # at 1 fb^-1
    # of the events in the acceptance of both muons, nearly all are seen
    theta = np.arctan2(np.hypot(events.p4[..., 1], events.p4[..., 2]), events.p4[..., 3])
    muon = np.abs(events.pdgid) == 13
    inside = np.all(~muon | ((theta > np.radians(17)) & (theta < np.radians(150))), axis=1)
    expected = events.weight[inside].sum() / events.weight.sum()
    assert 0.75 * expected < seen < expected
    with uproot.open(results / "simulate" / "hepmc_signal_2.root") as file:
        assert file["events"].num_entries > 100


def test_files_are_what_simulated_samples_depend_on(folder):
    made(folder, "simulate")
    target = folder / "results" / "simulate" / "mumu.root"
    before = target.stat().st_mtime_ns
    made(folder, "simulate")
    assert target.stat().st_mtime_ns == before
    write(folder / "mumu.hepmc", generated("mumu", 3000, seed=9), cross_section=1.148e6)
    made(folder, "simulate")
    assert target.stat().st_mtime_ns > before


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"process": "hepmc"}, "'files' are for process: hepmc, which needs them"),
        ({"files": ["mumu.hepmc"]}, "'files' are for process: hepmc, which needs them"),
        (
            {"process": "hepmc", "files": ["mumuu.hepmc"]},
            r"mumu\.simulate\.files: .*mumuu\.hepmc cannot be read",
        ),
        ({"process": "hepmc", "files": ["analysis.yaml"]}, "holds no event of HepMC"),
        ({"process": "hepmc", "files": ["mumu.hepmc"], "events": 4000}, "events = 4000, but mumu.hepmc hold 3000"),
        ({"process": "mumu", "events": 10, "cross_section": 1.0}, "'cross_section' is that of HepMC 'files'"),
        ({"process": "mumu"}, "'events' is missing"),
    ],
)
def test_files_that_cannot_be_used_are_refused_before_anything_is_made(folder, tmp_path, section, words):
    with pytest.raises(ConfigError, match=words):
        edited(folder, tmp_path, background={"simulate": section})


def test_signal_files_need_the_mass_in_their_names(folder, tmp_path):
    signal = {"simulate": {"process": "hepmc", "files": ["zp_1.hepmc"], "events": 300, "masses": list(MASSES)}}
    with pytest.raises(ConfigError, match=r"each needs \{mass\} in the place of the mass"):
        edited(folder, tmp_path, signal=signal)
