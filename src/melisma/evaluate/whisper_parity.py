"""Whether conversions of a Whisper model say what the model says: each hears the same clips, and each is scored.

A model that is fine in transformers may loop after conversion (faster-whisper#1099): in another precision, with tokens
that the other program takes for others, or with heads that do not tell times. So what is compared is what is heard, by
the very engines that serve it, from the very files of the package.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import InputError, ModelError, UnknownName
from melisma.evaluate import asr_flags
from melisma.evaluate.asr_hypotheses import Hypothesis
from melisma.evaluate.asr_judge import Judged, judge
from melisma.evaluate.whisper_clips import Clip, Clips
from melisma.evaluate.whisper_formats import INT8, ONNX, STOCK, TORCH, Said, formats_of, languages_of, opened
from melisma.metrics.transcription import total
from melisma.text.scoring import normalised
from melisma.text.whisper_languages import whisper_code

Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a conversion may be from the source.

    Parameters
    ----------
    wer, cer : float
        Most that its rates may be higher, as shares: 0.01 is one word in a hundred.
    same : float
        Least share of clips whose normalised text is the same.
    loops : int
        Most clips that loop beyond those in which the source does.
    offset_s : float
        Most that the median word may begin elsewhere, in clips of the same text.
    """

    wer: float = 0.01
    cer: float = 0.01
    same: float = 0.9
    loops: int = 0
    offset_s: float = 0.1

    @classmethod
    def int8(cls) -> Limits:
        """Return those of 8-bit weights."""
        return cls(wer=0.03, cer=0.02, same=0.5, offset_s=0.2)


@dataclass(frozen=True, slots=True)
class FormatScore:
    """What one way of running the model made of the clips.

    Parameters
    ----------
    name : str
        One of those of this module.
    wer, cer : float
        Of the normalised view; edits over the references of all clips.
    same : float
        Share of clips with the source's text, normalised.
    loops : int
        Clips in which a phrase goes round.
    offset_s : float, optional
        Median distance of onsets from those of `torch`, over words of clips with the same text.
    seconds : float
        That it took.
    fault : str
        Why it was refused; empty where it was not.
    """

    name: str
    wer: float
    cer: float
    same: float
    loops: int
    offset_s: float | None
    seconds: float
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Parity:
    """All formats on one set; the first is the source.

    Parameters
    ----------
    manifest : str
        Name of its file.
    n_clips, seconds : int, float
        How many, and of how much audio.
    formats : tuple of FormatScore
        In the order in which they heard.
    compute : {"", "float32"}
        What CTranslate2 has to compute in: empty where 8 bits passed too.
    warnings : tuple of str
        What is allowed, and to be known.
    """

    manifest: str
    n_clips: int
    seconds: float
    formats: tuple[FormatScore, ...]
    compute: str = ""
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def lasting(self) -> dict[str, Any]:
        """Return plain values without what depends on the moment: a model that is packaged twice is one package."""
        found = self.as_dict()
        found["formats"] = [{key: each[key] for key in each if key != "seconds"} for each in found["formats"]]
        return found

    def check(self) -> None:
        """Refuse the package, with ModelError, where a conversion failed; the sentence says which and by how much."""
        failed = next((each for each in self.formats if each.fault and each.name != STOCK), None)
        if failed:
            raise ModelError(f"{failed.name} is not what was trained: {failed.fault}")


@dataclass(frozen=True, slots=True)
class ParityConfig:
    """How conversions are held against the source.

    Parameters
    ----------
    limits, int8 : Limits
        Of conversions in float32, and of those in 8 bits.
    onnx_int8 : bool
        Whether the ONNX files are in 8 bits.
    need_int8 : bool
        Whether a model that CTranslate2 cannot compute in 8 bits is refused; else it is to be computed in float32.
    stock : bool
        Whether faster-whisper's own way of decoding is looked at too.
    """

    limits: Limits = field(default_factory=Limits)
    int8: Limits = field(default_factory=Limits.int8)
    onnx_int8: bool = False
    need_int8: bool = False
    stock: bool = True


def compare(folder: Path, clips: Clips, config: ParityConfig | None = None, tell: Tell | None = None) -> Parity:
    """Hear clips with every format that a folder has, and score each.

    Parameters
    ----------
    folder : Path
        Of a package, or of one that is being made.
    clips : Clips
        What is heard.
    tell : callable, optional
        Hears the name of each format, and the share that is done.

    Raises
    ------
    MissingDependency
        If what runs one of the formats is not installed: nobody could say whether it is right.
    ModelError
        If a format cannot be loaded, or breaks off.
    InputError
        If none of the clips is in a language that the model knows, or there is only one format.
    """
    config = config or ParityConfig()
    names = formats_of(folder, stock=config.stock)
    if not names:
        raise InputError(f"{folder} holds no Whisper model in any format")
    known = _known(folder, clips)
    said: dict[str, _Heard] = {}
    for at, name in enumerate(names):
        if tell:
            tell(name, at / len(names))
        since = time.perf_counter()
        with opened(name, folder) as hear:
            found = [hear(clip.samples, code) for clip, code in known]
        judged = [_judge(clip, each) for (clip, _), each in zip(known, found, strict=True)]
        said[name] = _Heard(found, judged, time.perf_counter() - since)
    return _parity(clips, [clip for clip, _ in known], said, config)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What one format heard, clip by clip, held against the references, and the seconds that it took."""

    said: list[Said]
    judged: list[Judged]
    seconds: float

    def rate(self, of_words: bool) -> float:
        counted = [each.scores.words if of_words else each.scores.characters for each in self.judged]
        return total(counted).rate or 0.0

    @property
    def loops(self) -> list[str]:
        """Ids of the clips in which a phrase goes round."""
        return [each.utterance.id for each in self.judged if asr_flags.LOOP in each.flags]


def _known(folder: Path, clips: Clips) -> list[tuple[Clip, str | None]]:
    """Return the clips whose language the model has a token for, with Whisper's code."""
    languages = languages_of(folder)
    found: list[tuple[Clip, str | None]] = []
    for clip in clips.clips:
        try:
            code = whisper_code(clip.utterance.language)
        except UnknownName:
            continue
        if not languages or code is None or code in languages:
            found.append((clip, code if languages else None))
    if not found:
        raise InputError(f"no clip of {clips.manifest} is in a language that the model knows")
    return found


def _judge(clip: Clip, said: Said) -> Judged:
    return judge(clip.utterance, Hypothesis(id=clip.utterance.id, text=said.text))


def _parity(clips: Clips, known: Sequence[Clip], heard: Mapping[str, _Heard], config: ParityConfig) -> Parity:
    source = next(iter(heard))
    rows = [_score(name, heard, config) for name in heard]
    warnings, compute = [], ""
    for number, row in enumerate(rows):
        if row.fault and row.name == STOCK:
            warnings.append(f"{STOCK}: {row.fault}; train with a share of --timestamps if others are to run it so")
        elif row.fault and row.name == INT8 and not config.need_int8 and source != INT8:
            warnings.append(f"{INT8}: {row.fault}; it is computed in float32")
            rows[number], compute = replace(row, fault=""), "float32"
    if len(known) < len(clips.clips):
        warnings.append(f"{len(clips.clips) - len(known)} clips are in languages that the model does not know")
    seconds = sum(clip.utterance.duration for clip in known)
    return Parity(clips.manifest, len(known), seconds, tuple(rows), compute, tuple(warnings))


def _score(name: str, heard: Mapping[str, _Heard], config: ParityConfig) -> FormatScore:
    source, ours = next(iter(heard)), heard[name]
    same = [_plain(a) == _plain(b) for a, b in zip(heard[source].judged, ours.judged, strict=True)]
    timed = heard.get(TORCH, heard[source])
    row = FormatScore(
        name=name,
        wer=ours.rate(True),
        cer=ours.rate(False),
        same=sum(same) / len(same),
        loops=len(ours.loops),
        offset_s=None if name == STOCK else _offset(timed.said, ours.said),
        seconds=ours.seconds,
    )
    limits = config.int8 if name == INT8 or (name == ONNX and config.onnx_int8) else config.limits
    return row if name == source else replace(row, fault=_fault(row, (source, heard[source]), ours, limits))


def _plain(judged: Judged) -> str:
    return normalised(judged.hypothesis.text, judged.utterance.language)


def _offset(ours: Sequence[Said], theirs: Sequence[Said]) -> float | None:
    """Return the median distance of onsets, over clips in which both heard the same words; None without any."""
    found: list[float] = []
    for a, b in zip(ours, theirs, strict=True):
        if a.words and [word.text for word in a.words] == [word.text for word in b.words]:
            found += [abs(x.start - y.start) for x, y in zip(a.words, b.words, strict=True)]
    return float(np.median(found)) if found else None


def _fault(row: FormatScore, source: tuple[str, _Heard], ours: _Heard, limits: Limits) -> str:
    """Say why a format is refused: the first limit that it is beyond; empty if it is within all."""
    name, theirs = source
    n = len(ours.judged)
    new = [each for each in ours.loops if each not in theirs.loops]
    if len(ours.loops) - len(theirs.loops) > limits.loops:
        said = next(each.hypothesis.text for each in ours.judged if each.utterance.id == new[0])
        return f"it loops on {len(ours.loops)} of {n} clips, where {name} does on {len(theirs.loops)}: {said[:80]!r}"
    for kind, rate, before, most in (
        ("word", row.wer, theirs.rate(True), limits.wer),
        ("character", row.cer, theirs.rate(False), limits.cer),
    ):
        if rate - before > most:
            return (
                f"its {kind} error rate is {rate:.1%}, that of {name} {before:.1%}, and {most:.1%} more are allowed "
                f"(--max-{'wer' if kind == 'word' else 'cer'}-loss)"
            )
    if row.same < limits.same:
        return (
            f"it says what {name} does in {row.same:.0%} of {n} clips, and {limits.same:.0%} is asked for (--min-same)"
        )
    if row.offset_s is not None and row.offset_s > limits.offset_s:
        return f"its words begin {row.offset_s:.2f} s elsewhere, by the median, and {limits.offset_s:g} s are allowed"
    return ""
