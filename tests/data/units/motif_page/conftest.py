"""A corpus of units that can be heard: each unit is a tone of its own, and whoever wrote the names is hostile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import unit_words
from motif_sounds import HOSTILE, RATE, tones

pytest.importorskip("sentencepiece", reason="SentencePiece is not installed (pip install 'melisma[units]')")

from melisma.data.units.motif_page import page
from melisma.units.motifs.corpus import Corpus
from melisma.units.motifs.find import Found, Wanted, find
from melisma.units.motifs.learn import Learning


@pytest.fixture(scope="session")
def heard(tmp_path_factory) -> Path:
    """The folder of a corpus of 24 utterances; those of one file lie behind one another in it."""
    folder = tmp_path_factory.mktemp("heard")
    (folder / "audio").mkdir()
    lines = []
    for i, line in enumerate(unit_words.utterances(24)):
        sound = tones(line.frames())
        if i % 2:
            sound = np.concatenate((np.zeros(RATE, np.float32), sound))
        soundfile.write(folder / line.audio, sound, RATE)
        speaker = {"ana": "ana", "bo": HOSTILE}[line.speaker_id or ""]
        lines.append(replace(line, start_s=float(i % 2), speaker_id=speaker))
    lines[3] = replace(lines[3], id=HOSTILE)
    return unit_words.write(folder, lines)


@pytest.fixture(scope="session")
def found(heard) -> Found:
    """Its motifs."""
    return find(Corpus.of(heard), heard / "motifs", Wanted(Learning(vocab_size=31, min_count=5)))


@pytest.fixture(scope="session")
def written(heard, found) -> page.Written:
    """The page of it."""
    return page.write(Corpus.of(heard), found, heard / "motifs")
