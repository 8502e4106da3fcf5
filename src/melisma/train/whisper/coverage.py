"""How well a vocabulary spells the texts of a corpus, by language and script; and whether every text comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from melisma.text import scripts
from melisma.train.whisper.config import MAX_LABELS
from melisma.train.whisper.tokenizer import FIRST_TIME, LAST_TIME, N_TIMES, Spelling, tokens_of

SCHEMA = "melisma.whisper-coverage/1"
_SHOWN = 20  # texts, characters and tokens that are named
_SAMPLES = 5  # texts of each language whose tokens are shown
_AROUND = 4  # labels beside the text: language, task, <|notimestamps|>, <|endoftext|>
_BROKEN = "\ufffd"


@dataclass(slots=True)
class Row:
    """What the texts of a language in a script take.

    Parameters
    ----------
    texts, words, characters, tokens : int
        How many; characters without spaces.
    in_bytes : int
        Tokens that are a part of a character, not of a word.
    longest : int
        Labels of the longest text, with those around it.
    too_long : int
        Texts that take more labels than a Whisper has places for.
    """

    texts: int = 0
    words: int = 0
    characters: int = 0
    tokens: int = 0
    in_bytes: int = 0
    longest: int = 0
    too_long: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it with what follows from it: tokens a word, and the share of them that spell bytes."""
        return {
            **asdict(self),
            "tokens_per_word": round(self.tokens / self.words, 3) if self.words else None,
            "in_bytes_share": round(self.in_bytes / self.tokens, 5) if self.tokens else None,
        }


@dataclass(slots=True)
class Coverage:
    """What was found of a corpus.

    Parameters
    ----------
    rows : dict
        By language and script.
    characters : Counter
        Of all texts.
    not_exact : list
        Texts that do not come back from their ids as they were: language, text, and what comes back.
    n_not_exact : int
        How many there are.
    used : set of int
        Ids that occur.
    samples : list
        Texts with their tokens.
    lengths : list of int
        Labels of each text.
    """

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    characters: Counter[str] = field(default_factory=Counter)
    not_exact: list[dict[str, str]] = field(default_factory=list)
    n_not_exact: int = 0
    used: set[int] = field(default_factory=set)
    samples: list[dict[str, Any]] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)


class Counting:
    """Counts texts as they come.

    Parameters
    ----------
    processor : transformers.WhisperProcessor
        Whose vocabulary is looked at.
    """

    def __init__(self, processor: Any) -> None:
        self.processor, self.spelling, self.tokens = processor, Spelling(processor), tokens_of(processor)
        self.found = Coverage()
        self._broken: dict[int, bool] = {}
        self._shown: Counter[str] = Counter()

    def add(self, language: str, text: str) -> None:
        """Count a text as it is learnt: behind a space."""
        ids = self.spelling.ids(f" {text}")
        row = self.found.rows.setdefault((language, script_of(text)), Row())
        n_labels = len(ids) + _AROUND
        row.texts += 1
        row.words += len(text.split())
        row.characters += sum(not char.isspace() for char in text)
        row.tokens += len(ids)
        row.in_bytes += sum(map(self._is_broken, ids))
        row.longest = max(row.longest, n_labels)
        row.too_long += n_labels > MAX_LABELS
        self.found.lengths.append(n_labels)
        self.found.characters.update(text)
        self.found.used.update(ids)
        self._read_back(language, text, ids)

    def _is_broken(self, token: int) -> bool:
        """Whether a token is a part of a character."""
        if token not in self._broken:
            self._broken[token] = _BROKEN in self.spelling.text([token])
        return self._broken[token]

    def _read_back(self, language: str, text: str, ids: list[int]) -> None:
        """Read a text back as a transcriber does, from labels with a prompt before and an end behind."""
        prompt = self.tokens.prompt(language, "transcribe", timed=False)
        labels = [self.tokens.start, *prompt, *ids, self.tokens.end]
        back = self.processor.tokenizer.decode(labels, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if back != f" {text}":
            self.found.n_not_exact += 1
            if len(self.found.not_exact) < _SHOWN:
                self.found.not_exact.append({"language": language, "text": text, "back": back.removeprefix(" ")})
        if self._shown[language] < _SAMPLES:
            self._shown[language] += 1
            tokens = [self.spelling.text([token]) for token in ids]
            self.found.samples.append(
                {"language": language, "text": text, "tokens": tokens, "exact": back == f" {text}"}
            )

    def report(self) -> dict[str, Any]:
        """Return all that was found, as plain values."""
        found = self.found
        lengths = np.array(found.lengths or [0])
        return {
            "schema": SCHEMA,
            "texts": len(found.lengths),
            "by_language": [
                {"language": language, "script": script, **row.as_dict()}
                for (language, script), row in sorted(found.rows.items())
            ],
            "labels": {
                "median": int(np.median(lengths)),
                "p95": int(np.percentile(lengths, 95)),
                "longest": int(lengths.max()),
                "limit": MAX_LABELS,
                "over": int((lengths > MAX_LABELS).sum()),
            },
            "characters": self._characters(),
            "vocabulary": self._vocabulary(),
            "round_trip": {"exact": len(found.lengths) - found.n_not_exact, "not_exact": found.n_not_exact}
            | {"such_as": found.not_exact},
            "samples": found.samples,
        }

    def _characters(self) -> dict[str, Any]:
        """Which characters have a token of their own, and which are spelt in bytes."""
        seen = {char: n for char, n in self.found.characters.most_common() if not char.isspace()}
        pieces = {char: len(self.spelling.ids(char)) for char in seen}
        in_bytes = [char for char in seen if pieces[char] > 1]
        return {
            "distinct": len(seen),
            "in_bytes": len(in_bytes),
            "in_bytes_share": round(sum(seen[c] for c in in_bytes) / max(1, sum(seen.values())), 6),
            "such_as": [{"character": c, "times": seen[c], "tokens": pieces[c]} for c in in_bytes[:_SHOWN]],
            "lost": [char for char in seen if not pieces[char]],
        }

    def _vocabulary(self) -> dict[str, Any]:
        """How much of the vocabulary these texts use, what no text can use, and the tokens that are no text."""
        known = self.processor.tokenizer.get_vocab()
        n_text = self.tokens.end
        unreachable = unreachable_tokens(self.spelling, n_text - self.tokens.multilingual)
        times = [known.get(name) for name in (FIRST_TIME, LAST_TIME)]
        return {
            "tokens": len(self.processor.tokenizer),
            "of_text": n_text,
            "used": len(self.found.used),
            "unreachable": len(unreachable),
            "unreachable_such_as": [self.spelling.text([token]) for token in unreachable[:_SHOWN]],
            "languages": {language: self.tokens.languages.get(language) for language, _ in sorted(self.found.rows)},
            "timestamps": {"first": self.tokens.first_time, "n": N_TIMES, "named": None not in times},
        }


def unreachable_tokens(spelling: Spelling, n_text: int) -> list[int]:
    """Return the ids below `n_text` that no text is spelt with, though they are whole characters.

    A vocabulary whose merges were lost spells everything in bytes: all its words are among them.
    """
    texts = [spelling.text([token]) for token in range(n_text)]
    whole = [token for token, text in enumerate(texts) if text and _BROKEN not in text]
    return [token for token in whole if spelling.ids(texts[token]) != [token]]


def script_of(text: str) -> str:
    """Return the script that most letters of a text are of; "none" without letters, "mixed" below nine of ten.

    >>> script_of("добар дан"), script_of("dobar dan"), script_of("дан dan"), script_of("12")
    ('cyrillic', 'latin', 'mixed', 'none')
    """
    found = scripts.count(text)
    if not found:
        return "none"
    script, n = found.most_common(1)[0]
    return script if n >= 0.9 * found.total() else "mixed"


def coverage(processor: Any, texts: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Count texts, each with Whisper's code of its language.

    Returns
    -------
    dict
        Plain values, for `coverage.json`.
    """
    counting = Counting(processor)
    for language, text in texts:
        counting.add(language, text)
    return counting.report()
