"""Features of corpora: what the encoder says, whoever runs it, and not made twice."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from melisma.core.errors import FormatError, InputError, NeedsFfmpeg, UnknownName
from melisma.data import cuts, manifest, recordings
from melisma.data.manifest import Utterance
from melisma.data.units import features
from melisma.data.units.feature_files import Features
from melisma.data.units.features import Settings
from melisma.scale.local import LocalExecutor
from melisma.testing.speech_checkpoints import RandomEncoder, save_random_encoder
from melisma.units.encoder import EncoderConfig
from melisma.units.mfcc import mfcc

RATE = 16000
MFCC = EncoderConfig("mfcc")


def corpus(folder: Path, n_files: int = 5, seconds: float = 1.5) -> Path:
    """A manifest of files with two utterances each, the second of them first."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(n_files):
        rng = np.random.default_rng(number)
        samples = 0.1 * rng.standard_normal(round((seconds + 0.1 * number) * RATE))
        soundfile.write(folder / f"{number}.wav", samples, RATE, subtype="PCM_16")
        half = len(samples) / RATE / 2
        about = {"audio": f"{number}.wav", "speaker_id": f"s{number}", "language": "pt"}
        lines += [
            Utterance(id=f"{number}/b", start=half, duration=half, **about),
            Utterance(id=f"{number}/a", start=0.0, duration=half, **about),
        ]
    manifest.write(folder / "m.jsonl", lines)
    return folder / "m.jsonl"


def extract(path: Path, out: Path, executor: LocalExecutor | None = None, **settings):
    given = Settings(**({"encoder": MFCC, "dtype": "float32", "shard_s": 3.0} | settings))
    return features.write(recordings.read(path), out, given, executor=executor or LocalExecutor(1))


def hashes(out: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((out / "features").iterdir())}


def samples_of(path: Path, utterance: Utterance) -> np.ndarray:
    whole, _ = soundfile.read(path.parent / utterance.audio, dtype="float32")
    first = round(utterance.start * RATE)
    return whole[first : round((utterance.start + utterance.duration) * RATE)]


def test_every_utterance_has_the_features_of_its_sound(tmp_path: Path):
    path = corpus(tmp_path / "in")
    made = extract(path, tmp_path / "out")
    assert (made.n_utterances, made.n_failed, made.n_shards) == (10, 0, 3)
    found = Features.open(tmp_path / "out")
    assert found.encoder.name == "mfcc"
    read = dict(found)
    for utterance in manifest.read(path):
        expected = mfcc(samples_of(path, utterance))
        np.testing.assert_array_equal(read[utterance.id], expected)
        np.testing.assert_array_equal(found[utterance.id], expected)
    assert list(read) == [each.id for each in manifest.read(path)]
    assert found.n_frames == sum(map(len, read.values()))
    first = next(found.lines())
    assert (first.audio, first.speaker_id, first.language) == ("../in/0.wav", "s0", "pt")
    with pytest.raises(KeyError):
        found["nobody"]


def test_half_of_the_size_is_enough(tmp_path: Path):
    path = corpus(tmp_path / "in", 1)
    extract(path, tmp_path / "out", dtype="float16")
    read = Features.open(tmp_path / "out")["0/a"]
    assert read.dtype == np.float32
    utterance = next(each for each in manifest.read(path) if each.id == "0/a")
    np.testing.assert_allclose(read, mfcc(samples_of(path, utterance)), rtol=1e-3, atol=1e-3)


def test_any_executor_makes_the_same_files(tmp_path: Path):
    path = corpus(tmp_path / "in")
    extract(path, tmp_path / "one")
    extract(path, tmp_path / "two", LocalExecutor(2))
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_a_network_in_torch_has_one_thread_wherever_a_corpus_is_made(tmp_path: Path):
    """Sums in another order, as more threads make them, would show in the last bits."""
    import torch

    path = corpus(tmp_path / "in", 4)
    net = save_random_encoder(tmp_path / "net", RandomEncoder(n_dims=64))
    encoder = EncoderConfig(str(net), device="cpu", batch_s=2.0)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        features._opened.cache_clear()
        extract(path, tmp_path / f"out{threads}", encoder=encoder)
        assert torch.get_num_threads() == 1
    assert hashes(tmp_path / "out1") == hashes(tmp_path / "out2")


def test_what_is_there_is_not_made_again(tmp_path: Path):
    path = corpus(tmp_path / "in")
    extract(path, tmp_path / "out")
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out/features").glob("*.npy")}
    again = extract(path, tmp_path / "out")
    assert again.n_shards_reused == again.n_shards == 3
    assert before == {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out/features").glob("*.npy")}


def test_a_shard_that_is_gone_or_whose_sound_changed_is_made_again(tmp_path: Path):
    path = corpus(tmp_path / "in")
    extract(path, tmp_path / "out")
    whole = hashes(tmp_path / "out")
    next((tmp_path / "out/features").glob("shard-00001-*.npy")).unlink()
    extract(path, tmp_path / "out")
    assert hashes(tmp_path / "out") == whole
    soundfile.write(tmp_path / "in/0.wav", np.full(RATE * 2, 0.1), RATE)
    assert extract(path, tmp_path / "out").n_shards_reused == 2
    found = [name for name in hashes(tmp_path / "out") if name.endswith(".npy")]
    assert len(found) == 3
    assert len(set(found) - set(whole)) == 1


def test_a_shorter_manifest_leaves_no_shards_behind(tmp_path: Path):
    extract(corpus(tmp_path / "in"), tmp_path / "out")
    extract(corpus(tmp_path / "in", 2), tmp_path / "out")
    assert len(list((tmp_path / "out/features").glob("*.npy"))) == 1


class Ending:
    """An executor whose run is over after some tasks."""

    def __init__(self, after: int) -> None:
        self.after = after

    def run(self, stage, tasks, **how):
        for number, outcome in enumerate(LocalExecutor(1).run(stage, tasks, **how)):
            if number == self.after:
                raise KeyboardInterrupt
            yield outcome


def test_features_stay_what_their_index_says_until_others_are_all_there(tmp_path: Path):
    path = corpus(tmp_path / "in")
    extract(path, tmp_path / "out")
    before = dict(Features.open(tmp_path / "out"))
    manifest.write(
        path, [each.model_copy(update={"id": each.id + "'"}) for each in reversed(list(manifest.read(path)))]
    )
    with pytest.raises(KeyboardInterrupt):
        extract(path, tmp_path / "out", Ending(2))
    found = dict(Features.open(tmp_path / "out"))
    assert all(np.array_equal(found[name], each) for name, each in before.items())
    extract(path, tmp_path / "out")
    assert len(list((tmp_path / "out/features").glob("*.npy"))) == 3
    extract(path, tmp_path / "new")
    assert hashes(tmp_path / "out") == hashes(tmp_path / "new")


def test_one_utterance_that_fails_costs_no_other_and_is_tried_again_when_its_file_is_another(tmp_path: Path):
    path = corpus(tmp_path / "in", 3)
    sound = (tmp_path / "in/1.wav").read_bytes()
    (tmp_path / "in/1.wav").write_bytes(b"no sound")
    made = extract(path, tmp_path / "out")
    assert [each.item for each in made.problems] == ["1/b", "1/a"]
    assert made.n_utterances == 4
    again = extract(path, tmp_path / "out")
    assert (again.n_failed, again.n_shards_reused) == (2, again.n_shards)
    (tmp_path / "in/1.wav").write_bytes(sound)
    assert extract(path, tmp_path / "out").n_failed == 0
    extract(path, tmp_path / "new")
    assert hashes(tmp_path / "out") == hashes(tmp_path / "new")


def test_what_may_pass_is_tried_again_until_it_has_passed_and_not_then(tmp_path: Path, monkeypatch):
    path = corpus(tmp_path / "in", 3)
    extract(path, tmp_path / "whole")
    parts = cuts.parts

    def without_ffmpeg(path, *given):
        if path.name == "1.wav":
            raise NeedsFfmpeg(f"{path} needs ffmpeg")
        return parts(path, *given)

    monkeypatch.setattr(cuts, "parts", without_ffmpeg)
    for _ in range(2):
        assert [each.item for each in extract(path, tmp_path / "out").problems] == ["1/b", "1/a"]
    monkeypatch.setattr(cuts, "parts", parts)
    assert extract(path, tmp_path / "out").problems == []
    assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")
    again = extract(path, tmp_path / "out")
    assert again.n_shards_reused == again.n_shards == 2


def test_an_utterance_that_is_too_long_to_hold_is_named(tmp_path: Path):
    path = corpus(tmp_path / "in", 1)
    long = Utterance(id="long", audio="0.wav", duration=5000.0)
    manifest.write(path, [*manifest.read(path), long])
    made = extract(path, tmp_path / "out")
    assert [(each.item, "segment it first" in each.message) for each in made.problems] == [("long", True)]
    assert made.n_utterances == 2


def test_features_of_another_encoder_are_not_written_over(tmp_path: Path):
    path = corpus(tmp_path / "in", 1)
    extract(path, tmp_path / "out")
    with pytest.raises(InputError, match="holds features of mfcc"):
        extract(path, tmp_path / "out", encoder=EncoderConfig("phone"))
    with pytest.raises(InputError, match="holds features of mfcc"):
        extract(path, tmp_path / "out", dtype="float16")


def test_types_and_lengths_that_are_none_are_refused():
    with pytest.raises(UnknownName, match="float64"):
        Settings(MFCC, "float64")
    with pytest.raises(InputError, match="a shard takes"):
        Settings(MFCC, shard_s=0)


KILLED = """
import os, signal
from melisma.cli.main import run

replace, left = os.replace, 2

def counted(source, target):
    global left
    if str(target).endswith(".npy"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)  # the third is written, and has not its name
    replace(source, target)

os.replace = counted
run()
"""


@pytest.mark.parametrize("kills", [1, 2])
def test_a_run_that_was_killed_ends_in_the_same_bytes(tmp_path: Path, kills: int):
    path = corpus(tmp_path / "in", 12)
    extract(path, tmp_path / "whole")
    words = ["units", "extract", str(path), "-o", str(tmp_path / "out"), "--encoder", "mfcc", "--dtype", "float32"]
    words += ["--shard-s", "3", "--workers", "1", "--quiet"]
    for n in range(1, kills + 1):
        # Two shards are new: what was in hand at the last kill has been done and kept then. A task that is in hand at
        # two kills would be taken for what kills the machine.
        there = set((tmp_path / "out").glob("features/*.npy"))
        killed = subprocess.run([sys.executable, "-c", KILLED, *words], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert len(set((tmp_path / "out").glob("features/*.npy")) - there) >= 2, n
    command = [sys.executable, "-m", "melisma.cli.main", *words]
    subprocess.run(command, check=True)
    assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")


def made(tmp_path: Path) -> Path:
    extract(corpus(tmp_path / "in", 1), tmp_path / "out")
    return tmp_path / "out/features"


def test_a_folder_without_features_says_so(tmp_path: Path):
    with pytest.raises(InputError, match="melisma units extract"):
        Features.open(tmp_path)


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"dtype": "object"}, {"n_frames": -1}, {"encoder": None}, {"encoder": {"n_dims": 0}}]
)
def test_damaged_facts_are_refused(tmp_path: Path, change: dict):
    folder = made(tmp_path)
    said = json.loads((folder / "features.json").read_text())
    (folder / "features.json").write_text(json.dumps(said | change))
    with pytest.raises(InputError, match=r"features\.json is damaged"):
        Features.open(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [("shard", "../../etc/passwd"), ("shard", "shard-00000.npy\n"), ("first", -1), ("n_frames", "many"), ("id", "")],
)
def test_a_line_that_is_hostile_is_refused_by_its_number(tmp_path: Path, field: str, value: object):
    folder = made(tmp_path)
    first, second = (folder / "index.jsonl").read_text().splitlines()
    (folder / "index.jsonl").write_text(first + "\n" + json.dumps(json.loads(second) | {field: value}) + "\n")
    with pytest.raises(FormatError, match=f"line 2.*{field}"):
        list(Features.open(folder))


def test_an_index_that_lacks_lines_is_refused(tmp_path: Path):
    folder = made(tmp_path)
    first, _ = (folder / "index.jsonl").read_text().splitlines()
    (folder / "index.jsonl").write_text(first + "\n")
    with pytest.raises(InputError, match=r"has 1 lines, features\.json says 2"):
        list(Features.open(folder))


def test_arrays_that_are_pickles_or_of_another_shape_are_refused(tmp_path: Path):
    folder = made(tmp_path)
    shard = next(folder.glob("shard-00000-*.npy"))
    np.save(shard, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputError, match="damaged"):
        list(Features.open(folder))
    np.save(shard, np.zeros((500, 40), np.float32))
    with pytest.raises(InputError, match="not rows of 39"):
        list(Features.open(folder))
    np.save(shard, np.zeros((3, 39), np.float32))
    with pytest.raises(InputError, match="ends before"):
        list(Features.open(folder))
    os.truncate(shard, 100)
    with pytest.raises(InputError, match="damaged"):
        list(Features.open(folder))
