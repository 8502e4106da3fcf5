"""An ONNX file against the network that it was made of, at lengths and batches that nobody traced.

The input is espeak-ng's voice in noise. Two things are measured: how far log-probabilities are apart, and whether the
same labels are placed in the same frames: an aligner needs the second, and only a small difference guarantees it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from melisma.aligner.viterbi import viterbi
from melisma.core.errors import ModelError
from melisma.core.records import Float32, Int64, Tokens
from melisma.core.settings import n_threads
from melisma.models import features
from melisma.models.phone_net import PhoneNet
from melisma.synth import speech
from melisma.train.ctc.package import geometry
from melisma.train.ctc.trained import Trained

SAMPLE_RATE = 16000
_LIKELY = np.log(0.01)  # labels below a hundredth decide no alignment
_SENTENCE = "Over the river and through the wood, the quick brown fox jumps with a merry song about five dozen jugs."
_TOKENS_A_SECOND = 8.0  # of a made-up text where the network hears hardly any label


@dataclass(frozen=True, slots=True)
class Limits:
    """How far an ONNX file may be from torch.

    Parameters
    ----------
    log_prob : float
        Largest difference of a log-probability, in nats, of labels that either gives a hundredth or more.
    agreement : float
        Least share of tokens that both place within a frame of each other.
    """

    log_prob: float = 0.01
    agreement: float = 0.999

    @classmethod
    def int8(cls) -> Limits:
        """Return those of 8-bit weights."""
        return cls(log_prob=1.0, agreement=0.97)


@dataclass(frozen=True, slots=True)
class Case:
    """One batch: its size, its length in samples, and what came of it.

    `log_prob` is the largest difference of all labels in nats, `likely` that of labels that either gives a hundredth;
    `n_tokens` were placed, `n_agree` of them within a frame.
    """

    batch: int
    n_samples: int
    n_frames: int
    log_prob: float
    likely: float
    n_tokens: int
    n_agree: int


@dataclass(frozen=True, slots=True)
class Parity:
    """All cases, in order."""

    cases: tuple[Case, ...]

    @property
    def log_prob(self) -> float:
        """The largest difference of any log-probability, in nats."""
        return max(case.log_prob for case in self.cases)

    @property
    def likely(self) -> float:
        """The largest difference among labels that either gives a hundredth or more, in nats."""
        return max(case.likely for case in self.cases)

    @property
    def agreement(self) -> float:
        """Share of tokens that both place within a frame of each other."""
        n_tokens = sum(case.n_tokens for case in self.cases)
        return sum(case.n_agree for case in self.cases) / n_tokens if n_tokens else 1.0

    def check(self, limits: Limits) -> None:
        """Refuse what is too far from torch, with ModelError; the sentence says where and by how much."""
        if not self.likely <= limits.log_prob:
            worst = max(self.cases, key=lambda case: case.likely)
            raise ModelError(
                f"the ONNX file is {self.likely:.3g} nats from torch at {worst.batch} x {worst.n_samples} samples, and "
                f"{limits.log_prob:g} are allowed (--max-error); it places {self.agreement:.1%} of the labels where "
                "torch does"
            )
        if self.agreement < limits.agreement:
            raise ModelError(
                f"the ONNX file places {self.agreement:.1%} of the labels where torch does, and "
                f"{limits.agreement:.1%} are asked for (--min-agreement)"
            )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        found = {"log_prob": self.log_prob, "likely": self.likely, "agreement": self.agreement}
        return {**found, "cases": [asdict(case) for case in self.cases]}


def compare(trained: Trained, path: Path) -> Parity:
    """Run a network and its ONNX file over the same batches.

    Parameters
    ----------
    trained : Trained
        The network.
    path : Path
        Of the ONNX file.

    Raises
    ------
    ModelError
        If the file cannot be run, or gives other shapes than the network.
    """
    run_torch, run_onnx = _torch(trained), _onnx(trained, path)
    cases = []
    for batch, n_samples in sizes(trained):
        wave = sounds(batch, n_samples)
        wanted, got = run_torch(wave), run_onnx(wave)
        if wanted.shape != got.shape:
            raise ModelError(f"the ONNX file gives {got.shape} where torch gives {wanted.shape}")
        if not np.isfinite(got).all():
            raise ModelError("the ONNX file gives what are no numbers")
        cases.append(_case(wanted, got, trained.blank, n_samples))
    return Parity(tuple(cases))


def sizes(trained: Trained) -> tuple[tuple[int, int], ...]:
    """Return the batches that are compared: the shortest there is, odd lengths, long ones, one item and several."""
    if isinstance(trained.net, PhoneNet):
        least = trained.net.config.stride * features.HOP
    else:
        least = geometry(trained.net.config)[1]
    return ((1, least), (3, least + 1), (1, 16_001), (4, 11_111), (2, 48_000), (1, 150_007))


def sounds(batch: int, n_samples: int) -> Float32:
    """Return speech in noise, float32 [batch, n_samples], of mean 0 and variance 1; no two items are alike."""
    voice = _voice()
    rng = np.random.default_rng(n_samples)
    out = np.empty((batch, n_samples), np.float32)
    for row in range(batch):
        first = int(rng.integers(len(voice)))
        out[row] = np.resize(np.roll(voice, -first), n_samples) + rng.normal(0, 0.02, n_samples)
    out -= out.mean(axis=1, keepdims=True)
    scaled: Float32 = (out / np.sqrt(out.var(axis=1, keepdims=True) + 1e-7)).astype(np.float32)
    return scaled


@lru_cache(maxsize=1)
def _voice() -> Float32:
    import soxr

    samples, _ = speech.utter(_SENTENCE, "en-us", "michel", 150, 50)
    resampled: Float32 = soxr.resample(samples, speech.SAMPLE_RATE, SAMPLE_RATE).astype(np.float32)
    return resampled


def log_mels(wave: Float32, stride: int) -> Float32:
    """Return what a phone network takes, float32 [batch, N_MELS, n], n a multiple of its stride."""
    rows = []
    for samples in wave:
        normal = features.log_mel(samples)
        features.normalise(normal, out=normal)
        short = -len(normal) % stride
        rows.append(np.pad(normal, ((0, short), (0, 0))).T)
    return np.ascontiguousarray(np.stack(rows), np.float32)


def _torch(trained: Trained) -> Callable[[Float32], Float32]:
    net: Any = trained.net

    def run(wave: Float32) -> Float32:
        with torch.inference_mode():
            if isinstance(net, PhoneNet):
                mels = torch.from_numpy(log_mels(wave, net.config.stride))
                lengths = torch.full((len(mels),), mels.shape[2] // net.config.stride)
                logits = net(mels, lengths)[0].transpose(1, 2)
            else:
                logits = net(torch.from_numpy(wave)).logits
            out: Float32 = torch.log_softmax(logits.float(), dim=-1).numpy()
        return out

    return run


def _onnx(trained: Trained, path: Path) -> Callable[[Float32], Float32]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = n_threads(), 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own, undocumented classes
        raise ModelError(f"the ONNX file cannot be loaded: {str(error).splitlines()[0][:200]}") from error

    def run(wave: Float32) -> Float32:
        net = trained.net
        fed = log_mels(wave, net.config.stride) if isinstance(net, PhoneNet) else wave
        try:
            logits = session.run(None, {session.get_inputs()[0].name: fed})[0]
        except Exception as error:  # onnxruntime raises its own, undocumented classes
            said = str(error).splitlines()[0][:200]
            raise ModelError(f"the ONNX file fails at {wave.shape[0]} x {wave.shape[1]} samples: {said}") from error
        top = logits - logits.max(axis=-1, keepdims=True)
        out: Float32 = (top - np.log(np.exp(top).sum(axis=-1, keepdims=True))).astype(np.float32)
        return out

    return run


def _case(wanted: Float32, got: Float32, blank: int, n_samples: int) -> Case:
    apart = np.abs(wanted - got)
    likely = apart[np.maximum(wanted, got) >= _LIKELY]
    n_tokens = n_agree = 0
    for ours, theirs in zip(wanted, got, strict=True):
        ids = _text(ours, blank)
        if len(ids):
            first, second = _frames(ours, ids, blank), _frames(theirs, ids, blank)
            n_tokens += len(ids)
            n_agree += int((np.abs(first - second) <= 1).sum())
    return Case(
        batch=len(wanted),
        n_samples=n_samples,
        n_frames=wanted.shape[1],
        log_prob=float(apart.max()),
        likely=float(likely.max(initial=0.0)),
        n_tokens=n_tokens,
        n_agree=n_agree,
    )


def _text(log_probs: Float32, blank: int) -> Int64:
    """Return the labels that a network hears, or where it hears next to none the likeliest ones besides the blank."""
    best = log_probs.argmax(axis=1)
    kept = np.append(True, best[1:] != best[:-1]) & (best != blank)
    heard = best[kept]
    if len(heard) * 25 >= len(best):
        return np.asarray(heard, np.int64)
    others = np.delete(np.arange(log_probs.shape[1]), blank)
    every = max(1, round(50 / _TOKENS_A_SECOND))
    return np.asarray(others[log_probs[every // 2 :: every, others].argmax(axis=1)], np.int64)


def _frames(log_probs: Float32, ids: Int64, blank: int) -> Int64:
    """Return the first frame of each token on the best path."""
    tokens = Tokens(ids, np.zeros(len(ids), np.int64), np.zeros(1, np.int64))
    states = viterbi(log_probs, tokens, blank).states
    return np.searchsorted(states, 2 * np.arange(len(ids)) + 1).astype(np.int64)
