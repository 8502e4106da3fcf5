"""A transcriber of tones, as a plug-in: a burst below 1 kHz is the word "low", one above it "high"."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import numpy as np

from melisma.core import plugins
from melisma.core.errors import EngineFailed
from melisma.core.records import Heard, HeardWord
from melisma.core.timebase import Timebase
from melisma.engines.protocol import EngineFacts, Licence, Task
from melisma.pipeline import tiers

RATE, HOP = 16_000, 160
NAME = "tones"


def bursts(*words, lead=0.25, length=0.25, gap=0.25):
    """Return samples and times of tones, float32 [n] and [(word, start, end)]."""
    parts, times = [np.zeros(round(lead * RATE), np.float32)], []
    for word in words:
        start = sum(map(len, parts)) / RATE
        at = np.arange(round(length * RATE)) / RATE
        parts.append((0.3 * np.sin(2 * np.pi * (300 if word == "low" else 3000) * at)).astype(np.float32))
        times.append((word, start, start + length))
        parts.append(np.zeros(round(gap * RATE), np.float32))
    return np.concatenate(parts), times


class ToneEngine:
    """Hears tones, and fails where a recording clips; it notes the languages that it is told."""

    facts = EngineFacts(
        NAME, "1", "tones", "1", Licence("CC0-1.0", True), Task.TRANSCRIBE, RATE, frozenset({"hr", "sr", "zh"})
    )
    told: list

    def missing(self):
        return None

    def load(self):
        pass

    def unload(self):
        pass

    def transcribe(self, waveform, language=None, prompt="", progress=None):
        type(self).told.append(language)
        samples = waveform.samples
        if np.abs(samples).max(initial=0.0) >= 1.0:
            raise EngineFailed("the recording clips")
        frames = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
        loud = np.concatenate([[False], np.abs(frames).max(axis=1) > 0.1, [False]])
        edges = np.flatnonzero(loud[1:] != loud[:-1])
        words = []
        for first, last in edges.reshape(-1, 2):
            burst = samples[first * HOP : last * HOP]
            crossings = np.count_nonzero(np.diff(np.signbit(burst))) / (len(burst) / RATE)
            words.append(HeardWord("low" if crossings < 2000 else "high", float(first), float(last), 0.9))
        return Heard(tuple(words), Timebase(RATE, HOP), language or "und")


def install(monkeypatch):
    """Offer the engine as its entry point would; return the languages that it will be told."""
    module = ModuleType("melisma_test_tones")
    module.ToneEngine = type("ToneEngine", (ToneEngine,), {"told": []})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    extra = [EntryPoint(NAME, f"{module.__name__}:ToneEngine", plugins.ENGINES)]

    def with_ours(*, group):
        return [*entry_points(group=group), *(point for point in extra if point.group == group)]

    monkeypatch.setattr(plugins, "entry_points", with_ours)
    plugins._points.cache_clear()
    tiers.forget()
    return module.ToneEngine.told


def uninstall():
    """Forget the engine, after the test's own patches are undone."""
    plugins._points.cache_clear()
    tiers.forget()
