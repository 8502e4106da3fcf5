"""From hours, model and hardware to a plan: windows, operations, time, money; low and high, never one number."""

from __future__ import annotations

import math
from dataclasses import dataclass

from melisma.core.errors import InputError
from melisma.train.plan.amount import Amount
from melisma.train.plan.compute import forward, step_operations
from melisma.train.plan.hardware import Hardware, Range
from melisma.train.plan.measured import Measured
from melisma.train.plan.shapes import NetworkShape, learnt_weights, weights
from melisma.train.plan.storage import Item, items, memory_gb, rule_gb
from melisma.train.whisper.config import WhisperTrainingConfig

DECODE_RATE = (40.0, 150.0)  # seconds of a recording that a core decodes and resamples in one
_TOKEN_S = (0.008, 0.03)  # a token of every clip of a batch, where nothing was measured
_SPOKEN_TOKENS = 40  # of a validation clip
_LOSS = (1.0, 0.92)  # of speed for each doubling of devices: best and worst


@dataclass(frozen=True, slots=True)
class Asked:
    """What is planned for.

    Parameters
    ----------
    name : str
        Of the model.
    shape : NetworkShape
        Of its network.
    amount : Amount
        What is learnt from.
    config : WhisperTrainingConfig
        How.
    hardware : Hardware
        On what.
    devices : int
        How many of it.
    runs, trials : int
        Full trainings, and trials of a search beside them.
    trial_share : float
        Of a full training that a trial takes.
    measured : Measured, optional
        What a run on the same hardware reached.
    """

    name: str
    shape: NetworkShape
    amount: Amount
    config: WhisperTrainingConfig
    hardware: Hardware
    devices: int = 1
    runs: int = 1
    trials: int = 0
    trial_share: float = 0.1
    measured: Measured | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the work: its hours of wall time, and whether the devices work in it."""

    name: str
    hours: Range
    on_devices: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """What it will take. Ranges are from the best to the worst case; hours are those of clocks.

    Parameters
    ----------
    asked : Asked
        For what.
    passes : float
        Over the clips.
    operations : float
        Of a window, in 10¹².
    teraflops : tuple of float
        10¹² operations a second that one device is taken to reach.
    step_s : tuple of float
        Seconds of a step.
    phases : tuple of Phase
        In their order.
    device_hours, cost : tuple of float
        Of all devices, and US dollars for them.
    memory_gb : tuple of float
        Of a device: weights and what belongs to them, and a batch.
    storage : tuple of Item
        Item by item.
    rule_gb : tuple of float
        What the contract's rule says of storage.
    """

    asked: Asked
    passes: float
    operations: float
    teraflops: Range
    step_s: Range
    phases: tuple[Phase, ...]
    device_hours: Range
    cost: Range
    memory_gb: tuple[float, float]
    storage: tuple[Item, ...]
    rule_gb: Range

    @property
    def wall_hours(self) -> Range:
        """Hours of all phases, one after the other."""
        return sum(each.hours[0] for each in self.phases), sum(each.hours[1] for each in self.phases)

    @property
    def n_weights(self) -> tuple[int, int]:
        """Numbers of the network, and those that are learnt."""
        config = self.asked.config
        return weights(self.asked.shape), learnt_weights(self.asked.shape, config.tuning, config.lora)

    @property
    def fits(self) -> bool:
        """Whether a device holds it, with a tenth to spare."""
        return sum(self.memory_gb) <= 0.9 * self.asked.hardware.memory_gb

    @property
    def audio_s_per_s(self) -> Range:
        """Seconds of audio that are learnt from in one, of all devices."""
        amount, config = self.asked.amount, self.asked.config
        each = amount.hours * 3600 / amount.n_windows * config.batch_size * config.accumulate
        return each / self.step_s[1], each / self.step_s[0]


def estimate(asked: Asked) -> Plan:
    """Plan a training.

    Raises
    ------
    InputError
        If devices, runs or trials are out of bounds.
    """
    if not (1 <= asked.devices <= 4096 and 1 <= asked.runs <= 1000 and 0 <= asked.trials <= 100_000):
        raise InputError("devices are 1 to 4096, runs 1 to 1000, trials 0 to 100,000")
    config, amount = asked.config, asked.amount
    n_tokens = math.ceil(amount.tokens)
    operations = step_operations(asked.shape, n_tokens, config.tuning, again=config.gradient_checkpointing)
    reached = _teraflops(asked)
    windows = config.batch_size * config.accumulate
    step_s = _seconds(windows * operations / 1e12, reached, asked.devices)
    phases = _phases(asked, step_s, reached)
    on_devices = [each.hours for each in phases if each.on_devices]
    hours = (asked.devices * sum(h[0] for h in on_devices), asked.devices * sum(h[1] for h in on_devices))
    listed = items(asked.shape, amount, config, asked.runs)
    return Plan(
        asked=asked,
        passes=config.steps * windows / amount.n_windows,
        operations=operations / 1e12,
        teraflops=reached,
        step_s=step_s,
        phases=phases,
        device_hours=hours,
        cost=(hours[0] * asked.hardware.price[0], hours[1] * asked.hardware.price[1]),
        memory_gb=memory_gb(asked.shape, n_tokens, config, asked.devices),
        storage=listed,
        rule_gb=rule_gb(listed),
    )


def _teraflops(asked: Asked) -> Range:
    """Return what a device is taken to reach, as it was measured or as is usual."""
    if asked.measured is not None:
        return asked.measured.teraflops
    peak = asked.hardware.single if asked.config.precision == "fp32" else asked.hardware.half
    return peak * asked.hardware.efficiency[0], peak * asked.hardware.efficiency[1]


def _seconds(tera: float, reached: Range, devices: int) -> Range:
    """Return how long so many operations take on all devices: the least and the most seconds."""
    doublings = math.log2(devices)
    best, worst = (devices * each**doublings for each in _LOSS)
    return tera / (reached[1] * best), tera / (reached[0] * worst)


def _phases(asked: Asked, step_s: Range, reached: Range) -> tuple[Phase, ...]:
    config, amount = asked.config, asked.amount
    validation = _validation_s(asked, reached)
    n_validations = math.ceil(config.steps / config.validate_steps)
    one = tuple((config.steps * step_s[i] + n_validations * validation[i]) / 3600 for i in (0, 1))
    audio_s = amount.hours * 3600
    phases = [
        Phase("prepare audio, on one core", (audio_s / DECODE_RATE[1] / 3600, audio_s / DECODE_RATE[0] / 3600), False),
        Phase("fast-dev-run", (1 / 60, 5 / 60)),
    ]
    if asked.trials:
        share = asked.trials * asked.trial_share
        # Half of the trials are pruned by and by: in the best case at a third of the way.
        phases.append(Phase(f"search: {asked.trials} trials", (share * one[0] * 2 / 3, share * one[1])))
    many = f"{asked.runs} trainings" if asked.runs > 1 else "training"
    phases.append(Phase(many, (asked.runs * one[0], asked.runs * one[1])))
    judged = (2 * validation[0] / 3600 + 0.05, 10 * validation[1] / 3600 + 0.5)
    phases.append(Phase("evaluate and package", (asked.runs * judged[0], asked.runs * judged[1])))
    return tuple(phases)


def _validation_s(asked: Asked, reached: Range) -> Range:
    """Return the seconds of a validation: hearing all clips, and a token at a time of each batch."""
    measured, config = asked.measured, asked.config
    if measured is not None and measured.validation_s is not None:
        return 0.9 * measured.validation_s, 1.2 * measured.validation_s
    one = forward(asked.shape, 1)
    tera = config.validation_clips * (one.total - one.head) / 1e12
    heard = _seconds(tera, reached, asked.devices)
    rounds = math.ceil(config.validation_clips / (config.validation_batch * asked.devices))
    tokens = rounds * min(_SPOKEN_TOKENS, config.max_new_tokens) * config.beams**0.5
    return heard[0] + tokens * _TOKEN_S[0], heard[1] + tokens * _TOKEN_S[1]
