"""Corpora of units whose run is killed or interrupted on the way: nothing is done twice, and the bytes are the same."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from encoded_corpus import RESULT, corpus, hashes, run

KILLED = """
import os, signal, sys
from pathlib import Path
from melisma.data import recordings
from melisma.data.units import corpus_files, encode
from melisma.data.units.corpus_files import CorpusFiles, Layout
from melisma.scale.journal import Journal
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Outcome
from melisma.testing.speech_checkpoints import RandomEncoder, save_random_encoder
from melisma.units.encoder import EncoderConfig

def counted(function, n, counts):
    def calls(*given):
        nonlocal n
        n -= counts(*given)
        if n == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*given)
    return calls

source, out, book, where, n = sys.argv[1:]
if where == "add":
    CorpusFiles.add = counted(CorpusFiles.add, int(n), lambda *given: True)
else:
    os.replace = counted(os.replace, int(n), lambda _, target: Path(target).name == where)
how = encode.Settings(Path(book), EncoderConfig("mfcc"), Layout(every_s=0.0))
encode.write(recordings.read(Path(source)), Path(out), how, executor=LocalExecutor(1))
"""


def test_a_run_that_is_killed_at_any_moment_ends_in_the_same_bytes(tmp_path, book):
    path = corpus(tmp_path)
    run(path, tmp_path / "whole", book)
    out = tmp_path / "out"
    moments = [
        ("add", 1),  # before any is done
        ("checkpoint.json", 3),  # between the list of what is done and the checkpoint
        ("add", 9),
        ("corpus_timestamped.jsonl", 1),
        ("all_units_for_bpe.txt", 1),  # between one file of the corpus and the next
        ("checkpoint.json", 2),  # the last one
    ]
    n_done = []
    for where, n in moments:
        command = [sys.executable, "-c", KILLED, str(path), str(out), str(book), where, str(n)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        checkpoint = out / "checkpoint.json"
        n_done.append(json.loads(checkpoint.read_text())["n_done"] if checkpoint.exists() else 0)
    assert n_done == sorted(n_done)
    assert n_done[0] == 0 < n_done[1]
    assert run(path, out, book).n_reused == 11
    assert hashes(out) == hashes(tmp_path / "whole")
    assert sorted(each.name for each in out.iterdir()) == sorted([*RESULT, ".encode.journal"])


INTERRUPTED = """
import os, sys
from melisma.cli import main
from melisma.data.units.corpus_files import CorpusFiles

add, n = CorpusFiles.add, int(sys.argv.pop())
number = int(sys.argv.pop())

def interrupted(files, line):
    add(files, line)
    if files.count.n_done == n:
        os.kill(os.getpid(), number)

CorpusFiles.add = interrupted
main.run()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_interrupted_leaves_a_checkpoint_and_goes_on(tmp_path, book, number, code):
    path, out = corpus(tmp_path), tmp_path / "out"
    words = ["units", "encode", str(path), "-o", str(out), "--codebook", str(book), "--workers", "1"]
    command = [sys.executable, "-c", INTERRUPTED, *words, str(int(number)), "7"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == code, ended.stderr
    said = json.loads((out / "checkpoint.json").read_text())
    assert (said["complete"], said["n_done"], said["n_utterances"]) == (False, 7, 11)
    assert 4 <= len((out / "processed_files.txt").read_text().splitlines()) <= 5
    assert not (out / "corpus_timestamped.jsonl").exists()
    made = run(path, out, book)
    assert made.n_reused >= 7
    run(path, tmp_path / "whole", book)
    assert hashes(out) == hashes(tmp_path / "whole")
