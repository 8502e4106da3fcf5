"""How much there is to learn from: hours, clips, windows of a pass, tokens of a window."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import InputError
from melisma.data import manifest
from melisma.train.whisper.config import WINDOW_S, WhisperTrainingConfig
from melisma.train.whisper.packing import Plan, Rules, Sizes
from melisma.train.whisper.targets import Wording

FILL = 0.9  # of a window of several clips, where the lengths of clips are not known
CLIP_S = 8.0  # mean length of clips, where they are not known
TOKENS_PER_S = 4.5  # of speech, where the text is not known: 14 characters a second, 3 of them a token
CHARACTERS_PER_TOKEN = 3.0  # of Slavic text in Latin letters, in the vocabulary of OpenAI's models
_PROMPT = 4  # tokens before and behind a window's text
_SAMPLE = 2_000  # transcripts that are spelt to learn how long they are


@dataclass(frozen=True, slots=True)
class Amount:
    """What is learnt from.

    Parameters
    ----------
    hours : float
        Of audio that is learnt from.
    n_clips : int
        How many.
    n_windows : int
        Of a pass.
    tokens : float
        Mean of a window, padded to the longest of its batch.
    raw_bytes : int, optional
        Of the files, where they could be looked at.
    n_left_out : int
        Clips that are too short or too long.
    known : bool
        Whether a manifest says so; else it is assumed.
    """

    hours: float
    n_clips: int
    n_windows: int
    tokens: float
    raw_bytes: int | None = None
    n_left_out: int = 0
    known: bool = False


def of_hours(hours: float, config: WhisperTrainingConfig) -> Amount:
    """Return an amount of which only the hours are known.

    Raises
    ------
    InputError
        If they are none.
    """
    if not 0 < hours <= 1e7:
        raise InputError(f"hours of audio are more than 0, not {hours:g}")
    n_clips = max(1, round(hours * 3600 / CLIP_S))
    packed = hours * 3600 / (WINDOW_S * FILL)
    n_windows = max(1, round(config.pack * packed + (1 - config.pack) * n_clips))
    tokens = hours * 3600 * TOKENS_PER_S / n_windows + _PROMPT
    return Amount(hours, n_clips, n_windows, min(tokens * _padding(config), config.max_labels))


def of_manifest(path: Path, config: WhisperTrainingConfig, tokenizer: Any = None) -> Amount:
    """Return what a manifest holds, packed as the training packs it.

    Parameters
    ----------
    path : Path
        The manifest.
    config : WhisperTrainingConfig
        What is left out, and how windows are filled.
    tokenizer : optional
        Of the processor; without one, tokens are reckoned from characters.

    Raises
    ------
    ManifestError
        If a line is wrong.
    InputError
        If nothing of it can be learnt from.
    """
    manifest.refuse_empty(path)
    seconds, characters, languages, speakers = [], [], [], []
    sample: list[str] = []
    files: Counter[Path] = Counter()
    n_all, wording = 0, Wording(config.script, config.text)
    for each in manifest.read(path):
        n_all += 1
        text = wording.text(each)
        if not config.min_clip_s <= each.duration <= config.max_clip_s or not text:
            continue
        seconds.append(each.duration)
        characters.append(len(text))
        languages.append(each.language or "")
        speakers.append(each.speaker_id or each.id)
        files[manifest.audio_path(path, each)] += 1
        if len(sample) < _SAMPLE:
            sample.append(text)
    if not seconds:
        raise InputError(f"{path} holds nothing of {config.min_clip_s:g} to {config.max_clip_s:g} s with a transcript")
    n_tokens = np.maximum(1, np.round(np.array(characters) / _per_token(sample, tokenizer))).astype(np.int64)
    n_windows, tokens = _packed(np.array(seconds), n_tokens, _numbers(languages), _numbers(speakers), config)
    raw = _bytes(files)
    return Amount(sum(seconds) / 3600, len(seconds), n_windows, tokens, raw, n_all - len(seconds), known=True)


def _packed(
    seconds: np.ndarray[Any, Any],
    n_tokens: np.ndarray[Any, Any],
    language: np.ndarray[Any, Any],
    speaker: np.ndarray[Any, Any],
    config: WhisperTrainingConfig,
) -> tuple[int, float]:
    """Return the windows of the first pass, and their mean tokens, padded."""
    room = config.max_labels - _PROMPT
    rules = Rules(config.seed, config.pack, 0.0, config.pack_gap_s, room_labels=room)
    windows = Plan(Sizes(seconds, np.minimum(n_tokens, room), language, speaker), rules).windows(0)
    tokens = np.array([sum(int(n_tokens[clip]) for clip in window.clips) + _PROMPT for window in windows])
    size = config.batch_size
    longest = [tokens[first : first + size].max() for first in range(0, len(tokens), size)]
    return len(windows), float(min(np.mean(longest), config.max_labels))


def _per_token(sample: list[str], tokenizer: Any) -> float:
    """Return the characters of a token."""
    if tokenizer is None:
        return CHARACTERS_PER_TOKEN
    n = sum(len(ids) for ids in tokenizer(sample, add_special_tokens=False)["input_ids"])
    return sum(map(len, sample)) / max(1, n)


def _padding(config: WhisperTrainingConfig) -> float:
    """Return how much longer than the mean the longest window of a batch is, by experience."""
    return 1.0 + 0.05 * min(3.0, float(np.log2(config.batch_size)))


def _numbers(names: list[str]) -> np.ndarray[Any, Any]:
    known = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([known[name] for name in names], np.int64)


def _bytes(files: Counter[Path]) -> int | None:
    """Return the bytes of the files; None if one is not here."""
    try:
        return sum(path.stat().st_size for path in files)
    except OSError:
        return None


def fingerprint(path: Path) -> str:
    """Return what names a manifest in a plan: the first digits of its SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
