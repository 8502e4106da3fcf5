"""`melisma units …`: from speech without a transcript to units, motifs and back to sound; one file per command."""

from __future__ import annotations

from melisma.cli.program import group
from melisma.cli.units.align import align
from melisma.cli.units.encode import encode
from melisma.cli.units.export import export as export_encoder
from melisma.cli.units.extract import extract
from melisma.cli.units.fit import fit
from melisma.cli.units.motifs import motifs
from melisma.cli.units.segment import segment
from melisma.cli.units.sweep_layers import sweep_layers
from melisma.cli.units.synthesize import synthesize
from melisma.cli.units.vocoder import app as vocoder
from melisma.cli.units.vocoder_rate import rate
from melisma.cli.units.vocoder_use import export
from melisma.cli.units.vocoder_use import synthesize as speak

app = group("Discrete units of speech: segments, features, clusters, a corpus of units, motifs, a vocoder.")


@app.callback()
def main() -> None:
    """Discrete units of speech: segments, features, clusters, a corpus of units, motifs, a vocoder."""


app.command()(align)
app.command()(encode)
app.command()(fit)
app.command()(motifs)
app.command()(segment)
app.add_typer(vocoder, name="vocoder")
app.command()(extract)
app.command()(synthesize)
vocoder.command()(export)
vocoder.command("synthesize")(speak)
vocoder.command("test")(rate)
app.command("export")(export_encoder)
app.command("sweep-layers")(sweep_layers)
