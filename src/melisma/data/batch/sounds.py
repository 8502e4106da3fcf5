"""The recording of each line of a manifest as a file of its own, as a person would give it to a command."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import soundfile

from melisma.audio.probe import probe
from melisma.core.errors import InputError
from melisma.data import cuts
from melisma.data.manifest import Utterance

_REST_S = 0.5  # a line that leaves no more than this of its file is the whole file: durations are rounded


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound of one line: a file that holds it and nothing else, and where it comes from."""

    file: Path
    source: Path
    utterance: Utterance

    def told(self, sentence: str) -> str:
        """Return a sentence with the recording called as the manifest calls it, not by where it lies here."""
        whole = self.file == self.source
        called = self.utterance.audio if whole else f"{self.utterance.audio} at {self.utterance.start:.2f} s"
        return sentence.replace(str(self.file), called).replace(str(self.source), self.utterance.audio)


@contextmanager
def opened(path: Path, lines: Sequence[Utterance]) -> Iterator[Iterator[tuple[int, Sound]]]:
    """Offer each line of a recording with its number; of a part of it, its samples at 16 kHz, in one channel.

    The recording is decoded once for all parts. What is made for a line is gone when the next one is asked for.

    Raises
    ------
    AudioError
        If the recording cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="melisma-") as folder:
        yield _each(path, lines, Path(folder))


def _each(path: Path, lines: Sequence[Utterance], folder: Path) -> Iterator[tuple[int, Sound]]:
    length_s = probe(path).duration_s
    parts = []
    for i, line in enumerate(lines):
        if length_s is not None and line.start == 0 and line.duration >= length_s - _REST_S:
            yield i, Sound(path, path, line)
        else:
            parts.append(i)
    spans = [cuts.span_of(lines[i].start, lines[i].duration) for i in parts]
    for k, part in cuts.parts(path, spans, folder) if parts else ():
        file = folder / f"{parts[k]}.wav"
        # 24 bit, as fine as what is decoded; libsndfile writes the time of day into files of floats.
        with soundfile.SoundFile(file, "w", cuts.SAMPLE_RATE, 1, "PCM_24") as written:
            for block in part.blocks():
                written.write(block)
        yield parts[k], Sound(file, path, lines[parts[k]])
        file.unlink()


def check(sound: Sound) -> None:
    """Refuse a line that lies behind the end of its recording."""
    if sound.file != sound.source and soundfile.info(sound.file).frames == 0:
        raise InputError(f"{sound.utterance.audio} has no sound at {sound.utterance.start:.2f} s")
