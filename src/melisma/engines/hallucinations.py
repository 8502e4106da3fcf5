"""What transcribers write where nobody sings: credits of subtitles, names of sounds, phrases that go round and round.

Whisper learnt from subtitles of videos, and writes their usual lines over silence and music. The lists below are the
only ones; each entry is compared without case, accents and punctuation, and what stands in the lyrics that were given
as a hint is never taken for one.

References
----------
openai/whisper, discussions 679 and 928; ggml-org/whisper.cpp, issue 2660; Vexa-ai/vexa, issues 155 and 617 (lists in
several languages); Koenecke et al., Careless Whisper, FAccT 2024; Barański et al., Investigation of Whisper ASR
Hallucinations Induced by Non-Speech Audio, ICASSP 2025.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from melisma.core.records import Heard, HeardWord
from melisma.core.timebase import Timebase
from melisma.text import loops
from melisma.text.spellings import pieces

# Sounds, not words, where they stand between brackets or asterisks: [Musique], (applause), *laughs*.
HALLUCINATION_WORDS = frozenset(
    [
        "music",
        "musique",
        "musik",
        "musica",
        "música",
        "muziek",
        "muzyka",
        "muzika",
        "glazba",
        "hudba",
        "музыка",
        "müzik",
        "音楽",
        "音乐",
        "음악",
        "applause",
        "applaudissements",
        "applaus",
        "applausi",
        "aplausos",
        "aplauz",
        "аплодисменты",
        "alkış",
        "拍手",
        "掌声",
        "박수",
        "laughter",
        "laughs",
        "rires",
        "lachen",
        "gelächter",
        "risate",
        "risas",
        "smijeh",
        "смех",
        "笑",
        "silence",
        "stille",
        "silenzio",
        "silencio",
        "тишина",
        "cheering",
        "cheers",
        "singing",
        "instrumental",
        "intro",
        "outro",
        "blank_audio",
        "inaudible",
        "noise",
        "static",
    ]
)
# Whole segments.
HALLUCINATION_PHRASES = (
    "thanks for watching",
    "thank you for watching",
    "thank you so much for watching",
    "thanks for watching and see you next time",
    "please subscribe",
    "please subscribe to my channel",
    "please like and subscribe",
    "like and subscribe",
    "don't forget to like and subscribe",
    "see you in the next video",
    "bye bye thanks for watching",
    "merci d'avoir regardé cette vidéo",
    "merci d'avoir regardé",
    "abonnez-vous",
    "à la prochaine vidéo",
    "vielen dank fürs zuschauen",
    "danke fürs zuschauen",
    "bis zum nächsten mal",
    "gracias por ver el video",
    "gracias por ver",
    "suscríbete al canal",
    "obrigado por assistir",
    "grazie per aver guardato il video",
    "grazie per la visione",
    "bedankt voor het kijken",
    "dziękuję za uwagę",
    "dziękuję za oglądanie",
    "hvala što pratite kanal",
    "hvala na gledanju",
    "спасибо за просмотр",
    "продолжение следует",
    "подписывайтесь на канал",
    "i̇zlediğiniz için teşekkür ederim",
    "abone olmayı unutmayın",
    "ご視聴ありがとうございました",
    "次の動画でお会いしましょう",
    "チャンネル登録お願いします",
    "시청해주셔서 감사합니다",
    "구독과 좋아요 부탁드립니다",
    "谢谢观看",
    "谢谢大家收看",
)
# Beginnings of credits: they and all that follows them in their segment.
HALLUCINATION_CREDITS = (
    "sous-titrage",
    "sous-titres réalisés",
    "sous-titres faits par",
    "sous-titres par",
    "sous-titré par",
    "subtitles by",
    "subtitles created by",
    "subtitled by",
    "captions by",
    "transcription by castingwords",
    "transcript emily beynon",
    "untertitelung des zdf",
    "untertitelung aufgrund der",
    "untertitel im auftrag",
    "untertitel der amara",
    "untertitel von stephanie geiges",
    "subtítulos realizados",
    "subtítulos por la comunidad",
    "subtítulos creados",
    "legendas pela comunidade",
    "legenda adriana zanotto",
    "sottotitoli creati",
    "sottotitoli e revisione",
    "sottotitoli a cura",
    "ondertitels ingediend",
    "ondertiteling door",
    "napisy stworzone przez",
    "napisy by",
    "titulky vytvořil",
    "titlove preveo",
    "prijevod i titlovi",
    "редактор субтитров",
    "субтитры сделал",
    "субтитры создавал",
    "субтитры подогнал",
    "altyazı m.k",
    "字幕由",
    "字幕志愿者",
    "請不吝點贊",
    "请不吝点赞",
    "자막 제작",
    "자막 by",
    "mbc 뉴스",
)
_NO_SPEECH = 0.6  # Whisper's own threshold
_LOG_PROB = -1.0  # Whisper's own threshold
_DOUBTED = 0.5  # mean probability of a segment's words
_MOST_IN_BRACKETS = 6  # words
_LOOP_WORDS = 24  # in a loop of more than eight rounds, where neither times nor probabilities tell
_LOOP_WORD_S = 0.06  # a word of a loop is shorter: attention has nothing to point at
_LOOP_CONFIDENCE = 0.4


@dataclass(frozen=True, slots=True)
class HeardSegment:
    """Words as a transcriber groups them, its probability of silence, and the mean log-probability of its tokens."""

    words: tuple[HeardWord, ...]
    no_speech: float | None = None
    log_prob: float | None = None


def cleaned(segments: Iterable[HeardSegment], unit: Timebase, language: str = "und", prompt: str = "") -> Heard:
    """Join segments, without what nobody sang.

    Parameters
    ----------
    segments : iterable of HeardSegment
        In order; times in ticks of `unit`.
    unit : Timebase
        SECONDS, or what the transcriber counts in.
    language : str
        Of the words.
    prompt : str
        Lyrics: what stands in them may be sung.

    Returns
    -------
    Heard
        `breaks` are the words that begin a segment.
    """
    given = _key(prompt)
    words: list[HeardWord] = []
    breaks: list[int] = []
    for segment in segments:
        kept = [] if _silent(segment) else _sung(segment.words, given)
        if kept:
            breaks.append(len(words))
            words += kept
    keep = _without_loops(words, unit)
    order = [i for i, kept in enumerate(keep) if kept]
    place = {i: at for at, i in enumerate(order)}
    starts = sorted({next((place[k] for k in range(i, len(words)) if k in place), len(order)) for i in breaks})
    return Heard(tuple(words[i] for i in order), unit, language, tuple(start for start in starts if start < len(order)))


def _silent(segment: HeardSegment) -> bool:
    """Whether a transcriber says itself that nobody speaks, and is unsure of the words.

    Over music it often says so while its words are right: the probability of silence alone would drop sung lines.
    """
    if segment.no_speech is None or segment.no_speech <= _NO_SPEECH:
        return False
    sure = [word.confidence for word in segment.words if word.confidence is not None]
    if sure:
        return sum(sure) / len(sure) < _DOUBTED
    return segment.log_prob is None or segment.log_prob < _LOG_PROB


def _key(text: str) -> str:
    return " ".join(pieces(text))


@cache
def _phrases() -> frozenset[str]:
    return frozenset(map(_key, HALLUCINATION_PHRASES))


@cache
def _credits() -> tuple[str, ...]:
    return tuple(map(_key, HALLUCINATION_CREDITS))


def usual_lines(text: str, given: str = "") -> bool:
    """Tell whether a usual line of subtitles stands in a text, and not in what was given.

    >>> usual_lines("Dobro jutro. Hvala na gledanju!"), usual_lines("Titlove preveo: X"), usual_lines("Hvala")
    (True, True, False)
    """
    said, heard = f" {_key(given)} ", f" {_key(text)} "
    return any(f" {line} " in heard and f" {line} " not in said for line in (*_phrases(), *_credits()))


def _sung(words: Sequence[HeardWord], given: str) -> list[HeardWord]:
    """Return the words of a segment without notes, names of sounds, credits and farewells."""
    kept = [word for word in _without_brackets(words) if pieces(word.text)]
    keys = [_key(word.text) for word in kept]
    if " ".join(keys) in _phrases() and " ".join(keys) not in given:
        return []
    for i in range(len(keys)):
        rest = " ".join(keys[i:])
        if any((rest + " ").startswith(mark + " ") and mark not in given for mark in _credits()):
            return kept[:i]
    return kept


def _without_brackets(words: Sequence[HeardWord]) -> Iterator[HeardWord]:
    """Yield the words that do not stand in square brackets or asterisks, nor are a sound between round ones."""
    i = 0
    while i < len(words):
        length = _bracketed(words[i : i + _MOST_IN_BRACKETS])
        if not length:
            yield words[i]
        i += max(1, length)


def _bracketed(words: Sequence[HeardWord]) -> int:
    """Return how many words, from the first on, are the name of a sound between brackets."""
    first = words[0].text.strip()
    closing = {"[": "]", "*": "*", "(": ")", "【": "】", "（": "）"}.get(first[:1])
    if closing is None:
        return 0
    for n, word in enumerate(words, 1):
        text = word.text.strip().rstrip(".,!?…")
        if text.endswith(closing) and (n > 1 or len(text) > 1):
            inside = [_bare(each.text) for each in words[:n]]
            named = first[0] in "[【*" or any(each in HALLUCINATION_WORDS for each in inside)
            return n if named else 0
    return 0


def _bare(text: str) -> str:
    return "".join(c for c in text.casefold() if c == "_" or unicodedata.category(c)[0] in "LNM")


def _without_loops(words: Sequence[HeardWord], unit: Timebase) -> list[bool]:
    """Say which words to keep: of a phrase that goes round without evidence, the first round."""
    keys = [_key(word.text) for word in words]
    keep = [True] * len(words)
    i = 0
    while i < len(words):
        length, rounds = loops.rounds(keys, i)
        stop = i + length * rounds
        if rounds >= loops.LEAST and _unlikely(words[i + length : stop], rounds, unit):
            keep[i + length : stop] = [False] * (stop - i - length)
            i = stop
        else:
            i += 1
    return keep


def _unlikely(words: Sequence[HeardWord], rounds: int, unit: Timebase) -> bool:
    """Whether later rounds look like a loop: too fast to be sung, or of words that the transcriber doubts."""
    tick = unit.stride / unit.sample_rate
    pace = sum(abs(b.start - a.start) for a, b in pairwise(words)) * tick / max(1, len(words) - 1)
    if pace < _LOOP_WORD_S:
        return True
    sure = [word.confidence for word in words if word.confidence is not None]
    if sure:
        return sum(sure) / len(sure) < _LOOP_CONFIDENCE
    return rounds > 2 * loops.LEAST and len(words) >= _LOOP_WORDS
