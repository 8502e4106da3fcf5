"""`melisma train supervise -- COMMAND`: a training that is started again until it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.program import Quiet, Verbose


def supervise(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND…", help="Such as: melisma train ctc … -o RUN.")],
    run: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="Folder of the training, where -o does not say it.")
    ] = None,
    restarts: Annotated[
        int, typer.Option(min=0, metavar="N", help="Failures in a row without a new checkpoint before giving up.")
    ] = 5,
    wait: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Before the first try; doubles each time.")] = 2,
    longest_wait: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="The longest of these.")] = 300,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run a training, and start it again from its last checkpoint when it dies.

    Where it ran out of memory, batches are cut into twice as many pieces, which changes nothing else. Bad input, a
    missing package and Ctrl-C end it for good; so does the same fault twice at the same place. Every attempt, with its
    last lines, is in RUN/supervisor.json.
    """
    from melisma.train.supervise import Supervisor, SupervisorConfig, folder_of, program

    config = SupervisorConfig(restarts, wait, longest_wait)

    def say(sentence: str) -> None:
        if not quiet:
            typer.echo(sentence, err=True)

    code = Supervisor(program(command), run or folder_of(command), config, say).run()
    if code:
        raise typer.Exit(code)
