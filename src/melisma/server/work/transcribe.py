"""Hear the words of a song with a chosen model, time them by an aligner, and keep them under the id of the job."""

from __future__ import annotations

from typing import Any

from melisma.core.errors import NotFound
from melisma.core.records import Alignment
from melisma.pipeline.transcribe import TranscribeConfig, transcribe
from melisma.pipeline.transcript_files import About
from melisma.server import heard_words
from melisma.server.context import Context
from melisma.server.jobs.records import Job, Report
from melisma.server.recordings import Recording, called, recording
from melisma.server.work.stages import HEARING, Stages
from melisma.server.work.telling import without_paths
from melisma.store.service import transcripts


def run(context: Context, job: Job, report: Report) -> dict[str, Any]:
    """Transcribe the song of a job; return the id of the transcription, and of the alignment that it has become.

    Raises
    ------
    InputError
        If the recording cannot be used.
    NoEngine, EngineError
        If no engine that hears words can be used, or it fails.
    """
    told, tell = job.request, Stages(report, HEARING)
    found = recording(context, told["song_id"])
    heard = _kept(context, job.id)  # by an earlier try, before it died
    if heard is None:
        heard = _heard(context, job, found, tell)
        tell("save", 0.0)
        with context.database.begin() as session:
            transcripts.add(session, job.id, found.song_id, heard.model_id or heard.engine, heard)
    result = {"transcription_id": job.id}
    if told.get("adopt"):
        result["alignment_id"] = heard_words.adopt(context, job.id, job.owner)
    about = About(found.song_id, found.name, job.request_id)
    heard_words.write(context, found.song_id, job.id, heard, about)
    return result


def _kept(context: Context, job_id: str) -> Alignment | None:
    with context.database.begin(write=False) as session:
        try:
            return transcripts.get(session, job_id)[0]
        except NotFound:
            return None


def _heard(context: Context, job: Job, found: Recording, tell: Stages) -> Alignment:
    told = job.request
    config = TranscribeConfig(
        model=told["engine"],
        language=told["language"],
        aligned=bool(told.get("align", False)),  # jobs that an older version has written down know nothing of it
        track_id=found.song_id,
        cache=context.cache,
        artist=found.artist,
        title=found.title,
    )
    with called(found.path, found.name):
        return without_paths(transcribe(found.path, config, tell).timed, found)
