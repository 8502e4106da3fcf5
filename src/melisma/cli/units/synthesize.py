"""`melisma units synthesize`: units, a corpus of them or a recording into speech, by an exported vocoder."""

from __future__ import annotations

from pathlib import Path

import typer

from melisma.cli.data.options import ReportFile
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers
from melisma.cli.program import AsJson, Quiet, Verbose
from melisma.cli.units import speaking
from melisma.cli.units.speaking import Book, EncoderName, Format, Limit, Out, Pitch, Source, Speaker, Units, VocoderAt


def synthesize(
    source: Source = None,
    units: Units = None,
    vocoder: VocoderAt = None,
    output: Out = Path("spoken"),
    codebook: Book = None,
    encoder: EncoderName = None,
    speaker: Speaker = "nobody",
    pitch: Pitch = False,
    format: Format = "wav",
    limit: Limit = None,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Say units: 16 kHz speech, 320 samples for each 20 ms. An exported vocoder needs no torch.

    A corpus becomes a file for each line in FOLDER/audio, with a manifest; what is done is not done again. Exits with
    1 if a line could not be said; the report says which.
    """
    from melisma.units import vocoders

    asked = speaking.Asked(
        source,
        units,
        vocoder,
        output,
        codebook,
        encoder,
        speaker,
        pitch,
        format,
        limit,
        executor,
        workers,
        report,
        preview,
    )
    found = vocoders.find(asked.vocoder_at)
    if not quiet and vocoders.is_stale(found):
        said = f"{found.name} is of another checkpoint than {vocoders.FINAL}: make it anew with units vocoder export"
        typer.echo(said, err=True)
    speaking.say(asked, found, "cpu", as_json=as_json, quiet=quiet, verbose=verbose)
