"""A certificate that training and held-out speech share no speaker: what was checked, written beside the run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from melisma.core.errors import InputError
from melisma.core.files import sha256_of, write_atomically
from melisma.train.corpus import UtteranceRow, read_manifest

CHECKED = (
    "no speaker on both sides",
    "no recording id on both sides",
    "no transcript by the same speaker on both sides",
    "no identical audio file on both sides",
)


@dataclass(frozen=True, slots=True)
class Part:
    """Clips of one manifest that stand on one side of a split: those with the ids, or all of them."""

    manifest: Path
    ids: Collection[str] | None = None

    def rows(self) -> Iterator[UtteranceRow]:
        """Read the rows of this part.

        Raises
        ------
        InputError
            If the manifest cannot be read or lacks one of the ids.
        """
        found = read_manifest(self.manifest, UtteranceRow)
        if self.ids is None:
            yield from found
            return
        wanted = frozenset(self.ids)
        lacking = sorted(wanted - {row.id for row in found})
        if lacking:
            raise InputError(f"{self.manifest} holds no clip {lacking[0]}")
        yield from (row for row in found if row.id in wanted)


@dataclass(frozen=True, slots=True)
class Amount:
    """How much speech of one language stands on one side."""

    clips: int
    hours: float
    speakers: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """The facts of a split; two splits are the same when all of them are equal."""

    seed: int
    share: float  # of each language's clips that was to be held out
    manifests: dict[str, str]  # folder/file → SHA-256
    training: dict[str, Amount]  # by language
    held_out: dict[str, Amount]
    held_out_speakers: dict[str, tuple[str, ...]]
    training_sha256: str  # of the ids of the clips, sorted, a line each
    held_out_sha256: str
    shared_transcripts: int  # sentences that a held-out speaker and another of the training both say
    checked: tuple[str, ...] = CHECKED

    def to_json(self) -> bytes:
        """Return it as a file holds it."""
        return (json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n").encode("utf-8")

    def write(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        write_atomically(path, self.to_json())


def read(path: Path) -> Certificate:
    """Read a certificate.

    Raises
    ------
    InputError
        If the file is missing or is no certificate.
    """
    try:
        return TypeAdapter(Certificate).validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read the certificate {path}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path} is no certificate of a split: {where + ': ' if where else ''}{first['msg']}"
        ) from error


def certify(training: Sequence[Part], held_out: Sequence[Part], *, seed: int, share: float) -> Certificate:
    """Check that two sides have nothing in common, and return the facts.

    Parameters
    ----------
    training, held_out : sequence of Part
        What was trained on and what was not.
    seed, share : int, float
        How the split was drawn.

    Raises
    ------
    InputError
        If a side is empty or the two share a speaker, an id, a sentence of a speaker or an audio file; it names the
        first.
    """
    here = [(part.manifest, row) for part in training for row in part.rows()]
    there = [(part.manifest, row) for part in held_out for row in part.rows()]
    if not here or not there:
        raise InputError(f"the {'held-out' if here else 'training'} side of the split holds no clip")
    _check_disjoint(here, there)
    spoken = {_sentence(row) for _, row in here}
    speakers: dict[str, set[str]] = {}
    for _, row in there:
        speakers.setdefault(row.language, set()).add(row.speaker_id)
    manifests = sorted({part.manifest for part in (*training, *held_out)})
    return Certificate(
        seed=seed,
        share=share,
        manifests={f"{path.parent.name}/{path.name}": _sha256(path) for path in manifests},
        training=_amounts([row for _, row in here]),
        held_out=_amounts([row for _, row in there]),
        held_out_speakers={language: tuple(sorted(names)) for language, names in sorted(speakers.items())},
        training_sha256=_ids(row for _, row in here),
        held_out_sha256=_ids(row for _, row in there),
        shared_transcripts=len(spoken & {_sentence(row) for _, row in there}),
    )


def verify(certificate: Certificate, training: Sequence[Part], held_out: Sequence[Part]) -> None:
    """Check both sides anew and compare them with a certificate.

    Raises
    ------
    InputError
        If the sides share anything, or are not those of the certificate; it names the first difference.
    """
    found = certify(training, held_out, seed=certificate.seed, share=certificate.share)
    if found.manifests != certificate.manifests:
        names = sorted(found.manifests.keys() | certificate.manifests.keys())
        name = next(n for n in names if found.manifests.get(n) != certificate.manifests.get(n))
        raise InputError(f"the manifest {name} is not the one of the certificate")
    if found.held_out_speakers != certificate.held_out_speakers:
        moved = _speakers(found) ^ _speakers(certificate)
        language, speaker = min(moved)
        now = "" if (language, speaker) in _speakers(found) else "not "
        raise InputError(f"the speaker {speaker} ({language}) is {now}held out, unlike in the certificate")
    for side, name in (("training", "training"), ("held_out", "held-out")):
        if getattr(found, side) != getattr(certificate, side):
            old, new = getattr(certificate, side), getattr(found, side)
            language = next(key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key))
            raise InputError(f"the {name} clips in {language} are not as many as the certificate says")
        if getattr(found, f"{side}_sha256") != getattr(certificate, f"{side}_sha256"):
            raise InputError(f"the {name} clips are not those of the certificate")
    if certificate != found:
        raise InputError("the certificate does not say what was checked, or has been changed")


def _speakers(certificate: Certificate) -> set[tuple[str, str]]:
    return {(language, name) for language, names in certificate.held_out_speakers.items() for name in names}


def _check_disjoint(here: list[tuple[Path, UtteranceRow]], there: list[tuple[Path, UtteranceRow]]) -> None:
    keys: tuple[tuple[str, Callable[[UtteranceRow], str]], ...] = (
        ("the id", lambda row: row.id),
        ("the speaker", lambda row: row.speaker_id),
        ("a sentence of a speaker", lambda row: f"{row.speaker_id}: {_sentence(row)}"),
    )
    for what, key in keys:
        owners = {key(row): row.id for _, row in here}
        for _, row in there:
            if (value := key(row)) in owners:
                raise InputError(f"{what} is on both sides of the split: {value} ({owners[value]}, {row.id})")
    sounds: dict[tuple[int, str], str] = {}
    sizes = {_size(manifest, row) for manifest, row in there}
    for manifest, row in here:  # most files differ in size already from every one of the other side
        if (size := _size(manifest, row)) in sizes:
            sounds[size, _sha256(manifest.parent / row.audio)] = row.id
    for manifest, row in there:
        if twin := sounds.get((_size(manifest, row), _sha256(manifest.parent / row.audio))):
            raise InputError(f"the same recording is on both sides of the split: {twin} and {row.id}")


def _size(manifest: Path, row: UtteranceRow) -> int:
    path = manifest.parent / row.audio
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"cannot read the audio of {row.id}, {path}: {error.strerror or error}") from error


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _ids(rows: Iterator[UtteranceRow]) -> str:
    return hashlib.sha256("".join(f"{i}\n" for i in sorted(row.id for row in rows)).encode("utf-8")).hexdigest()


def _sentence(row: UtteranceRow) -> str:
    return " ".join(row.transcript.casefold().split())


def _amounts(rows: list[UtteranceRow]) -> dict[str, Amount]:
    out: dict[str, Amount] = {}
    for language in sorted({row.language for row in rows}):
        own = [row for row in rows if row.language == language]
        hours = round(sum(row.duration for row in own) / 3600, 4)
        out[language] = Amount(len(own), hours, len({row.speaker_id for row in own}))
    return out
