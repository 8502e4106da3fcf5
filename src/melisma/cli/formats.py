"""`melisma formats`: what can be read and written, and from one to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.options import complete_formats
from melisma.cli.program import AsJson, Quiet, Verbose, group

app = group("List the file formats, or convert between them.")


@app.command("list")
def list_formats(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List every format with its suffixes, and whether it is read, written or both."""
    from melisma.cli.outputs import KARAOKE
    from melisma.cli.summary import print_json, print_table
    from melisma.core import plugins
    from melisma.core.files import format_named

    found = [format_named(name) for name in plugins.names(plugins.FORMATS)]
    if as_json:
        print_json(
            [
                {
                    "name": f.name,
                    "suffixes": list(f.suffixes),
                    "media_type": f.media_type,
                    "reads": f.read is not None,
                    "reads_lyrics": f.read_lines is not None,
                    "description": f.description,
                }
                for f in found
            ]
        )
        return
    rows = [("name", "suffixes", "use", "")]
    rows += [(f.name, " ".join(f.suffixes), "read, write" if f.read else "write", f.description) for f in found]
    rows.append((KARAOKE, ".html", "write", "one page that plays the song (melisma align, melisma karaoke)"))
    print_table(rows)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="File to read, or - for standard input (with --from).")],
    output: Annotated[str, typer.Argument(metavar="OUT", help="File to write, or - for standard output (with --to).")],
    from_format: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME",
            help="Format of IN; told from its name if not given.",
            autocompletion=complete_formats,
        ),
    ] = None,
    to_format: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="NAME",
            help="Format of OUT; told from its name if not given.",
            autocompletion=complete_formats,
        ),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Convert an alignment from one format to another."""
    from melisma.cli import outputs
    from melisma.cli.reading import read_alignment
    from melisma.core.errors import InputError

    from_stdin = str(source) == "-"
    if output == "-" and not to_format:
        raise InputError("standard output has no name that tells its format: say it with --to")
    names = outputs.split_names([to_format] if to_format else None)
    stem, inputs = ("alignment", []) if from_stdin else (source.stem, [source])
    targets = outputs.plan(stem, names, output, inputs)
    alignment = read_alignment(source, from_format)
    outputs.write_all(targets, lambda name: outputs.render(alignment, name))
    if not quiet:
        for warning in alignment.warnings:
            typer.echo(f"warning: {warning}", err=True)
        for target in targets:
            if target.path is not None:
                typer.echo(f"wrote {target.path}", err=True)
