"""A manifest changed by a recipe, to files: a few clips to listen to, or all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import InputError
from melisma.core.files import make_folder
from melisma.core.licences import label, terms
from melisma.core.records import Float32
from melisma.data import by_recording, cuts, manifest, recordings, sound_file
from melisma.data.augment.recipe import Augmented, Recipe, draws
from melisma.data.cuts import SAMPLE_RATE, Part
from melisma.data.manifest import Utterance
from melisma.data.recordings import Recording, Recordings
from melisma.data.report import Problem
from melisma.scale.protocol import Executor, Outcome, Progress

MANIFEST = "manifest.jsonl"
MAX_UTTERANCE_S = 1800.0
_MOST_COPIES = 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """How a manifest is changed.

    Parameters
    ----------
    recipe : Recipe
        With its sounds.
    seed : int
        Another one draws otherwise.
    copies : int
        How many of each utterance; copy k is drawn as epoch k - 1.
    before : bool
        Whether the clip as it was is written too, for listening.
    """

    recipe: Recipe
    seed: int = 0
    copies: int = 1
    before: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.copies <= _MOST_COPIES:
            raise InputError(f"1 to {_MOST_COPIES} copies of an utterance can be made, not {self.copies}")


@dataclass(frozen=True, slots=True)
class Augment:
    """Stage: a recording and its utterances → changed copies of each as files below `out`, and what was applied."""

    out: str
    settings: Settings

    @property
    def name(self) -> str:
        """Of the stage."""
        return "augment"

    def configuration(self) -> str:
        """Return what decides the outcome."""
        s = self.settings
        return repr((1, self.out, s.recipe.fingerprint(), s.seed, s.copies, s.before))

    def __call__(self, item: tuple[str, list[str]]) -> list[dict[str, Any]]:
        """Change the utterances of one recording: its path, and their lines."""
        path, lines = by_recording.read_item(item)
        made: dict[int, dict[str, Any]] = {}
        asked = [i for i, each in enumerate(lines) if each.duration <= MAX_UTTERANCE_S]
        spans = [cuts.span_of(lines[i].start, lines[i].duration) for i in asked]
        for k, part in cuts.parts(path, spans, Path(self.out)):
            made[asked[k]] = self._one(lines[asked[k]], part, path)
        too_long = {"error": f"it is longer than {MAX_UTTERANCE_S / 60:g} min: cut it with melisma data segment"}
        return [made.get(i, too_long) for i in range(len(lines))]

    def _one(self, utterance: Utterance, part: Part, source: Path) -> dict[str, Any]:
        if not part.n_samples:
            return {"error": f"{source} has no sound at {utterance.start:.2f} s"}
        samples: Float32 = np.concatenate(list(part.blocks()))
        files, copies = [], []
        if self.settings.before:
            files.append(self._written(file_of(utterance.id, 0), samples)[0])
        for k in range(1, self.settings.copies + 1):
            done = self.settings.recipe.apply(samples, SAMPLE_RATE, draws(self.settings.seed, k - 1, utterance.id))
            written, sha256 = self._written(file_of(utterance.id, k), done.samples)
            files.append(written)
            copies.append(_facts(done) | {"file": written[0], "sha256": sha256})
        return {"files": files, "copies": copies}

    def _written(self, name: Path, samples: Float32) -> tuple[list[Any], str]:
        target = Path(self.out) / name
        written = sound_file.write(target, [samples])
        return [name.as_posix(), target.stat().st_size], written.sha256


def file_of(identifier: str, copy: int) -> Path:
    """Return the file of a copy below the output; 0 is the clip as it was."""
    return Path("audio" if copy else "before") / recordings.file_name(copy_id(identifier, copy), ".wav")


def copy_id(identifier: str, copy: int) -> str:
    """Return the id of a copy; 0 is the clip as it was.

    Examples
    --------
    >>> copy_id("cv/sl/17", 2)
    'cv/sl/17+2'
    """
    return f"{identifier}+{copy}" if copy else identifier


def _facts(done: Augmented) -> dict[str, Any]:
    return {
        "n_samples": len(done.samples),
        "time_scale": done.time_scale,
        "applied": [{"effect": each.effect} | dict(each.facts) for each in done.applied],
    }


@dataclass(slots=True)
class Made:
    """What a run has done so far."""

    n_copies: int = 0
    n_reused: int = 0
    seconds_in: float = 0.0
    seconds_out: float = 0.0
    effects: dict[str, int] = field(default_factory=dict)
    clips: dict[str, Any] = field(default_factory=dict)  # of a preview: what was applied to each
    problems: list[Problem] = field(default_factory=list)


def run(
    found: Recordings,
    out: Path,
    settings: Settings,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[Iterator[Utterance], Made]:
    """Change a manifest; return the lines of the new one, and what was done when they are used up.

    Parameters
    ----------
    found : Recordings
        The manifest.
    out : Path
        Folder: `audio/` below it takes the files, `.<name>.journal` beside it what is done already.
    settings : Settings
        Recipe, seed, and how many copies.
    executor : Executor, optional
        Who does it; all cores of this machine without.
    progress : callable, optional
        Told of the share that is done.
    """
    made = Made()
    stage = Augment(str(out), settings)

    def walk() -> Iterator[Utterance]:
        for recording, outcome in by_recording.outcomes(found, out, stage, executor=executor, progress=progress):
            yield from _told(recording, outcome, settings, made)

    return walk(), made


def _told(recording: Recording, outcome: Outcome, settings: Settings, made: Made) -> Iterator[Utterance]:
    values = outcome.value or [{"error": outcome.error}] * len(recording.utterances)
    for utterance, facts in zip(recording.utterances, values, strict=True):
        if "error" in facts:
            made.problems.append(Problem(utterance.id, "unreadable", facts["error"]))
            continue
        if not terms(utterance.license).derivatives:
            said = f"its licence, {label(utterance.license)}, does not let changed copies be handed on"
            made.problems.append(Problem(utterance.id, "no derivatives", said))
        for k, copy in enumerate(facts["copies"], 1):
            made.n_copies += 1
            made.n_reused += outcome.reused
            made.seconds_in += utterance.duration
            made.seconds_out += copy["n_samples"] / SAMPLE_RATE
            for each in copy["applied"]:
                made.effects[each["effect"]] = made.effects.get(each["effect"], 0) + 1
            if settings.before:
                made.clips[utterance.id] = copy["applied"]
            yield changed(utterance, k, copy)


def changed(utterance: Utterance, copy: int, facts: dict[str, Any]) -> Utterance:
    """Return the line of a copy: its words where they are now, and the sources and licences of what was mixed in."""
    mixed = [each for each in facts["applied"] if "license" in each]
    duration = facts["n_samples"] / SAMPLE_RATE

    def at(second: float) -> float:
        return float(min(round(second * facts["time_scale"], 6), duration))

    words = [{"text": word.text, "start": at(word.start), "end": at(word.end)} for word in utterance.words or ()]
    sources = [*utterance.derived_from, *(each["source"] or each["sound"] for each in mixed)]
    return utterance.changed(
        id=copy_id(utterance.id, copy),
        audio=facts["file"],
        start=0.0,
        duration=duration,
        words=words if utterance.words is not None else None,
        sha256=facts["sha256"],
        recording_id=utterance.recording_id or utterance.audio,
        copy_of=utterance.id,
        augmented=facts["applied"],
        derived_from=list(dict.fromkeys(sources)),
        license=joined([utterance.license, *(each["license"] for each in mixed)]) if mixed else utterance.license,
    )


def joined(names: Sequence[str]) -> str:
    """Return the licence of what is made of works under these licences: all of them hold.

    Of a licence that offers a choice the first that allows commercial use is taken, or the first.

    Examples
    --------
    >>> joined(["CC0-1.0", "cc-by-3.0", "CC0-1.0"]), joined(["MIT OR CC-BY-NC-4.0", "CC0-1.0"]), joined(["MIT", ""])
    ('CC0-1.0 AND CC-BY-3.0', 'MIT AND CC0-1.0', 'MIT AND LicenseRef-unknown')
    """
    chosen = []
    for name in names:
        offered = label(name).split(" OR ")
        chosen.append(next((each for each in offered if terms(each).commercial), offered[0]))
    return " AND ".join(dict.fromkeys(part for name in chosen for part in name.split(" AND ")))


def chosen(found: Path, number: int, seed: int, out: Path) -> Path:
    """Write a manifest of so many utterances, drawn from another, into a folder, and return where it is.

    Every line of the manifest is read, and as many as are drawn are kept in memory.
    """
    rng = np.random.default_rng(seed)
    kept: list[tuple[int, Utterance]] = []
    for n, utterance in enumerate(manifest.read(found)):
        place = n if n < number else int(rng.integers(n + 1))
        if n < number:
            kept.append((n, utterance))
        elif place < number:
            kept[place] = n, utterance
    if not kept:
        raise InputError(f"there is no utterance in {found}")
    make_folder(out)
    target = out / ".chosen.jsonl"
    in_order = (utterance for _, utterance in sorted(kept, key=lambda each: each[0]))
    manifest.write(target, (manifest.rebased(each, found, target) for each in in_order))
    return target


def said(applied: Sequence[dict[str, Any]]) -> str:
    """Say in one line what was applied.

    Examples
    --------
    >>> said([{"effect": "speed", "factor": 1.05}, {"effect": "noise", "snr_db": 12.0, "sound": "rain"}])
    'speed (factor 1.05), noise (snr_db 12, sound rain)'
    """
    parts = []
    for each in applied:
        rest = ", ".join(
            f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in each.items()
            if key not in ("effect", "license", "source")
        )
        parts.append(f"{each['effect']} ({rest})")
    return ", ".join(parts) or "left as it is"


def write(found: Recordings, out: Path, settings: Settings, **how: Any) -> Made:
    """Change a manifest into a folder with a manifest of its own; see `run`."""
    make_folder(out)
    utterances, made = run(found, out, settings, **how)
    manifest.write(out / MANIFEST, utterances)
    return made
