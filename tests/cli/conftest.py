"""A runner, a tiny song, and engines that enter by the door of every plug-in."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from melisma.core import plugins
from melisma.core.records import Alignment, Emission, Line, Word
from melisma.core.timebase import Timebase
from melisma.engines.protocol import EngineFacts, Licence, Task
from melisma.text.espeak import voice_code


class SteadyEngine:
    """Hears one sound in every second frame, so that the words of any lyrics follow each other evenly."""

    facts = EngineFacts("steady", "1", "none", "0", Licence("Apache-2.0", True), Task.EMIT, 16000)
    labels = ("", "a", "b")
    blank = 0

    def missing(self):
        return None

    def load(self):
        pass

    def unload(self):
        pass

    def spell(self, word, language):
        voice_code(language)  # refuses a language that nobody speaks, as every engine does
        return ["a", "b"]

    def emit(self, waveform, progress=None):
        n_frames = len(waveform.samples) // 480
        log_probs = np.full((n_frames, 3), np.log(0.3), np.float32)
        log_probs[np.arange(n_frames), np.arange(n_frames) % 3] = np.log(0.4)
        if progress:
            progress(1.0)
        return Emission(log_probs, self.labels, self.blank, Timebase(16000, 480), len(waveform.samples))


class RaisingEngine(SteadyEngine):
    """Raises what the test says once it should listen."""

    facts = replace(SteadyEngine.facts, name="raising")
    error: BaseException = RuntimeError("set by the test")

    def emit(self, waveform, progress=None):
        raise self.error


@pytest.fixture
def engines(monkeypatch):
    """Install the engines `steady` and `raising`; returns the class of the latter, to set its error."""
    from melisma.pipeline import tiers

    module = ModuleType("melisma_test_engines")
    module.SteadyEngine = SteadyEngine
    module.RaisingEngine = type("RaisingEngine", (RaisingEngine,), {})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    extra = [
        EntryPoint("steady", f"{module.__name__}:SteadyEngine", plugins.ENGINES),
        EntryPoint("raising", f"{module.__name__}:RaisingEngine", plugins.ENGINES),
    ]

    def with_ours(*, group):
        return [*entry_points(group=group), *(point for point in extra if point.group == group)]

    monkeypatch.setattr(plugins, "entry_points", with_ours)
    plugins._points.cache_clear()
    tiers.forget()
    yield module.RaisingEngine
    plugins._points.cache_clear()
    tiers.forget()


@pytest.fixture
def runner():
    return CliRunner()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def song(tmp_path):
    """Three seconds of noise and four words, in a folder that is not the current one."""
    folder = tmp_path / "song"
    folder.mkdir()
    samples = np.random.default_rng(1).normal(0, 0.1, 48000).astype(np.float32)
    soundfile.write(folder / "song.wav", samples, 16000)
    (folder / "lyrics.txt").write_text("l'amour est\nenfant bohème\n", encoding="utf-8")
    return SimpleNamespace(audio=folder / "song.wav", lyrics=folder / "lyrics.txt", folder=folder)


@pytest.fixture
def alignment():
    """Four words in two lines, the second of them in doubt, the last one unsung."""
    words = (
        Word("l'amour", 0, 500, 900, 0.95),
        Word("est", 0, 1000, 1200, 0.2),
        Word("enfant", 1, 61_500, 62_000, 0.9),
        Word("bohème", 1, None, None),
    )
    return Alignment(words, (Line(0, 2), Line(2, 4)), 64_000, language="fr", engine="phone", warnings=("a warning",))


@pytest.fixture
def saved(alignment, tmp_path):
    """The alignment as a JSON file."""
    return alignment.save(tmp_path / "made.json")


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Play LRCLib on loopback; no other place is looked in."""
    from lyrics_server import Server

    for name in ("GENIUS_ACCESS_TOKEN", "MELISMA_GENIUS_TOKEN", "MELISMA_LYRICS_DIR", "MELISMA_LYRICS_PROVIDERS"):
        monkeypatch.delenv(name, raising=False)
    made = Server()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("MELISMA_LRCLIB_URL", made.url)
    monkeypatch.setenv("MELISMA_CACHE_DIR", str(tmp_path / "cache"))
    yield made
    made.close()
