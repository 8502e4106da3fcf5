"""What Modal runs: `modal deploy -m melisma.scale.modal.app`, once, and after every change of the package.

Deploying and calling it needs an account (`modal token new`). Imported, it only says what there is: no connection.
"""

from __future__ import annotations

from pathlib import Path

import modal

from melisma.scale.modal.command import CommandReport, run_command
from melisma.scale.modal.config import LONGEST_S, ModalConfig
from melisma.scale.modal.folder_volume import current_view
from melisma.scale.modal.image import build
from melisma.scale.modal.orders import Order, Report
from melisma.scale.modal.work import Mounted
from melisma.scale.modal.work import work as done

config = ModalConfig.of()
volume = modal.Volume.from_name(config.volume, create_if_missing=True)
# `include_source` would send the file of a function alone: the image brings the whole package.
app = modal.App(config.app, include_source=False)
image = build(config)
# For what Modal counts as a failure. A container that is preempted is none: its input is begun again as it is.
RETRIES = modal.Retries(max_retries=2, initial_delay=1.0, backoff_coefficient=2.0)
COMMAND_S = LONGEST_S - 3600.0  # then a command is asked to stop, and goes on in another call


def _mounted() -> tuple[Mounted, Path]:
    view = current_view()
    return (volume, Path(config.mount)) if view is None else (view, view.folder)


@app.function(  # type: ignore[untyped-decorator]
    image=image,
    volumes={config.mount: volume},
    timeout=round(config.stop_s + config.task_s),
    retries=RETRIES,
)
def work(order: Order) -> Report:
    """Do the tasks of an order; their files and outcomes are committed when it returns."""
    mounted, mount = _mounted()
    return done(order, mounted, mount)


@app.function(  # type: ignore[untyped-decorator]
    image=image, volumes={config.mount: volume}, timeout=LONGEST_S, retries=RETRIES, gpu=config.gpu
)
def command(arguments: list[str], n_before: int = 0) -> CommandReport:
    """Run one command of melisma on the volume, on a GPU; near the limit of a day it goes on in another call."""
    mounted, mount = _mounted()
    report = run_command(arguments, mounted, mount, stop_s=COMMAND_S)
    if report.stopped and n_before < 30:
        command.spawn(arguments, n_before + 1)
    return report


@app.local_entrypoint()  # type: ignore[untyped-decorator]
def main(*arguments: str) -> None:
    """Run one command of melisma there: `modal run --detach -m melisma.scale.modal.app units vocoder train …`."""
    report = command.remote(list(arguments))
    print(report.output)
    raise SystemExit(report.exit_code)
