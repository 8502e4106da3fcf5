"""Training speech with exact phone times from synthetic voices, as an aligned speech folder.

The same texts, hours and seed give the same voices, whatever the number of processes; not the same bytes, since the
flutter of espeak-ng's timbres runs on from word to word.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from melisma.core.errors import InputError
from melisma.train.aligned_folder import Utterance, check_hours, write_audio, write_manifest
from melisma.train.espeak_voices import Mismatch, Reader, draw_singer, draw_speaker
from melisma.train.fresh_folder import fresh_folder
from melisma.train.processes import in_order
from melisma.train.texts import Text

log = logging.getLogger(__name__)

Progress = Callable[[float, float], None]  # takes the seconds of speech that are done, and those that are wanted

# Of the whole, for languages that the corpus lacks and that songs are wanted in; the others share the rest evenly.
SHARES: Mapping[str, float] = {"hr": 0.14, "sr": 0.14, "bs": 0.14}

_SUNG = 0.4  # of the takes, which is three fifths of the time: sung ones are longer
_JOB_S = 30.0  # of speech by one speaker and one singer
_SPOKEN_WORDS, _SUNG_WORDS = 18, 12
_TRIES = 30  # takes in a row that may fail before a job is given up


@dataclass(frozen=True, slots=True)
class _Job:
    """Some seconds of one language by two voices."""

    texts: tuple[Text, ...]
    number: int
    seconds: float
    seed: tuple[int, ...]
    folder: Path

    @property
    def language(self) -> str:
        return self.texts[0].language


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of a job, and why takes were left out."""

    language: str
    rows: tuple[Utterance, ...]
    left_out: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return sum(row.duration for row in self.rows)


def synthesise(
    texts: Sequence[Text],
    out: Path,
    *,
    hours: float,
    seed: int,
    workers: int = 1,
    shares: Mapping[str, float] = SHARES,
    progress: Progress | None = None,
) -> Path:
    """Let espeak-ng's voices speak and sing texts for so many hours, as an aligned speech folder; return its manifest.

    A take whose sounds are not those that the grapheme-to-phoneme step gives for its words is left out and another
    text taken; how many, and an example, is logged for each language.

    Parameters
    ----------
    texts : sequence of Text
        Drawn at random within a language.
    out : Path
        The folder to make; it must not exist, or be empty.
    hours : float
        Of speech, silences within the takes counted; what comes out is a little more.
    seed : int
        Part of each id, so that folders of several seeds go together.
    workers : int
        Processes.
    shares : mapping of str to float
        Which part of the hours a language gets; those of the texts that are not named share the rest evenly.
    progress : callable, optional
        Told the seconds done and wanted.

    Raises
    ------
    InputError
        If there is no text, or the hours are no positive number.
    UnknownName
        If no voice speaks a language.
    OutputError
        If the folder is in use or cannot be written.
    """
    _check_request(texts, hours)
    with fresh_folder(out) as folder:
        jobs = _jobs(texts, hours * 3600, seed, shares, folder)
        done: list[_Done] = []
        for one in in_order(_do, jobs, workers):
            done.append(one)
            if progress:
                progress(sum(d.seconds for d in done), hours * 3600)
        write_manifest(folder, [row for one in done for row in one.rows])
    _report(done)
    return out / "manifest.jsonl"


def _check_request(texts: Sequence[Text], hours: float) -> None:
    if not texts:
        raise InputError("there is no text to speak: give one sentence at least")
    check_hours(hours)
    for language in sorted({text.language for text in texts}):
        Reader(language)


def _jobs(
    texts: Sequence[Text], seconds: float, seed: int, shares: Mapping[str, float], folder: Path
) -> Iterator[_Job]:
    by_language: dict[str, list[Text]] = {}
    for text in texts:
        by_language.setdefault(text.language, []).append(text)
    named = {language: shares[language] for language in by_language if language in shares}
    n_rest = len(by_language) - len(named)
    # Named shares are of the whole only where there is a rest.
    total = 1.0 if n_rest else sum(named.values())
    rest = max(0.0, 1.0 - sum(named.values())) / max(1, n_rest)
    for k, (language, own) in enumerate(sorted(by_language.items())):
        wanted = seconds * named.get(language, rest) / total
        n = max(1, round(wanted / _JOB_S))
        for i in range(n if wanted > 0 else 0):
            yield _Job(tuple(own), i, wanted / n, (seed, k, i), folder)


def _do(job: _Job) -> _Done:
    """Fill a job's seconds with takes, spoken or sung as the share of time asks for."""
    rng = np.random.default_rng(job.seed)
    reader = Reader(job.language)
    speaker, singer = draw_speaker(rng), draw_singer(rng)
    rows: list[Utterance] = []
    left_out: list[str] = []
    seconds, failed = 0.0, 0
    while seconds < job.seconds and failed < _TRIES:
        sung = bool(rng.random() < _SUNG)
        text = job.texts[int(rng.integers(len(job.texts)))]
        words = _some(reader.words(text.words), _SUNG_WORDS if sung else _SPOKEN_WORDS, rng)
        try:
            take = reader.sing(words, singer, rng) if sung else reader.say(words, speaker, rng)
        except Mismatch as error:
            left_out.append(str(error))
            failed += 1
            continue
        seconds, failed = seconds + take.duration_s, 0
        name = f"{job.language}-{job.seed[0]}-{job.number:04d}-{len(rows):02d}"
        variant = singer.variant if sung else speaker.variant
        rows.append(
            Utterance(
                id=f"espeak/{name}",
                audio=f"{job.language}/{name}.flac",
                transcript=" ".join(words),
                duration=take.duration_s,
                language=job.language,
                speaker_id=f"espeak:{reader.code}+{variant or 'plain'}#{job.seed[0]}.{job.number}{'s' if sung else ''}",
                license=text.license,
                source=f"espeak-ng; words: {text.source}",
                sung=sung,
                phones=take.phones,
            )
        )
        write_audio(job.folder / rows[-1].audio, take.samples)
    return _Done(job.language, tuple(rows), tuple(left_out))


def _some(words: Sequence[str], n_most: int, rng: np.random.Generator) -> Sequence[str]:
    """Return at most so many words in a row."""
    if len(words) <= n_most:
        return words
    at = int(rng.integers(len(words) - n_most + 1))
    return words[at : at + n_most]


def _report(done: Sequence[_Done]) -> None:
    """Log for each language how much was left out, and the commonest reason."""
    by_language: dict[str, list[_Done]] = {}
    for one in done:
        by_language.setdefault(one.language, []).append(one)
    for language, jobs in by_language.items():
        reasons = Counter(reason for job in jobs for reason in job.left_out)
        n_kept = sum(len(job.rows) for job in jobs)
        if reasons:
            n, example = reasons.total(), reasons.most_common(1)[0][0]
            log.warning("%s: left out %d of %d takes, such as: %s", language, n, n + n_kept, example)
        if not n_kept:
            log.warning("%s: not a single take came out as spelt", language)
