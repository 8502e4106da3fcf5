"""Corpora of units: the same bytes whoever makes them and however often a run is killed, and nobody lost in silence."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from melisma.core.errors import EngineUnavailable, InputError, NeedsFfmpeg, OutputError
from melisma.data import cuts, manifest, recordings
from melisma.data.manifest import Utterance
from melisma.data.units import corpus_files, encode, features, from_features
from melisma.data.units.corpus_files import Layout
from melisma.data.units.encode import Settings
from melisma.data.units.feature_files import Features
from melisma.scale.journal import Journal
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Outcome
from melisma.testing.speech_checkpoints import RandomEncoder, save_random_encoder
from melisma.units import codebook_file
from melisma.units.clock import n_frames
from melisma.units.codebook import Codebook
from melisma.units.encode import config_of, open_unit_encoder
from melisma.units.encoder import EncoderConfig
from melisma.units.encoders import open_encoder
from melisma.units.read import read_lines

RATE = 16000
MFCC = {"settings": features.Settings(EncoderConfig("mfcc"))}
RESULT = ("corpus_timestamped.jsonl", "all_units_for_bpe.txt", "processed_files.txt", "checkpoint.json")


def noise(seed: int, seconds: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    turns = np.repeat(rng.normal(size=(int(seconds * 8) + 1, 2)), RATE // 8, axis=0)[: round(seconds * RATE)]
    voice = np.sin(np.cumsum(0.05 + 0.02 * turns[:, 0])) * 0.2 + rng.normal(size=len(turns)) * 0.02 * abs(turns[:, 1])
    return voice.astype(np.float32).clip(-1, 1)


def corpus(folder: Path, n: int = 8) -> Path:
    """Make recordings of one utterance each, and one of three, the last of which is too short for a frame."""
    (folder / "in").mkdir(parents=True)
    rows = []
    for i in range(n):
        samples = noise(i, 0.4 + 0.1 * i)
        soundfile.write(folder / "in" / f"{i}.wav", samples, RATE, subtype="PCM_16")
        rows.append(Utterance(id=f"u/{i}", audio=f"{i}.wav", duration=len(samples) / RATE, speaker_id=f"s{i % 2}"))
    soundfile.write(folder / "in" / "long.wav", noise(99, 2.0), RATE, subtype="PCM_16")
    for i, (start, duration) in enumerate([(0.0, 0.7), (0.5, 1.0), (1.9, 0.02)]):
        row = Utterance(id=f"long/{i}", audio="long.wav", start=start, duration=duration, language="pt")
        rows.insert(i + 2, row)
    manifest.write(folder / "in" / "m.jsonl", rows)
    return folder / "in" / "m.jsonl"


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    encoder = open_encoder(EncoderConfig("mfcc"))
    [features] = encoder.encode([noise(5, 3.0)])
    place = tmp_path_factory.mktemp("book")
    codebook_file.write(Codebook(features[::4], encoder.facts), place)
    return place


def settings(book: Path, **layout) -> Settings:
    return Settings(book, config_of(codebook_file.read(book), EncoderConfig()), Layout(**layout))


def run(path: Path, out: Path, book: Path, jobs: int = 1, **layout):
    return encode.write(recordings.read(path), out, settings(book, **layout), executor=LocalExecutor(jobs))


def hashes(out: Path) -> list[str]:
    return [hashlib.sha256((out / name).read_bytes()).hexdigest() for name in RESULT]


def test_a_corpus_holds_every_utterance_with_its_units_and_times(tmp_path, book):
    path = corpus(tmp_path)
    made = run(path, tmp_path / "out", book, one_json=True)
    counted = Counter(unit for line in read_lines(tmp_path / "out") for unit in line.frames())
    assert made.usage == counted
    lines = list(read_lines(tmp_path / "out"))
    given = [each for recording in recordings.read(path) for each in recording.utterances]
    assert [line.id for line in lines] == [each.id for each in given]
    encoder = open_unit_encoder(book)
    for line, each in zip(lines, given, strict=True):
        samples, _ = soundfile.read(path.parent / each.audio, dtype="float32")
        part = samples[round(each.start * RATE) : round((each.start + each.duration) * RATE)]
        [units] = encoder.units([part])
        assert line.frames() == tuple(units.tolist())
        assert line.n_frames == n_frames(len(part))
        assert (tmp_path / "out" / line.audio).samefile(path.parent / each.audio)
        assert (line.start_s, line.duration_s) == (each.start, len(part) / RATE)
    assert [lines[4].units, lines[4].language, lines[4].speaker_id] == [(), "pt", None]
    text = (tmp_path / "out" / "all_units_for_bpe.txt").read_text().split("\n")
    assert text == [" ".join(map(str, line.units)) for line in lines] + [""]
    whole = json.loads((tmp_path / "out" / "corpus_timestamped.json").read_text())
    assert whole == [json.loads(line.to_json()) for line in lines]
    assert (made.count.n_done, made.count.n_failed, made.count.n_empty, made.n_reused) == (11, 0, 1, 0)
    processed = (tmp_path / "out" / "processed_files.txt").read_text().splitlines()
    assert processed == [f"../in/{recording.utterances[0].audio}" for recording in recordings.read(path)]


def test_every_frame_stands_in_the_text_where_repeats_are_kept(tmp_path, book):
    run(corpus(tmp_path, 2), tmp_path / "out", book, dedupe=False)
    text = (tmp_path / "out" / "all_units_for_bpe.txt").read_text().splitlines()
    assert text == [" ".join(map(str, line.frames())) for line in read_lines(tmp_path / "out")]


def test_it_is_the_same_with_any_number_of_processes_and_any_batch(tmp_path, book):
    path = corpus(tmp_path)
    run(path, tmp_path / "one", book)
    run(path, tmp_path / "two", book, jobs=2)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_shards_of_several_recordings_are_the_same_corpus(tmp_path, book, monkeypatch):
    path = corpus(tmp_path)
    (path.parent / "3.wav").write_bytes(b"no sound")
    run(path, tmp_path / "one", book)
    monkeypatch.setattr(encode, "_BATCHES", "mfcc")
    shards = Settings(book, EncoderConfig("mfcc", batch_s=1.5))
    made = encode.write(recordings.read(path), tmp_path / "two", shards, executor=LocalExecutor(1))
    assert [each.item for each in made.problems] == ["u/3"]
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_features_that_are_there_make_the_same_corpus(tmp_path, book):
    path = corpus(tmp_path)
    run(path, tmp_path / "one", book, one_json=True)
    how = features.Settings(EncoderConfig("mfcc"), "float32")
    features.write(recordings.read(path), tmp_path / "two", how, executor=LocalExecutor(1))
    made = from_features.write(Features.open(tmp_path / "two"), tmp_path / "three", book, Layout(one_json=True))
    assert (made.count.n_done, made.count.n_recordings, made.count.n_failed) == (11, 9, 0)
    for name in (*RESULT[:3], "corpus_timestamped.json"):
        assert (tmp_path / "three" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_another_run_in_the_folder_is_waited_for(tmp_path, book):
    path = corpus(tmp_path, 1)
    features.write(recordings.read(path), tmp_path / "in", executor=LocalExecutor(1), **MFCC)
    with Journal(tmp_path / "out" / encode.JOURNAL), pytest.raises(OutputError, match="another run works with"):
        from_features.write(Features.open(tmp_path / "in"), tmp_path / "out", book)
    with Journal(tmp_path / "out" / encode.JOURNAL), pytest.raises(OutputError, match="another run works with"):
        run(path, tmp_path / "out", book)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {encode.JOURNAL}


def test_features_of_another_encoder_are_refused(tmp_path, book):
    other = codebook_file.read(book)
    facts = type(other.encoder)("mfcc", "mfcc", None, other.encoder.n_dims, "0" * 64)
    codebook_file.write(Codebook(other.centres, facts), tmp_path / "book")
    features.write(recordings.read(corpus(tmp_path, 1)), tmp_path / "in", executor=LocalExecutor(1), **MFCC)
    with pytest.raises(InputError, match="is a codebook of other features"):
        from_features.write(Features.open(tmp_path / "in"), tmp_path / "out", tmp_path / "book")
    assert not (tmp_path / "out").exists()


def test_what_was_done_is_not_done_again(tmp_path, book):
    path = corpus(tmp_path)
    run(path, tmp_path / "out", book)
    before = hashes(tmp_path / "out")
    assert run(path, tmp_path / "out", book).n_reused == 11
    assert hashes(tmp_path / "out") == before
    other = codebook_file.read(book)
    codebook_file.write(Codebook(other.centres[::-1].copy(), other.encoder), tmp_path / "other")
    assert run(path, tmp_path / "out", tmp_path / "other").n_reused == 0


def test_a_document_of_an_earlier_corpus_does_not_stay(tmp_path, book):
    path = corpus(tmp_path)
    run(path, tmp_path / "out", book, one_json=True)
    assert len(json.loads((tmp_path / "out" / corpus_files.ONE_JSON).read_text())) == 11
    run(path, tmp_path / "out", book)
    assert not (tmp_path / "out" / corpus_files.ONE_JSON).exists()


def test_units_of_another_codebook_than_lies_there_are_known(tmp_path, book):
    path = corpus(tmp_path)
    run(path, tmp_path / "out", book)
    corpus_files.check_codebook(tmp_path / "out")  # there is none
    read = codebook_file.read(book)
    codebook_file.write(read, tmp_path / "out")
    corpus_files.check_codebook(tmp_path / "out")
    codebook_file.write(Codebook(read.centres[::-1].copy(), read.encoder), tmp_path / "out")
    with pytest.raises(InputError, match="of another codebook than lies there now"):
        corpus_files.check_codebook(tmp_path / "out")


def test_what_failed_is_named_and_tried_again(tmp_path, book):
    path = corpus(tmp_path)
    whole = tmp_path / "whole"
    run(path, whole, book)
    kept = (path.parent / "1.wav").read_bytes()
    stat = (path.parent / "1.wav").stat()
    (path.parent / "1.wav").write_bytes(b"this is no sound")
    (path.parent / "2.wav").rename(path.parent / "elsewhere.wav")
    made = run(path, tmp_path / "out", book)
    assert [each.item for each in made.problems] == ["u/1", "u/2"]
    assert all(name in each.message for name, each in zip(("1.wav", "2.wav"), made.problems, strict=True))
    assert [line.id for line in read_lines(tmp_path / "out")] == [
        line.id for line in read_lines(whole) if line.id not in ("u/1", "u/2")
    ]
    assert json.loads((tmp_path / "out" / "checkpoint.json").read_text())["n_failed"] == 2
    (path.parent / "1.wav").write_bytes(kept)
    os.utime(path.parent / "1.wav", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (path.parent / "elsewhere.wav").rename(path.parent / "2.wav")
    assert run(path, tmp_path / "out", book).n_reused == 9
    assert hashes(tmp_path / "out") == hashes(whole)


def deaf(*given):
    pytest.fail("nothing is to be heard again")


def test_what_may_pass_is_tried_again_until_it_has_passed_and_not_then(tmp_path, book, monkeypatch):
    path = corpus(tmp_path)
    run(path, tmp_path / "whole", book)
    parts = cuts.parts

    def without_ffmpeg(path, *given):
        if path.name == "long.wav":
            raise NeedsFfmpeg(f"{path} needs ffmpeg")
        return parts(path, *given)

    monkeypatch.setattr(cuts, "parts", without_ffmpeg)
    for _ in range(2):
        assert {each.item for each in run(path, tmp_path / "out", book).problems} == {"long/0", "long/1", "long/2"}
    monkeypatch.setattr(cuts, "parts", parts)
    assert run(path, tmp_path / "out", book).problems == []
    assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")
    monkeypatch.setattr(encode.shards, "hear", deaf)
    assert run(path, tmp_path / "out", book).n_reused == 11


def test_one_utterance_of_a_recording_that_fails_costs_the_others_nothing(tmp_path, book, monkeypatch):
    path = corpus(tmp_path, 1)
    rows = list(manifest.read(path))
    rows += [
        Utterance(id="beyond", audio="long.wav", start=5.0, duration=1.0),
        Utterance(id="late", audio="long.wav", start=1.0, duration=4.0),
        Utterance(id="endless", audio="long.wav", duration=4000.0),
    ]
    manifest.write(path, rows)
    for n_reused in (0, 7):
        made = run(path, tmp_path / "out", book)
        said = {each.item: each.message for each in made.problems}
        assert set(said) == {"beyond", "late", "endless"}
        assert "has no sound at 5.00 s" in said["beyond"]
        assert "ends at 2.00 s" in said["late"]
        assert "segment it first" in said["endless"]
        assert (made.count.n_done, made.n_reused) == (4, n_reused)
        monkeypatch.setattr(encode.shards, "hear", deaf)  # none of these passes while the file stays


class Crashing:
    """An executor whose processes die of every shard that holds a certain recording."""

    def run(self, stage, tasks, **how):
        for task in tasks:
            if any("4.wav" in path for path, _ in task.item):
                yield Outcome(task.key, error="its process died")
            else:
                yield from LocalExecutor(1).run(stage, [task], journal=how["journal"])


def test_a_recording_that_kills_its_process_costs_none_of_its_shard(tmp_path, book, monkeypatch):
    path = corpus(tmp_path)
    monkeypatch.setattr(encode, "_BATCHES", "mfcc")
    how = Settings(book, EncoderConfig("mfcc", batch_s=60.0))
    made = encode.write(recordings.read(path), tmp_path / "out", how, executor=Crashing())
    assert [(each.item, each.message) for each in made.problems] == [("u/4", "its process died")]
    assert (made.count.n_done, made.n_reused) == (10, 0)
    assert encode.write(recordings.read(path), tmp_path / "out", how, executor=Crashing()).n_reused == 10
    run(path, tmp_path / "whole", book)
    whole = [line for line in read_lines(tmp_path / "whole") if line.id != "u/4"]
    assert list(read_lines(tmp_path / "out")) == whole


@pytest.mark.parametrize("stable", [True, False])
def test_batches_of_a_network_of_the_hub_make_the_corpus_that_single_recordings_make(tmp_path, stable):
    pytest.importorskip("transformers", reason="needs the extra [train]")
    network = save_random_encoder(tmp_path / "network", RandomEncoder(stable=stable))
    config = EncoderConfig(str(network), layer=1, device="cpu", threads=1)
    encoder = open_encoder(config)
    [frames] = encoder.encode([noise(5, 3.0)])
    codebook_file.write(Codebook(frames[::10], encoder.facts), tmp_path / "book")
    path = corpus(tmp_path)
    (path.parent / "3.wav").write_bytes(b"no sound")
    for name, batch_s in (("alone", 0.0), ("some", 1.5), ("all", 60.0)):
        how = Settings(tmp_path / "book", replace(config, batch_s=batch_s))
        made = encode.write(recordings.read(path), tmp_path / name, how, executor=LocalExecutor(1))
        assert [each.item for each in made.problems] == ["u/3"]
    assert hashes(tmp_path / "alone") == hashes(tmp_path / "some") == hashes(tmp_path / "all")


KILLED = """
import os, signal, sys
from pathlib import Path
from melisma.data import recordings
from melisma.data.units import corpus_files, encode
from melisma.data.units.corpus_files import CorpusFiles, Layout
from melisma.scale.journal import Journal
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Outcome
from melisma.testing.speech_checkpoints import RandomEncoder, save_random_encoder
from melisma.units.encoder import EncoderConfig

def counted(function, n, counts):
    def calls(*given):
        nonlocal n
        n -= counts(*given)
        if n == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*given)
    return calls

source, out, book, where, n = sys.argv[1:]
if where == "add":
    CorpusFiles.add = counted(CorpusFiles.add, int(n), lambda *given: True)
else:
    os.replace = counted(os.replace, int(n), lambda _, target: Path(target).name == where)
how = encode.Settings(Path(book), EncoderConfig("mfcc"), Layout(every_s=0.0))
encode.write(recordings.read(Path(source)), Path(out), how, executor=LocalExecutor(1))
"""


def test_a_run_that_is_killed_at_any_moment_ends_in_the_same_bytes(tmp_path, book):
    path = corpus(tmp_path)
    run(path, tmp_path / "whole", book)
    out = tmp_path / "out"
    moments = [
        ("add", 1),  # before any is done
        ("checkpoint.json", 3),  # between the list of what is done and the checkpoint
        ("add", 9),
        ("corpus_timestamped.jsonl", 1),
        ("all_units_for_bpe.txt", 1),  # between one file of the corpus and the next
        ("checkpoint.json", 2),  # the last one
    ]
    n_done = []
    for where, n in moments:
        command = [sys.executable, "-c", KILLED, str(path), str(out), str(book), where, str(n)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        checkpoint = out / "checkpoint.json"
        n_done.append(json.loads(checkpoint.read_text())["n_done"] if checkpoint.exists() else 0)
    assert n_done == sorted(n_done)
    assert n_done[0] == 0 < n_done[1]
    assert run(path, out, book).n_reused == 11
    assert hashes(out) == hashes(tmp_path / "whole")
    assert sorted(each.name for each in out.iterdir()) == sorted([*RESULT, ".encode.journal"])


INTERRUPTED = """
import os, sys
from melisma.cli import main
from melisma.data.units.corpus_files import CorpusFiles

add, n = CorpusFiles.add, int(sys.argv.pop())
number = int(sys.argv.pop())

def interrupted(files, line):
    add(files, line)
    if files.count.n_done == n:
        os.kill(os.getpid(), number)

CorpusFiles.add = interrupted
main.run()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_interrupted_leaves_a_checkpoint_and_goes_on(tmp_path, book, number, code):
    path, out = corpus(tmp_path), tmp_path / "out"
    words = ["units", "encode", str(path), "-o", str(out), "--codebook", str(book), "--workers", "1"]
    command = [sys.executable, "-c", INTERRUPTED, *words, str(int(number)), "7"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == code, ended.stderr
    said = json.loads((out / "checkpoint.json").read_text())
    assert (said["complete"], said["n_done"], said["n_utterances"]) == (False, 7, 11)
    assert 4 <= len((out / "processed_files.txt").read_text().splitlines()) <= 5
    assert not (out / "corpus_timestamped.jsonl").exists()
    made = run(path, out, book)
    assert made.n_reused >= 7
    run(path, tmp_path / "whole", book)
    assert hashes(out) == hashes(tmp_path / "whole")


def test_a_codebook_of_another_encoder_ends_the_run(tmp_path, book):
    other = codebook_file.read(book)
    facts = type(other.encoder)("mfcc", "mfcc", None, other.encoder.n_dims, "0" * 64)
    codebook_file.write(Codebook(other.centres, facts), tmp_path / "book")
    path = corpus(tmp_path)
    run(path, tmp_path / "out", book)
    before = hashes(tmp_path / "out")
    with pytest.raises(EngineUnavailable, match="the codebook is of features of mfcc"):
        run(path, tmp_path / "out", tmp_path / "book")
    assert hashes(tmp_path / "out") == before


def test_a_codebook_that_is_none_is_refused_before_anything_is_written(tmp_path, book):
    path = corpus(tmp_path)
    how = settings(book)
    with pytest.raises(InputError, match=r"there is no codebook|cannot be read"):
        encode.write(recordings.read(path), tmp_path / "out", Settings(tmp_path / "none", how.config))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, book):
    from melisma.core.errors import OutputError

    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="out"):
        run(corpus(tmp_path), tmp_path / "out", book)
