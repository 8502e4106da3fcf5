"""Options that the DALI commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.core.artifacts import Artifacts
from melisma.core.errors import InputError

if TYPE_CHECKING:
    from melisma.data.dali.service import DaliService, Selection


def converted(at: Artifacts) -> Path:
    """Return the folder of songs that were converted."""
    return at.data / "dali"


Annotations = Annotated[
    Path,
    typer.Option(
        "--annotations",
        "-a",
        metavar="DIR",
        help="Folder of songs, as `melisma dali convert` wrote it.",
        default_factory=lambda: converted(Artifacts.of()),
        show_default=converted(Artifacts()).as_posix(),
    ),
]
AudioFolder = Annotated[
    Path | None,
    typer.Option("--audio", metavar="DIR", help="Folder of recordings; MELISMA_DALI_AUDIO, or data/dali_audio."),
]
SongIdArgument = Annotated[str, typer.Argument(metavar="ID", help="Of the song, as DALI numbers it.")]

# What chooses songs; every command that goes over many offers the same.
Languages = Annotated[list[str] | None, typer.Option("--language", "-l", metavar="CODE", help="en or english.")]
MinNcc = Annotated[float | None, typer.Option(metavar="SCORE", help="DALI's own score, at least.")]
MaxNcc = Annotated[float | None, typer.Option(metavar="SCORE", help="DALI's own score, at most.")]
Genres = Annotated[list[str] | None, typer.Option("--genre", metavar="NAME", help="Any of those given.")]
Artists = Annotated[list[str] | None, typer.Option("--artist", metavar="NAME", help="Any of those given.")]
GroundTruth = Annotated[
    bool | None,
    typer.Option("--ground-truth/--no-ground-truth", help="Only songs whose times a person has set, or not."),
]
Versions = Annotated[list[str] | None, typer.Option("--dataset-version", metavar="N", help="Such as 1.0.")]
Ids = Annotated[list[str] | None, typer.Option("--id", metavar="ID", help="These songs; @FILE has one a line.")]


def service(annotations: Path, audio: Path | None = None) -> DaliService:
    """Open DALI."""
    from melisma.data.dali.service import DaliService

    return DaliService(annotations, audio)


def selection(
    languages: list[str] | None,
    min_ncc: float | None,
    max_ncc: float | None,
    genres: list[str] | None,
    artists: list[str] | None,
    ground_truth: bool | None,
    versions: list[str] | None = None,
    ids: list[str] | None = None,
) -> Selection:
    """Put the options together."""
    from melisma.data.dali.service import Selection

    return Selection(
        languages=tuple(languages or ()),
        min_ncc=min_ncc,
        max_ncc=max_ncc,
        genres=tuple(genres or ()),
        artists=tuple(artists or ()),
        ground_truth=ground_truth,
        versions=tuple(versions or ()),
        ids=tuple(name for each in ids or () for name in _listed(each)),
    )


def _listed(said: str) -> list[str]:
    if not said.startswith("@"):
        return [said]
    try:
        lines = Path(said[1:]).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{said[1:]} is no list of songs: {error}") from error
    if not lines:
        raise InputError(f"{said[1:]} names no song")
    return lines
