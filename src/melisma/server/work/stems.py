"""Jobs of the kind `stems`: a song → its voice, and everything else, as two files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from melisma.audio.separation import stems
from melisma.pipeline.settings import LicenceMode, RouterSettings
from melisma.server.recordings import called, recording
from melisma.server.workplace import copied, workplace
from melisma.store.service import exports, songs
from melisma.store.service.exports import Export, Made
from melisma.store.service.files import Incoming

if TYPE_CHECKING:
    from melisma.server.context import Context
    from melisma.server.jobs.records import Job, Report

KINDS = ("vocals", "instrumental")
_SEPARATED = 0.97  # share of the work; the rest is copying


def maker() -> stems.StemMaker:
    """Return what separates songs under this service's licence mode; errors as in `stems.maker`."""
    return stems.maker(commercial=RouterSettings.from_env().licence_mode is LicenceMode.COMMERCIAL)


def run(context: Context, job: Job, report: Report) -> dict[str, Any]:
    """Separate a song; stems that there are already stay.

    Raises
    ------
    NotFound
        If the song has gone.
    MissingDependency, LicenceError
        If nothing that may be used can separate it.
    AudioError, ModelError, EngineOutOfMemory
        If the separator cannot.
    """
    song = recording(context, job.request["song_id"])
    with context.database.begin(write=False) as session:
        made = _both(exports.of_song(session, song.song_id, KINDS))
    if made:
        return _result(song.song_id, made)
    separator = maker()
    with workplace(context) as folder, called(folder, "the work folder"), called(song.path, song.name):
        found = separator.stems(song.path, folder, lambda share: report("separate", _SEPARATED * share))
        with copied(context, found.vocals) as vocals, copied(context, found.instrumental) as instrumental:
            made = _kept(context, song.song_id, int(job.id, 16), {"vocals": vocals, "instrumental": instrumental})
    return _result(song.song_id, made)


def _kept(context: Context, song_id: str, number: int, files: dict[str, Incoming]) -> dict[str, Export]:
    """Keep both stems, under ids that begin with a number, unless somebody else was quicker."""
    with context.database.begin() as session:
        songs.get(session, song_id)  # it may be gone by now
        made = _both(exports.of_song(session, song_id, KINDS))
        if made:
            return made
        for n, kind in enumerate(KINDS):
            what = Made(song_id, kind, files[kind].stored(stems.SUFFIX), stems.MEDIA_TYPE, stems.SUFFIX)
            exports.keep(session, f"{number ^ n:032x}", what, files[kind])
        return _both(exports.of_song(session, song_id, KINDS))


def _both(found: tuple[Export, ...]) -> dict[str, Export]:
    """Return the newest of each kind, or nothing unless there are both."""
    newest = {export.kind: export for export in reversed(found)}
    return newest if len(newest) == len(KINDS) else {}


def _result(song_id: str, made: dict[str, Export]) -> dict[str, Any]:
    return {"song_id": song_id, "stems": list(KINDS), "size_bytes": sum(each.size_bytes for each in made.values())}
