"""`melisma scale …`: what batch work needs beside the commands that do it; one file per command."""

from __future__ import annotations

from melisma.cli.program import group
from melisma.cli.scale.leases import leases
from melisma.cli.scale.modal_app import modal_app
from melisma.cli.scale.transfer import download, status, upload

app = group("Look after batch work: the volume of Modal, and what runs had in hand when they were killed.")


@app.callback()
def main() -> None:
    """Look after batch work: the volume of Modal, and what runs had in hand when they were killed."""


app.command()(upload)
app.command()(download)
app.command()(status)
app.command("modal-app")(modal_app)
app.command()(leases)
