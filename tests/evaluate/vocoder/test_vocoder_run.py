"""A test of a vocoder: what is written, what is counted, and the verdict."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

import speaking_vocoder
import unit_corpus
from melisma.evaluate.vocoder import write
from melisma.evaluate.vocoder.copy_mean import Sums
from melisma.evaluate.vocoder.rate import Rater, rated_of
from melisma.evaluate.vocoder.result import (
    MEANS,
    NOISE,
    ORIGINAL,
    SPOKEN_MEANS,
    VOCODER,
    Rated,
    Result,
    Sample,
    UnitTally,
)
from melisma.evaluate.vocoder.run import Settings
from melisma.evaluate.vocoder.write import run as run_test
from melisma.metrics.synthesis import Scores
from melisma.scale.local import LocalExecutor
from melisma.units import codebook_file, vocoders
from melisma.units.encode import config_of, open_unit_encoder
from melisma.units.encoder import EncoderConfig
from melisma.units.voice import VocoderFacts
from unit_corpus import HOSTILE, run


def read(folder):
    return json.loads((folder / "vocoder_test.json").read_text(encoding="utf-8"))


def test_the_folder_holds_what_the_document_names(spoken, tested):
    names = {path.name for path in tested.iterdir()}
    assert names == {f"{kind}_{i:04}.wav" for kind in ("orig", "synth", "copy") for i in range(2)} | {
        "vocoder_test.json",
        "index.html",
    }
    found = read(tested)
    assert found["held_out"] is True
    assert {each["id"] for each in found["samples"]} == {HOSTILE, "u/3"}
    by_id = {line.id: line for line in spoken.lines}
    for each in found["samples"]:
        line = by_id[each["id"]]
        original, _ = soundfile.read(tested / f"orig_{each['number']:04}.wav", dtype="int16")
        recording, _ = soundfile.read(spoken.folder / line.audio, dtype="int16")
        np.testing.assert_array_equal(original, recording)
        assert soundfile.info(tested / f"synth_{each['number']:04}.wav").frames == 320 * line.n_frames
        assert each["spoken_as"] == line.speaker_id


def test_recordings_are_heard_as_the_units_that_they_were(tested):
    found = read(tested)
    assert found["systems"][ORIGINAL]["unit_error"] == 0
    assert found["systems"][ORIGINAL]["unit_edits"] == 0
    assert found["systems"][VOCODER]["unit_error"] > 0.3  # it was not trained
    assert 0.5 < found["chance_unit_error"] < 1
    assert found["systems"][NOISE]["scores"]["mcd_db"] > found["systems"][MEANS]["scores"]["mcd_db"]
    assert found["systems"][SPOKEN_MEANS]["unit_error"] < found["systems"][NOISE]["unit_error"]
    verdict = {each["name"]: each["met"] for each in found["verdict"]}
    assert verdict["length"]
    assert not verdict["SNR"]
    assert found["real_time_factor"] > 0


def test_the_same_test_again_finds_the_same_with_any_number_of_processes(spoken, tested, tmp_path):
    done = run("units", "vocoder", "test", spoken.folder, "-o", tmp_path, "--json", "--workers", 2)
    assert done.exit_code == 0, done.output
    one, other = read(tested), json.loads(done.stdout)
    for found in (one, other):
        del found["real_time_factor"]
        for sample in found["samples"]:
            del sample["synthesis_s"]
    assert one == other


@dataclass(frozen=True)
class Elsewhere:
    """An executor that is not this machine's, as that of a cluster whose nodes see only what lies beside the corpus."""

    seen: list

    def run(self, stage, tasks, **how):
        self.seen.append(Path(getattr(stage, "scratch", None) or stage.out))
        return LocalExecutor(1).run(stage, tasks, **how)


def test_what_processes_of_a_cluster_share_lies_where_all_of_them_see_it(spoken, tested, tmp_path):
    elsewhere = Elsewhere([])
    settings = Settings(encoder=config_of(codebook_file.read(spoken.folder), EncoderConfig()))
    found = run_test(spoken.folder, vocoders.find(spoken.folder), tmp_path / "out", settings, executor=elsewhere)
    assert {each.parent for each in elsewhere.seen} == {tmp_path / "out"}
    assert not any(each.exists() for each in elsewhere.seen)
    systems = json.loads(json.dumps(found.as_dict()))["systems"]
    assert systems == read(tested)["systems"]


def test_a_test_is_foretold_and_refused_where_its_files_are_not_seen(spoken, tmp_path, monkeypatch):
    told = run("units", "vocoder", "test", spoken.folder, "-o", tmp_path / "out", "--workers", 1, "--preview")
    assert told.exit_code == 0, told.output
    assert "none is left to be done" in told.stdout
    assert not (tmp_path / "out").exists()
    monkeypatch.setenv("MELISMA_MODAL_REHEARSAL", str(tmp_path / "modal"))
    done = run("units", "vocoder", "test", spoken.folder, "-o", tmp_path / "out", "--executor", "modal")
    assert done.exit_code == 2, done.output
    assert "run the test there by `modal run -m melisma.scale.modal.app`" in done.stderr


def test_a_smaller_test_leaves_nothing_of_a_larger_one(spoken, tmp_path):
    for name in ("orig_0007.wav", "synth_0007.wav", "mine.wav", "notes.txt"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    done = run(
        "units", "vocoder", "test", spoken.folder, "--num-samples", 1, "--workers", 1, "-o", tmp_path, "-q", "--strict"
    )
    assert done.exit_code == 1  # not every limit is met
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {"mine.wav", "notes.txt", "orig_0000.wav"}
    assert not names & {"orig_0007.wav", "synth_0007.wav"}


def test_a_vocoder_that_says_the_recording_meets_every_limit(spoken):
    line, encoder = spoken.lines[1], open_unit_encoder(spoken.folder)
    sound, _ = soundfile.read(spoken.folder / line.audio, dtype="float32")
    said = sound[: 320 * line.n_frames]
    sums = Sums(12)
    sums.add(line.frames(), sound)
    rated, sounds = Rater(encoder, sums.means()).rate(sound, said, line.frames(), np.random.default_rng(0))
    assert set(sounds) == {ORIGINAL, VOCODER, SPOKEN_MEANS, NOISE}
    facts = VocoderFacts("vocos", 12, (), False, encoder.codebook.encoder, encoder.codebook.sha256)
    sample = Sample(line.id, len(sound) / 16000, None, None, len(said) / 16000, 0.1, rated)
    result = Result(facts, "v", "0" * 64, (sample,), None, 0.9, 1.0, 1)
    assert [each.met for each in result.verdict] == [True] * 6
    assert rated[VOCODER].scores.snr_db == 100
    assert rated[VOCODER].scores.mcd_db < 0.5  # its last frame lacks what comes behind it
    assert rated[VOCODER].units.wrong <= 2
    assert rated[MEANS].scores.snr_db is None
    assert rated_of({name: asdict(each) for name, each in rated.items()}) == rated


def scores(**given):
    known = {"snr_db": 6.0, "mcd_db": 7.0, "mcd_dtw_db": 6.5, "log_mel": 0.5, "length_ratio": 1.0}
    return Scores(**({"f0_hz": None, "f0_cents": None, "f0_gross": None, "voicing_error": 0.1} | known | given))


def result(*rated, copied=8.0, spoken=9.0, chance=0.9):
    beside = {MEANS: Rated(scores(mcd_db=copied)), SPOKEN_MEANS: Rated(scores(mcd_db=spoken))}
    samples = [Sample(str(i), 1.0, None, None, 1.0, 0.5, {VOCODER: each, **beside}) for i, each in enumerate(rated)]
    facts = VocoderFacts("vocos", 12, (), False, speaking_vocoder.ENCODER, "c" * 64)
    return Result(facts, "v", "0" * 64, tuple(samples), True, chance, 1.0, 1)


def test_units_are_counted_together_and_measures_averaged():
    found = result(
        Rated(scores(mcd_db=6.0, f0_hz=10.0), UnitTally(1, 10, 1, 5)),
        Rated(scores(mcd_db=8.0), UnitTally(9, 30, 4, 10)),
    )
    means = found.means(VOCODER)
    assert means.scores["mcd_db"] == 7.0
    assert means.scores["f0_hz"] == 10.0
    assert means.scores["f0_cents"] is None
    assert means.unit_error == pytest.approx(10 / 40)
    assert means.unit_edits == pytest.approx(5 / 15)
    assert found.real_time_factor == 0.5


@pytest.mark.parametrize(
    ("given", "copied", "wrong", "name"),
    [
        ({"snr_db": 5.0}, 8.0, 0, "SNR"),
        ({"snr_db": None}, 8.0, 0, "SNR"),
        ({"mcd_db": 8.0}, 8.5, 0, "MCD"),
        ({"length_ratio": 0.94}, 8.0, 0, "length"),
        ({"length_ratio": 1.06}, 8.0, 0, "length"),
        ({"mcd_db": 7.0}, 7.0, 0, "MCD against copy-mean as spectra"),
        ({}, 8.0, 45, "units heard again"),
    ],
)
def test_each_limit_is_held_by_itself(given, copied, wrong, name):
    found = result(Rated(scores(**given), UnitTally(wrong, 100, 0, 1)), copied=copied)
    assert [each.name for each in found.verdict if not each.met] == [name]


def test_both_forms_of_copy_mean_are_limits_of_their_own():
    found = result(Rated(scores(mcd_db=7.0), UnitTally(0, 100, 0, 1)), copied=7.5, spoken=6.5)
    [missed] = [each for each in found.verdict if not each.met]
    assert (missed.name, missed.limit) == ("MCD against copy-mean spoken", "< 6.50 dB")
    said = found.as_dict()
    assert [each["name"] for each in said["verdict"]][3:5] == [
        "MCD against copy-mean as spectra",
        "MCD against copy-mean spoken",
    ]
    assert said["systems"][MEANS]["scores"]["mcd_db"] == 7.5
    assert said["systems"][SPOKEN_MEANS]["scores"]["mcd_db"] == 6.5


@pytest.fixture
def copied(spoken, tmp_path):
    folder = tmp_path / "copied"
    shutil.copytree(spoken.folder, folder, ignore=shutil.ignore_patterns("vocoder_test"))
    return folder


def test_an_export_of_another_checkpoint_is_made_anew(spoken, copied):
    facts = {"encoder": spoken.codebook.encoder, "codebook": spoken.codebook.sha256}
    speaking_vocoder.save(copied / "vocoder", "hifigan", (*unit_corpus.SPEAKERS, HOSTILE), **facts)
    done = run("units", "vocoder", "test", copied, "--num-samples", 1, "--workers", 1)
    assert done.exit_code == 0, done.output
    assert "exported again" in done.stderr
    assert read(copied / "vocoder_test")["vocoder"]["kind"] == "hifigan"


def test_without_a_list_of_what_was_held_out_the_test_says_so(copied):
    (copied / "vocoder" / "held_out.txt").unlink()
    done = run("units", "vocoder", "test", copied, "--num-samples", 1, "--workers", 1)
    assert done.exit_code == 0, done.output
    assert "may have been learnt from" in done.stderr
    assert read(copied / "vocoder_test")["held_out"] is None
    assert "may have been learnt from" in (copied / "vocoder_test" / "index.html").read_text(encoding="ascii")


def test_recordings_that_are_others_by_now_are_told_of(spoken, tested, copied):
    assert read(tested)["remarks"] == []
    rng = np.random.default_rng(0)
    for line in spoken.lines:
        n = soundfile.info(copied / line.audio).frames
        soundfile.write(copied / line.audio, 0.1 * rng.standard_normal(n), 16000)
    done = run("units", "vocoder", "test", copied, "--num-samples", 2, "--workers", 1)
    assert done.exit_code == 0, done.output
    found = read(copied / "vocoder_test")
    [remark] = found["remarks"]
    error = found["systems"][ORIGINAL]["unit_error"]
    assert error > 0.5
    assert remark.startswith(f"the recordings themselves get another unit in {error:.0%} of their frames")
    assert f"note: {remark}" in done.stderr
    assert remark[1:] in (copied / "vocoder_test" / "index.html").read_text(encoding="ascii")


def test_a_place_that_is_no_folder_is_refused_before_anybody_speaks(spoken, tmp_path, monkeypatch):
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    monkeypatch.setattr(write, "rate_vocoder", lambda *given, **how: pytest.fail("it was begun"))
    done = run("units", "vocoder", "test", spoken.folder, "-o", tmp_path / "out", "--workers", 1)
    assert done.exit_code == 2, done.output
    assert (
        done.stderr
        == f"error: cannot write {tmp_path / 'out' / 'vocoder_test.json'}: {tmp_path / 'out'} is no folder\n"
    )
    assert (tmp_path / "out").read_text(encoding="utf-8") == "a file"


def test_a_vocoder_of_another_codebook_is_refused(copied, tmp_path):
    other = unit_corpus.make(tmp_path / "other", 2, seed=9)
    done = run("units", "vocoder", "test", other.folder, "--vocoder", copied, "--workers", 1)
    assert done.exit_code == 2
    assert "units of another codebook" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (other.folder / "vocoder_test").exists()
