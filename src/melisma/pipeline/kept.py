"""Alignments of earlier runs: which of them may stand for the one that would be computed now.

The engine that a song ends up with is known only when it has been aligned, so what is kept is filed under the engines
that were asked: one alone if its result passed the gate, several if the first was refused. It is served where the
engines that would be asked now begin with exactly these; a result that the gate refused, where nobody else could be
asked, only where they are exactly these. So a result of a later tier is not served once an earlier one can be used
again, and one that was made while an engine was broken is not kept at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from melisma.audio import decode
from melisma.core.errors import AudioError, MelismaError
from melisma.core.records import Alignment, Waveform
from melisma.engines.protocol import Engine, EngineFacts, Task
from melisma.pipeline import log, router
from melisma.pipeline.asked import Asked
from melisma.pipeline.settings import RouterSettings
from melisma.pipeline.song import Song
from melisma.pipeline.version import code_version
from melisma.store import keys
from melisma.store.entries import Entry, Source
from melisma.store.keys import FileMark, ResultKey, Track

if TYPE_CHECKING:
    from melisma.pipeline.align import AlignConfig
    from melisma.store.cache import Cache

AUTOMATIC = "auto"  # the language of a key where the text decides
SOURCES = {Task.EMIT: Source.CTC, Task.TRANSCRIBE: Source.WHISPER, Task.PLACE: Source.PLACED}
# What decides nothing of a result, or is in the key in another form. Whatever else a setting is, it is in the key.
_NOT_IN_KEY = frozenset(
    {"language", "engine", "fallback", "track_id", "artist", "title", "cache", "settings"}
    | {"tiers", "licence_mode", "timeouts", "retries", "breaker", "state", "flags"}
)


class Shelf:
    """What is kept of one song.

    Parameters
    ----------
    cache : Cache
        Where it is kept.
    song : Song
        Recording and lyrics.
    config : AlignConfig
        What the caller turned.
    wanted : Route
        How the song would be walked.
    settings : RouterSettings
        What the machine's owner set.
    """

    def __init__(
        self, cache: Cache, song: Song, config: AlignConfig, wanted: router.Route, settings: RouterSettings
    ) -> None:
        self._cache, self._song, self._config = cache, song, config
        self._wanted, self._settings = wanted, settings
        self._mark: FileMark | None = None
        self._sound = ""

    def find(self) -> Alignment | None:
        """Return what is kept, if it is as good as computing it now.

        Raises
        ------
        AudioError
            If the recording cannot be used.
        """
        plan = router.plan(self._song, self._wanted, self._settings)
        self._sound = self._known_sound() or self._decoded_sound(plan)
        if not self._sound:
            return None
        track = self._track()
        try:
            chains = list(_chains(plan))
            wanted = [self._key(track, chain) for chain in chains]
            wanted += [self._key(track, chain, refused=True) for chain in chains if len(chain) == len(plan)]
        except MelismaError:  # what is to be listened to cannot be had: the walk will say so
            return None
        found = self._cache.find(track, wanted)
        if found is None:
            return None
        self._say(found)
        return found.alignment

    def keep(self, alignment: Alignment, task: Task, asked: Asked) -> None:
        """Keep what was computed, unless an engine or a separator broke on the way."""
        if asked.broken or self._song.fell_back or not asked.facts:
            return
        self._sound = self._sound or self._song.sound
        if not self._sound:
            return
        if self._mark is not None and not keys.unchanged(Path(str(self._song.audio)), self._mark):
            return  # what was hashed is not what was listened to
        track = self._track()
        names = {"artist": self._config.artist, "title": self._config.title}
        key = self._key(track, asked.facts, refused=not asked.passed)
        self._cache.keep(SOURCES[task], track, alignment, key, **names)

    def _known_sound(self) -> str:
        """Return the sound of a waveform, or of a file whose bytes were seen before; empty for any other."""
        audio = self._song.audio
        if isinstance(audio, Waveform):
            return keys.sound_hash(audio)
        self._mark = keys.mark_file(Path(audio))
        if self._mark is None:
            return ""
        return self._cache.sound_of(self._mark.content, decode.SOUND_VERSION) or ""

    def _decoded_sound(self, plan: Sequence[Engine]) -> str:
        """Decode the recording as the first engine would have it, and remember what its bytes sound like."""
        if not plan:
            return ""
        try:
            self._song.prepare(plan[0])
        except AudioError:
            raise
        except MelismaError:  # the language, or what separates the voice: the walk will say what it means
            return ""
        sound, audio = self._song.sound, self._song.audio
        # A damaged file may be decoded otherwise one day, by a decoder that steps over the damage.
        clean = not self._song.warnings(plan[0].facts)
        if (
            sound
            and clean
            and self._mark
            and not isinstance(audio, Waveform)
            and keys.unchanged(Path(audio), self._mark)
        ):
            self._cache.remember_sound(self._mark.content, decode.SOUND_VERSION, sound)
        return sound

    def _track(self) -> Track:
        lyrics = self._song.lyrics
        return Track(self._sound, keys.text_hash(lyrics) if lyrics is not None else "")

    def _key(self, track: Track, chain: Sequence[EngineFacts], *, refused: bool = False) -> ResultKey:
        """File under the last of the engines that were asked, after those before it."""
        *before, last = (_identity(facts) for facts in chain)
        lyrics = self._song.lyrics
        turned = {
            "config": _turned(self._config),
            "decoder": self._wanted.decoder,
            "settings": _turned(self._settings),
            "alone": router.alone(self._wanted, self._settings),
            "hints": keys.hints_hash(lyrics) if lyrics is not None else "",
            "after": before,
            "refused": refused,
            "heard": [self._song.flag(facts) for facts in chain],
        }
        language = self._song.language or AUTOMATIC
        return ResultKey(track, language, **last, pipeline=code_version(), flags=keys.flags(turned))

    def _say(self, found: Entry) -> None:
        log.served(self._wanted.track_id, found.alignment, found.source, found.created_at)


def _chains(plan: Sequence[Engine]) -> Iterator[tuple[EngineFacts, ...]]:
    """Yield the engines that may have been asked, the first alone, the first two, and so on."""
    chain: list[EngineFacts] = []
    for k, engine in enumerate(plan):
        facts = engine.facts
        if not facts.model_revision and facts.device != "http":  # a server's model has no revision that it tells
            if k:  # known once its model is loaded, which is too much for a look
                return
            try:
                engine.load()
            except MelismaError:
                return
            facts = engine.facts
        chain.append(facts)
        yield tuple(chain)


def _identity(facts: EngineFacts) -> dict[str, str]:
    return {
        "engine": facts.name,
        "engine_version": facts.version,
        "model_id": facts.model_id,
        "model_revision": facts.model_revision,
    }


def _turned(settings: Any) -> dict[str, object]:
    return {f.name: getattr(settings, f.name) for f in fields(settings) if f.name not in _NOT_IN_KEY}
