"""What a Whisper model's tokens are, by its own files and without a tokenizer: text, languages, tasks and times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from melisma.core.errors import ModelError, UnknownName
from melisma.models.pretrained import read_json

START, END = "<|startoftranscript|>", "<|endoftext|>"
TRANSCRIBE, TRANSLATE, NO_TIMES, NO_SPEECH = "<|transcribe|>", "<|translate|>", "<|notimestamps|>", "<|nospeech|>"
_NO_SPEECH_BEFORE = "<|nocaptions|>"  # as the first models call it
FIRST_TIME = "<|0.00|>"
TIME_STEP_S = 0.02
_MOST_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class WhisperVocabulary:
    """Tokens by id.

    Parameters
    ----------
    pieces : tuple of bytes
        UTF-8 of each token of text; empty for special tokens and times.
    special : mapping of str to int
        Ids of special tokens, times among them.
    languages : mapping of str to int
        Ids of the tokens of languages, by Whisper's code.
    """

    pieces: tuple[bytes, ...]
    special: Mapping[str, int]
    languages: Mapping[str, int]

    @property
    def end(self) -> int:
        """Id of the token that ends a text."""
        return self.special[END]

    @property
    def no_speech(self) -> int | None:
        """Id of the token that says that nobody speaks, where there is one."""
        return self.special.get(NO_SPEECH, self.special.get(_NO_SPEECH_BEFORE))

    @property
    def first_time(self) -> int | None:
        """Id of the time 0.00, where there are times; each of the next ids is 0.02 s later."""
        return self.special.get(FIRST_TIME)

    def prompt(self, language: str, task: str = TRANSCRIBE, *, times: bool = False) -> tuple[int, ...]:
        """Return what a decoder begins with; models of one language know neither languages nor tasks.

        Raises
        ------
        KeyError
            If the model has no such language.
        """
        said = [self.special[START]]
        if self.languages:
            said += [self.languages[language], self.special[task]]
        return (*said, *(() if times else (self.special[NO_TIMES],)))

    def check_language(self, code: str | None, model: str) -> None:
        """Refuse a language that a model has no token for; models of English alone take any.

        Raises
        ------
        UnknownName
            If it has none.
        """
        if code and self.languages and code not in self.languages:
            raise UnknownName(f"language of the model {model}", code, sorted(self.languages))

    def text(self, tokens: list[int] | tuple[int, ...]) -> str:
        """Return the text of tokens, without special ones."""
        return b"".join(self.pieces[token] for token in tokens).decode("utf-8", "replace")


def read_vocabulary(folder: Path) -> WhisperVocabulary:
    """Read tokens from `tokenizer.json` and languages from `generation_config.json` of a folder.

    Raises
    ------
    ModelError
        If one of them is not there or damaged, or lacks a token that Whisper has.
    """
    said = read_json(folder / "tokenizer.json")
    model, added = said.get("model"), said.get("added_tokens")
    ids = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(ids, dict) or not isinstance(added, list):
        raise ModelError(f"tokenizer.json of the model {folder.name} is none of Whisper's")
    special = {each["content"]: each["id"] for each in added if _is_token(each)}
    whole = {**{str(text): number for text, number in ids.items()}, **special}
    if not all(isinstance(each, int) and 0 <= each < _MOST_TOKENS for each in whole.values()):
        raise ModelError(f"tokenizer.json of the model {folder.name} has ids that are none")
    missing = next((token for token in (START, END, TRANSCRIBE, NO_TIMES) if token not in whole), None)
    if missing:
        raise ModelError(f"tokenizer.json of the model {folder.name} has no token {missing}")
    special = {text: number for text, number in whole.items() if text in special or _looks_special(text)}
    pieces = [b""] * (max(whole.values()) + 1)
    for text, number in ids.items():
        if text not in special:
            pieces[number] = _bytes_of(text)
    return WhisperVocabulary(tuple(pieces), special, _languages(folder, special))


def never_said(generation: Mapping[str, Any], vocabulary: WhisperVocabulary) -> list[int]:
    """Return the tokens that a text never has: those that a generation config says, and special ones but for the end.

    faster-whisper has a list of its own unless it is given one: the first tokens of signs such as " -" and " ♪". In a
    small vocabulary that is the token of the space, and words run together.
    """
    said = listed(generation, "suppress_tokens", len(vocabulary.pieces))
    return sorted({*said, *vocabulary.special.values()} - {vocabulary.end})


def listed(generation: Mapping[str, Any], name: str, n_tokens: int) -> list[int]:
    """Return a list of tokens of a generation config, those that there are; none where it has no such list."""
    found = generation.get(name)
    return [each for each in found if isinstance(each, int) and 0 <= each < n_tokens] if isinstance(found, list) else []


def _is_token(each: Any) -> bool:
    return isinstance(each, dict) and isinstance(each.get("content"), str) and isinstance(each.get("id"), int)


def _looks_special(text: str) -> bool:
    return len(text) > 4 and text.startswith("<|") and text.endswith("|>")


def _languages(folder: Path, special: Mapping[str, int]) -> dict[str, int]:
    said = read_json(folder / "generation_config.json").get("lang_to_id")
    found = said if isinstance(said, dict) else {}
    return {str(text)[2:-2]: special[text] for text in found if text in special}


@cache
def _byte_of() -> dict[str, int]:
    """Return the byte that each sign of byte-level tokens stands for (Radford et al., GPT-2, 2019)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(others)}


def _bytes_of(text: str) -> bytes:
    table = _byte_of()
    return bytes(table[char] for char in text) if all(char in table for char in text) else text.encode()
