"""How well a Whisper transcribes: held-out clips heard in batches, of which nothing but counts of edits is kept."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import Tensor
from torch.nn import functional
from transformers import GenerationMixin

from melisma.core.errors import InputError
from melisma.metrics.transcription import Counts, counts
from melisma.models.quiet import quiet
from melisma.text.scoring import normalised
from melisma.train.whisper.collate import IGNORED, Collate
from melisma.train.whisper.config import WhisperTrainingConfig
from melisma.train.whisper.network import plain
from melisma.train.whisper.tokenizer import N_TIMES, tokens_of
from melisma.train.whisper.windows import Windows


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge finds; rates are shares, 0.12 is 12 %.

    Parameters
    ----------
    wer, cer : float
        Edits per word and per character of the references, both sides normalised.
    loss : float
        Cross-entropy in nats per label, the right ones before it given.
    token_accuracy : float
        Share of labels that are the likeliest there.
    by_language : dict
        Whisper's code → wer, cer, n_words and n_clips.
    n_clips, n_words : int
        That were judged.
    seconds : float
        That it took.
    """

    wer: float
    cer: float
    loss: float
    token_accuracy: float
    by_language: dict[str, dict[str, float]]
    n_clips: int
    n_words: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(slots=True)
class Tally:
    """Counts of one language that can be added up."""

    words: Counts = field(default_factory=Counts)
    characters: Counts = field(default_factory=Counts)
    n_clips: int = 0

    def add(self, other: Tally) -> None:
        """Add those of others."""
        self.words, self.characters = self.words + other.words, self.characters + other.characters
        self.n_clips += other.n_clips

    def rates(self) -> dict[str, float]:
        """Return the rates; what has no words in its references counts the words that were heard."""
        return {"wer": _rate(self.words), "cer": _rate(self.characters)}


def _rate(counted: Counts) -> float:
    return counted.errors / max(1, counted.n_reference)


def chosen(n_clips: int, n: int) -> list[int]:
    """Choose clips evenly over a manifest, the same for every training."""
    if n_clips <= n:
        return list(range(n_clips))
    return [int(clip) for clip in np.unique(np.linspace(0, n_clips - 1, n).round())]


class Judge:
    """Judges a network by held-out clips.

    Parameters
    ----------
    windows : Windows
        Of the held-out manifest; each clip is heard alone.
    processor : transformers.WhisperProcessor
        Of the network.
    config : WhisperTrainingConfig
        How many clips, how many at once, and how it decodes.

    Raises
    ------
    InputError
        If no clip says a word.
    """

    def __init__(self, windows: Windows, processor: Any, config: WhisperTrainingConfig) -> None:
        self.windows, self.config = windows.alone(), config
        self.processor, self.collate = processor, Collate(processor, config)
        self._tokens = tokens_of(processor)
        self._times = range(self._tokens.first_time, self._tokens.first_time + N_TIMES)
        self.clips = chosen(len(windows.clips), config.validation_clips)
        if not any(self._reference(clip) for clip in self.clips):
            raise InputError("no clip of the validation set says a word, so nothing can be judged by it")

    @torch.no_grad()
    def judge(self, model: Any, accelerator: Any) -> Verdict:
        """Judge a network as it is now, each of several processes its share of the clips.

        It is in training mode again when this returns, if it was.

        Parameters
        ----------
        model : torch.nn.Module
            The network, with adapters or without, on the device of the accelerator.
        accelerator : accelerate.Accelerator
            Of the training.
        """
        since, was_training = time.monotonic(), model.training
        found: dict[str, Tally] = {}
        sums = np.zeros(3)  # loss, right labels, labels
        model.eval()
        try:
            with quiet():
                for clips in self._batches(accelerator.process_index, accelerator.num_processes):
                    batch = self._made(clips, accelerator.device)
                    with accelerator.autocast():
                        sums += _likelihood(plain(model), batch)
                        ids = self._heard(plain(model), batch["input_features"], clips)
                    self._count(ids, clips, found)
        finally:
            model.train(was_training)
        return self._verdict(gather_object([(found, sums.tolist())]), time.monotonic() - since)

    def hypotheses(self, model: Any, accelerator: Any) -> Iterator[tuple[str, str, str]]:
        """Yield id, reference and what the network hears, of every clip that it is judged by."""
        for clips in self._batches(0, 1):
            batch = self._made(clips, accelerator.device)
            with torch.no_grad(), quiet(), accelerator.autocast():
                ids = self._heard(plain(model), batch["input_features"], clips)
            texts = self.processor.batch_decode(ids, skip_special_tokens=True)
            for clip, text in zip(clips, texts, strict=True):
                yield self.windows.clips.id_of(clip), self.windows.clips.text_of(clip), text

    def _batches(self, rank: int, world: int) -> Iterator[list[int]]:
        # Clips of like length meet: what is generated for one is as long as the longest beside it.
        order = sorted(self.clips, key=lambda clip: (int(self.windows.clips.n_samples[clip]), clip))[rank::world]
        for first in range(0, len(order), self.config.validation_batch):
            yield order[first : first + self.config.validation_batch]

    def _reference(self, clip: int) -> str:
        return normalised(self.windows.clips.text_of(clip), self.windows.clips.language_of(clip))

    def _made(self, clips: Sequence[int], device: torch.device) -> dict[str, Tensor]:
        # Not under autocast: log-mels are made in float32 whatever the network computes in.
        made = self.collate([self.windows[clip] for clip in clips])
        return {name: made[name].to(device) for name in ("input_features", "labels", "decoder_input_ids")}

    def _count(self, ids: Tensor, clips: Sequence[int], found: dict[str, Tally]) -> None:
        texts = self.processor.batch_decode(ids, skip_special_tokens=True)
        for clip, text in zip(clips, texts, strict=True):
            language = self.windows.clips.language_of(clip)
            said, heard = self._reference(clip), normalised(text, language)
            tally = Tally(counts(said, heard), counts(said, heard, "character"), 1)
            found.setdefault(language, Tally()).add(tally)

    def _heard(self, model: Any, features: Tensor, clips: Sequence[int]) -> Tensor:
        """Return what is heard in clips of 30 s at most, int64 [n_clips, longest].

        Whisper's own `generate` goes on from a timestamp that is said though none was asked for, as networks do that
        have learnt little, and hears a clip a hundred times over; so each is heard once here, without timestamps.
        """
        given = torch.tensor([self._prompt(clip) for clip in clips], device=features.device)
        settings = copy.deepcopy(model.generation_config)
        settings.update(
            max_length=None,
            max_new_tokens=min(self.config.max_new_tokens, int(model.config.max_target_positions) - given.shape[1]),
            num_beams=self.config.beams,
            use_cache=True,
            suppress_tokens=[*(settings.suppress_tokens or ()), *self._times],
        )
        generate: Any = GenerationMixin.generate
        ids: Tensor = generate(model, features, generation_config=settings, decoder_input_ids=given)
        return ids[:, given.shape[1] :]

    def _prompt(self, clip: int) -> list[int]:
        language = self.windows.clips.language_of(clip)
        return [self._tokens.start, *self._tokens.prompt(language, self.config.task, timed=False)]

    def _verdict(self, parts: Sequence[tuple[dict[str, Tally], list[float]]], seconds: float) -> Verdict:
        by_language: dict[str, Tally] = {}
        for found, _ in parts:
            for language, tally in found.items():
                by_language.setdefault(language, Tally()).add(tally)
        whole = Tally()
        for tally in by_language.values():
            whole.add(tally)
        loss, right, n_labels = np.sum([sums for _, sums in parts], axis=0)
        return Verdict(
            **whole.rates(),
            loss=float(loss / n_labels),
            token_accuracy=float(right / n_labels),
            by_language={
                code: {**tally.rates(), "n_words": tally.words.n_reference, "n_clips": tally.n_clips}
                for code, tally in sorted(by_language.items())
            },
            n_clips=whole.n_clips,
            n_words=whole.words.n_reference,
            seconds=round(seconds, 3),
        )


def _likelihood(model: Any, batch: dict[str, Tensor]) -> tuple[float, float, float]:
    """Return the summed loss of a batch, how many labels are the likeliest, and how many there are."""
    labels = batch["labels"]
    logits = model(
        input_features=batch["input_features"], decoder_input_ids=batch["decoder_input_ids"], use_cache=False
    ).logits
    wanted = labels.ne(IGNORED)
    loss = functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    right = (logits.argmax(-1).eq(labels) & wanted).sum()
    return float(loss), float(right), float(wanted.sum())
