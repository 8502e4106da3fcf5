"""The card of a packaged Whisper: what it is, how it is used, what it was trained on, how it does; its licences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from melisma.models.package import CTRANSLATE2_FOLDER, PackageFacts
from melisma.text.language import normalise
from melisma.train.card_parts import cell, data_rows, data_section, head_of_licence, quoted


def write(
    facts: PackageFacts, training: Mapping[str, Any], parity: Mapping[str, Any], metrics: Mapping[str, Any]
) -> str:
    """Return the card, Markdown with front matter.

    Parameters
    ----------
    facts : PackageFacts
        Of the package.
    training : mapping
        What the run's manifest says.
    parity : mapping
        What the gate has measured of each format.
    metrics : mapping
        What `melisma eval asr` writes; may be empty.
    """
    parts = [
        _front_matter(facts),
        f"# {facts.name}",
        _what(facts),
        _use(facts),
        data_section(facts, training, "LICENSES.md"),
    ]
    parts += [_measured(metrics), _validated(training), _parity(parity), _limits(facts)]
    return "\n\n".join(part for part in parts if part) + "\n"


def licences_of(facts: PackageFacts, training: Mapping[str, Any]) -> str:
    """Return the terms of the weights and of all that they were made of, as a Markdown page."""
    said = "allows" if facts.terms.commercial else "does not allow"
    lines = [
        f"# Licences of {facts.name}",
        "",
        f"The weights are under {cell(facts.terms.spdx)}, which {said} commercial use.",
    ]
    if facts.base:
        lines += ["", f"Training began with {cell(facts.base)}."]
    if facts.tainted_by:
        lines += ["", f"What forbids commercial use, or is not known to allow it: {cell(', '.join(facts.tainted_by))}."]
    rows = list(data_rows(facts, training))
    if rows:
        lines += ["", "| made of | licence | hours |", "|---|---|---|", *rows]
    else:
        lines += ["", "Nobody has named what the model was trained on: nothing is allowed that needs to know it."]
    return "\n".join(lines) + "\n"


def _front_matter(facts: PackageFacts) -> str:
    lines = ["---", *head_of_licence(facts)]
    codes = sorted({normalise(code).partition("-")[0] for code in facts.languages})
    if codes:
        lines += ["language:", *(f"- {quoted(code)}" for code in codes)]
    if facts.base and "/" in facts.base:
        lines.append(f"base_model: {quoted(facts.base)}")
    lines += ["library_name: transformers", "pipeline_tag: automatic-speech-recognition"]
    return "\n".join([*lines, "tags:", "- melisma", "- whisper", "---"])


def _what(facts: PackageFacts) -> str:
    spoken = ", ".join(facts.languages) or "languages that nobody has named"
    begun = f", begun with {cell(facts.base)}" if facts.base else ""
    held = [f"`{name}/`" for name in facts.conversions]
    also = f" Beside transformers' files it holds {' and '.join(held)}, which say the same." if held else ""
    return (
        f"A Whisper model that writes what is said or sung, with the times of words{begun}: "
        f"{facts.n_parameters:,} parameters. Trained on {spoken}.{also}"
    )


def _use(facts: PackageFacts) -> str:
    lines = ["## Use", "", "```sh", "melisma models verify FOLDER", "melisma transcribe song.mp3 --model path:FOLDER"]
    lines += [f"melisma models add {facts.name} FOLDER"]
    lines += [f"melisma models default {code} {facts.name}" for code in facts.languages[:1]]
    lines += ["```", "", "With other programs:", "", "```python"]
    lines += ['WhisperForConditionalGeneration.from_pretrained("FOLDER")  # transformers']
    if CTRANSLATE2_FOLDER in facts.conversions:
        lines.append('WhisperModel("FOLDER/ctranslate2")  # faster-whisper')
    return "\n".join([*lines, "```"])


def _measured(metrics: Mapping[str, Any]) -> str:
    """Return the table of `melisma eval asr`, a row a model and a row a language."""
    models = metrics.get("models")
    rows = list(_rows(models)) if isinstance(models, Mapping) else []
    if not rows:
        return ""
    head = ["## How well it does", "", "| | utterances | WER | CER |", "|---|---|---|---|", *rows]
    return "\n".join(
        [*head, "", f"`melisma eval asr` on {cell(str(metrics.get('manifest', 'a manifest')))}, normalised."]
    )


def _rows(models: Mapping[str, Any]) -> Iterator[str]:
    for name, model in models.items():
        if not isinstance(model, Mapping):
            continue
        groups = [(str(name), model.get("overall"))]
        by_language = model.get("by_language")
        groups += (
            [(f"{name}, {code}", each) for code, each in by_language.items()] if isinstance(by_language, dict) else []
        )
        for label, group in groups:
            views = group.get("views") if isinstance(group, Mapping) else None
            scores = views.get("normalised") if isinstance(views, Mapping) else None
            if isinstance(group, Mapping) and isinstance(scores, Mapping):
                n = cell(str(group.get("n_utterances", "")))
                yield f"| {cell(label)} | {n} | {_share(scores.get('wer'))} | {_share(scores.get('cer'))} |"


def _validated(training: Mapping[str, Any]) -> str:
    """Say what the training itself measured on its held-out clips, to choose this step among others."""
    found = training.get("metrics")
    if not isinstance(found, Mapping) or not _share(found.get("wer")):
        return ""
    step = training.get("best_step") or training.get("steps")
    at = f" at step {step:,}" if isinstance(step, int) else ""
    rates = f"word error rate {_share(found.get('wer'))}, character error rate {_share(found.get('cer'))}"
    return f"What its training measured{at}, on its validation set: {rates}, both sides normalised."


def _parity(parity: Mapping[str, Any]) -> str:
    """Return what each format heard on the same set."""
    formats = parity.get("formats")
    if not isinstance(formats, (list, tuple)) or not formats:
        return ""
    lines = ["## Conversions", "", "| | WER | CER | same text | clips with loops |", "|---|---|---|---|---|"]
    lines += [
        f"| {cell(str(each.get('name')))} | {_share(each.get('wer'))} | {_share(each.get('cer'))} | "
        f"{_share(each.get('same'))} | {cell(str(each.get('loops', '')))} |"
        for each in formats
    ]
    return "\n".join([*lines, "", f"All on the same {parity.get('n_clips', '?')} clips, held against the first row."])


def _limits(facts: PackageFacts) -> str:
    return (
        "## Limits\n\n"
        "A transcriber writes what is likely, and over music, noise or silence it may write what nobody said. Windows "
        "are 30 s at most. Times of words are those of attention: `melisma transcribe` aligns them for exact ones. "
        f"Of languages other than {', '.join(facts.languages) or 'those it was trained on'} nothing is known."
    )


def _share(value: Any) -> str:
    return f"{value:.2%}" if isinstance(value, (int, float)) and value == value else ""
