"""Two final states fitted together, from simulation to limits: the dark photon in pairs of electrons and muons.

The combination is compared with regions that are put together by hand, the couplings with the closed form.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from bumphunt.constants import M_MUON
from bumphunt.errors import ConfigError
from bumphunt.inference.fit import fit, limit
from bumphunt.kinematics.momenta import BEAMS
from bumphunt.models.background import BackgroundModel
from bumphunt.models.region import Region, Sample, region
from bumphunt.models.systematics import LogNormal
from bumphunt.scanning.windows import window_edges
from bumphunt.theory import dark_photon
from selections.searches.darkphoton.dilepton import EXCLUDED
from workflows.chain import impacts, prepare, up_to
from workflows.config.file import load
from workflows.products.selected import read_selected
from workflows.products.signal_models import read_signal_models

LUMINOSITY = 1.0
MASSES = [0.15, 0.18, 0.21, 0.25, 0.35, 0.5, 0.9]
ANALYSIS = {
    "channel": "darkphoton-dilepton",
    "beams": "babar",
    "detector": "babar",
    "seed": 7,
    "data": {
        "luminosity": LUMINOSITY,
        "luminosity_uncertainty": 0.006,
        "simulate": {"draw_from": "expectation", "inject": [{"mass": 0.35, "coupling": 0.02}]},
    },
    "samples": {
        "bhabha": {
            "regions": ["ee"],
            "simulate": {"events": 30_000, "parameters": {"minimum_angle": 0.25}},
            "smooth": {"low": 0.012, "high": 10.25, "knots": 6, "scale": 0.3},
        },
        "mumu": {
            "regions": ["mumu"],
            "simulate": {"events": 30_000},
            "smooth": {"low": 0.0, "high": 10.25, "knots": 6, "scale": 0.3},
        },
    },
    "signal": {"simulate": {"events": 4_000, "masses": MASSES}, "uncertainty": 0.05},
    "search": {"low": 0.15, "high": 0.9, "step": 25},
    "fit": {"method": "smooth", "window": 8, "background": {"order": 2}, "limit": "asymptotic"},
}
TABLES = ("limits", "limits_ee", "limits_mumu")


def make(path: Path, folder: Path, *, verb: str, workers: int = 1) -> list[str]:
    """Make the stages up to a verb; return the names of those that had to be made."""
    return [step.name for step in up_to(prepare(load(path), folder, workers=workers), verb) if step.run()]


def columns(path: Path) -> dict[str, np.ndarray]:
    """Return a CSV table, with text where a column is no number."""
    with path.open() as file:
        rows = list(csv.DictReader(file))

    def column(values: list[str]) -> np.ndarray:
        try:
            return np.array([float(v) if v else np.nan for v in values])
        except ValueError:
            return np.array(values)

    return {name: column([row[name] for row in rows]) for name in rows[0]}


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """Return the folder of the finished analysis; its YAML lies beside it."""
    folder = tmp_path_factory.mktemp("regions_chain")
    (folder / "analysis.yaml").write_text(yaml.safe_dump(ANALYSIS))
    assert make(folder / "analysis.yaml", folder / "results", verb="limits")[-1] == "limits"
    return folder / "results"


@pytest.fixture(scope="module")
def tables(done) -> dict[str, dict[str, np.ndarray]]:
    return {name: columns(done / "limits" / f"{name}.csv") for name in TABLES}


def test_each_candidate_has_its_own_files(done):
    files = {path.stem for path in (done / "simulate").glob("*.root")}
    electrons = {f"aprime_ee_{mass:g}_photon_dielectron" for mass in MASSES}
    muons = {f"aprime_mumu_{mass:g}_photon_dimuon" for mass in MASSES if mass > 2 * M_MUON}
    assert files == electrons | muons | {"bhabha_photon_dielectron", "mumu_photon_dimuon"}


def test_masses_below_the_dimuon_threshold_see_electrons_only(tables):
    both, ee, mumu = (tables[name] for name in TABLES)
    below = both["mass"] < 2 * M_MUON
    assert below.sum() >= 3
    assert mumu["mass"].min() > 2 * M_MUON
    words = ("method", "engine", "flags", "valid", "gof_p")  # the last from toys, which are others
    shared = [name for name in both if "coupling" not in name and name not in words]
    for name in shared:
        np.testing.assert_allclose(both[name][below], ee[name][: below.sum()], rtol=1e-6, err_msg=name)


def test_excluded_masses_are_absent(tables):
    for table in tables.values():
        for gap in EXCLUDED:
            assert not np.any((table["mass"] > gap.low) & (table["mass"] < gap.high))
    omega = EXCLUDED[0]
    for table in tables.values():
        assert table["mass"].min() < omega.low < omega.high < table["mass"].max()


def test_impacts_of_an_excluded_mass_are_refused(done):
    job = prepare(load(done.parent / "analysis.yaml"), done)
    with pytest.raises(ConfigError, match=r"--mass 0\.78: 0\.75\d+ to 0\.81\d+ GeV are not searched"):
        impacts(job, 0.78)


def test_efficiency_of_the_combination_is_the_sum_of_branching_ratios_times_efficiencies(done, tables):
    models, table = read_signal_models(done / "scan"), tables["limits"]
    expected = np.zeros(table["mass"].size)
    for name, model in models.items():
        seen = table["mass"] >= model.masses[0]
        ratio = dark_photon.branching_ratio(table["mass"][seen], name)
        expected[seen] += ratio * model.efficiency(table["mass"][seen])
    np.testing.assert_allclose(table["efficiency"], expected, rtol=1e-5)


def test_coupling_of_one_region_is_that_of_the_closed_form(tables):
    sqrt_s = BEAMS["babar"].sqrt_s
    for name, final_state in zip(TABLES, (None, "ee", "mumu"), strict=True):
        table = tables[name]
        mass = table["mass"]
        ratio = 1.0 if final_state is None else dark_photon.branching_ratio(mass, final_state)
        predicted = table["coupling_ul_exp"] ** 2 * dark_photon.cross_section(mass, coupling=1.0, sqrt_s=sqrt_s) * ratio
        np.testing.assert_allclose(predicted, table["xsec_ul_exp"], rtol=1e-5)
        np.testing.assert_allclose(
            table["n_sig_ul_exp"], table["xsec_ul_exp"] * LUMINOSITY * table["efficiency"], rtol=1e-5
        )


def test_combination_is_stronger_than_either_region(tables):
    both, ee, mumu = (tables[name] for name in TABLES)
    masses = [mass for mass in both["mass"] if mass in mumu["mass"] and mass in ee["mass"]]
    assert masses  # the grid of the combination is made with the finer of the resolutions
    for mass in masses:
        at = [table["coupling_ul_exp"][table["mass"] == mass][0] for table in (both, ee, mumu)]
        assert at[0] < min(at[1:])


def by_hand(done: Path, mass: float) -> tuple[list[Region], float]:
    """Return the regions of a mass, put together from spectra and signal models, and the sum of BR times efficiency."""
    models = read_signal_models(done / "scan")
    ratios = {name: float(dark_photon.branching_ratio(np.array([mass]), name)[0]) for name in models}
    seen = {name: ratios[name] * float(model.efficiency(mass)) for name, model in models.items()}
    found = []
    for unit in read_selected(done / "spectra").units:
        at = models[unit.name].at([mass])[0]
        edges = window_edges(unit.data.axes[0].edges, at.position, at.sigma, half_width=8.0, bins_per_sigma=4.0)
        place = np.searchsorted(unit.data.axes[0].edges, edges)
        counts = np.add.reduceat(unit.data.values(), place[:-1])
        counts[-1] = unit.data.values()[place[-2] : place[-1]].sum()
        share = seen[unit.name] / sum(seen.values())
        uncertainties = [
            LogNormal("efficiency", 0.05),
            LogNormal("luminosity", 0.006),
            LogNormal(f"simulated {unit.name}", at.efficiency_error / at.efficiency),
        ]
        signal = Sample("signal", share * at.fractions(edges), uncertainties=uncertainties)
        background = BackgroundModel("bernstein", 2)
        found.append(region(unit.name, counts=counts, edges=edges, signal=signal, backgrounds=background))
    return found, sum(seen.values())


def test_combination_is_the_fit_of_both_regions_by_hand(done, tables):
    table = tables["limits"]
    row = int(np.argmin(np.abs(table["mass"] - 0.35)))
    scan = json.loads((done / "scan" / "scan.json").read_text())["columns"]
    regions, efficiency = by_hand(done, scan["mass"][row])
    fitted = fit(regions)
    assert table["n_sig"][row] == pytest.approx(fitted.n_sig, rel=1e-3)
    assert table["n_sig_error"][row] == pytest.approx(fitted.n_sig_error, rel=1e-2)
    upper = limit(regions, cl=0.9, method="asymptotic")
    unit = 1.0 / (LUMINOSITY * efficiency)
    assert table["xsec_ul_obs"][row] == pytest.approx(upper.observed * unit, rel=1e-3)
    expected = [table[f"xsec_ul_exp{part}"][row] for part in ("_m2", "_m1", "", "_p1", "_p2")]
    np.testing.assert_allclose(expected, np.array(upper.expected) * unit, rtol=1e-3)


def test_pseudo_data_hold_the_injected_signal_in_either_region(done):
    models = read_signal_models(done / "scan")
    xsec = float(dark_photon.cross_section(np.array([0.35]), coupling=0.02, sqrt_s=BEAMS["babar"].sqrt_s)[0])
    for unit in read_selected(done / "spectra").units:
        at = models[unit.name].at([0.35])[0]
        inside = np.abs(unit.data.axes[0].centers - at.position) < 5 * at.sigma
        point = next(p for p in unit.signals if p.mass == 0.35)
        ratio = float(dark_photon.branching_ratio(np.array([0.35]), unit.region)[0])
        injected = xsec * ratio * LUMINOSITY * point.selected.values()[inside].sum() / point.generated
        expected = injected + sum(spectrum.values()[inside].sum() for spectrum in unit.after.values())
        assert injected > 5 * np.sqrt(expected)
        assert unit.data.values()[inside].sum() == pytest.approx(expected, abs=4 * np.sqrt(expected))


@pytest.mark.slow
def test_limits_do_not_depend_on_workers(done, tmp_path):
    shutil.copytree(done / "simulate", tmp_path / "results" / "simulate")
    made = make(done.parent / "analysis.yaml", tmp_path / "results", verb="limits", workers=2)
    assert made == ["check", "process", "spectra", "scan", "limits"]
    for name in TABLES:
        path = Path("limits") / f"{name}.csv"
        assert (tmp_path / "results" / path).read_bytes() == (done / path).read_bytes()
