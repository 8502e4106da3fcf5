"""Files as DALI publishes them, made from synthetic songs: gzipped pickles of a class DALI.Annotations.Annotations."""

from __future__ import annotations

import gzip
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from melisma.synth.score import CLOCK, Score, SongConfig

FR = 1200.0  # beats a minute that karaoke files count in


@contextmanager
def dali_class() -> Iterator[type]:
    """Offer DALI's class where `pickle` looks for it, and take it away again."""
    package, module = ModuleType("DALI"), ModuleType("DALI.Annotations")
    made = type("Annotations", (), {"__module__": "DALI.Annotations"})
    module.Annotations = package.Annotations = made
    sys.modules |= {"DALI": package, "DALI.Annotations": module}
    try:
        yield made
    finally:
        del sys.modules["DALI"], sys.modules["DALI.Annotations"]


def pickled(attributes: dict[str, Any], protocol: int = 2) -> bytes:
    """Pickle an object of DALI's class with these attributes."""
    with dali_class() as made:
        entry = made()
        entry.__dict__.update(attributes)
        return pickle.dumps(entry, protocol)


def write_gz(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 6, mtime=0))
    return path


def config(seed: int = 0, language: str = "en", **fields: Any) -> SongConfig:
    lines = (
        *("Morning opens like a window", "Silver rain is on the hill", "All the little birds are singing"),
        "",
        *("Carry me over the water", "Carry me home to the sea", "And the river is not still"),
    )
    return SongConfig(language, fields.pop("lines", lines), seed=seed, **fields)


def levels_of(score: Score) -> dict[str, list[dict[str, Any]]]:
    """Write the notes, words, lines and paragraphs of a score as DALI does."""
    notes: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    paragraphs: list[dict[str, Any]] = []
    stanza_ends = {i for i, text in enumerate(score.lyrics.split("\n")) if not text.strip()}
    sung = iter(score.lines)
    fresh = True
    for i, text in enumerate(score.lyrics.rstrip("\n").split("\n")):
        if i in stanza_ends:
            fresh = True
            continue
        placed = next(sung)
        at_note = 0
        first_word = len(words)
        for spoken, (start, end) in zip(placed.sung.words, placed.sung.spans, strict=True):
            span = CLOCK.seconds(placed.at + start), CLOCK.seconds(placed.at + end)
            n = len(spoken.nuclei)
            held = placed.sung.vowels[at_note : at_note + n]
            edges = [span[0], *(CLOCK.seconds(placed.at + each.start) for each in held[1:]), span[1]]
            cuts = [round(k * len(spoken.text) / n) for k in range(n + 1)]
            for k in range(n):
                hz = float(440 * 2 ** ((placed.sung.notes[at_note + k].midi - 69) / 12))
                notes.append(_item(spoken.text[cuts[k] : cuts[k + 1]] or "~", edges[k], edges[k + 1], [hz], len(words)))
            words.append(_item(spoken.text, *span, _pitches(notes[-n:]), len(lines)))
            at_note += n
        mine = words[first_word:]
        lines.append(
            _item(text, mine[0]["time"][0], mine[-1]["time"][1], _pitches(mine), len(paragraphs) - (not fresh))
        )
        if fresh:
            paragraphs.append(_item("", *lines[-1]["time"], [], None))
            fresh = False
    for place, each in enumerate(paragraphs):
        mine = [line for line in lines if line["index"] == place]
        each |= {"text": " ".join(line["text"] for line in mine), "freq": _pitches(mine)}
        each["time"] = (mine[0]["time"][0], mine[-1]["time"][1])
        del each["index"]
    return {"notes": notes, "words": words, "lines": lines, "paragraphs": paragraphs}


def _item(text: str, start: float, end: float, hz: list[float], index: int | None) -> dict[str, Any]:
    return {"text": text, "time": (start, end), "freq": [hz[0], hz[0]] if hz else [], "index": index}


def _pitches(rows: list[dict[str, Any]]) -> list[float]:
    return [min(each["freq"][0] for each in rows), max(each["freq"][-1] for each in rows)]


def attributes(song_id: str, levels: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Put together what an object of DALI's class holds, NumPy numbers among it."""
    info = {
        "id": song_id,
        "title": fields.get("title", "A Song"),
        "artist": fields.get("artist", "A Singer"),
        "dataset_version": fields.get("version", 1.0),
        "ground-truth": fields.get("ground_truth", False),
        "scores": {"NCC": np.float64(fields.get("ncc", 0.87)), "manual": 0.0},
        "audio": {"url": fields.get("url", "abcdefghijk"), "path": "None", "working": True},
        "metadata": {
            "album": "An Album",
            "release_date": "1999",
            "genres": list(fields.get("genres", ["Pop"])),
            "language": fields.get("language", "english"),
        },
    }
    annot_param = {"fr": np.float64(fields.get("fr", FR)), "offset": np.float64(fields.get("offset", 0.5))}
    annotations = {"type": fields.get("type", "horizontal"), "annot": levels, "annot_param": annot_param}
    return {"info": info, "annotations": annotations, "errors": None}


def write_song(folder: Path, song_id: str, levels: dict[str, Any], protocol: int = 2, **fields: Any) -> Path:
    """Write a song's file into a folder."""
    return write_gz(folder / f"{song_id}.gz", pickled(attributes(song_id, levels, **fields), protocol))


def song_id(number: int) -> str:
    """Return 32 hexadecimal digits, as DALI numbers its songs."""
    return f"{number:032x}"
