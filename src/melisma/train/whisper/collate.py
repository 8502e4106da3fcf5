"""Windows to what a Whisper takes, in the workers: log-mels of the checkpoint's own kind, and labels padded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from melisma.core.records import Float32
from melisma.train.whisper.config import WhisperTrainingConfig
from melisma.train.whisper.processor import SAMPLE_RATE
from melisma.train.whisper.tokenizer import tokens_of
from melisma.train.whisper.windows import Example

IGNORED = -100  # a label that the loss passes over


class Collate:
    """Makes a batch of windows; picklable, for workers.

    The decoder is given `<|startoftranscript|>` and then the labels but for the last; it begins once, and where a
    label is padding it is given `<|endoftext|>`, as it was in Whisper's own training.

    Parameters
    ----------
    processor : transformers.WhisperProcessor
        Whose feature extractor hears.
    config : WhisperTrainingConfig
        Labels longer than its `max_labels` are refused, not cut.
    """

    def __init__(self, processor: Any, config: WhisperTrainingConfig) -> None:
        self.extractor = processor.feature_extractor
        tokens = tokens_of(processor)
        self.start, self.end, self.most = tokens.start, tokens.end, config.max_labels

    def __call__(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        """Return a batch.

        Returns
        -------
        dict
            `input_features` float32 [batch, n_mels, 3000], `labels` and `decoder_input_ids` int64 [batch, longest];
            `seconds` float32 [batch], of audio without silence between clips.
        """
        longest = max(len(example.labels) for example in examples)
        if longest > self.most:
            raise ValueError(f"a window has {longest} labels, and {self.most} are allowed")
        labels = np.full((len(examples), longest), IGNORED, np.int64)
        given = np.full((len(examples), longest), self.end, np.int64)
        for i, example in enumerate(examples):
            n = len(example.labels)
            labels[i, :n] = example.labels
            given[i, 0], given[i, 1:n] = self.start, example.labels[:-1]
        heard = np.stack([self._mels(example) for example in examples])
        return {
            "input_features": torch.from_numpy(heard),
            "labels": torch.from_numpy(labels),
            "decoder_input_ids": torch.from_numpy(given),
            "seconds": torch.tensor([example.seconds for example in examples]),
        }

    def _mels(self, example: Example) -> Float32:
        """Return the log-mels of a window, float32 [n_mels, 3000].

        One at a time: for a batch of four at once, the feature extractor takes half a gigabyte more.
        """
        heard = self.extractor(example.samples, sampling_rate=SAMPLE_RATE, return_tensors="np")
        return np.asarray(heard["input_features"][0], np.float32)
