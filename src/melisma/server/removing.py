"""Removing: rows and files together, then what can be computed again, the cache's copies among it."""

from __future__ import annotations

from melisma.audio.decode import SOUND_VERSION
from melisma.core.errors import NotFound
from melisma.server import heard_words
from melisma.server.context import Context
from melisma.store.keys import Track
from melisma.store.service import alignments, exports, jobs, songs
from melisma.store.service.jobs import Chosen, JobState


def remove_song(context: Context, song_id: str) -> None:
    """Remove a song with everything that was made of it; NotFound if there is none."""
    with context.database.begin(write=False) as session:
        song = songs.get(session, song_id)
    _cancel(context, Chosen(song_id=song_id))
    sound = ""
    if context.cache is not None:
        sound = context.cache.sound_of(song.recording.content, SOUND_VERSION) or ""
    with context.database.begin() as session:
        removed = songs.remove(session, song_id)
        # Before the rows are gone for good, so that whoever uploads the same meanwhile waits, and keeps its file.
        for content, suffix in removed.files:
            context.files.remove(content, suffix)
    context.derived.forget(removed.song.recording.content)
    heard_words.forget(context, song_id)
    if context.cache is not None:
        context.cache.forget(removed.song.recording.content, SOUND_VERSION, {*removed.sounds, sound} - {""})


def remove_alignment(context: Context, alignment_id: str) -> None:
    """Remove an alignment with all its versions, the videos that show it, and what the cache holds of its track."""
    with context.database.begin(write=False) as session:
        found = alignments.get(session, alignment_id)
    _cancel(context, Chosen(alignment_id=alignment_id))
    with context.database.begin() as session:
        shown = exports.of_alignment(session, alignment_id)
        alignments.delete(session, alignment_id)
        for content, suffix in exports.remove(session, shown):
            context.files.remove(content, suffix)
        others = alignments.of_track(session, found.audio_hash, found.text_hash)
    if context.cache is not None and found.audio_hash and not others:
        context.cache.forget_track(Track(found.audio_hash, found.text_hash))


def _cancel(context: Context, chosen: Chosen) -> None:
    """Cancel the jobs that are not over, so that workers let go of what is about to be removed."""
    for state in (JobState.QUEUED, JobState.RUNNING):
        with context.database.begin(write=False) as session:
            found, _ = jobs.page(session, Chosen(state, chosen.song_id, chosen.alignment_id), None, 200)
        for job in found:
            try:
                context.queue.cancel(job.id)
            except NotFound:  # somebody else has removed it
                continue
