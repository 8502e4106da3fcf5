"""Files by their content: what a process that was killed has left half is told from what another is writing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from melisma.store.service.files import FileStore

HALF = """
import sys
from pathlib import Path
from melisma.store.service.files import FileStore
with FileStore(Path(sys.argv[1])).incoming() as coming:
    coming.write(b"half")
    coming.flush()
    print(coming.path, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def files(tmp_path):
    return FileStore(tmp_path / "files")


@pytest.fixture
def writer(files):
    """Another process that is in the middle of a file."""
    process = subprocess.Popen(
        [sys.executable, "-c", HALF, str(files.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().startswith(str(files.folder))
    yield process
    process.kill()
    process.communicate()


def test_what_another_process_writes_is_swept_once_that_is_killed_and_not_before(files, writer):
    incoming = files.folder / "incoming"
    assert (files.sweep(), len(list(incoming.iterdir()))) == (0, 1)
    writer.kill()
    writer.wait(60)
    assert (files.sweep(), list(incoming.iterdir())) == (1, [])


def test_what_this_process_writes_is_not_swept_and_is_kept_whole(files):
    with files.incoming() as coming:
        coming.write(b"all of it")
        assert files.sweep() == 0
        kept = coming.keep(".txt")
    assert files.sweep() == 0
    assert kept.path.read_bytes() == b"all of it"


def test_where_nothing_was_ever_written_there_is_nothing_to_sweep(files):
    assert files.sweep() == 0
