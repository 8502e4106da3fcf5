"""Align every song of a folder and score the word onsets against its gold timings.

A song is a folder `<id>/` that holds `audio.*`, `lyrics.txt`, `gold.csv` (columns `word` and `start_s` at least, one
row per whitespace-separated word of the lyrics) and `meta.json` (with `language`).
"""

from __future__ import annotations

import csv
import json
import math
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from melisma.core.errors import InputError, MelismaError
from melisma.core.files import format_named, write_atomically
from melisma.core.records import Alignment
from melisma.core.settings import n_threads
from melisma.metrics import alignment as metrics
from melisma.pipeline import tiers
from melisma.pipeline.settings import AUTO, RouterSettings

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Song:
    """A song with the true onset of every word: `onsets_s` in seconds, one per entry of `words`."""

    song_id: str
    audio: Path
    lyrics: Path
    language: str
    words: tuple[str, ...]
    onsets_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SongResult:
    """Scores of one song; `note` says why it is lost, and is empty where every word could be compared."""

    song_id: str
    language: str
    errors: npt.NDArray[np.float64]  # signed, seconds, [n_words], NaN for a word without a time
    scores: metrics.Scores
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Results in the order of song ids, averaged over songs and pooled over words."""

    songs: tuple[SongResult, ...]
    mean: metrics.Scores
    pooled: metrics.Scores

    @property
    def lost(self) -> tuple[str, ...]:
        """Songs with no timing, or with over half of their words off by more than a second."""
        return tuple(s.song_id for s in self.songs if metrics.is_lost(s.scores))

    @property
    def failed(self) -> tuple[str, ...]:
        """Songs that could not be aligned or whose words are not those of the gold file."""
        return tuple(s.song_id for s in self.songs if s.note)

    def table(self) -> str:
        """Return one row per song, then the mean of songs, the pooled words and the lost songs."""
        keys = metrics.COLUMNS
        rows = [f"{'song':44s} lang words " + " ".join(f"{k:>9s}" for k in keys)]
        rows += [f"{_row(s.song_id, s.language, s.scores.n_words, s.scores)}  {s.note}" for s in self.songs]
        rows += [
            _row(name, "", scores.n_words, scores)
            for name, scores in (("mean of songs", self.mean), ("pooled words", self.pooled))
        ]
        rows.append(
            "lost songs (no timing, or over half of the words off by more than 1 s): "
            f"{len(self.lost)} of {len(self.songs)} {' '.join(self.lost)}"
        )
        return "\n".join(row.rstrip() for row in rows)

    def as_dict(self) -> dict[str, Any]:
        """Return what `table` shows, ready for JSON: a score over nothing is None."""
        return {
            "songs": {s.song_id: _plain(s.scores) | {"language": s.language, "note": s.note} for s in self.songs},
            "mean": _plain(self.mean),
            "pooled": _plain(self.pooled),
            "lost": list(self.lost),
        }


def _row(name: str, language: str, n_words: int, scores: metrics.Scores) -> str:
    numbers = " ".join(f"{getattr(scores, k):9.3f}" for k in metrics.COLUMNS)
    return f"{name[:44]:44s} {language:4s} {n_words:5d} {numbers}"


def _plain(scores: metrics.Scores) -> dict[str, float | None]:
    return {k: None if v != v else v for k, v in asdict(scores).items()}


def find_songs(directory: Path) -> tuple[Song, ...]:
    """Read the songs of a folder, in the order of their ids.

    Raises
    ------
    InputError
        If there is no song, or one of them lacks a file or holds a broken one.
    """
    songs = tuple(_read_song(gold.parent) for gold in sorted(directory.glob("*/gold.csv")))
    if not songs:
        raise InputError(f"no song with a gold.csv under {directory}")
    return songs


def _read_song(folder: Path) -> Song:
    audio = sorted(folder.glob("audio.*"))
    if len(audio) != 1:
        raise InputError(f"{folder} holds {len(audio)} files audio.*, expected one")
    lyrics = folder / "lyrics.txt"
    if not lyrics.is_file():
        raise InputError(f"{folder} holds no lyrics.txt")
    words, onsets = _read_gold(folder / "gold.csv")
    return Song(folder.name, audio[0], lyrics, _read_language(folder / "meta.json"), words, onsets)


def _read_gold(path: Path) -> tuple[tuple[str, ...], tuple[float, ...]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(row["word"], float(row["start_s"])) for row in csv.DictReader(file)]
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(f"{path} is not a table with the columns word and start_s ({error})") from error
    if not rows:
        raise InputError(f"{path} holds no word")
    for number, (word, start_s) in enumerate(rows, 1):
        if not 0 <= start_s < math.inf:  # false for NaN as well
            raise InputError(f"{path}, row {number} ({word}): start_s is no time in the recording: {start_s}")
    return tuple(w for w, _ in rows), tuple(s for _, s in rows)


def _read_language(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["language"])
    except FileNotFoundError as error:
        raise InputError(f"{path.parent} holds no meta.json") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} does not say the language ({error})") from error


def score(song: Song, alignment: Alignment) -> SongResult:
    """Compare an alignment with the gold onsets; other words than the gold file's lose the song."""
    if tuple(w.text for w in alignment.words) != song.words:
        return lost(song, f"{len(alignment.words)} words for {len(song.words)}, or other spellings")
    # Whole milliseconds, as every file format keeps them: the saved alignment scores the same.
    starts = [float("nan") if w.start_ms is None else w.start_ms / 1000 for w in alignment.words]
    errors = metrics.onset_errors(starts, song.onsets_s)
    return SongResult(song.song_id, song.language, errors, metrics.evaluate(errors))


def lost(song: Song, reason: str) -> SongResult:
    """Make the result of a song of which no word is timed."""
    errors = np.full(len(song.words), np.nan)
    return SongResult(song.song_id, song.language, errors, metrics.evaluate(errors), f"lost: {reason}")


def report(results: Sequence[SongResult]) -> Report:
    """Average and pool the songs' results."""
    ordered = tuple(sorted(results, key=lambda r: r.song_id))
    return Report(
        ordered, metrics.mean_of_songs([r.scores for r in ordered]), metrics.pooled([r.errors for r in ordered])
    )


def align_and_score(song: Song, output: Path | None, engine: str) -> SongResult:
    """Align one song, save the alignment as `output/<id>.json` if asked, and score it.

    A song that fails is a result, not an exception: the others go on, and the table says why it is lost. An alignment
    left by an earlier run is then removed, so that the folder holds what the table shows.
    """
    from melisma.pipeline.align import AlignConfig, align

    target = output / f"{song.song_id}.json" if output else None
    try:
        config = AlignConfig(song.language, engine, track_id=song.song_id)
        alignment = align(song.audio, song.lyrics, config=config)
        if target:
            write_atomically(target, format_named("json").write(alignment).encode("utf-8"))
        return score(song, alignment)
    except Exception as error:  # whatever breaks one song must not cost the others theirs; the note reports it
        if target:
            target.unlink(missing_ok=True)
        reason = str(error) if isinstance(error, MelismaError) else f"{type(error).__name__}: {error}"
        return lost(song, " ".join(reason.split()))


def evaluate_songs(
    directory: Path,
    output: Path | None = None,
    *,
    engine: str = AUTO,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Report:
    """Align and score every song of a folder.

    Parameters
    ----------
    directory : Path
        Holds one folder per song, as the module describes it.
    output : Path, optional
        Folder for the alignments, made where it is missing; without it none are kept.
    engine : str
        Name of the engine to align with, or "auto".
    jobs : int
        Songs aligned at the same time; more than one each in a process of its own, with its share of the threads.
    progress : callable, optional
        Called with the id of a finished song and the share of songs finished.

    Raises
    ------
    InputError
        If the folder holds no songs or a broken one, the engine is unknown or may not be used, or `jobs` is less than
        one.
    """
    tiers.check(engine, RouterSettings.from_env())
    if jobs < 1:
        raise InputError(f"jobs is a positive number, not {jobs}")
    songs = find_songs(directory)
    if output:
        output.mkdir(parents=True, exist_ok=True)
    results: list[SongResult] = []
    walk = _in_turn(songs, output, engine) if jobs == 1 else _at_once(songs, output, engine, jobs)
    for result in walk:
        results.append(result)
        if progress:
            progress(result.song_id, len(results) / len(songs))
    return report(results)


def _in_turn(songs: Sequence[Song], output: Path | None, engine: str) -> Iterator[SongResult]:
    for song in songs:
        yield align_and_score(song, output, engine)


def _at_once(songs: Sequence[Song], output: Path | None, engine: str, jobs: int) -> Iterator[SongResult]:
    with _pool(min(jobs, len(songs))) as pool:
        waiting: dict[Future[SongResult], Song] = {
            pool.submit(align_and_score, song, output, engine): song for song in songs
        }
        for done in as_completed(waiting):
            error = done.exception()
            if error is None:
                yield done.result()
            else:  # the process itself died, for want of memory or by a signal
                yield lost(waiting[done], f"{type(error).__name__}: {error}")


def _pool(jobs: int) -> ProcessPoolExecutor:
    """Make processes that share the threads: if each took all of them, they would slow each other down."""
    # "spawn": onnxruntime's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, context, initializer=_use_threads, initargs=(max(1, n_threads() // jobs),))


def _use_threads(n: int) -> None:
    os.environ["MELISMA_THREADS"] = str(n)
    n_threads.cache_clear()
