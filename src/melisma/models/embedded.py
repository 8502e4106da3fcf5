"""The models that ship inside the package: ONNX files, each with a card that says where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

from melisma.core.errors import ModelError, UnknownName
from melisma.models.features import STRIDE

_WEIGHTS = files("melisma.models") / "weights"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Facts of a model that programs need, and the card that people read (Markdown)."""

    model_id: str
    revision: str  # first 16 hexadecimal digits of the SHA-256 of the ONNX file
    title: str
    licence: str  # SPDX
    languages: tuple[str, ...]  # heard from recordings
    labels: tuple[str, ...]  # label 0 is the blank
    n_parameters: int
    size_bytes: int
    reach: int  # emission frames that one of them sees on either side
    card_text: str
    path: Path
    hops: int = STRIDE  # feature frames of 10 ms per emission frame
    weights: str = "float16"  # how they are stored; int8 with a scale per channel is half as large again
    synthetic_languages: tuple[str, ...] = ()  # heard from synthesised voices only
    # What to add to the onset of a word that begins with a label, in seconds, as measured on held-out speakers.
    onset_shifts_s: Mapping[str, float] = field(default_factory=dict)


@cache
def cards() -> tuple[ModelCard, ...]:
    """Return the cards of all embedded models, by id."""
    found = sorted(Path(str(_WEIGHTS)).glob("*.json"))
    return tuple(read_card(path.with_name(f"{path.name.removesuffix('.json')}.onnx")) for path in found)


def read_card(path: Path) -> ModelCard:
    """Read the facts beside an ONNX file, `<name>.json`, and the card `<name>.md` if there is one.

    Raises
    ------
    ModelError
        If a file is missing or the facts are damaged.
    """
    stem = path.name.removesuffix(".onnx")
    written = path.with_name(f"{stem}.md")
    try:
        facts = json.loads(path.with_name(f"{stem}.json").read_text(encoding="utf-8"))
        facts |= {key: tuple(facts[key]) for key in ("languages", "labels")}
        facts["synthetic_languages"] = tuple(facts.get("synthetic_languages", ()))
        facts["onset_shifts_s"] = {str(k): float(v) for k, v in facts.get("onset_shifts_s", {}).items()}
        if not all(abs(shift) < 10 for shift in facts["onset_shifts_s"].values()):
            raise ValueError("an onset is shifted by ten seconds or more")
        if facts.get("hops", STRIDE) not in range(1, 9) or type(facts["reach"]) is not int or facts["reach"] < 0:
            raise ValueError("hops or reach are not what an engine can use")
        text = written.read_text(encoding="utf-8") if written.exists() else ""
        return ModelCard(**facts, size_bytes=path.stat().st_size, card_text=text, path=path)
    except FileNotFoundError as error:
        raise ModelError(f"the model {stem} lacks its file {Path(error.filename).name}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"the facts of the model {stem} are damaged: {error}") from error


def card(model_id: str) -> ModelCard:
    """Return one card by id.

    Raises
    ------
    UnknownName
        If no embedded model has this id.
    """
    for one in cards():
        if one.model_id == model_id:
            return one
    raise UnknownName("embedded model", model_id, [one.model_id for one in cards()])
