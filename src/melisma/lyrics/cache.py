"""Answers of providers, kept on disk for a while: found lyrics for a month, a "not found" for a day.

One file an answer, named by a hash of the question, written whole or not at all. A cache that cannot be read or written
is none: it never breaks a search.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from melisma.core.errors import OutputError
from melisma.core.files import make_folder, write_atomically
from melisma.lyrics.names import fold
from melisma.lyrics.protocol import Candidate, LyricsProvider, SongQuery

_SCHEMA = "melisma.lyrics-answer/1"
_MAX_BYTES = 8_000_000
_KEPT_FIELDS = ("artist", "title", "album", "duration_s", "plain", "synced", "instrumental", "source")


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """Where answers are kept, and how long."""

    folder: Path
    found_s: float = 30 * 86_400.0
    not_found_s: float = 86_400.0
    max_answers: int = 5_000


def default_folder() -> Path:
    """Return the folder for answers: under MELISMA_CACHE_DIR, or the user's cache folder."""
    import platformdirs

    root = os.environ.get("MELISMA_CACHE_DIR")
    return (Path(root) if root else platformdirs.user_cache_path("melisma", appauthor=False)) / "lyrics"


class AnswerCache:
    """Answers on disk."""

    def __init__(self, config: CacheConfig | None = None) -> None:
        self._config = config or CacheConfig(default_folder())

    def get(self, provider: LyricsProvider, query: SongQuery) -> tuple[Candidate, ...] | None:
        """Return what a provider answered, nothing found being an answer too; None where that is unknown or too old."""
        path = self._path(provider, query)
        if path is None:
            return None
        try:
            if path.stat().st_size > _MAX_BYTES:
                return None
            kept = json.loads(path.read_bytes())
            if kept["schema"] != _SCHEMA or not isinstance(kept["candidates"], list):
                return None
            age = time.time() - float(kept["made"])
            found = tuple(_candidate(entry) for entry in kept["candidates"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None  # damaged, or another program's
        lasts = self._config.found_s if any(each.has_text for each in found) else self._config.not_found_s
        return found if 0 <= age < lasts else None

    def put(self, provider: LyricsProvider, query: SongQuery, found: Sequence[Candidate]) -> None:
        """Keep an answer."""
        path = self._path(provider, query)
        if path is None or any(each.file is not None for each in found):
            return
        rows = [{name: value for name, value in asdict(each).items() if name in _KEPT_FIELDS} for each in found]
        kept = {"schema": _SCHEMA, "made": time.time(), "candidates": rows}
        try:
            make_folder(path.parent)
            write_atomically(path, json.dumps(kept, ensure_ascii=True).encode("ascii"))
            self._prune()
        except (OutputError, OSError):
            return  # a full disk or a folder of somebody else's

    def _prune(self) -> None:
        """Drop the oldest answers beyond the limit."""
        files = sorted(self._config.folder.glob("*.json"))
        if len(files) <= self._config.max_answers:
            return
        aged = sorted((path.stat().st_mtime, path) for path in files if path.exists())
        for _, path in aged[: len(aged) - self._config.max_answers * 9 // 10]:
            path.unlink(missing_ok=True)

    def _path(self, provider: LyricsProvider, query: SongQuery) -> Path | None:
        if provider.cache_key is None:
            return None
        length = None if query.duration_s is None else round(query.duration_s)
        asked = [
            provider.name,
            provider.cache_key,
            fold(query.artist),
            fold(query.title),
            fold(query.album or ""),
            length,
        ]
        return self._config.folder / f"{hashlib.sha256(json.dumps(asked).encode()).hexdigest()}.json"


def _candidate(entry: dict[str, object]) -> Candidate:
    """Read one candidate of a file; TypeError or ValueError where it is none."""
    if set(entry) != set(_KEPT_FIELDS):
        raise ValueError("fields are missing, or too many")
    texts = [entry[name] for name in ("artist", "title", "source")]
    maybe = [entry[name] for name in ("album", "plain", "synced")]
    length = entry["duration_s"]
    if not all(isinstance(text, str) for text in texts) or not all(t is None or isinstance(t, str) for t in maybe):
        raise TypeError("a text is none")
    if not (length is None or isinstance(length, (int, float))) or not isinstance(entry["instrumental"], bool):
        raise TypeError("a length is none")
    return Candidate(**entry)  # type: ignore[arg-type]  # checked field by field above
