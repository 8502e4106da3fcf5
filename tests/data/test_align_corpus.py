"""Forced alignment of a corpus: a real engine on spoken sentences whose word times are known."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from data.spoken import SENTENCES, say, utterance
from melisma.core.errors import InputError, UnknownName
from melisma.data import manifest, recordings
from melisma.data.align_corpus import JSON, LRC, TEXT, Align, Settings, folder_of, write
from melisma.data.align_figures import Figures, differences_ms
from melisma.data.manifest import TimedWord, Utterance
from melisma.formats import elrc
from melisma.formats import json as alignment_json
from melisma.scale.local import LocalExecutor
from melisma.scale.modal.paths import Paths, deeply, stray
from melisma.synth.speech import SAMPLE_RATE

ENGINE = "auto"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    said = [utterance(folder, f"say/{code}", code, f"{code}.wav") for code in SENTENCES]
    manifest.write(folder / "m.jsonl", said)
    return folder / "m.jsonl"


@pytest.fixture(scope="module")
def aligned(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("aligned") / "outputs"
    made = write(recordings.read(corpus), out, Settings(ENGINE), executor=LocalExecutor(1))
    return out, made


def test_every_sentence_is_timed_and_close_to_the_truth(aligned):
    out, made = aligned
    assert made.problems == []
    assert made.figures.all.as_dict()["coverage"] == 1
    found = list(manifest.read(out / "manifest.jsonl"))
    assert [" ".join(word.text for word in each.words) for each in found] == list(SENTENCES.values())
    assert [(out / each.audio).resolve().is_file() for each in found] == [True] * 3
    offset = made.figures.offset()
    assert offset["words"] == sum(len(text.split()) for text in SENTENCES.values())
    assert offset["mean_ms"] < 100
    assert set(made.figures.languages) == set(SENTENCES)


def test_the_files_of_an_utterance_say_the_same(aligned):
    out, _ = aligned
    folder = out / "say" / "en"
    text = (folder / JSON).read_text(encoding="utf-8")
    whole, document = alignment_json.FORMAT.read(text), json.loads(text)
    assert whole.text == document["transcript"] == document["segments"][0]["text"] == SENTENCES["en"]
    assert document["id"] == "say/en"
    words = document["segments"][0]["words"]
    assert [word["word"] for word in words] == SENTENCES["en"].split()
    assert [round(1000 * word["start"]) for word in words] == [word.start_ms for word in whole.words]
    assert all(0 < word["probability"] <= 1 for word in words)
    lrc = elrc.read((folder / LRC).read_text(encoding="utf-8"))
    assert [word.start_ms for word in lrc.words] == pytest.approx([w.start_ms for w in whole.words], abs=5)
    (line,) = (folder / TEXT).read_text(encoding="utf-8").splitlines()
    assert line.endswith(f"] {SENTENCES['en']}")
    assert line.startswith(f"[00:00.{whole.words[0].start_ms:03d} --> 00:0")


def test_what_is_done_is_not_done_again(corpus, aligned):
    out, first = aligned
    before = (out / "manifest.jsonl").read_bytes()
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.json")}
    again = write(recordings.read(corpus), out, Settings(ENGINE), executor=LocalExecutor(1))
    assert again.n_reused == 3
    assert again.figures.offset() == first.figures.offset()
    assert (out / "manifest.jsonl").read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.json")} == times
    (out / "say" / "de" / LRC).unlink()
    assert write(recordings.read(corpus), out, Settings(ENGINE), executor=LocalExecutor(1)).n_reused == 2
    assert (out / "say" / "de" / LRC).is_file()


def test_a_run_that_was_killed_goes_on(corpus, tmp_path):
    out = tmp_path / "outputs"
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom melisma.data import align_corpus, recordings\n"
        "from melisma.scale.local import LocalExecutor\n"
        f"found = recordings.read(Path({str(corpus)!r}))\n"
        f"asked = align_corpus.Settings({ENGINE!r})\n"
        f"lines, made = align_corpus.run(found, Path({str(out)!r}), asked, executor=LocalExecutor(1))\n"
        "next(lines)\nnext(lines)\nos.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert not (out / "manifest.jsonl").exists()
    made = write(recordings.read(corpus), out, Settings(ENGINE), executor=LocalExecutor(1))
    assert made.n_reused == 2
    assert made.figures.all.covered == 3


def test_two_processes_find_the_same(corpus, aligned, tmp_path):
    out = tmp_path / "outputs"
    write(recordings.read(corpus), out, Settings(ENGINE), executor=LocalExecutor(2))
    for name in (JSON, TEXT, LRC):
        assert (out / "say" / "es" / name).read_bytes() == (aligned[0] / "say" / "es" / name).read_bytes()


def test_utterances_within_a_recording_are_timed_from_their_own_start(tmp_path):
    sentences = [say(SENTENCES[code], code) for code in ("en", "de")]
    soundfile.write(tmp_path / "both.wav", np.concatenate([each.samples for each in sentences]), SAMPLE_RATE)
    first_s, second_s = (len(each.samples) / SAMPLE_RATE for each in sentences)
    lines = [
        Utterance(
            id="2", audio="both.wav", start=first_s, duration=second_s, transcript=SENTENCES["de"], language="de"
        ),
        Utterance(id="1", audio="both.wav", duration=first_s, transcript=SENTENCES["en"], language="en"),
    ]
    manifest.write(tmp_path / "m.jsonl", lines)
    made = write(recordings.read(tmp_path / "m.jsonl"), tmp_path / "out", Settings(ENGINE), executor=LocalExecutor(1))
    assert made.problems == []
    second, first = manifest.read(tmp_path / "out" / "manifest.jsonl")
    for found, truth in ((first, sentences[0]), (second, sentences[1])):
        off = [abs(a.start - b.start) for a, b in zip(found.words, truth.words, strict=True)]
        assert np.mean(off) < 0.1


def test_what_cannot_be_aligned_is_told_and_costs_no_more_than_itself(corpus, tmp_path):
    (said,) = [each for each in manifest.read(corpus) if each.language == "en"]
    said = manifest.rebased(said, corpus, tmp_path / "m.jsonl")
    nonsense = "Stadtverwaltung beschloss gestern abend einstimmig strengere Vorschriften " * 2
    lines = [
        said,
        said.changed(id="silent text", transcript=" "),
        said.changed(id="gone", audio="gone.wav"),
        said.changed(id="wrong", transcript=nonsense, language="de"),
        said.changed(id="tongue", language="xx-klingon"),
        said.changed(id="late", start=900.0),
        said.changed(id="long", duration=4000.0),
        said.changed(id="marks", transcript="[applause]"),
    ]
    manifest.write(tmp_path / "m.jsonl", lines)
    made = write(recordings.read(tmp_path / "m.jsonl"), tmp_path / "out", Settings(ENGINE), executor=LocalExecutor(1))
    told = {each.item: each for each in made.problems}
    assert set(told) == {"gone", "wrong", "tongue", "late", "long", "marks"}
    assert "gone.wav" in told["gone"].message
    assert "klingon" in told["tongue"].message
    assert "no sound at 900.00 s" in told["late"].message
    assert told["long"].kind == "too long"
    assert "no sung word, only headings and notes" in told["marks"].message
    assert made.figures.n_without_transcript == 1
    assert (made.figures.all.covered, made.figures.all.utterances) == (1, 7)
    assert [each.id for each in manifest.read(tmp_path / "out" / "manifest.jsonl")] == ["say/en"]


def test_confidence_and_timed_words_decide_what_counts(corpus, aligned, tmp_path):
    out, _ = aligned
    strict = write(recordings.read(corpus), out, Settings(ENGINE, min_confidence=1.0), executor=LocalExecutor(1))
    assert strict.n_reused == 3  # another threshold aligns nothing anew
    assert strict.figures.all.covered == 0
    assert {each.kind for each in strict.problems} == {"low confidence"}
    assert list(manifest.read(out / "manifest.jsonl")) == []


@pytest.mark.parametrize(
    "identifier",
    [
        "../../etc/passwd",
        "/absolute",
        "a/../b",
        "x" * 900,
        "Žena",
        "con",
        "a\nb",
        "A/karaoke.lrc",
        "manifest.jsonl",
        ".",
    ],
)
def test_no_id_leads_out_of_the_folder_or_onto_our_files(tmp_path, identifier):
    found = folder_of(identifier)
    assert (tmp_path / found).resolve().is_relative_to(tmp_path)
    assert (tmp_path / found).resolve() != tmp_path
    assert not {part.lower() for part in found.parts} & {JSON, TEXT, LRC, "manifest.jsonl", "alignment_report.json"}
    assert all(len(part.encode()) < 256 for part in found.parts)


def test_ids_that_look_alike_get_folders_of_their_own():
    ids = ["a", "A", "a/b", "a_b", "a b", "a/karaoke.lrc", "b/karaoke.lrc", "../a", "./a", "a.", "ä", "_/a"]
    assert len({folder_of(each).as_posix().lower() for each in ids}) == len(ids)


def test_another_engine_or_language_makes_all_anew():
    assert Align("out").configuration() != Align("out", language="de").configuration()
    assert Align("out").configuration() != Align("out", "dtw").configuration()


def test_settings_of_the_environment_go_with_the_stage(monkeypatch, tmp_path):
    usual = Align("out")
    monkeypatch.setenv("MELISMA_GATE_MIN_CONFIDENCE_AVG", "0.123")
    monkeypatch.setenv("MELISMA_STATE_DIR", str(tmp_path))
    changed = Align("out")
    assert changed.configuration() != usual.configuration()
    monkeypatch.delenv("MELISMA_GATE_MIN_CONFIDENCE_AVG")
    assert changed.configuration() != usual.configuration(), "a worker elsewhere has them, too"
    assert not stray_in(changed), "no container could see the folder of this machine's state"


def stray_in(stage):
    """Return what a container of Modal could not see of what a stage names."""
    paths, found = Paths("/no/such/root", "/mnt/audio_data"), []
    deeply(stage, lambda text: found.append(text) or text)
    return [text for text in found if stray(text, paths)]


def test_an_engine_that_there_is_not_is_refused_before_anything_is_read():
    with pytest.raises(UnknownName, match="no engine is called 'nobody'"):
        Settings("nobody").check()
    with pytest.raises(InputError, match="is no language code"):
        Settings(language="klingonx").check()
    with pytest.raises(InputError, match="least confidence lies between 0 and 1"):
        Settings(min_confidence=1.5)


def words(*starts):
    return [TimedWord(text=text, start=start, end=start + 0.1) for text, start in starts]


def test_differences_are_of_words_that_both_have():
    ours = [["One,", 0.1, 0.2], ["two", 0.5, 0.6], ["four!", 1.0, 1.1]]
    assert differences_ms(ours, words(("one", 0.0), ("two", 0.55), ("three", 0.8), ("Four", 1.0))) == [100, -50, 0]
    assert differences_ms(ours, None) == []


def test_offsets_are_summed_in_bounded_memory():
    figures = Figures()
    line = Utterance(id="a", audio="a.wav", duration=1)
    for off in ([100, -300], [0], [50_000]):
        figures.add(line, {"words": [], "n_words": 0, "off_ms": off}, covered=True)
    assert figures.offset() == {
        "words": 4,
        "mean_ms": 12600.0,
        "median_ms": 100,
        "within_200_ms": 0.5,
        "late_ms": 12450.0,
    }
    assert Figures().offset() is None
