"""What the commands that say units share: their options, and what they do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.data.options import finish
from melisma.cli.executor_options import run_on

if TYPE_CHECKING:
    from melisma.core.records import Float32
    from melisma.data.units.speak import Made, Speak

Source = Annotated[
    Path | None,
    typer.Argument(metavar="[DIR|CORPUS.jsonl|RECORDING]", help="A corpus of units, or a recording to say again."),
]
Units = Annotated[str | None, typer.Option(metavar="UNITS", help='Units to say: "5 5 17", one for 20 ms, or "5:2 17".')]
VocoderAt = Annotated[
    Path | None, typer.Option("--vocoder", metavar="DIR|FILE", help="Who says them; that of the corpus without.")
]
Out = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="FOLDER|FILE", help="A folder; of units or a recording, a .wav or .flac."),
]
Book = Annotated[
    Path | None,
    typer.Option("--codebook", metavar="DIR|FILE", help="For a recording; that of the vocoder's corpus without."),
]
EncoderName = Annotated[
    str | None,
    typer.Option("--encoder", metavar="NAME|DIR", help="Another copy of the codebook's encoder, such as its ONNX."),
]
Speaker = Annotated[
    str,
    typer.Option(metavar="NAME", help='Who speaks: a name, "same" for each line\'s own, or "nobody" in particular.'),
]
Pitch = Annotated[bool, typer.Option("--pitch", help="Keep the pitch of the recordings.")]
Format = Annotated[str, typer.Option(metavar="wav|flac", help="Of the files in a folder.")]
Limit = Annotated[int | None, typer.Option(metavar="N", min=1, help="Only the first lines of a corpus.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be said, by whom, and where it goes."""

    source: Path | None
    units: str | None
    vocoder: Path | None
    output: Path
    codebook: Path | None
    encoder: str | None
    speaker: str
    pitch: bool
    format: str
    limit: int | None
    executor: str
    workers: int | None
    report: Path | None
    preview: bool = False

    @property
    def is_corpus(self) -> bool:
        """Whether the source is a corpus of units."""
        return self.source is not None and (self.source.is_dir() or self.source.suffix.lower() == ".jsonl")

    @property
    def vocoder_at(self) -> Path:
        """Where the vocoder is; InputError if nobody says so."""
        from melisma.core.errors import InputError

        if self.vocoder is not None:
            return self.vocoder
        if self.source is not None and self.is_corpus:
            return self.source if self.source.is_dir() else self.source.parent
        raise InputError("who is to speak? name a vocoder with --vocoder")


def say(asked: Asked, vocoder: Path, device: str, *, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Do what one of the commands asks for.

    Parameters
    ----------
    asked : Asked
        By its options.
    vocoder : Path
        The file of the vocoder.
    device : str
        Where it works.
    as_json, quiet, verbose : bool
        What is printed.
    """
    from melisma.core.errors import InputError
    from melisma.core.files import sha256_of
    from melisma.data.sound_file import FORMATS
    from melisma.data.units.speak import Speak

    if asked.format not in FORMATS:
        raise InputError(f"{asked.format!r} is no format of sound here: take {' or '.join(FORMATS)}")
    if (asked.source is None) == (asked.units is None):
        raise InputError("name a corpus or a recording, or units with --units: one of them")
    if asked.preview and not asked.is_corpus:
        raise InputError("--preview is for a corpus of units")
    corpus = asked.source if asked.source is not None and asked.source.is_dir() else Path(asked.source or ".").parent
    stage = Speak(
        vocoder=str(vocoder),
        sha256=sha256_of(vocoder),
        out=str(asked.output),
        corpus=str(corpus),
        speaker=asked.speaker,
        with_pitch=asked.pitch,
        format=asked.format,
        device=device,
    )
    _check(asked, stage)
    if asked.is_corpus:
        _corpus(asked, stage, as_json=as_json, quiet=quiet, verbose=verbose)
    else:
        _one(asked, stage, quiet=quiet)


def _check(asked: Asked, stage: Speak) -> None:
    """Refuse at once what would be refused for every line."""
    from melisma.core.errors import InputError
    from melisma.data.units.speak import NOBODY, THEMSELVES
    from melisma.units import codebook_file, vocoders
    from melisma.units.voice import Spoken

    opened = vocoders.opened(Path(stage.vocoder), stage.sha256, stage.device)
    if asked.pitch and not opened.facts.with_f0:
        raise InputError("the vocoder was trained without pitch: leave --pitch out")
    if asked.pitch and asked.source is None:
        raise InputError("units that are written down have no pitch to keep: leave --pitch out")
    opened.checked(Spoken((), None if asked.speaker in (NOBODY, THEMSELVES) else asked.speaker))
    beside = Path(stage.corpus) / codebook_file.CENTRES
    if asked.is_corpus and beside.is_file():
        _same_codebook(codebook_file.read(beside).sha256, opened.facts.codebook, beside)


def _same_codebook(found: str, wanted: str, where: Path) -> None:
    from melisma.core.errors import InputError

    if found != wanted:
        raise InputError(
            f"the vocoder speaks units of another codebook ({wanted[:12]}) than {where} ({found[:12]}): "
            "the same numbers are other sounds"
        )


def _corpus(asked: Asked, stage: Speak, *, as_json: bool, quiet: bool, verbose: bool) -> None:
    from melisma.cli.progress import progress
    from melisma.data import places
    from melisma.data.units.speak import MANIFEST, Lines, write
    from melisma.units.line import JSON

    source = Path(asked.source or ".")
    place = asked.report or asked.output / "synthesize_report.json"
    places.check([source / JSON if source.is_dir() else source], asked.output / MANIFEST, place)
    with progress(quiet=quiet, verbose=verbose) as told:
        found = Lines(source, asked.pitch, asked.limit)
        on = run_on(asked.executor, asked.workers, asked.preview)
        made = write(found, asked.output, stage, executor=on, progress=told)
    _finish(made, asked, stage, place, as_json=as_json, quiet=quiet)
    if made.problems:
        raise typer.Exit(1)


def _finish(made: Made, asked: Asked, stage: Speak, place: Path, *, as_json: bool, quiet: bool) -> None:
    from melisma.data.report import Report
    from melisma.data.units.speak import MANIFEST
    from melisma.units.clock import SAMPLE_RATE

    counts = {
        "lines": made.n_lines,
        "said_earlier": made.n_reused,
        "failed": len(made.problems),
        "seconds": round(made.n_samples / SAMPLE_RATE, 2),
    }
    settings = {"vocoder": stage.vocoder, "sha256": stage.sha256, "speaker": asked.speaker, "pitch": asked.pitch}
    finished = Report("units synthesize", settings, counts, made.problems)
    finish(finished, place, asked.output / MANIFEST, as_json=as_json, quiet=quiet)


def _one(asked: Asked, stage: Speak, *, quiet: bool) -> None:
    """Say units that were written down, or a recording again, into one file."""
    from melisma.data import places
    from melisma.data.sound_file import FORMATS
    from melisma.data.units import speak
    from melisma.units.clock import SAMPLE_RATE

    is_file = asked.output.suffix.lower() in {f".{each}" for each in FORMATS} and not asked.output.is_dir()
    name = "units" if asked.source is None else asked.source.stem or "recording"
    place = asked.output if is_file else asked.output / f"{name}.{asked.format}"
    if asked.source is None:
        frames, samples = speak.frames_of(asked.units or ""), None
    else:
        places.check([asked.source], place)
        frames, samples = _heard(asked, stage)
    n_samples = speak.one(frames, place, stage, samples if asked.pitch else None)
    if not quiet:
        typer.echo(f"wrote {place}: {len(frames)} units, {n_samples / SAMPLE_RATE:.2f} s", err=True)


def _heard(asked: Asked, stage: Speak) -> tuple[tuple[int, ...], Float32]:
    """Return the unit of every frame of a recording, and its samples."""
    import numpy as np

    from melisma.core.errors import EmptyAudio
    from melisma.data import cuts
    from melisma.units import codebook_file, vocoders
    from melisma.units.encode import config_of, open_unit_encoder
    from melisma.units.encoder import EncoderConfig

    at = asked.codebook or _beside(Path(stage.vocoder))
    book = codebook_file.read(at)
    opened = vocoders.opened(Path(stage.vocoder), stage.sha256, stage.device)
    _same_codebook(book.sha256, opened.facts.codebook, at)
    encoder = open_unit_encoder(at, config_of(book, EncoderConfig(device=stage.device), asked.encoder))
    source = Path(asked.source or ".")
    blocks = list(cuts.blocks_of(source))
    if not blocks:
        raise EmptyAudio(f"{source} holds no sample")
    samples = np.concatenate(blocks)
    [units] = encoder.units([samples])
    return tuple(units.tolist()), samples


def _beside(vocoder: Path) -> Path:
    """Return the codebook of the corpus that a vocoder lies in."""
    from melisma.core.errors import InputError
    from melisma.units.codebook_file import CENTRES

    for folder in (vocoder.absolute().parent, vocoder.absolute().parent.parent):
        if (folder / CENTRES).is_file():
            return folder
    raise InputError(f"there is no {CENTRES} beside the vocoder: name the codebook of its units with --codebook")
