"""Transcriptions beside their rows: files of a song, and the alignment that one becomes."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
from pathlib import Path

from melisma.core.artifacts import VARIABLE, Artifacts
from melisma.core.errors import MelismaError, OutputError
from melisma.core.records import Alignment
from melisma.pipeline import transcript_files
from melisma.pipeline.realign import lyrics_of
from melisma.pipeline.transcript_files import LRC, RECORD, TEXT, About
from melisma.server.context import Context
from melisma.server.recordings import recording
from melisma.store import keys
from melisma.store.entries import Source
from melisma.store.service import alignments, transcripts
from melisma.store.service.alignments import NewVersion

log = logging.getLogger("melisma.jobs")


def folder(context: Context, song_id: str) -> Path:
    """Return the folder of what is made of a song: below MELISMA_ROOT where that is set, else in the data folder."""
    root = Artifacts.of() if os.environ.get(VARIABLE, "").strip() else Artifacts(context.settings.data)
    return root.output(song_id)


def forget(context: Context, song_id: str) -> None:
    """Remove the files of a song's transcriptions."""
    with contextlib.suppress(OSError):
        shutil.rmtree(folder(context, song_id))


def write(context: Context, song_id: str, transcription_id: str, heard: Alignment, about: About) -> None:
    """Leave record, text and LRC where the contract has them; who reads them over HTTP needs none of them."""
    try:
        transcript_files.write(folder(context, song_id), transcript_files.files(heard, about))
    except OutputError as error:
        log.warning("the files of transcription %s could not be written: %s", transcription_id, error)


def remove(context: Context, transcription_id: str) -> None:
    """Remove a transcription; the files of its song become those of the newest that is left, or go with it.

    Raises
    ------
    NotFound
        If there is no such transcription.
    """
    with context.database.begin() as session:
        song_id = transcripts.get(session, transcription_id)[1].song_id
        transcripts.delete(session, transcription_id)
        left = transcripts.page(session, song_id=song_id, limit=1).items
        heard = transcripts.get(session, left[0].id)[0] if left else None
    _without_files(folder(context, song_id))
    if heard is None:
        return
    with contextlib.suppress(MelismaError):  # where its job was swept or its recording is gone: it is had over HTTP
        about = About(song_id, recording(context, song_id).name, context.queue.get(left[0].id).request_id)
        write(context, song_id, left[0].id, heard, about)


def _without_files(place: Path) -> None:
    """Remove what transcriptions have left in a folder, and the folder where it held nothing else."""
    with contextlib.suppress(OSError):
        for name in (RECORD, TEXT, LRC):
            (place / name).unlink(missing_ok=True)
        place.rmdir()


def adopt(context: Context, transcription_id: str, author: str) -> str:
    """Make a transcription an alignment of its song, once; return the alignment's id.

    The player, the editor and the videos show it as they show any other; a new alignment is made of its words.

    Raises
    ------
    NotFound
        If there is no such transcription.
    """
    with context.database.begin() as session:
        heard, found = transcripts.get(session, transcription_id)
        lyrics = lyrics_of(heard)
        request = {
            "lyrics": {"sha256": hashlib.sha256(lyrics.text.encode("utf-8")).hexdigest()},
            "language": heard.language if heard.language != "und" else None,
            "transcription_id": transcription_id,
        }
        record, _ = alignments.create(session, found.song_id, request, lyrics.text, keys.text_hash(lyrics))
        if record.version == 0:
            new = NewVersion(heard, 0, Source.WHISPER, author, f"by {heard.engine or 'an engine'}")
            alignments.add_version(session, record.id, new)
        return record.id
