"""A corpus of units with a vocoder, and its test, in which everything that a stranger may write is hostile."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import speaking_vocoder
import unit_corpus
from melisma.units.line import JSON
from unit_corpus import HOSTILE, run


@pytest.fixture(scope="session")
def spoken(tmp_path_factory):
    """A corpus of six lines, two of them held out, whose vocoder is not trained."""
    made = unit_corpus.make(tmp_path_factory.mktemp("spoken"))
    lines = [replace(line, id=HOSTILE, speaker_id=HOSTILE) if i == 0 else line for i, line in enumerate(made.lines)]
    (made.folder / JSON).write_text("".join(line.to_json() + "\n" for line in lines), encoding="utf-8")
    facts = {"encoder": made.codebook.encoder, "codebook": made.codebook.sha256}
    speaking_vocoder.save(made.folder / "vocoder", speakers=(*unit_corpus.SPEAKERS, HOSTILE), **facts)
    ids = [json.dumps(lines[i].id) for i in (0, 3)]
    (made.folder / "vocoder" / "held_out.txt").write_text("\n".join(ids) + "\n", encoding="ascii")
    done = run("units", "vocoder", "export", made.folder, "-q")
    assert done.exit_code == 0, done.output
    return replace(made, lines=tuple(lines))


@pytest.fixture(scope="session")
def tested(spoken) -> Path:
    """The folder of the test."""
    done = run("units", "vocoder", "test", spoken.folder, "--workers", 1)
    assert done.exit_code == 0, done.output
    return spoken.folder / "vocoder_test"
