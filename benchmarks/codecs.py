"""What coding a song costs: the same songs through MP3, AAC and Opus of several bit rates, aligned with one model.

    python benchmarks/codecs.py [--languages en,hr] [--cache FOLDER] [--downmix mean]
    MELISMA_PHONE_MODEL=model.onnx python benchmarks/codecs.py

Every song of $MELISMA_SHARED/songs, and synthetic songs with exact truth (`benchmarks/synthetic.py`), are decoded by
Melisma, coded and decoded by ffmpeg, and aligned. What is coded has been coded before: the songs are files of 94 to 203
kb/s. The encoders' delay is taken off as the files state it; what is left of it, by cross-correlation of the first
minute, is printed below each table. Figures are pooled over words; `cost` is what hit100 loses against the song as it
was, with the standard error over songs (bootstrap). `--downmix mean` takes the mono mix in place of the centre of the
stereo image: a codec may spoil the image and leave the voice alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import paired
import soundfile
from synthetic import CACHE
from synthetic import song as synthetic_song

from melisma.audio.codecs import Codec, check, lag, through
from melisma.audio.decode import DownmixName
from melisma.audio.probe import open_source
from melisma.audio.resample import Resampler
from melisma.evaluate.align import Song, score
from melisma.pipeline.align import AlignConfig, align
from melisma.synth import heldout

LANGUAGES = "en,fr,hr,de,es,it,pl,tr,hu,ru"
LAG_S = 60.0
AS_IT_WAS = "as it was"
Change = Callable[[np.ndarray, int], np.ndarray]  # samples of all channels and their rate to samples of the same shape


def plain_mono(sound: np.ndarray, rate: int) -> np.ndarray:
    """Average the channels and go to 22.05 kHz and back: what the mono codec does, without the codec."""
    mono = sound.mean(axis=1, keepdims=True, dtype=np.float32)
    for source, target in ((rate, 22050), (22050, rate)):
        stage = Resampler(source, target, 1)
        mono = np.concatenate([stage.push(mono), stage.flush()])
    out = np.zeros((len(sound), 1), np.float32)
    out[: len(mono)] = mono[: len(sound)]
    return np.repeat(out, sound.shape[1], axis=1)


def coded(codec: Codec) -> Change:
    """Make the change that a codec is."""
    return lambda sound, rate: through(sound, rate, codec)


CHANGES: dict[str, Change] = {
    AS_IT_WAS: lambda sound, rate: sound,
    "MP3 320": coded(Codec("mp3", 320)),
    "MP3 128": coded(Codec("mp3", 128)),
    "MP3 64": coded(Codec("mp3", 64)),
    "AAC 96": coded(Codec("aac", 96)),
    "AAC 48": coded(Codec("aac", 48)),
    "Opus 48": coded(Codec("opus", 48, 48000)),
    "Opus 24": coded(Codec("opus", 24, 48000)),
    "mono, 22.05 kHz, not coded": plain_mono,
    "MP3 48, mono, 22.05 kHz": coded(Codec("mp3", 48, 22050, 1)),
    "MP3 24, mono, 22.05 kHz": coded(Codec("mp3", 24, 22050, 1)),
    "Opus 12, mono": coded(Codec("opus", 12, 48000, 1)),
}


def measure(songs: Sequence[Song], downmix: DownmixName) -> tuple[dict[str, list[np.ndarray]], float]:
    """Change and align every song; return the signed errors in seconds and the largest lag in milliseconds."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in CHANGES}
    latest_ms = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "changed.wav")
        for song in songs:
            print(song.song_id, file=sys.stderr)
            with open_source(song.audio) as source:
                rate, before = source.info.sample_rate, np.concatenate(list(source.blocks()))
            n = round(LAG_S * rate)
            for name, change in CHANGES.items():
                after = change(before, rate)
                soundfile.write(path, after, rate, "FLOAT")
                late_ms = 1000 * lag(before[:n].mean(axis=1), after[:n].mean(axis=1)) / rate
                latest_ms = max(latest_ms, late_ms, key=abs)
                aligned = align(path, song.lyrics, config=AlignConfig(song.language, downmix=downmix))
                found[name].append(score(song, aligned).errors)
    return found, latest_ms


def show(title: str, songs: Sequence[Song], downmix: DownmixName) -> None:
    """Print what is found in a set of songs."""
    if songs:
        found, latest_ms = measure(songs, downmix)
        print(f"\n{title}: {len(songs)} songs, {sum(len(s.words) for s in songs)} words\n")
        print(paired.table(found, AS_IT_WAS))
        print(f"\nthe delay that was left: {latest_ms:.2f} ms at most", flush=True)


def main() -> None:
    """Measure both kinds of songs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", default=LANGUAGES, help="of the synthetic songs (%(default)s)")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where synthetic songs are kept (%(default)s)")
    parser.add_argument("--downmix", choices=("centre", "mean"), default="centre", help="of stereo (%(default)s)")
    options = parser.parse_args()
    languages = options.languages.split(",")
    unknown = [code for code in languages if code not in heldout.LANGUAGES]
    if unknown:
        parser.error(f"no synthetic songs in {', '.join(unknown)}; there are: {', '.join(heldout.LANGUAGES)}")
    check()
    show("Songs", paired.real_songs(), options.downmix)
    with paired.gathered([synthetic_song(language, 0, options.cache) for language in languages]) as songs:
        show("Synthetic songs", songs, options.downmix)


if __name__ == "__main__":
    main()
