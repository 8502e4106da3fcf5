"""`melisma bench`: engines side by side on songs whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.program import AsJson, Quiet, Verbose, group

app = group("Measure engines side by side on songs whose truth is known.")


@app.command()
def engines(
    songs: Annotated[
        Path, typer.Argument(metavar="SONGS_DIR", help="Folder of <id>/{audio.*, lyrics.txt, gold.csv, meta.json}.")
    ],
    names: Annotated[
        str, typer.Option("--engines", "-e", metavar="NAMES", help="Engines, parted by commas; auto is one.")
    ] = "auto",
    repeats: Annotated[int, typer.Option(metavar="N", min=1, help="How often each song is aligned.")] = 3,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="bench.json of an earlier run, to measure gains against.")
    ] = None,
    baseline_engine: Annotated[
        str | None, typer.Option(metavar="NAME", help="Engine of that run, or of this one, to measure gains against.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Write bench.json, bench.csv and bench.html there."),
    ] = None,
    require_go: Annotated[
        bool, typer.Option("--require-go", help="Exit with 1 unless every engine passes every threshold.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Align each song of a folder with each engine, and print the errors and a verdict.

    An engine that lacks something is a row that says what; a song that fails is lost, and its row says why.
    """
    from melisma.cli.progress import progress
    from melisma.cli.summary import print_json
    from melisma.evaluate import bench, bench_files, bench_report

    wanted = tuple(name.strip() for name in names.split(",") if name.strip())
    earlier = bench_files.read_baseline(baseline, baseline_engine) if baseline else None
    config = bench.BenchConfig(wanted, repeats, earlier, baseline_engine)
    with progress(quiet=quiet, verbose=verbose) as report:
        result = bench.bench(songs, config, report)
    written = bench_report.write(result, output) if output else ()
    if as_json:
        print_json(bench_files.as_dict(result))
    else:
        typer.echo(bench_files.table(result))
    if not quiet:
        for path in written:
            typer.echo(f"wrote {path}", err=True)
    if require_go and not result.go:
        raise typer.Exit(1)


@app.command()
def golden(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a manifest.json, such as the golden set's.")],
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make the songs of a golden set from its manifest, as DIR/songs, and check every hash.

    Exits with 1 if the words or the true times of a song come out otherwise.
    """
    from melisma.cli.progress import progress
    from melisma.evaluate.golden import build

    with progress(quiet=quiet, verbose=verbose) as report:
        built = build(folder, report)
    if quiet:
        return
    for song_id in built.other_audio:
        typer.echo(f"note: the recording of {song_id} differs in some bits from the one in the manifest", err=True)
    typer.echo(f"{built.n_songs} songs in {built.folder}, lyrics and true times as the manifest says", err=True)
