"""Audio that workers read without decoding: WAV or FLAC at 16 kHz, one channel; other files are made so once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from melisma.core.errors import OutputError
from melisma.core.files import make_folder
from melisma.core.records import Float32
from melisma.data import manifest as manifests
from melisma.data import preprocess, recordings
from melisma.data.manifest import Utterance, audio_path
from melisma.scale.local import LocalExecutor

SAMPLE_RATE = 16000
_PLAIN = frozenset({"WAV", "WAVEX", "RF64", "W64", "FLAC"})
_SETTINGS = preprocess.Settings(format="wav", trim=False)


@dataclass(frozen=True, slots=True)
class Sound:
    """Part of a file that can be read at any sample: the file, its first sample, and how many there are from there."""

    path: Path
    first: int
    n_samples: int


class Sounds:
    """The audio of a manifest.

    Parameters
    ----------
    manifest : Path
        JSONL of utterances.
    folder : Path
        Where the audio goes that has to be made; a manifest of what that is lies beside it.
    """

    def __init__(self, manifest: Path, folder: Path) -> None:
        self.manifest, self.folder = manifest, folder
        self.failed: dict[str, str] = {}  # why not, by id
        self._last: tuple[Path, int | None] = Path(), None

    def prepare(self, jobs: int | None, tell: Callable[[str, float], None]) -> int:
        """Make what workers could not read as it is; return how many utterances that are. What is there is kept.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        make_folder(self.folder.parent)
        wanted = self.folder.with_name(f"{self.folder.name}.jsonl")
        if not manifests.write(wanted, self._wanted()):
            return 0
        found = recordings.read(wanted)
        made, counts = preprocess.run(found, self.folder, _SETTINGS, executor=LocalExecutor(jobs), progress=tell)
        n_made = sum(1 for _ in made)
        self.failed = {problem.item: problem.message for problem in counts.problems if problem.kind != "silent"}
        unwritten = next((why for why in self.failed.values() if "cannot write" in why or "No space left" in why), None)
        if unwritten:
            raise OutputError(unwritten)
        return n_made

    def _wanted(self) -> Iterator[Utterance]:
        for utterance in manifests.read(self.manifest):
            path = audio_path(self.manifest, utterance)
            if self._n_samples(path) is None and path.exists():
                yield utterance.model_copy(update={"audio": str(path.resolve())})

    def look(self, utterance: Utterance) -> Sound | str:
        """Return where the audio of an utterance is read, or why there is none."""
        path = audio_path(self.manifest, utterance)
        n_samples = self._n_samples(path)
        if n_samples is not None:
            first = round(utterance.start * SAMPLE_RATE)
            return Sound(path, first, max(0, n_samples - first))
        if not path.exists():
            return "the audio file is not there"
        made = self.folder / "audio" / recordings.file_name(utterance.id, ".wav")
        n_samples = _plain(made)
        return Sound(made, 0, n_samples) if n_samples is not None else "the audio cannot be read"

    def _n_samples(self, path: Path) -> int | None:
        """Return the length of a file that can be read as it is, else None; clips of one file follow each other."""
        if self._last[0] != path:
            self._last = path, _plain(path)
        return self._last[1]


def _plain(path: Path) -> int | None:
    try:
        info = soundfile.info(str(path))
    except (soundfile.LibsndfileError, OSError):
        return None
    plain = info.format in _PLAIN and info.samplerate == SAMPLE_RATE and info.channels == 1
    return int(info.frames) if plain and info.frames else None


def read_samples(path: Path, first: int, n_samples: int) -> Float32:
    """Read part of a prepared file, float32 [n_samples]; zeros where it has become shorter than it was."""
    with soundfile.SoundFile(str(path)) as file:
        file.seek(min(first, file.frames))
        samples = file.read(n_samples, dtype="float32", always_2d=False)
    return np.asarray(samples if len(samples) == n_samples else np.pad(samples, (0, n_samples - len(samples))))
