"""Songs as files: the recording, its lyrics and its true word times, in the layout that `melisma eval align` reads."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from melisma.core.errors import OutputError
from melisma.core.files import write_atomically
from melisma.synth.score import Score, TrueWord
from melisma.synth.songs import blocks
from melisma.synth.speech import SAMPLE_RATE

_FULL_SCALE = 32767


def save(score: Score, directory: Path, *, title: str = "") -> Path:
    """Make a song sound and write it to a folder, in memory that does not grow with the song.

    The folder, made where it is missing, then holds audio.wav (16 bit stereo), lyrics.txt, gold.csv (line, word,
    start_s, end_s) and meta.json; each file is written whole or not at all, the gold times last.

    Returns
    -------
    Path
        The recording.

    Raises
    ------
    OutputError
        If the folder cannot be made or a file cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {directory}: {error.strerror or error}") from error
    audio = directory / "audio.wav"
    _write_wav(score, audio)
    write_atomically(directory / "lyrics.txt", score.lyrics.encode("utf-8"))
    meta = {
        "artist": "melisma.synth",
        "title": title,
        "language": score.config.language,
        "license": "Apache-2.0",
        "timing": "word, exact by construction",
        "source": "synthesised with espeak-ng's voice",
    }
    write_atomically(directory / "meta.json", (json.dumps(meta, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))
    write_atomically(directory / "gold.csv", gold_csv(score.words).encode("utf-8"))
    return audio


def gold_csv(words: tuple[TrueWord, ...]) -> str:
    """Write the true times as a table, in seconds to the microsecond."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(("line", "word", "start_s", "end_s"))
    table.writerows((w.line, w.text, f"{w.start_s:.6f}", f"{w.end_s:.6f}") for w in words)
    return out.getvalue()


def _write_wav(score: Score, path: Path) -> None:
    """Write the recording block by block beside its place, then move it there."""
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            with soundfile.SoundFile(file, "w", SAMPLE_RATE, 2, "PCM_16", format="WAV") as wav:
                for block in blocks(score):
                    wav.write(np.rint(block.mix * _FULL_SCALE).astype(np.int16))
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except (OSError, soundfile.SoundFileError) as error:
        raise OutputError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)
