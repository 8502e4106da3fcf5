"""Every way in which a Whisper model of a folder can be run here: by transformers, and by the engines that serve it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from melisma.core.errors import EngineFailed, EngineUnavailable, InputError, MissingDependency, ModelError
from melisma.core.records import Float32
from melisma.core.settings import n_threads
from melisma.engines.whisper import faults
from melisma.engines.whisper_converted import WhisperConvertedEngine
from melisma.engines.whisper_onnx import WhisperOnnxEngine
from melisma.engines.whisper_transformers import WhisperTransformersEngine
from melisma.engines.whisper_windows import most_tokens
from melisma.models import package as packages
from melisma.models.package import CTRANSLATE2_FOLDER, ONNX_FOLDER
from melisma.models.whisper_vocabulary import read_vocabulary
from melisma.models.whisper_words import TimedWord
from melisma.text.language import normalise
from melisma.text.whisper_languages import iso_code

TRANSFORMERS, TORCH, ONNX = "transformers", "torch", "onnx"
FLOAT32, INT8 = "ctranslate2 float32", "ctranslate2 int8"
STOCK = "faster-whisper with times"  # as others run the conversion
_NEEDS = {
    TRANSFORMERS: ("transformers", "melisma[ctc]"),
    TORCH: ("torch", "melisma[ctc]"),
    FLOAT32: ("faster_whisper", "melisma[whisper]"),
    INT8: ("faster_whisper", "melisma[whisper]"),
    STOCK: ("faster_whisper", "melisma[whisper]"),
    ONNX: ("onnxruntime", "melisma"),
}


@dataclass(frozen=True, slots=True)
class Said:
    """What was heard in a window: text, and words with times in seconds, where the format tells them."""

    text: str
    words: tuple[TimedWord, ...] = ()


Hear = Callable[[Float32, str | None], Said]  # samples of a window, Whisper's code of its language


def formats_of(folder: Path, *, stock: bool = True) -> tuple[str, ...]:
    """Return the formats that a folder has, the source first.

    Parameters
    ----------
    folder : Path
        Of a package, or of one that is being made.
    stock : bool
        Whether faster-whisper's own decoding counts as one.
    """
    found = [TRANSFORMERS, TORCH] if any(folder.glob("*.safetensors")) else []
    if (folder / CTRANSLATE2_FOLDER).is_dir():
        found += [FLOAT32, INT8, *([STOCK] if stock else [])]
    if (folder / ONNX_FOLDER).is_dir():
        found.append(ONNX)
    return tuple(found)


def opened(name: str, folder: Path) -> AbstractContextManager[Hear]:
    """Load one format, and let go of its memory afterwards; on the CPU, greedily.

    Raises
    ------
    MissingDependency
        If what runs it is not installed.
    ModelError
        If it cannot be loaded, or breaks off.
    """
    module, extra = _NEEDS[name]
    if find_spec(module) is None:
        raise MissingDependency(f"{name} cannot be heard without {module}: pip install '{extra}'")
    if name == TRANSFORMERS:
        return _plain(folder)
    if name == STOCK:
        return _stock(folder / CTRANSLATE2_FOLDER)
    return _served(_engine(name, folder))


def _engine(name: str, folder: Path) -> WhisperTransformersEngine | WhisperOnnxEngine | WhisperConvertedEngine:
    if name == TORCH:
        return WhisperTransformersEngine(folder, "cpu", 1)
    if name == ONNX:
        return WhisperOnnxEngine(folder)
    return WhisperConvertedEngine(folder, "cpu", 1, name.split()[-1])


@contextmanager
def _served(engine: WhisperTransformersEngine | WhisperOnnxEngine | WhisperConvertedEngine) -> Iterator[Hear]:
    def hear(samples: Float32, code: str | None) -> Said:
        try:
            found = engine.hear(samples, iso_code(code) if code else None)
        except (EngineFailed, EngineUnavailable) as error:
            raise ModelError(str(error)) from error
        return Said(found.text, found.words)

    try:
        yield hear
    finally:
        engine.unload()


@contextmanager
def _plain(folder: Path) -> Iterator[Hear]:
    from melisma.models.whisper_plain import PlainWhisper

    model = PlainWhisper(folder)
    yield lambda samples, code: Said(model.transcribe(samples, code, most_tokens(len(samples))))


@contextmanager
def _stock(folder: Path) -> Iterator[Hear]:
    """Run faster-whisper as its own documentation does, without chance in fallbacks and what it said before."""
    from faster_whisper import WhisperModel

    with faults(folder.parent.name, ModelError):
        model: Any = WhisperModel(
            str(folder), device="cpu", compute_type="float32", cpu_threads=n_threads(), local_files_only=True
        )

    def hear(samples: Float32, code: str | None) -> Said:
        with faults(folder.parent.name, ModelError):
            most = most_tokens(len(samples))
            segments, _ = model.transcribe(
                samples, language=code, temperature=0.0, max_new_tokens=most, condition_on_previous_text=False
            )
            return Said(" ".join(segment.text.strip() for segment in segments).strip())

    yield hear


def languages_of(folder: Path) -> frozenset[str]:
    """Return Whisper's codes of the languages that a folder's model knows; none of a model of English alone.

    Those are the languages that a package says it was trained on, and else all that it has tokens for.

    Raises
    ------
    InputError
        If there is no Whisper model.
    """
    if not (folder / "tokenizer.json").is_file():
        raise InputError(f"{folder} holds no Whisper model: there is no tokenizer.json in it")
    found = frozenset(read_vocabulary(folder).languages)
    said = packages.read(folder).languages if packages.is_package(folder) else ()
    taught = {normalise(code).partition("-")[0] for code in said}
    return frozenset(code for code in found if not taught or iso_code(code) in taught)
