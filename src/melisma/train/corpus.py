"""Recordings and transcripts to arrays in memory: mel powers as float16 logs, phones as label ids; cached on disk."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, ValidationError, field_validator

from melisma.audio import decode
from melisma.core.errors import InputError, MelismaError, OutputError, UnknownName
from melisma.core.records import Float32, Int64
from melisma.models import features
from melisma.text.g2p import EspeakG2P
from melisma.text.phones import INVENTORY

log = logging.getLogger(__name__)
Float16 = npt.NDArray[np.float16]
Int16 = npt.NDArray[np.int16]
Row = TypeVar("Row", bound=BaseModel)
_FEW = 64  # recordings that are decoded sooner than processes start


class UtteranceRow(BaseModel):
    """One line of the speech manifest."""

    id: str
    audio: str
    transcript: str
    duration: Annotated[float, Field(gt=0)]
    language: str
    speaker_id: str
    phones: list[tuple[str, float, float]] | None = None  # label, begin and end in seconds; silence between them
    sung: bool = False
    license: str = ""
    source: str = ""

    @field_validator("phones")
    @classmethod
    def _in_order(cls, phones: list[tuple[str, float, float]] | None) -> list[tuple[str, float, float]] | None:
        at = 0.0
        for label, start, end in phones or []:
            if not (at - 1e-3 <= start <= end + 1e-3 and end < float("inf")):
                raise ValueError(f"{label!r} from {start} to {end} s does not follow on {at} s")
            at = max(at, start)
        return phones


class NoiseRow(BaseModel):
    """One line of the manifest of music and ambience."""

    id: str
    audio: str
    duration: Annotated[float, Field(gt=0)]
    kind: str


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording as log-mel powers, float16 [n_frames, N_MELS], and what is said in it."""

    id: str
    language: str
    speaker: str
    log_power: Float16
    labels: Int64  # ids of the phones, the blank being 0 and the inventory 1 …
    owners: Int16 | None = None  # [n_frames], which of `labels` each frame sounds, −1 for none; None if unknown
    sung: bool = False  # held vowels already


@dataclass(frozen=True, slots=True)
class Noise:
    """A piece of music or ambience as log-mel powers, float16 [n_frames, N_MELS]."""

    id: str
    kind: str
    log_power: Float16


def read_manifest(path: Path, row: type[Row]) -> list[Row]:
    """Read a JSONL manifest; a bad line is an error that names it."""
    rows: list[Row] = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    rows.append(row.model_validate_json(line))
                except ValidationError as error:
                    first = error.errors()[0]
                    where = "".join(f"{part}: " for part in first["loc"])
                    raise InputError(f"{path}, line {number}: {where}{first['msg']}") from error
    except OSError as error:
        raise InputError(f"cannot read the manifest {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"the manifest {path} is not in UTF-8: {error.reason}") from error
    return rows


def _log_power(path: Path) -> Float16 | str:
    try:
        samples = decode.load(path, downmix="mean").samples
    except MelismaError as error:
        return str(error)
    power = features.mel_power(np.asarray(samples, np.float32))
    log_power: Float16 = np.log(power + features.FLOOR).astype(np.float16)
    return log_power


def _decode_all(paths: list[Path], workers: int) -> Iterable[Float16 | str]:
    if workers == 1 or len(paths) <= _FEW:
        yield from map(_log_power, paths)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(_log_power, paths, chunksize=64)


def _state(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except OSError:
        return -1, -1  # decoding says what is wrong with it
    return state.st_size, state.st_mtime_ns


def _cached(paths: list[Path], cache: Path, workers: int) -> list[Float16 | str]:
    """Decode every file once; the shard is named after what it holds, so a changed corpus gives a new one."""
    facts = json.dumps([features.recipe(), [[str(p), *_state(p)] for p in paths]])
    key = hashlib.sha256(facts.encode()).hexdigest()[:16]
    shard = cache / f"mel-{features.N_MELS}-{key}.npz"
    if not shard.exists():
        found = list(_decode_all(paths, workers))
        lengths = np.array([-1 if isinstance(f, str) else len(f) for f in found])
        none = np.zeros((0, features.N_MELS), np.float16)
        frames = np.concatenate([none, *(f for f in found if not isinstance(f, str))])
        reasons = np.array([f if isinstance(f, str) else "" for f in found])
        partial = shard.with_suffix(".part.npz")
        try:
            cache.mkdir(parents=True, exist_ok=True)
            np.savez(partial, lengths=lengths, frames=frames, reasons=reasons)
            partial.rename(shard)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise OutputError(f"cannot write the cache {shard}: {error.strerror or error}") from error
    try:
        with shard.open("rb") as file, np.load(file, allow_pickle=False) as data:
            lengths, frames, reasons = data["lengths"], data["frames"], data["reasons"]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"the cache {shard} is damaged: remove it and it will be made anew") from error
    out: list[Float16 | str] = []
    at = 0
    for length, reason in zip(lengths, reasons, strict=True):
        if length < 0:
            out.append(str(reason))
            continue
        out.append(frames[at : at + length])
        at += length
    return out


def load_speech(root: Path, cache: Path, skip: frozenset[str], workers: int, manifest: str | None = None) -> list[Clip]:
    """Load a speech corpus, `root/manifest.jsonl` with audio beside it, without the languages in `skip`.

    A clip that cannot be decoded or has no phones is left out with a logged reason, never silently.
    """
    rows = [r for r in read_manifest(root / (manifest or "manifest.jsonl"), UtteranceRow) if r.language not in skip]
    g2p = EspeakG2P()
    index = {phone: i for i, phone in enumerate(INVENTORY, 1)}
    clips: list[Clip] = []
    for row, found in zip(rows, _cached([root / r.audio for r in rows], cache, workers), strict=True):
        if isinstance(found, str):
            log.warning("left out %s: %s", row.id, found)
            continue
        try:
            phones = [p[0] for p in row.phones] if row.phones else _spell(row, g2p)
            labels = np.array([index[p] for p in phones], np.int64)
        except UnknownName as error:
            raise InputError(f"{row.id}: {error}") from error
        except KeyError as error:
            raise InputError(f"{row.id}: {error} is no phone of the inventory") from error
        needed = len(labels) + int((labels[1:] == labels[:-1]).sum())
        if not phones or features.STRIDE * needed > len(found):
            log.warning("left out %s: %d phones in %d frames", row.id, len(phones), len(found))
            continue
        owners = _owners(row.phones, len(found)) if row.phones else None
        clips.append(Clip(row.id, row.language, row.speaker_id, found, labels, owners, row.sung))
    return clips


def _spell(row: UtteranceRow, g2p: EspeakG2P) -> list[str]:
    return [p for word in row.transcript.split() for p in g2p.phones(word, row.language)]


def _owners(phones: list[tuple[str, float, float]], n_frames: int) -> Int16:
    """Return which phone sounds in every feature frame, int16 [n_frames], −1 for none; each has a frame if it can."""
    out = np.full(n_frames, -1, np.int16)
    for k, (_, start, end) in reversed(list(enumerate(phones))):
        first, stop = (max(0, round(at * features.SAMPLE_RATE / features.HOP)) for at in (start, end))
        out[first : max(stop, first + 1)] = k
    return out


def load_noise(root: Path, cache: Path, workers: int) -> list[Noise]:
    """Load music and ambience, `root/manifest.jsonl` with audio beside it."""
    rows = read_manifest(root / "manifest.jsonl", NoiseRow)
    noises: list[Noise] = []
    for row, found in zip(rows, _cached([root / r.audio for r in rows], cache, workers), strict=True):
        if isinstance(found, str):
            log.warning("left out %s: %s", row.id, found)
        else:
            noises.append(Noise(row.id, row.kind, found))
    return noises


def split_speakers(clips: list[Clip], share: float, seed: int) -> tuple[list[Clip], list[Clip]]:
    """Split into training and held-out clips with no speaker in both.

    Speakers are drawn per language until `share` of its clips are held out; a language with one speaker, or whose
    smallest speaker is too large, gives none.
    """
    rng = np.random.default_rng(seed)
    by_language: dict[str, dict[str, int]] = {}
    for clip in clips:
        speakers = by_language.setdefault(clip.language, {})
        speakers[clip.speaker] = speakers.get(clip.speaker, 0) + 1
    held: set[str] = set()
    for _, speakers in sorted(by_language.items()):
        room = share * sum(speakers.values())
        for speaker in rng.permutation(sorted(speakers)):
            if speakers[speaker] <= room:
                held.add(str(speaker))
                room -= speakers[speaker]
    return [c for c in clips if c.speaker not in held], [c for c in clips if c.speaker in held]


def normalised(power: Float32) -> Float32:
    """Mel powers to what the network reads."""
    return features.normalise(np.log(power + features.FLOOR))
