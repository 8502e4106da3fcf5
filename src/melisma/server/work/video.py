"""Jobs of the kind `video`: an alignment and its song → an MP4 or WebM file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from melisma.core.errors import NotFound
from melisma.pipeline.video.render import render
from melisma.server.recordings import called, recording
from melisma.server.videos import config_of
from melisma.server.workplace import copied, workplace
from melisma.store.service import alignments, exports
from melisma.store.service.exports import Export, Made

if TYPE_CHECKING:
    from melisma.server.context import Context
    from melisma.server.jobs.records import Job, Report

# Where each stage begins and ends, as shares of the whole: listening is quick.
_SHARES = {"listen": (0.0, 0.04), "encode": (0.04, 0.98)}


def run(context: Context, job: Job, report: Report) -> dict[str, Any]:
    """Make the video that a job asks for; one that it has made already stays.

    Raises
    ------
    NotFound
        If song, alignment, version or instrumental have gone.
    EngineFailed, EngineTimeout, MissingDependency
        If ffmpeg cannot make it.
    """
    asked = job.request
    if made := _made(context, job.id):
        return _result(made)
    with context.database.begin(write=False) as session:
        alignment, about = alignments.version(session, asked["alignment_id"], asked["version"])
        song_id = alignments.get(session, about.alignment_id).song_id
        stems = exports.of_song(session, song_id, ("instrumental",))
    song, sound = recording(context, song_id), None
    if asked["audio"] == "instrumental":
        if not stems:
            raise NotFound("instrumental", song_id)
        sound = context.files.path(stems[0].content, stems[0].suffix)
    picture = context.files.path(asked["picture"], ".png") if asked["picture"] else None

    def tell(stage: str, share: float) -> None:
        first, last = _SHARES[stage]
        report(stage, first + (last - first) * share)

    with workplace(context) as folder, called(folder, "the work folder"), called(sound or song.path, song.name):
        config = config_of(asked, picture)
        out = folder / f"video.{config.container.value}"
        found = render(alignment, sound or song.path, out, config, tell)
        with copied(context, out) as file, context.database.begin() as session:
            stored, kind = file.stored(out.suffix), config.container.media_type
            what = Made(song_id, "video", stored, kind, out.suffix, about.alignment_id, about.version)
            made = exports.keep(session, job.id, what, file)
    _forget_picture(context, song_id, asked["picture"])
    return {**_result(made), "duration_s": round(found.duration_s, 3), "warnings": list(found.warnings)}


def _forget_picture(context: Context, song_id: str, content: str | None) -> None:
    """Let go of the picture of a video that is made; of those that several wait for, one."""
    with context.database.begin() as session:
        stills = [each for each in exports.of_song(session, song_id, ("picture",)) if each.content == content]
        for unused, suffix in exports.remove(session, stills[:1]):
            context.files.remove(unused, suffix)


def _made(context: Context, job_id: str) -> Export | None:
    with context.database.begin(write=False) as session:
        try:
            return exports.get(session, job_id)
        except NotFound:
            return None


def _result(made: Export) -> dict[str, Any]:
    return {"video_id": made.id, "media_type": made.media_type, "size_bytes": made.size_bytes}
