"""Digests: of values, which dates and baskets do not change; of inputs, by content where they are small."""

from __future__ import annotations

import os
from pathlib import Path
from zipfile import ZipFile

import hist
import numpy as np
import pytest
import uproot

from workflows.provenance.files import WHOLE, bytes_digest, content_digest, fingerprint


def tree(path: Path, *, baskets: int = 1, x0: float = 0.0, dtype: str = "f8") -> Path:
    x, name = np.arange(12, dtype=dtype), np.array(["a", "b"] * 6, dtype=object)
    x[0] = x0
    with uproot.recreate(path) as file:
        made = file.mktree("events", {"x": x.dtype, "name": "string"})
        for part in np.array_split(np.arange(12), baskets):
            made.extend({"x": x[part], "name": name[part].tolist()})
    return path


def histogram(path: Path, *, scale: float = 1.0, title: str = "m") -> Path:
    made = hist.Hist(hist.axis.Variable([0, 1, 3], name=title), storage=hist.storage.Weight()).fill([0.5, 2.0, 9.0])
    with uproot.recreate(path) as file:
        file["region/sample/after"] = made * scale
    return path


def test_tree_is_known_by_its_values(tmp_path: Path) -> None:
    one, two = tree(tmp_path / "1.root"), tree(tmp_path / "2.root", baskets=3)
    assert bytes_digest(one) != bytes_digest(two)
    digests = [content_digest(path) for path in (one, two)]
    assert digests[0] == digests[1]
    assert content_digest(tree(tmp_path / "3.root", x0=1e-300)) != digests[0]
    assert content_digest(tree(tmp_path / "4.root", dtype="f4")) != digests[0]


def test_histogram_is_known_by_its_contents_edges_and_axes(tmp_path: Path) -> None:
    same = {content_digest(histogram(tmp_path / f"{i}.root")) for i in range(2)}
    assert len(same) == 1
    assert content_digest(histogram(tmp_path / "2.root", scale=1 + 1e-15)) not in same
    assert content_digest(histogram(tmp_path / "3.root", title="p")) not in same


def test_zip_is_known_by_what_it_packs(tmp_path: Path) -> None:
    for number, (name, text) in enumerate((("a", "1"), ("a", "1"), ("a", "2"), ("b", "1"))):
        with ZipFile(tmp_path / f"{number}.zip", "w") as file:
            file.writestr(name, text)
    digests = [content_digest(tmp_path / f"{number}.zip") for number in range(4)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_text_is_known_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1\n")
    assert content_digest(tmp_path / "a.csv") == bytes_digest(tmp_path / "a.csv")


def test_small_input_is_known_by_its_content_alone(tmp_path: Path) -> None:
    path = tree(tmp_path / "a.root")
    before = fingerprint(path)
    os.utime(path, ns=(1, 1))
    assert fingerprint(path) == before
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert fingerprint(path) != before


@pytest.mark.parametrize("place", ["first", "last", "time", "size"])
def test_large_input_is_known_by_its_ends_size_and_time(tmp_path: Path, place: str) -> None:
    path, content = tmp_path / "large", bytearray(WHOLE + 1)
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    before = fingerprint(path)
    if place in ("first", "last"):
        content[0 if place == "first" else -1] = 1
    path.write_bytes(content + b"\0" * (place == "size"))
    os.utime(path, ns=(1, 2 if place == "time" else 1))
    assert fingerprint(path) != before


def test_input_that_is_not_there_says_so(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "none") == {"unreadable": "No such file or directory"}
