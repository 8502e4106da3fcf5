"""`melisma models`: the acoustic models that ship inside the package, those that were added, and their cards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli import models_packages
from melisma.cli.options import complete_models
from melisma.cli.program import AsJson, Verbose, group

if TYPE_CHECKING:
    from melisma.models.embedded import ModelCard

app = group("List the models, show a card, and package, export, verify and name trained models.")
models_packages.register(app)

_LONGEST_CARD = 1 << 20


@app.command("list")
def list_models(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the embedded models, and those that were added by name."""
    from melisma.cli.summary import print_json, print_table
    from melisma.models import embedded

    found, added = embedded.cards(), _added()
    if as_json:
        print_json([*(_facts(card) for card in found), *added])
        return
    rows: list[tuple[str, ...]] = [("id", "revision", "licence", "size", "languages", "")]
    rows += [
        (c.model_id, c.revision, c.licence, f"{c.size_bytes / 1e6:.1f} MB", str(_n_languages(c)), c.title)
        for c in found
    ]
    rows += [_row(each) for each in added]
    print_table(rows)


@app.command()
def show(
    model_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a model.", autocompletion=complete_models)],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Show a model's card: what it is, what it was trained on, what it may be used for."""
    from melisma.cli.summary import print_json
    from melisma.core.errors import UnknownName
    from melisma.models import embedded
    from melisma.pipeline import packages

    if model_id in packages.names():
        _show_added(model_id, as_json=as_json)
        return
    if model_id not in (embedded_ids := [each.model_id for each in embedded.cards()]):
        raise UnknownName("model", model_id, [*embedded_ids, *packages.names()])
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


def _added() -> list[dict[str, Any]]:
    """Return what is known of each model that was added; `fault` says what is wrong with one."""
    from melisma.core.errors import MelismaError
    from melisma.pipeline import packages

    found: list[dict[str, Any]] = []
    defaults = packages.registry().defaults()
    for name, entry in packages.registry().entries().items():
        said: dict[str, Any] = {"model_id": name, "path": entry.path, "added": entry.added, "fault": None}
        said["default_for"] = [code for code, model in defaults.items() if model == name]
        try:
            facts = packages.engine_at(Path(entry.path)).facts
            said |= {
                "revision": facts.model_revision,
                "title": facts.model_id,
                "engine": facts.name,
                "licence": facts.licence.spdx,
                "commercial": facts.licence.commercial,
                "tainted_by": list(facts.licence.tainted_by),
                "languages": sorted(facts.languages or ()),
                "changed": bool(entry.revision) and facts.model_revision != entry.revision,
            }
        except MelismaError as error:
            said["fault"] = str(error)
        found.append(said)
    return found


def _row(added: dict[str, Any]) -> tuple[str, ...]:
    if added["fault"]:
        return added["model_id"], "", "", "", "", f"{added['path']}: {added['fault']}"
    terms = added["licence"] + ("" if added["commercial"] else " (non-commercial)")
    changed = " (changed since it was added)" if added["changed"] else ""
    languages = str(len(added["languages"]) or "any")
    default = f" (default of {', '.join(added['default_for'])})" if added["default_for"] else ""
    return added["model_id"], added["revision"], terms, "", languages, f"{added['path']}{changed}{default}"


def _show_added(name: str, *, as_json: bool) -> None:
    from melisma.cli.summary import print_json
    from melisma.models.package import CARD

    said = next(each for each in _added() if each["model_id"] == name)
    card = Path(said["path"]) / CARD
    text = card.read_text(encoding="utf-8", errors="replace")[:_LONGEST_CARD] if card.is_file() else ""
    if as_json:
        print_json(said | {"card": text})
        return
    for key, value in said.items():
        if value not in (None, "", [], False):
            typer.echo(f"{key.replace('_', ' ')}: {' '.join(value) if isinstance(value, list) else value}")
    if text:
        typer.echo(f"\n{text.strip()}")


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
