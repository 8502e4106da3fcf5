"""Speech encoders as ONNX files, in onnxruntime: no torch is needed. `melisma units export` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import EngineOutOfMemory, ModelError
from melisma.core.files import sha256_of
from melisma.core.records import Float32
from melisma.core.settings import n_threads
from melisma.models.onnx_file import check_whole
from melisma.models.pretrained import read_json
from melisma.models.speech_parts import Hearing, heard, n_frames

ABOUT, MODEL, WEIGHTS = "encoder.json", "encoder.onnx", "encoder.onnx.data"
INPUT, OUTPUT = "input_values", "features"


class ExportFacts(BaseModel):
    """What `encoder.json` says: of which checkpoint and layer the file is, and what is in it.

    `fingerprint` is that of the source; `sha256` of encoder.onnx, `weights_sha256` of encoder.onnx.data where the
    weights are in a file of their own; `difference` how far it is from torch at most, in deviations of the features.
    """

    model_config = ConfigDict(frozen=True)

    format: int = Field(1, ge=1, le=1)
    name: str = Field(min_length=1, max_length=500)
    layer: int = Field(ge=0, le=200)
    n_dims: int = Field(ge=1, le=1 << 16)
    fingerprint: str = Field(pattern="^[0-9a-f]{64}$")
    licence: str = Field("unknown", max_length=200)
    normalise: bool
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    weights_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    difference: float = Field(ge=0, allow_inf_nan=False)


def is_export(path: Path) -> bool:
    """Say whether a folder, or the folder of an ONNX file, is an export."""
    return (_folder(path) / ABOUT).is_file()


def _folder(path: Path) -> Path:
    return path.parent if path.suffix == ".onnx" else path


def read_facts(path: Path) -> ExportFacts:
    """Read what an export says of itself, by its folder or its file.

    Raises
    ------
    ModelError
        If it is none, or damaged.
    """
    folder = _folder(path)
    try:
        return ExportFacts.model_validate(read_json(folder / ABOUT))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelError(f"{ABOUT} of the model {folder.name} is damaged: {where}: {first['msg']}") from error


class OnnxSpeechEncoder:
    """An export, ready for recordings; they are taken one by one.

    Parameters
    ----------
    path : Path
        Its folder, or `encoder.onnx` in it.
    longest_s : float
        Longer recordings are heard in parts.
    threads : int, optional
        As many as there are without.

    Raises
    ------
    ModelError
        If files are missing, not those that `encoder.json` speaks of, or read values from anywhere else.
    """

    def __init__(self, path: Path, longest_s: float = 30.0, threads: int | None = None) -> None:
        self.facts = read_facts(path)
        folder = _folder(path)
        _check_files(folder, self.facts)
        self._session = _session(folder / MODEL, threads or n_threads())
        self._how = Hearing(self.facts.normalise, longest_s, 0.0, padded=False)
        self._name = folder.name
        self._check()

    def encode(self, waveforms: Sequence[Float32]) -> list[Float32]:
        """Return features, float32 [n_frames(n_samples), n_dims] for each recording.

        Raises
        ------
        EngineOutOfMemory
            If there is too little memory.
        """
        return heard(waveforms, self._frames, self.facts.n_dims, self._how)

    def _frames(self, parts: list[Float32]) -> list[Float32]:
        return [self._run(part) for part in parts]

    def _run(self, part: Float32) -> Float32:
        try:
            got: Float32 = self._session.run([OUTPUT], {INPUT: part[None].astype(np.float32, copy=False)})[0]
        except Exception as error:  # onnxruntime raises its own, undocumented classes
            said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            if "alloc" in said.lower() or "memory" in said.lower():
                raise EngineOutOfMemory(f"there is too little memory for {self._name}: {said}") from error
            raise ModelError(f"the model {self._name} cannot be run: {said}") from error
        if got.shape != (1, n_frames(len(part)), self.facts.n_dims):
            raise ModelError(
                f"the model {self._name} makes {list(got.shape)} of {len(part)} samples, "
                f"not {n_frames(len(part))} frames of {self.facts.n_dims} dimensions"
            )
        return np.asarray(got[0], np.float32)

    def _check(self) -> None:
        given, made = self._session.get_inputs(), self._session.get_outputs()
        if [each.name for each in given] != [INPUT] or [each.name for each in made] != [OUTPUT]:
            names = [[each.name for each in side] for side in (given, made)]
            raise ModelError(f"the model {self._name} takes and makes {names}, not {INPUT} and {OUTPUT}")
        self._run(np.zeros(720, np.float32))


def _check_files(folder: Path, facts: ExportFacts) -> None:
    beside = WEIGHTS if facts.weights_sha256 else None
    check_whole(folder / MODEL, beside)
    for name, wanted in ((MODEL, facts.sha256), (WEIGHTS, facts.weights_sha256)):
        if wanted is None:
            continue
        try:
            found = sha256_of(folder / name)
        except OSError as error:
            raise ModelError(f"{name} of the model {folder.name} cannot be read: {error.strerror}") from error
        if found != wanted:
            raise ModelError(f"{name} of the model {folder.name} is not the one that {ABOUT} speaks of")


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own, undocumented classes
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ModelError(f"the model {path.parent.name}/{path.name} cannot be loaded: {said}") from error
