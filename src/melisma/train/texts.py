"""What synthetic voices say: transcripts of the corpus, and sentences of our own for languages that it lacks.

Those in the folder `sentences` were written for Melisma and are under its licence; none is from a published song.
Serbian is written there in Latin letters and read in both of its alphabets.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pydantic import BaseModel

from melisma.core.errors import InputError
from melisma.train.corpus import read_manifest

OWN_LICENSE = "Apache-2.0"
_FOLDER = "sentences"

# Two Latin letters that are one Cyrillic come first.
_CYRILLIC = {
    **{"dž": "џ", "lj": "љ", "nj": "њ"},
    **dict(zip("abvgdđežzijklmnoprstćufhcčš", "абвгдђежзијклмнопрстћуфхцчш", strict=True)),
}


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence to say, in a language that `espeak.voice_code` resolves, and whose it is."""

    language: str
    words: str
    license: str = OWN_LICENSE
    source: str = "Melisma's own sentences"


class _Row(BaseModel):
    id: str
    transcript: str
    language: str
    speaker_id: str
    license: str = ""
    source: str = ""


def corpus_texts(manifest: Path, ids: Collection[str] | None = None) -> list[Text]:
    """Read the transcripts of a speech corpus, each once a language.

    Parameters
    ----------
    manifest : Path
        Its manifest.jsonl.
    ids : collection of str, optional
        The clips whose words may be used: those of training speakers. All of them where None.

    Raises
    ------
    InputError
        If the manifest cannot be read, or an id is not in it.
    """
    rows = read_manifest(manifest, _Row)
    if ids is not None:
        wanted = frozenset(ids)
        missing = wanted - {row.id for row in rows}
        if missing:
            raise InputError(
                f"{manifest} has no clip {min(missing)!r} ({len(missing)} of {len(wanted)} ids are not there)"
            )
        rows = [row for row in rows if row.id in wanted]
    found = {
        (row.language, row.transcript): Text(row.language, row.transcript, row.license, row.source) for row in rows
    }
    return list(found.values())


def own_texts() -> list[Text]:
    """Return the sentences of our own, language by language, Serbian in both of its alphabets."""
    texts: list[Text] = []
    for file in sorted(resources.files("melisma.train").joinpath(_FOLDER).iterdir(), key=lambda entry: entry.name):
        language, _, kind = file.name.partition(".")
        if kind != "txt":
            continue
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        texts += [Text(language, line) for line in lines]
        if language == "sr":
            texts += [Text(language, cyrillic(line)) for line in lines]
    return texts


def cyrillic(latin: str) -> str:
    """Write Serbian in Cyrillic letters; other letters and marks stay as they are.

    >>> cyrillic("Ljubav, njegov džep i đak")
    'Љубав, његов џеп и ђак'
    """
    out: list[str] = []
    at = 0
    while at < len(latin):
        pair = latin[at : at + 2]
        taken = pair if len(pair) == 2 and pair.lower() in _CYRILLIC else latin[at]
        letter = _CYRILLIC.get(taken.lower(), taken)
        out.append(letter.upper() if taken[0].isupper() else letter)
        at += len(taken)
    return "".join(out)
