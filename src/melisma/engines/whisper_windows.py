"""What the engines of a fine-tuned Whisper share, whatever runs them: what a folder says, and windows of 30 s."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from melisma.core.errors import EngineFailed, InputError, MelismaError, UnitsError, UnknownName
from melisma.core.records import Float32, Heard, HeardWord, Waveform
from melisma.core.timebase import SECONDS, Timebase
from melisma.core.units import Clocked, to_clock
from melisma.engines import chunks, whisper_chunks
from melisma.engines._checkpoint import (
    UNKNOWN_LICENCE,
    after_removals,
    licence_of_package,
    read_card,
    said_licence,
)
from melisma.engines.hallucinations import HeardSegment, cleaned
from melisma.engines.prompts import head
from melisma.engines.protocol import EngineFacts, Licence, Progress, Task
from melisma.models import package as packages
from melisma.models.package import PackageFacts
from melisma.models.pretrained import content_hash, read_json, weights_mb
from melisma.models.whisper_words import TimedWord
from melisma.text.language import normalise
from melisma.text.whisper_languages import LANGUAGES, WHISPER_CODES, iso_code, whisper_code

if TYPE_CHECKING:
    from melisma.models.whisper_onnx import HeardWindow

SAMPLE_RATE = 16_000
_SHORTEST_S = 0.1  # nobody says a word in less
# The decoder has 448 places, of which a prompt takes four. Nobody says more than six words a second, and a word in
# Cyrillic takes about four of OpenAI's tokens.
_MOST_TOKENS, _TOKENS_PER_S, _TOKENS_BESIDE = 440, 24.0, 16
_PARTS = whisper_chunks.ChunkConfig(most_s=16.0)  # of a window at whose text the decoder comes to no end
_KIND = "whisper"
BEAMS = "MELISMA_WHISPER_BEAMS"


def asked_beams() -> int:
    """Return how many beams a search has by MELISMA_WHISPER_BEAMS, 1 to 16; 1, which is greedy, if that is not set.

    Raises
    ------
    InputError
        If it is something else.
    """
    said = os.environ.get(BEAMS, "").strip() or "1"
    if not said.isdecimal() or not 1 <= int(said) <= 16:
        raise InputError(f"{BEAMS} is {said[:20]!r}: give a whole number from 1 to 16")
    return int(said)


@dataclass(frozen=True, slots=True)
class Ask:
    """What is known of a window: Whisper's code of its language, text that may be said, tokens that it may have."""

    code: str | None
    hint: str
    most_tokens: int


class WindowedWhisper:
    """A fine-tuned Whisper that hears windows of up to 30 s, on recordings of any length.

    Parameters
    ----------
    folder : Path
        Of a package, a training, or any checkpoint of transformers'.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package: PackageFacts | None = packages.read(folder) if packages.is_package(folder) else None

    @property
    def name(self) -> str:
        """What results say of the model."""
        return self.package.name if self.package else self.folder.absolute().name

    @property
    def facts(self) -> EngineFacts:
        """What it says of itself."""
        return EngineFacts(
            name=_KIND,
            version=f"1+{self._library}",
            model_id=self.name,
            model_revision=packages.revision(self.folder) if self.package else content_hash(self.folder),
            licence=self._licence(),
            task=Task.TRANSCRIBE,
            sample_rate=SAMPLE_RATE,
            languages=self.languages,
            device=self._on,
            memory_mb=self._memory_mb(),
        )

    @property
    @abstractmethod
    def _library(self) -> str:
        """What runs it, and how exactly: whatever may change a result."""

    @property
    @abstractmethod
    def _on(self) -> str:
        """Its device."""

    @abstractmethod
    def _memory_mb(self) -> int:
        """Return what it needs with a song of four minutes, in MB."""

    @abstractmethod
    def _hear(self, samples: Float32, ask: Ask) -> HeardWindow:
        """Return what is heard in a window."""

    @abstractmethod
    def _likely(self, samples: Float32) -> dict[str, float]:
        """Return the probability of each language in a window, by Whisper's codes; none for models of English."""

    def hear(self, samples: Float32, language: str | None = None) -> HeardWindow:
        """Return what the model says of a window of 30 s at most, with nothing taken out: loops and lines of its own.

        Parameters
        ----------
        samples : float32 [n_samples]
            Mono, 16 kHz.
        language : str, optional
            ISO 639 code; found from the window without one.
        """
        self.load()
        return self._hear(samples, Ask(self._code(language), "", most_tokens(len(samples))))

    @cached_property
    def languages(self) -> frozenset[str]:
        """ISO 639 codes of the languages that it was trained on, or else those that it has tokens for."""
        if self.package and self.package.languages:
            return frozenset(map(normalise, self.package.languages))
        path = self.folder / "generation_config.json"
        said: Any = read_json(path) if path.is_file() else {}
        listed = said.get("lang_to_id")
        codes = {str(token)[2:-2] for token in listed} if isinstance(listed, dict) and listed else set(WHISPER_CODES)
        return frozenset(map(iso_code, codes & WHISPER_CODES)) or LANGUAGES

    def _licence(self) -> Licence:
        if self.package:
            return licence_of_package(self.package, self.folder)
        said = os.environ.get("MELISMA_WHISPER_LICENSE", "").strip()
        found = said_licence(said) if said else read_card(self.folder).licence or UNKNOWN_LICENCE
        return after_removals(found, self.folder)

    def _weights_mb(self) -> int:
        return weights_mb(self.folder)

    def _check(self) -> None:
        """Hold a package to what it says."""
        if self.package:
            packages.check(self.folder)

    def missing(self) -> str | None:
        """Say in one sentence what its folder lacks; None if nothing."""
        for name in ("config.json", "tokenizer.json", "generation_config.json"):
            if not (self.folder / name).is_file():
                return f"the Whisper model {self.name} has no {name}: save model and processor with save_pretrained()"
        return None

    def load(self) -> None:
        """Load the model, once."""
        raise NotImplementedError

    def transcribe(
        self, waveform: Waveform, language: str | None = None, prompt: str = "", progress: Progress | None = None
    ) -> Heard:
        """Return the words that are heard, in ticks of the recording's samples.

        Parameters
        ----------
        waveform : Waveform
            At 16 kHz.
        language : str, optional
            ISO 639 code; found from the first window without one.
        prompt : str
            Text that may be said: its beginning hints at names and spelling.
        progress : callable, optional
            Called with the share that is done.

        Raises
        ------
        UnknownName
            If Whisper, or the model, was not taught the language.
        EngineFailed, EngineOutOfMemory, ModelError
            If it breaks off.
        """
        if waveform.sample_rate != SAMPLE_RATE:
            raise ValueError(f"the Whisper engines take {SAMPLE_RATE} Hz, not {waveform.sample_rate} Hz")
        code = self._code(language)
        self.load()

        def hear(samples: Float32, first: bool) -> Clocked:
            nonlocal code
            if code is None and not _is_nothing(samples):  # a recording is in one language
                code = self._heard_language(samples)
            return self._window(samples, code, prompt if first else "")

        silent = chunks.is_silent(waveform.samples)
        pieces = () if silent else whisper_chunks.cut(waveform)
        return whisper_chunks.listen(waveform, pieces, hear, progress or (lambda share: None))

    def _code(self, language: str | None) -> str | None:
        code = whisper_code(language)
        if code is not None and self.languages and iso_code(code) not in self.languages:
            raise UnknownName(f"language of the model {self.name!r}", str(language), sorted(self.languages))
        return code

    def _heard_language(self, samples: Float32) -> str | None:
        """Return the likeliest language of those that the model was trained on."""
        with self._calling():
            shares = self._likely(samples)
        taught = {code: share for code, share in shares.items() if iso_code(code) in self.languages} or shares
        return max(taught, key=lambda code: taught[code]) if taught else None

    def _window(self, samples: Float32, code: str | None, prompt: str, *, parts: bool = True) -> Clocked:
        """Return the words of a window; one at whose text the decoder came to no end is heard again in parts."""
        n, clock = len(samples), Timebase(SAMPLE_RATE)
        if _is_nothing(samples):
            return Clocked((), n, clock)
        with self._calling():
            got = self._hear(samples, Ask(code, head(prompt), most_tokens(n)))
        if parts and not got.complete and n > _PARTS.most_s * SAMPLE_RATE:
            return self._in_parts(samples, code, prompt)
        length_s = n / SAMPLE_RATE
        spread = _spread(got.text, length_s, math.exp(min(0.0, got.mean_log_prob)))

        def clocked(timed: tuple[TimedWord, ...]) -> Clocked:
            words = tuple(HeardWord(w.text, min(w.start, length_s), min(w.end, length_s), w.probability) for w in timed)
            segment = HeardSegment(words, got.no_speech or None, got.mean_log_prob)
            return to_clock(cleaned([segment], SECONDS, iso_code(got.language), prompt), n, clock)

        try:
            return clocked(got.words or spread)
        except UnitsError:  # seconds they are: the attention of a network that has learnt little lies on one spot
            return clocked(spread)

    def _in_parts(self, samples: Float32, code: str | None, prompt: str) -> Clocked:
        """Hear a window in parts: what goes round in circles in one seldom does in another."""
        waveform = Waveform(samples, SAMPLE_RATE)

        def hear(part: Float32, first: bool) -> Clocked:
            return self._window(part, code, prompt if first else "", parts=False)

        heard = whisper_chunks.listen(waveform, whisper_chunks.cut(waveform, _PARTS), hear)
        return to_clock(heard, len(samples), Timebase(SAMPLE_RATE))

    @contextmanager
    def _calling(self) -> Iterator[None]:
        try:
            yield
        except MelismaError:
            raise
        except (RuntimeError, ValueError) as error:
            raise EngineFailed(f"the Whisper model {self.name} broke off: {error}") from error


def most_tokens(n_samples: int) -> int:
    """Return how many tokens a window may have: more than anybody says, so that a loop ends, and all that fit."""
    return min(_MOST_TOKENS, round(_TOKENS_BESIDE + _TOKENS_PER_S * n_samples / SAMPLE_RATE))


def _is_nothing(samples: Float32) -> bool:
    return len(samples) < _SHORTEST_S * SAMPLE_RATE or chunks.is_silent(samples)


def _spread(text: str, length_s: float, probability: float) -> tuple[TimedWord, ...]:
    """Spread words over a window by their letters, where a model has no heads that tell when they are said."""
    words = text.split()
    total, at, found = max(1, sum(map(len, words))), 0, []
    for word in words:
        begin, at = at, at + len(word)
        found.append(TimedWord(word, length_s * begin / total, length_s * at / total, probability))
    return tuple(found)
