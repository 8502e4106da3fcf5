"""Corpora of units: the same bytes whoever makes them and however often a run is killed, and nobody lost in silence."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace

import pytest
import soundfile

from encoded_corpus import RATE, RESULT, corpus, hashes, noise, run, settings
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
from melisma.units.encode import open_unit_encoder
from melisma.units.encoder import EncoderConfig
from melisma.units.encoders import open_encoder
from melisma.units.read import read_lines

MFCC = {"settings": features.Settings(EncoderConfig("mfcc"))}


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
