"""Aligners on a manifest whose words are timed, beside baselines, in one table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import InputError, MelismaError
from melisma.data import recordings
from melisma.data.manifest import Utterance
from melisma.engines.protocol import EngineFacts
from melisma.evaluate.ctc_figures import Figures, Gain, Judged, figures, gains, judge
from melisma.evaluate.ctc_listen import UNIFORM, Listen, signature, words_of
from melisma.evaluate.ctc_report import SCHEMA
from melisma.pipeline import tiers
from melisma.pipeline.settings import RouterSettings
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Task
from melisma.text.language import normalise

Progress = Callable[[str, float], None]
_FAULTS = 20  # utterances that are named in a report


@dataclass(frozen=True, slots=True)
class Entrant:
    """Who is measured.

    Parameters
    ----------
    label : str
        Of its row.
    engine : str
        By any name of an engine, or `UNIFORM`.
    baseline : bool
        Whether the others are compared with it.
    """

    label: str
    engine: str
    baseline: bool = False


@dataclass(frozen=True, slots=True)
class EvalConfig:
    """How it is measured.

    Parameters
    ----------
    jobs : int, optional
        Processes; as many as cores without it.
    limit : int, optional
        Only so many utterances, drawn by the seed.
    seed, draws : int
        Of the bootstrap.
    """

    jobs: int | None = None
    limit: int | None = None
    seed: int = 0
    draws: int = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """What one entrant did; `missing` says why it could not be measured, `note` what to know of its figures."""

    entrant: Entrant
    facts: EngineFacts | None = None
    judged: tuple[Judged, ...] = ()
    missing: str = ""
    note: str = ""

    @property
    def overall(self) -> Figures:
        """Of all utterances."""
        return figures(self.judged)

    def by(self, key: Callable[[Judged], str]) -> dict[str, Figures]:
        """Return the figures of groups of utterances, by name."""
        groups: dict[str, list[Judged]] = {}
        for each in self.judged:
            groups.setdefault(key(each), []).append(each)
        return {name: figures(groups[name]) for name in sorted(groups)}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All rows, and what each model gains over each baseline."""

    manifest: str
    fingerprint: str
    n_utterances: int
    n_timed: int
    rows: tuple[Row, ...]
    config: EvalConfig
    gained: Mapping[str, Mapping[str, tuple[Gain, ...]]] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether a model, and no baseline, could not be measured."""
        return any(row.missing and not row.entrant.baseline for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "schema": SCHEMA,
            "manifest": self.manifest,
            "manifest_sha256": self.fingerprint,
            "n_utterances": self.n_utterances,
            "n_timed": self.n_timed,
            "bootstrap": {"draws": self.config.draws, "seed": self.config.seed, "unit": "utterance", "level": 0.95},
            "models": {row.entrant.label: self._row(row) for row in self.rows},
        }

    def _row(self, row: Row) -> dict[str, Any]:
        facts = row.facts
        said: dict[str, Any] = {"baseline": row.entrant.baseline, "missing": row.missing or None, "note": row.note}
        if facts is not None:
            said |= {
                "engine": facts.name,
                "engine_version": facts.version,
                "model_id": facts.model_id,
                "model_revision": facts.model_revision,
                "licence": facts.licence.spdx,
            }
        if row.missing:
            return said
        lost = [each for each in row.judged if each.fault]
        gained = self.gained.get(row.entrant.label, {})
        return said | {
            "overall": row.overall.as_dict(),
            "by_language": {k: v.as_dict() for k, v in row.by(lambda each: each.language).items()},
            "by_speaker": {k: v.as_dict() for k, v in row.by(lambda each: each.speaker_id).items()},
            "lost": [{"id": each.utterance_id, "why": each.fault} for each in lost[:_FAULTS]],
            "gain_over": {name: [gain.as_dict() for gain in found] for name, found in gained.items()},
        }


def evaluate(
    manifest: Path, entrants: Sequence[Entrant], config: EvalConfig | None = None, progress: Progress | None = None
) -> Evaluation:
    """Let every entrant align every utterance of a manifest, and compare.

    Parameters
    ----------
    manifest : Path
        Whose utterances have `words` with their times; those without count for the error rate of characters alone.
    entrants : sequence of Entrant
        Models and baselines.
    progress : callable, optional
        Told the name of an entrant and the share of the recordings that it has heard.

    Raises
    ------
    InputError
        If the manifest cannot be read or holds nothing to measure, or a model's name is wrong.
    """
    config = config or EvalConfig()
    if len({each.label for each in entrants}) < len(entrants):
        raise InputError("two models have the same name: give them folders with different names")
    chosen = _chosen(manifest, config)
    utterances = [each for _, found in chosen for each in found]
    n_timed = sum(bool(each.words) for each in utterances)
    if not any(words_of(each) for each in utterances):
        raise InputError(f"{manifest} holds no utterance with a transcript")
    rows = tuple(_measured(each, chosen, config, progress) for each in entrants)
    gained = {row.entrant.label: dict(_gained(row, rows, config)) for row in rows if not row.entrant.baseline}
    fingerprint = hashlib.sha256(manifest.read_bytes()).hexdigest()
    return Evaluation(manifest.name, fingerprint, len(utterances), n_timed, rows, config, gained)


def _chosen(manifest: Path, config: EvalConfig) -> list[tuple[Path, list[Utterance]]]:
    """Return the utterances to measure, by recording; a part of them where there is a limit."""
    found = [(each.path, list(each.utterances)) for each in recordings.read(manifest)]
    total = sum(len(each) for _, each in found)
    if config.limit is None or config.limit >= total:
        return found
    kept = set(np.random.default_rng(config.seed).choice(total, config.limit, replace=False).tolist())
    numbered = iter(range(total))
    some = [(path, [each for each in parts if next(numbered) in kept]) for path, parts in found]
    return [(path, parts) for path, parts in some if parts]


def _measured(
    entrant: Entrant, chosen: list[tuple[Path, list[Utterance]]], config: EvalConfig, progress: Progress | None
) -> Row:
    facts = None
    if entrant.engine != UNIFORM:
        try:
            facts = tiers.engine_named(entrant.engine).facts
            tiers.usable(entrant.engine, RouterSettings.from_env(), chosen=True)
        except MelismaError as error:
            return Row(entrant, facts, missing=" ".join(str(error).split()))
    stage = Listen(entrant.engine, facts.model_revision if facts else "")
    tasks = []
    for number, (path, parts) in enumerate(chosen):
        lines = tuple(each.line() for each in parts)
        tasks.append(Task(f"{number}:{path.name}", (str(path), lines), signature(lines, path)))

    def told(name: str, share: float) -> None:
        if progress:
            progress(entrant.label, share)

    outcomes = LocalExecutor(config.jobs).run(stage, tasks, progress=told)
    judged = []
    for (_, parts), outcome in zip(chosen, outcomes, strict=True):
        values = outcome.value or [{"error": outcome.error or "it broke off"}] * len(parts)
        judged += [_judged(each, value) for each, value in zip(parts, values, strict=True)]
    return Row(entrant, facts, tuple(judged), note=_note(facts, judged))


def _judged(utterance: Utterance, value: Mapping[str, Any]) -> Judged:
    """Compare what was found with the truth; what failed has no time for any word."""
    truth = [word.start for word in utterance.words or ()]
    fault = str(value.get("error") or "")
    starts = value.get("starts") or [None] * len(truth)
    if not fault and truth and len(starts) != len(truth):
        fault, starts = f"{len(starts)} words for {len(truth)}", [None] * len(truth)
    errors, charged = judge(starts if truth else [], truth, utterance.duration)
    reference = int(value.get("n_reference", 0))
    return Judged(
        utterance_id=utterance.id,
        language=utterance.language or "und",
        speaker_id=utterance.speaker_id,
        errors=errors,
        charged=charged,
        edits=int(value.get("edits", 0)),
        n_reference=reference,
        fault=fault,
    )


def _note(facts: EngineFacts | None, judged: Iterable[Judged]) -> str:
    """Say how much of the manifest an engine was never taught to hear."""
    strange = [each for each in judged if not _speaks(facts, each)]
    if not strange:
        return ""
    return f"{len(strange)} utterances are not in its languages: they are lost to it, and not compared"


def _speaks(facts: EngineFacts | None, each: Judged) -> bool:
    if facts is None or facts.languages is None or each.language == "und":
        return True
    try:
        code = normalise(each.language)
    except InputError:
        return True
    return code in facts.languages or code.partition("-")[0] in facts.languages


def _gained(row: Row, rows: Sequence[Row], config: EvalConfig) -> Iterator[tuple[str, tuple[Gain, ...]]]:
    """Compare a model with each baseline, on the utterances in the baseline's languages."""
    for other in rows:
        if not other.entrant.baseline or other.missing or row.missing:
            continue
        pairs = [
            (a, b) for a, b in zip(row.judged, other.judged, strict=True) if len(a.errors) and _speaks(other.facts, b)
        ]
        found = gains([a for a, _ in pairs], [b for _, b in pairs], seed=config.seed, draws=config.draws)
        if found:
            yield other.entrant.label, found
