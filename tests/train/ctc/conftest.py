"""A corpus of tones that a tiny network learns by heart: every phone is a tone of its own, its words have times."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from melisma.text.g2p import EspeakG2P
from melisma.text.phones import INVENTORY

RATE = 16000
SENTENCES = ("see me", "mama", "no tea", "a boat", "soon", "deep sea", "my name", "book", "toe to toe", "mean bee")
OTHERS = ("me too", "sea", "bean soup", "know me")


def sung(sentence: str) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Sing a sentence in sines, 0.12 s a phone with a gap after it; return samples and words with their times."""
    speller, parts, words = EspeakG2P(), [np.zeros(800)], []
    for word in sentence.split():
        start = sum(map(len, parts)) / RATE
        for label in speller.phones(word, "en"):
            hz = 200 + 130 * INVENTORY.index(label)
            parts += [0.3 * np.sin(2 * np.pi * hz * np.arange(1920) / RATE), np.zeros(480)]
        words.append({"text": word, "start": start, "end": sum(map(len, parts)) / RATE - 0.03})
    sound = np.concatenate([*parts, np.zeros(2400)])
    return (sound + np.random.default_rng(3).normal(0, 0.003, len(sound))).astype(np.float32), words


def write_corpus(path: Path, sentences: tuple[str, ...], who: str, **more: Any) -> Path:
    """Write a manifest of sentences, each by a speaker of its own, with its audio beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for n, sentence in enumerate(sentences):
        samples, words = sung(sentence)
        name = f"{who}-{n}.wav"
        soundfile.write(path.parent / name, samples, RATE)
        row = {"id": f"{who}/{n}", "audio": name, "duration": len(samples) / RATE, "transcript": sentence}
        row |= {"language": "en", "speaker_id": f"{who}{n}", "license": "CC0-1.0", "source": "tones", "words": words}
        lines.append(json.dumps(row | more) + "\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def one_thread():
    """Two threads sum in two orders: only one gives the same bits again."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def one_core(monkeypatch):
    """Let trainings use one thread."""
    from melisma.train.ctc import loop

    monkeypatch.setattr(loop, "n_threads", lambda: 1)


@pytest.fixture
def manifests(tmp_path):
    """A manifest to learn from and one of other speakers."""
    return (
        write_corpus(tmp_path / "data" / "train.jsonl", SENTENCES, "ours"),
        write_corpus(tmp_path / "data" / "valid.jsonl", OTHERS, "theirs"),
    )


@pytest.fixture
def quick():
    """Settings of a training that takes a second."""
    from melisma.train.ctc.config import CtcTrainingConfig, PhoneNetShape
    from melisma.train.ctc.trained import Units

    return CtcTrainingConfig(
        model="phone-net",
        units=Units.PHONES,
        phone_net=PhoneNetShape(channels=16, dilations=(1, 2)),
        steps=8,
        warmup_steps=2,
        batch_s=4.0,
        lr=2e-3,
        validate_steps=4,
        checkpoint_steps=4,
        log_steps=1,
    )


@pytest.fixture
def train(manifests, tmp_path, quick, one_core):
    """Train in a folder, with changed settings or another request; return the folder."""
    from melisma.train.ctc.loop import Request
    from melisma.train.ctc.loop import train as run

    def go(name: str = "run", *, said: list[str] | None = None, callbacks: Any = None, **changes: Any) -> Path:
        asked = {key: changes.pop(key) for key in list(changes) if key in Request.__dataclass_fields__}
        config = type(quick).model_validate(quick.model_dump() | changes)
        request = replace(Request(*manifests, tmp_path / name, config, device="cpu", workers=0, jobs=1), **asked)
        note = (lambda text: None) if said is None else said.append
        return run(request, tell=lambda stage, share: None, say=note, callbacks=callbacks)

    return go
