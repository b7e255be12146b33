"""The steering files for basf2 write exactly what the searches read, by names that basf2 documents.

basf2 is not here: its modules are stood in for by ones that note what they are asked.
"""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest

from bumphunt.kinematics.momenta import BEAMS
from selections.registry import SEARCHES

FOLDER = Path(__file__).parents[2] / "examples" / "basf2"
WRITTEN = {
    # file of each ntuple, and the regions that read it
    "zprime-invisible": {"dimuon.root": ["mumu", "mumugamma"], "emu.root": ["emu"]},
    "zprime-lfv": {"emu.root": ["emu"]},
    "darkphoton-dilepton": {"ee.root": ["ee"], "mumu.root": ["mumu"]},
    "darkphoton-invisible": {"photon.root": ["belle2"]},
    "alp-invisible": {"photon.root": ["belle2"]},
}
DAUGHTERS = {
    "dimuon.root": "mu+:all mu-:all",
    "emu.root": "e-:all mu+:all",
    "ee.root": "e+:all e-:all gamma:signal",
    "mumu.root": "mu+:all mu-:all gamma:signal",
    "photon.root": "gamma:signal",
}
DOCUMENTED = {"p", "E", "theta", "phi", "charge", "dr", "dz", "muonID", "electronID", "clusterE"}
DOCUMENTED |= {"nTracks", "nKLMClusters"}
"""Names that basf2 registers (REGISTER_VARIABLE in analysis/variables/src), as they are used here."""
FUNCTIONS = {"daughter": 2, "L1PSNM": 1, "SoftwareTriggerResult": 1}
FUNCTIONS |= {"totalEnergyOfParticlesInList": 1, "getVariableByRank": 4}
"""Its functions, with the number of their arguments."""


class Paths(list):
    """A path that is asked for nothing but a loop."""

    def for_each(self, loop, over, path):
        self.append(("for_each", over, path))


@pytest.fixture
def basf2(monkeypatch):
    """Put modules in the place of basf2's that note their calls; return the notes."""
    calls = []

    def noting(name):
        module = ModuleType(name)
        module.__getattr__ = lambda function: lambda *args, **kwargs: calls.append((function, args, kwargs))
        return module

    core = noting("basf2")
    core.create_path = Paths
    monkeypatch.setitem(sys.modules, "basf2", core)
    monkeypatch.setitem(sys.modules, "modularAnalysis", noting("modularAnalysis"))
    monkeypatch.syspath_prepend(str(FOLDER))
    for module in [name for name in sys.modules if (FOLDER / f"{name}.py").exists()]:
        monkeypatch.delitem(sys.modules, module)
    yield calls
    for module in [name for name in sys.modules if (FOLDER / f"{name}.py").exists()]:
        sys.modules.pop(module)


def test_every_search_has_a_steering_file():
    files = {path.stem.replace("_", "-") for path in FOLDER.glob("*.py")} - {"ntuples"}
    assert files == set(WRITTEN) == set(SEARCHES) - {"spectrum"}  # which reads a column of any name


@pytest.mark.parametrize("channel", WRITTEN)
def test_steering_file_writes_what_the_search_reads(basf2, channel):
    runpy.run_path(str(FOLDER / f"{channel.replace('-', '_')}.py"), run_name="__main__")
    ntuples = {kwargs["filename"]: (args, kwargs) for name, args, kwargs in basf2 if name == "variablesToNtuple"}
    decays = dict(args[0].split(" -> ") for name, args, _ in basf2 if name == "reconstructDecay")
    assert ntuples.keys() == WRITTEN[channel].keys()
    for file, regions in WRITTEN[channel].items():
        (candidate, variables), kwargs = ntuples[file]
        assert len(variables) == len(set(variables))
        wanted = [SEARCHES[channel].region(r).selection(BEAMS["belle2"]).variables for r in regions]
        assert set(variables) == {variable.name for some in wanted for variable in some}
        assert decays[kwargs.get("signalSideParticleList", candidate)] == DAUGHTERS[file]
        assert kwargs["treename"] == "events"
    assert [name for name, _, _ in basf2].count("process") == len(ntuples)


@pytest.mark.parametrize("channel", WRITTEN)
def test_names_are_those_of_basf2(channel):
    regions = [region for some in WRITTEN[channel].values() for region in some]
    for region in regions:
        for variable in SEARCHES[channel].region(region).selection(BEAMS["belle2"]).variables:
            if (call := re.fullmatch(r"(\w+)\((.*)\)", variable.name)) is None:
                assert variable.name in DOCUMENTED
                continue
            arguments = call[2].split(", ")
            assert len(arguments) == FUNCTIONS[call[1]]
            of_particles = {"daughter": arguments[1:], "getVariableByRank": arguments[1:3]}.get(call[1], [])
            assert set(of_particles) <= DOCUMENTED
