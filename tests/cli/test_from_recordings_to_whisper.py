"""The commands of docs/whisper.md, from a folder of recordings to karaoke, with a Whisper that fits into a minute."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

import spoken_folder
from melisma.cli.main import app
from melisma.text.transliterate import to_latin

PAGE = Path(__file__).parents[2] / "docs" / "whisper.md"
SENTENCES = {
    "hr": ("Rijeka teče prema moru.", "Mjesec je nad starim gradom.", "Pjevamo pjesmu o ljetnoj kiši."),
    "bs": ("Majka je napravila čamac.", "Niko ne zna ime puta.", "Ptica je na zidu bašte."),
    "sr": ("Деца се играју поред куће.", "Возови касне због снега.", "Сутра ће бити лепо време."),
}
# What a reader has in whisper.toml, so much smaller that it is through in half a minute.
SMALL = """
model = "openai/whisper-small"
processor = "models/processor/bcs"
text = "norm"
script = "latin"
steps = 20
batch_size = 6
accumulate = 1
lr = 3e-3
warmup_steps = 5
pack = 0.3
validate_steps = 10
checkpoint_steps = 10
validation_clips = 4
max_new_tokens = 40
"""


@pytest.fixture
def recordings(tmp_path):
    """A folder of six speakers of three languages, with texts beside the recordings and where they come from."""
    spoken_folder.write(tmp_path / "recordings", SENTENCES, "[uvod] {}\n")


@pytest.fixture
def checkpoint(tmp_path):
    """A small Whisper with random weights, where the page names one of the hub: a folder goes before an id."""
    from melisma.train.whisper.config import WhisperTrainingConfig
    from melisma.train.whisper.network import open_network
    from melisma.train.whisper.processor import NewVocabulary, new_processor, save_processor

    texts = [to_latin(text) for sentences in SENTENCES.values() for text in sentences]
    processor = new_processor(texts, NewVocabulary(300))
    config = WhisperTrainingConfig.read(None, {"model": "random:tiny"})
    model = open_network(config, None, processor).model
    model.save_pretrained(tmp_path / "openai" / "whisper-small")
    save_processor(processor, tmp_path / "openai" / "whisper-small")


def test_from_a_folder_of_recordings_to_karaoke(recordings, checkpoint, tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MELISMA_THREADS", "1")
    monkeypatch.setenv("MELISMA_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("MELISMA_ROOT", raising=False)
    (tmp_path / "whisper.toml").write_text(SMALL)
    song = np.concatenate(
        [part for text in SENTENCES["hr"] for part in (spoken_folder.say(text, "hr", "low"), np.zeros(8000))]
    )
    soundfile.write(tmp_path / "song.mp3", song, 22050)
    done = []
    for command in spoken_folder.commands(PAGE):
        print(command)
        assert not app(shlex.split(command)[1:], standalone_mode=False), command
        done.append(shlex.split(command)[1:3])
    assert {"data", "train", "eval", "report", "models", "transcribe"} == {group for group, _ in done}
    learnt = [json.loads(line) for line in (tmp_path / "manifests" / "splits" / "train.jsonl").read_text().splitlines()]
    assert {line["language"] for line in learnt} == set(SENTENCES)
    assert (tmp_path / "PLANNING.md").read_text().count("GPU")
    run = tmp_path / "models" / "whisper" / "bcs"
    assert json.loads((run / "metrics.json").read_text())
    assert (tmp_path / "logs" / "training" / "bcs.log").read_text().count('"stage": "train"')
    found = json.loads((tmp_path / "manifests" / "eval_bcs.json").read_text())
    assert found["schema"].startswith("melisma.eval-asr/")
    assert "<html" in (tmp_path / "reports" / "bcs" / "index.html").read_text()
    assert (tmp_path / "packages" / "bcs" / "ctranslate2" / "model.bin").is_file()
    output = tmp_path / "outputs" / "song"
    assert {path.name for path in output.iterdir()} >= {
        "transcription_base.json",
        "transcription_base.txt",
        "karaoke.lrc",
    }
    assert any("<html" in page.read_text() for page in output.glob("*.html"))
