"""The same manifest on any executor, the same bytes: one process and two, Ray, and Modal in a rehearsal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data.spoken import SENTENCES, say
from melisma.core.errors import MelismaError
from melisma.data import align_corpus, manifest, recordings, segment
from melisma.data.batch import align, transcribe
from melisma.data.manifest import Utterance
from melisma.data.units import encode, features
from melisma.pipeline.align import AlignConfig
from melisma.pipeline.transcribe import TranscribeConfig
from melisma.scale.local import LocalExecutor
from melisma.scale.modal.config import ModalConfig
from melisma.scale.modal.executor import ModalExecutor
from melisma.scale.modal.folder_volume import FolderVolume
from melisma.scale.protocol import Executor
from melisma.synth.speech import SAMPLE_RATE
from melisma.units import codebook_file
from melisma.units.codebook import Codebook
from melisma.units.encode import config_of
from melisma.units.encoder import EncoderConfig
from melisma.units.encoders import open_encoder

Made = dict[str, str]  # SHA-256 of files by their names


@dataclass(frozen=True)
class Place:
    """A corpus, what is needed for it, and where results go."""

    root: Path
    whisper: Path

    @property
    def found(self) -> recordings.Recordings:
        """The manifest."""
        return recordings.read(self.root / "m.jsonl")

    def out(self, executor: str, work: str) -> Path:
        """Return a folder for results; all lie as far from the recordings, whose places manifests name."""
        return self.root / "made" / executor / work.replace(" ", "-")


def cut(place: Place, out: Path, executor: Executor) -> None:
    """Cut at pauses of 0.15 s: the sentences have one of 0.2 s after each word."""
    lengths = segment.Lengths(shortest=0.1, longest=2.0, target=1.0, padding=0.01)
    segment.write(place.found, out, segment.Settings(pause_s=0.15, lengths=lengths), executor=executor)


def corpus(place: Place, out: Path, executor: Executor) -> None:
    """Time the words of a corpus."""
    align_corpus.write(place.found, out, align_corpus.Settings(), executor=executor)


def songs(place: Place, out: Path, executor: Executor) -> None:
    """Align each line by itself."""
    align.run(place.found, align.Align(str(out), ("json", "srt", "karaoke"), AlignConfig()), executor=executor)


def words(place: Place, out: Path, executor: Executor) -> None:
    """Write down two lines, by a tiny Whisper."""
    config, found = TranscribeConfig(str(place.whisper), "hr", aligned=False), recordings.read(place.root / "two.jsonl")
    transcribe.run(found, transcribe.Transcribe(str(out), ("srt",), config), executor=executor)


def units(place: Place, out: Path, executor: Executor) -> None:
    """Encode each line, by MFCC."""
    book = place.root / "book"
    config = config_of(codebook_file.read(book), EncoderConfig())
    encode.write(place.found, out, encode.Settings(book, config), executor=executor)


def heard(place: Place, out: Path, executor: Executor) -> None:
    """Write the features of each line, MFCC, into shards of three seconds."""
    features.write(place.found, out, features.Settings(EncoderConfig("mfcc"), shard_s=3.0), executor=executor)


WORK: dict[str, Callable[[Place, Path, Executor], None]] = {
    "data segment": cut,
    "data align": corpus,
    "align": songs,
    "transcribe": words,
    "units encode": units,
    "units extract": heard,
}


def corpus_at(root: Path) -> None:
    """Write sentences as files, two of them in parts of one, and a codebook."""
    lines = []
    for code, text in SENTENCES.items():
        spoken = say(text, code)
        soundfile.write(root / f"{code}.wav", spoken.samples, SAMPLE_RATE)
        length = len(spoken.samples) / SAMPLE_RATE
        lines.append(Utterance(id=f"a/{code}", audio=f"{code}.wav", duration=length, transcript=text, language=code))
    half = lines[0].duration / 2
    lines += [lines[0].changed(id=f"b/{i}", start=i * half, duration=half, transcript="monkeys") for i in range(2)]
    manifest.write(root / "m.jsonl", lines)
    manifest.write(root / "two.jsonl", lines[1:3])
    encoder = open_encoder(EncoderConfig("mfcc"))
    heard = np.concatenate(encoder.encode([say(text, code).samples for code, text in SENTENCES.items()]))
    codebook_file.write(Codebook(heard[:: len(heard) // 12][:10].copy(), encoder.facts), root / "book")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from speaking_whisper import save_speaking

    root = tmp_path_factory.mktemp("root")
    corpus_at(root)
    return Place(root, save_speaking(tmp_path_factory.mktemp("whisper")))


@pytest.fixture(scope="module", autouse=True)
def _small(place):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MELISMA_DEVICE", "cpu")
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


def tree(folder: Path) -> Made:
    """Return what is in a folder, without what is hidden: journals, checkpoints of a run."""
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and path.name != "checkpoint.json"
    }


@pytest.fixture(scope="module")
def alone(place) -> dict[str, Made]:
    """What one process makes, which is this one."""
    for name, work in WORK.items():
        work(place, place.out("alone", name), LocalExecutor(1))
    return {name: tree(place.out("alone", name)) for name in WORK}


@pytest.mark.parametrize("name", WORK)
def test_there_is_something_to_compare(alone, name):
    assert len(alone[name]) > 1


@pytest.mark.parametrize("name", WORK)
def test_two_processes(place, alone, name):
    out = place.out("two", name)
    WORK[name](place, out, LocalExecutor(2))
    assert tree(out) == alone[name]


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    from melisma.scale.ray import connect

    try:
        connect("local")
    except MelismaError as error:
        pytest.skip(f"no cluster starts here: {error}")
    yield
    ray.shutdown()


# To transcribe loads torch in every process: two of this machine show that it does not matter how many there are.
ELSEWHERE = [name for name in WORK if name != "transcribe"]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_ray(cluster, place, alone, name):
    from melisma.scale.ray import RayExecutor

    out = place.out("ray", name)
    WORK[name](place, out, RayExecutor(2))
    assert tree(out) == alone[name]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_modal(place, alone, tmp_path, name):
    """What stages write is on the volume, what the program here writes is here: both together are the result."""
    volume, out = FolderVolume(tmp_path / "modal"), place.out("modal", name)
    files = [path for path in place.root.rglob("*") if path.is_file() and "made" not in path.parts]
    volume.upload([(path, path.relative_to(place.root).as_posix()) for path in files])
    executor = ModalExecutor(2, ModalConfig(root=place.root, rehearsal=tmp_path / "modal"))
    WORK[name](place, out, executor)
    there = tmp_path / "modal" / "volume" / out.relative_to(place.root)
    assert {**tree(there), **tree(out)} == alone[name]
