"""What a training needs before its first step: a network with its labels, and clips to learn from and to judge by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError
from melisma.core.files import make_folder, sha256_of, write_atomically
from melisma.models.pretrained import Vocabulary
from melisma.train.checkpoint import read_checkpoint
from melisma.train.clip_audio import SAMPLE_RATE, Sounds
from melisma.train.ctc import vocabulary as vocabularies
from melisma.train.ctc.checkpoints import begun_with, load_trained, vocabulary_of
from melisma.train.ctc.collate import Hearing
from melisma.train.ctc.config import CtcTrainingConfig
from melisma.train.ctc.dataset import Clips, Limits, find_clips
from melisma.train.ctc.judge import Case, find_cases
from melisma.train.ctc.network import Opened, Shape, is_new, open_network, opened_again, with_labels
from melisma.train.ctc.survey import Survey, survey
from melisma.train.ctc.trained import Units
from melisma.train.ctc.vocabulary import Speller
from melisma.train.facts import certificate, check_remembered, software
from melisma.train.left_out import LeftOut
from melisma.train.start import of_checkpoint

PREPARED = "prepared"
_FORM = 1  # of what is kept: another one is made anew
Tell = Callable[[str, float], None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Learner:
    """A network with its labels.

    Parameters
    ----------
    opened : Opened
        The network, with a head for the vocabulary.
    vocabulary : Vocabulary
        Its labels.
    speller : Speller
        Spells in them.
    hearing : Hearing
        What the network takes.
    """

    opened: Opened
    vocabulary: Vocabulary
    speller: Speller
    hearing: Hearing


@dataclass(frozen=True, slots=True)
class Material:
    """All that is trained on and with.

    Parameters
    ----------
    learner : Learner
        The network.
    clips, held_out : Clips
        To learn from and to judge by.
    cases : list of Case
        Of the held-out ones.
    ours, theirs : Survey
        Of what is learnt from, and of what is held out.
    facts : dict
        Plain values for checkpoints.
    certificate : bytes, optional
        Of the split.
    """

    learner: Learner
    clips: Clips
    held_out: Clips
    cases: list[Case]
    ours: Survey
    theirs: Survey
    facts: dict[str, Any]
    certificate: bytes | None


@dataclass(frozen=True, slots=True)
class Sides:
    """The manifests of a training and the folder that keeps what is prepared of them."""

    train: Path
    valid: Path
    folder: Path
    jobs: int | None = None


def prepare(sides: Sides, config: CtcTrainingConfig, begun: dict[str, Any] | None, tell: Tell, say: Say) -> Material:
    """Prepare a training; what an earlier run has prepared for the same is used again.

    Parameters
    ----------
    sides : Sides
        Manifests and folder.
    config : CtcTrainingConfig
        What is trained.
    begun : dict, optional
        What the checkpoint of this training holds beside weights, if it goes on.
    tell : callable
        Told stages and shares.
    say : callable
        Told what was found.

    Raises
    ------
    InputError
        If there is nothing to learn from, both sides share a speaker or a recording, or the model to begin with was
        trained on data that was removed since.
    """
    if begun is None:
        check_remembered(config.model)
    tell("reading the manifests", 0.0)
    theirs, ours = survey(sides.valid), survey(sides.train)
    split = certificate(sides.train, sides.valid)
    learner = _learner(config, ours, begun, say)
    make_folder(sides.folder)
    clips = _clips(sides, "train", config, learner, tell, say)
    held_out = _clips(sides, "valid", config, learner, tell, say)
    key = f"{_key(sides.valid, config, learner.vocabulary)} {config.validation_clips}"
    cases = find_cases(sides.valid, held_out, config.validation_clips, sides.folder / "cases.json", key, tell)
    facts = {"data": ours.data, "validation_data": theirs.data, "network": learner.opened.name}
    facts |= software("pytorch-lightning", "transformers") | _base(config, begun)
    if split is not None:
        facts["split"] = json.loads(split)
    return Material(learner, clips, held_out, cases, ours, theirs, facts, split)


def _base(config: CtcTrainingConfig, begun: dict[str, Any] | None) -> dict[str, Any]:
    """Return what the network began as and under which licence, written down while its files are still there."""
    if begun is not None:
        return {key: begun[key] for key in ("base", "earlier_data") if key in begun}
    earlier = begun_with(config.model)
    if earlier is not None:
        kept = load_trained(earlier).facts
        return {"earlier_data": kept.get("data", {}), **({"base": kept["base"]} if "base" in kept else {})}
    if is_new(config.model):
        return {}
    sources = of_checkpoint(config.model, config.revision)
    named = [source["license"] for source in sources]
    return {"base": {"model": sources[0]["name"], "license": " AND ".join(dict.fromkeys(named)) if all(named) else ""}}


def _learner(config: CtcTrainingConfig, ours: Survey, begun: dict[str, Any] | None, say: Say) -> Learner:
    if begun is not None:
        shape, vocabulary = Shape.of_dict(begun["shape"]), vocabulary_of(begun)
        opened = Opened(shape.make(), shape, vocabulary, str(begun.get("network", config.model)))
    else:
        found = _open(config)
        vocabulary = choose_vocabulary(config, found, ours)
        opened = with_labels(found, vocabulary, config.seed)
        what = "keeps its" if opened is found else "gets a new head for"
        say(f"{opened.name} {what} {len(vocabulary.labels)} labels")
    hearing = Hearing(opened.shape.kind, opened.shape.normalise, opened.shape.stride)
    return Learner(opened, vocabulary, Speller(vocabulary, config.units), hearing)


def _open(config: CtcTrainingConfig) -> Opened:
    earlier = begun_with(config.model)
    if earlier is None:
        return open_network(config)
    trained, kept = load_trained(earlier), read_checkpoint(earlier)["melisma"]
    return opened_again(trained.net, Shape.of_dict(kept["shape"]), vocabulary_of(kept), trained.run.name, config)


def choose_vocabulary(config: CtcTrainingConfig, opened: Opened, ours: Survey) -> Vocabulary:
    """Return the labels to train: the checkpoint's where they spell the corpus, else the corpus's own.

    Raises
    ------
    InputError
        If the checkpoint's are asked for and lack letters of the corpus.
    """
    if config.units is Units.PHONES:
        return vocabularies.PHONES
    old = opened.vocabulary if opened.vocabulary != vocabularies.PHONES else None  # phones spell no transcript
    if config.vocabulary == "corpus" or (old is None and config.vocabulary == "auto"):
        return vocabularies.of_corpus(ours.characters)
    if old is None:
        raise InputError(f"the model {opened.name} has no labels of its own: leave --vocabulary to auto, or say corpus")
    lost = vocabularies.lacking(old, ours.characters)
    if not lost:
        return old
    if config.vocabulary == "auto":
        return vocabularies.of_corpus(ours.characters)
    raise InputError(
        f"the labels of the model {opened.name} lack {' '.join(lost[:8])}{' …' if len(lost) > 8 else ''} of the "
        "transcripts: give --vocabulary corpus for a new head, or normalise the transcripts"
    )


def _clips(sides: Sides, side: str, config: CtcTrainingConfig, learner: Learner, tell: Tell, say: Say) -> Clips:
    """Return the clips of one side, found anew where the manifest, the labels or the limits are other ones."""
    manifest = sides.train if side == "train" else sides.valid
    key, kept = _key(manifest, config, learner.vocabulary), sides.folder / f"{side}.npz"
    clips = Clips.load(kept, key)
    if clips is None:
        sounds = Sounds(manifest, sides.folder / side)
        sounds.prepare(sides.jobs, tell)
        limits = Limits(config.min_clip_s, config.max_clip_s, learner.hearing.stride / SAMPLE_RATE)
        clips, left = find_clips(learner.speller, limits, sounds, lambda share: tell("reading clips", share))
        _report(clips, left, sounds, say)
        clips.save(kept, key)
    if not len(clips):
        raise InputError(
            f"{manifest} holds no clip that can be {'learnt from' if side == 'train' else 'judged by'}: "
            f"see {sides.folder / side}.json"
        )
    return clips


def _key(manifest: Path, config: CtcTrainingConfig, vocabulary: Vocabulary) -> str:
    """Return what tells one preparation of a manifest from another."""
    digest = sha256_of(manifest)
    said = [_FORM, str(manifest.resolve()), digest, vocabulary.labels, vocabulary.blank, config.units]
    said += [config.min_clip_s, config.max_clip_s, config.model, config.phone_net.stride]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _report(clips: Clips, left: LeftOut, sounds: Sounds, say: Say) -> None:
    """Say what is learnt from and what is left out, and write it down."""
    hours = float(clips.n_samples.sum()) / SAMPLE_RATE / 3600
    say(f"{sounds.manifest}: {len(clips):,} of {len(clips) + sum(left.counts.values()):,} clips, {hours:.2f} h")
    for reason, n in left.counts.items():
        say(f"  left out {n:,}: {reason}, such as {left.shown[reason][0]}")
    said = {
        "clips": len(clips),
        "hours": round(hours, 4),
        "left_out": left.counts,
        "such_as": left.shown,
        "unreadable": sounds.failed,
    }
    path = sounds.folder.with_name(f"{sounds.folder.name}.json")
    write_atomically(path, (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))
