"""Opens vocoders: exported ones by onnxruntime, checkpoints by torch; both speak in blocks that join without seams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import InputError, MissingDependency, ModelError
from melisma.core.files import sha256_of
from melisma.core.records import Float32, Int64, Waveform
from melisma.units.clock import SAMPLE_RATE, STRIDE
from melisma.units.codebook import MAX_UNITS
from melisma.units.encoder_said import EncoderSaid, Text
from melisma.units.voice import Spoken, VocoderFacts

FOLDER = "vocoder"  # of a corpus of units
ONNX, FACTS = "vocoder.onnx", "vocoder.json"
FINAL, BEST, LATEST = "vocoder_final.pt", "vocoder_best.pt", "vocoder_latest.pt"
SCHEMA = "melisma.vocoder/1"
NOT_KNOWN_HZ = -1.0  # a pitch that a network is not told
_BLOCK = 500  # frames that are spoken at once: 10 s
_MAX_FACTS = 1 << 24  # bytes of vocoder.json
_HIGHEST_HZ = 8000.0

Net = Callable[[Int64, int, Float32], Float32]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)

    kind: Text
    k: Annotated[int, Field(gt=0, le=MAX_UNITS)]
    speakers: Annotated[list[Text], Field(max_length=1_000_000)]
    with_f0: bool
    encoder: EncoderSaid
    codebook: Text


class _Card(BaseModel):
    """What `vocoder.json` says."""

    model_config = ConfigDict(frozen=True)

    schema_: Annotated[Literal["melisma.vocoder/1"], Field(alias="schema")]
    facts: _Facts
    context: Annotated[int, Field(ge=0, le=100_000)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    source: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""


@dataclass(frozen=True, slots=True, eq=False)
class NetVocoder:
    """A vocoder whose network hears no further than `context` frames to either side.

    Parameters
    ----------
    facts : VocoderFacts
        Who it is.
    net : callable
        Units, the speaker's number and pitch of some frames to their samples.
    context : int
        Frames on either side that can change how one sounds.
    """

    facts: VocoderFacts
    net: Net
    context: int

    def synthesize(self, spoken: Spoken) -> Waveform:
        """Return all samples; see `melisma.units.voice.Vocoder`."""
        blocks = list(self.blocks(spoken))
        return Waveform(np.concatenate(blocks) if blocks else np.zeros(0, np.float32), SAMPLE_RATE)

    def blocks(self, spoken: Spoken) -> Iterator[Float32]:
        """Yield the samples of 10 s at a time, float32 in [-1, 1]; what is said is checked before the first.

        Raises
        ------
        InputError
            As of `synthesize`.
        ModelError
            If the network gives what is no sound.
        """
        units, speaker, f0 = self.checked(spoken)
        return (np.clip(part, -1.0, 1.0) for part in self.spoken(units, speaker, f0))

    def spoken(self, units: Int64, speaker: int, f0: Float32, block: int = _BLOCK) -> Iterator[Float32]:
        """Yield what the network makes of checked frames, `block` of them at a time, each with its surroundings."""
        for first in range(0, len(units), block):
            last = min(first + block, len(units))
            low, high = max(0, first - self.context), min(len(units), last + self.context)
            samples = self.net(units[low:high], speaker, f0[low:high])
            part = samples[(first - low) * STRIDE : (last - low) * STRIDE]
            if len(samples) != (high - low) * STRIDE or not np.isfinite(part).all():
                raise ModelError(f"the vocoder gives what is no sound between frames {first} and {last}")
            yield part

    def checked(self, spoken: Spoken) -> tuple[Int64, int, Float32]:
        """Return units, the speaker's number and pitch as the network takes them.

        Raises
        ------
        InputError
            If it knows one of them not.
        """
        try:
            units = np.asarray(spoken.frames, np.int64).reshape(-1)
        except (ValueError, OverflowError, TypeError) as error:
            raise InputError("units are whole numbers") from error
        if len(units) and not 0 <= units.min() <= units.max() < self.facts.k:
            wrong = int(units.min() if units.min() < 0 else units.max())
            raise InputError(f"there is no unit {wrong}: the vocoder knows 0 to {self.facts.k - 1}")
        return units, self._speaker(spoken.speaker), self._f0(spoken.f0_hz, len(units))

    def _speaker(self, name: str | None) -> int:
        if name is None:
            return 0
        if name not in self.facts.speakers:
            known = ", ".join(self.facts.speakers[:10]) + (" …" if len(self.facts.speakers) > 10 else "")
            said = f"it knows {known}" if known else "it was trained without speakers"
            raise InputError(f"the vocoder does not know the speaker {name[:80]!r}: {said}")
        return self.facts.speakers.index(name) + 1

    def _f0(self, f0_hz: Float32 | None, n_frames: int) -> Float32:
        if f0_hz is None:
            return np.full(n_frames, NOT_KNOWN_HZ, np.float32)
        if not self.facts.with_f0:
            raise InputError("the vocoder was trained without pitch: it cannot be told one")
        f0 = np.asarray(f0_hz, np.float32)
        if f0.shape != (n_frames,):
            raise InputError(f"a pitch of shape {list(f0.shape)} does not go with {n_frames} frames")
        if not np.isfinite(f0).all() or (n_frames and not 0 <= f0.min() <= f0.max() <= _HIGHEST_HZ):
            raise InputError(f"pitch is from 0 to {_HIGHEST_HZ:g} Hz, 0 where there is no voice")
        return f0


def open_vocoder(path: Path, device: str = "cpu", threads: int | None = None) -> NetVocoder:
    """Open a vocoder.

    Parameters
    ----------
    path : Path
        The folder of a corpus of units, of its vocoder, or an ONNX file or checkpoint in it. In a folder, the export
        is taken if there is one, then the final checkpoint, the best yet and the latest.
    device : str
        Where a checkpoint works; an export works on the CPU.
    threads : int, optional
        As many as this process may use without.

    Raises
    ------
    InputError
        If there is none.
    ModelError
        If it is damaged.
    MissingDependency
        If it is a checkpoint, and torch is not installed.
    """
    found = find(path)
    return open_onnx(found, threads) if found.suffix == ".onnx" else open_checkpoint(found, device, threads)


@cache
def opened(path: Path, sha256: str, device: str = "cpu") -> NetVocoder:
    """Return a vocoder that is opened once in a process, on one thread: the order of sums may not decide a sample.

    Raises
    ------
    InputError
        If its file is another one than it was.
    """
    if sha256_of(path) != sha256:
        raise InputError(f"{path} is not the vocoder that the run began with")
    return open_vocoder(path, device, threads=1)


def find(path: Path) -> Path:
    """Return the file of a vocoder; see `open_vocoder`.

    Raises
    ------
    InputError
        If there is none.
    """
    if path.is_file():
        return path
    folder = folder_of(path)
    for name in (ONNX, FINAL, BEST, LATEST):
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"there is no vocoder in {path}: train one with melisma units vocoder train")


def find_checkpoint(path: Path) -> Path:
    """Return the final checkpoint of a training, or the best yet, or the latest, or the file itself.

    Raises
    ------
    InputError
        If there is none.
    """
    if path.is_file():
        return path
    folder = folder_of(path)
    for name in (FINAL, BEST, LATEST):
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"there is no checkpoint of a vocoder in {path}: train one with melisma units vocoder train")


def is_stale(path: Path) -> bool:
    """Say whether an export is of another checkpoint than the final one beside it.

    Raises
    ------
    ModelError
        If the facts of the export are damaged.
    """
    final = path.with_name(FINAL)
    if path.name != ONNX or not final.is_file():
        return False
    return read_card(path.with_suffix(".json")).source != sha256_of(final)


def folder_of(path: Path) -> Path:
    """Return the folder of the vocoder of a corpus; a folder that has none is taken for that of a vocoder itself."""
    return path / FOLDER if (path / FOLDER).is_dir() else path


def open_onnx(path: Path, threads: int | None = None) -> NetVocoder:
    """Open an export: an ONNX file with `vocoder.json` beside it, which holds its SHA-256.

    Raises
    ------
    ModelError
        If a file is missing, damaged, or belongs to another one.
    """
    from melisma.models.vocoder_onnx import OnnxNet

    card = read_card(path.with_suffix(".json"))
    try:
        sha256 = sha256_of(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    if sha256 != card.sha256:
        raise ModelError(f"{path} is not the file that {path.with_suffix('.json').name} is about")
    facts = facts_of(card.facts)
    net = OnnxNet(path, speakers=bool(facts.speakers), with_f0=facts.with_f0, threads=threads)
    return NetVocoder(facts, net, card.context)


def open_checkpoint(path: Path, device: str = "cpu", threads: int | None = None) -> NetVocoder:
    """Open a checkpoint of a training by torch.

    Raises
    ------
    InputError
        If it is missing, damaged or something else.
    MissingDependency
        If torch is not installed.
    """
    try:
        from melisma.models.vocoder import file
        from melisma.models.vocoder_torch import TorchNet
    except ImportError as error:
        raise MissingDependency(
            f"{path.name} is a checkpoint, and torch is not installed: pip install 'melisma[train]', "
            "or take an export (melisma units vocoder export)"
        ) from error
    saved = file.read(path)
    return NetVocoder(facts_from(saved.facts, path), TorchNet(saved.net, device, threads), int(saved.net.context))


def read_card(path: Path) -> _Card:
    """Read `vocoder.json`, which a stranger may have written.

    Raises
    ------
    ModelError
        If it is missing or damaged.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FACTS + 1)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > _MAX_FACTS:
        raise ModelError(f"{path} is longer than the facts of a vocoder are")
    try:
        return _Card.model_validate_json(data)
    except ValidationError as error:
        raise ModelError(f"{path} holds no facts of a vocoder: {_first(error)}") from error


def facts_from(said: dict[str, Any], path: Path) -> VocoderFacts:
    """Return the facts that a checkpoint holds, as `VocoderFacts.as_dict` gave them.

    Raises
    ------
    ModelError
        If they are none.
    """
    try:
        return facts_of(_Facts.model_validate(said))
    except ValidationError as error:
        raise ModelError(f"{path} holds no facts of a vocoder: {_first(error)}") from error


def facts_of(said: _Facts) -> VocoderFacts:
    """Return facts that were read."""
    encoder = said.encoder.facts()
    return VocoderFacts(said.kind, said.k, tuple(said.speakers), said.with_f0, encoder, said.codebook)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where + ': ' if where else ''}{first['msg']}"
