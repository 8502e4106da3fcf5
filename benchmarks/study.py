r"""Kinds, sizes, frame rates, inventories and losses of the network, each trained from nothing for the same steps.

    python benchmarks/study.py --speech corpus=runs/align/training.jsonl --held-out runs/align/held-out.jsonl \
        --noise shared=../shared/noise -o runs/study [--steps 1500] [--only base,recurrent] [--songs]

Makes docs/embedded-model.md's table of kinds. Every variant hears the same rows in the same order (`train rows`, the
configuration of phone-0.2) and is judged by the phone error rate of held-out speakers, clean and among music, and by
the synthetic songs of benchmarks/synthetic.py (one per language); with --songs also by the twelve real ones, for the
record. Onsets are not shifted, so medians are those of bare CTC. A variant that is done is not trained again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from networks import ConformerNet, MaskedBatch, MaskedNet, MaskSampler, RecurrentNet
from synthetic import CACHE as SONGS
from synthetic import song as synthetic_song
from torch import Tensor
from torch.nn import functional

from melisma.aligner import words
from melisma.aligner.search import search
from melisma.audio import decode
from melisma.core.records import Emission, Float32
from melisma.core.settings import n_threads
from melisma.core.timebase import Timebase
from melisma.metrics import alignment as metrics
from melisma.metrics.edit import edit_distance
from melisma.models import features
from melisma.models.phone_net import PhoneNet, PhoneNetConfig
from melisma.pipeline import lyrics as lyrics_files
from melisma.synth import heldout
from melisma.text.g2p import EspeakG2P
from melisma.text.phones import INVENTORY
from melisma.text.tokens import tokenize
from melisma.train.config import PhoneTrainingConfig
from melisma.train.corpus import Clip, Noise, load_noise, load_speech
from melisma.train.losses import row_loss_of
from melisma.train.phone import Loop, run
from melisma.train.rows import RowBatch, RowConfig, RowSampler
from melisma.train.trainer import Trainer

SHARED = Path(os.environ.get("MELISMA_SHARED") or Path(__file__).resolve().parents[1] / "../shared")
LABELS = ("", *INVENTORY)
# Sounds that singers and espeak-ng's spellings keep apart least, put together: 51 phones become 28.
COARSE = {
    "a": "ɑɐæʌ", "e": "ɛ", "ə": "ɚɜ", "i": "ɪɨ", "o": "ɔ", "ø": "œ", "u": "ʊɯ", "h": "xɣç", "n": "ɲ", "s": "θ",
    "z": "ð", "ʃ": "ɕ", "ʒ": "", "r": "ɾɹ", "k": "ʔ",
}  # fmt: skip
Loss = Callable[[PhoneNet, RowBatch, PhoneTrainingConfig], tuple[Tensor, dict[str, float]]]


def coarse_ids() -> np.ndarray:
    """Return the label that each label goes to in the coarse inventory, int64 [n_labels]."""
    to = np.arange(len(LABELS))
    for kept, gone in COARSE.items():
        for label in gone:
            to[LABELS.index(label)] = LABELS.index(kept)
    return to


def coarse_loss(net: PhoneNet, batch: RowBatch, config: PhoneTrainingConfig) -> tuple[Tensor, dict[str, float]]:
    """Learn the coarse inventory; labels that went into others are never heard."""
    to = torch.from_numpy(coarse_ids())
    merged = RowBatch(batch.features, to[batch.targets], batch.active, to[batch.labels], batch.label_lengths)
    return row_loss_of(net, merged, config)


class LabelPriors:
    """CTC whose paths are weighed by probability over prior^power (Huang et al., ICASSP 2024): blanks lose their lead.

    The posteriors of such paths are the targets, so that what is learnt stays a probability. Priors are the running
    mean of what the network says.
    """

    def __init__(self, power: float) -> None:
        self.power = power
        self.mean = torch.full((len(LABELS),), 1 / len(LABELS))

    def __call__(self, net: PhoneNet, batch: RowBatch, config: PhoneTrainingConfig) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch and figures for the log."""
        n_frames = batch.features.shape[2] // net.config.stride
        lengths = torch.full((len(batch.features),), n_frames)
        with torch.autocast(batch.features.device.type, torch.bfloat16, enabled=config.bf16):
            shared = net.trunk(batch.features, lengths)
            logits, vocal = net.spell(shared)
            sounds = net.sound(shared)
        log_probs = logits.log_softmax(1)
        self.mean.lerp_(log_probs.detach().exp().mean((0, 2)), 0.02)
        weighed = (log_probs - self.power * self.mean.log()[None, :, None]).detach().permute(2, 0, 1).requires_grad_()
        total = functional.ctc_loss(
            weighed, batch.labels, lengths, batch.label_lengths, reduction="sum", zero_infinity=True
        )
        (slope,) = torch.autograd.grad(total, weighed)
        posterior = (weighed.detach().exp() - slope).permute(1, 2, 0)  # torch gives exp(score) − posterior
        ctc = -(posterior * log_probs).sum() / max(int(batch.label_lengths.sum()), 1)
        active = batch.active.view(-1, n_frames, net.config.stride).mean(2)
        activity = functional.binary_cross_entropy_with_logits(vocal.float(), active)
        fine = functional.cross_entropy(sounds.float(), batch.targets, label_smoothing=config.label_smoothing)
        blanks = float((log_probs.argmax(1) == 0).float().mean())
        figures = {"ctc": float(ctc.detach()), "blanks": blanks, "fine": float(fine.detach())}
        return ctc + config.vocal_weight * activity + config.fine_weight * fine, figures


def masked_loss(net: PhoneNet, batch: RowBatch, config: PhoneTrainingConfig) -> tuple[Tensor, dict[str, float]]:
    """Learn the mask beside the phones."""
    if not isinstance(net, MaskedNet) or not isinstance(batch, MaskedBatch):
        raise TypeError("a mask is learnt by a network that has one, from rows that know their voice")
    loss, found = row_loss_of(net, batch, config)
    if net.said is None:
        raise TypeError("the network has not heard the batch")
    mask = functional.binary_cross_entropy_with_logits(net.said, batch.voice)
    return loss + mask, found | {"mask": float(mask.detach())}


@dataclass(frozen=True)
class Variant:
    """One row of the table."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    network: Callable[[PhoneNetConfig], PhoneNet] = PhoneNet
    loss: Callable[[], Loss] = lambda: row_loss_of
    to: Callable[[], np.ndarray] = lambda: np.arange(len(LABELS))
    sampler: type[RowSampler] = RowSampler


BASE: dict[str, Any] = {
    "seed": 21, "channels": 256, "dropout": 0.05, "lr": 2e-3, "warmup_steps": 100, "ema": 0.99, "fine_weight": 0.3,
    "rows": RowConfig(choir=0.0, music=0.6, freq_masks=1, time_masks=2),
}  # fmt: skip
VARIANTS: dict[str, Variant] = {
    "base": Variant(),
    "another seed": Variant({"seed": 22}),
    "128 channels": Variant({"channels": 128}),
    "384 channels": Variant({"channels": 384}),
    "24 layers": Variant({"channels": 176, "dilations": (1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 16) * 2}),
    "20 ms": Variant({"stride": 2}),
    "40 ms": Variant({"stride": 4}),
    "conformer": Variant({"channels": 160, "dilations": (1, 1, 1, 1)}, network=ConformerNet),
    "recurrent": Variant({}, network=RecurrentNet),
    "coarse": Variant(loss=lambda: coarse_loss, to=coarse_ids),
    "priors 0.3": Variant(loss=lambda: LabelPriors(0.3)),
    "priors 0.6": Variant(loss=lambda: LabelPriors(0.6)),
    "mask before": Variant(network=MaskedNet, loss=lambda: masked_loss, sampler=MaskSampler),
    "no second head": Variant({"fine_weight": 0.0}),
}


Kinds = list[tuple[list[Clip], float]]


@dataclass(frozen=True)
class Heard:
    """All that is trained on and judged by: kinds of clips and of music with their shares, and judging rows."""

    sources: Kinds
    noises: list[tuple[list[Noise], float]]
    rows: dict[str, list[RowBatch]]


def train(variant: Variant, heard: Heard, out: Path, steps: int) -> tuple[PhoneNet, float]:
    """Train a variant, or read it if it is there; return its averaged network and the seconds of a step."""
    config = PhoneTrainingConfig.model_validate(BASE | {"steps": steps} | variant.changes)
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(config, out, network=variant.network, row_loss=variant.loss())
    trainer.resume()
    sampler = variant.sampler(heard.sources, heard.noises, config.rows, config.seed)

    def make(step: int) -> RowBatch:
        return sampler.batch(step, min(1.0, step / (0.4 * steps)))

    run(trainer, make, dict, Loop(steps, steps, 100, None))
    return trainer.average.eval(), trainer.progress.seconds / steps


@torch.no_grad()
def phone_error_rate(net: PhoneNet, batches: list[RowBatch], to: np.ndarray) -> float:
    """Edit distance of best paths to what is said, over the number of phones."""
    wrong = total = 0
    for batch in batches:
        lengths = torch.full((len(batch.features),), batch.features.shape[2] // net.config.stride)
        best = net(batch.features, lengths)[0].argmax(1).numpy()
        for path, truth in zip(best, torch.split(batch.labels, batch.label_lengths.tolist()), strict=True):
            heard = path[np.flatnonzero(np.diff(path, prepend=-1))]
            wrong += edit_distance(heard[heard > 0], to[truth.numpy()])
            total += len(truth)
    return wrong / max(total, 1)


@torch.no_grad()
def emission_of(net: PhoneNet, samples: Float32) -> Emission:
    """Run the network over windows of a minute that overlap by four seconds."""
    stride = net.config.stride
    normal = features.normalise(features.log_mel(samples))
    n = -(-len(normal) // stride)
    padded = torch.from_numpy(np.pad(normal, ((0, n * stride - len(normal)), (0, 0))).T.copy())[None]
    scores, voice = [], []
    window, beside = 6000 // stride, 400 // stride
    for first in range(0, n, window):
        low, high = max(0, first - beside), min(n, first + window + beside)
        logits, vocal = net(padded[:, :, low * stride : high * stride], torch.tensor([high - low]))
        here = slice(first - low, min(first + window, n) - low)
        scores.append(logits[0].log_softmax(0).T[here])
        voice.append(vocal[0].sigmoid()[here])
    log_probs, heard = torch.cat(scores).numpy(), torch.cat(voice).numpy()
    return Emission(log_probs, LABELS, 0, Timebase(16000, stride * features.HOP), len(samples), heard)


def songs_of(folder: Path) -> Iterator[tuple[Path, Path, str, list[float]]]:
    """Give recording, lyrics, language and true onsets of each real song."""
    for one in sorted(path.parent for path in folder.glob("*/meta.json")):
        facts = json.loads((one / "meta.json").read_text(encoding="utf-8"))
        audio = next(path for path in sorted(one.iterdir()) if path.stem == "audio")
        with (one / "gold.csv").open(encoding="utf-8", newline="") as file:
            yield audio, one / "lyrics.txt", facts["language"], [float(w["start_s"]) for w in csv.DictReader(file)]


def made_songs(cache: Path) -> Iterator[tuple[Path, Path, str, list[float]]]:
    """Give the same of a synthetic song per language."""
    for language in heldout.LANGUAGES:
        folder = synthetic_song(language, 0, cache)
        with (folder / "gold.csv").open(encoding="utf-8", newline="") as file:
            truth = [float(word["start_s"]) for word in csv.DictReader(file)]
        yield folder / "audio.wav", folder / "lyrics.txt", language, truth


def score(net: PhoneNet, songs: Iterator[tuple[Path, Path, str, list[float]]], to: np.ndarray) -> metrics.Scores:
    """Align songs and pool their words."""
    g2p, errors = EspeakG2P(INVENTORY), []
    for audio, text, language, truth in songs:
        sung = lyrics_files.read(text)

        def spell(word: str, language: str = language) -> list[str]:
            return [LABELS[to[LABELS.index(p)]] for p in g2p.phones(word, language)]

        tokens = tokenize(sung, spell, LABELS)
        emission = emission_of(net, decode.load(audio).samples)
        placed = words.words(search(emission, tokens), emission, tokens, sung)
        found = [np.nan if w.start_s is None else w.start_s for w in placed]
        errors.append(metrics.onset_errors(found, np.array(truth)))
    return metrics.evaluate(np.concatenate(errors))


def row(name: str, values: list[str]) -> str:
    """Write one line of a Markdown table."""
    return f"| {name} | " + " | ".join(values) + " |"


def figures(scores: metrics.Scores) -> str:
    """Write the figures of some songs."""
    return f"{scores.p50:.3f} / {scores.hit100:.3f} / {scores.pco300:.3f} / {scores.derail:.3f}"


def load(options: argparse.Namespace) -> Heard:
    """Load everything that is heard."""
    cache = options.out / "cache"

    def clips(path: Path) -> list[Clip]:
        found = load_speech(path.parent, cache, options.skip, n_threads(), path.name)
        return [clip for clip in found if clip.owners is not None]

    noises: list[tuple[list[Noise], float]] = [(load_noise(p, cache, n_threads()), 1.0) for p in options.noise.values()]
    shares = {"corpus": 1.0, "sung": 0.5, "espeak": 0.3}
    sources = [(clips(path), shares.get(name, 0.1)) for name, path in options.speech.items()]
    held = clips(options.held_out)
    rows: dict[str, list[RowBatch]] = {}
    for name, strength in (("clean", 0.0), ("mixed", 1.0)):
        plain = RowConfig(stretch=0.0, tempo=0.0, warp=0.0, colour_db=0.0, choir=0.0, freq_masks=0, time_masks=0)
        judge = RowSampler([(held, 1.0)], noises, plain, 77)
        rows[name] = [judge.batch(i, strength) for i in range(20)]
    return Heard(sources, noises, rows)


def named(text: str) -> tuple[str, Path]:
    """Read NAME=PATH."""
    name, _, path = text.partition("=")
    if not path:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=PATH")
    return name, Path(path)


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=named, action="append", required=True, help="NAME=MANIFEST with phone times")
    parser.add_argument("--held-out", type=Path, required=True, help="a manifest of other speakers")
    parser.add_argument("--noise", type=named, action="append", required=True, help="NAME=FOLDER of music")
    parser.add_argument("-o", "--out", type=Path, required=True, help="a folder for checkpoints and figures")
    parser.add_argument("--steps", type=int, default=1500, help="%(default)s")
    parser.add_argument("--only", default=",".join(VARIANTS), help="comma-separated variants (all)")
    parser.add_argument("--songs", action="store_true", help="also the real songs of MELISMA_SHARED")
    parser.add_argument("--cache", type=Path, default=SONGS, help="where synthetic songs are kept (%(default)s)")
    options = parser.parse_args()
    unknown = [name for name in options.only.split(",") if name not in VARIANTS]
    if unknown:
        parser.error(f"no variant {unknown[0]}; there are: {', '.join(VARIANTS)}")
    options.speech, options.noise = dict(options.speech), dict(options.noise)
    options.skip = frozenset(("ja", "th", "zh-CN", "zh-HK", "zh-TW"))
    torch.set_num_threads(n_threads())
    heard = load(options)
    print(row("variant", ["parameters", "s a step", "error rate clean / mixed", "synthetic songs", "real songs"]))
    for name in options.only.split(","):
        begin, variant = time.perf_counter(), VARIANTS[name]
        net, spent = train(variant, heard, options.out / name.replace(" ", "-"), options.steps)
        to = variant.to()
        size = sum(p.numel() for key, p in net.named_parameters() if not key.startswith("fine."))
        rates = " / ".join(f"{phone_error_rate(net, batches, to):.3f}" for batches in heard.rows.values())
        made = figures(score(net, made_songs(options.cache), to))
        real = figures(score(net, songs_of(SHARED / "songs"), to)) if options.songs else "–"
        print(row(name, [f"{size / 1e6:.1f} M", f"{spent:.2f}", rates, made, real]), flush=True)
        print(f"{name}: {time.perf_counter() - begin:.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
