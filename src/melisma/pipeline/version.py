"""The version of everything between a recording and its alignment that is no engine's model."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# Folders whose code has a say in a result. Formats and the cache itself have none.
_DECIDING = ("core", "audio", "text", "models", "engines", "aligner", "pipeline")
# Packages whose releases have moved results by a frame or changed a spelling; those of extras where they are installed.
_LIBRARIES = ("espeakng-loader", "numpy", "onnxruntime", "py3langid", "rapidfuzz", "soundfile", "soxr")
_OF_EXTRAS = ("demucs", "torch", "torchaudio", "transformers", "uroman")  # faster-whisper's is in its engine's version


@cache
def code_version() -> str:
    """Return the version of the package, and a hash of the code and the libraries that decide what it computes.

    A number that somebody has to remember to change is forgotten one day, and then a cache serves what the old code
    computed; a hash of the code cannot be forgotten. It costs some milliseconds and, now and then, an entry that would
    still have been right.
    """
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted(path for folder in _DECIDING for path in (root / folder).rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    for name in (*_LIBRARIES, *_OF_EXTRAS):
        digest.update(f"\0{name} {_version(name)}".encode())
    return f"{_version('melisma')}+{digest.hexdigest()[:16]}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
