"""Whisper on this machine: faster-whisper, which runs it through CTranslate2, without torch.

What it hears are words with times; lyrics that are known only hint at them, and are matched afterwards.

References
----------
Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, ICML 2023. Weights and code are MIT.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from melisma.core.errors import (
    EngineFailed,
    EngineOutOfMemory,
    EngineUnavailable,
    MelismaError,
    ModelError,
    UnknownName,
)
from melisma.core.records import Heard, HeardWord, Waveform
from melisma.core.settings import n_threads
from melisma.core.timebase import SECONDS, Timebase
from melisma.core.units import Clocked, to_clock
from melisma.engines import chunks
from melisma.engines._checkpoint import UNKNOWN_LICENCE, read_card, said_licence
from melisma.engines.device import choose
from melisma.engines.hallucinations import HeardSegment, cleaned
from melisma.engines.prompts import head
from melisma.engines.protocol import EngineFacts, Licence, Progress, Task
from melisma.models import ctranslate2_file
from melisma.models.pretrained import Checkpoint, weights_mb
from melisma.text.whisper_languages import LANGUAGES, iso_code, whisper_code

SAMPLE_RATE = 16_000
# As faster-whisper's own documentation names them, with the sizes of their weights in MB (16-bit floats).
SIZES = {
    "tiny": ("Systran/faster-whisper-tiny", 75),
    "base": ("Systran/faster-whisper-base", 142),
    "small": ("Systran/faster-whisper-small", 464),
    "medium": ("Systran/faster-whisper-medium", 1458),
    "large-v2": ("Systran/faster-whisper-large-v2", 2944),
    "large-v3": ("Systran/faster-whisper-large-v3", 2945),
    "large-v3-turbo": ("mobiuslabsgmbh/faster-whisper-large-v3-turbo", 1544),
}
DEFAULT_MODEL = "large-v3-turbo"
COMPUTE_TYPE = "MELISMA_WHISPER_COMPUTE_TYPE"
_KNOWN = frozenset(name for name, _ in SIZES.values())
_MIT = Licence("MIT", commercial=True)
_BESIDE_WEIGHTS_MB = 700  # log-mels of ten minutes, beams, and the interpreter
_COMPUTE = frozenset(
    ("int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16", "float32")
)
_PIECE_S = 600.0  # log-mels of a whole recording would take 1 GB an hour
_SHORTEST_S = 0.1  # nobody sings a word in less, and faster-whisper breaks on less than two frames of 10 ms
_DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True, slots=True)
class WhisperSettings:
    """How Whisper searches.

    Its own fallback draws words at higher and higher `temperatures` where a window looks like a loop or nonsense. That
    is left out here: CTranslate2 draws from generators that nobody can set back, so the same song would give other
    words each time, and a window of music takes six times as long. Loops are cut afterwards.
    """

    beam: int = 5
    temperatures: tuple[float, ...] = (0.0,)


class WhisperEngine:
    """Words of any of a hundred languages, on a recording of any length.

    Parameters
    ----------
    model : str, optional
        Size (tiny … large-v3-turbo), id on the hub, or folder of a model that is converted for CTranslate2;
        MELISMA_WHISPER_MODEL, or large-v3-turbo, without one.
    device : str, optional
        auto, cpu, cuda, cuda:1 …; MELISMA_DEVICE, or auto, without one.
    settings : WhisperSettings, optional
        How it searches.
    """

    def __init__(
        self, model: str | None = None, device: str | None = None, settings: WhisperSettings | None = None
    ) -> None:
        self.size = model or os.environ.get("MELISMA_WHISPER_MODEL", "").strip() or DEFAULT_MODEL
        self.checkpoint = Checkpoint(
            SIZES.get(self.size, (self.size, 0))[0], os.environ.get("MELISMA_WHISPER_REVISION", "").strip()
        )
        self.device, self._fault = _device(device)
        said = os.environ.get(COMPUTE_TYPE, "").strip()
        self.compute_type = said or ("int8" if self.device == "cpu" else "float16")
        self.settings = settings or WhisperSettings()
        self._model: Any = None
        self._loading = Lock()

    @property
    def facts(self) -> EngineFacts:
        """What it says of itself."""
        return EngineFacts(
            name="whisper",
            version=f"1+{_library()}.{self.compute_type}",
            model_id=self.checkpoint.name,
            model_revision=self.checkpoint.found_revision(),
            licence=self._licence(),
            task=Task.TRANSCRIBE,
            sample_rate=SAMPLE_RATE,
            languages=LANGUAGES,
            device=self.device,
            memory_mb=self._memory_mb(),
        )

    def _licence(self) -> Licence:
        """Return MIT for OpenAI's models; that of its card, or the one that a user vouches for, for any other."""
        said = os.environ.get("MELISMA_WHISPER_LICENSE", "").strip()
        if said:
            return said_licence(said)
        folder = self.checkpoint.folder()
        card = read_card(folder).licence if folder else None
        return card or (_MIT if self.checkpoint.model in _KNOWN else UNKNOWN_LICENCE)

    def _memory_mb(self) -> int:
        folder = self.checkpoint.folder()
        size = (weights_mb(folder) if folder else 0) or SIZES.get(self.size, ("", SIZES[DEFAULT_MODEL][1]))[1]
        kept = size // 2 if self.compute_type.startswith("int8") else 2 * size if "32" in self.compute_type else size
        return kept + _BESIDE_WEIGHTS_MB

    def missing(self) -> str | None:
        """Say in one sentence which package, device or model it lacks; None if nothing."""
        if find_spec("faster_whisper") is None:
            return "the engine whisper needs faster-whisper: pip install 'melisma[whisper]'"
        if self.compute_type not in _COMPUTE:
            known = ", ".join(sorted(_COMPUTE))
            return f"MELISMA_WHISPER_COMPUTE_TYPE is {self.compute_type[:40]!r}: it is one of {known}"
        return self._fault or self.checkpoint.missing()

    def load(self) -> None:
        """Load the model, once.

        Raises
        ------
        EngineUnavailable
            If a package, a device or the model is missing.
        EngineOutOfMemory
            If it finds too little memory.
        ModelError
            If the files are no such model.
        """
        self.loaded()

    @property
    def is_loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._model is not None

    def loaded(self) -> Any:
        """Return faster-whisper's model, loaded; see `load`."""
        with self._loading:
            if self._model is None:
                self._model = self._open()
            return self._model

    def _open(self) -> Any:
        lacking = self.missing()
        if lacking:
            raise EngineUnavailable(lacking)
        folder = self.checkpoint.fetch()
        for name in ("model.bin", "tokenizer.json"):  # without the second, faster-whisper would ask a hub for another's
            if not (folder / name).is_file():
                raise ModelError(f"the Whisper model {self.checkpoint.name} has no {name}: convert it for CTranslate2")
        ctranslate2_file.check(folder)
        from faster_whisper import WhisperModel

        kind, _, index = self.device.partition(":")
        with faults(self.checkpoint.name, ModelError):
            return WhisperModel(
                str(folder),
                device=kind,
                device_index=int(index or 0),
                compute_type=self.compute_type,
                cpu_threads=n_threads(),
                local_files_only=True,
            )

    def unload(self) -> None:
        """Give the model's memory back."""
        with self._loading:
            self._model = None

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
            Lyrics: their beginning hints at names and spelling.
        progress : callable, optional
            Called with the share that is done.

        Raises
        ------
        UnknownName
            If Whisper, or the model, was not taught the language.
        EngineFailed, EngineOutOfMemory
            If it breaks off.
        UnitsError
            If its times run backwards, or out of the recording.
        """
        if waveform.sample_rate != SAMPLE_RATE:
            raise ValueError(f"the whisper engine takes {SAMPLE_RATE} Hz, not {waveform.sample_rate} Hz")
        code = whisper_code(language)
        model = self.loaded()
        if code not in (None, "en") and not model.model.is_multilingual:
            raise UnknownName(f"language of the model {self.checkpoint.name!r}", str(language), ["en"])
        clock, tell = Timebase(SAMPLE_RATE), progress or (lambda share: None)
        parts: list[tuple[chunks.Piece, Clocked]] = []
        total = max(1, len(waveform.samples))
        for piece in chunks.cut(waveform, round(_PIECE_S * SAMPLE_RATE)):
            part = Waveform(waveform.samples[piece.first : piece.stop], SAMPLE_RATE)
            done = _Done(tell, piece.begin / total, piece.end / total)
            parts.append((piece, self._hear(model, part, _Hint(code, prompt, not parts), done, clock)))
            tell(piece.end / total if piece.stop else 1.0)
        return chunks.join(parts, clock)

    def _hear(self, model: Any, part: Waveform, hint: _Hint, done: _Done, clock: Timebase) -> Clocked:
        n = len(part.samples)
        if part.duration_s < _SHORTEST_S or chunks.is_silent(part.samples):
            return Clocked((), n, clock)
        with faults(self.checkpoint.name, EngineFailed):
            segments, info = model.transcribe(
                part.samples,
                language=hint.code,
                task="transcribe",
                beam_size=self.settings.beam,
                temperature=list(self.settings.temperatures),
                condition_on_previous_text=False,
                initial_prompt=head(hint.prompt) or None if hint.first else None,
                word_timestamps=True,
                vad_filter=False,
            )
            heard = [_segment(each, part.duration_s) for each in done.through(segments, part.duration_s)]
        return to_clock(cleaned(heard, SECONDS, iso_code(info.language), hint.prompt), n, clock)


@dataclass(frozen=True, slots=True)
class _Hint:
    """What is known of the words: Whisper's code of the language, lyrics, and whether this is the beginning."""

    code: str | None
    prompt: str
    first: bool


@dataclass(frozen=True, slots=True)
class _Done:
    """The share of a recording that a piece is, and whom to tell how much of it is done."""

    tell: Callable[[float], None]
    begin: float
    end: float

    def through(self, segments: Any, length_s: float) -> Iterator[Any]:
        """Yield segments, and tell after each."""
        furthest = 0.0
        for segment in segments:
            furthest = max(furthest, min(1.0, float(segment.end) / length_s))
            self.tell(self.begin + furthest * (self.end - self.begin))
            yield segment


def _segment(segment: Any, length_s: float) -> HeardSegment:
    """Read a segment of faster-whisper's; windows are padded to 30 s, and what is heard in the padding is nothing."""
    return HeardSegment(
        tuple(
            HeardWord(word.word.strip(), float(word.start), min(float(word.end), length_s), _share(word.probability))
            for word in segment.words or ()
            if word.start < length_s
        ),
        _share(segment.no_speech_prob),
        float(segment.avg_logprob),
    )


def _share(value: float) -> float:
    """Return a probability; sums of floats may pass 1 by a rounding."""
    return min(1.0, max(0.0, float(value)))


@contextmanager
def faults(name: str, otherwise: type[EngineFailed] | type[ModelError]) -> Iterator[None]:
    """Map what CTranslate2 and faster-whisper raise."""
    try:
        yield
    except MelismaError:
        raise
    except MemoryError as error:
        raise EngineOutOfMemory(f"the Whisper model {name} found too little memory") from error
    except Exception as error:  # both libraries raise RuntimeError for everything, and tokenizers a bare Exception
        said = " ".join(str(error).split())[:200] or type(error).__name__
        if "out of memory" in said.lower() or "failed to allocate" in said.lower():
            raise EngineOutOfMemory(f"the Whisper model {name} found too little memory: {said}") from error
        if "cannot be loaded" in said or "driver" in said.lower():
            raise EngineUnavailable(f"the Whisper model {name} cannot use the device: {said}") from error
        raise otherwise(f"the Whisper model {name} cannot be used: {said}") from error


def _library() -> str:
    try:
        return f"faster-whisper-{version_of('faster-whisper')}"
    except PackageNotFoundError:
        return "none"


def _device(wanted: str | None) -> tuple[str, str | None]:
    """Return the device for CTranslate2, and why it cannot be used; it needs no torch, and knows no mps."""
    chosen = choose(wanted)
    name = "cpu" if chosen.name == "mps" else chosen.name
    asked = (wanted or os.environ.get("MELISMA_DEVICE") or "auto").strip().lower()
    if asked == "auto" and name == "cpu" and _DRIVER.exists() and find_spec("torch") is None and _sees_cuda():
        return "cuda", None
    return name, None if chosen.name == "mps" else chosen.fault


def _sees_cuda() -> bool:
    if find_spec("ctranslate2") is None:
        return False
    import ctranslate2

    return bool(ctranslate2.get_cuda_device_count())
