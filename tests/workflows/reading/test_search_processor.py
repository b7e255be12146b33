"""The processor of a search under coffea's own Runner, without a YAML, against the chain with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from coffea.nanoevents import BaseSchema
from coffea.processor import FuturesExecutor, IterativeExecutor, Runner
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.conditions import Conditions
from bumphunt.montecarlo.detector.presets import DETECTORS
from bumphunt.montecarlo.processes.registry import find_process
from bumphunt.montecarlo.simulation import simulate_chunk
from selections.events import CandidateRule
from selections.registry import SEARCHES
from workflows.chain import prepare, up_to
from workflows.config.file import load
from workflows.ntuples.writing import write_tree
from workflows.products.processed import Processed, read_processed
from workflows.reading.search_processor import search_processor

MASSES = (1.0, 3.0, 5.0, 7.0)
BEST = CandidateRule(best="daughter(0, p)")


def candidates(process: str, production: int, **kwargs: Any) -> dict[str, NDArray[Any]]:
    """Simulated rows, of which every third event has a second candidate with a harder first muon."""
    conditions = Conditions(beams=BEAMS["belle2"], detector=DETECTORS["belle2"], seed=4)
    found = simulate_chunk(
        find_process(process), kwargs, conditions, n=6000, chunk=0, luminosity=1.0, total=6000
    ).columns
    rows = len(found["__event__"])
    again = np.sort(np.concatenate([np.arange(rows), np.arange(0, rows, 3)]))
    second = np.append(False, again[1:] == again[:-1])
    content = {name: values[again] for name, values in found.items()}
    content["__production__"] = np.full(again.size, production, np.int32)
    content["__candidate__"] = second.astype(np.int32)
    content["daughter(0, p)"] = content["daughter(0, p)"] * np.where(second, 1.01, 1.0)
    return content


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of a background, pseudo-data and signals."""
    folder = tmp_path_factory.mktemp("ntuples")
    contents = {"mumu": candidates("mumu", 0), "data": candidates("mumu", 1)}
    contents["data"]["__weight__"][:] = 1.0
    contents |= {f"zprime_{m:g}": candidates("zprime", 2 + k, mass=m) for k, m in enumerate(MASSES)}
    for name, content in contents.items():
        write_tree(folder / f"{name}.root", [content])
    return {name: folder / f"{name}.root" for name in contents}


@pytest.fixture(scope="module")
def chain(files: dict[str, Path]) -> Processed:
    """What the stage ``process`` of the chain makes of them."""
    folder = files["mumu"].parent
    content = {
        "channel": "zprime-invisible",
        "data": {"luminosity": 1.0, "files": ["data.root"], "pseudo": True},
        "samples": {"mumu": {"files": ["mumu.root"], "luminosity": 1.0}},
        "signal": {"points": [{"mass": m, "files": [f"zprime_{m:g}.root"], "generated": 6000} for m in MASSES]},
        "ntuples": {"candidates": {"best": "highest", "variable": "daughter(0, p)"}},
        "search": {"low": 1.0, "high": 7.0},
    }
    (folder / "analysis.yaml").write_text(yaml.safe_dump(content))
    for step in up_to(prepare(load(folder / "analysis.yaml"), folder / "results", allow_missing=False), "process"):
        step.run()
    return read_processed(folder / "results" / "process", data_luminosity=1.0)


@pytest.mark.parametrize("chunksize", [397, 100_000])
@pytest.mark.parametrize("executor", [IterativeExecutor, FuturesExecutor])
def test_runner_gives_what_the_chain_gives(
    files: dict[str, Path], chain: Processed, executor: Any, chunksize: int
) -> None:
    fileset = {
        name: {"files": {str(files[name]): "events"}, "metadata": {"simulated": name != "data"}}
        for name in ("mumu", "data", "zprime_3")
    }
    runner = Runner(executor=executor(status=False), schema=BaseSchema, chunksize=chunksize)
    found = runner(fileset, search_processor("zprime-invisible", beams="belle2", rule=BEST), treename="events")
    for name in fileset:
        ours, theirs = found[name]["mumu"], chain.cutflows["mumu"][name]
        assert ours.cutflow.steps == theirs.steps
        assert ours.cutflow.raw[-1] > 100
        np.testing.assert_array_equal(ours.cutflow.raw, theirs.raw)
        np.testing.assert_allclose(ours.cutflow.sum_w, theirs.sum_w, rtol=1e-12)
        spectra = chain.spectra("mumu", name)
        assert ours.spectra.axes == spectra.axes
        np.testing.assert_allclose(ours.spectra.values(flow=True), spectra.values(flow=True), rtol=1e-12)
        np.testing.assert_allclose(ours.spectra.variances(flow=True), spectra.variances(flow=True), rtol=1e-12)


def test_example_of_the_readme_runs_as_it_stands(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[3] / "README.md").read_text().split("## Inside coffea", 1)[1]
    monkeypatch.chdir(files["mumu"].parent)
    names: dict[str, Any] = {}
    exec(text.split("```python\n", 1)[1].split("```", 1)[0], names)
    assert "mumu {'all rows': " in capsys.readouterr().out
    assert names["recoil"].sum(flow=True).value > 0.0


def test_regions_of_one_candidate_are_filled_together() -> None:
    search = SEARCHES["zprime-invisible"]
    together = search_processor(search, regions=["mumu", "mumugamma"], beams=BEAMS["belle2"], keep=["pt_pair"])
    assert [plan.name for plan in together.regions] == ["mumu", "mumugamma"]
    assert [plan.fitted for plan in together.regions] == [True, False]
    assert all("pt_pair" in plan.kept for plan in together.regions)


@pytest.mark.parametrize(
    ("search", "kwargs", "message"),
    [
        ("zprime-invisble", {}, "search 'zprime-invisble' is not known; did you mean 'zprime-invisible'"),
        ("zprime-invisible", {"beams": "bell2"}, "beams 'bell2' is not known; did you mean 'belle2'"),
        ("zprime-invisible", {"regions": ["muu"]}, "region 'muu' is not known; did you mean 'mumu'"),
        ("zprime-invisible", {"regions": ["mumu", "emu"]}, "'mumu' reads 'dimuon', 'emu' reads .*different ntuples"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(search: str, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        search_processor(search, **kwargs)
