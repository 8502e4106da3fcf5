"""Corpora of units that are spoken: what is written, what is kept, and what fails."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

import speaking_vocoder
import unit_corpus
from melisma.core.errors import InputError
from melisma.core.files import sha256_of
from melisma.data.manifest import read
from melisma.data.units.sound import samples_of
from melisma.data.units.speak import Lines, Speak, frames_of, one, spoken_of, write
from melisma.scale.local import LocalExecutor
from melisma.train.vocoder.export import export
from melisma.units import vocoders
from melisma.units.line import JSON, UnitLine
from melisma.units.pitch import pitch


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    made = unit_corpus.make(tmp_path_factory.mktemp("units"))
    checkpoint = speaking_vocoder.save(
        made.folder / "vocoder",
        speakers=unit_corpus.SPEAKERS,
        with_f0=True,
        encoder=made.codebook.encoder,
        codebook=made.codebook.sha256,
    )
    export(checkpoint, made.folder / "vocoder")
    return made


def stage(corpus, out, **how):
    path = corpus.folder / "vocoder" / "vocoder.onnx"
    return Speak(str(path), sha256_of(path), str(out), str(corpus.folder), **how)


def hashes(out):
    return {path.relative_to(out).as_posix(): sha256_of(path) for path in out.rglob("*") if path.suffix == ".wav"}


def test_each_line_is_said_with_320_samples_a_frame(corpus, tmp_path):
    made = write(Lines(corpus.folder), tmp_path, stage(corpus, tmp_path), executor=LocalExecutor(1))
    said = list(read(tmp_path / "manifest.jsonl"))
    assert [each.id for each in said] == [line.id for line in corpus.lines]
    assert [each.speaker_id for each in said[:2]] == ["ana", "bo"]
    for line, each in zip(corpus.lines, said, strict=True):
        info = soundfile.info(tmp_path / each.audio)
        assert (info.frames, info.samplerate, info.channels) == (320 * line.n_frames, 16000, 1)
        assert each.duration == info.frames / 16000
    assert (made.n_lines, made.n_reused, made.problems) == (6, 0, [])
    assert made.n_samples == sum(320 * line.n_frames for line in corpus.lines)


def test_what_is_done_is_not_done_again_and_what_is_gone_is(corpus, tmp_path):
    how = stage(corpus, tmp_path)
    write(Lines(corpus.folder), tmp_path, how, executor=LocalExecutor(1))
    before = hashes(tmp_path)
    gone, changed = sorted(tmp_path.rglob("*.wav"))[:2]
    gone.unlink()
    changed.write_bytes(b"another")
    again = write(Lines(corpus.folder), tmp_path, how, executor=LocalExecutor(1))
    assert again.n_reused == 4
    assert hashes(tmp_path) == before


def test_two_processes_write_what_one_does(corpus, tmp_path):
    for name, workers in (("one", 1), ("two", 2)):
        how = stage(corpus, tmp_path / name, speaker="same", with_pitch=True)
        write(Lines(corpus.folder, True), tmp_path / name, how, executor=LocalExecutor(workers))
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    manifests = [(tmp_path / name / "manifest.jsonl").read_bytes() for name in ("one", "two")]
    assert manifests[0] == manifests[1]


def test_threads_of_this_process_change_nothing(corpus, tmp_path, monkeypatch):
    """A corpus is said on one thread: sums in another order could be other samples."""
    found = {}
    for threads in ("1", "2"):
        monkeypatch.setenv("MELISMA_THREADS", threads)
        vocoders.opened.cache_clear()
        out = tmp_path / threads
        write(Lines(corpus.folder), out, stage(corpus, out), executor=LocalExecutor(1))
        options = vocoders.opened(corpus.folder / "vocoder" / "vocoder.onnx", stage(corpus, out).sha256).net
        assert options._session.get_session_options().intra_op_num_threads == 1
        found[threads] = hashes(out)
    assert found["1"] == found["2"]


def test_a_line_that_cannot_be_said_costs_no_other(corpus, tmp_path):
    lines = [corpus.lines[0], UnitLine("big", "x.wav", (4000,), (3,)), UnitLine("none", "x.wav", (), ())]
    (tmp_path / JSON).write_text("".join(f"{line.to_json()}\n" for line in lines), encoding="utf-8")
    made = write(Lines(tmp_path), tmp_path / "out", stage(corpus, tmp_path / "out"), executor=LocalExecutor(1))
    assert [(each.item, each.message) for each in made.problems] == [
        ("big", "there is no unit 4000: the vocoder knows 0 to 11"),
        ("none", "none has no units"),
    ]
    assert len(hashes(tmp_path / "out")) == 1


def test_an_id_that_comes_twice_is_refused(corpus, tmp_path):
    line = corpus.lines[0].to_json()
    (tmp_path / JSON).write_text(f"{line}\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match="there twice"):
        write(Lines(tmp_path), tmp_path / "out", stage(corpus, tmp_path / "out"), executor=LocalExecutor(1))


def test_an_id_leads_out_of_no_folder(corpus, tmp_path):
    line = json.loads(corpus.lines[0].to_json()) | {"id": "../../escaped"}
    (tmp_path / JSON).write_text(json.dumps(line) + "\n", encoding="utf-8")
    write(Lines(tmp_path), tmp_path / "a" / "out", stage(corpus, tmp_path / "a" / "out"), executor=LocalExecutor(1))
    assert not list(tmp_path.glob("*escaped*"))
    assert len(hashes(tmp_path / "a" / "out")) == 1


def test_lines_speak_as_themselves_where_the_vocoder_knows_them(corpus):
    facts = vocoders.open_vocoder(corpus.folder).facts
    line = corpus.lines[1]
    assert spoken_of(line, facts, "same").speaker == "bo"
    assert spoken_of(line, facts).speaker is None
    assert spoken_of(line, facts, "ana").speaker == "ana"
    stranger = UnitLine("s", "x.wav", (1,), (2,), speaker_id="eve")
    assert spoken_of(stranger, facts, "same").speaker is None


def test_the_pitch_is_that_of_the_recording(corpus):
    facts = vocoders.open_vocoder(corpus.folder).facts
    line = corpus.lines[0]
    f0 = spoken_of(line, facts, corpus=corpus.folder).f0_hz
    assert f0.shape == (line.n_frames,)
    assert np.median(f0[f0 > 0]) == pytest.approx(190, rel=0.08)
    assert (f0 > 0).mean() > 0.5


def test_pitch_is_taken_in_the_middle_of_frames():
    sound = unit_corpus.voice(np.random.default_rng(2), 1.0, 150.0)
    from melisma.metrics import world

    fine = world.pitch(sound[: 49 * 320])
    assert pitch(sound, 49).tolist() == [np.float32(fine[4 * i + 2]) for i in range(49)]
    assert pitch(sound[:100], 3).tolist() == [0, 0, 0]
    assert pitch(np.zeros(0, np.float32), 0).shape == (0,)


def test_the_sound_of_a_line_is_its_part_of_the_file(corpus):
    whole, _ = soundfile.read(corpus.folder / "recordings" / "0.wav", dtype="float32")
    part = UnitLine("p", "recordings/0.wav", (1,), (10,), 0.5, 0.25)
    np.testing.assert_array_equal(samples_of(part, corpus.folder), whole[8000:12000])
    without = UnitLine("p", "recordings/0.wav", (1,), (10,), 0.5)
    assert len(samples_of(without, corpus.folder)) == 3200
    with pytest.raises(InputError, match="no sound at 7"):
        samples_of(UnitLine("p", "recordings/0.wav", (1,), (10,), 7.0), corpus.folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [("5 x", "'x' is no unit"), ("5:", "is no unit"), ("-1", "no unit"), ("5:99999999", "no unit"), ("²", "no unit")],
)
def test_what_is_no_unit_is_refused(text, said):
    with pytest.raises(InputError, match=said):
        frames_of(text)


def test_another_vocoder_than_the_run_began_with_is_refused(corpus, tmp_path):
    path = corpus.folder / "vocoder" / "vocoder.onnx"
    with pytest.raises(InputError, match="not the vocoder that the run began with"):
        one((1, 2), tmp_path / "x.wav", Speak(str(path), "0" * 64, str(tmp_path)))
    with pytest.raises(InputError, match="no units to speak"):
        one((), tmp_path / "x.wav", stage(corpus, tmp_path))
    assert not (tmp_path / "x.wav").exists()
