"""The balance of a manifest from its lines and its sound to a report, and weights to draw its clips by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError
from melisma.data import by_recording, recordings
from melisma.data.balance import (
    LENGTHS_S,
    NOISE_DB,
    UNKNOWN,
    Amounts,
    Tally,
    buckets,
    language_of,
    spread,
    temperature_weights,
)
from melisma.data.balance_advice import advise
from melisma.data.lines import writing
from melisma.data.manifest import Utterance, read
from melisma.data.noise import Noise, said_snr
from melisma.data.report import Problem, Report
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Progress

SCHEMA = "melisma.balance/1"
_MOST_SPEAKERS = 50  # named in the report


@dataclass(slots=True)
class Balance:
    """What was found, and the recordings that could not be listened to."""

    tally: Tally = field(default_factory=Tally)
    problems: list[Problem] = field(default_factory=list)


def measure(
    manifest: Path,
    journal: Path | None,
    *,
    listen: bool = True,
    further: Sequence[str] = (),
    annotate: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[Iterator[Utterance], Balance]:
    """Count the utterances of a manifest, recording by recording, as they are yielded.

    Parameters
    ----------
    manifest : Path
    journal : Path, optional
        Keeps what was heard, so that nothing is listened to twice.
    listen : bool
        Whether to estimate the noise of what gives no `snr_db`.
    further : sequence of str
        More fields to count by.
    annotate : bool
        Whether utterances are yielded with their `snr_db`.
    executor : Executor, optional
        Who does it; all cores of this machine without.
    progress : callable, optional
        Told of the share that is done.

    Returns
    -------
    iterator of Utterance, Balance
        The second is complete when the first is used up.
    """
    found = Balance()

    def walk() -> Iterator[Utterance]:
        heard = _heard(manifest, journal, executor, progress) if listen else _unheard(manifest)
        for utterance, snr_db, error in heard:
            if error:
                found.problems.append(Problem(utterance.id, "unreadable", error))
                found.tally.n_unreadable += 1
            found.tally.add(utterance, snr_db, further)
            yield utterance.changed(snr_db=snr_db) if annotate and snr_db is not None else utterance

    return walk(), found


def _heard(
    manifest: Path, journal: Path | None, executor: Executor | None, progress: Progress | None
) -> Iterator[tuple[Utterance, float | None, str]]:
    found = recordings.read(manifest)
    outcomes = (executor or LocalExecutor()).run(Noise(), by_recording.Tasks(found), journal=journal, progress=progress)
    for recording, outcome in zip(found, outcomes, strict=True):
        values = outcome.value or [None] * len(recording.utterances)
        for utterance, snr_db in zip(recording.utterances, values, strict=True):
            yield utterance, snr_db, outcome.error or ""


def _unheard(manifest: Path) -> Iterator[tuple[Utterance, float | None, str]]:
    return ((utterance, said_snr(utterance), "") for utterance in read(manifest))


def report(found: Balance, settings: dict[str, Any]) -> Report:
    """Return the figures, how even they are, and what to do about it."""
    tally = found.tally
    speakers = [amount.seconds for amount in tally.people().values()]
    details: dict[str, Any] = {
        "schema": SCHEMA,
        "languages": [_language(tally, name) for name in _largest_first(tally.languages)],
        "speakers": _speakers(tally),
        "dialects": _rows(tally.dialects()),
        "noise_db": _rows(tally.noise, [*buckets(NOISE_DB, "dB"), UNKNOWN]),
        "durations": _rows(tally.lengths, buckets(LENGTHS_S, "s")),
        "scripts": _rows(tally.scripts),
        **{f"by_{name}": _rows(amounts) for name, amounts in tally.fields.items()},
        "recommendations": [asdict(advice) for advice in advise(tally)],
    }
    counts: dict[str, int | float] = {
        "utterances": tally.total.clips,
        "hours": tally.total.hours,
        "languages": sum(name != UNKNOWN for name in tally.languages),
        "speakers": len(speakers),
        "effective_speakers": spread(speakers).effective,
        "without_transcript": tally.n_without_text,
        "unreadable": tally.n_unreadable,
        "recommendations": len(details["recommendations"]),
    }
    return Report("data balance", settings, counts, found.problems, details)


def _language(tally: Tally, name: str) -> dict[str, Any]:
    amount = tally.languages[name]
    own = {speaker: each.seconds for (language, speaker), each in tally.speakers.items() if language == name}
    known = [seconds for speaker, seconds in own.items() if speaker]
    return {
        "language": name,
        "clips": amount.clips,
        "hours": round(amount.hours, 4),
        "share": round(amount.seconds / tally.total.seconds, 4),
        "speakers": asdict(spread(known)),
        "hours_without_speaker": round(own.get("", 0.0) / 3600, 4),
    }


def _speakers(tally: Tally) -> dict[str, Any]:
    known = {each: amount for each, amount in tally.speakers.items() if each[1]}
    first = sorted(known, key=lambda each: (-known[each].seconds, each))[:_MOST_SPEAKERS]
    languages = [amount.seconds for name, amount in tally.languages.items() if name != UNKNOWN]
    return {
        "spread": asdict(spread([amount.seconds for amount in tally.people().values()])),
        "languages_spread": asdict(spread(languages)),
        "largest": [
            {
                "speaker": speaker,
                "language": language,
                "clips": known[language, speaker].clips,
                "hours": round(known[language, speaker].hours, 4),
            }
            for language, speaker in first
        ],
    }


def _largest_first(amounts: Amounts) -> list[str]:
    return sorted(amounts, key=lambda name: (-amounts[name].seconds, name))


def _rows(amounts: Amounts, order: Sequence[str] | None = None) -> list[dict[str, Any]]:
    names = [name for name in order if name in amounts] if order else _largest_first(amounts)
    return [{"name": n, "clips": amounts[n].clips, "hours": round(amounts[n].hours, 4)} for n in names]


def write_weights(manifest: Path, path: Path, by: Sequence[str], temperature: float) -> dict[str, float]:
    """Write how often each clip is to be drawn, `{"id": …, "weight": …}` a line; return the weight of each group.

    Weights are 1 on the average over all time, so that an epoch stays as long as it is.

    Parameters
    ----------
    manifest : Path
        Read again, line by line.
    path : Path
        File to write, whole or not at all.
    by : sequence of str
        What groups are made of, such as ("language",) or ("language", "speaker_id").
    temperature : float
        1 draws as the corpus is, 0 draws all groups alike.

    Raises
    ------
    InputError
        If no utterance has one of the fields.
    OutputError
        If it cannot be written.
    """
    hours: dict[str, float] = {}
    unsaid = set(by) - {"language"}
    for utterance in read(manifest):
        unsaid = {name for name in unsaid if group_of(utterance, [name]) == UNKNOWN}
        name = group_of(utterance, by)
        hours[name] = hours.get(name, 0.0) + utterance.duration / 3600
    if unsaid:
        raise InputError(f"no utterance of {manifest} says its {min(unsaid)}")
    weights = temperature_weights(hours, temperature)
    with writing(path) as line_to:
        for utterance in read(manifest):
            said = {"id": utterance.id, "weight": round(weights[group_of(utterance, by)], 6)}
            line_to(json.dumps(said, ensure_ascii=False))
    return {name: round(weight, 4) for name, weight in sorted(weights.items())}


def group_of(utterance: Utterance, by: Sequence[str]) -> str:
    """Return the group of an utterance, as the values of its fields with blanks between."""
    said = dict(utterance)  # extra fields too
    values = (language_of(utterance) if name == "language" else said.get(name) for name in by)
    return " ".join(str(value or UNKNOWN) for value in values)
