"""Where a song's recording lies, for the routes and the jobs that read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from melisma.audio.container import shown
from melisma.core.errors import MelismaError
from melisma.server import library
from melisma.server.context import Context
from melisma.store.service import songs


@dataclass(frozen=True, slots=True)
class Recording:
    """A song's file.

    Parameters
    ----------
    song_id, content : str
        Id of the song; SHA-256 of the file when it was taken in.
    path : Path
        Where it lies: in the store, or in the library folder.
    stamp : str
        Changes with a file of the library, of which the content may be another by now; "" for any other.
    media_type, name : str
        As sniffed; as people call it.
    duration_ms : int
        Of the recording.
    title, artist : str
        Of the song, "" where nobody said it.
    """

    song_id: str
    content: str
    path: Path
    stamp: str
    media_type: str
    name: str
    duration_ms: int
    title: str
    artist: str

    @property
    def tag(self) -> str:
        """An entity tag of the file."""
        return self.content[:32] + self.stamp


def recording(context: Context, song_id: str) -> Recording:
    """Find a song's recording.

    Raises
    ------
    NotFound
        If there is no such song, or its file is not in the library any more.
    """
    with context.database.begin(write=False) as session:
        song = songs.get(session, song_id)
    kept = song.recording
    if kept.library_path is None:
        path, stamp = context.files.path(kept.content, kept.suffix), ""
    else:
        path = library.resolve(context.settings.library, kept.library_path)
        found = path.stat()
        stamp = f"{found.st_mtime_ns:x}{found.st_size:x}"
    facts = (kept.media_type, kept.file_name, kept.duration_ms, song.title, song.artist)
    return Recording(song.id, kept.content, path, stamp, *facts)


@contextmanager
def called(path: Path, name: str) -> Iterator[None]:
    """Call a file by the name that people know it by in whatever error the block raises: no path of the server leaves.

    Parameters
    ----------
    path : Path
        That the block works on.
    name : str
        What to call it.
    """
    try:
        yield
    except MelismaError as error:
        for spelling in (shown(path.absolute()), shown(path), path.name):
            error.args = tuple(str(part).replace(spelling, name or "the recording") for part in error.args)
        raise
