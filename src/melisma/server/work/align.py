"""Align a song with its lyrics, given, found by name, or heard; as a new version."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from melisma.audio.decode import SOUND_VERSION
from melisma.core.errors import InputError, MelismaError, VersionConflict
from melisma.core.records import Alignment, Lyrics
from melisma.lyrics.protocol import LONGEST_SONG_S, SongQuery
from melisma.pipeline import find_lyrics, tiers
from melisma.pipeline import lyrics as lyrics_files
from melisma.pipeline.align import AlignConfig, align
from melisma.pipeline.keep_corrections import keep_corrections
from melisma.pipeline.kept import SOURCES
from melisma.pipeline.realign import lyrics_of
from melisma.server import saving
from melisma.server.context import Context
from melisma.server.jobs.records import Job, Report
from melisma.server.recordings import Recording, called, recording
from melisma.server.saving import Change
from melisma.server.work.stages import Stages
from melisma.server.work.telling import without_paths
from melisma.store import keys
from melisma.store.entries import Source
from melisma.store.keys import Track
from melisma.store.service import alignments
from melisma.store.service.alignments import Record

_BY = "by "  # an engine, or what somebody brought: how the summary of a version begins


@dataclass(frozen=True, slots=True)
class _Made:
    """What came of it: the alignment, what made it, and the words of it that a person has set."""

    alignment: Alignment
    source: Source
    corrected: Collection[int] = ()


def run(context: Context, job: Job, report: Report) -> dict[str, Any]:
    """Align the song of a job; return the id of the alignment and the number of its new version.

    A version that an earlier try has kept before it died is not made twice.

    Raises
    ------
    InputError
        If recording or lyrics cannot be used, no lyrics are found, or somebody has saved another version meanwhile.
    NoEngine
        If no engine gave a result.
    """
    told, tell = job.request, Stages(report)
    with context.database.begin(write=False) as session:
        record = alignments.get(session, told["alignment_id"])
    done = already(context, job, record, _BY)
    if done is not None:
        return {"alignment_id": record.id, "version": done}
    found = recording(context, record.song_id)
    with called(found.path, found.name):
        made = _anew(context, job, record, found, tell) if told["keep_corrections"] else None
        made = made or _aligned(context, told, record, found, tell)
    tell("save", 0.0)
    _know_sound(context, record.id, found)
    change = Change(record.id, told["based_on"], told.get("author", ""), _BY + (made.alignment.engine or "an engine"))
    version = saving.keep(context, change, made.alignment, made.source, tuple(sorted(made.corrected)))
    return {"alignment_id": record.id, "version": version}


def already(context: Context, job: Job, record: Record, summary: str) -> int | None:
    """Return the version that an earlier try of this job has made; None if there is none.

    `summary` begins what the versions of this kind of job say of themselves.

    Raises
    ------
    VersionConflict
        If somebody else has saved since the job was asked for.
    """
    based_on = job.request["based_on"]
    if record.version == based_on:
        return None
    if based_on == 0:
        return 1
    if job.n_attempts > 1:
        with context.database.begin(write=False) as session:
            _, version = alignments.version(session, record.id, based_on + 1)
        if version.summary.startswith(summary) and version.author == job.request.get("author", ""):
            return version.version
    raise VersionConflict("alignment", based_on, record.version)


def _aligned(context: Context, told: Mapping[str, Any], record: Record, found: Recording, tell: Stages) -> _Made:
    lyrics = _lyrics(context, told, record, found, tell)
    config = _config(context, told, found)
    made = align(found.path, lyrics, config=config, progress=tell)
    brought = _of_person(context, record, found, made, told["fresh"])
    return brought or _Made(without_paths(made, found), _source(made))


def _config(context: Context, told: Mapping[str, Any], found: Recording) -> AlignConfig:
    return AlignConfig(
        language=told["language"],
        engine=told["engine"],
        fallback=told["fallback"],
        separate=told["separate"],
        refine=told["refine"],
        track_id=found.song_id,
        cache=None if told["fresh"] else context.cache,
        artist=found.artist,
        title=found.title,
    )


def _lyrics(context: Context, told: Mapping[str, Any], record: Record, found: Recording, tell: Stages) -> Lyrics | None:
    """Return the sung lines: those that are kept, else those that are found by name, which are kept from then on."""
    given = told["lyrics"]
    if given is None:
        return None
    if record.lyrics:
        return lyrics_files.read(record.lyrics.encode("utf-8"), name="the lyrics")
    if "artist" not in given:
        raise InputError("the lyrics of this alignment are gone: ask for it with its lyrics once more")
    tell("find lyrics", 0.0)
    seconds = found.duration_ms / 1000
    usable = seconds if 0 < seconds <= LONGEST_SONG_S else None
    got = find_lyrics.find(SongQuery(given["artist"], given["title"], None, usable))
    sung = got.lyrics
    with context.database.begin() as session:
        alignments.know_track(session, record.id, text_hash=keys.text_hash(sung), lyrics=got.text)
    return sung


def _anew(context: Context, job: Job, record: Record, found: Recording, tell: Stages) -> _Made | None:
    """Align what the current version says, and hold the words that a person has set; None where there are none."""
    with context.database.begin(write=False) as session:
        before, version = alignments.version(session, record.id, job.request["based_on"])
    if not version.corrected:
        return None
    config = _config(context, job.request, found)
    made = align(found.path, lyrics_of(before), config=config, progress=tell)
    kept = keep_corrections(found.path, made, before, version.corrected, config=config)
    return _Made(without_paths(kept, found), Source.USER_CORRECTED, version.corrected)


def _of_person(context: Context, record: Record, found: Recording, made: Alignment, fresh: bool) -> _Made | None:
    """Return the alignment as what a person or another program brought, where that is what the cache has served."""
    if context.cache is None or fresh:
        return None
    with context.database.begin(write=False) as session:
        text_hash = alignments.get(session, record.id).text_hash
    sound = context.cache.sound_of(found.content, SOUND_VERSION)
    entry = context.cache.best(Track(sound, text_hash)) if sound and text_hash else None
    if entry is None or not entry.source.given or entry.alignment != made:
        return None
    sure = (i for i, word in enumerate(made.words) if word.confidence == 1.0 and word.expected_error_ms == 0.0)
    return _Made(without_paths(made, found), entry.source, tuple(sure))


def _source(made: Alignment) -> Source:
    """Return what kind of engine has made an alignment."""
    try:
        return SOURCES[tiers.engine_named(made.engine).facts.task]
    except MelismaError:
        return Source.IMPORTED


def _know_sound(context: Context, alignment_id: str, found: Recording) -> None:
    sound = context.cache.sound_of(found.content, SOUND_VERSION) if context.cache is not None else None
    if sound:
        with context.database.begin() as session:
            alignments.know_track(session, alignment_id, audio_hash=sound)
