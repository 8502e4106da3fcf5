"""Which engine hears with a Whisper model that lies in a folder: by what it holds, and by what is installed here.

A package has its model three times: as it was trained, converted for CTranslate2, and as ONNX. The conversions were
held to the source before the package was accepted (`melisma models verify`), so the fastest that can be used is taken.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from melisma.core.errors import InputError, ModelError
from melisma.engines.protocol import Engine
from melisma.engines.whisper_transformers import WhisperTransformersEngine
from melisma.models.pretrained import read_json

RUNTIME = "MELISMA_WHISPER_RUNTIME"
CTRANSLATE2, ONNX, TORCH = "ctranslate2", "onnx", "torch"
RUNTIMES = (CTRANSLATE2, ONNX, TORCH)
_CONVERTED = "model.bin"
_TYPE = "whisper"


def is_whisper(folder: Path) -> bool:
    """Tell whether a folder holds a Whisper model, as transformers keeps it or as it is converted for CTranslate2."""
    path = folder / "config.json"
    try:
        return path.is_file() and (read_json(path).get("model_type") == _TYPE or is_converted(folder))
    except ModelError:
        return False


def is_converted(folder: Path) -> bool:
    """Tell whether a folder holds a Whisper model that was converted for CTranslate2; its file says what it is."""
    try:
        with (folder / _CONVERTED).open("rb") as file:
            return b"WhisperSpec" in file.read(64)
    except OSError:
        return False


def runtime_of(folder: Path) -> str:
    """Return what runs a package's model here: the one that is asked for, or the fastest that it has and that is here.

    Raises
    ------
    InputError
        If MELISMA_WHISPER_RUNTIME names none, or one that the package has no files for.
    """
    said = os.environ.get(RUNTIME, "").strip().lower()
    held = [CTRANSLATE2] if is_converted(folder / CTRANSLATE2) else []
    held += [ONNX] if any((folder / ONNX).glob("*.onnx")) else []
    held += [TORCH] if any(folder.glob("*.safetensors")) else []
    if said:
        if said not in RUNTIMES:
            raise InputError(f"{RUNTIME} is {said[:40]!r}: it is one of {', '.join(RUNTIMES)}")
        if said not in held:
            raise InputError(f"{RUNTIME} is {said}, and {folder} has the model for {', '.join(held) or 'none'} only")
        return said
    if not held:
        raise InputError(f"{folder} has no weights as safetensors: others may run code when they are read")
    needs = {CTRANSLATE2: "faster_whisper", ONNX: "onnxruntime", TORCH: "torch"}
    return next((kind for kind in held if find_spec(needs[kind])), held[0])


def open_whisper(folder: Path) -> Engine:
    """Make the engine of a Whisper model in a folder; its network is not loaded.

    Raises
    ------
    InputError
        If it has no weights that are safe to read.
    """
    if is_converted(folder):
        from melisma.engines.whisper import WhisperEngine

        return WhisperEngine(str(folder))
    kind = runtime_of(folder)
    if kind == CTRANSLATE2:
        from melisma.engines.whisper_converted import WhisperConvertedEngine

        return WhisperConvertedEngine(folder)
    if kind == ONNX:
        from melisma.engines.whisper_onnx import WhisperOnnxEngine

        return WhisperOnnxEngine(folder)
    return WhisperTransformersEngine(folder)
