"""Selected spectra on disk."""

from __future__ import annotations

from pathlib import Path

import hist
import numpy as np
import uproot

from workflows.products.selected import read_spectrum

EDGES = np.linspace(0.0, 10.0, 201)


def test_spectrum_is_read_as_it_was_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    spectrum = (
        hist.Hist.new.Var(EDGES**1.5, name="m2_recoil").Weight().fill(rng.normal(5, 9, 500), weight=rng.random(500))
    )
    with uproot.recreate(tmp_path / "a.root") as file:
        file["mumu/data/after"] = spectrum
    with uproot.open(tmp_path / "a.root") as file:
        assert read_spectrum(file, "mumu", "data", "after") == spectrum
