"""When each phone of a training clip sounds: its transcript aligned with a model, boundaries where the sound changes.

A CTC model says in which order and about when phones are heard, as spikes; where one phone gives way to the next lies
somewhere between two spikes, and is taken to be where the spectrum changes most, or where a pause stands.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from melisma.aligner.viterbi import viterbi
from melisma.core.errors import InputError, OutputError, TooFewFrames
from melisma.core.files import write_atomically
from melisma.core.records import Float32, Int64, Tokens
from melisma.models import features
from melisma.text.phones import INVENTORY
from melisma.train.certificate import Part, certify
from melisma.train.corpus import Clip, UtteranceRow, load_speech, read_manifest, split_speakers

log = logging.getLogger(__name__)

# Feature frames: a pause shorter than this is a stop's closure, and belongs to a phone.
_PAUSE = 7
# A frame is silent 35 dB under the clip's loud frames (natural log of power).
_SILENT = 35 / 10 * np.log(10)


@dataclass(frozen=True, slots=True)
class PhoneTimes:
    """Spans of phones in feature frames of 10 ms: phone k sounds in frames [start[k], stop[k]), int64 both."""

    start: Int64
    stop: Int64


# Normalised log-mels [n_frames, N_MELS] to log-probabilities [n_frames / hops, n_labels].
Hear = Callable[[Float32], Float32]


def align_phones(log_power: Float32, labels: Int64, hear: Hear, hops: int) -> PhoneTimes:
    """Align the phones of a clean clip.

    Parameters
    ----------
    log_power : float32 [n_frames, N_MELS]
        Log-mel powers.
    labels : int64 [n_phones]
        Label ids, the blank being 0.
    hear : callable
        A CTC model: normalised log-mels to log-probabilities.
    hops : int
        Feature frames per frame of the model.

    Raises
    ------
    TooFewFrames
        If the clip is too short for its phones.
    """
    log_probs = hear(features.normalise(log_power))
    tokens = Tokens(labels, np.zeros(len(labels), np.int64), np.zeros(1, np.int64))
    path = viterbi(log_probs, tokens)
    states = 2 * np.arange(len(labels)) + 1
    first = np.searchsorted(path.states, states, "left") * hops
    last = np.searchsorted(path.states, states, "right") * hops - 1  # the last feature frame of each
    return _sharpen(log_power, first.astype(np.int64), last.astype(np.int64))


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """Which clips of a corpus are aligned, and which of them no training may see."""

    held_out: float = 0.04  # share of a language's clips
    seed: int = 1
    skip: frozenset[str] = frozenset()  # languages


def align_corpus(
    corpus: Path, out: Path, hear: Hear, hops: int, split: SplitConfig | None = None, workers: int = 1
) -> tuple[int, int]:
    """Write two manifests with the time of every phone, `out/training.jsonl` and `out/held-out.jsonl`.

    The certificate that they share no speaker is written beside them, `out/split.json`, unless nothing is held out.

    Parameters
    ----------
    corpus : Path
        Folder with manifest.jsonl and its audio.
    out : Path
        Folder to write to; the audio stays where it is, by absolute paths. `out/cache` keeps features.
    hear, hops
        As for `align_phones`; the model's labels are the blank and the inventory.
    split : SplitConfig, optional
        How the speakers are divided.
    workers : int
        Processes that decode.

    Returns
    -------
    n_training, n_held_out : int
        Clips written; those whose phones do not fit are left out with a logged reason.

    Raises
    ------
    InputError
        If the corpus cannot be read, holds nothing to align, or cannot be divided as asked.
    OutputError
        If the folder cannot be written.
    """
    split = split or SplitConfig()
    rows = {row.id: row for row in read_manifest(corpus / "manifest.jsonl", UtteranceRow)}
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {out}: {error.strerror}") from error
    sides = _sides(corpus, load_speech(corpus, out / "cache", split.skip, workers), split)
    parts: list[Part] = []
    counts: list[int] = []
    for name, clips in zip(("training", "held-out"), sides, strict=True):
        lines = [line for clip in clips if (line := _aligned(clip, rows[clip.id], corpus, hear, hops))]
        write_atomically(out / f"{name}.jsonl", "".join(lines).encode("utf-8"))
        parts.append(Part(out / f"{name}.jsonl"))
        counts.append(len(lines))
    if split.held_out:
        certify(parts[:1], parts[1:], seed=split.seed, share=split.held_out).write(out / "split.json")
    else:
        (out / "split.json").unlink(missing_ok=True)  # of an earlier split
    return counts[0], counts[1]


def _sides(corpus: Path, clips: list[Clip], split: SplitConfig) -> tuple[list[Clip], list[Clip]]:
    """Divide the speakers; whatever is wrong with the split is said before hours of aligning."""
    if not clips:
        raise InputError(f"{corpus} holds no clip to align")
    sides = split_speakers(clips, split.held_out, split.seed)
    if not split.held_out:
        return sides
    if not sides[1]:
        raise InputError(
            f"no speaker of {corpus} has as few clips as {split.held_out:.0%} of their language: hold out more, or none"
        )
    training, held_out = ([Part(corpus / "manifest.jsonl", {clip.id for clip in side})] for side in sides)
    certify(training, held_out, seed=split.seed, share=split.held_out)
    return sides


def _aligned(clip: Clip, row: UtteranceRow, corpus: Path, hear: Hear, hops: int) -> str | None:
    try:
        times = align_phones(clip.log_power.astype(np.float32), clip.labels, hear, hops)
    except TooFewFrames as error:
        log.warning("left out %s: %s", clip.id, error)
        return None
    spans = zip(clip.labels.tolist(), times.start.tolist(), times.stop.tolist(), strict=True)
    phones = [(INVENTORY[label - 1], start / 100, stop / 100) for label, start, stop in spans]
    made = row.model_copy(update={"phones": phones, "audio": str((corpus / row.audio).resolve())})
    return made.model_dump_json(exclude_defaults=True) + "\n"


def _sharpen(log_power: Float32, first: Int64, last: Int64) -> PhoneTimes:
    n = len(log_power)
    loud = np.log(np.exp(log_power).sum(axis=1))
    silent = loud < np.quantile(loud, 0.95) - _SILENT
    change = _change(log_power)
    start, stop = first.copy(), last + 1
    middle_first, middle_last = (
        (first + np.minimum(first + 2, last)) // 2,
        (last + np.maximum(last - 2, first) + 1) // 2,
    )
    for k in range(len(first) - 1):
        low, high = int(middle_last[k]) + 1, max(int(middle_first[k + 1]), int(middle_last[k]) + 1)
        gap = _pause(silent, low, high)
        if gap:
            stop[k], start[k + 1] = gap
        else:
            at = low + int(np.argmax(change[low : high + 1])) if high > low else low
            stop[k] = start[k + 1] = at
    start[0] = _onset(silent, int(middle_first[0]))
    stop[-1] = _offset(silent, int(middle_last[-1]), n)
    return PhoneTimes(start, np.maximum(stop, start))


def _change(log_power: Float32) -> Float32:
    """Return how much the spectrum differs before and after the beginning of each frame, float32 [n_frames]."""
    smooth = np.cumsum(np.pad(log_power, ((3, 2), (0, 0)), mode="edge"), axis=0, dtype=np.float64)
    pairs = smooth[2:] - smooth[:-2]  # pairs[i] sums frames i − 2 and i − 1 of the clip
    return np.asarray(np.abs(pairs[2:] - pairs[:-2]).sum(axis=1)[: len(log_power)], np.float32)


def _pause(silent: npt.NDArray[np.bool_], low: int, high: int) -> tuple[int, int] | None:
    """Return the longest silence between two phones as [begin, end), if it is long enough to be a pause."""
    edges = np.diff(np.concatenate(([0], silent[low:high].astype(np.int8), [0])))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if not len(begins):
        return None
    longest = int(np.argmax(ends - begins))
    begin, end = low + int(begins[longest]), low + int(ends[longest])
    return (begin, end) if end - begin >= _PAUSE else None


def _onset(silent: npt.NDArray[np.bool_], at: int) -> int:
    """Go back from the first phone's spike to where sound begins, at most 150 ms."""
    for i in range(at, max(at - 15, 0), -1):
        if silent[i - 1]:
            return i
    return max(at - 5, 0)


def _offset(silent: npt.NDArray[np.bool_], at: int, n: int) -> int:
    """Go on from the last phone's spike to where sound ends, at most 400 ms."""
    for i in range(at + 1, min(at + 40, n)):
        if silent[i]:
            return i
    return min(at + 10, n)
