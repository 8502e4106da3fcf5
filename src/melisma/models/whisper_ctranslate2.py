"""Whisper by CTranslate2: the files that faster-whisper reads, heard as the model was trained to hear.

faster-whisper fills windows of less than 30 s with log-mels of zero, and not with those of silence, which the model was
trained on; and it leaves out the first tokens of signs such as " -", which in a small vocabulary is the token of the
space. A model with a vocabulary of its own says something else there than in transformers. Here the encoder gets the
log-mels of transformers, and the decoder the tokens of the generation config.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import ModelError
from melisma.core.records import Float32, Int64
from melisma.models.ctranslate2_file import read_sizes
from melisma.models.package import CTRANSLATE2_FOLDER
from melisma.models.pretrained import read_json
from melisma.models.whisper_features import HOP, N_FRAMES, N_SAMPLES, log_mels
from melisma.models.whisper_onnx import HeardWindow, WhisperSearch
from melisma.models.whisper_vocabulary import never_said, read_vocabulary
from melisma.models.whisper_words import MEDIAN_WIDTH, TimedWord, words_at

_POSITIONS = 448  # of the decoder
_PREVIOUS = "<|startofprev|>"


class WhisperCtranslate2:
    """A Whisper model that CTranslate2 has loaded; windows of up to 30 s to text and words.

    Parameters
    ----------
    model : ctranslate2.models.Whisper
        Loaded.
    folder : Path
        Of the package: `tokenizer.json` and `generation_config.json`.
    spell : tokenizers.Tokenizer, optional
        For hints.

    Raises
    ------
    ModelError
        If a file is not there, or damaged.
    """

    def __init__(self, model: Any, folder: Path, spell: Any = None) -> None:
        self.name, self._model, self._spell = folder.name, model, spell
        self.vocabulary = read_vocabulary(folder)
        if len(self.vocabulary.pieces) > read_sizes(folder / CTRANSLATE2_FOLDER).n_tokens:
            raise ModelError(f"tokenizer.json of the model {self.name} has tokens that its conversion has not")
        self._never = never_said(read_json(folder / "generation_config.json"), self.vocabulary)
        self.n_mels = int(model.n_mels)
        if bool(model.is_multilingual) != bool(self.vocabulary.languages):
            raise ModelError(f"the model {self.name} was converted with other tokens than its tokenizer has")

    def transcribe(
        self,
        samples: Float32,
        language: str | None = None,
        search: WhisperSearch | None = None,
        *,
        beams: int = 1,
        hint: str = "",
    ) -> HeardWindow:
        """Return what is heard in a window.

        Parameters
        ----------
        samples : float32 [n_samples]
            Mono, 16 kHz, 30 s at most.
        language : str, optional
            Whisper's code; the likeliest without one.
        search : WhisperSearch, optional
            How far decoding goes.
        beams : int
            Of the search; 1 is greedy.
        hint : str
            Text that may have been said before, for names and spelling.

        Raises
        ------
        ValueError
            If the window is longer.
        UnknownName
            If the model was not taught the language.
        """
        if len(samples) > N_SAMPLES:
            raise ValueError(f"a window holds {N_SAMPLES} samples, not {len(samples)}")
        search, known = search or WhisperSearch(), self.vocabulary.languages
        self.vocabulary.check_language(language, self.name)
        encoded = self._encode(samples)
        chosen = language or next(iter(self._likeliest(encoded)), "en")
        prompt = self.vocabulary.prompt(chosen if known else "")
        given = [*self._before(hint), *prompt]
        most = min(search.max_new_tokens, _POSITIONS - len(given))
        found = self._say(encoded, given, most, beams)
        said: list[int] = [token for token in found.sequences_ids[0] if token < len(self.vocabulary.pieces)]
        tokens = [token for token in said if self.vocabulary.pieces[token]]
        words = self._words(encoded, prompt, tokens, len(samples), chosen) if search.words and tokens else ()
        score = float(found.scores[0]) if found.scores else 0.0
        return HeardWindow(
            text=self.vocabulary.text(tokens).strip(),
            language=chosen,
            tokens=tuple(tokens),
            words=words,
            mean_log_prob=score * len(said) / (len(said) + 1),  # it is divided by the tokens before the end
            no_speech=min(1.0, max(0.0, float(found.no_speech_prob))),
            complete=len(said) < most,
        )

    def _say(self, encoded: Any, given: list[int], most: int, beams: int) -> Any:
        (found,) = self._model.generate(
            encoded,
            [given],
            beam_size=beams,
            max_length=max(2 * most, most + len(given)),  # of which it takes half, or what is left of it
            suppress_blank=True,
            suppress_tokens=self._never,
            return_scores=True,
            return_no_speech_prob=True,
        )
        return found

    def languages(self, samples: Float32) -> dict[str, float]:
        """Return the probability of each language in a window, the likeliest first; empty for models of English."""
        return self._likeliest(self._encode(samples))

    def _encode(self, samples: Float32) -> Any:
        from ctranslate2 import StorageView

        return self._model.encode(StorageView.from_array(log_mels(samples, self.n_mels)[None]))

    def _likeliest(self, encoded: Any) -> dict[str, float]:
        if not self.vocabulary.languages:
            return {}
        (found,) = self._model.detect_language(encoded)
        return {token[2:-2]: float(share) for token, share in found}

    def _before(self, hint: str) -> list[int]:
        mark = self.vocabulary.special.get(_PREVIOUS)
        if mark is None or not hint.strip() or self._spell is None:
            return []
        said: list[int] = self._spell.encode(" " + hint.strip(), add_special_tokens=False).ids
        return [mark, *said[-(_POSITIONS // 2 - 1) :]]

    def _words(
        self, encoded: Any, prompt: Sequence[int], tokens: list[int], n_samples: int, language: str
    ) -> tuple[TimedWord, ...]:
        n_frames = min(N_FRAMES, max(2, math.ceil(n_samples / HOP)))
        (found,) = self._model.align(encoded, list(prompt[:-1]), [tokens], [n_frames], median_filter_width=MEDIAN_WIDTH)
        path: Int64 = np.array(found.alignments, np.int64).reshape(-1, 2)
        starts = path[np.flatnonzero(np.diff(path[:, 0], prepend=-1)), 1]
        pieces = [self.vocabulary.pieces[token] for token in tokens]
        return words_at(starts, n_frames // 2, pieces, [float(share) for share in found.text_token_probs], language)
