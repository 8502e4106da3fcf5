"""Songs to measure a model on: the same for everyone, in every language of `words.PHRASES`, from easy to hard.

Their timbres are ones that training leaves out. What differs from song to song is drawn once from language and number:
singer, tempo, key, style of the band, its level, the hall, a choir, and how long the band plays alone.
"""

from __future__ import annotations

import zlib

import numpy as np

from melisma.core.errors import UnknownName
from melisma.synth.accompaniment import BEATS_PER_BAR, STYLES
from melisma.synth.score import Score, SongConfig, write_score
from melisma.synth.words import PHRASES

SINGERS = ("alto", "baritone", "tenor")
LANGUAGES = tuple(PHRASES)

_KEYS = ("C", "D", "Eb", "F", "G", "A", "Bb", "Am", "Bm", "Dm", "Em", "F#m")
_LINES_PER_STANZA = 4
_STANZAS = (2, 3)
_GAP_S = (5.0, 30.0)  # the band alone
_SNR_DB = (0.0, 12.0)
_SEED = 20_000  # far from the seeds that tests and the demo use


def held_out(language: str, number: int) -> Score:
    """Write the held-out song of a number from 0 on in a language: the same for the same two every time.

    Raises
    ------
    UnknownName
        If there are no words in the language.
    """
    return write_score(config(language, number))


def config(language: str, number: int) -> SongConfig:
    """Draw what decides a held-out song, see `held_out`."""
    if language not in PHRASES:
        raise UnknownName("language of synthetic songs", language, PHRASES)
    rng = np.random.default_rng([_SEED, number, zlib.crc32(language.encode())])
    tempo_bpm = float(rng.integers(76, 132))
    bar_s = BEATS_PER_BAR * 60 / tempo_bpm
    # One song in two has a gap in which songs get lost; the others breathe for a bar or two.
    long_gap = bool(rng.random() < 0.5)
    gap_s = float(rng.uniform(*_GAP_S)) if long_gap else 2 * bar_s
    return SongConfig(
        language=language,
        lines=_lines(language, int(rng.integers(_STANZAS[0], _STANZAS[1] + 1)), rng),
        singer=str(rng.choice(SINGERS)),
        tempo_bpm=tempo_bpm,
        key=str(rng.choice(_KEYS)),
        seed=_SEED + number,
        snr_db=float(np.round(rng.uniform(*_SNR_DB), 1)),
        intro_bars=int(rng.integers(1, 6)),
        break_bars=max(1, round(gap_s / bar_s)),
        outro_bars=int(rng.integers(1, 4)),
        hall_s=float(np.round(rng.uniform(0.3, 1.8), 2)) if rng.random() < 0.7 else 0.0,
        choir=float(np.round(rng.uniform(0.1, 0.5), 2)) if rng.random() < 0.4 else 0.0,
        style=str(rng.choice(sorted(STYLES))),
    )


def _lines(language: str, n_stanzas: int, rng: np.random.Generator) -> tuple[str, ...]:
    openings, endings = PHRASES[language]
    lines: list[str] = []
    for stanza in range(n_stanzas):
        lines += [""] if stanza else []
        firsts = rng.choice(len(openings), _LINES_PER_STANZA, replace=False)
        seconds = rng.choice(len(endings), _LINES_PER_STANZA, replace=False)
        lines += [f"{openings[i]} {endings[j]}" for i, j in zip(firsts, seconds, strict=True)]
    return tuple(lines)
