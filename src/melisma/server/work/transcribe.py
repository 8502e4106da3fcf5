"""Hear the words of a song with a chosen engine, and keep them under the id of the job."""

from __future__ import annotations

from typing import Any

from melisma.core.errors import NotFound
from melisma.pipeline.align import AlignConfig, align
from melisma.server.context import Context
from melisma.server.jobs.records import Job, Report
from melisma.server.recordings import called, recording
from melisma.server.work.stages import Stages
from melisma.server.work.telling import without_paths
from melisma.store.service import transcripts


def run(context: Context, job: Job, report: Report) -> dict[str, Any]:
    """Transcribe the song of a job; return the id of the transcription.

    Raises
    ------
    InputError
        If the recording cannot be used.
    NoEngine, EngineError
        If no engine that hears words can be used, or it fails.
    """
    told, tell = job.request, Stages(report)
    with context.database.begin(write=False) as session:
        try:
            transcripts.get(session, job.id)
            return {"transcription_id": job.id}  # an earlier try has kept it before it died
        except NotFound:
            pass
    found = recording(context, told["song_id"])
    config = AlignConfig(
        language=told["language"],
        engine=told["engine"],
        track_id=found.song_id,
        cache=context.cache,
        artist=found.artist,
        title=found.title,
    )
    with called(found.path, found.name):
        heard = without_paths(align(found.path, None, config=config, progress=tell), found)
    tell("save", 0.0)
    with context.database.begin() as session:
        transcripts.add(session, job.id, found.song_id, heard.model_id or heard.engine, heard)
    return {"transcription_id": job.id}
