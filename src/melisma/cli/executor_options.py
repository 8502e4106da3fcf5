"""`--executor` and `--workers`: where and with how many processes a command works over a manifest or a folder.

Every command that does so declares both in these words and hands what they open to its library:

    def segment(manifest: Manifest, …, executor: ExecutorName = LOCAL, workers: Workers = None,
                preview: Preview = False, …) -> None:
        made = write(found, output, settings, executor=run_on(executor, workers, preview), progress=told)

Library functions take `executor: Executor | None = None`; without one, `melisma.scale.local.LocalExecutor()`, all cores
of this machine. `melisma.scale.again.again(executor, stage, task)` does one task anew that a journal had as done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from melisma.scale.forecast import Forecast
    from melisma.scale.protocol import Executor

LOCAL = "local"  # as `melisma.scale.choice`, which `melisma --help` does without


def complete_executors(incomplete: str) -> list[str]:
    """Complete the name of an executor."""
    from melisma.scale.choice import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


ExecutorName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Where the work is done: processes of this machine (local), a Ray cluster (ray), or Modal (modal). "
        "What comes out is the same.",
        autocompletion=complete_executors,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "--jobs",
        "-j",
        min=1,
        metavar="N",
        help="Processes; as many as cores, or as the cluster has. --jobs is an older name.",
    ),
]


Preview = Annotated[
    bool,
    typer.Option(
        "--preview",
        help="Do a few tasks, print what all of them would take in time, and on Modal in money, and end.",
    ),
]


def run_on(name: str, workers: int | None, preview: bool = False) -> Executor:
    """Return the executor that the options name.

    Before a big run it says on standard error what the run will take; with `preview` it says so of any run, on
    standard output, and the command ends.

    Raises
    ------
    InputError
        If there is none of that name.
    MissingDependency
        If its extra is not installed.
    """
    from melisma.scale.choice import Choice

    def tell(forecast: Forecast) -> None:
        for line in forecast.lines():
            typer.echo(line, err=not preview)
        if preview:
            raise typer.Exit

    return Choice(name, workers).foretelling(tell, always=preview)


def refuse_elsewhere(executor: Executor, instead: str) -> None:
    """Refuse an executor whose files this machine does not see, for a command that reads what its stage writes.

    Raises
    ------
    InputError
        That says what to do instead.
    """
    from melisma.core.errors import InputError
    from melisma.scale.again import writes_here

    if not writes_here(executor):
        raise InputError(f"what this makes on the way would lie on Modal's volume, and is needed here: {instead}")
