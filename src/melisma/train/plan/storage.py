"""What a training puts on disks, item by item, and in the GPU's memory."""

from __future__ import annotations

from dataclasses import dataclass

from melisma.train.plan.amount import Amount
from melisma.train.plan.hardware import Range
from melisma.train.plan.shapes import POSITIONS, NetworkShape, learnt_weights, weights
from melisma.train.whisper.config import WhisperTrainingConfig

RAW_GB_PER_HOUR = (0.1, 0.2)  # the contract's: 100 h of recordings are 10 to 20 GB
_PCM_GB_PER_HOUR = 16_000 * 2 * 3600 / 1e9  # 16 kHz, 16 bit, mono
_ENVIRONMENT_GB = 8.0  # torch with CUDA and what training needs beside it
_RULE = (2, 4)  # the contract's: prepared audio and checkpoints are so many times the recordings


@dataclass(frozen=True, slots=True)
class Item:
    """What takes room.

    Parameters
    ----------
    what : str
        In words.
    gb : tuple of float
        10⁹ bytes, the least and the most.
    local : bool
        Whether it lies on the machine that trains.
    """

    what: str
    gb: Range
    local: bool = True


def items(shape: NetworkShape, amount: Amount, config: WhisperTrainingConfig, runs: int) -> tuple[Item, ...]:
    """List what takes room: recordings, prepared audio, checkpoints, models."""
    raw = tuple(rate * amount.hours for rate in RAW_GB_PER_HOUR)
    if amount.raw_bytes is not None:
        raw = (amount.raw_bytes / 1e9,) * 2
    checkpoint = checkpoint_gb(shape, config)
    whole = 4 * weights(shape) / 1e9
    n_kept = config.keep + 2  # the best, and one that is being written
    n_all = config.steps // config.checkpoint_steps + config.steps // config.validate_steps
    audio = amount.hours * _PCM_GB_PER_HOUR
    everything = n_all * checkpoint + whole
    return (
        Item("recordings", (raw[0], raw[-1])),
        Item("data/processed: 16 kHz, 16 bit", (audio, audio)),
        Item("prepared/ of the runs: what is not 16 kHz already", (0.0, runs * audio)),
        Item(f"checkpoints of the runs, {checkpoint:.2f} GB each", (runs * checkpoint, runs * n_kept * checkpoint)),
        Item("models of the runs, in float32", (runs * whole, runs * whole)),
        Item("one package: float32, CTranslate2 in float32 and int8, ONNX", (2.3 * whole, 4.3 * whole)),
        Item("software", (_ENVIRONMENT_GB / 2, _ENVIRONMENT_GB)),
        Item("checkpoints sent to an object store, all of which stay", (0.0, runs * everything), local=False),
    )


def checkpoint_gb(shape: NetworkShape, config: WhisperTrainingConfig) -> float:
    """Return the size of one checkpoint: float32 weights, or adapters, and the two moments of Adam."""
    learnt = learnt_weights(shape, config.tuning, config.lora)
    kept = learnt if config.tuning == "lora" else weights(shape)
    return (4 * kept + 8 * learnt) / 1e9


def rule_gb(listed: tuple[Item, ...]) -> Range:
    """Return what the contract's rule says: two to four times the recordings."""
    low, high = listed[0].gb
    return _RULE[0] * low, _RULE[1] * high


def memory_gb(shape: NetworkShape, n_tokens: int, config: WhisperTrainingConfig, devices: int) -> tuple[float, float]:
    """Return what a GPU has to hold: weights with gradients and moments, and what a batch leaves for the way back.

    The second is reckoned: inputs of every product, in the type that is computed in. What is computed twice to save
    memory leaves only what goes into each layer.
    """
    learnt = learnt_weights(shape, config.tuning, config.lora)
    states = (4 * weights(shape) + 12 * learnt) / 1e9
    size = 2 if config.precision != "fp32" else 4
    d, t, n = shape.width, POSITIONS, n_tokens
    of_encoder = t * (8 * d + 2 * shape.encoder_ffn)
    of_decoder = n * (12 * d + 2 * shape.decoder_ffn) + 2 * t * d
    encoder, decoder = shape.encoder_layers * of_encoder, shape.decoder_layers * of_decoder
    if config.gradient_checkpointing:  # what goes into each layer, and all of one
        encoder = shape.encoder_layers * t * d + of_encoder
        decoder = shape.decoder_layers * n * d + of_decoder
    if config.tuning == "frozen-encoder":
        encoder = 0
    head = 3 * 4 * n * shape.vocabulary  # logits, their softmax and its gradient, in float32
    windows = -(-config.batch_size // devices)
    return states, windows * (size * (encoder + decoder) + head) / 1e9
