"""Every engine that is installed keeps the contract; and the contract notices what breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from melisma.core import plugins
from melisma.core.records import Emission, Heard, HeardWord, Waveform
from melisma.core.timebase import SECONDS, Timebase
from melisma.engines.protocol import Engine, EngineFacts, Licence, Task
from melisma.testing import engines as contract
from melisma.testing.engines import ContractBroken, check_engine

NAMES = plugins.names(plugins.ENGINES)


def phone(folder: Path) -> Engine:
    from melisma.engines.phone import PhoneEngine

    return PhoneEngine()


def mms_ctc(folder: Path) -> Engine:
    from melisma.engines.mms_ctc import MmsCtcEngine
    from melisma.testing.checkpoints import RandomCtc, save_random_ctc

    labels = ("<blank>", "<pad>", "</s>", "<unk>", *"aienoutsrmkldghybpwcvjzf'qx")
    return MmsCtcEngine(str(save_random_ctc(folder / "mms", RandomCtc(labels=labels))))


def wav2vec2(folder: Path) -> Engine:
    from melisma.engines.wav2vec2 import Wav2Vec2Engine
    from melisma.testing.checkpoints import save_random_ctc

    return Wav2Vec2Engine(str(save_random_ctc(folder / "wav2vec2")))


def hmm(folder: Path) -> Engine:
    from melisma.engines.hmm import HmmEngine

    return HmmEngine()


def dtw(folder: Path) -> Engine:
    from melisma.engines.dtw import DtwEngine

    return DtwEngine()


def whisper(folder: Path) -> Engine:
    from melisma.engines.whisper import WhisperEngine, WhisperSettings
    from melisma.testing.whisper_checkpoints import save_random_whisper

    model = folder / "ctranslate2"
    return WhisperEngine(
        str(model if model.exists() else save_random_whisper(folder)), settings=WhisperSettings(beam=1)
    )


# How an engine is made on a tiny model, where the real one cannot be had; the others are held to their facts and to
# what they are missing. Called once per engine made, with one folder.
TINY: dict[str, Callable[[Path], Engine]] = {
    "phone": phone,
    "mms_ctc": mms_ctc,
    "wav2vec2": wav2vec2,
    "hmm": hmm,
    "dtw": dtw,
    "whisper": whisper,
}


@pytest.fixture(autouse=True)
def at_home(monkeypatch, tmp_path):
    """Engines take their defaults, and nothing is fetched."""
    for name in ("MODEL", "REVISION"):
        for engine in ("MMS", "WAV2VEC2", "PHONE", "WHISPER"):
            monkeypatch.delenv(f"MELISMA_{engine}_{name}", raising=False)
    monkeypatch.delenv("MELISMA_DOWNLOAD", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("MELISMA_DEVICE", "cpu")


@pytest.mark.parametrize("name", NAMES)
def test_an_engine_says_what_it_is_and_what_it_lacks(name):
    kind = plugins.load(plugins.ENGINES, name)
    contract.check_facts(kind, name)
    contract.check_missing(kind)


@pytest.mark.parametrize("name", sorted(TINY))
def test_an_engine_keeps_the_contract(name, tmp_path):
    made = TINY[name](tmp_path)
    if made.missing():
        pytest.skip(str(made.missing()))
    check_engine(lambda: TINY[name](tmp_path), name)


def test_there_is_a_tiny_model_for_no_engine_that_does_not_exist():
    assert set(TINY) <= set(NAMES)


class Good:
    """An engine that hears blanks, to be broken in one place at a time."""

    labels: tuple[str, ...] = ("", "l", "a")
    blank = 0
    facts = EngineFacts("good", "1", "good", "", Licence("CC0-1.0", True), Task.EMIT, 16000, frozenset({"en"}))

    def missing(self) -> str | None:
        return None

    def load(self) -> None: ...

    def unload(self) -> None: ...

    def spell(self, word: str, language: str):
        from melisma.core.errors import UnknownName

        if language != "en":
            raise UnknownName("language", language, ["en"])
        return [letter for letter in "la" if word not in "…♪"]

    def emit(self, waveform: Waveform, progress=None) -> Emission:
        if waveform.sample_rate != 16000:
            raise ValueError("rate")
        n_frames = -(-len(waveform.samples) // 320)
        if progress:
            progress(1.0)
        frames = np.full((n_frames, 3), np.log(1 / 3), np.float32)
        return Emission(frames, self.labels, 0, Timebase(16000, 320), len(waveform.samples))


def test_a_good_engine_passes():
    check_engine(Good, "good")


def emitting(change: Callable[[Emission], Emission]) -> type[Good]:
    class Changed(Good):
        def emit(self, waveform, progress=None):
            return change(super().emit(waveform, progress))

    return Changed


class Restless(Good):
    made = 0

    def __init__(self) -> None:
        Restless.made += 1
        self.facts = replace(Good.facts, version=str(Restless.made))


class Wordy(Good):
    def missing(self):
        return "a\nb"


class Careless(Good):
    def missing(self):
        return "a package"


class Drifting(Good):
    def load(self):
        self.facts = replace(Good.facts, version="2")


class Blanks(Good):
    def spell(self, word, language):
        return ["", *super().spell(word, language)]


class Strange(Good):
    def spell(self, word, language):
        super().spell(word, language)
        return ["ø"]


class Polyglot(Good):
    def spell(self, word, language):
        return super().spell(word, "en")


class Noting(Good):
    def spell(self, word, language):
        super().spell(word, language)
        return ["l"]


class Silent(Good):
    def emit(self, waveform, progress=None):
        return super().emit(waveform)


class Stopping(Good):
    def emit(self, waveform, progress=None):
        return super().emit(waveform, progress and (lambda share: progress(share / 2)))


class AnyRate(Good):
    def emit(self, waveform, progress=None):
        return super().emit(Waveform(waveform.samples, 16000), progress)


class Forgetful(Good):
    unloaded = False

    def unload(self):
        self.unloaded = True

    def load(self):
        self.unloaded = False

    def emit(self, waveform, progress=None):
        got = super().emit(waveform, progress)
        certain = np.tile(np.array([0, -200, -200], np.float32), (len(got.log_probs), 1))
        return replace(got, log_probs=certain) if self.unloaded else got


class Facts(Good):
    facts = replace(Good.facts, device="toaster")


class Nameless(Good):
    facts = replace(Good.facts, licence=Licence("", True))


class Mute(Good):
    facts = replace(Good.facts, task=Task.TRANSCRIBE)


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (Restless, "facts are the same each time"),
        (Facts, "'toaster' is cpu"),
        (Nameless, "names a licence"),
        (Mute, "whose task is 'transcribe' has transcribe"),
        (Wordy, "one sentence, on one line"),
        (Careless, r"missing something is refused with EngineUnavailable"),
        (Drifting, r"loading does not change facts\.version"),
        (Blanks, "never gives the blank"),
        (Strange, r"gives labels, not \['ø'\]"),
        (Polyglot, r"spell\('la', 'qq'\) is refused with UnknownName"),
        (Noting, "a note has no sound"),
        (Silent, "progress is told at least once"),
        (Stopping, r"progress ends at 1, not at 0\.5"),
        (AnyRate, "another rate is refused with ValueError"),
        (Forgetful, "unloaded hears the same again"),
        (emitting(lambda e: replace(e, log_probs=e.log_probs[:-1])), "is of shape"),
        (emitting(lambda e: replace(e, log_probs=e.log_probs.astype(np.float64))), "float32, not float64"),
        (emitting(lambda e: replace(e, log_probs=e.log_probs + 1)), "add up to 1"),
        (emitting(lambda e: replace(e, log_probs=e.log_probs * np.nan)), "holds numbers only"),
        (emitting(lambda e: replace(e, labels=("", "a", "l"))), "the labels of its engine"),
        (emitting(lambda e: replace(e, timebase=Timebase(16000, 336))), "is of shape"),  # 21 ms
        (emitting(lambda e: replace(e, duration=e.duration + 1)), "is that of the waveform"),
        (emitting(lambda e: replace(e, vocal=np.full(len(e.log_probs), 2, np.float32))), "vocal is a probability"),
    ],
)
def test_what_breaks_the_contract_is_named(kind, promise):
    with pytest.raises(ContractBroken, match=promise):
        check_engine(kind, "good")


def test_a_name_that_is_not_that_of_the_entry_point_is_named():
    with pytest.raises(ContractBroken, match="the name of the entry point, 'better', not 'good'"):
        check_engine(Good, "better")


def heard(start: float, end: float, unit=SECONDS, breaks=()) -> Heard:
    return Heard((HeardWord("la", start, end),), unit, breaks=breaks)


@pytest.mark.parametrize(
    ("got", "promise"),
    [
        (heard(1, 5), "times are what heard.unit says"),
        (heard(-2, 1), "times are what heard.unit says"),
        (heard(0, 1, unit="ms"), "heard.unit is a Timebase"),
        (heard(0, 1, breaks=(3,)), "breaks are words"),
        (Heard((HeardWord(" ", 0, 1),), SECONDS), "has a text"),
    ],
)
def test_words_that_cannot_have_been_heard_are_named(got, promise):
    with pytest.raises(ContractBroken, match=promise):
        contract.check_heard(got, Waveform(np.zeros(32000, np.float32), 16000))


def test_words_that_can_are_taken():
    contract.check_heard(heard(0.5, 1.5, breaks=(0,)), Waveform(np.zeros(32000, np.float32), 16000))
