"""Train the phone model on made-up songs: rows of clips whose phone times are known, bent, strung together, mixed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from melisma.core.errors import InputError
from melisma.core.settings import n_threads
from melisma.metrics.edit import edit_distance
from melisma.models.phone_net import PhoneNet, PhoneNetConfig
from melisma.train.certificate import Certificate, Part, certify
from melisma.train.certificate import read as read_certificate
from melisma.train.checkpoint import CHECKPOINT
from melisma.train.config import PhoneTrainingConfig
from melisma.train.corpus import Clip, Noise, NoiseRow, UtteranceRow, load_noise, load_speech, read_manifest
from melisma.train.device import choose_device, device_of
from melisma.train.origin import Beginning
from melisma.train.phone import Loop, make_folder, run
from melisma.train.rows import RowBatch, RowSampler
from melisma.train.trainer import Trainer

log = logging.getLogger(__name__)
_SHOWN = 12  # batches that a judgement looks at


def train_rows(
    config: PhoneTrainingConfig,
    speech: Mapping[str, Path],
    held_out: Path | None,
    noise: Mapping[str, Path],
    out: Path,
    *,
    init: Path | None = None,
    report: Callable[[dict[str, float]], None] | None = None,
    report_every: int = 100,
    workers: int | None = None,
    device: str = "auto",
    network: Callable[[PhoneNetConfig], PhoneNet] = PhoneNet,
) -> Path:
    """Train, or go on training, and return the checkpoint; `out/log.jsonl` holds a line per report.

    Parameters
    ----------
    speech : mapping of str to Path
        Manifests of clips with phone times, by the names that `config.shares` knows.
    held_out : Path, optional
        A manifest of clips of other speakers, with phone times.
    noise : mapping of str to Path
        Folders of music and ambience, by the names that `config.music_shares` knows.
    out : Path
        Folder of this run: checkpoint, log, cached features.
    init : Path, optional
        A checkpoint to start from, where its weights fit.
    workers : int, optional
        Processes that decode and threads that make rows, as many as there are cores unless said. What comes out does
        not depend on it.
    device : str
        What the network is trained on: auto, cpu, cuda, cuda:1 …
    network : callable
        Makes the network of a shape; another kind than PhoneNet gives and takes the same.

    Raises
    ------
    InputError
        If there is no such device, a manifest cannot be read or holds nothing to train on, a held-out speaker is
        trained on too or was by `init`, or the folder holds a training of other manifests.
    OutputError
        If the folder cannot be written.
    """
    torch.set_num_threads(n_threads())
    chosen, workers = choose_device(device), workers or n_threads()
    certificate = _checked(speech, held_out, noise, config)
    beginning = Beginning.of(out / CHECKPOINT, init, _manifests(speech, held_out, noise))
    beginning.check_unheard(certificate)
    make_folder(out)
    if certificate:
        certificate.write(out / "split.json")
    sources = {name: _clips(path, config, out / "cache", workers) for name, path in speech.items()}
    noises = {name: _pieces(path, out / "cache", workers) for name, path in noise.items()}
    sampler = _sampler(sources, noises, config)
    trainer = _started(Trainer(config, out, network=network, device=chosen), init)
    trainer.origin = beginning.then(certificate, (clip.speaker for clips in sources.values() for clip in clips))
    judge = _Judge(_clips(held_out, config, out / "cache", workers) if held_out else [], noises, config)
    hours = sum(len(c.log_power) for clips in sources.values() for c in clips) / 360000
    n_per_pass = max(1, round(hours * 3600 / (config.rows.row_s * config.rows.n_rows)))

    def make(step: int) -> RowBatch:
        return sampler.batch(step, min(1.0, 0.2 + step / n_per_pass / config.ramp_passes))

    loop = Loop(config.steps, n_per_pass, report_every, report, workers)
    run(trainer, make, lambda: judge.of(trainer.average), loop)
    return trainer.checkpoint


def _manifests(speech: Mapping[str, Path], held_out: Path | None, noise: Mapping[str, Path]) -> dict[str, Path]:
    """Return every manifest by what it is to the training."""
    spoken = {f"speech {name}": path for name, path in speech.items()}
    played = {f"noise {name}": folder / "manifest.jsonl" for name, folder in noise.items()}
    return spoken | played | ({"held out": held_out} if held_out else {})


def _checked(
    speech: Mapping[str, Path], held_out: Path | None, noise: Mapping[str, Path], config: PhoneTrainingConfig
) -> Certificate | None:
    """Read all manifests, so that what is wrong with them is said before anything is written."""
    for table, shares, given in (("shares", config.shares, speech), ("music_shares", config.music_shares, noise)):
        unknown = sorted(shares.keys() - given.keys())
        if unknown:
            raise InputError(f"[{table}] has {unknown[0]}, but nothing of that name is given")
    for folder in noise.values():
        read_manifest(folder / "manifest.jsonl", NoiseRow)
    if held_out:
        parts = [Part(path) for path in speech.values()]
        drawn = held_out.with_name("split.json")
        known = read_certificate(drawn) if drawn.exists() else None
        seed, share = (known.seed, known.share) if known else (config.seed, config.held_out)
        return certify(parts, [Part(held_out)], seed=seed, share=share)
    for path in speech.values():
        read_manifest(path, UtteranceRow)
    return None


def _clips(manifest: Path, config: PhoneTrainingConfig, cache: Path, workers: int) -> list[Clip]:
    clips = load_speech(manifest.parent, cache, config.skip_languages, workers, manifest.name)
    timed = [clip for clip in clips if clip.owners is not None]
    if not timed:
        raise InputError(f"{manifest} holds no clip with phone times")
    if len(timed) < len(clips):
        log.warning("left out %d clips of %s: they have no phone times", len(clips) - len(timed), manifest)
    return timed


def _pieces(folder: Path, cache: Path, workers: int) -> list[Noise]:
    pieces = load_noise(folder, cache, workers)
    if not pieces:
        raise InputError(f"{folder} holds no music or ambience")
    return pieces


def _started(trainer: Trainer, init: Path | None) -> Trainer:
    """Let a trainer go on from its own checkpoint, or else start from `init`."""
    if init and not trainer.checkpoint.exists():
        left = trainer.start_from(init)
        if left:
            log.warning("%d weights do not come from %s and begin anew: %s", len(left), init, _list(left))
    trainer.resume()
    return trainer


def _list(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 5 else f"{names[0]}, {names[1]} …"


def _sampler(
    sources: Mapping[str, list[Clip]], noises: Mapping[str, list[Noise]], config: PhoneTrainingConfig
) -> RowSampler:
    kinds = [(clips, config.shares.get(name, 1.0)) for name, clips in sources.items()]
    music = [(pieces, config.music_shares.get(name, 1.0)) for name, pieces in noises.items()]
    return RowSampler(kinds, music, config.rows, config.seed)


class _Judge:
    """Figures of held-out speakers, always on the same rows: clean, and among music."""

    def __init__(self, clips: list[Clip], noises: Mapping[str, list[Noise]], config: PhoneTrainingConfig) -> None:
        self.config = config
        self._batches: dict[str, list[RowBatch]] = {}
        if not clips:
            return
        sampler = _sampler({"held out": clips}, noises, config)
        for name, strength in (("clean", 0.0), ("mixed", 1.0)):
            self._batches[name] = [sampler.batch(1_000_000_000 + i, strength) for i in range(_SHOWN)]

    @torch.no_grad()
    def of(self, net: PhoneNet) -> dict[str, float]:
        """Return the phone error rate of best paths."""
        net.eval()
        device = device_of(net)
        said: dict[str, float] = {}
        for name, batches in self._batches.items():
            edits = phones = 0
            for batch in batches:
                n_frames = batch.features.shape[2] // net.config.stride
                lengths = torch.full((len(batch.features),), n_frames, device=device)
                best = net(batch.features.to(device), lengths)[0].argmax(1).cpu().numpy()
                truths = torch.split(batch.labels, batch.label_lengths.tolist())
                for path, truth in zip(best, truths, strict=True):
                    heard = path[np.flatnonzero(np.diff(path, prepend=-1))]
                    edits += edit_distance(heard[heard > 0], truth.numpy())
                    phones += len(truth)
            said[f"held_out_per_{name}"] = edits / max(phones, 1)
        return said
