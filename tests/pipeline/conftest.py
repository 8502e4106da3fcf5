"""Engines by the door of every plug-in, a song whose truth is known; puts `engine_faults` within reach of the tests."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

import pytest

from melisma.audio import decode
from melisma.core import plugins
from melisma.core.records import Waveform
from melisma.pipeline import tiers
from melisma.pipeline.settings import RouterSettings
from melisma.synth import write
from melisma.synth.score import score_of_length
from melisma.text.lyrics import from_text

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def install(monkeypatch):
    """Install engines for one test: install(Class, …) returns subclasses of its own, which a test may set."""
    module = ModuleType("melisma_router_engines")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    points: list[EntryPoint] = []

    def with_ours(*, group):
        return [*entry_points(group=group), *(point for point in points if point.group == group)]

    def go(*classes):
        made = []
        for each in classes:
            own = type(each.__name__, (each,), {"n_heard": 0})
            setattr(module, each.__name__, own)
            points.append(EntryPoint(each.name, f"{module.__name__}:{each.__name__}", plugins.ENGINES))
            made.append(own)
        plugins._points.cache_clear()
        tiers.forget()
        return made[0] if len(made) == 1 else made

    monkeypatch.setattr(plugins, "entry_points", with_ours)
    yield go
    plugins._points.cache_clear()
    tiers.forget()


@pytest.fixture
def settings(tmp_path):
    """Settings with a state folder of their own."""
    return replace(RouterSettings(), state=tmp_path / "state", flags=tmp_path / "state" / "flags.toml")


@dataclass(frozen=True)
class Sung:
    """A recording, its lyrics, and when each word begins, in seconds."""

    waveform: Waveform
    lyrics: object
    onsets_s: tuple[float, ...]
    folder: object


@pytest.fixture(scope="session")
def sung(tmp_path_factory):
    """A song of 25 s in English, sung by espeak-ng's voice."""
    folder = tmp_path_factory.mktemp("sung")
    write.save(score_of_length(25, "en", seed=21), folder, title="Test")
    rows = [line.split(",") for line in (folder / "gold.csv").read_text(encoding="utf-8").splitlines()[1:]]
    lyrics = from_text((folder / "lyrics.txt").read_text(encoding="utf-8"))
    return Sung(decode.load(folder / "audio.wav"), lyrics, tuple(float(row[2]) for row in rows), folder)
