"""Transcribers on a manifest: error rates of words and characters, by what utterances have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np

from melisma.core.errors import InputError
from melisma.core.files import sha256_of
from melisma.data import manifest as manifests
from melisma.data import recordings
from melisma.data.manifest import Utterance
from melisma.evaluate import asr_figures as figures
from melisma.evaluate.asr_accept import Rules, accept
from melisma.evaluate.asr_bootstrap import Bootstrap, Floats
from melisma.evaluate.asr_hypotheses import Hypothesis
from melisma.evaluate.asr_judge import Judged, Sound, judge
from melisma.evaluate.asr_result import SCHEMA, Difference, EvalResult, ModelResult, Settings, Source, UtteranceScore
from melisma.evaluate.asr_scores import NORMALISED, Tally, View

Text = Literal["transcript", "norm"]


@dataclass(frozen=True, slots=True)
class Entrant:
    """Who is measured: hypotheses by the id of their utterance, and where they come from.

    Parameters
    ----------
    label : str
        Of its row.
    hypotheses : mapping of Hypothesis
        An utterance that has none counts as deleted.
    source : Source
        What made them.
    note : str
        What to know of them.
    """

    label: str
    hypotheses: Mapping[str, Hypothesis]
    source: Source
    note: str = ""


@dataclass(frozen=True, slots=True)
class EvalConfig:
    """How it is measured.

    Parameters
    ----------
    run : str
        What the result is called.
    seed, draws : int
        Of the bootstrap.
    limit : int, optional
        Only so many utterances, drawn by the seed.
    view : {"normalised", "raw", "folded"}
        What single figures, confusions, differences and acceptance are of.
    text : {"transcript", "norm"}
        Field that the references were taken from, by `chosen`.
    numbers : bool
        Write figures in words before comparing.
    variants : bool
        Count pronunciations of yat by themselves.
    rules : Rules
        Of acceptance.
    """

    run: str = "run"
    seed: int = 0
    draws: int = 1000
    limit: int | None = None
    view: View = NORMALISED
    text: Text = "transcript"
    numbers: bool = False
    variants: bool = False
    rules: Rules = field(default_factory=Rules)


def chosen(manifest: Path, limit: int | None = None, seed: int = 0, text: Text = "transcript") -> list[Utterance]:
    """Read the utterances to measure, in the order of the manifest; a part of them, drawn by the seed, with a limit.

    With "norm", what `melisma data normalize` made of a transcript stands in its place, where there is such.

    Raises
    ------
    InputError
        If the manifest cannot be read, has an id twice, or has no utterance.
    """
    recordings.read(manifest)  # refuses an id that comes twice
    found = [_worded(each, text) for each in manifests.read(manifest)]
    if not found:
        raise InputError(f"{manifest} holds no utterance")
    if limit is None or limit >= len(found):
        return found
    kept = np.sort(np.random.default_rng(seed).choice(len(found), limit, replace=False))
    return [found[i] for i in kept]


def _worded(utterance: Utterance, text: Text) -> Utterance:
    said = (utterance.model_extra or {}).get("norm")
    if text == "transcript" or not isinstance(said, str):
        return utterance
    return utterance.model_copy(update={"transcript": said})


def evaluate(
    manifest: Path,
    utterances: Sequence[Utterance],
    entrants: Sequence[Entrant],
    config: EvalConfig | None = None,
    sounds: Mapping[str, Sound] | None = None,
) -> EvalResult:
    """Compare what each entrant heard with what was said.

    Parameters
    ----------
    manifest : Path
        That the utterances are of.
    utterances : sequence of Utterance
        As `chosen` gives them.
    entrants : sequence of Entrant
        One or more.
    sounds : mapping of Sound, optional
        By id of the utterance; what the manifest says without.

    Raises
    ------
    InputError
        If two entrants have one label, or one has no hypothesis for any of the utterances.
    """
    config = config or EvalConfig()
    if len({each.label for each in entrants}) < len(entrants):
        raise InputError("two models have the same name: give them files or folders with different names")
    judged = {each.label: _judged(utterances, each, config, sounds or {}) for each in entrants}
    bootstrap = Bootstrap(config.seed, config.draws)
    known = {each.id for each in utterances}
    return EvalResult(
        schema=SCHEMA,
        run=config.run,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        manifest=manifest.name,
        manifest_sha256=sha256_of(manifest),
        n_utterances=len(utterances),
        n_timed=sum(bool(each.words) for each in utterances),
        seconds=sum(each.duration for each in utterances),
        settings=Settings(
            seed=config.seed,
            draws=config.draws,
            level=bootstrap.level,
            view=config.view,
            text=config.text,
            numbers=config.numbers,
            variants=config.variants,
            limit=config.limit,
        ),
        models={each.label: _model(each, judged[each.label], known, config, bootstrap) for each in entrants},
        differences=[
            found for a, b in combinations(judged, 2) for found in _differences(a, b, judged[a], judged[b], bootstrap)
        ],
    )


def _judged(
    utterances: Sequence[Utterance], entrant: Entrant, config: EvalConfig, sounds: Mapping[str, Sound]
) -> list[Judged]:
    found = entrant.hypotheses
    if utterances and not any(each.id in found for each in utterances):
        raise InputError(f"{entrant.label} has a hypothesis for none of the utterances: is it for this manifest?")
    return [
        judge(each, found.get(each.id), sounds.get(each.id), view=config.view, numbers=config.numbers)
        for each in utterances
    ]


def _model(
    entrant: Entrant, judged: Sequence[Judged], known: set[str], config: EvalConfig, bootstrap: Bootstrap
) -> ModelResult:
    overall, timing = figures.group(judged, bootstrap), figures.timing(judged)
    spent = [each.seconds for each in entrant.hypotheses.values() if each.seconds is not None]
    return ModelResult(
        source=entrant.source,
        note=entrant.note,
        n_strange=0 if config.limit else len(entrant.hypotheses.keys() - known),
        seconds=sum(spent) if spent else None,
        overall=overall,
        by_language=figures.groups(judged, lambda each: each.utterance.language, bootstrap),
        by_speaker=figures.groups(judged, lambda each: each.utterance.speaker_id, bootstrap),
        by_length=figures.groups(judged, lambda each: each.length, bootstrap),
        by_noise=figures.groups(judged, lambda each: each.noise, bootstrap),
        languages_heard=figures.languages_heard(judged),
        confusions=figures.confusions(judged),
        variants=figures.variants(judged) if config.variants else None,
        hallucinations=figures.hallucinations(judged),
        timing=timing,
        acceptance=accept(judged, overall, timing, config.rules),
        utterances=[_utterance(each) for each in judged],
    )


def _utterance(judged: Judged) -> UtteranceScore:
    said, heard = judged.utterance, judged.hypothesis
    return UtteranceScore(
        id=said.id,
        audio=said.audio,
        start=said.start,
        duration=said.duration,
        language=said.language,
        speaker_id=said.speaker_id,
        length=judged.length,
        noise=judged.noise,
        snr_db=judged.sound.snr_db,
        reference=said.transcript,
        hypothesis=heard.text,
        heard_language=heard.language,
        missing=judged.missing,
        fault=heard.error,
        flags=list(judged.flags),
        words=Tally.of(judged.scores.words),
        characters=Tally.of(judged.scores.characters),
        offset=judged.times.offset,
    )


def _differences(
    model: str, other: str, ours: Sequence[Judged], theirs: Sequence[Judged], bootstrap: Bootstrap
) -> Iterator[Difference]:
    """Compare two models on the same utterances, drawn one by one, and by speakers where these are known."""
    a, b = figures.table(ours), figures.table(theirs)
    whole = [x - y for x, y in zip(_rates(a), _rates(b), strict=True)]
    blocks = figures.by_speakers(a, ours), figures.by_speakers(b, theirs)
    for unit, (first, second) in (("utterance", (a, b)), ("speaker", blocks)):
        if first is None or second is None:
            continue
        for rate, difference, interval in zip(("wer", "cer"), whole, bootstrap.differences(first, second), strict=True):
            if interval is not None:
                yield Difference.model_validate(
                    {
                        "model": model,
                        "other": other,
                        "unit": unit,
                        "rate": rate,
                        "difference": difference,
                        "interval": interval,
                        "sure": interval[0] > 0 or interval[1] < 0,
                    }
                )


def _rates(rows: Floats) -> list[float]:
    sums = rows.sum(axis=0)
    return [float(sums[k] / sums[k + 1]) if sums[k + 1] else float("nan") for k in (0, 2)]
