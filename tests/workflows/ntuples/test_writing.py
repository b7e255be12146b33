"""Files with large baskets, and none where writing was interrupted."""

import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from bumphunt.errors import InputError, NtupleError
from workflows.ntuples.contents import inspect
from workflows.ntuples.writing import write_tree


def test_small_chunks_become_large_baskets(tmp_path):
    path = tmp_path / "many.root"
    chunk = {"x": np.zeros(30_000)}
    assert write_tree(path, (chunk for _ in range(9))) == 270_000
    assert inspect(path, tree="events", variables=["x"], names={}).clusters == (0, 120_000, 240_000, 270_000)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_interrupted_writing_leaves_nothing(tmp_path, error):
    def chunks():
        yield {"x": np.zeros(150_000)}
        raise error

    with pytest.raises(error):
        write_tree(tmp_path / "a.root", chunks())
    assert list(tmp_path.iterdir()) == []


def test_interrupted_writing_leaves_the_older_file(sample):
    def chunks():
        yield {"x": np.zeros(5)}
        raise KeyboardInterrupt

    before = sample.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write_tree(sample, chunks())
    assert sample.read_bytes() == before
    assert [p.name for p in sample.parent.iterdir()] == ["sample.root"]


def test_interrupt_from_the_keyboard_leaves_nothing(tmp_path):
    script = """
        import sys, time, pathlib, numpy as np
        from workflows.ntuples.writing import write_tree
        def chunks():
            while True:
                yield {"x": np.zeros(100_000)}
                sys.stdout.write("chunk\\n"); sys.stdout.flush()
                time.sleep(0.01)
        write_tree(pathlib.Path(sys.argv[1]) / "a.root", chunks())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        process.stdout.readline()
        assert any(tmp_path.iterdir())
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_no_chunk_raises(tmp_path):
    with pytest.raises(InputError, match="no chunk"):
        write_tree(tmp_path / "a.root", [])
    assert list(tmp_path.iterdir()) == []


def test_chunk_with_other_variables_raises(tmp_path):
    with pytest.raises(InputError, match="the first one has"):
        write_tree(tmp_path / "a.root", [{"x": np.zeros(3)}, {"y": np.zeros(3)}])


def test_chunk_with_unequal_columns_raises(tmp_path):
    with pytest.raises(InputError, match="equally long"):
        write_tree(tmp_path / "a.root", [{"x": np.zeros(3), "y": np.zeros(4)}])


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "a.root").mkdir()
    with pytest.raises(NtupleError, match=r"a.root: cannot be written"):
        write_tree(tmp_path / "a.root", [{"x": np.zeros(3)}])
    assert [p.name for p in tmp_path.iterdir()] == ["a.root"]
