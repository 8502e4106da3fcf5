"""From what a caller asks for to rows and a job: everything is checked before any work begins."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from melisma.aligner import refine
from melisma.audio.separation import choose
from melisma.core.errors import InputError, StoreError, UnknownName
from melisma.pipeline import lyrics as lyrics_files
from melisma.pipeline import tiers
from melisma.pipeline.settings import RouterSettings
from melisma.server import library, names, uploads
from melisma.server.context import Context
from melisma.server.deps import Caller
from melisma.server.multipart import Upload
from melisma.server.schemas.alignments import Lyrics, Options
from melisma.store import keys
from melisma.store.service import alignments, songs
from melisma.store.service.alignments import Record
from melisma.store.service.jobs import NewJob
from melisma.store.service.songs import Names, Recording, Song
from melisma.text import language as languages

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from melisma.server.jobs.records import Job
    from melisma.store.service.files import Incoming


@dataclass(frozen=True, slots=True)
class Taken:
    """A recording that is about to be a song: what it is, its names, and its upload where it is one."""

    recording: Recording
    names: Names
    incoming: Incoming | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """Lyrics as they are wished for: a text with its hash, or whose song they are of, or nothing where they are heard.

    `given` says in the request what they are, so that the same wish is known again.
    """

    text: str = ""
    text_hash: str = ""
    given: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """How a song is to be aligned: its lyrics, the options as `check_options` gives them, and how soon."""

    sheet: Sheet
    options: dict[str, Any]
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Who:
    """Whose call it is, and under which request id."""

    name: str
    request_id: str


def who(caller: Caller, request: Any) -> Who:
    """Return whose call it is."""
    return Who(caller.name, str(getattr(request.state, "request_id", "")))


def take(context: Context, upload: Upload | None, library_path: str | None, given: Names) -> Taken:
    """Examine an upload or a recording of the library, unless its bytes are known already; nothing is kept yet.

    Raises
    ------
    AudioError
        If it is no recording that can be used.
    NotFound
        If the library holds no such recording.
    """
    if upload is not None:
        if not upload.incoming.size_bytes:
            raise InputError("the part 'audio' is empty")
        with context.database.begin(write=False) as session:
            known = songs.of_content(session, upload.incoming.content)
        if known is not None:
            name = names.file_name(upload.name, known.recording.file_name)
            taken = Taken(replace(known.recording, library_path=None, file_name=name), given, upload.incoming)
        else:
            recording, found = uploads.take_upload(context, upload.incoming, upload.name)
            taken = Taken(recording, uploads.named(given, found), upload.incoming)
        upload.incoming.settle()  # now, and not while the database waits for it
        return taken
    if library_path is None:
        raise InputError("there is no recording: send the part 'audio'")
    path = library.resolve(context.settings.library, library_path)
    recording, found = uploads.take_from_library(context, path, library_path)
    return Taken(recording, uploads.named(given, found))


def keep(session: Session, taken: Taken) -> tuple[Song, bool]:
    """Keep a song, its file in the same transaction: who deletes the same meanwhile is waited for."""
    song, made = songs.add(session, taken.recording, taken.names)
    if taken.incoming is not None:
        songs.hold_file(session, taken.recording.content)
        taken.incoming.keep(song.recording.suffix)
    return song, made


@contextlib.contextmanager
def or_nothing(context: Context, taken: Taken | None) -> Iterator[None]:
    """Let go of the file that the block has kept, where its song could not be written down."""
    try:
        yield
    except Exception:
        if taken is not None and taken.incoming is not None:
            with contextlib.suppress(StoreError):  # then it is swept a day later
                _let_go(context, taken.recording)
        raise


def _let_go(context: Context, recording: Recording) -> None:
    """Remove a file unless something is made of it, as it is if the answer of the database alone was lost."""
    with context.database.begin() as session:
        for content, suffix in songs.unused_files(session, {(recording.content, recording.suffix)}):
            context.files.remove(content, suffix)


def song_names(context: Context, given: Names) -> Names:
    """Make names safe, and refuse lyrics that hold nothing that is sung."""
    lyrics = None
    if given.lyrics is not None:
        lyrics = names.text(given.lyrics, "lyrics", context.settings.limits.lyrics_chars)
        if lyrics.strip():
            lyrics_files.read(lyrics.encode("utf-8"), name="the lyrics")
        else:
            lyrics = ""
    return Names(
        None if given.title is None else names.line(given.title, "title"),
        None if given.artist is None else names.line(given.artist, "artist"),
        None if given.language is None else (languages.normalise(given.language) if given.language.strip() else ""),
        lyrics,
    )


def sheet(context: Context, given: Lyrics | None) -> Sheet:
    """Check lyrics: what cannot be used is said now, not by the job."""
    if given is None:
        return Sheet()
    if given.text is None:
        wanted = {"artist": names.line(given.artist, "artist"), "title": names.line(given.title, "title")}
        if not all(wanted.values()):
            raise InputError("artist and title of lyrics that are to be found cannot be empty")
        return Sheet(given=wanted)
    text = names.text(given.text, "lyrics", context.settings.limits.lyrics_chars)
    sung = lyrics_files.read(text.encode("utf-8"), name="the lyrics")
    return Sheet(text, keys.text_hash(sung), {"sha256": hashlib.sha256(text.encode("utf-8")).hexdigest()})


def check_engine(context: Context, name: str) -> None:
    """Refuse an engine that there is not, and a model that whoever runs the service has not named: it may be a folder.

    Raises
    ------
    UnknownName, LicenceError
        The sentence lists what there is.
    """
    if tiers.split(name)[1] and name not in context.settings.models:
        raise UnknownName("model", name, context.settings.models)
    tiers.check(name, RouterSettings.from_env())


def check_options(context: Context, options: Options) -> dict[str, Any]:
    """Refuse, before anything is read, what can be known to fail; return the options as a request has them.

    Raises
    ------
    InputError
        UnknownName or LicenceError among them.
    """
    check_engine(context, options.engine)
    refine.parse(options.refine)
    return {
        "language": languages.normalise(options.language) if options.language else None,
        "engine": options.engine,
        "separate": choose.check_name(options.separate),
        "refine": options.refine,
        "fallback": options.fallback,
    }


def ask_for_alignment(context: Context, session: Session, song: Song, wish: Wish, who: Who) -> Job:
    """Make an alignment of a song, or find the one that was asked for in the same words; return the job that makes it.

    A job that makes it already, or has made it, is the same job; one that failed or was cancelled is asked for again.
    """
    request = {"lyrics": wish.sheet.given, **wish.options}
    if song.language and request["language"] is None:
        request["language"] = song.language
    record, _ = alignments.create(session, song.id, request, wish.sheet.text, wish.sheet.text_hash)
    known = alignments.job_of(session, record.id, "align")
    if known is not None:
        return known
    told = {**request, "alignment_id": record.id, "based_on": 0, "fresh": False, "keep_corrections": False}
    told["author"] = who.name
    return context.queue.add(session, new_job("align", told, record, who, wish.priority))


def new_job(kind: str, told: dict[str, Any], record: Record, who: Who, priority: int) -> NewJob:
    """Make a job on an alignment, to be added in a transaction."""
    return NewJob(kind, told, priority, who.name, who.request_id, record.song_id, record.id)
