"""The program `melisma`: one file per command, each imports what it needs when it runs."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from melisma import __version__
from melisma.cli.align import align
from melisma.cli.bench import app as bench
from melisma.cli.cache import app as cache
from melisma.cli.dali import app as dali
from melisma.cli.data import app as data
from melisma.cli.demo import demo
from melisma.cli.engines import app as engines
from melisma.cli.eval import app as evaluate
from melisma.cli.formats import app as formats
from melisma.cli.karaoke import karaoke
from melisma.cli.languages import languages
from melisma.cli.lyrics import app as lyrics
from melisma.cli.models import app as models
from melisma.cli.program import INTERRUPTED, Program, Verbose
from melisma.cli.report import report
from melisma.cli.scale import app as scale
from melisma.cli.serve import serve
from melisma.cli.service import app as service
from melisma.cli.sweep import app as sweep
from melisma.cli.train import app as train
from melisma.cli.transcribe import transcribe
from melisma.cli.units import app as units
from melisma.cli.video import video
from melisma.cli.worker import worker

app = typer.Typer(
    cls=Program,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"melisma {__version__}")
        raise typer.Exit


@app.callback()
def main(
    verbose: Verbose = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Put words on the timeline of a recording.

    Begin with: melisma demo, or: melisma align song.mp3 lyrics.txt -o song.html
    """


app.command()(align)
app.command()(transcribe)
app.command()(demo)
app.command()(karaoke)
app.command()(video)
app.command()(report)
app.command()(serve)
app.command()(worker)
app.add_typer(service, name="service")
app.add_typer(formats, name="formats")
app.command()(languages)
app.add_typer(engines, name="engines")
app.add_typer(lyrics, name="lyrics")
app.add_typer(models, name="models")
app.add_typer(cache, name="cache")
app.add_typer(evaluate, name="eval")
app.add_typer(bench, name="bench")
app.add_typer(data, name="data")
app.add_typer(dali, name="dali")
app.add_typer(train, name="train")
app.add_typer(sweep, name="sweep")
app.add_typer(units, name="units")
app.add_typer(scale, name="scale")


def run() -> None:
    """Run the program: the console script `melisma`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name or a lyric that the terminal cannot show must not end the run
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="melisma")
    except KeyboardInterrupt:  # before a command has begun, or after it has ended
        typer.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    run()
