"""How well a network aligns: held-out clips whose words have known times, decoded as they are in use."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from melisma.aligner.decoder import DecoderConfig, decode_words
from melisma.core.errors import InputError, MelismaError, TooFewFrames
from melisma.core.files import write_atomically
from melisma.core.records import Emission, Float32, LyricLine, Lyrics, Waveform
from melisma.core.timebase import Timebase
from melisma.data.manifest import Utterance, read
from melisma.metrics.alignment import evaluate, onset_errors
from melisma.metrics.edit import edit_distance
from melisma.train.clip_audio import SAMPLE_RATE, read_samples
from melisma.train.ctc.batches import Key
from melisma.train.ctc.collate import Collate, Example, Hearing
from melisma.train.ctc.dataset import Clips
from melisma.train.ctc.model import LyricAlignmentModel, ctc_loss
from melisma.train.ctc.vocabulary import Speller, Spelt, words_of

_REFERENCE = "phone"  # the engine that says when words begin where the manifest does not
# Nats that no label goes below when the sign between words gives its share to the blank.
_NOTHING = np.float32(np.log(np.finfo(np.float32).tiny))
_DECODER = DecoderConfig(refuse=False, second_pass=False)


@dataclass(frozen=True, slots=True)
class Case:
    """A clip to judge by: its place among the clips, its words, and when each begins, in seconds."""

    clip: int
    words: tuple[str, ...]
    onsets_s: tuple[float, ...]
    language: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge finds.

    Parameters
    ----------
    error_s : float
        What the best is chosen by: the mean error of word onsets, where a word without a time is as wrong as its clip
        is long.
    aae_s, median_s, hit100, coverage : float
        Of `melisma.metrics.alignment`; NaN where there is no word with a time.
    label_error : float
        Edits of the likeliest path against the labels, per label.
    loss : float
        CTC in nats a label.
    blank_share : float
        Of the frames.
    n_words : int
        That were judged.
    """

    error_s: float
    aae_s: float
    median_s: float
    hit100: float
    coverage: float
    label_error: float
    loss: float
    blank_share: float
    n_words: int


def _chosen(clips: Clips, n: int) -> list[int]:
    """Choose clips evenly over the manifest, the same for every training."""
    if len(clips) <= n:
        return list(range(len(clips)))
    return [int(clip) for clip in np.unique(np.linspace(0, len(clips) - 1, n).round())]


def _utterances(manifest: Path, lines: set[int]) -> Iterator[tuple[int, Utterance]]:
    for line, utterance in enumerate(read(manifest)):
        if line in lines:
            yield line, utterance


def find_cases(
    manifest: Path, clips: Clips, n: int, kept: Path, key: str, tell: Callable[[str, float], None]
) -> list[Case]:
    """Return clips to judge by, with the onsets of their words.

    The manifest's own words count; where it has none, the embedded phone engine aligns the transcript, once. Clips that
    it refuses, because what is sung there is something else, are left out.

    Parameters
    ----------
    manifest, clips
        Held out.
    n : int
        How many clips at most.
    kept : Path
        JSON file for what was found, with its `key`: another key finds it anew.
    tell : callable
        Told a stage and the share that is done.
    """
    if kept.exists() and (found := _kept(kept, key)) is not None:
        return found
    chosen = _chosen(clips, n)
    by_line = {int(clips.line[clip]): clip for clip in chosen}
    cases: list[Case] = []
    for k, (line, utterance) in enumerate(_utterances(manifest, set(by_line))):
        tell("timing the validation set", k / len(chosen))
        case = _case(by_line[line], utterance, clips)
        if case is not None:
            cases.append(case)
    said = [[case.clip, list(case.words), list(case.onsets_s), case.language] for case in cases]
    write_atomically(kept, json.dumps({"key": key, "cases": said}, ensure_ascii=False).encode("utf-8"))
    return cases


def _kept(path: Path, key: str) -> list[Case] | None:
    try:
        said = json.loads(path.read_bytes())
        if said["key"] != key:
            return None
        return [
            Case(int(clip), tuple(words), tuple(onsets), language) for clip, words, onsets, language in said["cases"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _case(clip: int, utterance: Utterance, clips: Clips) -> Case | None:
    words = words_of(utterance)
    if utterance.words:
        onsets = tuple(word.start for word in utterance.words)
        return Case(clip, words, onsets, utterance.language)
    from melisma.pipeline.align import align

    samples = read_samples(clips.path_of(clip), int(clips.first[clip]), int(clips.n_samples[clip]))
    lyrics = Lyrics((LyricLine(words),))
    language = None if utterance.language == "und" else utterance.language
    try:
        made = align(Waveform(samples, SAMPLE_RATE), lyrics, language=language, engine=_REFERENCE)
    except MelismaError:
        return None
    timed = tuple(word.start_s for word in made.words)
    if len(timed) != len(words) or any(start is None for start in timed):
        return None
    return Case(clip, words, tuple(float(start or 0.0) for start in timed), utterance.language)


class Judge:
    """Judges a network by the cases, clip by clip: no padding changes what it hears.

    Parameters
    ----------
    clips : Clips
        Held out.
    cases : list of Case
        Of them; without any the loss alone tells.
    speller : Speller
        Of the network's vocabulary.
    hearing : Hearing
        What the network takes.
    """

    def __init__(self, clips: Clips, cases: list[Case], speller: Speller, hearing: Hearing) -> None:
        if not cases:
            raise InputError("no clip of the validation set has words whose times are known or can be found")
        self.clips, self.cases, self.speller, self.hearing = clips, cases, speller, hearing
        self._collate = Collate(hearing)

    @torch.no_grad()
    def judge(self, module: LyricAlignmentModel) -> Verdict:
        """Judge the network as it is now; it is in training mode again when this returns, if it was."""
        was_training = module.training
        module.eval()
        errors: list[float] = []
        penalised: list[float] = []
        sums = np.zeros(6)  # edits, labels, loss times labels, blanks, frames, clips
        try:
            for case in self.cases:
                found, seconds = self._clip(module, case, sums)
                errors += found.tolist()
                penalised += np.where(np.isnan(found), seconds, np.abs(found)).tolist()
        finally:
            module.train(was_training)
        scores = evaluate(errors)
        return Verdict(
            error_s=float(np.mean(penalised)),
            aae_s=scores.aae,
            median_s=scores.p50,
            hit100=scores.hit100,
            coverage=scores.coverage,
            label_error=float(sums[0] / max(1, sums[1])),
            loss=float(sums[2] / max(1, sums[1])),
            blank_share=float(sums[3] / max(1, sums[4])),
            n_words=scores.n_words,
        )

    def _clip(self, module: LyricAlignmentModel, case: Case, sums: np.ndarray) -> tuple[np.ndarray, float]:
        clips, blank = self.clips, self.speller.vocabulary.blank
        samples = read_samples(clips.path_of(case.clip), int(clips.first[case.clip]), int(clips.n_samples[case.clip]))
        spelt = self.speller.spell(case.words, case.language)
        seconds = len(samples) / SAMPLE_RATE
        batch = self._collate([Example(self.hearing.hear(samples), spelt.ids, seconds, Key(0, 0, case.clip))]).to(
            module.device
        )
        logits, frames = module(batch.inputs, batch.lengths)
        log_probs = logits.float().log_softmax(2)
        n_labels, n_frames = len(spelt.ids), int(frames[0])
        loss = float(ctc_loss(log_probs, batch, frames, blank))
        heard = log_probs[0, :n_frames].cpu().numpy()
        best = heard.argmax(1)
        path = best[np.flatnonzero(np.diff(best, prepend=-1))]
        edits = edit_distance(path[path != blank], spelt.ids)
        sums += (edits, n_labels, loss * n_labels, np.count_nonzero(best == blank), n_frames, 1)
        return self._errors(heard, spelt, case, len(samples)), seconds

    def _errors(self, heard: Float32, spelt: Spelt, case: Case, n_samples: int) -> np.ndarray:
        if np.isnan(heard).any():  # a network that has come to nothing places no word
            return np.full(len(case.words), np.nan)
        vocabulary = self.speller.vocabulary
        if vocabulary.delimiter is not None:
            _give_to_blank(heard, vocabulary.labels.index(vocabulary.delimiter), vocabulary.blank)
        clock = Timebase(SAMPLE_RATE, self.hearing.stride)
        emission = Emission(heard, vocabulary.labels, vocabulary.blank, clock, n_samples)
        try:
            words = decode_words(emission, spelt.tokens, Lyrics((LyricLine(case.words),)), _DECODER).words
        except TooFewFrames:
            return np.full(len(case.words), np.nan)
        starts = [np.nan if word.start_s is None else word.start_s for word in words]
        return onset_errors(starts, case.onsets_s)


def _give_to_blank(log_probs: Float32, label: int, blank: int) -> None:
    """Move the probability of the sign between words to the blank, in place: nothing is sung in it."""
    np.logaddexp(log_probs[:, blank], log_probs[:, label], out=log_probs[:, blank])
    log_probs[:, label] = _NOTHING
