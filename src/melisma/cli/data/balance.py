"""`melisma data balance`: what a corpus has too much of, and too little."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.data.options import Manifest, check, finish, output_at
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose
from melisma.cli.summary import shown

if TYPE_CHECKING:
    from melisma.data.balance_run import Balance
    from melisma.data.report import Report
    from melisma.scale.protocol import Executor


def balance(
    manifest: Manifest,
    output: Annotated[Path, output_at(lambda at: at.balance, "FILE", "Report to write, in JSON.")],
    plots: Annotated[bool, typer.Option("--plots/--no-plots", help="Draw a picture beside the report.")] = True,
    listen: Annotated[bool, typer.Option("--noise/--no-noise", help="Estimate noise from the audio.")] = True,
    by: Annotated[list[str] | None, typer.Option(metavar="FIELD", help="Count by this field too.")] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write how often each clip is to be drawn, JSONL.")
    ] = None,
    weigh_by: Annotated[
        str, typer.Option(metavar="FIELDS", help="Whose groups are weighed: language, or language,speaker_id.")
    ] = "language",
    temperature: Annotated[
        float, typer.Option(min=0, max=1, help="1 draws as the corpus is, 0 all groups alike.")
    ] = 0.5,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="FILE", help="Write the manifest with the snr_db that was found.")
    ] = None,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Count hours and clips by language, speaker, pronunciation, noise, length and script, and say what to do.

    What was listened to is kept beside the report, so that another run only listens to what is new.
    """
    from melisma.core.errors import InputError
    from melisma.data import places
    from melisma.data.balance_run import report, write_weights

    fields = [field.strip() for field in weigh_by.split(",") if field.strip()]
    if not fields:
        raise InputError("--weigh-by names no field")
    picture = places.beside(output, f"{output.stem}.png") if plots else None
    check(manifest, output, keep, weights, picture)
    found = _measure(manifest, output, keep, listen, by or [], (run_on(executor, workers, preview), quiet, verbose))
    asked = {"manifest": str(manifest), "noise": listen, "by": by or [], "temperature": temperature}
    done = report(found, asked)
    if weights is not None:
        made = write_weights(manifest, weights, fields, temperature)
        done.details["weights"] = {"file": str(weights), "by": fields, "of_groups": made}  # type: ignore[index]
    if picture is not None:
        _draw(done, found, picture)
    finish(done, output, keep, weights, picture, as_json=as_json, quiet=quiet)
    for advice in () if as_json or quiet else done.details["recommendations"]:
        typer.echo(f"- {shown(advice['sentence'])}")


def _measure(
    manifest: Path, output: Path, keep: Path | None, listen: bool, by: list[str], how: tuple[Executor, bool, bool]
) -> Balance:
    """Go through the manifest, and write it again where that is asked for."""
    from melisma.cli.progress import progress
    from melisma.data.balance_run import measure
    from melisma.data.manifest import write

    executor, quiet, verbose = how
    journal = output.with_name(f".{output.name}.journal") if listen else None
    with progress(quiet=quiet, verbose=verbose) as told:
        each, found = measure(
            manifest, journal, listen=listen, further=by, annotate=keep is not None, executor=executor, progress=told
        )
        if keep is not None:
            write(keep, each)
        else:
            for _ in each:
                pass
    return found


def _draw(done: Report, found: Balance, path: Path) -> None:
    from melisma.data.balance_plot import draw

    draw(done.details, [amount.hours for amount in found.tally.people().values()], path)
