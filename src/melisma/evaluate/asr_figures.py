"""Figures of judged utterances: rates with their intervals, confusions, signs of hallucination, times of words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from melisma.evaluate.asr_bootstrap import Bootstrap, Floats, Interval, summed
from melisma.evaluate.asr_judge import LENGTHS, NOISES, Judged, buckets
from melisma.evaluate.asr_scores import (
    NORMALISED,
    UNKNOWN,
    Confusion,
    Confusions,
    Group,
    Hallucinations,
    Scores,
    Tally,
    Timing,
    Variants,
)
from melisma.metrics.transcription import total
from melisma.text import scoring, yat

NEAR_S = 0.2  # of the contract
_MOST = 200  # confusions of each kind
_CHARACTERS = 500  # of the references, that are counted by themselves


def group(judged: Sequence[Judged], bootstrap: Bootstrap) -> Group:
    """Compute the figures of some utterances."""
    tables = {name: table(judged, name) for name in scoring.VIEWS}
    whole = np.concatenate([tables[name] for name in scoring.VIEWS], axis=1)
    drawn = bootstrap.intervals(whole)
    speakers = by_speakers(whole, judged)
    by_speaker = bootstrap.intervals(speakers) if speakers is not None else [None] * len(drawn)
    return Group(
        n_utterances=len(judged),
        n_missing=sum(each.missing for each in judged),
        n_flagged=sum(bool(each.flags) for each in judged),
        seconds=sum(each.utterance.duration for each in judged),
        views={
            name: _scores(judged, name, drawn[2 * k : 2 * k + 2], by_speaker[2 * k])
            for k, name in enumerate(scoring.VIEWS)
        },
        view=judged[0].view if judged else NORMALISED,
    )


def table(judged: Sequence[Judged], view: str = "") -> Floats:
    """Return edits and lengths of words, and those of characters, of each utterance: float64 [n, 4].

    In one view, or in that which was asked for without one.
    """
    found = [each.views[view or each.view] for each in judged]
    rows = [
        (each.words.errors, each.words.n_reference, each.characters.errors, each.characters.n_reference)
        for each in found
    ]
    return np.array(rows, np.float64).reshape(-1, 4)


def by_speakers(rows: Floats, judged: Sequence[Judged]) -> Floats | None:
    """Add the rows of each speaker up; None where fewer than two are known."""
    speakers = [each.utterance.speaker_id for each in judged]
    return summed(rows, speakers) if len({*speakers} - {""}) > 1 else None


def _scores(
    judged: Sequence[Judged], view: str, drawn: Sequence[Interval | None], by_speaker: Interval | None
) -> Scores:
    words = total(each.views[view].words for each in judged)
    characters = total(each.views[view].characters for each in judged)
    return Scores(
        wer=words.rate,
        cer=characters.rate,
        wer_interval=drawn[0],
        cer_interval=drawn[1],
        wer_interval_by_speaker=by_speaker,
        words=Tally.of(words),
        characters=Tally.of(characters),
    )


def groups(judged: Sequence[Judged], key: Callable[[Judged], str], bootstrap: Bootstrap) -> dict[str, Group]:
    """Compute the figures of each group; lengths and noises in their order, others by name, the unknown ones last."""
    found: dict[str, list[Judged]] = {}
    for each in judged:
        found.setdefault(key(each) or UNKNOWN, []).append(each)
    order = {name: place for place, name in enumerate([*buckets(LENGTHS, "s"), *buckets(NOISES, "dB")])}
    names = sorted(found, key=lambda name: (name == UNKNOWN, order.get(name, len(order)), name))
    return {name: group(found[name], bootstrap) for name in names}


def confusions(judged: Sequence[Judged]) -> Confusions:
    """Count the edits in the view that was asked for, and the characters that were said."""
    words = Counter(pair for each in judged for pair in each.wrong_words)
    characters = Counter(pair for each in judged for pair in each.wrong_characters)
    spoken = Counter(character for each in judged for character in each.plain)
    return Confusions(
        words=_most(words, lambda said, heard: bool(said and heard)),
        words_deleted=_most(words, lambda _, heard: not heard),
        words_inserted=_most(words, lambda said, _: not said),
        characters=_most(characters, lambda said, heard: bool(said and heard)),
        characters_deleted=_most(characters, lambda _, heard: not heard),
        characters_inserted=_most(characters, lambda said, _: not said),
        spoken=dict(sorted(spoken.most_common(_CHARACTERS), key=lambda pair: (-pair[1], pair[0]))),
    )


def _most(counted: Counter[tuple[str, str]], wanted: Callable[[str, str], bool]) -> list[Confusion]:
    """Return the most frequent ones, in an order that does not hang on that of the utterances."""
    chosen = sorted((-n, pair) for pair, n in counted.items() if wanted(*pair))
    return [Confusion(reference=said, hypothesis=heard, n=-n) for n, (said, heard) in chosen[:_MOST]]


def variants(judged: Sequence[Judged]) -> Variants:
    """Count the substitutions, scripts folded, that are one word with another pronunciation of yat."""
    found: Counter[tuple[str, str]] = Counter()
    directions: Counter[str] = Counter()
    for each in judged:
        if each.utterance.language.lower().partition("-")[0] in yat.LANGUAGES:
            for said, heard in each.folded_words:
                if kinds := yat.variant_kinds(said, heard):
                    found[said, heard] += 1
                    directions[" > ".join(kinds)] += 1
    words = total(each.views[scoring.FOLDED].words for each in judged)
    without = (words.errors - found.total()) / words.n_reference if words.n_reference else None
    return Variants(
        n=found.total(),
        directions=dict(sorted(directions.items())),
        wer_without=without,
        most=_most(found, lambda said, heard: True),
    )


def hallucinations(judged: Sequence[Judged]) -> Hallucinations:
    """Count the utterances with signs of hallucination, and the words that were inserted in them."""
    flagged = [each for each in judged if each.flags]
    reasons = Counter(reason for each in flagged for reason in each.flags)
    return Hallucinations(
        n_utterances=len(flagged),
        n_words=sum(each.scores.words.insertions for each in flagged),
        share=len(flagged) / len(judged) if judged else 0.0,
        reasons=dict(sorted(reasons.items())),
    )


def timing(judged: Iterable[Judged]) -> Timing | None:
    """Measure the times of words; None where no reference is timed."""
    timed = [each.times for each in judged if each.times.n_words]
    if not timed:
        return None
    n_words = sum(each.n_words for each in timed)
    onsets = np.concatenate([each.onsets for each in timed])
    ends = np.abs(np.concatenate([each.ends for each in timed]))
    sizes = np.abs(onsets)
    known = bool(len(onsets))
    return Timing(
        n_utterances=len(timed),
        n_words=n_words,
        n_matched=len(onsets),
        coverage=len(onsets) / n_words,
        mean=float(sizes.mean()) if known else None,
        median=float(np.median(sizes)) if known else None,
        p90=float(np.quantile(sizes, 0.9)) if known else None,
        bias=float(np.median(onsets)) if known else None,
        within=float(np.mean(sizes < NEAR_S)) if known else None,
        limit=NEAR_S,
        mean_end=float(ends.mean()) if known else None,
    )


def languages_heard(judged: Iterable[Judged]) -> dict[str, dict[str, int]]:
    """Count the languages that were heard, by language of the reference; those that hypotheses do not name are left."""
    found: dict[str, Counter[str]] = {}
    for each in judged:
        if each.hypothesis.language:
            found.setdefault(each.utterance.language, Counter())[each.hypothesis.language] += 1
    return {language: dict(sorted(found[language].items())) for language in sorted(found)}
