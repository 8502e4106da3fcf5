"""A corpus with the time of every phone of it: its transcripts aligned with a model, for trainings."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from melisma.aligner.phone_times import Hear, align_phones
from melisma.core.errors import InputError, OutputError, TooFewFrames
from melisma.core.files import write_atomically
from melisma.text.phones import INVENTORY
from melisma.train.certificate import Part, certify
from melisma.train.corpus import Clip, UtteranceRow, load_speech, read_manifest, split_speakers

log = logging.getLogger(__name__)


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
