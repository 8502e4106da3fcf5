"""The doctor of a CTC training: five ways in which one goes wrong, each told in a sentence with its remedy."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, median


class Ailment(StrEnum):
    """What can be wrong."""

    BLANKS = "blank_collapse"
    GRADIENTS = "exploding_gradients"
    LR = "dead_learning_rate"
    STARVED = "data_starvation"
    LABELS = "label_mismatch"


@dataclass(frozen=True, slots=True)
class Signs:
    """What one step shows.

    Parameters
    ----------
    step : int
        Its number.
    loss : float
        Before it.
    grad_norm : float
        L2 norm of the gradients, before they are clipped.
    lr : float
        The highest of all parameter groups.
    spelt : float
        Labels that the network's best path spells, per label of the transcripts: near 0 where blanks have taken over,
        near 1 in a network that has learnt.
    wait_share : float
        Of the time since the step before, spent waiting for data.
    moved : float, optional
        How far the trained weights went, as a share of their L2 norm; None where it was not measured.
    """

    step: int
    loss: float
    grad_norm: float
    lr: float
    spelt: float
    wait_share: float
    moved: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, since which step, and what to do about it."""

    ailment: Ailment
    step: int
    sentence: str


@dataclass(frozen=True, slots=True)
class DoctorConfig:
    """When to speak up. A step here is one of the optimiser's.

    Parameters
    ----------
    window : int
        Steps that a verdict looks back on; the loss is compared over twice as many.
    spelt : float
        Share of the labels below which the network is taken to say nothing. A sound one passes 0.5 soon after its
        plateau; a collapsed one spells next to none (transformers#12956, fairseq#3340).
    gain : float
        The least share by which the loss must have fallen from one window to the next not to stand still.
    burst : float
        Times the median of the window; three norms above it in ten steps are an explosion, not an outlier.
    still : float
        Share of their norm that weights move by in a step: float32 resolves no less than 6e-8.
    wait : float
        Share of the time spent waiting for data; what the loader's benchmark holds to on prepared audio.
    lost : float
        Share of the clips that are left out because they do not fit their transcripts.
    overflows : int
        Steps in a row without a gradient that is a number after which a loss scaler is not looking for its scale any
        more: it begins at 65,536 and halves it at each.
    """

    window: int = 100
    spelt: float = 0.1
    gain: float = 0.02
    burst: float = 10.0
    still: float = 1e-7
    wait: float = 0.05
    lost: float = 0.1
    overflows: int = 12


class Doctor:
    """Takes the signs of every step and tells what is wrong, once; again if it was well in between.

    Parameters
    ----------
    config : DoctorConfig
        When to speak up.
    n_workers : int
        Processes that prepare data, for the remedy.
    scaled : bool
        Whether a loss scaler looks for its scale, as in fp16: gradients that are no numbers now and then are its way.
    """

    def __init__(self, config: DoctorConfig | None = None, n_workers: int = 0, *, scaled: bool = False) -> None:
        self.config = config or DoctorConfig()
        self.n_workers, self.scaled = n_workers, scaled
        self._signs: deque[Signs] = deque(maxlen=2 * self.config.window)
        self._ill: set[Ailment] = set()

    def look(self, signs: Signs) -> list[Finding]:
        """Take the signs of a step and return what has newly come up."""
        self._signs.append(signs)
        checks: tuple[tuple[Ailment, Callable[[], str | None]], ...] = (
            (Ailment.GRADIENTS, self._exploded),
            (Ailment.LR, self._dead),
            (Ailment.BLANKS, self._collapsed),
            (Ailment.STARVED, self._starved),
        )
        found = []
        for ailment, check in checks:
            sentence = check()
            if sentence is None:
                self._ill.discard(ailment)
            elif ailment not in self._ill:
                self._ill.add(ailment)
                found.append(Finding(ailment, signs.step, sentence))
        return found

    def _recent(self) -> list[Signs]:
        """Return the signs of the last window, or none before it is full."""
        signs = list(self._signs)[-self.config.window :]
        return signs if len(signs) == self.config.window else []

    def _exploded(self) -> str | None:
        last = self._signs[-1]
        remedy = "lower --lr, lengthen the warm-up, or clip harder (--clip)"
        latest = list(self._signs)[-self.config.overflows if self.scaled else -1 :]
        overflown = not any(math.isfinite(one.grad_norm) for one in latest)
        enough = len(latest) == self.config.overflows or not self.scaled
        if not math.isfinite(last.loss) or (overflown and enough):
            what = "loss is" if not math.isfinite(last.loss) else "gradients are"
            return f"the {what} not a number at step {last.step}: go on from the last checkpoint and {remedy}"
        norms = [one.grad_norm for one in self._signs if math.isfinite(one.grad_norm)]
        earlier, tail = norms[:-10], norms[-10:]
        if len(earlier) < min(20, self.config.window):
            return None
        usual = median(earlier)
        bursts = [norm for norm in tail if norm > self.config.burst * max(usual, 1e-12)]
        if len(bursts) < 3:
            return None
        return f"gradients explode at step {last.step}: their norm went from {usual:.3g} to {max(bursts):.3g}; {remedy}"

    def _dead(self) -> str | None:
        signs = self._recent()
        moves = [one.moved for one in signs if one.moved is not None]
        if not moves or fmean(moves) > self.config.still:
            return None
        last = signs[-1]
        if last.lr > 1e-8:
            return (
                f"the weights stand still at step {last.step} although the learning rate is {last.lr:.2g}: "
                "are they all frozen? look at --freeze-steps, and at what the checkpoint marks as trainable"
            )
        return (
            f"the learning rate is dead at step {last.step}: at {last.lr:.2g} the weights move by {fmean(moves):.1g} "
            "of their size in a step, which a float32 does not show; raise --lr, or shorten the warm-up"
        )

    def _collapsed(self) -> str | None:
        signs = self._recent()
        spelt = fmean(one.spelt for one in signs) if signs else 1.0
        if spelt >= self.config.spelt or not self._flat():
            return None
        loss = fmean(one.loss for one in signs)
        return (
            f"blanks take over at step {signs[-1].step}: the network spells {spelt:.0%} of the labels and the loss "
            f"stands still at {loss:.3g}; let it learn ten short, clean clips by heart first, then begin with "
            "short clips, a longer warm-up or --label-priors"
        )

    def _flat(self) -> bool:
        window, losses = self.config.window, [one.loss for one in self._signs if math.isfinite(one.loss)]
        if len(losses) < 2 * window:
            return False
        return fmean(losses[window:]) > fmean(losses[:window]) * (1 - self.config.gain)

    def _starved(self) -> str | None:
        signs = self._recent()
        share = fmean(one.wait_share for one in signs) if signs else 0.0
        if share <= self.config.wait:
            return None
        more = f"take more than {self.n_workers} --workers" if self.n_workers else "let --workers 2 prepare it"
        return (
            f"the network waits for data {share:.0%} of the time at step {signs[-1].step}: {more}, prepare the audio "
            "with melisma data preprocess, or leave out costly effects of the augmentation recipe"
        )


def examine_clips(n_taken: int, left_out: Mapping[str, int], config: DoctorConfig | None = None) -> Finding | None:
    """Look at what of a corpus cannot be learnt from, before the first step.

    A vocabulary that lacks letters of the transcripts is refused before that, by `choose_vocabulary`.

    Parameters
    ----------
    n_taken : int
        Clips that are learnt from.
    left_out : mapping of str to int
        Clips that are not, by reason.

    Returns
    -------
    Finding or None
        If more than the share `config.lost` are left out because text and labels, or text and audio, do not fit.
    """
    misfits = {reason: n for reason, n in left_out.items() if any(said in reason for said in _MISFITS)}
    n_all = n_taken + sum(left_out.values())
    share = sum(misfits.values()) / n_all if n_all else 0.0
    if share <= (config or DoctorConfig()).lost:
        return None
    reason = max(misfits, key=lambda each: misfits[each])
    remedy = next(remedy for said, remedy in _MISFITS.items() if said in reason)
    return Finding(
        Ailment.LABELS, 0, f"{share:.0%} of the clips do not fit their transcripts, most of them {reason}: {remedy}"
    )


# Reasons for leaving a clip out that say that text and labels, or text and audio, do not belong together.
_MISFITS = {
    "too short for its transcript": "are audio and text of the same recording? melisma data validate tells",
    "can be spelt": "run melisma data normalize, or give --vocabulary corpus for labels of their script",
    "no voice reads": "give the language of each line, or train --units characters",
}
