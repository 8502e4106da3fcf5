"""`melisma train accompaniment|sing|synthesise|align`: what a network is to learn from, made and timed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.program import Quiet, Verbose

Hours = Annotated[float, typer.Option(metavar="HOURS", help="How much of it to make.")]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Another seed makes other pieces.")]
Jobs = Annotated[int, typer.Option(min=1, metavar="N", help="Processes.")]
Made = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for manifest.jsonl and its audio.")]
CodecShare = Annotated[
    float, typer.Option(min=0, max=1, metavar="SHARE", help="How much of it goes through MP3, AAC or Opus (ffmpeg).")
]


def accompaniment(
    output: Made,
    hours: Hours,
    seed: Seed = 1,
    soundfont: Annotated[
        Path | None, typer.Option(metavar="SF2", help="General MIDI sound font instead of Debian's.")
    ] = None,
    codec: CodecShare = 0.0,
    jobs: Jobs = 1,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Render accompaniments to mix in: songs of many styles, by a sound font and by our own instruments."""
    from melisma.cli.progress import progress
    from melisma.train.accompaniment import render_accompaniments

    with progress(quiet=quiet, verbose=verbose) as report:
        path = render_accompaniments(
            output,
            hours=hours,
            seed=seed,
            soundfont=soundfont,
            codec=codec,
            workers=jobs,
            progress=lambda done, wanted: report("rendering", done / wanted),
        )
    if not quiet:
        typer.echo(f"wrote {path}", err=True)


def sing(
    speech: Annotated[Path, typer.Argument(metavar="MANIFEST", help="Speech with the times of its phones.")],
    output: Made,
    hours: Hours,
    seed: Seed = 1,
    codec: CodecShare = 0.0,
    jobs: Jobs = 1,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Turn spoken recordings into sung ones: melodies, held vowels, vibrato, other throats."""
    from melisma.cli.progress import progress
    from melisma.train.sing import read_aligned, sing_folder
    from melisma.train.sung_voice import SingConfig

    with progress(quiet=quiet, verbose=verbose) as report:
        path = sing_folder(
            read_aligned(speech),
            output,
            hours=hours,
            seed=seed,
            workers=jobs,
            config=SingConfig(codec=codec),
            progress=lambda done, wanted: report("singing", done / wanted),
        )
    if not quiet:
        typer.echo(f"wrote {path}", err=True)


def synthesise(
    output: Made,
    hours: Hours,
    texts: Annotated[
        Path | None, typer.Option(metavar="MANIFEST", help="Also say the transcripts of this speech manifest.")
    ] = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="By Debian's flite and festival, spoken only, instead of espeak-ng.")
    ] = False,
    seed: Seed = 1,
    jobs: Jobs = 1,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Let espeak-ng's voices speak and sing, with exact phone times, for languages that have few recordings."""
    from melisma.cli.progress import progress
    from melisma.train.recorded_voices import speak_texts
    from melisma.train.synthetic import synthesise as speak
    from melisma.train.texts import corpus_texts, own_texts

    sentences = own_texts() + (corpus_texts(texts) if texts else [])
    if recorded:
        path = speak_texts(sentences, output, hours=hours, seed=seed)
    else:
        with progress(quiet=quiet, verbose=verbose) as report:
            path = speak(
                sentences,
                output,
                hours=hours,
                seed=seed,
                workers=jobs,
                progress=lambda done, wanted: report("speaking", done / wanted),
            )
    if not quiet:
        typer.echo(f"wrote {path}", err=True)


def align(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="Speech: manifest.jsonl with its audio.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the two manifests.")],
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="An embedded model, or an ONNX file of `train export`.")
    ] = None,
    held_out: Annotated[float, typer.Option(min=0, max=0.5, help="Share of clips whose speakers are held out.")] = 0.04,
    skip: Annotated[str, typer.Option(metavar="CODES", help="Languages to leave out, with commas between.")] = "",
    seed: Seed = 1,
    jobs: Jobs = 1,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find out when each phone of a corpus is said: training.jsonl and held-out.jsonl, which share no speaker."""
    from melisma.engines.phone import PhoneEngine
    from melisma.train.phone_times import SplitConfig, align_corpus

    engine = PhoneEngine(model)
    split = SplitConfig(held_out, seed, frozenset(filter(None, skip.split(","))))
    counts = align_corpus(corpus, output, lambda x: engine.hear(x)[0], engine.card.hops, split, jobs)
    if not quiet:
        typer.echo(f"wrote {counts[0]} clips to train on and {counts[1]} held out to {output}", err=True)
