"""A small DALI with recordings: songs that run otherwise, one that is cut, and one that is another song."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import soxr

import dali_files
from melisma.data.dali.matching import match_all
from melisma.data.dali.service import DaliService, Selection, convert
from melisma.scale.local import LocalExecutor
from melisma.synth.score import write_score
from melisma.synth.songs import render

OTHER = (
    "Paper lanterns over the harbour",
    "Somebody is calling my brother",
    "Never again shall I wander",
    "Winter is kind",
)
FIRST, CUT, WRONG, LOST, LAST = (dali_files.song_id(number) for number in range(5))


def sung(**fields):
    score = write_score(dali_files.config(**fields))
    song = render(score)
    samples = soxr.resample(song.stereo.mean(axis=1), song.sample_rate, 16000).astype(np.float32)
    return dali_files.levels_of(score), samples


@pytest.fixture(scope="session")
def small_dali(tmp_path_factory):
    """Convert and match five songs; nothing is to be written into its folders."""
    folder = tmp_path_factory.mktemp("small_dali")
    (levels, samples), (others, other_samples) = sung(seed=3, key="G"), sung(seed=4, lines=OTHER)
    first, last = (round(16000 * (levels["lines"][i]["time"][1] + 0.1)) for i in (1, 2))
    told = {
        FIRST: (levels, "Ana", np.concatenate([np.zeros(32000, np.float32), samples])),
        CUT: (levels, "Ana feat. Ben", np.concatenate([samples[:first], samples[last:]])),
        WRONG: (others, "Carla", samples),
        LOST: (others, "Dora", None),
        LAST: (others, "Eva", soxr.resample(other_samples, 16000, 16300)),
    }
    for song_id, (made, artist, audio) in told.items():
        dali_files.write_song(folder / "DALI", song_id, made, artist=artist, title=f"Song {song_id[-1]}")
        if audio is not None:
            (folder / "audio").mkdir(exist_ok=True)
            soundfile.write(folder / "audio" / f"{song_id}.flac", audio, 16000)
    convert(folder / "DALI", folder / "songs", executor=LocalExecutor(1))
    dali = DaliService(folder / "songs", folder / "audio")
    report = match_all(dali, Selection(), folder / "songs" / "match.jsonl", executor=LocalExecutor(1))
    return SimpleNamespace(dali=dali, report=report, match=folder / "songs" / "match.jsonl", folder=folder)
