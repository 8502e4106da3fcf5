"""`melisma dali …`: from DALI's files to songs that a training can be made of; one file per command."""

from __future__ import annotations

from melisma.cli.dali.convert import convert
from melisma.cli.dali.download import download
from melisma.cli.dali.info import info
from melisma.cli.dali.list_ import list_songs
from melisma.cli.dali.match import match
from melisma.cli.dali.segment import segment
from melisma.cli.dali.show import show
from melisma.cli.dali.stats import stats
from melisma.cli.program import group

app = group("DALI: read its annotations, find and match its recordings, cut them for training.")
app.command()(convert)
app.command("list")(list_songs)
app.command()(info)
app.command()(download)
app.command()(match)
app.command()(segment)
app.command()(show)
app.command()(stats)


@app.callback()
def main() -> None:
    """DALI: read its annotations, find and match its recordings, cut them for training."""
