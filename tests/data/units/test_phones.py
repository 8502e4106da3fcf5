"""Phones with times: which one a frame is of, files of strangers, and transcripts aligned with speech."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data.spoken import say
from melisma.core.errors import InputError, ManifestError, MissingDependency
from melisma.data import manifest, recordings
from melisma.data.manifest import Utterance
from melisma.data.units import phones
from melisma.data.units.phones import SILENCE, PhoneSpans
from melisma.scale.local import LocalExecutor
from melisma.synth.speech import SAMPLE_RATE
from melisma.text.g2p import EspeakG2P


def spans(*rows: tuple[int, float, float]) -> PhoneSpans:
    kind, start, end = (np.array(each) for each in zip(*rows, strict=True)) if rows else (np.zeros(0),) * 3
    return PhoneSpans(kind.astype(np.int64), start.astype(np.float64), end.astype(np.float64))


def test_a_frame_is_of_what_sounds_in_its_middle():
    # The middles of the frames are at 0.0125 s, 0.0325 s, 0.0525 s …
    found = spans((1, 0.02, 0.05), (2, 0.05, 0.06), (3, 0.09, 0.2)).of_frames(7)
    assert found.tolist() == [0, 1, 2, 0, 3, 3, 3]
    assert spans().of_frames(3).tolist() == [0, 0, 0]
    assert spans((1, 0.0, 1.0)).of_frames(0).tolist() == []


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines))
    return path


def test_files_are_read_whatever_else_they_say(tmp_path):
    one = {"id": "a", "audio": "a.wav", "phones": [["b", 0.1, 0.2], ["a", 0, 0.1]]}
    found = phones.read(write(tmp_path / "p.jsonl", one, {"id": "b", "phones": []}))
    assert found.names == (SILENCE, "a", "b")
    assert found.spans["a"].of_frames(10).tolist() == [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]
    assert found.spans["b"].of_frames(2).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("line", "error", "why"),
    [
        ("{", ManifestError, "line 2"),
        ({"id": "b"}, ManifestError, "line 2: phones"),
        ({"id": "b", "phones": [["a", -1, 2]]}, ManifestError, "line 2: phones: 0: 1"),
        ({"id": "b", "phones": [["a", 0]]}, ManifestError, "line 2: phones: 0"),
        ({"id": "b", "phones": [["", 0, 1]]}, ManifestError, "line 2: phones: 0: 0"),
        ({"id": "b", "phones": [[f"w{i}", 0, 1] for i in range(5000)]}, InputError, "are these words"),
    ],
)
def test_files_of_strangers_are_refused(tmp_path, line, error, why):
    with pytest.raises(error, match=why):
        phones.read(write(tmp_path / "p.jsonl", {"id": "a", "phones": [["a", 0, 1]]}, line))


def test_a_file_without_phones_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no phone"):
        phones.read(write(tmp_path / "p.jsonl", {"id": "a", "phones": []}))


def test_the_phones_of_speech_are_timed_within_their_words(tmp_path):
    import soundfile

    said = say("buenos amigos cantaban canciones", "es")
    soundfile.write(tmp_path / "a.wav", said.samples, SAMPLE_RATE)
    seconds = len(said.samples) / SAMPLE_RATE
    rows = [
        Utterance(
            id="a", audio="a.wav", duration=seconds, language="es", transcript="buenos amigos cantaban canciones"
        ),
        Utterance(id="silent", audio="a.wav", duration=seconds, language="es"),
        Utterance(id="unknown", audio="a.wav", duration=seconds, transcript="buenos amigos"),
        Utterance(id="gone", audio="b.wav", duration=seconds, language="es", transcript="buenos"),
    ]
    manifest.write(tmp_path / "m.jsonl", rows)
    path = tmp_path / "phones.jsonl"
    made = phones.write(recordings.read(tmp_path / "m.jsonl"), path, executor=LocalExecutor(1))
    assert {each.item for each in made.problems} == {"unknown", "gone"}
    assert (made.n_aligned, made.n_without_transcript, made.n_reused) == (1, 1, 0)
    [line] = [json.loads(each) for each in path.read_text().splitlines()]
    wanted = [phone for word in rows[0].transcript.split() for phone in EspeakG2P().phones(word, "es")]
    assert [name for name, _, _ in line["phones"]] == wanted
    at = 0
    for word in said.words:
        for _, start, end in line["phones"][at : at + len(EspeakG2P().phones(word.text, "es"))]:
            assert word.start - 0.15 <= start <= end <= word.end + 0.15
            at += 1
    before = path.read_bytes()
    again = phones.write(recordings.read(tmp_path / "m.jsonl"), path, executor=LocalExecutor(1))
    assert again.n_reused == 1
    assert path.read_bytes() == before


def test_a_program_that_was_missing_is_looked_for_again(tmp_path, monkeypatch):
    import soundfile

    soundfile.write(tmp_path / "a.wav", say("buenos amigos", "es").samples, SAMPLE_RATE)
    row = Utterance(id="a", audio="a.wav", duration=0.5, language="es", transcript="buenos")
    manifest.write(tmp_path / "m.jsonl", [row])
    found, path, aligned = recordings.read(tmp_path / "m.jsonl"), tmp_path / "phones.jsonl", phones._phones

    def without_espeak(*given):
        raise MissingDependency("there is no espeak-ng")

    monkeypatch.setattr(phones, "_phones", without_espeak)
    assert len(phones.write(found, path, executor=LocalExecutor(1)).problems) == 1
    monkeypatch.setattr(phones, "_phones", aligned)
    assert phones.write(found, path, executor=LocalExecutor(1)).n_aligned == 1
    monkeypatch.setattr(phones, "_phones", without_espeak)
    assert phones.write(found, path, executor=LocalExecutor(1)).n_reused == 1
