"""A folder of accompaniments without vocals, composed and rendered by our own code, to mix into training speech."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ValidationError

from melisma.audio import codecs
from melisma.audio.codecs import Codec
from melisma.core.errors import InputError
from melisma.core.files import make_folder, write_atomically
from melisma.core.records import Float32
from melisma.synth.accompaniment import BEATS_PER_BAR, PROGRESSIONS, Band, Key
from melisma.synth.speech import SAMPLE_RATE as BAND_RATE
from melisma.train import fluidsynth
from melisma.train.aligned_folder import write_audio
from melisma.train.composer import compose
from melisma.train.midi_score import smf
from melisma.train.processes import in_order
from melisma.train.sound_effects import Effects, process

log = logging.getLogger(__name__)

SAMPLE_RATE = 16000  # Hz; what the model hears
RECIPE = 1  # to be raised when the same seed gives another piece: what lies there is then made anew
DURATION_S = (40.0, 90.0)
_BAND_SHARE = 0.08  # of pieces by the synthesised band, whose four instruments are soon known
_FADE_S = (0.3, 4.0)
_BAND_SECTIONS = ("intro", "verse", "verse", "break", "outro")
_OURS, _SOUNDFONT = "Apache-2.0", "Apache-2.0 AND MIT"

Progress = Callable[[int, int], None]


class _Row(BaseModel):
    """One line of the manifest; `audio` is a path from the folder."""

    id: str
    audio: str
    duration: float
    kind: str
    license: str
    source: str
    style: str
    recipe: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One piece to be made: the seed of all pieces, its number, how long it lasts, who plays it, how it is coded."""

    seed: int
    number: int
    duration_s: float
    by_band: bool
    codec: Codec | None = None

    @property
    def id(self) -> str:
        """Name of the piece, and of its file."""
        return f"gm-{self.seed}-{self.number:05d}"


def plan(hours: float, seed: int, codec: float = 0.0) -> tuple[Plan, ...]:
    """List the pieces that make `hours` hours or a little more; more hours only add pieces to the list.

    The share `codec` of them is coded; they are otherwise the same with and without.

    Raises
    ------
    InputError
        If `hours` is not positive, `seed` is negative, or `codec` is no share.
    """
    if not 0 < hours <= 10_000 or seed < 0:
        raise InputError(f"accompaniments need hours above 0 and a seed of at least 0, not {hours:g} and {seed}")
    plans: list[Plan] = []
    total = 0.0
    for number in count():
        rng = np.random.default_rng([seed, number, 0])
        duration_s, by_band = round(float(rng.uniform(*DURATION_S)), 2), bool(rng.random() < _BAND_SHARE)
        coded = codecs.draw(codec, 2, np.random.default_rng([seed, number, 2]))
        plans.append(Plan(seed, number, duration_s, by_band, coded))
        total += plans[-1].duration_s
        if total >= hours * 3600:
            break
    return tuple(plans)


def render_accompaniments(
    out: Path,
    *,
    hours: float,
    seed: int,
    soundfont: Path | None = None,
    codec: float = 0.0,
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Fill a folder with accompaniments, stereo FLAC at 16 kHz, as the noise folder has it; return its manifest.

    Every piece depends on the seed and its number alone. Pieces that the manifest lists are not made again; it is
    written after each piece, so the folder can be used, and the work taken up, at any time.

    Parameters
    ----------
    out : Path
        Folder, made where it is missing.
    hours : float
        Length of all pieces together, at least.
    seed : int
        At least 0.
    soundfont : Path, optional
        A General MIDI sound font (SF2); by default the one that Debian's fluid-soundfont-gm installs.
    codec : float
        Share of pieces that are coded as MP3, AAC or Opus, and decoded.
    workers : int
        Processes.
    progress : callable, optional
        Called with the number of pieces done and the number of all.

    Raises
    ------
    InputError
        If hours, seed or share are out of range, or the sound font or the manifest that is there is none.
    MissingDependency
        If fluidsynth or a sound font is not installed, or codecs are wanted and there is no ffmpeg that has them.
    OutputError
        If something cannot be written.
    """
    plans = plan(hours, seed, codec)
    font = fluidsynth.find_soundfont(soundfont)
    fluidsynth.program()  # told before the work, not after the first piece of it
    if codec:
        codecs.check()
    manifest = out / "manifest.jsonl"
    make_folder(out)
    rows = _finished(manifest, plans, font)
    missing = [p for p in plans if p.id not in rows]
    made = in_order(partial(_make, out=out, font=font), missing, workers)
    for done, row in enumerate(made, len(plans) - len(missing) + 1):
        rows[row.id] = row
        lines = (rows[key].model_dump_json() + "\n" for key in sorted(rows))
        write_atomically(manifest, "".join(lines).encode("utf-8"))
        if progress:
            progress(done, len(plans))
    return manifest


def _source(plan: Plan, font: Path) -> str:
    """Say who made it; a piece that another sound font played, or that is coded otherwise, is another piece."""
    coded = f", coded as {plan.codec}" if plan.codec else ""
    if plan.by_band:
        return f"composed and synthesised by melisma{coded}"
    return f"composed by melisma, played by fluidsynth with the sound font {font.stem}{coded}"


def _finished(manifest: Path, plans: tuple[Plan, ...], font: Path) -> dict[str, _Row]:
    """Rows of an earlier run whose pieces are there and are those that this run would make; others of it are kept."""
    if not manifest.exists():
        return {}
    planned = {p.id: _source(p, font) for p in plans}
    rows: dict[str, _Row] = {}
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the manifest {manifest}: {error}") from error
    for number, line in enumerate(lines, 1):
        try:
            row = _Row.model_validate_json(line)
        except ValidationError as error:
            raise InputError(f"{manifest}, line {number}, is none of ours: choose another folder") from error
        same = row.recipe == RECIPE and planned.get(row.id, row.source) == row.source
        if same and (manifest.parent / row.audio).is_file():
            rows[row.id] = row
    return rows


def _make(plan: Plan, out: Path, font: Path) -> _Row:
    """Compose, render and write one piece."""
    style, sound = render_piece(plan, font)
    audio = f"music/{plan.id}.flac"
    write_audio(out / audio, sound)
    return _Row(
        id=plan.id,
        audio=audio,
        duration=round(len(sound) / SAMPLE_RATE, 3),
        kind="music",
        license=_OURS if plan.by_band else _SOUNDFONT,
        source=_source(plan, font),
        style=style,
        recipe=RECIPE,
    )


def render_piece(plan: Plan, soundfont: Path) -> tuple[str, Float32]:
    """Return a piece's style and sound, float32 [n_samples, 2] at `SAMPLE_RATE`, exactly as long as planned."""
    rng = np.random.default_rng([plan.seed, plan.number, 1])
    if plan.by_band:
        style, drive, rate = "band", (0.0, 0.6), BAND_RATE
        sound = _play_band(plan.duration_s, rng)
    else:
        piece = compose(plan.duration_s, rng)
        style, drive, rate = piece.style, piece.drive, fluidsynth.SAMPLE_RATE
        sound = fluidsynth.render(smf(piece.score), soundfont)
    n = round(plan.duration_s * rate)
    sound = np.pad(sound[:n], ((0, max(0, n - len(sound))), (0, 0)))
    fade = round(rng.uniform(*_FADE_S) * rate)
    sound[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    sound = process(sound, rate, SAMPLE_RATE, Effects.draw(drive, rng))
    return style, codecs.through(sound, SAMPLE_RATE, plan.codec) if plan.codec else sound


def _play_band(duration_s: float, rng: np.random.Generator) -> Float32:
    """Let the band of the synthetic songs play: no program, no sound font."""
    mode = str(rng.choice(("major", "minor")))
    band = Band(Key(int(rng.integers(12)), mode), float(rng.uniform(60, 180)), rng)
    loops = PROGRESSIONS[mode]
    n = round(duration_s * BAND_RATE)
    out = np.zeros((n + 2 * band.bar_start(1), 2), np.float32)
    kind, loop, bar = "intro", loops[int(rng.integers(len(loops)))], 0
    while (at := band.bar_start(bar)) < n:
        if bar and bar % BEATS_PER_BAR == 0:
            kind, loop = str(rng.choice(_BAND_SECTIONS)), loops[int(rng.integers(len(loops)))]
        sound = band.bar(loop[bar % len(loop)], kind)[: len(out) - at]
        out[at : at + len(sound)] += sound
        bar += 1
    return out[:n]
