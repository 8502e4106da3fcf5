"""One recording of a corpus of units, as a line of `corpus_timestamped.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from melisma.units.clock import TIMEBASE

JSON, TEXT = "corpus_timestamped.jsonl", "all_units_for_bpe.txt"


@dataclass(frozen=True, slots=True)
class UnitLine:
    """The units of a recording, equal neighbours joined.

    Parameters
    ----------
    id, audio : str
        Of the utterance; `audio` is relative to the folder of the corpus, `start_s` says where in that file it begins.
    units : tuple of int
        Cluster ids, no two neighbours equal.
    runs : tuple of int
        For how many frames of 20 ms each lasts.
    start_s, duration_s : float
        Of the recording in its file, in seconds.
    speaker_id, language : str, optional
        Of the utterance.
    """

    id: str
    audio: str
    units: tuple[int, ...]
    runs: tuple[int, ...]
    start_s: float = 0.0
    duration_s: float = 0.0
    speaker_id: str | None = None
    language: str | None = None

    @property
    def n_frames(self) -> int:
        """How many frames there are."""
        return sum(self.runs)

    def frames(self) -> tuple[int, ...]:
        """Return the unit of every frame, [n_frames].

        Examples
        --------
        >>> UnitLine("a", "a.wav", (7, 2), (1, 3)).frames()
        (7, 2, 2, 2)
        """
        return tuple(unit for unit, run in zip(self.units, self.runs, strict=True) for _ in range(run))

    def to_json(self) -> str:
        """Return the line, without its end; times are seconds from the beginning of the recording.

        Examples
        --------
        >>> UnitLine("a", "a.wav", (7,), (2,), 0.0, 0.05).to_json()
        '{"id":"a","audio":"a.wav","start":0.0,"duration":0.05,"n_frames":2,"units":[{"unit":7,"start":0.0,"end":0.04,"run":2}]}'
        """
        timed, first = [], 0
        for unit, run in zip(self.units, self.runs, strict=True):
            stop = first + run
            timed.append({"unit": unit, "start": TIMEBASE.seconds(first), "end": TIMEBASE.seconds(stop), "run": run})
            first = stop
        about: dict[str, Any] = {"id": self.id, "audio": self.audio, "start": self.start_s, "duration": self.duration_s}
        about |= {"speaker_id": self.speaker_id} if self.speaker_id is not None else {}
        about |= {"language": self.language} if self.language is not None else {}
        return json.dumps(about | {"n_frames": first, "units": timed}, ensure_ascii=False, separators=(",", ":"))


def joined(frames: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return units without equal neighbours, and for how many frames each lasts.

    Examples
    --------
    >>> joined([7, 7, 2, 7])
    ((7, 2, 7), (2, 1, 1))
    """
    units: list[int] = []
    runs: list[int] = []
    for unit in frames:
        if units and units[-1] == unit:
            runs[-1] += 1
        else:
            units.append(int(unit))
            runs.append(1)
    return tuple(units), tuple(runs)
