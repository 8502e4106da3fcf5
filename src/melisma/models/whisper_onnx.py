"""Whisper by onnxruntime alone: an encoder and a decoder as ONNX files, greedy decoding, times of words.

The files are those of `melisma.train.whisper.onnx_export`. `encoder.onnx` takes log-mels [batch, n_mels, 3000] and
gives what the decoder attends to, `cross_k` and `cross_v` [n_layers, batch, n_heads, 1500, width]. `decoder.onnx` takes
`tokens` int64 [batch, n], what earlier calls gave (`past_k`, `past_v` [n_layers, batch, n_heads, n_past, width]), and
both of these; it gives `logits` [batch, n, n_tokens], `present_k`, `present_v` with the new tokens behind the old ones,
and `attention` [batch, n_alignment_heads, n, 1500].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import ModelError
from melisma.core.records import Float32
from melisma.core.settings import n_threads
from melisma.models.onnx_file import check_whole
from melisma.models.pretrained import read_json
from melisma.models.whisper_features import N_SAMPLES, SAMPLE_RATE, STATE_S, log_mels
from melisma.models.whisper_vocabulary import WhisperVocabulary, listed, never_said, read_vocabulary
from melisma.models.whisper_words import TimedWord, word_times

FOLDER = "onnx"  # of a package
_POSITIONS = 448  # of the decoder
ENCODER, DECODER = "encoder.onnx", "decoder.onnx"


@dataclass(frozen=True, slots=True)
class WhisperSearch:
    """How greedy decoding goes.

    Parameters
    ----------
    max_new_tokens : int
        After which a window is over, whatever the decoder says.
    words : bool
        Whether words get times; it costs a few per cent.
    """

    max_new_tokens: int = 224
    words: bool = True


@dataclass(frozen=True, slots=True)
class HeardWindow:
    """What was heard in a window of at most 30 s.

    Parameters
    ----------
    text : str
        Without spaces around it.
    language : str
        Whisper's code.
    tokens : tuple of int
        Of the text.
    words : tuple of TimedWord
        Times in seconds of the window; empty where they were not asked for, or the model has no alignment heads.
    mean_log_prob : float
        Natural logarithm of the probability of a token, averaged, the one that ends the text among them.
    no_speech : float
        Probability that nobody speaks; 0 where the model does not say.
    complete : bool
        Whether the decoder came to an end by itself.
    """

    text: str
    language: str
    tokens: tuple[int, ...]
    words: tuple[TimedWord, ...]
    mean_log_prob: float
    no_speech: float
    complete: bool


@dataclass(frozen=True, slots=True)
class _Encoded:
    """What the decoder attends to, and for how many states there is sound."""

    cross_k: Float32
    cross_v: Float32
    n_states: int


@dataclass(slots=True)
class _Said:
    """What greedy decoding has found so far."""

    tokens: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)  # of the tokens, and of what ended them
    attention: list[Float32] = field(default_factory=list)  # [n_heads, n, n_states] of each call
    no_speech: float = 0.0
    complete: bool = False


class WhisperOnnx:
    """A Whisper model in ONNX files; windows of up to 30 s to text and words.

    Parameters
    ----------
    folder : Path
        Of the model: `config.json`, `generation_config.json`, `tokenizer.json`, and the ONNX files in `onnx/`. A
        stranger's package is to be held to its `melisma.json` first.

    Raises
    ------
    ModelError
        If a file is not there, damaged, or not what it has to be.
    """

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        self.name = folder.name
        self.vocabulary: WhisperVocabulary = read_vocabulary(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads()
        options.log_severity_level = 3
        sessions = []
        for file in (ENCODER, DECODER):
            path = folder / FOLDER / file
            check_whole(path)
            try:
                sessions.append(onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]))
            except Exception as error:  # onnxruntime has a class of its own for every fault, none of them public
                said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
                raise ModelError(f"{file} of the model {self.name} cannot be loaded: {said}") from error
        self._encoder, self._decoder = sessions
        self.n_mels, self._past_shape, n_labels = self._shapes()
        generation = read_json(folder / "generation_config.json")
        self._never = [*never_said(generation, self.vocabulary), *range(len(self.vocabulary.pieces), n_labels)]
        self._never_first = listed(generation, "begin_suppress_tokens", n_labels)
        most = read_json(folder / "config.json").get("max_target_positions", _POSITIONS)
        self._n_positions = most if isinstance(most, int) and 8 <= most <= _POSITIONS else _POSITIONS

    def _shapes(self) -> tuple[int, tuple[int, int, int], int]:
        """Return mel bands, layers, heads and width of the decoder, and its tokens; refuse files of something else."""
        ours = {"tokens", "past_k", "past_v", "cross_k", "cross_v"}
        inputs = {each.name: each.shape for each in self._decoder.get_inputs()}
        mels = {each.name: each.shape for each in self._encoder.get_inputs()}.get("mels")
        logits = {each.name: each.shape for each in self._decoder.get_outputs()}.get("logits")
        past = inputs.get("past_k")
        if set(inputs) != ours or not mels or not past or not logits or len(mels) != 3 or len(past) != 5:
            raise ModelError(f"the ONNX files of the model {self.name} are no encoder and decoder of Whisper's")
        sizes = (mels[1], past[0], past[2], past[4], logits[-1])
        if not all(isinstance(size, int) and 0 < size < 1_000_000 for size in sizes):
            raise ModelError(f"the ONNX files of the model {self.name} do not say how large their layers are")
        if logits[-1] <= max(self.vocabulary.special.values()):
            raise ModelError(f"the decoder of the model {self.name} has fewer tokens than its tokenizer")
        return mels[1], (past[0], past[2], past[4]), logits[-1]

    def transcribe(
        self, samples: Float32, language: str | None = None, search: WhisperSearch | None = None
    ) -> HeardWindow:
        """Return what is heard in a window.

        Parameters
        ----------
        samples : float32 [n_samples]
            Mono, 16 kHz, 30 s at most.
        language : str, optional
            Whisper's code; the likeliest without one.

        Raises
        ------
        ValueError
            If the window is longer.
        UnknownName
            If the model was not taught the language.
        """
        if len(samples) > N_SAMPLES:
            raise ValueError(f"a window holds {N_SAMPLES} samples, not {len(samples)}")
        search = search or WhisperSearch()
        known = self.vocabulary.languages
        self.vocabulary.check_language(language, self.name)
        encoded = self._encode(samples)
        chosen = language or self._likeliest(encoded)
        prompt = self.vocabulary.prompt(chosen) if known else self.vocabulary.prompt("")
        said = self._decode(encoded, prompt, search)
        words: tuple[TimedWord, ...] = ()
        if search.words and said.tokens and said.attention[0].shape[0]:
            pieces = [self.vocabulary.pieces[token] for token in said.tokens]
            sure = [float(np.exp(each)) for each in said.log_probs]
            rows = np.concatenate(said.attention, axis=1)
            words = word_times(rows, pieces, sure, len(prompt) - 1, chosen)
        mean = float(np.mean(said.log_probs)) if said.log_probs else 0.0
        text = self.vocabulary.text(said.tokens).strip()
        return HeardWindow(text, chosen, tuple(said.tokens), words, mean, said.no_speech, said.complete)

    def languages(self, samples: Float32) -> dict[str, float]:
        """Return the probability of each language in a window, the likeliest first; empty for models of English."""
        return self._languages(self._encode(samples))

    def _encode(self, samples: Float32) -> _Encoded:
        mels = log_mels(samples, self.n_mels)[None]
        cross_k, cross_v = self._run(self._encoder, ["cross_k", "cross_v"], {"mels": mels})
        n_states = min(cross_k.shape[3], max(1, -(-len(samples) // round(STATE_S * SAMPLE_RATE))))
        return _Encoded(cross_k, cross_v, n_states)

    def _likeliest(self, encoded: _Encoded) -> str:
        found = self._languages(encoded)
        return next(iter(found), "en")

    def _languages(self, encoded: _Encoded) -> dict[str, float]:
        known = self.vocabulary.languages
        if not known:
            return {}
        start = self.vocabulary.prompt(next(iter(known)))[:1]
        logits = self._step(encoded, start, self._nothing())[0][0, -1]
        codes = list(known)
        shares = _softmax(logits[[known[code] for code in codes]])
        return {codes[i]: float(shares[i]) for i in np.argsort(-shares, kind="stable")}

    def _decode(self, encoded: _Encoded, prompt: Sequence[int], search: WhisperSearch) -> _Said:
        said, past, given = _Said(), self._nothing(), tuple(prompt)
        most = min(search.max_new_tokens, self._n_positions - len(prompt))
        while len(said.tokens) < most:
            logits, past, attention = self._step(encoded, given, past)
            if not said.attention and self.vocabulary.no_speech is not None:
                said.no_speech = float(_softmax(logits[0, 0])[self.vocabulary.no_speech])
            if search.words:
                said.attention.append(attention[0, :, :, : encoded.n_states])
            token, log_prob = self._next(logits[0, -1], first=not said.tokens)
            said.log_probs.append(log_prob)
            if token == self.vocabulary.end:
                said.complete = True
                break
            said.tokens.append(token)
            given = (token,)
        if search.words and said.tokens and not said.complete:  # where the last word ends, the decoder says behind it
            said.attention.append(self._step(encoded, given, past)[2][0, :, :, : encoded.n_states])
        return said

    def _next(self, logits: Float32, *, first: bool) -> tuple[int, float]:
        """Return the likeliest token of those that may come, and its log-probability among them."""
        allowed = logits.astype(np.float64)
        allowed[self._never] = -np.inf
        if first:
            allowed[self._never_first] = -np.inf
        token = int(allowed.argmax())
        top = float(allowed[token])
        return token, -float(np.log(np.exp(allowed - top).sum()))

    def _step(
        self, encoded: _Encoded, tokens: Sequence[int], past: tuple[Float32, Float32]
    ) -> tuple[Float32, tuple[Float32, Float32], Float32]:
        fed = {
            "tokens": np.array([tokens], np.int64),
            "past_k": past[0],
            "past_v": past[1],
            "cross_k": encoded.cross_k,
            "cross_v": encoded.cross_v,
        }
        logits, keys, values, attention = self._run(
            self._decoder, ["logits", "present_k", "present_v", "attention"], fed
        )
        return logits, (keys, values), attention

    def _run(self, session: Any, names: list[str], fed: dict[str, Any]) -> list[Float32]:
        try:
            found: list[Float32] = session.run(names, fed)
        except Exception as error:  # see above
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise ModelError(f"the ONNX files of the model {self.name} break off: {said}") from error
        return found

    def _nothing(self) -> tuple[Float32, Float32]:
        layers, heads, width = self._past_shape
        empty = np.zeros((layers, 1, heads, 0, width), np.float32)
        return empty, empty


def _softmax(logits: Float32) -> Float32:
    raised = np.exp(logits.astype(np.float64) - logits.max())
    shares: Float32 = raised / raised.sum()
    return shares
