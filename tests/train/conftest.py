"""A tiny corpus that a tiny network can learn: every phone is a tone of its own."""

from __future__ import annotations

import json
import logging
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from melisma.text.g2p import EspeakG2P
from melisma.text.phones import INVENTORY

SAMPLE_RATE = 16000
SENTENCES = ("see me", "mama", "no tea", "a boat", "soon", "deep sea", "my name", "book", "toe to toe", "mean bee")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Two threads sum in two orders: only one gives the same bits again."""
    torch = pytest.importorskip("torch")
    from melisma.train import phone, row_training

    before = torch.get_num_threads()
    for trainer in (phone, row_training):
        monkeypatch.setattr(trainer, "n_threads", lambda: 1)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def as_if_from_cuda():
    """Change a checkpoint to what torch writes on a GPU: the same file, but for the device that tensors belong on."""

    def change(path: Path) -> None:
        with zipfile.ZipFile(path) as given:
            parts = {name: given.read(name) for name in given.namelist()}
        (pickled,) = (name for name in parts if name.endswith("/data.pkl"))
        assert parts[pickled].count(b"X\x03\x00\x00\x00cpu") == 1  # and a reference to it from every other tensor
        parts[pickled] = parts[pickled].replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
        with zipfile.ZipFile(path, "w") as changed:
            for name, data in parts.items():
                changed.writestr(name, data)

    return change


def tones(transcript: str, language: str, rng: np.random.Generator) -> np.ndarray:
    """Sing a text in sines, 0.12 s a phone with a gap after it, over a little noise."""
    speller = EspeakG2P()
    parts = [np.zeros(800)]
    for word in transcript.split():
        for label in speller.phones(word, language):
            hz = 200 + 130 * INVENTORY.index(label)
            parts += [0.3 * np.sin(2 * np.pi * hz * np.arange(1920) / SAMPLE_RATE), np.zeros(480)]
    sound = np.concatenate(parts)
    return (sound + rng.normal(0, 0.003, len(sound))).astype(np.float32)


def write_manifest(root: Path, rows: list[dict[str, object]]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (root / "manifest.jsonl").write_text("".join(lines), encoding="utf-8")


def write_speech(root: Path, sentences: tuple[str, ...] = SENTENCES, language: str = "en") -> list[dict[str, object]]:
    """Write a speech corpus, each clip by a speaker of its own, and return its rows."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    rows = []
    for n, sentence in enumerate(sentences):
        samples = tones(sentence, language, rng)
        soundfile.write(root / f"{n}.wav", samples, SAMPLE_RATE)
        rows.append(
            {
                "id": f"clip-{n}",
                "audio": f"{n}.wav",
                "transcript": sentence,
                "duration": len(samples) / SAMPLE_RATE,
                "language": language,
                "speaker_id": f"speaker-{n}",
            }
        )
    write_manifest(root, rows)
    return rows


def time_phones(root: Path, rows: list[dict[str, object]]) -> Path:
    """Add to a corpus of tones when each of its phones sounds, and return its manifest."""
    speller = EspeakG2P()
    for row in rows:
        labels = [p for word in str(row["transcript"]).split() for p in speller.phones(word, str(row["language"]))]
        row["phones"] = [(p, round(0.05 + 0.15 * k, 2), round(0.17 + 0.15 * k, 2)) for k, p in enumerate(labels)]
    write_manifest(root, rows)
    return root / "manifest.jsonl"


def write_noise(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(4)
    rows: list[dict[str, object]] = []
    for n in range(2):
        soundfile.write(root / f"{n}.wav", rng.normal(0, 0.05, 24000).astype(np.float32), SAMPLE_RATE)
        rows.append({"id": f"noise-{n}", "audio": f"{n}.wav", "duration": 1.5, "kind": "music"})
    write_manifest(root, rows)


@pytest.fixture
def corpus(tmp_path):
    write_speech(tmp_path / "corpus")
    return tmp_path / "corpus"


@pytest.fixture
def timed(tmp_path):
    """The manifest of a corpus whose phone times are known."""
    return time_phones(tmp_path / "timed", write_speech(tmp_path / "timed"))


@pytest.fixture
def strangers(tmp_path):
    """The manifest of other speakers, who say other sentences: their phone times are known too."""
    rows = write_speech(tmp_path / "strangers", ("me too", "sea", "bean soup", "know me"))
    for row in rows:
        row |= {"id": f"other-{row['id']}", "speaker_id": f"other-{row['speaker_id']}"}
    return time_phones(tmp_path / "strangers", rows)


@pytest.fixture
def noise(tmp_path):
    write_noise(tmp_path / "noise")
    return tmp_path / "noise"


@pytest.fixture
def warnings_of(caplog):
    """Give the warnings that were logged."""
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
