"""What cards of packaged models have in common: licences, and tables of what was learnt from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from melisma.core import licences
from melisma.models.package import PackageFacts

# Licences as the hub spells them in the head of a card; others are "other", with their name beside it.
_HUB = """
apache-2.0 mit bsd-2-clause bsd-3-clause cc0-1.0 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-3.0
cc-by-nc-4.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nc-nd-4.0 cc-by-nd-4.0 unlicense mpl-2.0 isc odbl pddl
"""
_SHOWN = 200  # sources in the table


def head_of_licence(facts: PackageFacts) -> list[str]:
    """Return a licence as the hub wants it at the head of a card."""
    spdx = facts.terms.spdx
    if spdx.lower() in _HUB.split():
        return [f"license: {spdx.lower()}"]
    return ["license: other", f"license_name: {quoted(spdx)}"]


def data_section(facts: PackageFacts, training: Mapping[str, Any], whole_list: str) -> str:
    """Return what a card says of licence and data; `whole_list` is the file that has all sources."""
    terms = facts.terms
    said = "allows" if terms.commercial else "does not allow"
    lines = ["## Licence and data", "", f"The weights are under {cell(terms.spdx)}, which {said} commercial use."]
    if not terms.commercial and facts.tainted_by:
        lines.append(f"What forbids it: {cell(', '.join(facts.tainted_by[:10]))}.")
    rows = list(data_rows(facts, training))
    if rows:
        lines += ["", "| trained on | licence | hours |", "|---|---|---|", *rows[:_SHOWN]]
    if len(rows) > _SHOWN:
        lines.append(f"| {len(rows) - _SHOWN} more, in {whole_list} | | |")
    if training.get("split"):
        lines += ["", "The certificate that training and held-out speakers differ is in `run_manifest.json`."]
    return "\n".join(lines)


def data_rows(facts: PackageFacts, training: Mapping[str, Any]) -> Iterator[str]:
    """Yield the rows of a table of sources, their licences and hours."""
    data = training.get("data")
    found = data.get("sources") if isinstance(data, Mapping) else None
    hours = {
        (str(each.get("source")), str(each.get("licence"))): each.get("hours")
        for each in found or ()
        if isinstance(each, Mapping)
    }
    for source in facts.sources:
        known = hours.get((source.name, source.license))
        amount = f"{known:.2f}" if isinstance(known, (int, float)) else ""
        vouched = " (vouched for)" if source.vouched else ""
        yield f"| {cell(source.name)} | {cell(licences.label(source.license))}{vouched} | {amount} |"


def quoted(text: str) -> str:
    """Return a text in quotes, as YAML takes it."""
    return '"' + text.replace("\\", "").replace('"', "'") + '"'


def cell(text: str) -> str:
    """Return a text on one line that cannot end a cell of a table, nor be taken for HTML."""
    kept = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(kept.replace("|", "/").replace("<", "(").replace(">", ")").replace("`", "'").split())
