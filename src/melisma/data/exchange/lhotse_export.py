"""Lhotse's manifests, written: recordings.jsonl.gz, supervisions.jsonl.gz and cuts.jsonl.gz."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from melisma.audio.probe import probe
from melisma.core.errors import InputError
from melisma.data.exchange.drafts import Measure
from melisma.data.exchange.tables import whole_folder
from melisma.data.index import Index
from melisma.data.index_file import key, seen_from
from melisma.data.manifest import Utterance, audio_path
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Progress, Task

_OWN = ("id", "audio", "start", "duration", "transcript", "language", "speaker_id", "words", "gender")


@dataclass(frozen=True, slots=True)
class Head:
    """The stage: a recording to its sample rate, its number of samples, and its channels."""

    name: str = "measure"

    def configuration(self) -> str:
        """Return what decides it: nothing but the file."""
        return "head 1"

    def __call__(self, item: str) -> list[int]:
        """Measure one recording."""
        info = probe(item)
        return [info.sample_rate, round((Measure()(item) or 0.0) * info.sample_rate), info.channels]


def write(index: Index, out: Path, *, executor: Executor | None = None, progress: Progress | None = None) -> int:
    """Write the three manifests; return how many utterances they hold. Licence, source and extra fields go in `custom`.

    Raises
    ------
    InputError
        If an id comes twice, or a recording cannot be read: lhotse wants to know its sample rate and length.
    OutputError
        If it cannot be written.
    """
    index.refuse_duplicates()
    _, firsts, which = np.unique(np.asarray(index.column("audio")), return_index=True, return_inverse=True)
    heads = np.zeros((len(firsts), 3), np.int64)
    root = os.path.realpath(index.path.parent)
    with whole_folder(out) as folder, ExitStack() as opened:
        recordings, supervisions, cuts = (
            opened.enter_context(_packed(folder / f"{name}.jsonl.gz"))
            for name in ("recordings", "supervisions", "cuts")
        )
        for k, outcome in enumerate(
            (executor or LocalExecutor()).run(Head(), _Tasks(index, firsts), progress=progress)
        ):
            if outcome.error is not None:
                raise InputError(f"cannot tell lhotse about a recording: {outcome.error}")
            heads[k] = outcome.value
            _put(recordings, _recording(root, index[int(firsts[k])], heads[k]))
        for i, each in enumerate(index):
            k = int(which[i])
            said = _supervision(each, _name(root, each))
            _put(supervisions, said | {"start": each.start})
            recording = _recording(root, each, heads[k])
            cut = {"id": each.id, "start": each.start, "duration": each.duration, "channel": 0}
            _put(cuts, {**cut, "supervisions": [{**said, "start": 0.0}], "recording": recording, "type": "MonoCut"})
    return len(index)


@dataclass(frozen=True, slots=True)
class _Tasks:
    index: Index
    firsts: Any  # int64 [n_recordings]

    def __len__(self) -> int:
        return len(self.firsts)

    def __iter__(self) -> Iterator[Task]:
        for i in self.firsts.tolist():
            path = os.path.realpath(audio_path(self.index.path, self.index[i]))
            yield Task(path, path)


def _packed(path: Path) -> gzip.GzipFile:
    return gzip.GzipFile(path, "wb", compresslevel=6, mtime=0)  # no time of day: the same manifest gives the same bytes


def _put(file: IO[bytes] | gzip.GzipFile, said: dict[str, Any]) -> None:
    file.write(json.dumps(said, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n")


def _recording(root: str, each: Utterance, head: Any) -> dict[str, Any]:
    rate, n_samples, n_channels = (int(value) for value in head)
    path = os.path.normpath(os.path.join(root, each.audio))
    channels = list(range(n_channels))
    return {
        "id": _name(root, each),
        "sources": [{"type": "file", "channels": channels, "source": path}],
        "sampling_rate": rate,
        "num_samples": n_samples,
        "duration": n_samples / rate,
        "channel_ids": channels,
    }


def _name(root: str, each: Utterance) -> str:
    return f"recording-{key(seen_from(root, each.audio)):016x}"


def _supervision(each: Utterance, recording: str) -> dict[str, Any]:
    """Return a supervision without its start, which counts from the recording's or the cut's beginning."""
    said: dict[str, Any] = {"id": each.id, "recording_id": recording, "duration": each.duration, "channel": 0}
    said["text"] = each.transcript
    if each.language != "und":
        said["language"] = each.language
    if each.speaker_id:
        said["speaker"] = each.speaker_id
    gender = (each.model_extra or {}).get("gender")
    if isinstance(gender, str):
        said["gender"] = gender
    custom = {k: v for k, v in each.model_dump(exclude_defaults=True).items() if k not in _OWN}
    if custom:
        said["custom"] = custom
    if each.words:
        items = [[w.text, round(each.start + w.start, 8), round(w.end - w.start, 8), None] for w in each.words]
        said["alignment"] = {"word": items}
    return said
