"""Which recordings of a manifest are copies of each other, by what they sound like."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from melisma.audio.stream import open_stream
from melisma.core.errors import InputError
from melisma.core.records import Float32
from melisma.data import fingerprint, manifest, near_duplicates
from melisma.data.index import Index
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Progress, Task

HEARD_S = 120.0  # of a recording: copies of a long one are known by its beginning, in 24 kB


@dataclass(frozen=True, slots=True)
class Listen:
    """The stage: a file to its fingerprint, uint32 in base64."""

    name: str = "listen"

    def configuration(self) -> str:
        """Return what decides a fingerprint."""
        return f"{fingerprint.VERSION} {HEARD_S}"

    def __call__(self, item: str) -> str:
        """Fingerprint one recording, the mean of its channels."""
        words = fingerprint.of(*_beginning(Path(item)))
        return base64.b64encode(words.astype("<u4").tobytes()).decode("ascii")


def _beginning(path: Path) -> tuple[Float32, int]:
    blocks: list[Float32] = []
    n = 0
    with open_stream(path) as stream:
        rate = stream.info.sample_rate
        for block in stream.blocks:
            blocks.append(block.mean(axis=1, dtype=np.float32))
            n += len(block)
            if n >= HEARD_S * rate:
                break
    joined = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    return joined[: int(HEARD_S * rate)], rate


@dataclass(frozen=True, slots=True)
class _Recordings:
    """The tasks: each recording of a manifest once, made as they are taken."""

    index: Index
    firsts: NDArray[np.int64]  # an utterance of each

    def __len__(self) -> int:
        return len(self.firsts)

    def __iter__(self) -> Iterator[Task]:
        for i in self.firsts.tolist():
            utterance = self.index[i]
            path = manifest.audio_path(self.index.path, utterance)
            try:
                status = path.stat()
            except OSError as error:
                raise InputError(
                    f"cannot listen to {utterance.id!r}, {path}: {error.strerror or error}; "
                    f"--no-near-duplicates splits without listening"
                ) from error
            yield Task(str(path), str(path), f"{status.st_size} {status.st_mtime_ns}")


def pairs(
    index: Index, *, executor: Executor | None = None, journal: Path | None = None, progress: Progress | None = None
) -> list[tuple[int, int]]:
    """Listen to every recording of a manifest, and return pairs of utterances whose recordings are copies.

    Raises
    ------
    InputError
        If a recording is missing or cannot be decoded: nobody can say then what it is a copy of.
    """
    _, firsts = np.unique(np.asarray(index.column("audio")), return_index=True)
    firsts = np.sort(firsts).astype(np.int64)
    prints = near_duplicates.Index()
    for outcome in (executor or LocalExecutor()).run(
        Listen(), _Recordings(index, firsts), journal=journal, progress=progress
    ):
        if outcome.error is not None:
            raise InputError(f"cannot listen: {outcome.error}; --no-near-duplicates splits without listening")
        prints.add(np.frombuffer(base64.b64decode(outcome.value), "<u4"))
    return [(int(firsts[pair.first]), int(firsts[pair.second])) for pair in prints.pairs()]
