"""The demo: songs made on the spot, aligned, measured against their exact truth, and written as karaoke."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from melisma.core.files import write_atomically
from melisma.core.records import Alignment
from melisma.evaluate import align as evaluation
from melisma.formats import karaoke
from melisma.pipeline.settings import AUTO
from melisma.synth import write
from melisma.synth.score import SongConfig, write_score
from melisma.synth.words import DEMO, SongText

Progress = Callable[[str, float], None]

FORMATS = ("json", "lrc", "ass")

# Singer, tempo and key of each song; a language without an entry takes the defaults.
_SETTINGS: dict[str, tuple[str, float, str]] = {
    "en": ("low", 100.0, "G"),
    "fr": ("middle", 96.0, "Am"),
    "hr": ("low", 100.0, "D"),
}


@dataclass(frozen=True, slots=True)
class DemoSong:
    """A demo song: its folder, the alignment, and what was written beside the recording."""

    title: str
    folder: Path
    audio: Path
    lyrics: Path
    page: Path  # the karaoke page
    files: tuple[Path, ...]  # the alignment in each of FORMATS
    alignment: Alignment
    result: evaluation.SongResult


@dataclass(frozen=True, slots=True)
class DemoResult:
    """All songs, and the report over them, whose `table()` is what `melisma eval align` prints for the folder."""

    directory: Path
    songs: tuple[DemoSong, ...]
    report: evaluation.Report


def make(
    directory: Path, *, engine: str = AUTO, texts: tuple[SongText, ...] = DEMO, progress: Progress | None = None
) -> DemoResult:
    """Make the demo songs, align them, measure the alignments and write everything under a folder.

    Parameters
    ----------
    directory : Path
        Made where it is missing; each song gets a folder `<language>` in it.
    engine : str
        Name of the engine that aligns, or "auto".
    texts : tuple of SongText
        What is sung, one song a language.
    progress : callable, optional
        Called with what is being done and the share of the whole that is done.

    Raises
    ------
    OutputError
        If the folder or a file in it cannot be written.
    InputError
        If the engine is unknown or refuses a song.
    """
    tell = progress or (lambda stage, share: None)
    songs = []
    for i, text in enumerate(texts):
        songs.append(_make_one(text, directory / text.language, engine, _share_of(tell, i, len(texts))))
    tell("done", 1.0)
    return DemoResult(directory, tuple(songs), evaluation.report([song.result for song in songs]))


def _share_of(tell: Progress, i: int, n: int) -> Progress:
    """Report a song's progress as its share of the whole."""
    return lambda stage, share: tell(stage, (i + share) / n)


def _make_one(text: SongText, folder: Path, engine: str, tell: Progress) -> DemoSong:
    from melisma.pipeline.align import align

    tell(f"sing {text.title}", 0.0)
    singer, tempo_bpm, key = _SETTINGS.get(text.language, ("low", 96.0, "C"))
    config = SongConfig(text.language, text.lines, singer, tempo_bpm, key, intro_bars=2, break_bars=1)
    score = write_score(config)
    audio = write.save(score, folder, title=text.title)
    tell(f"align {text.title}", 0.3)
    lyrics = folder / "lyrics.txt"
    alignment = align(audio, lyrics, language=text.language, engine=engine)
    tell(f"write {text.title}", 0.8)
    files = tuple(alignment.save(folder / f"alignment.{suffix}") for suffix in FORMATS)
    page = folder / "karaoke.html"
    write_atomically(page, karaoke.page_for_file(alignment, audio, title=text.title).encode("utf-8"))
    words, onsets_s = tuple(w.text for w in score.words), tuple(w.start_s for w in score.words)
    truth = evaluation.Song(folder.name, audio, lyrics, text.language, words, onsets_s)
    return DemoSong(
        title=text.title,
        folder=folder,
        audio=audio,
        lyrics=lyrics,
        page=page,
        files=files,
        alignment=alignment,
        result=evaluation.score(truth, alignment),
    )
