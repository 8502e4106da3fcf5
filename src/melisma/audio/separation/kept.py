"""Separated voices that are kept: minutes of work, found again by the sound of the recording, whatever its file.

One FLAC of 16 bits per voice in a folder. Its name is a hash of the recording's samples and of all that decides the
result. Files are put in place whole; the ones that were used longest ago go when there are too many bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from melisma.core.errors import InputError

DEFAULT_MB = 2000  # about 250 songs: 16-bit FLAC of a voice is about 8 MB
_VARIABLE = "MELISMA_SEPARATED_MB"
_ABANDONED_S = 24 * 3600  # a file that nobody has written to for so long is what a killed process left


@dataclass(frozen=True, slots=True)
class KeptVoices:
    """A folder of separated voices of at most `max_bytes`; 0 keeps nothing."""

    folder: Path
    max_bytes: int = DEFAULT_MB * 1_000_000

    @classmethod
    def of_user(cls) -> KeptVoices:
        """Return the user's own: in the cache folder of the platform, or where MELISMA_CACHE_DIR says.

        Raises
        ------
        InputError
            If MELISMA_SEPARATED_MB is no number.
        """
        said = os.environ.get(_VARIABLE, "").strip() or str(DEFAULT_MB)
        if not said.isdecimal():
            raise InputError(f"{_VARIABLE} is a number of megabytes, 0 or more, not {said[:40]!r}")
        root = os.environ.get("MELISMA_CACHE_DIR") or platformdirs.user_cache_dir("melisma", appauthor=False)
        return cls(Path(root) / "separated", int(said) * 1_000_000)

    def path(self, sound: str, how: str) -> Path:
        """Return where the voice of a recording is kept: `sound` as `Decoded.sound` has it, separated as `how` says."""
        return self.folder / f"{sound[:40]}-{hashlib.sha256(how.encode()).hexdigest()[:16]}.flac"

    def use(self, path: Path) -> bool:
        """Tell whether a voice is kept; it counts as used now."""
        try:
            os.utime(path)
        except OSError:
            return False
        return True

    def new(self, path: Path, number: int) -> Path | None:
        """Return where to write a voice before it is put in place; None where nothing is kept or can be."""
        if not self.max_bytes:
            return None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return None
        return path.with_name(f"{path.stem}.{os.getpid()}.{number}.part")

    def put(self, part: Path | None, path: Path) -> bool:
        """Put a voice that is written in place and make room; tell whether that could be."""
        if part is None:
            return False
        try:
            os.replace(part, path)
        except OSError:
            return False
        self._make_room()
        return True

    def drop(self, path: Path) -> None:
        """Take a file away, if it is there."""
        with contextlib.suppress(OSError):
            path.unlink()

    def _make_room(self) -> None:
        """Remove what was used longest ago; another process may do the same at the same time."""
        files: list[tuple[float, int, Path]] = []
        for path in self.folder.glob("*.flac"):
            with contextlib.suppress(OSError):
                found = path.stat()
                files.append((found.st_mtime, found.st_size, path))
        for part in self.folder.glob("*.part"):
            with contextlib.suppress(OSError):
                if part.stat().st_mtime < time.time() - _ABANDONED_S:
                    part.unlink()
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self.max_bytes:
                return
            self.drop(path)
            total -= size
