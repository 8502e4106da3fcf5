"""What helps the aligner to hear a voice in a mix: centre of the stereo image, harmonic–percussive separation, or both.

    python benchmarks/enhancement.py [--languages en,hr] [--cache FOLDER] [--no-songs]
    MELISMA_PHONE_MODEL=model.onnx python benchmarks/enhancement.py

Separation is by medians over the magnitudes of a short-time spectrum (Fitzgerald, DAFx 2010): along time they keep what
lasts, along frequency what strikes. With windows of 64 ms a voice lasts and drums strike; with windows of 256 ms a
voice, which is never still, strikes and organs last (Fitzgerald and Gainza, 2010; Tachibana et al., ICASSP 2010), so
the two can follow each other. Masks are Wiener's, with a margin that the wanted part must win by (Driedger et al.,
ISMIR 2014); what is not wanted is turned down by so many decibels, or away.

Two sets decide: the synthetic songs of `benchmarks/synthetic.py`, and the same singers with other words over pieces of
`melisma train accompaniment` (real instruments, drums, all widths), the voice at −6 to 6 dB; both have exact truth. The
songs of $MELISMA_SHARED/songs are for the record. `cost` is what hit100 loses against the centre, with the standard
error over songs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

import numpy as np
import paired
import soundfile
from scipy import ndimage, signal
from synthetic import CACHE
from synthetic import song as synthetic_song

from melisma.audio import decode
from melisma.audio.resample import Resampler
from melisma.core.errors import MissingDependency
from melisma.core.files import write_atomically
from melisma.core.records import Waveform
from melisma.evaluate.align import Song, score
from melisma.pipeline.align import align
from melisma.synth import heldout
from melisma.synth.score import Score, write_score
from melisma.synth.songs import blocks
from melisma.synth.speech import SAMPLE_RATE as VOICE_RATE
from melisma.synth.write import gold_csv
from melisma.train import fluidsynth
from melisma.train.accompaniment import Plan, render_piece

RATE = 16000
LANGUAGES = "en,fr,hr,de,es,it,pl,tr,hu,ru"
SHIPPED = "centre (shipped)"
_EPSILON = 1e-9
_SEED = 20_000  # of accompaniments; training is given small seeds
_SNR_DB = (-6.0, 6.0)
_PIECE_S = 60.0
_NUMBER = 2  # of the held-out songs whose voices the second set takes; the first set takes 0
AWAY_DB = -80.0


@dataclass(frozen=True, slots=True)
class Hpss:
    """One separation.

    `window` in samples at 16 kHz, `time_s` and `hertz` the lengths of the two medians, `keep` what is wanted, `margin`
    by how many times it must be the larger, `rest_db` how much of the rest stays.
    """

    window: int = 1024
    time_s: float = 0.27
    hertz: float = 500.0
    keep: Literal["lasts", "strikes"] = "lasts"
    margin: float = 1.0
    rest_db: float = AWAY_DB

    @property
    def medians(self) -> tuple[int, float, float]:
        """What decides the two medians."""
        return self.window, self.time_s, self.hertz


MEAN, CENTRE = "mean", "centre"
STILL = Hpss(4096, 1.1, 100.0, "strikes", rest_db=-12.0)
METHODS: dict[str, tuple[decode.DownmixName, tuple[Hpss, ...]]] = {
    "mono mix": (MEAN, ()),
    "mono mix, what lasts": (MEAN, (Hpss(),)),
    "mono mix, what strikes −6 dB": (MEAN, (Hpss(rest_db=-6.0),)),
    SHIPPED: (CENTRE, ()),
    "centre, what lasts (medians 0.27 s, 500 Hz)": (CENTRE, (Hpss(),)),
    "the same, medians 0.14 s, 250 Hz": (CENTRE, (Hpss(time_s=0.14, hertz=250.0),)),
    "the same, medians 0.53 s, 1 kHz": (CENTRE, (Hpss(time_s=0.53, hertz=1000.0),)),
    "centre, what lasts, margin 2": (CENTRE, (Hpss(margin=2.0),)),
    "centre, what lasts, margin ½": (CENTRE, (Hpss(margin=0.5),)),
    "centre, what strikes −12 dB": (CENTRE, (Hpss(rest_db=-12.0),)),
    "centre, what strikes −6 dB": (CENTRE, (Hpss(rest_db=-6.0),)),
    "centre, what stands still −12 dB (256 ms)": (CENTRE, (STILL,)),
    "centre, what stands still −12 dB, then what strikes −6 dB": (CENTRE, (STILL, Hpss(rest_db=-6.0))),
}


def median(magnitudes: np.ndarray, n: int) -> np.ndarray:
    """Take the running median of `n` values along rows, strung together for speed."""
    edge = n // 2
    padded = np.pad(magnitudes, ((0, 0), (edge, edge)), mode="symmetric")
    found: np.ndarray = ndimage.median_filter(padded.reshape(-1), size=n).reshape(padded.shape)
    return found[:, edge : edge + magnitudes.shape[1]]


@dataclass(slots=True)
class Spectrum:
    """A sound taken apart: complex [n_bins, n_frames], and its medians along time and along frequency."""

    values: np.ndarray
    lasting: np.ndarray
    striking: np.ndarray


def analyse(samples: np.ndarray, medians: tuple[int, float, float]) -> Spectrum:
    """Take float32 [n_samples] at 16 kHz apart with Hann windows that overlap by three quarters."""
    window, time_s, hertz = medians
    _, _, values = signal.stft(samples, RATE, nperseg=window, noverlap=window * 3 // 4)
    size = np.abs(values).astype(np.float32)
    n_frames, n_bins = round(time_s * RATE / (window // 4)) | 1, round(hertz * window / RATE) | 1
    striking = median(np.ascontiguousarray(size.T), n_bins).T
    return Spectrum(values.astype(np.complex64), median(size, n_frames), striking)


def separate(spectrum: Spectrum, how: Hpss, n_samples: int) -> np.ndarray:
    """Return float32 [n_samples] with the rest turned down."""
    parts = (spectrum.lasting, spectrum.striking)
    wanted, other = parts if how.keep == "lasts" else parts[::-1]
    mask = wanted**2 / (wanted**2 + (how.margin * other) ** 2 + _EPSILON**2)
    rest = 10 ** (how.rest_db / 20)
    _, out = signal.istft(
        spectrum.values * (rest + (1 - rest) * mask), RATE, nperseg=how.window, noverlap=how.window * 3 // 4
    )
    return np.pad(out, (0, max(0, n_samples - len(out))))[:n_samples].astype(np.float32)


def enhanced(song: Song) -> Iterator[tuple[str, Waveform]]:
    """Yield the song by every method; medians that several of them need are computed once."""
    mixes = {name: decode.load(song.audio, sample_rate=RATE, downmix=name) for name in (MEAN, CENTRE)}
    known: dict[tuple[str, tuple[int, float, float]], Spectrum] = {}
    for method, (downmix, stages) in METHODS.items():
        samples = mixes[downmix].samples
        for number, stage in enumerate(stages):
            key = (downmix, stage.medians)
            if number == 0 and key not in known:
                known[key] = analyse(samples, stage.medians)
            spectrum = known[key] if number == 0 else analyse(samples, stage.medians)
            samples = separate(spectrum, stage, len(samples))
        yield method, Waveform(samples, RATE)


def accompanied(language: str, cache: Path) -> Path:
    """Make a song of the second set once; return its folder."""
    config = dataclasses.replace(heldout.config(language, _NUMBER), snr_db=60.0)  # its own band cannot be heard
    score_ = write_score(config)
    stamp = zlib.crc32(repr((config, score_.words, _SEED, _SNR_DB)).encode())
    folder = cache / f"{language}-accompanied-{stamp:08x}"
    if not (folder / "gold.csv").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        sound = accompany(score_, zlib.crc32(language.encode()) % 1000)
        soundfile.write(folder / "audio.wav", sound, RATE, "PCM_16")
        (folder / "lyrics.txt").write_text(score_.lyrics, encoding="utf-8")
        (folder / "meta.json").write_text(json.dumps({"language": language}), encoding="utf-8")
        write_atomically(folder / "gold.csv", gold_csv(score_.words).encode("utf-8"))
    return folder


def accompany(score_: Score, number: int) -> np.ndarray:
    """Sing a score over pieces of accompaniment, float32 [n_samples, 2] at 16 kHz."""
    rng = np.random.default_rng([_SEED, number])
    made = list(blocks(score_))
    stage = Resampler(VOICE_RATE, RATE, 2)
    sung = np.concatenate([stage.push(np.concatenate([block.mix for block in made])), stage.flush()])
    voice = np.concatenate([block.voice for block in made])
    level = float(np.sqrt(np.mean(np.square(voice[voice != 0], dtype=np.float64))))
    pieces: list[np.ndarray] = []
    font = fluidsynth.find_soundfont(None)
    for piece in count():
        pieces.append(render_piece(Plan(_SEED, 10 * number + piece, _PIECE_S, by_band=False), font)[1])
        if sum(map(len, pieces)) >= len(sung):
            break
    music = np.concatenate(pieces)[: len(sung)]
    music *= level / np.sqrt(np.mean(np.square(music, dtype=np.float64))) * 10 ** (-rng.uniform(*_SNR_DB) / 20)
    mix = sung + music
    return np.asarray(mix * (0.9 / np.abs(mix).max()), np.float32)


def show(title: str, songs: Sequence[Song]) -> None:
    """Align every song by every method and print the table."""
    found: dict[str, list[np.ndarray]] = {method: [] for method in METHODS}
    for song in songs:
        print(song.song_id, file=sys.stderr)
        for method, waveform in enhanced(song):
            aligned = align(waveform, song.lyrics, language=song.language)
            found[method].append(score(song, aligned).errors)
    print(f"\n{title}: {len(songs)} songs, {sum(len(s.words) for s in songs)} words\n")
    print(paired.table(found, SHIPPED), flush=True)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Make a parser of the options that choose the three sets."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", default=LANGUAGES, help="of the synthetic songs (%(default)s)")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where synthetic songs are kept (%(default)s)")
    parser.add_argument("--no-songs", action="store_true", help="leave the real songs out")
    return parser


def over_sets(options: argparse.Namespace, show: Callable[[str, Sequence[Song]], None]) -> None:
    """Call `show` with the title and the songs of each of the three sets that can be had."""
    languages = options.languages.split(",")
    unknown = [code for code in languages if code not in heldout.LANGUAGES]
    if unknown:
        known = ", ".join(heldout.LANGUAGES)
        print(f"error: no synthetic songs in {', '.join(unknown)}; there are: {known}", file=sys.stderr)
        sys.exit(2)
    with paired.gathered([synthetic_song(language, 0, options.cache) for language in languages]) as songs:
        show("Synthetic songs", songs)
    try:
        folders = [accompanied(language, options.cache) for language in languages]
    except MissingDependency as error:
        print(f"the second set is skipped: {error}")
    else:
        with paired.gathered(folders) as songs:
            show("Synthetic voices over rendered accompaniment", songs)
    if not options.no_songs and (real := paired.real_songs()):
        show("Songs", real)


def main() -> None:
    """Compare the methods on all three sets."""
    over_sets(arguments(__doc__).parse_args(), show)


if __name__ == "__main__":
    main()
