"""Corrections: applied to the version that they were made on, kept as a new one, and told to the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melisma.aligner import edits
from melisma.audio.decode import SOUND_VERSION
from melisma.core.errors import Conflict, InputError, NotFound, StoreError, VersionConflict
from melisma.core.records import Alignment
from melisma.formats import json as alignment_json
from melisma.server.context import Context
from melisma.server.schemas.alignments import AlignmentDocument, Saved
from melisma.store.entries import Source
from melisma.store.keys import Track
from melisma.store.service import alignments, songs
from melisma.store.service.alignments import NewVersion, Version

if TYPE_CHECKING:
    from melisma.store.cache import Cache


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes which version of an alignment, and what is to be said of it."""

    alignment_id: str
    based_on: int
    author: str
    summary: str


def based_on(version: int | None, if_match: str | None) -> int:
    """Return the version that a change is based on, as the body or the header If-Match says.

    Raises
    ------
    InputError
        If neither says it, or they contradict each other.
    """
    tagged: int | None = None
    if if_match is not None:
        tag = if_match.strip().removeprefix("W/").strip('"').partition("-")[0]
        if not (tag.isascii() and tag.isdigit() and 0 < len(tag) < 10):
            raise InputError("the header If-Match holds no entity tag that an alignment has given")
        tagged = int(tag)
    if version is None and tagged is None:
        raise InputError("say which version the change was made on: as `version`, or in the header If-Match")
    if version is not None and tagged is not None and version != tagged:
        raise InputError("`version` and the header If-Match name two versions")
    return version if version is not None else tagged or 0


def correct(context: Context, change: Change, wanted: Sequence[edits.Edit]) -> Saved:
    """Apply edits, all of them or none, and keep the result.

    Raises
    ------
    NotFound
        If there is no such alignment.
    VersionConflict
        If another version is current by now.
    RefusedEdit
        If an edit cannot be done; nothing is kept then.
    """
    alignment, version = _current(context, change)
    edited = edits.apply(alignment, wanted, version.corrected)
    number = keep(context, change, edited.alignment, Source.USER_CORRECTED, tuple(sorted(edited.corrected)))
    return shown(number, edited.alignment, sorted(edited.corrected))


def undo(context: Context, change: Change) -> Saved:
    """Make the version that the current one was made from current again, as a new one.

    Raises
    ------
    Conflict
        If an engine made the current version: there is nothing before it.
    """
    _, version = _current(context, change)
    if version.parent == 0:
        raise Conflict(f"version {version.version} was made by an engine: there is nothing to undo")
    with context.database.begin(write=False) as session:
        _, before = alignments.version(session, change.alignment_id, version.parent)
    return restore(context, change, version.parent, leads_back_to=before.parent)


def restore(context: Context, change: Change, to: int, *, leads_back_to: int | None = None) -> Saved:
    """Make an older version current again, as a new one, which `undo` leads back from to what is current now.

    Raises
    ------
    NotFound
        If there is no such version.
    """
    _current(context, change)
    with context.database.begin(write=False) as session:
        alignment, version = alignments.version(session, change.alignment_id, to)
    parent = change.based_on if leads_back_to is None else leads_back_to
    number = keep(context, change, alignment, Source(version.source), version.corrected, parent)
    return shown(number, alignment, version.corrected)


def keep(
    context: Context,
    change: Change,
    alignment: Alignment,
    source: Source,
    corrected: Sequence[int],
    parent: int | None = None,
) -> int:
    """Keep a new version, in the cache too if a person made it; return its number. Errors as in `correct`."""
    with context.database.begin() as session:
        before = alignments.get(session, change.alignment_id).source
        said = (change.author, change.summary, corrected, parent)
        new = NewVersion(alignment, change.based_on, source, *said)
        number = alignments.add_version(session, change.alignment_id, new)
    if context.cache is not None:
        _tell(context, context.cache, change.alignment_id, had=before == Source.USER_CORRECTED.value)
    return number


def _tell(context: Context, cache: Cache, alignment_id: str, *, had: bool) -> None:
    """Have the cache know what a person made of a track, as it is now; `had` says whether it may know something else.

    Of two who save one after the other, the first may come to the cache last: each looks again until nothing is newer.
    """
    track, told = None, 0
    while True:
        try:
            with context.database.begin(write=False) as session:
                found = alignments.get(session, alignment_id)
                if found.version == told:
                    return
                alignment, version = alignments.version(session, alignment_id, found.version)
                song = songs.get(session, found.song_id)
        except NotFound:  # removed meanwhile, its track in the cache too
            if track is not None:
                cache.forget_track(track, (Source.USER_CORRECTED,))
            return
        except StoreError:  # the version is kept, which is what was asked for
            return
        told = version.version
        sound = found.audio_hash or cache.sound_of(song.recording.content, SOUND_VERSION)
        if not sound or not found.text_hash:
            return
        track = Track(sound, found.text_hash)
        if version.source == Source.USER_CORRECTED.value:
            cache.keep(Source.USER_CORRECTED, track, alignment, artist=song.artist, title=song.title)
            had = True
        elif had:  # taken back: `melisma align` is not to find it any more
            cache.forget_track(track, (Source.USER_CORRECTED,))


def shown(version: int, alignment: Alignment, corrected: Sequence[int]) -> Saved:
    """Spell what a change has led to."""
    document = AlignmentDocument.model_validate_json(alignment_json.write(alignment))
    return Saved(version=version, alignment=document, corrected=list(corrected))


def _current(context: Context, change: Change) -> tuple[Alignment, Version]:
    """Return the current version, which has to be the one that the change is based on."""
    with context.database.begin(write=False) as session:
        now = alignments.current(session, change.alignment_id).version
        if now != change.based_on:
            raise VersionConflict("alignment", change.based_on, now)
        return alignments.version(session, change.alignment_id, now)
