"""`melisma data …`: from a folder of recordings to manifests that a training can trust; one file per command."""

from __future__ import annotations

from melisma.cli.data.align import align
from melisma.cli.data.augment import augment
from melisma.cli.data.balance import balance
from melisma.cli.data.dedupe import dedupe
from melisma.cli.data.export import export
from melisma.cli.data.fetch import fetch
from melisma.cli.data.filter import filter
from melisma.cli.data.import_ import import_
from melisma.cli.data.index import index
from melisma.cli.data.inventory import inventory
from melisma.cli.data.licenses import licenses
from melisma.cli.data.normalize import normalize
from melisma.cli.data.preprocess import preprocess
from melisma.cli.data.remove import remove
from melisma.cli.data.segment import segment
from melisma.cli.data.show import show
from melisma.cli.data.split import split
from melisma.cli.data.validate import validate
from melisma.cli.program import group

app = group("Make corpora: from a folder of recordings to manifests that a training can trust.")
app.command()(align)
app.command()(augment)
app.command()(balance)
app.command()(export)
app.command()(dedupe)
app.command()(fetch)
app.command()(filter)
app.command("import")(import_)
app.command()(index)
app.command()(inventory)
app.command()(licenses)
app.command()(normalize)
app.command()(preprocess)
app.command()(remove)
app.command()(segment)
app.command()(show)
app.command()(split)
app.command()(validate)


@app.callback()
def main() -> None:
    """Make corpora: from a folder of recordings to manifests that a training can trust."""
