"""A codebook of the features of a corpus: sampled, clustered, judged, and written."""

from __future__ import annotations

import hashlib
import heapq
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError
from melisma.core.files import make_folder, write_atomically
from melisma.core.records import Float32
from melisma.data import manifest
from melisma.data.manifest import Utterance
from melisma.data.units.feature_files import Features
from melisma.data.units.phones import Phones
from melisma.train.units import kmeans, quality
from melisma.train.units.sample import sampled
from melisma.units import codebook_file
from melisma.units.clock import SAMPLE_RATE, STRIDE
from melisma.units.codebook import Codebook

PER_SECOND = SAMPLE_RATE // STRIDE


@dataclass(frozen=True, slots=True)
class Settings:
    """What a codebook is made of.

    Parameters
    ----------
    kmeans : kmeans.Config
        How centres are found.
    sample_s : float
        Seconds of speech in memory: 50 frames each, of as many float32 as the features have dimensions.
    """

    kmeans: kmeans.Config = field(default_factory=kmeans.Config)
    sample_s: float = 3600.0

    def __post_init__(self) -> None:
        if not 1 <= self.sample_s <= 1e7:
            raise InputError(f"a sample lasts 1 to 10,000,000 s, not {self.sample_s:g}")


@dataclass(frozen=True, slots=True)
class Made:
    """A codebook, and the estimator of scikit-learn's that it is of."""

    codebook: Codebook
    estimator: Any


def fit(features: Features, settings: Settings, phones: Phones | None = None) -> Made:
    """Make a codebook of features.

    They are gone through once, once more for each of `passes`, and once more where there are phones.

    Parameters
    ----------
    features : Features
        Of a corpus.
    settings : Settings
        How.
    phones : Phones, optional
        What of it its units are held against.

    Raises
    ------
    InputError
        If there are too few frames, or phones of other utterances.
    MissingDependency
        If scikit-learn is not installed.
    """

    def stream() -> Iterator[Float32]:
        return (frames for _, frames in features if len(frames))

    kmeans.scikit_learn()  # before hours of reading
    if phones is not None and not any(line.id in phones.spans for line in features.lines()):
        raise InputError(quality.STRANGERS)
    size = min(round(settings.sample_s * PER_SECOND), max(1, features.n_frames))
    reservoir = sampled(stream(), size, settings.kmeans.seed)
    sample = reservoir.frames()
    found = kmeans.fit(sample, settings.kmeans, stream)
    book = Codebook(found.centres, features.encoder)
    facts: dict[str, Any] = {
        "settings": asdict(settings.kmeans) | {"sample_s": settings.sample_s},
        "n_frames": reservoir.n_seen,
        "n_sampled": len(sample),
        "n_repaired": found.n_repaired,
        "sample": quality.of_sample(sample, found.centres),
        "scikit_learn": version("scikit-learn"),
    }
    if phones is not None:
        facts["phones"] = quality.against_phones(features, book, phones)
    return Made(Codebook(book.centres, book.encoder, facts), found.estimator)


def write(made: Made, folder: Path, pickle_to: Path | None = None) -> list[Path]:
    """Write `codebook.npz` and `codebook.json` into a folder, and a pickle for scikit-learn where it is asked for.

    Nothing here reads a pickle: one can do anything to who opens it.
    """
    if pickle_to is not None:  # first, so that a codebook that is there stays where the pickle cannot be written
        make_folder(pickle_to.parent)
        write_atomically(pickle_to, pickle.dumps(made.estimator))
    written = list(codebook_file.write(made.codebook, folder))
    return written if pickle_to is None else [*written, pickle_to]


def drawn(utterances: Iterable[Utterance], seconds: float, seed: int) -> list[Utterance]:
    """Draw utterances of about as many seconds from a manifest, read once; none depends on what else there is.

    Only those that are drawn are in memory; they come in the order of the manifest.
    """
    heap: list[tuple[int, int, Utterance]] = []
    total = 0.0
    for number, utterance in enumerate(utterances):
        heapq.heappush(heap, (-_lot(utterance.id, seed), -number, utterance))
        total += utterance.duration
        while total - heap[0][2].duration >= seconds:
            total -= heapq.heappop(heap)[2].duration
    return [utterance for _, _, utterance in sorted(heap, key=lambda each: -each[1])]


def _lot(name: str, seed: int) -> int:
    said = f"{seed}\0{name}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), "big")


def write_drawn(source: Path, target: Path, settings: Settings) -> int:
    """Write the manifest of what `drawn` draws from another one, and return how many utterances it has."""
    chosen = drawn(manifest.read(source), settings.sample_s, settings.kmeans.seed)
    return manifest.write(target, (manifest.rebased(each, source, target) for each in chosen))
