"""What manifests can be made of, and made into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import chain
from pathlib import Path

from melisma.core.errors import InputError
from melisma.data import manifest
from melisma.data.exchange import common_voice, huggingface, kaldi, kaldi_export, lhotse_, lhotse_export, lj
from melisma.data.exchange.drafts import Defaults, Draft, Told, finished
from melisma.data.index import Index
from melisma.scale.protocol import Executor, Progress

__all__ = ["Kind", "export_manifest", "import_corpus"]


class Kind(StrEnum):
    """A layout of corpora, by the name that commands take."""

    KALDI = "kaldi"
    COMMON_VOICE = "common-voice"
    LJ = "lj"
    HUGGINGFACE = "huggingface"
    LHOTSE = "lhotse"


def import_corpus(
    kind: Kind,
    source: Path,
    out: Path,
    defaults: Defaults,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[int, Told]:
    """Write the manifest of a corpus; return how many utterances it has, and what did not come along.

    Raises
    ------
    InputError
        If the corpus cannot be read, or holds what must not be followed; nothing is written then.
    OutputError
        If the manifest cannot be written.
    MissingDependency
        If a package is missing.
    """
    if not source.exists():
        raise InputError(f"there is no {source}")
    told = Told()
    utterances = finished(_drafts(kind, source, out, defaults), out, told, executor=executor, progress=progress)
    first = next(utterances, None)  # what cannot be read at all is refused before a folder is made
    if first is None and not told.n:
        raise InputError(f"there is no utterance in {source}")
    return manifest.write(out, chain([] if first is None else [first], utterances)), told


def _drafts(kind: Kind, source: Path, out: Path, defaults: Defaults) -> Iterator[Draft]:
    if kind is Kind.HUGGINGFACE:
        return huggingface.read(source, defaults, out.with_name(f"{out.stem}_audio"))
    readers = {
        Kind.KALDI: kaldi.read,
        Kind.COMMON_VOICE: common_voice.read,
        Kind.LJ: lj.read,
        Kind.LHOTSE: lhotse_.read,
    }
    return readers[kind](source, defaults)


def export_manifest(
    kind: Kind, source: Path, out: Path, *, executor: Executor | None = None, progress: Progress | None = None
) -> int:
    """Write a manifest as another program keeps corpora; return how many utterances there are.

    Raises
    ------
    InputError
        If the manifest is wrong, or holds what the layout cannot say; nothing is written then.
    OutputError
        If it cannot be written.
    MissingDependency
        If a package is missing.
    """
    index = Index.open(source, progress)
    if kind is Kind.LHOTSE:
        return lhotse_export.write(index, out, executor=executor, progress=progress)
    writers: dict[Kind, Callable[[Index, Path], int]] = {
        Kind.KALDI: kaldi_export.write,
        Kind.COMMON_VOICE: common_voice.write,
        Kind.LJ: lj.write,
        Kind.HUGGINGFACE: huggingface.write,
    }
    return writers[kind](index, out)
