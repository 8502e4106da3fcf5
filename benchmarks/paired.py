"""The same songs changed in several ways, aligned with one model: where they come from, and the table of what it costs.

`benchmarks/codecs.py` and `benchmarks/enhancement.py` share it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from melisma.evaluate.align import Song, find_songs
from melisma.metrics import alignment as metrics

SHARED = Path(os.environ.get("MELISMA_SHARED") or Path(__file__).resolve().parents[1] / "../shared")
N_DRAWS = 2000  # of the bootstrap
HIT_S = 0.1


def real_songs() -> list[Song]:
    """Return the songs of $MELISMA_SHARED, none where there are none."""
    if (SHARED / "songs").is_dir():
        return list(find_songs(SHARED / "songs"))
    print(f"the songs are skipped: there is no {SHARED / 'songs'} (MELISMA_SHARED names the folder)")
    return []


@contextmanager
def gathered(folders: Sequence[Path]) -> Iterator[list[Song]]:
    """Read songs whose folders lie anywhere."""
    with tempfile.TemporaryDirectory() as scratch:
        for folder in folders:
            Path(scratch, folder.name).symlink_to(folder.resolve())
        yield list(find_songs(Path(scratch)))


def cost(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return how much of hit100 a change loses, pooled over words, and the standard error over songs.

    Parameters
    ----------
    before, after : sequences of float64 [n_words]
        Signed errors in seconds, song by song. Songs are drawn with replacement for the error.
    """
    hits = np.array([[np.count_nonzero(np.abs(e) <= HIT_S) for e in errors] for errors in (before, after)])
    lost, n_words = hits[0] - hits[1], np.array([len(e) for e in before])
    drawn = np.random.default_rng(0).integers(len(n_words), size=(N_DRAWS, len(n_words)))
    losses = lost[drawn].sum(axis=1) / n_words[drawn].sum(axis=1)
    return float(lost.sum() / n_words.sum()), float(losses.std())


def table(found: Mapping[str, Sequence[np.ndarray]], against: str) -> str:
    """Write a table in Markdown: a row per change with its pooled figures, and its cost against the row so named.

    Parameters
    ----------
    found : mapping from str to a sequence of float64 [n_words]
        Of each change the signed errors of each song, in seconds.
    """
    lines = ["| sound | p50 s | hit100 | cost | pco300 | derail |", "|---|---|---|---|---|---|"]
    for name, errors in found.items():
        scores = metrics.pooled(errors)
        loss, error = cost(found[against], errors)
        lost = "" if name == against else f"{loss:+.3f} ± {error:.3f}"
        lines.append(
            f"| {name} | {scores.p50:.4f} | {scores.hit100:.3f} | {lost} | {scores.pco300:.3f} | {scores.derail:.3f} |"
        )
    return "\n".join(lines)
