"""A corpus of units → its motifs, as files: the model, its vocabulary, and the analysis."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError
from melisma.core.files import make_folder, write_atomically
from melisma.units.motifs import learn
from melisma.units.motifs.analysis import N_EXAMPLES, Analysis, analyse
from melisma.units.motifs.corpus import Corpus, n_units_of
from melisma.units.motifs.learn import Learning
from melisma.units.motifs.model import MotifModel, read_file

ANALYSIS = "motif_analysis.json"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be found.

    Parameters
    ----------
    learning : Learning
        How motifs are learnt.
    model : Path, optional
        A model that was learnt already, which is applied instead.
    name : str
        Of the files.
    n_examples : int
        Occurrences of each motif that the analysis names.
    """

    learning: Learning = field(default_factory=Learning)
    model: Path | None = None
    name: str = "motifs"
    n_examples: int = N_EXAMPLES


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The model and what it finds; `said` are sentences on what was not as asked for."""

    model: MotifModel
    analysis: Analysis
    said: tuple[str, ...]
    files: tuple[Path, ...]


def find(corpus: Corpus, folder: Path, wanted: Wanted) -> Found:
    """Learn motifs, analyse the corpus, and write NAME.model, NAME.vocab and motif_analysis.json into a folder.

    Files are written when all of them are known. The corpus is read twice, or once with a model that is there.

    Parameters
    ----------
    corpus : Corpus
        What is read.
    folder : Path
        Made where it is missing.
    wanted : Wanted
        What is to be found.

    Raises
    ------
    InputError
        If a line of the corpus cannot be used, or there are no motifs in it.
    OutputError
        If the files cannot be written.
    MissingDependency
        Without SentencePiece.
    """
    if wanted.model is not None:
        said: tuple[str, ...] = ()
        data = read_file(wanted.model)
        model = MotifModel.of(data, str(wanted.model))
    else:
        learnt = _learnt(corpus, wanted.learning)
        model, data, said = learnt.model, learnt.data, learnt.said
    analysis = analyse(corpus, model, n_examples=wanted.n_examples, seed=wanted.learning.seed)
    about: dict[str, Any] = {
        "model": {
            "name": wanted.name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "pieces": len(model.pieces),
            "units": len(model.units),
            "motifs": model.n_joined,
            "learnt_here": wanted.model is None,
        },
        "of": "frames" if corpus.frames else "units",
        "settings": asdict(wanted.learning),
        "remarks": list(said),
    }
    make_folder(folder)
    files = tuple(folder / name for name in (f"{wanted.name}.model", f"{wanted.name}.vocab", ANALYSIS))
    for path, text in zip(files, (data, model.table().encode("utf-8"), analysis.to_json(about)), strict=True):
        write_atomically(path, text)
    return Found(model, analysis, said, files)


def _learnt(corpus: Corpus, learning: Learning) -> learn.Learnt:
    sample = learn.draw(corpus.utterances(), learning)
    known = n_units_of(corpus.folder)
    if known is not None and known < sample.k:
        raise InputError(f"{corpus.path} has a unit {sample.k - 1}, the codebook beside it has 0 to {known - 1}")
    return learn.learn(sample, known or sample.k, learning)
