"""Training, validation and test that share nothing: groups that stay together, dealt out language by language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from melisma.core.errors import InputError
from melisma.data import copies, dealing, licences, manifest, places, split_certificate
from melisma.data.dealing import Dealt
from melisma.data.groups import Groups
from melisma.data.index import Index
from melisma.data.selection import chosen_lines
from melisma.data.split_certificate import CHECKED, NAME, SHORT, Amount, Certificate, Checked, Language, Part
from melisma.scale.protocol import Executor, Progress

__all__ = ["PARTS", "Settings", "split"]

PARTS = ("train", "valid", "test")
_NOTICED = 0.01  # a share that is off by more is explained


@dataclass(frozen=True, slots=True)
class Settings:
    """How a manifest is split.

    Parameters
    ----------
    valid, test : float
        Shares of each language's audio; training has the rest. 0 makes no such part.
    seed : int
        Another one deals otherwise.
    near_duplicates : bool
        Whether to listen to every recording and keep copies together.
    every_language : bool
        Whether each part gets a group of each language that can spare one, however far that is from its share.
    """

    valid: float = 0.05
    test: float = 0.05
    seed: int = 1
    near_duplicates: bool = True
    every_language: bool = False

    def wanted(self) -> dict[str, float]:
        """Return the share of each part that is to be made.

        Raises
        ------
        InputError
            If a share is none, or nothing is held out, or nothing is left to train on.
        """
        for name, share in (("valid", self.valid), ("test", self.test)):
            if not 0 <= share < 1:
                raise InputError(f"the share of {name} must be from 0 to below 1, not {share:g}")
        if not 0 < self.valid + self.test < 1:
            raise InputError("valid and test must be more than nothing and leave something to train on")
        shares = {"valid": self.valid, "test": self.test}
        return {"train": round(1 - self.valid - self.test, 12)} | {name: s for name, s in shares.items() if s}


def split(
    path: Path, out: Path, settings: Settings, *, executor: Executor | None = None, progress: Progress | None = None
) -> Certificate:
    """Split a manifest into `out`/train.jsonl, valid.jsonl and test.jsonl with their certificate, split.json.

    Lines are copied as they are; only paths of audio change, where the folder is another one. What is kept of the
    listening (`.split.journal` in `out`) makes the next split fast.

    Parameters
    ----------
    path : Path
        The manifest.
    out : Path
        The folder.
    settings : Settings
        Shares and seed.
    executor : Executor, optional
        Who listens; all cores of this machine without.
    progress : callable, optional
        Told how far it is.

    Raises
    ------
    InputError
        If the manifest is wrong, empty, has an id twice, cannot be divided, or a recording cannot be heard.
    OutputError
        If something cannot be written.
    """
    wanted = settings.wanted()
    _check_out(path, out, wanted)
    index = Index.open(path, progress)
    index.refuse_duplicates()
    if not len(index):
        raise InputError(f"{path} holds no utterance")
    groups, journal = grouped(index), out / ".split.journal"
    found = (
        copies.pairs(index, executor=executor, journal=journal, progress=progress) if settings.near_duplicates else []
    )
    groups.join(found)
    corpus = dealing.Corpus.of(index, groups.labels())
    held_out = {name: share for name, share in wanted.items() if name != "train"}
    dealt = dealing.deal(corpus, held_out, settings.seed, every_language=settings.every_language)
    parts = _write(index, dealt, list(wanted), out, progress)
    opened = {name: Index.open(out / f"{name}.jsonl") for name in wanted}
    split_certificate.check_disjoint(**{name: each.path for name, each in opened.items()})
    certificate = Certificate(
        seed=settings.seed,
        wanted=wanted,
        manifest=path.name,
        manifest_sha256=split_certificate.sha256(path),
        parts=parts,
        checked=_checked(index, opened, len(found) if settings.near_duplicates else None),
        languages=_languages(corpus, dealt, opened, wanted),
        data=licences.taint(manifest.read(path)).as_dict(),
    )
    certificate.write(out / NAME)
    return certificate


def _check_out(path: Path, out: Path, wanted: Mapping[str, float]) -> None:
    for name in PARTS:
        places.check([path], out / f"{name}.jsonl")
        if name not in wanted and (out / f"{name}.jsonl").exists():
            raise InputError(f"{out / name}.jsonl is of another split: remove it, or choose another folder")


def grouped(index: Index) -> Groups:
    """Return which utterances of a manifest must stay together, by all that it says without being listened to."""
    groups = Groups(len(index))
    ids, everyone = np.asarray(index.column("id")), np.arange(len(index), dtype=np.int64)
    for keys in (
        split_certificate.speakers(index),
        np.asarray(index.column("audio")),
        np.asarray(index.column("recording")),
        np.asarray(index.column("file")),
        split_certificate.texts(index),
    ):
        groups.join_equal(keys)
    clip_of = np.asarray(index.column("clip_of"))
    if clip_of.any():
        groups.join_across(np.concatenate([ids, clip_of]), np.concatenate([everyone, everyone]))
    return groups


def _write(index: Index, dealt: Dealt, names: list[str], out: Path, progress: Progress | None) -> dict[str, Part]:
    parts = {}
    for number, name in enumerate(names):
        if progress is not None:
            progress(f"write {name}", number / len(names))
        path = out / f"{name}.jsonl"
        manifest.write_lines(path, chosen_lines(index, dealt.part == PARTS.index(name), path))
        parts[name] = split_certificate.part(path, Index.open(path))
    return parts


def _checked(index: Index, opened: Mapping[str, Index], n_pairs: int | None) -> Checked:
    train = _long_texts(opened["train"])
    held_out = np.concatenate([_long_texts(each) for name, each in opened.items() if name != "train"])
    return Checked(
        speakers=CHECKED,
        recordings=CHECKED,
        files=CHECKED,
        texts=CHECKED,
        near_duplicates="not checked" if n_pairs is None else CHECKED,
        near_duplicate_pairs=n_pairs or 0,
        unknown_speakers=int(np.count_nonzero(split_certificate.speakers(index) == 0)),
        shared_texts=len(np.intersect1d(train, held_out)),
    )


def _long_texts(index: Index) -> NDArray[np.uint64]:
    return np.asarray(index.column("said"))[np.asarray(index.column("n_characters")) >= SHORT]


def _languages(
    corpus: dealing.Corpus, dealt: Dealt, opened: Mapping[str, Index], wanted: Mapping[str, float]
) -> dict[str, Language]:
    amounts = {name: split_certificate.amounts(each) for name, each in opened.items()}
    found = {}
    for code, name in sorted(enumerate(corpus.languages), key=lambda each: each[1]):
        shares = {part: dealt.share(PARTS.index(part), code) for part in wanted}
        off = max(abs(shares[part] - share) for part, share in wanted.items())
        sizes = corpus.sizes_of(code)
        found[name] = Language(
            parts={part: each[name] for part, each in amounts.items() if name in each},
            groups=len(sizes),
            largest_group=round(float(sizes.max() / sizes.sum()), 4),
            shares={part: round(share, 4) for part, share in shares.items()},
            off=round(off, 4),
            why=_why(corpus, code, shares, amounts["train"].get(name)) if off > _NOTICED else "",
        )
    return found


def _why(corpus: dealing.Corpus, code: int, shares: Mapping[str, float], train: Amount | None) -> str:
    """Say why a language has other shares than it should."""
    sizes = corpus.sizes_of(code)
    smallest, largest = sizes.min() / sizes.sum(), sizes.max() / sizes.sum()
    if len(sizes) == 1:
        speakers = corpus.n_speakers(code)
        tied = f"{speakers} speakers who are tied together" if speakers else "one recording, or copies of one"
        return f"all of it belongs together ({'one speaker' if speakers == 1 else tied}), so that it cannot be divided"
    lacking = [part for part, share in shares.items() if share == 0]
    if lacking:
        return (
            f"nothing of it is in {' and '.join(lacking)}: the smallest of its {len(sizes)} groups has "
            f"{smallest:.1%} of its audio"
        )
    few = f"; training has {train.speakers} of its speakers" if train and train.speakers else ""
    return f"its {len(sizes)} groups have from {smallest:.2%} to {largest:.1%} of its audio each{few}"
