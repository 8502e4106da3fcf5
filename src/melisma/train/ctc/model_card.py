"""The card of a packaged model: what it is, how it is used, what it was trained on, and how well it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from melisma.models.package import PackageFacts
from melisma.text.language import normalise
from melisma.train.card_parts import cell, data_section, head_of_licence, quoted


def write(facts: PackageFacts, training: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Return the card, Markdown with front matter.

    Parameters
    ----------
    facts : PackageFacts
        Of the package.
    training : mapping
        Facts of the training, `Trained.facts`.
    metrics : mapping
        What `melisma eval ctc --json` prints; may be empty.
    """
    parts = [
        _front_matter(facts),
        f"# {facts.name}",
        _what(facts),
        _use(facts),
        data_section(facts, training, "run_manifest.json"),
    ]
    parts += [_measured(metrics), _validated(training), _limits(facts)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(facts: PackageFacts) -> str:
    lines = ["---", *head_of_licence(facts)]
    codes = sorted({normalise(code).partition("-")[0] for code in facts.languages})
    if codes:
        lines += ["language:", *(f"- {quoted(code)}" for code in codes)]
    if facts.kind == "transformers":
        lines += ["library_name: transformers", "pipeline_tag: automatic-speech-recognition"]
    lines += ["tags:", "- melisma", "- forced-alignment", "- ctc", "---"]
    return "\n".join(lines)


def _what(facts: PackageFacts) -> str:
    kind = "a CTC network of transformers" if facts.kind == "transformers" else "a convolutional network on log-mels"
    ms = 1000 * facts.stride / facts.sample_rate
    spoken = ", ".join(facts.languages) or "languages that nobody has named"
    return (
        f"An acoustic model that aligns words with recordings: {kind}, {facts.n_parameters:,} parameters, weights in "
        f"{facts.precision}, {len(facts.labels)} labels ({facts.units}), a frame every {ms:g} ms. Trained on {spoken}."
    )


def _use(facts: PackageFacts) -> str:
    return "\n".join(
        [
            "## Use",
            "",
            "```sh",
            "melisma models verify FOLDER",
            "melisma align song.mp3 lyrics.txt --engine path:FOLDER",
            f"melisma models add {facts.name} FOLDER",
            f"melisma align song.mp3 lyrics.txt --engine {facts.name}",
            "```",
        ]
    )


def _measured(metrics: Mapping[str, Any]) -> str:
    rows = metrics.get("models")
    if not isinstance(rows, Mapping) or not rows:
        return ""
    columns = ("aae", "mae", "median", "hit50", "hit100", "pco300", "derailed", "coverage", "cer")
    lines = ["## How well it does", "", "| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        overall = row.get("overall") if isinstance(row, Mapping) else None
        if isinstance(overall, Mapping):
            figures = (overall.get(column) for column in columns)
            cells = (f"{each:.3f}" if isinstance(each, (int, float)) else "" for each in figures)
            lines.append(f"| {cell(str(name))} | " + " | ".join(cells) + " |")
    n = metrics.get("n_utterances", "?")
    lines += ["", f"`melisma eval ctc`, {n} utterances; errors of word onsets in seconds."]
    return "\n".join(lines)


def _validated(training: Mapping[str, Any]) -> str:
    """Say what the training itself measured on its held-out speakers, to choose this step among others."""
    found = training.get("metrics")
    told = {
        "aae_s": "mean error of a word's onset {:.3f} s",
        "median_s": "median {:.3f} s",
        "hit100": "{:.1%} of words within 0.1 s",
        "label_error": "label error rate {:.1%}",
    }
    said = [
        text.format(found[key])
        for key, text in told.items()
        if isinstance(found, Mapping) and isinstance(found.get(key), (int, float)) and found[key] == found[key]
    ]
    if not said:
        return ""
    step = training.get("step")
    at = f" at step {step:,}" if isinstance(step, int) else ""
    return (
        f"What its training measured{at}, on speakers that it did not learn from: {', '.join(said)}. "
        "The truth is that of its validation manifest, or the times that the embedded model gives where that had none."
    )


def _limits(facts: PackageFacts) -> str:
    heard = "whole mixes" if facts.listens_to == "mix" else "voices by themselves"
    return (
        "## Limits\n\n"
        f"It was trained to hear {heard}. A word that is not in the recording is marked unsung by the aligner, not by "
        "the network; how sure it is of a word is no probability that the time is right."
    )
