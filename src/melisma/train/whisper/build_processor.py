"""A processor for a group of languages: built, looked at with the texts that it is for, and saved."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from melisma.core.errors import InputError, UnknownName
from melisma.data.manifest import Utterance, read
from melisma.text import transliterate
from melisma.text.whisper_languages import whisper_code
from melisma.train.fresh_folder import fresh_folder
from melisma.train.whisper.config import DEFAULT_MODEL, Script
from melisma.train.whisper.coverage import coverage
from melisma.train.whisper.processor import (
    Group,
    NewVocabulary,
    new_processor,
    open_processor,
    save_processor,
    set_group,
)
from melisma.train.whisper.targets import Wording
from melisma.train.whisper.tokenizer import SMALLEST, NoText, Tokens, tokens_of

COVERAGE = "coverage.json"
_LARGEST = 100_000  # tokens; Whisper's own have 50,257


class Wanted(BaseModel):
    """What processor is asked for; see `Group` for what is kept of it.

    Parameters
    ----------
    model : str, optional
        The checkpoint whose processor it is; OpenAI's small one unless a new vocabulary is asked for.
    n_tokens : int, optional
        Of a vocabulary that is learnt from the texts.
    mels : int
        Bands of a new one's log-mels.
    languages : tuple of str
        The group; all without any.
    read_as : dict
        From a language without a token to one of the group.
    script, text : str
        What is learnt.
    both_scripts : bool
        Whether a new vocabulary is learnt from each text in Latin and in Cyrillic letters.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = None
    n_tokens: int | None = Field(None, ge=SMALLEST, le=_LARGEST)
    mels: Literal[80, 128] = 80
    languages: tuple[str, ...] = ()
    read_as: dict[str, str] = Field(default_factory=dict)
    script: Script = "keep"
    text: Literal["transcript", "norm"] = "transcript"
    both_scripts: bool = False

    @field_validator("languages")
    @classmethod
    def _known(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys(
                _token(code, f"; --read-as {code}=sr lends it the token of a language it has") for code in codes
            )
        )

    @field_validator("read_as", mode="before")
    @classmethod
    def _pairs(cls, pairs: Any) -> dict[str, str]:
        found = dict(pairs)
        return {str(said): _token(str(code)) for said, code in found.items() if _named(said, code)}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.model and self.n_tokens:
            raise ValueError("a checkpoint keeps its own vocabulary: name a model, or a number of tokens to learn")
        if self.both_scripts and not self.n_tokens:
            raise ValueError("only a new vocabulary is learnt from texts in both scripts")
        strange = [code for code in self.read_as.values() if self.languages and code not in self.languages]
        if strange:
            raise ValueError(f"{strange[0]} is not one of the group: {', '.join(self.languages)}")
        return self

    @classmethod
    def of(cls, asked: dict[str, Any]) -> Self:
        """Check what was asked for.

        Raises
        ------
        InputError
            If a value is wrong; it names the first.
        """
        try:
            return cls.model_validate(asked)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            said = first["msg"].removeprefix("Value error, ")
            raise InputError(f"{where}: {said}" if where else said) from error

    @property
    def group(self) -> Group:
        """What the processor keeps of it."""
        return Group(languages=self.languages, read_as=self.read_as, script=self.script)


def _named(said: str, code: str) -> bool:
    if not said or not code:
        raise ValueError("say which language and whose token it takes, such as cnr=sr")
    return True


def _token(code: str, hint: str = "") -> str:
    try:
        found = whisper_code(code)
    except UnknownName as error:
        raise ValueError(f"{error}{hint}") from error
    if found is None:
        raise ValueError(f"{code!r} is no language")
    return found


@dataclass(frozen=True, slots=True)
class Built:
    """A processor that was saved, and what is said of it: what `coverage` counts and why texts were left out."""

    folder: Path
    coverage: dict[str, Any]


def build(manifests: Sequence[Path], folder: Path, wanted: Wanted) -> Built:
    """Build a processor, count how it spells the texts of manifests, and save both.

    Parameters
    ----------
    manifests : sequence of Path
        JSONL of utterances; each is read once, or twice where a vocabulary is learnt.
    folder : Path
        Made whole or not at all; `coverage.json` lies in it.
    wanted : Wanted
        Which processor.

    Raises
    ------
    InputError
        If the model holds no processor, or no text is of the group.
    OutputError
        If the folder holds something, or cannot be made.
    """
    with fresh_folder(folder) as making:
        texts = _Texts(manifests, wanted)
        processor = _processor(texts, wanted)
        set_group(processor, wanted.group)
        texts.tokens = tokens_of(processor)
        found = coverage(processor, texts.read())
        if not found["texts"]:
            raise texts.none("to look at")
        found["model"] = wanted.model or (DEFAULT_MODEL if wanted.n_tokens is None else "")
        found["group"] = wanted.group.model_dump(mode="json")
        found["left_out"] = dict(texts.left_out.most_common())
        save_processor(processor, making)
        written = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
        (making / COVERAGE).write_bytes(written.encode("utf-8", "backslashreplace"))
    return Built(folder, found)


def _processor(texts: _Texts, wanted: Wanted) -> Any:
    if wanted.n_tokens is None:
        return open_processor(wanted.model or DEFAULT_MODEL)
    learnt = (f" {spelt}" for _, text in texts.read() for spelt in _in_scripts(text, wanted.both_scripts))
    try:
        return new_processor(learnt, NewVocabulary(wanted.n_tokens, wanted.mels))
    except NoText as error:
        raise texts.none("to learn a vocabulary from") from error


def _in_scripts(text: str, both: bool) -> tuple[str, ...]:
    return (transliterate.to_latin(text), transliterate.to_cyrillic(text)) if both else (text,)


class _Texts:
    """The texts of manifests with Whisper's codes of their languages, and why others are left out."""

    def __init__(self, manifests: Sequence[Path], wanted: Wanted) -> None:
        self.manifests, self.group = manifests, wanted.group
        self.wording = Wording(wanted.script, wanted.text)
        self.tokens: Tokens | None = None
        self.left_out: Counter[str] = Counter()

    def read(self) -> Iterator[tuple[str, str]]:
        """Yield code and text of each that is learnt."""
        self.left_out.clear()
        codes: dict[str, str | InputError] = {}
        for manifest in self.manifests:
            for utterance in read(manifest):
                code = self._code(utterance, codes)
                if isinstance(code, InputError):
                    self.left_out[str(code)] += 1
                elif text := self.wording.text(utterance, code):
                    yield code, text
                else:
                    self.left_out[f"no {self.wording.field}"] += 1

    def none(self, what_for: str) -> InputError:
        """Return the error that says that there was no text, and the commonest reason."""
        why = "".join(f": {reason}" for reason, _ in self.left_out.most_common(1))
        return InputError(f"{self.manifests[0]} holds no text {what_for}{why}")

    def _code(self, utterance: Utterance, codes: dict[str, str | InputError]) -> str | InputError:
        if utterance.language not in codes:
            try:
                codes[utterance.language] = self.group.code(utterance.language, self.tokens)
            except InputError as error:
                codes[utterance.language] = error
        return codes[utterance.language]
