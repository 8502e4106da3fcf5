"""The page: what it shows as JSON, its policy, and the file that it is written to."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from melisma.core.errors import AudioError
from melisma.core.files import make_folder, write_atomically
from melisma.core.page_head import page_head
from melisma.core.page_policy import page_policy
from melisma.data.units.motif_page import passages
from melisma.data.units.motif_page.passages import Passage
from melisma.data.units.motif_page.sound import size, sounds
from melisma.units.motifs.analysis import Motif
from melisma.units.motifs.corpus import Corpus
from melisma.units.motifs.find import Found

NAME = "index.html"
MOST_MOTIFS = 2000
SOUND_MB = 8.0
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Written:
    """A page that was written, how many passages are heard on it, and why others are not."""

    path: Path
    n_heard: int
    silent: tuple[str, ...]


def write(
    corpus: Corpus,
    found: Found,
    folder: Path,
    *,
    sound_mb: float = SOUND_MB,
    tell: Callable[[float], None] = lambda _: None,
) -> Written:
    """Write the page of a corpus and its motifs.

    Parameters
    ----------
    corpus : Corpus
        What was analysed; its recordings are where its lines say, seen from its folder.
    found : Found
        Model and analysis.
    folder : Path
        Where `index.html` goes.
    sound_mb : float
        Megabytes of sound that the page holds at most; without any it shows no recordings.
    tell : callable
        Called with the share done, from 0 to 1.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    shown = found.analysis.motifs[:MOST_MOTIFS]
    recordings: list[dict[str, Any]] = []
    silent: list[str] = []
    if corpus.timed and sound_mb > 0:
        recordings, silent = _recordings(corpus, found, _wanted(shown), sound_mb, tell)
    data = {
        "title": _clean(corpus.folder.absolute().name),
        "figures": found.analysis.figures,
        "motifs": [_told(each) for each in shown],
        "more": len(found.analysis.motifs) - len(shown),
        "recordings": recordings,
    }
    make_folder(folder)
    write_atomically(folder / NAME, _page(data).encode("ascii", "xmlcharrefreplace"))
    return Written(folder / NAME, sum(each["sound"] is not None for each in recordings), tuple(silent))


def _wanted(motifs: Sequence[Motif]) -> list[int]:
    return [each.id for each in motifs if each.length > 1 and each.frequency]


def _recordings(
    corpus: Corpus, found: Found, motifs: Sequence[int], sound_mb: float, tell: Callable[[float], None]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the passages that the page has room for, as it is told of them, and why some are silent."""
    there = passages.candidates(corpus, found.model, found.analysis, motifs)
    chosen = [there[i] for i in passages.choose(there, motifs, len(found.model.pieces))]
    most = sound_mb * 1e6
    fitting = _within(chosen, [size(each) for each in chosen], most)
    made: dict[int, str] = {}
    silent = []
    for n, (i, sound) in enumerate(sounds(fitting, corpus.folder), 1):
        if isinstance(sound, AudioError):
            silent.append(f"{fitting[i].utterance.id}: {sound}")
        else:
            made[i] = sound
        tell(n / len(fitting))
    heard = {id(each): made.get(i) for i, each in enumerate(fitting)}
    kept = _within(fitting, [len(made.get(i, "")) for i in range(len(fitting))], most)
    kept.sort(key=lambda each: (each.number, each.first))
    return [_passage(each, heard[id(each)]) for each in kept], silent


def _within(found: Sequence[Passage], sizes: Sequence[float], most: float) -> list[Passage]:
    """Return those for which there is room, from the first on."""
    kept = []
    for each, wanted in zip(found, sizes, strict=True):
        if wanted <= most:
            kept.append(each)
            most -= wanted
    return kept


def _passage(each: Passage, sound: str | None) -> dict[str, Any]:
    return {
        "id": each.utterance.id,
        "speaker": each.utterance.speaker,
        "language": each.utterance.language,
        "first": each.first,
        "pieces": each.pieces.tolist(),
        "runs": each.runs.tolist(),
        "sound": sound,
    }


def _told(each: Motif) -> dict[str, Any]:
    told = asdict(each)
    del told["examples"]
    return told


def _page(data: dict[str, Any]) -> str:
    style, script = _part("page.css"), f'"use strict";\n(() => {{\n{_part("player.js")}{_part("page.js")}}})();\n'
    said = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&":  # nothing in it ends the element that it lies in
        said = said.replace(character, f"\\u{ord(character):04x}")
    policy = html.escape(page_policy(script, style, img_src="data:"))
    return Template(_part("page.html")).substitute(
        head=page_head(policy, html.escape(f"{data['title']}: motifs"), style, drawn="M2.5 8h2l1.5-4 2.5 8 2-6 1 2h2"),
        name=html.escape(data["title"]),
        script=script,
        data=said,
    )


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("\ufffd", text) or "Units"


def _part(name: str) -> str:
    return files("melisma.data").joinpath("units", "motif_page", "parts", name).read_text(encoding="ascii")
