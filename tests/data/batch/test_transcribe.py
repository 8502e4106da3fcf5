"""`melisma transcribe` over a manifest: a real, tiny Whisper, made by hand, says one text to whatever it hears."""

from __future__ import annotations

import json
import re

import pytest

from data.spoken import utterance
from melisma.core.errors import InputError, NoEngine
from melisma.data import manifest, recordings
from melisma.data.batch import transcribe as batch
from melisma.data.batch.results import RESULTS
from melisma.data.batch.transcribe import Transcribe
from melisma.pipeline import packages
from melisma.pipeline.transcribe import TranscribeConfig
from melisma.pipeline.transcript_files import LRC, RECORD, TEXT
from melisma.scale.local import LocalExecutor
from speaking_whisper import TEXT as SAID
from speaking_whisper import save_speaking

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return save_speaking(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(autouse=True)
def on_this_machine(monkeypatch):
    monkeypatch.setenv("MELISMA_DEVICE", "cpu")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    lines = [utterance(folder, f"say/{code}", code, f"{code}.wav").changed(language="hr") for code in ("en", "es")]
    part = {"id": "part", "start": 0.5, "duration": 1.5, "words": None}
    manifest.write(folder / "m.jsonl", [*lines, lines[0].changed(**part)])
    return folder / "m.jsonl"


def run(corpus, out, whisper, jobs=1, aligned=False):
    stage = Transcribe(str(out), ("srt",), TranscribeConfig(str(whisper), aligned=aligned))
    return batch.run(recordings.read(corpus), stage, executor=LocalExecutor(jobs))


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_line_has_a_folder_as_a_recording_by_itself_has(corpus, whisper, tmp_path):
    out = tmp_path / "out"
    made = run(corpus, out, whisper)
    assert (made.problems, made.n_done) == ([], 3)
    ids = ["say/en", "say/es", "part"]
    files = [f"{name}/{file}" for name in ids for file in (RECORD, TEXT, LRC, "transcription.srt")]
    before = tree(out)
    assert sorted(before) == sorted([*files, RESULTS])
    said = json.loads(before[f"say/en/{RECORD}"])
    assert (said["file_id"], said["audio"], said["language"], said["request_id"]) == ("say/en", "en.wav", "hr", None)
    told = [json.loads(line) for line in before[RESULTS].splitlines()]
    assert {each["id"]: each["text"] for each in told}["say/en"] == said["text"] == SAID
    for data in before.values():  # no name of this machine is in what is written
        assert str(tmp_path).encode() not in data
        assert str(whisper).encode() not in data
        assert str(corpus.parent).encode() not in data
    (out / "part" / LRC).unlink()  # and so its recording is heard again, with both of its lines
    assert run(corpus, out, whisper).n_reused == 1
    assert tree(out) == before


def test_two_processes_write_the_same_bytes_as_one(corpus, whisper, tmp_path):
    run(corpus, tmp_path / "one", whisper, aligned=True)
    run(corpus, tmp_path / "two", whisper, jobs=2, aligned=True)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_model_that_hears_no_words_is_refused_before_the_work():
    with pytest.raises(InputError, match="hears no words"):
        batch.check(TranscribeConfig("phone"), ())


def test_a_format_that_would_write_over_another_is_refused():
    with pytest.raises(InputError, match=re.escape("would both be written to NAME.srt")):
        batch.check(TranscribeConfig(), ("srt", "srt"))


def test_without_anything_that_hears_words_it_is_said_before_the_work(monkeypatch):
    monkeypatch.setenv("MELISMA_TIERS", "phone,whisper:/there/is/none")
    with pytest.raises(NoEngine, match="without lyrics an engine is needed that hears words"):
        batch.check(TranscribeConfig(), ())
    batch.check(TranscribeConfig(), (), here=False)  # the workers of a cluster have engines of their own


def test_another_model_of_a_language_makes_its_lines_anew(whisper, tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MELISMA_TIERS", "phone,whisper:/there/is/none")
    packages.add("ours", whisper)
    before = Transcribe("out").configuration()
    packages.set_default("hr", "ours")
    batch.check(TranscribeConfig(), ())  # a line in Croatian can be heard
    assert Transcribe("out").configuration() != before
    named = Transcribe("out", (), TranscribeConfig("whisper"))
    kept = named.configuration()
    packages.set_default("hr", None)
    assert named.configuration() == kept
