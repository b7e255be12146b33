"""Patterns of the YAML: what they match, each file once; and one line about what they cannot mean."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bumphunt.errors import ConfigError
from workflows.inputs.patterns import find_files, identity


@pytest.fixture
def folder(tmp_path):
    """A folder with files in three depths."""
    for name in ("a.root", "b.root", "run1/a.root", "run2/a.root", "run2/deep/a.root", "run2/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def found(folder, *patterns):
    files = find_files(folder / "analysis.yaml", "data.files", patterns)
    return [str(path.relative_to(folder)) for path in files]


def refused(folder, *patterns):
    """The one line about patterns that cannot be used."""
    with pytest.raises(ConfigError) as error:
        find_files(folder / "analysis.yaml", "data.files", patterns)
    line = str(error.value)
    assert line.startswith(f"{folder / 'analysis.yaml'}: data.files: ")
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["*.root"], ["a.root", "b.root"]),
        (["b.root", "?.root"], ["b.root", "a.root"]),
        (["run*/a.root"], ["run1/a.root", "run2/a.root"]),
        (["run[2-9]/*.root"], ["run2/a.root"]),
        (["**/*.root"], ["a.root", "b.root", "run1/a.root", "run2/a.root", "run2/deep/a.root"]),
        (["run2/**/a.root", "./run2/../a.root"], ["run2/a.root", "run2/deep/a.root", "run2/../a.root"]),
        (["*/*.txt"], ["run2/notes.txt"]),
    ],
)
def test_files_by_pattern_and_then_by_name(folder, patterns, expected):
    assert found(folder, *patterns) == expected
    assert found(folder, *(str(folder / pattern) for pattern in patterns)) == expected


def test_name_with_brackets_is_that_file(folder):
    for name in ("data[1].root", "x*.root", "data::2.root"):
        (folder / name).touch()
    assert found(folder, "data[1].root") == ["data[1].root"]
    assert found(folder, "data[[]*.root") == ["data[1].root"]
    assert found(folder, "x*.root") == ["x*.root"]
    assert "a bracket that is part of a name beside wildcards is written [[]" in refused(folder, "*a[1].root")
    (folder / "data1.root").touch()
    assert "'data[1].root' in" in refused(folder, "data[1].root")
    assert found(folder, "data1.root") == ["data1.root"]


def test_home_is_expanded(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert found(folder, "~/run1/*.root") == ["run1/a.root"]
    assert "there is no such user" in refused(folder, "~nobody_of_that_name/*.root")


@pytest.mark.parametrize("pattern", ["", ".", "/", "./"])
def test_pattern_that_names_nothing_is_refused(folder, pattern):
    assert f"{pattern!r} names no file" in refused(folder, pattern)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("nowhere/*.root", "no file matches 'nowhere/*.root' (looked in"),
        ("a.root/*.root", "no file matches"),
        ("run1/**.root", "'**' stands alone between slashes, not in '**.root'; want '**/*.root'"),
        ("run1/**", "matches folders alone; want 'run1/**/*.root'"),
        ("run1", "matches the folder"),
        ("*", "matches the folder"),
        ("..", "matches the folder"),
        ("a.root:events", "the tree is named under ntuples.tree"),
        ("{a,b}.root", "braces are not expanded"),
        ("$DATA/a.root", "environment variables are not expanded"),
        ("a\0.root", "cannot be looked at"),
    ],
)
def test_what_is_not_supported_is_said_in_one_line(folder, pattern, words):
    assert words in refused(folder, pattern)


def test_pipe_is_no_file(folder):
    os.mkfifo(folder / "pipe.root")
    assert "neither a file nor a folder" in refused(folder, "pipe.root")


def test_linked_folders_are_followed(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "c.root").touch()
    (folder / "run3").symlink_to(elsewhere)
    assert "run3/c.root" in found(folder, "**/*.root")
    assert found(folder, "run3/**/c.root", "run*/c.root") == ["run3/c.root"]


def test_folder_linked_into_itself_is_looked_into_once(folder):
    everything = found(folder, "**/*.root")
    (folder / "run2" / "again").symlink_to(folder)
    (folder / "latest").symlink_to("run2")
    # the same files under other names, each once
    assert {identity(folder / name) for name in found(folder, "**/*.root")} == {
        identity(folder / name) for name in everything
    }
    assert len(found(folder, "**/*.root")) == len(everything)


def test_file_under_several_names_is_there_once(folder):
    (folder / "c.root").symlink_to("a.root")
    os.link(folder / "b.root", folder / "d.root")
    assert found(folder, "*.root") == ["a.root", "b.root"]
    assert found(folder, "c.root", "*.root") == ["c.root", "b.root"]


@pytest.mark.parametrize("pattern", ["run*/a.root", "**/*.root", "run9/*.root"])
def test_link_to_no_folder_stops(folder, pattern):
    (folder / "run9").symlink_to("unmounted")
    assert "run9 is a link to unmounted, where nothing is: mend or remove it" in refused(folder, pattern)


@pytest.mark.parametrize("pattern", ["lost.root", "*.root", "**/*.root"])
def test_link_to_no_file_is_a_file_that_is_missing(folder, pattern):
    """It must not fall out of the count."""
    (folder / "deep").mkdir()
    (folder / ("deep" if "**" in pattern else ".") / "lost.root").symlink_to("gone.root")
    if "**" in pattern:  # it could be a folder too
        assert "deep/lost.root is a link to gone.root" in refused(folder, pattern)
    else:
        assert "lost.root" in found(folder, pattern)


def test_link_to_itself_stops(folder):
    (folder / "loop.root").symlink_to("loop.root")
    assert "loop.root cannot be looked at" in refused(folder, "*.root")


@pytest.mark.parametrize("pattern", ["run*/*.root", "**/*.root", "run2/*.root"])
def test_folder_that_cannot_be_read_stops(folder, monkeypatch, pattern):
    iterdir = Path.iterdir

    def denied(path):
        if path.name == "run2":
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", denied)
    assert "run2 cannot be looked into (Permission denied)" in refused(folder, pattern)


def test_file_that_cannot_be_looked_at_stops(folder, monkeypatch):
    status = Path.stat

    def denied(path, **kwargs):
        if path.parent.name == "run2":
            raise PermissionError(13, "Permission denied")
        return status(path, **kwargs)

    monkeypatch.setattr(Path, "stat", denied)
    assert "run2/a.root cannot be looked at (Permission denied)" in refused(folder, "*/a.root")


@pytest.fixture
def owned(own_analysis, columns):
    """An analysis with a second background."""
    analysis = own_analysis()
    analysis.write("other", columns(900, seed=5))
    analysis.content["samples"]["other"] = {"files": ["n/other.root"], "luminosity": 2.0}
    return analysis


def test_file_of_two_samples_is_named_with_both(owned):
    owned.content["samples"]["flat"]["files"] = ["n/flat.root", "n/*r.root"]
    with pytest.raises(
        ConfigError,
        match=r"samples\.other\.files: the file .*other\.root belongs to 'other' and to 'flat', .*twice.*samples\.flat",
    ):
        owned.make("check")
    assert not (owned.folder / "results" / "check").exists()


@pytest.mark.parametrize("how", ["link", "hard link", "spelling"])
def test_file_of_data_and_a_sample_is_found_under_another_name(owned, how):
    folder = owned.folder / "n"
    name = "n/linked.root"
    if how == "link":
        (folder / "linked.root").symlink_to("data.root")
    elif how == "hard link":
        os.link(folder / "data.root", folder / "linked.root")
    else:
        name = "n/../n/data.root"
    owned.content["samples"]["other"]["files"].append(name)
    with pytest.raises(ConfigError, match=r"belongs to 'other' and to 'data' \(as .*n/data\.root\)"):
        owned.make("check")


def test_file_of_two_signals_is_refused(owned):
    owned.content["signal"]["points"][1]["files"] = ["n/signal_[24].root"]
    with pytest.raises(ConfigError, match=r"signal\.points\[4 GeV\]\.files: the file .*signal_2\.root belongs to"):
        owned.make("check")
