"""`melisma models`: the acoustic models that ship inside the package, and their cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.options import complete_models
from melisma.cli.program import AsJson, Verbose, group

if TYPE_CHECKING:
    from melisma.models.embedded import ModelCard

app = group("List the embedded models, or show one's card.")


@app.command("list")
def list_models(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the embedded models."""
    from melisma.cli.summary import print_json, print_table
    from melisma.models import embedded

    found = embedded.cards()
    if as_json:
        print_json([_facts(card) for card in found])
        return
    rows = [("id", "revision", "licence", "size", "languages", "")]
    rows += [
        (c.model_id, c.revision, c.licence, f"{c.size_bytes / 1e6:.1f} MB", str(_n_languages(c)), c.title)
        for c in found
    ]
    print_table(rows)


@app.command()
def show(
    model_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a model.", autocompletion=complete_models)],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Show a model's card: what it is, what it was trained on, what it may be used for."""
    from melisma.cli.summary import print_json
    from melisma.models import embedded

    card = embedded.card(model_id)
    if as_json:
        print_json(_facts(card) | {"labels": list(card.labels), "card": card.card_text})
        return
    typer.echo(f"{card.title} ({card.model_id}, revision {card.revision})")
    typer.echo(f"licence {card.licence}, {card.n_parameters:,} parameters, {card.size_bytes:,} bytes")
    typer.echo(f"languages: {' '.join(card.languages)}")
    if card.synthetic_languages:
        typer.echo(f"from synthesised voices only: {' '.join(card.synthetic_languages)}")
    typer.echo(f"labels: {' '.join(card.labels)}")
    typer.echo(f"\n{card.card_text.strip()}")


def _n_languages(card: ModelCard) -> int:
    return len(card.languages) + len(card.synthetic_languages)


def _facts(card: ModelCard) -> dict[str, Any]:
    return {
        "model_id": card.model_id,
        "revision": card.revision,
        "title": card.title,
        "licence": card.licence,
        "languages": list(card.languages),
        "synthetic_languages": list(card.synthetic_languages),
        "n_parameters": card.n_parameters,
        "size_bytes": card.size_bytes,
    }
