"""How much of DALI there is, by language, score, genre and version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from melisma.data.dali.service import DaliService, Header, Selection

Table = dict[str, dict[str, int]]
_NCC_STEP = 0.05


def count(dali: DaliService, selection: Selection | None = None) -> dict[str, Table]:
    """Count songs, recordings that are there, words, and minutes from the first word to the last.

    Returns
    -------
    mapping
        From a title (total, language, NCC, genre, version, fault) to rows, each a mapping of numbers by name.
    """
    songs = list(dali.headers(selection))
    there = {song.id for song in songs if dali.audio_of(song.id) is not None}
    faults: Counter[str] = Counter()
    for song in songs:
        faults.update(song.faults)
    return {
        "total": _table(songs, there, lambda song: ("all songs",)),
        "language": _table(songs, there, lambda song: (song.language,), by_size=True),
        "NCC": _table(songs, there, lambda song: (_step(song.ncc),)),
        "genre": _table(songs, there, lambda song: song.genres or ("none",), by_size=True),
        "version": _table(songs, there, lambda song: (song.version or "none",)),
        "times": _table(songs, there, lambda song: ("set by a person" if song.ground_truth else "fitted by DALI",)),
        "fault": {kind: {"items": n} for kind, n in faults.most_common()},
    }


def _step(ncc: float | None) -> str:
    """Name the step of a score.

    >>> _step(0.8462), _step(1.0), _step(None)
    ('0.80 to 0.85', '0.95 to 1.00', 'none')
    """
    if ncc is None:
        return "none"
    low = min(int(ncc / _NCC_STEP + 1e-9), round(1 / _NCC_STEP) - 1) * _NCC_STEP
    return f"{low:.2f} to {low + _NCC_STEP:.2f}"


def _table(
    songs: Iterable[Header],
    there: set[str],
    keys: Callable[[Header], Iterable[str]],
    *,
    by_size: bool = False,
) -> Table:
    rows: Table = {}
    seconds: Counter[str] = Counter()
    for song in songs:
        for key in keys(song):
            row = rows.setdefault(key, {"songs": 0, "recordings": 0, "ground truth": 0, "words": 0, "minutes": 0})
            row["songs"] += 1
            row["recordings"] += song.id in there
            row["ground truth"] += song.ground_truth
            row["words"] += song.n_words
            seconds[key] += round(song.end_s - song.start_s)
    for key, row in rows.items():
        row["minutes"] = round(seconds[key] / 60)
    order = sorted(rows, key=lambda key: (-rows[key]["songs"], key)) if by_size else sorted(rows)
    return {key: rows[key] for key in order}
