"""What `melisma transcribe` has written, as hypotheses: a folder of `<file_id>/transcription_base.json`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import FormatError, InputError
from melisma.core.records import Alignment
from melisma.data.manifest import Utterance, fault
from melisma.evaluate.asr_hypotheses import HeardWord, Hypothesis
from melisma.formats import word_timestamps
from melisma.pipeline.transcript_files import RECORD

_LARGEST = 256 << 20  # bytes; a day of speech takes a tenth


class _Of(BaseModel):
    """Of what a transcription is: the id of its folder, and the recording's file."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    file_id: Annotated[str, Field(min_length=1, max_length=1000)]
    audio: Annotated[str, Field(max_length=4096)] = ""


def read(folder: Path, utterances: Iterable[Utterance]) -> tuple[dict[str, Hypothesis], str]:
    """Read the transcriptions of a folder, and return them by the id of their utterance, with a SHA-256 of them all.

    A transcription belongs to the utterance of its id, or else to the one whose recording's name it bears, where no two
    utterances lie in recordings of that name.

    Raises
    ------
    InputError
        If there is none, one cannot be read or is no such record, or two are of one utterance.
    """
    names = _names(utterances)
    found: dict[str, Hypothesis] = {}
    digest = hashlib.sha256()
    for path in sorted(folder.glob(f"*/{RECORD}")):
        data = _bytes(path)
        digest.update(hashlib.sha256(data).digest())
        of, timed = _parsed(path, data)
        name = next((names[each] for each in (of.file_id, Path(of.audio).stem) if each in names), of.file_id)
        if name in found:
            raise InputError(f"{path} is the second transcription of {name[:80]!r} in {folder}")
        found[name] = Hypothesis(
            id=name,
            text=" ".join(word.text for word in timed.words),
            language=timed.language,
            words=list(_words(timed)),
        )
    if not found:
        raise InputError(f"{folder} holds no <file_id>/{RECORD}")
    return found, digest.hexdigest()


def _names(utterances: Iterable[Utterance]) -> dict[str, str]:
    """Return the id of the utterance that each id, and each name of a recording that only one lies in, stands for."""
    every = list(utterances)
    times = Counter(Path(each.audio).stem for each in every)
    alone = {stem: each.id for each in every if times[stem := Path(each.audio).stem] == 1}
    return alone | {each.id: each.id for each in every}


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path} is larger than a transcription can be")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _parsed(path: Path, data: bytes) -> tuple[_Of, Alignment]:
    try:
        return _Of.model_validate_json(data), word_timestamps.read(data.decode("utf-8-sig"))
    except ValidationError as error:
        raise InputError(f"{path} is no transcription: {fault(error)}") from error
    except (FormatError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no transcription: {error}") from error


def _words(timed: Alignment) -> Iterator[HeardWord]:
    for word in timed.words:
        if word.start_s is not None and word.end_s is not None:
            yield HeardWord(text=word.text, start=word.start_s, end=word.end_s, probability=word.confidence)
