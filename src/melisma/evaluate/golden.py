"""A golden set of synthetic songs: a manifest of settings and hashes, from which the songs are made again and checked.

The manifest, `manifest.json`, is what is kept under version control. A song's truth (which word sounds when, to the
sample) must come out bit for bit, or the set is another one. Its recording is checked too, but only told of: sums of
floating-point numbers differ in their last bits between processors, and a sample may fall on another side of a half.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import InputError, MelismaError
from melisma.core.files import make_folder, write_atomically
from melisma.evaluate.bench import sha256
from melisma.synth import write
from melisma.synth.score import Score, SongConfig, write_score
from melisma.synth.speech import SAMPLE_RATE

SCHEMA = "melisma.golden/1"
MANIFEST, SONGS = "manifest.json", "songs"
SPEAKER = "espeakng-loader"  # the package whose voice sings
_ID = r"[a-z0-9]+(-[a-z0-9]+)*"

Progress = Callable[[str, float], None]


class GoldenMismatch(MelismaError):
    """A song of a golden set comes out otherwise than its manifest says."""


@dataclass(frozen=True, slots=True)
class GoldenSong:
    """A song of the manifest: what it is to test, its settings, and SHA-256 of its lyrics, truth and recording."""

    song_id: str
    traits: tuple[str, ...]
    config: SongConfig
    lyrics_sha256: str
    gold_sha256: str
    audio_sha256: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Golden:
    """A whole set: its version, the version of the package that speaks, and its songs."""

    version: int
    speaker: str
    songs: tuple[GoldenSong, ...]


@dataclass(frozen=True, slots=True)
class Built:
    """What building gave: the folder of the songs, how many, and those whose recording differs in some bits."""

    folder: Path
    n_songs: int
    other_audio: tuple[str, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Settings(_Strict):
    language: str
    lines: list[str]
    singer: str
    tempo_bpm: float
    key: str
    seed: Annotated[int, Field(ge=0)]
    snr_db: float
    intro_bars: int
    break_bars: int
    outro_bars: int
    hall_s: float
    choir: float
    style: str
    melisma: float


class _Song(_Strict):
    id: Annotated[str, Field(pattern=rf"^{_ID}$", max_length=80)]
    traits: list[str]
    settings: _Settings
    lyrics_sha256: Hash
    gold_sha256: Hash
    audio_sha256: Hash
    duration_s: float


class _Manifest(_Strict):
    schema_name: Annotated[Literal["melisma.golden/1"], Field(alias="schema")]
    version: int
    speaker: str
    songs: Annotated[list[_Song], Field(min_length=1)]


def read(folder: Path) -> Golden:
    """Read the manifest of a golden set.

    Raises
    ------
    InputError
        If there is none, or it holds what it cannot; the sentence names the place.
    """
    path = folder / MANIFEST
    try:
        found = _Manifest.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise InputError(f"{path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON") from error
    return Golden(found.version, found.speaker, tuple(_song(song) for song in found.songs))


def _song(song: _Song) -> GoldenSong:
    settings = song.settings.model_dump()
    config = SongConfig(**(settings | {"lines": tuple(song.settings.lines)}))
    hashes = song.lyrics_sha256, song.gold_sha256, song.audio_sha256
    return GoldenSong(song.id, tuple(song.traits), config, *hashes, song.duration_s)


def build(folder: Path, progress: Progress | None = None) -> Built:
    """Make every song of a golden set sound, under `folder`/songs, and check it against the manifest.

    Songs that are there already, whole and as they should be, are left as they are.

    Raises
    ------
    InputError
        If there is no manifest or it is broken.
    GoldenMismatch
        If the truth of a song comes out otherwise; nothing of that song is written.
    OutputError
        If a file cannot be written.
    """
    golden = read(folder)
    root = folder / SONGS
    make_folder(root)
    other: list[str] = []
    for k, song in enumerate(golden.songs):
        if progress:
            progress(song.song_id, k / len(golden.songs))
        target = root / song.song_id
        if not _is_whole(target, song):
            score = write_score(song.config)
            check(song, score, golden.speaker)
            write.save(score, target, title=song.song_id)
        if sha256(target / "audio.wav") != song.audio_sha256:
            other.append(song.song_id)
    return Built(root, len(golden.songs), tuple(other))


def check(song: GoldenSong, score: Score, speaker: str) -> None:
    """Refuse, with GoldenMismatch, a score whose lyrics or truth are not those of the manifest."""
    for what, text, wanted in (
        ("lyrics", score.lyrics, song.lyrics_sha256),
        ("true times", write.gold_csv(score.words), song.gold_sha256),
    ):
        if _hash(text) != wanted:
            here = metadata.version(SPEAKER)
            raise GoldenMismatch(
                f"the {what} of the song {song.song_id!r} are not those of the manifest, which was made with "
                f"{SPEAKER} {speaker} (here is {here}): results on it would be those of another song"
            )


def _is_whole(target: Path, song: GoldenSong) -> bool:
    wanted = {"lyrics.txt": song.lyrics_sha256, "gold.csv": song.gold_sha256, "audio.wav": song.audio_sha256}
    if not all((target / name).is_file() for name in (*wanted, "meta.json")):
        return False
    return all(sha256(target / name) == digest for name, digest in wanted.items())


def describe(song_id: str, traits: Sequence[str], config: SongConfig, scratch: Path) -> GoldenSong:
    """Make a song once, in a scratch folder, and say what a manifest keeps of it."""
    score = write_score(config)
    audio = write.save(score, scratch / song_id, title=song_id)
    duration_s = score.n_samples / SAMPLE_RATE
    texts = _hash(score.lyrics), _hash(write.gold_csv(score.words))
    return GoldenSong(song_id, tuple(traits), config, *texts, sha256(audio), round(duration_s, 3))


def save(folder: Path, version: int, songs: Sequence[GoldenSong]) -> Path:
    """Write the manifest of a golden set."""
    found = [
        {
            "id": song.song_id,
            "traits": list(song.traits),
            "settings": asdict(song.config) | {"lines": list(song.config.lines)},
            "lyrics_sha256": song.lyrics_sha256,
            "gold_sha256": song.gold_sha256,
            "audio_sha256": song.audio_sha256,
            "duration_s": song.duration_s,
        }
        for song in songs
    ]
    manifest = {"schema": SCHEMA, "version": version, "speaker": metadata.version(SPEAKER), "songs": found}
    path = folder / MANIFEST
    write_atomically(path, (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))
    return path


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
