"""What engines heard in recordings of late, in memory: whoever corrects a song asks for it again every few seconds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from melisma.core.records import Emission, Waveform
from melisma.engines.protocol import EngineFacts

MAX_BYTES = 64_000_000  # a song of four minutes takes 2 MB, an hour 25 MB


@dataclass(slots=True)
class Emissions:
    """Emissions by what they are of; the least recently used go first where all of them are too many.

    Parameters
    ----------
    max_bytes : int
        Of all together; what is larger by itself is not kept.
    """

    max_bytes: int = MAX_BYTES
    _kept: OrderedDict[Hashable, Emission] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def get(self, key: Hashable | None, make: Callable[[], Emission]) -> Emission:
        """Return an emission, made if it is not kept; a key that is None is not looked up."""
        if key is None:
            return make()
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            while sum(_size(each) for each in self._kept.values()) > self.max_bytes:
                self._kept.popitem(last=False)
        return made

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()


def key(audio: str | Path | Waveform, facts: EngineFacts, heard: str) -> Hashable | None:
    """Return what an emission is of: a file as it is now, the engine, and what of it is listened to.

    None where nobody can tell: for samples, and where the file cannot be looked at.
    """
    if isinstance(audio, Waveform):
        return None
    try:
        path = Path(audio).resolve()
        found = path.stat()
    except OSError:
        return None
    mark = (str(path), found.st_size, found.st_mtime_ns, found.st_ino)
    return (*mark, facts.name, facts.version, facts.model_id, facts.model_revision, heard)


def _size(emission: Emission) -> int:
    return emission.log_probs.nbytes + (0 if emission.vocal is None else emission.vocal.nbytes)


emissions = Emissions()
"""Those of this process."""
