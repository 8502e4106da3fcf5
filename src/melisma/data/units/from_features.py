"""A corpus of units from features that are on disk already: no audio is read, no encoder opened."""

from __future__ import annotations

import hashlib
import os
from itertools import groupby
from pathlib import Path

from melisma.core.errors import InputError
from melisma.core.records import Float32
from melisma.data import manifest
from melisma.data.report import Problem
from melisma.data.units import corpus_files, feature_files
from melisma.data.units.corpus_files import CorpusFiles, Layout
from melisma.data.units.encode import JOURNAL, Made
from melisma.data.units.feature_files import FeatureLine, Features
from melisma.scale.journal import Journal
from melisma.scale.protocol import Progress
from melisma.units import codebook_file
from melisma.units.codebook import Codebook
from melisma.units.line import UnitLine, joined


def holds_features(folder: Path) -> bool:
    """Say whether a folder is a corpus with features, and not one of recordings."""
    return (folder / feature_files.FOLDER / feature_files.ABOUT).is_file()


def write(
    features: Features, out: Path, codebook: Path, layout: Layout | None = None, progress: Progress | None = None
) -> Made:
    """Encode the features of a corpus into the files that `encode.write` makes of its recordings.

    Features that are kept as float32 give the same bytes; rounded to float16, a frame between two centres may go to
    the other one. One utterance is in memory at a time.

    Parameters
    ----------
    features : Features
        Of the corpus.
    out : Path
        Folder.
    codebook : Path
        Its `.npz`, or its folder.
    layout : Layout, optional
        Which files are written.
    progress : callable, optional
        Told of the share that is done.

    Raises
    ------
    InputError
        If the codebook cannot be read or is of another encoder, or features are damaged.
    OutputError
        If the folder cannot be written, or another run works in it.
    """
    layout = layout or Layout()
    book = codebook_file.read(codebook)
    if book.encoder.fingerprint != features.encoder.fingerprint:
        raise InputError(f"{codebook} is a codebook of other features than those of {features.folder}")
    way = manifest.way_between(features.folder.parent, out)
    index = hashlib.sha256((features.folder / feature_files.INDEX).read_bytes()).hexdigest()
    about = {"codebook": book.sha256, "features": index, "layout": corpus_files.plain(layout)}
    alone = Journal(out / JOURNAL)  # nothing is kept in it: whoever has it open is the only one who writes there
    with alone, corpus_files.opened(out, layout, about, features.n_utterances) as files:
        made = Made(files.count, files.usage, book.k)
        for audio, group in groupby(features.items(), key=lambda item: item[0].audio):
            n_failed = files.count.n_failed
            for line, frames in group:
                _add(line, frames, (book, way), files, made)
            if files.count.n_failed == n_failed:
                files.done(_seen_from(way, audio))
            if progress is not None:
                progress("encode", (files.count.n_done + files.count.n_failed) / max(1, features.n_utterances))
    return made


def _add(line: FeatureLine, frames: Float32, encoding: tuple[Codebook, str], files: CorpusFiles, made: Made) -> None:
    book, way = encoding
    try:
        units = joined(book.predict(frames).tolist())
    except InputError as error:
        files.fail()
        made.problems.append(Problem(line.id, "failed", f"{line.id}: {error}"))
        return
    language = None if line.language in ("", "und") else line.language
    audio = _seen_from(way, line.audio)
    files.add(UnitLine(line.id, audio, *units, line.start, line.duration, line.speaker_id or None, language))


def _seen_from(way: str, audio: str) -> str:
    return audio if way == "." or os.path.isabs(audio) else os.path.normpath(os.path.join(way, audio))
