"""What a manifest holds, in one pass: its letters, languages, speakers and licences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError
from melisma.data.licences import taint
from melisma.data.manifest import Utterance, read
from melisma.train.ctc.vocabulary import characters_of, words_of


@dataclass(slots=True)
class Survey:
    """What one manifest holds.

    Parameters
    ----------
    n : int
        Utterances.
    characters : Counter
        Letters of the transcripts, as `characters_of` counts them.
    languages : Counter
        Utterances of each.
    speakers : set of str
        Those that are named.
    data : dict
        Sources, licences and whether they allow commercial use, as plain values.
    """

    n: int = 0
    characters: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    speakers: set[str] = field(default_factory=set)
    data: dict[str, Any] = field(default_factory=dict)


def survey(manifest: Path) -> Survey:
    """Read a manifest once.

    Parameters
    ----------
    manifest : Path
        JSONL of utterances.

    Raises
    ------
    InputError
        If the manifest is empty or cannot be read.
    """
    found = Survey()
    letters: dict[str, Counter[str]] = {}

    def each() -> Iterator[Utterance]:
        for utterance in read(manifest):
            found.n += 1
            found.languages[utterance.language] += 1
            if utterance.speaker_id:
                found.speakers.add(utterance.speaker_id)
            for word in words_of(utterance):
                if word not in letters:
                    if len(letters) >= 1 << 16:
                        letters.clear()
                    letters[word] = characters_of((word,))
                found.characters.update(letters[word])
            yield utterance

    found.data = taint(each()).as_dict()
    if not found.n:
        raise InputError(f"{manifest} holds no utterance")
    return found
