"""Whisper's tokens: which of them mean something, text spelt without them, and a vocabulary of one's own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers

from melisma.core.errors import InputError
from melisma.text.whisper_languages import WHISPER_ORDER

N_TIMES = 1_501  # 0.00 to 30.00 s
TIME_STEP_S = 0.02  # of the audio, between one timestamp and the next
END, START = "<|endoftext|>", "<|startoftranscript|>"
NO_TIMES, FIRST_TIME, LAST_TIME = "<|notimestamps|>", "<|0.00|>", "<|30.00|>"
# Between the languages and the timestamps; CTranslate2 and faster-whisper look them up by these names.
_TASKS = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
# The empty token that stands before <|endoftext|>: only the multilingual models have it.
_MULTILINGUAL = ""
_ENGLISH_END = 50_256  # <|endoftext|> of the models for English only; GPT-2's
SMALLEST = 256 + 1  # bytes, and the empty token


class NoText(InputError):
    """There is no text to learn a vocabulary from."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Ids of the tokens that are no text.

    Parameters
    ----------
    start, end, no_timestamps, first_time : int
        `<|startoftranscript|>`, `<|endoftext|>`, `<|notimestamps|>` and `<|0.00|>`.
    tasks : mapping
        Of transcribe and translate.
    languages : mapping
        By Whisper's code; empty for the models that know English only, whose prompt names no language.
    """

    start: int
    end: int
    no_timestamps: int
    first_time: int
    tasks: Mapping[str, int]
    languages: Mapping[str, int]

    @property
    def multilingual(self) -> bool:
        """Whether a prompt names language and task."""
        return bool(self.languages)

    def prompt(self, language: str, task: str, *, timed: bool) -> list[int]:
        """Return what stands between `<|startoftranscript|>` and the text.

        Raises
        ------
        KeyError
            If the language has no token; `languages` tells which have.
        """
        head = [self.languages[language], self.tasks[task]] if self.multilingual else []
        return head if timed else [*head, self.no_timestamps]

    def time(self, seconds: float) -> int:
        """Return the timestamp next to a time, at most that of 30 s."""
        return self.first_time + min(N_TIMES - 1, max(0, round(seconds / TIME_STEP_S)))


def tokens_of(processor: Any) -> Tokens:
    """Find the tokens of a transformers WhisperProcessor that are no text.

    Raises
    ------
    InputError
        If one of them is lacking, or the timestamps do not follow one another: then it is no Whisper's.
    """
    tokenizer = processor.tokenizer
    known = tokenizer.get_vocab()
    lacking = [name for name in (START, END, NO_TIMES) if name not in known]
    if lacking:
        raise InputError(f"the tokenizer has no {lacking[0]}: it is not one of a Whisper model")
    first = known.get(FIRST_TIME, known[NO_TIMES] + 1)
    if known.get(LAST_TIME, first + N_TIMES - 1) - first != N_TIMES - 1 or first <= known[NO_TIMES]:
        raise InputError(f"the timestamps of the tokenizer do not run from {FIRST_TIME} to {LAST_TIME}")
    languages = {code: known[f"<|{code}|>"] for code in WHISPER_ORDER if f"<|{code}|>" in known}
    tasks = {task: known[f"<|{task}|>"] for task in ("transcribe", "translate") if f"<|{task}|>" in known}
    return Tokens(
        known[START], known[END], known[NO_TIMES], first, tasks, {} if _english_only(known, languages) else languages
    )


def _english_only(known: Mapping[str, int], languages: Mapping[str, int]) -> bool:
    """Whether a vocabulary is that of a model for English; its tokenizer may list the other languages all the same."""
    return _MULTILINGUAL not in known and (known[END] == _ENGLISH_END or len(languages) < 2)


class Spelling:
    """Text to ids and back, by the vocabulary of a processor and without any token that is no text.

    A transcript that says `<|endoftext|>` is spelt as these characters, not as an order to stop.
    """

    def __init__(self, processor: Any) -> None:
        backend = processor.tokenizer.backend_tokenizer
        self._plain = Tokenizer(backend.model)
        self._plain.pre_tokenizer = backend.pre_tokenizer
        if backend.normalizer is not None:
            self._plain.normalizer = backend.normalizer
        self._plain.decoder = backend.decoder

    def ids(self, text: str) -> list[int]:
        """Return the ids of a text; a space before its first word is part of that word."""
        return list(self._plain.encode(text, add_special_tokens=False).ids)

    def text(self, ids: Iterable[int]) -> str:
        """Return the text of ids."""
        return str(self._plain.decode(list(ids), skip_special_tokens=False))


def special_tokens() -> list[str]:
    """Return the tokens of the multilingual models that are no text, in their order, without timestamps."""
    return [END, START, *(f"<|{code}|>" for code in WHISPER_ORDER), *(f"<|{task}|>" for task in _TASKS)]


def train_tokenizer(texts: Iterable[str], n_tokens: int) -> Any:
    """Make a transformers WhisperTokenizer whose vocabulary is learnt from texts.

    It is a byte-level BPE, so that any character can be spelt, with the other tokens of the multilingual models
    behind it, in their order. The same texts give the same vocabulary.

    Parameters
    ----------
    texts : iterable of str
        Read once.
    n_tokens : int
        Of text, at least `SMALLEST`; there are fewer where the texts hold too little that is said twice.

    Raises
    ------
    InputError
        If there are too few tokens.
    NoText
        If there is none.
    """
    if n_tokens < SMALLEST:
        raise InputError(f"a vocabulary has {SMALLEST} tokens at least, the bytes and one that is empty")
    learnt = Tokenizer(models.BPE())
    learnt.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    counted = _Counted(texts)
    trainer = trainers.BpeTrainer(
        vocab_size=n_tokens - 1,
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    learnt.train_from_iterator(counted, trainer)
    if not counted.n:
        raise NoText("there is no text to learn a vocabulary from")
    said = json.loads(learnt.to_str())["model"]
    vocabulary = dict(said["vocab"])
    vocabulary[_MULTILINGUAL] = len(vocabulary)
    return _whisper_tokenizer(vocabulary, [tuple(pair) for pair in said["merges"]])


class _Counted:
    def __init__(self, texts: Iterable[str]) -> None:
        self.texts, self.n = texts, 0

    def __iter__(self) -> Iterator[str]:
        for text in self.texts:
            self.n += 1
            yield text


def _whisper_tokenizer(vocabulary: dict[str, int], merges: list[tuple[str, ...]]) -> Any:
    """Put the tokens that are no text behind a vocabulary."""
    from transformers import WhisperTokenizer

    make: Any = WhisperTokenizer
    special = [AddedToken(name, special=True, normalized=False) for name in special_tokens()]
    # Those that are special to transformers too, so that `skip_special_tokens` leaves them out.
    tokenizer = make(vocab=vocabulary, merges=merges, extra_special_tokens=special[1:])
    times = (f"<|{TIME_STEP_S * i:.2f}|>" for i in range(N_TIMES))
    tokenizer.add_tokens([AddedToken(name, special=False, normalized=False) for name in times])
    tokenizer.set_prefix_tokens()  # else its ids of them are those of before they were there
    return tokenizer
