"""Draw the golden set and write its manifest: only for a new version of the set.

    python benchmarks/karaoke_alignment_v2/draw.py

Everybody else makes the songs from the manifest: `melisma bench golden benchmarks/karaoke_alignment_v2`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from melisma.evaluate import golden
from melisma.synth.score import SongConfig, write_score
from melisma.synth.speech import SAMPLE_RATE

VERSION = 1
SEED = 20_2611
N_SONGS = 20
LASTS_S = (30.0, 60.0)
SINGERS = ("alto", "baritone", "tenor")  # timbres that training leaves out
KEYS = ("C", "D", "Eb", "F", "G", "A", "Am", "Bm", "Dm", "Em")
TEMPOS = {"slow": (56, 72), "medium": (86, 104), "fast": (126, 150)}
ELISIONS = (
    *("L'automne a peint l'herbe d'un or d'autrefois", "Qu'importe l'orage s'il n'éteint l'espoir"),
    *("J'entends l'écho d'une île qu'on m'a dite", "Aujourd'hui l'amour m'attend jusqu'au soir"),
    *("C'est l'heure où l'ombre s'en va d'ici", "D'où vient qu'elle n'ose plus m'attendre"),
    *("L'enfant s'endort, qu'un ange l'accompagne", "T'as l'air d'une étoile qu'on n'atteint pas"),
    *("N'oublie pas l'odeur d'un jardin d'été", "Lorsqu'on s'aime, l'hiver n'a plus d'hiver"),
    *("S'il faut qu'on parte, j'irai d'un pas léger", "L'eau d'en bas chante l'air qu'elle invente"),
)
PLAIN = (
    *("Le matin se lève sur les champs mouillés", "La route est longue et je marche sans bruit"),
    *("Mon cœur balance entre terre et ciel", "Les oiseaux passent très haut dans le vent"),
    *("Chante plus fort pour couvrir la pluie", "Nous reviendrons quand la mer sera calme"),
    *("Sous le pont dorment les vieux bateaux", "Prends ce chemin qui descend vers le port"),
    *("Le feu se meurt mais la braise est rouge", "Demain peut-être tout recommencera"),
    *("Dans la vallée sonnent trois cloches", "Garde la lampe allumée près du lit"),
)


def main() -> None:
    """Draw twenty songs and write the manifest beside this file."""
    folder = Path(__file__).parent
    rng = np.random.default_rng(SEED)
    plans = zip(
        range(1, N_SONGS + 1), cycle(("solo", "choir")), cycle(TEMPOS), cycle((True, False, True)), strict=False
    )
    with TemporaryDirectory() as scratch:
        songs = []
        for number, kind, tempo, elisions in plans:
            melisma = number % 4 in (1, 2)
            traits = (kind, tempo, *(["elisions"] if elisions else []), *(["melismas"] if melisma else []))
            config = fitted(drawn(rng, number, kind, tempo, elisions, melisma))
            songs.append(golden.describe(f"{number:02}-{'-'.join(traits)}", traits, config, Path(scratch)))
            print(songs[-1].song_id, songs[-1].duration_s, "s", flush=True)
    print(golden.save(folder, VERSION, songs))


def drawn(rng: np.random.Generator, number: int, voices: str, tempo: str, elided: bool, melisma: bool) -> SongConfig:
    """Draw the settings of a song; its lines are all that there are, for `fitted` to choose from."""
    texts = [str(line) for line in rng.permutation(ELISIONS if elided else PLAIN)]
    choir = float(np.round(rng.uniform(0.15, 0.5), 2))
    return SongConfig(
        language="fr",
        lines=tuple(texts),
        singer=SINGERS[number % len(SINGERS)],
        tempo_bpm=float(rng.integers(*TEMPOS[tempo])),
        key=str(rng.choice(KEYS)),
        seed=SEED + number,
        snr_db=float(np.round(rng.uniform(2.0, 12.0), 1)),
        intro_bars=int(rng.integers(1, 4)),
        break_bars=int(rng.integers(1, 4)),
        hall_s=float(np.round(rng.uniform(0.3, 1.6), 2)) if rng.random() < 0.6 else 0.0,
        choir=choir if voices == "choir" else 0.0,
        style=str(rng.choice(("ballad", "pop", "rock"))),
        melisma=0.7 if melisma else 0.0,
    )


def fitted(config: SongConfig) -> SongConfig:
    """Take as many lines as sound in under a minute, two stanzas of them."""
    for n in range(len(config.lines), 1, -1):
        half = (n + 1) // 2
        tried = replace(config, lines=(*config.lines[:half], "", *config.lines[half:n]))
        seconds = write_score(tried).n_samples / SAMPLE_RATE
        if LASTS_S[0] <= seconds <= LASTS_S[1]:
            return tried
    raise SystemExit(f"no number of lines lasts {LASTS_S} at {config.tempo_bpm} beats a minute")


if __name__ == "__main__":
    main()
