"""Whisper processors: a checkpoint's, or one with a vocabulary of one's own; and what a group of languages shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import InputError, UnknownName
from melisma.models.pretrained import Checkpoint
from melisma.models.quiet import quiet
from melisma.text.whisper_languages import whisper_code
from melisma.train.whisper.config import Script
from melisma.train.whisper.tokenizer import Tokens, tokens_of, train_tokenizer

SAMPLE_RATE = 16_000  # Hz; every Whisper hears at this rate
_KEPT = "melisma"  # where tokenizer_config.json says what the group is


class Group(BaseModel):
    """What the languages of a processor share; kept in its `tokenizer_config.json`, and so in every model's folder.

    Parameters
    ----------
    languages : tuple of str
        Whisper's codes of those that are learnt; every one that it knows if empty.
    read_as : mapping
        From a manifest's language that Whisper has no token for to one that it has: `{"cnr": "sr"}`.
    script : str
        That targets are written in: latin, cyrillic, or keep for that of each transcript.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    languages: tuple[str, ...] = ()
    read_as: Mapping[str, str] = Field(default_factory=dict)
    script: Script = "keep"

    def code(self, language: str, tokens: Tokens | None) -> str:
        """Return Whisper's code of a manifest's language; any that Whisper knows where no tokens are given.

        Raises
        ------
        InputError
            If there is none, or it is not one of the group; the sentence says which and what helps.
        """
        said = self.read_as.get(language) or self.read_as.get(language.split("-")[0], language)
        try:
            code = whisper_code(said)
        except UnknownName:
            code = None
        if code is None:
            raise InputError(
                f"Whisper has no token for the language {said!r}: "
                f"melisma train whisper-processor --read-as {said}=CODE names one that it is read as"
            )
        if self.languages and code not in self.languages:
            raise InputError(f"the language {code} is not of the group ({', '.join(self.languages)})")
        if tokens is not None and code not in (tokens.languages if tokens.multilingual else ("en",)):
            raise InputError(f"the model has no token for the language {code}")
        return code

    def with_script(self, script: Script) -> Group:
        """Return the group with the script that a training asks for; "keep" leaves that of the processor.

        Raises
        ------
        InputError
            If the processor was made for the other script.
        """
        if script == "keep" or script == self.script:
            return self
        if self.script != "keep":
            raise InputError(f"the processor was made for {self.script} text, and the training is asked for {script}")
        return self.model_copy(update={"script": script})


@dataclass(frozen=True, slots=True)
class NewVocabulary:
    """A vocabulary that is learnt from texts: how many tokens of text it has, and bands of the log-mels (80 or 128)."""

    n_tokens: int = 8_000
    mels: Literal[80, 128] = 80


def open_processor(model: str | Path, revision: str = "") -> Any:
    """Open the processor of a Whisper checkpoint, of a training, or one that was saved.

    Nothing is asked of a server unless MELISMA_DOWNLOAD says that it may be.

    Parameters
    ----------
    model : str or Path
        Id on the hub, or folder.
    revision : str
        Of the hub.

    Returns
    -------
    transformers.WhisperProcessor
        With `tokenizer` and `feature_extractor`.

    Raises
    ------
    EngineUnavailable
        If it is not on this machine.
    InputError
        If what is there is no processor of Whisper's.
    """
    folder = _folder(str(model), revision)
    from transformers import WhisperProcessor

    try:
        with quiet():
            # Said, or transformers would ask on the terminal whether to run what a stranger put into the folder.
            processor = WhisperProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokens_of(processor)
        heard = processor.feature_extractor.sampling_rate
    except InputError as error:
        raise InputError(f"{model}: {error}") from error
    except Exception as error:  # tokenizers raises bare Exceptions, transformers nearly every kind
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise InputError(f"{model} holds no processor of Whisper's that can be read: {said}") from error
    if heard != SAMPLE_RATE:
        raise InputError(f"{model}: its processor hears at {heard} Hz, and every Whisper at {SAMPLE_RATE}")
    return processor


def _folder(model: str, revision: str) -> Path:
    """Return the folder of a processor, which needs no weights beside it."""
    checkpoint = Checkpoint(model, revision)
    if checkpoint.is_folder:
        folder = Path(model).expanduser()
        if not folder.is_dir():
            raise InputError(f"there is no folder {model}")
        return folder
    return checkpoint.fetch()


def new_processor(texts: Iterable[str], wanted: NewVocabulary) -> Any:
    """Make a processor whose vocabulary is learnt from texts; for networks that begin with random weights.

    Raises
    ------
    InputError
        If there is no text.
    """
    import transformers

    library: Any = transformers
    tokenizer = train_tokenizer(texts, wanted.n_tokens)
    return library.WhisperProcessor(library.WhisperFeatureExtractor(feature_size=wanted.mels), tokenizer)


def group_of(processor: Any) -> Group:
    """Return what a processor says of its group; without a word of it, every language as it is written.

    Raises
    ------
    InputError
        If what it says cannot be read.
    """
    said = processor.tokenizer.init_kwargs.get(_KEPT)
    if said is None:
        return Group()
    try:
        return Group.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"the processor's group of languages cannot be read: {where}: {first['msg']}") from error


def set_group(processor: Any, group: Group) -> None:
    """Write a group into a processor, which keeps it when it is saved."""
    processor.tokenizer.init_kwargs[_KEPT] = group.model_dump(mode="json")


def save_processor(processor: Any, folder: Path) -> None:
    """Save a processor so that transformers and faster-whisper load it.

    `save_pretrained` of transformers 5 writes `processor_config.json`; earlier ones and faster-whisper read the bands
    of the log-mels from `preprocessor_config.json`.
    """
    processor.save_pretrained(folder)
    processor.feature_extractor.save_pretrained(folder)
