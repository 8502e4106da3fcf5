from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from melisma.core.errors import InputError, OutputError
from melisma.train.aligned_folder import Utterance, read_manifest, write_audio, write_manifest
from melisma.train.sing import read_aligned

ROW = Utterance(
    id="espeak/hr-1",
    audio="hr/1.flac",
    transcript="tiha noć",
    duration=1.23456,
    language="hr",
    speaker_id="espeak:hr+f1#1",
    license="Apache-2.0",
    source="espeak-ng",
    sung=True,
    phones=(("t", 0.1, 0.20004), ("i", 0.20004, 0.5)),
)


@pytest.fixture
def folder(tmp_path):
    """A folder with the sound of two rows and its manifest."""
    rows = [ROW, replace(ROW, id="b", audio="hr/2.flac", sung=False)]
    for row in rows:
        write_audio(tmp_path / row.audio, np.zeros(160, np.float32))
    write_manifest(tmp_path, rows)
    return tmp_path


def test_sound_is_sixteen_bits_of_flac_at_sixteen_kilohertz(tmp_path):
    path = tmp_path / "deep" / "in" / "take.flac"
    samples = np.sin(np.arange(1600) / 10).astype(np.float32) * 0.9
    write_audio(path, samples)
    info = soundfile.info(path)
    assert (info.format, info.subtype, info.samplerate, info.channels) == ("FLAC", "PCM_16", 16000, 1)
    assert soundfile.read(path, dtype="float32")[0] == pytest.approx(samples, abs=1 / 32768)


def test_two_channels_stay_two(tmp_path):
    samples = np.stack((np.full(100, 0.5), np.full(100, -0.25)), axis=1).astype(np.float32)
    write_audio(tmp_path / "take.flac", samples)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "take.flac")[0], samples)


def test_a_line_of_the_manifest_has_what_its_module_promises(folder):
    first = json.loads((folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert list(first) == [
        *("id", "audio", "transcript", "duration", "language"),
        *("speaker_id", "license", "source", "sung", "phones"),
    ]
    assert first["transcript"] == "tiha noć"
    assert first["duration"] == 1.2346
    assert first["phones"] == [["t", 0.1, 0.2], ["i", 0.2, 0.5]]
    assert first["sung"] is True


def test_letters_of_any_script_are_written_as_they_are(tmp_path):
    write_manifest(tmp_path, [replace(ROW, transcript="тиха ноћ")])
    assert "тиха ноћ" in (tmp_path / "manifest.jsonl").read_bytes().decode("utf-8")


def test_the_folder_is_aligned_speech_that_can_be_made_to_sing(folder):
    clip = read_aligned(folder / "manifest.jsonl")[0]
    assert (clip.id, clip.audio, clip.language) == (ROW.id, folder / ROW.audio, "hr")
    assert clip.phones == (("t", 0.1, 0.2), ("i", 0.2, 0.5))


def test_what_was_written_is_read_again_and_written_the_same(folder):
    before = (folder / "manifest.jsonl").read_bytes()
    rows = read_manifest(folder)
    assert [row.id for row in rows] == [ROW.id, "b"]
    write_manifest(folder, rows)
    assert (folder / "manifest.jsonl").read_bytes() == before


def test_rows_whose_sound_is_gone_are_left_out(folder):
    (folder / ROW.audio).unlink()
    assert [row.id for row in read_manifest(folder)] == ["b"]


def test_a_folder_without_a_manifest_has_no_rows(tmp_path):
    assert read_manifest(tmp_path) == []


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"id": "a"}', json.dumps({"id": "a", "phones": [["a", 0]]}), '{"phones": [], "colour": 1}'],
)
def test_a_manifest_of_others_is_one_sentence(folder, line):
    with open(folder / "manifest.jsonl", "a", encoding="utf-8") as manifest:
        manifest.write(line + "\n")
    with pytest.raises(InputError, match=r"cannot read .*manifest\.jsonl, which an earlier run left: "):
        read_manifest(folder)


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"cannot make the folder .*/file: File exists$"):
        write_audio(tmp_path / "file" / "take.flac", np.zeros(16, np.float32))
    with pytest.raises(OutputError, match=r"cannot write .*manifest\.jsonl: "):
        write_manifest(tmp_path / "file", [ROW])
