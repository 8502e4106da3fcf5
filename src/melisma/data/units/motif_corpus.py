"""A corpus of units as a corpus of motifs: what each utterance is made of, and when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.records import Int64
from melisma.data.lines import writing
from melisma.units.clock import TIMEBASE
from melisma.units.motifs.corpus import Corpus, Utterance, batches
from melisma.units.motifs.model import MotifModel

NAME = "motif_corpus.jsonl"
_AT_ONCE = 1 << 18  # units of a batch


def write(corpus: Corpus, model: MotifModel, path: Path) -> Path:
    """Write an utterance a line: `id`, `audio` and whatever else the corpus says of it, and its `motifs`.

    Each motif has its id in the model, and `start` and `end` in seconds from the beginning of the utterance where the
    corpus has times. A batch of utterances is in memory at a time; the file is there when all of it is.

    Parameters
    ----------
    corpus : Corpus
        What is read, once.
    model : MotifModel
        What cuts it.
    path : Path
        The file.

    Raises
    ------
    InputError
        If a line cannot be used, or has a unit that the model does not know.
    OutputError
        If the file cannot be written.
    """
    with writing(path) as add:
        for batch in batches(corpus.utterances(), lambda each: len(each.units), _AT_ONCE):
            cut = model.encode([each.units for each in batch])
            for utterance, pieces in zip(batch, cut, strict=True):
                add(_line(utterance, pieces, model))
    return path


def _line(utterance: Utterance, pieces: Int64, model: MotifModel) -> str:
    told: dict[str, Any] = {"id": utterance.id}
    about = {"audio": utterance.audio or None, "speaker_id": utterance.speaker, "language": utterance.language}
    told |= {name: value for name, value in about.items() if value is not None}
    if utterance.runs is None:
        told["motifs"] = [{"motif": piece} for piece in pieces.tolist()]
    else:
        told["start"] = utterance.start_s
        ends = np.cumsum(utterance.runs)[np.cumsum(model.lengths[pieces]) - 1].tolist()
        times = [TIMEBASE.seconds(at) for at in (0, *ends)]
        told["motifs"] = [
            {"motif": piece, "start": start, "end": end}
            for piece, start, end in zip(pieces.tolist(), times[:-1], times[1:], strict=True)
        ]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
