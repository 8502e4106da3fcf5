"""`melisma units export`: a speech encoder as ONNX, so that units are made without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.program import AsJson, Quiet
from melisma.cli.units.extract import Layer


def export(
    encoder: Annotated[str, typer.Argument(metavar="ENCODER", help="Id on the hub, or folder, of a speech encoder.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="New folder to write.")],
    layer: Layer = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a speech encoder up to a hidden layer as ONNX; it is held against torch before it is kept.

    FOLDER then is an encoder for units extract and units encode, which need no torch with it. A codebook of the
    encoder's features fits those of its export.
    """
    from melisma.cli.summary import print_json
    from melisma.units.encoder import EncoderConfig
    from melisma.units.export import export_encoder

    facts = export_encoder(EncoderConfig(encoder, layer, device="cpu"), output)
    if as_json:
        print_json(facts.model_dump())
    elif not quiet:
        typer.echo(f"{facts.name}, layer {facts.layer}: {facts.n_dims} dimensions, licence {facts.licence}")
        typer.echo(f"differs from torch by {facts.difference:.1e} deviations of a feature at most")
        typer.echo(f"wrote {output}", err=True)
