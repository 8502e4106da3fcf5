import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("pyworld")

from melisma.audio import codecs, ffmpeg
from melisma.core.errors import FormatError, InputError, MissingDependency, OutputError
from melisma.train import sing, sung_voice
from melisma.train.sing import AlignedClip, in_turn, read_aligned, sing_folder
from melisma.train.sung_voice import SingConfig

RATE = 16000
PHONES = (("m", 0.2, 0.3), ("a", 0.3, 0.6), ("n", 0.6, 0.7), ("o", 0.7, 1.0))


def write_voice(path, f0):
    t = np.arange(round(1.2 * RATE)) / RATE
    sound = sum(np.cos(2 * np.pi * f0 * k * t) / k for k in range(1, 20)) * ((t > 0.2) & (t < 1.0)) * 0.1
    soundfile.write(path, sound + np.random.default_rng(0).normal(0, 1e-4, len(t)), RATE)


def clip(i, audio, language="en", speaker=None, phones=PHONES):
    return AlignedClip(f"c/{i}", audio, language, speaker or f"s{i}", f"text {i}", phones, "CC0-1.0", "a test")


@pytest.fixture
def clips(tmp_path):
    made = []
    for i, language in enumerate(("en", "en", "fi", "pt-BR")):
        path = tmp_path / f"{i}.wav"
        write_voice(path, 120 + 30 * i)
        made.append(clip(i, path, language))
    return made


def rows(manifest):
    return [json.loads(line) for line in manifest.read_text("utf-8").splitlines()]


def test_a_folder_of_the_common_format(clips, tmp_path):
    out = tmp_path / "sung"
    told = []
    manifest = sing_folder(
        clips, out, hours=9 / 3600, seed=1, progress=lambda done, wanted: told.append((done, wanted))
    )
    found = rows(manifest)
    assert manifest == out / "manifest.jsonl"
    assert {r["language"] for r in found[:3]} == {"en", "fi", "pt-BR"}
    assert sum(r["duration"] for r in found) >= 9
    assert sum(r["duration"] for r in found[:-1]) < 9
    assert told[-1] == (pytest.approx(sum(r["duration"] for r in found) / 3600, abs=1e-6), 9 / 3600)
    for row in found:
        samples, rate = soundfile.read(out / row["audio"])
        assert (rate, samples.ndim) == (RATE, 1)
        assert len(samples) / rate == pytest.approx(row["duration"], abs=1e-3)
        assert [p[0] for p in row["phones"]] == [p[0] for p in PHONES]
        assert row["license"] == "CC0-1.0"
        assert row["sung"] is True
    assert [c.id for c in read_aligned(manifest)] == [r["id"] for r in found]


def test_a_run_that_was_cut_off_goes_on_where_it_was(clips, tmp_path, monkeypatch):
    whole = sing_folder(clips, tmp_path / "whole", hours=12 / 3600, seed=1)
    part = tmp_path / "part"
    sing_folder(clips, part, hours=4 / 3600, seed=1)
    before = len(rows(part / "manifest.jsonl"))
    sung = []
    real = sung_voice.sing
    monkeypatch.setattr(sing, "sing", lambda *given: sung.append(1) or real(*given))
    again = sing_folder(clips, part, hours=12 / 3600, seed=1)
    assert again.read_bytes() == whole.read_bytes()
    assert len(sung) == len(rows(whole)) - before
    for row in rows(whole):
        assert (part / row["audio"]).read_bytes() == (tmp_path / "whole" / row["audio"]).read_bytes()


def test_sound_that_was_lost_is_made_again(clips, tmp_path):
    manifest = sing_folder(clips, tmp_path / "sung", hours=4 / 3600, seed=1)
    audio = manifest.parent / rows(manifest)[0]["audio"]
    before = audio.read_bytes()
    audio.unlink()
    sing_folder(clips, tmp_path / "sung", hours=4 / 3600, seed=1)
    assert audio.read_bytes() == before


@pytest.mark.slow
def test_workers_change_nothing(clips, tmp_path):
    one = sing_folder(clips, tmp_path / "one", hours=12 / 3600, seed=1)
    two = sing_folder(clips, tmp_path / "two", hours=12 / 3600, seed=1, workers=2)
    assert one.read_bytes() == two.read_bytes()


def test_turns_go_round_languages_and_speakers():
    somewhere = Path("x.wav")
    many = [clip(i, somewhere, "en", f"s{i % 3}") for i in range(9)] + [clip(9, somewhere, "fi")]
    order = [(c.language, c.speaker_id, take) for c, take in in_turn(many, 0)]
    assert sorted(o[0] for o in order[:2]) == ["en", "fi"]
    english = [speaker for language, speaker, take in order if language == "en" and take == 0]
    assert all(len(set(english[i : i + 3])) == 3 for i in (0, 3, 6))
    assert [o[2] for o in order[:20]] == [0] * 10 + [1] * 10


def test_clips_that_cannot_be_sung_are_left_out(clips, tmp_path):
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 20000), RATE)
    manifest = sing_folder([clip(7, path, "de"), *clips], tmp_path / "sung", hours=9 / 3600, seed=1)
    assert "de" not in {r["language"] for r in rows(manifest)}


@pytest.mark.skipif(ffmpeg.program() is None, reason="no ffmpeg")
def test_coded_songs_are_those_that_are_not_but_for_the_codec(clips, tmp_path):
    plain = sing_folder(clips, tmp_path / "plain", hours=9 / 3600, seed=1)
    coded = sing_folder(clips, tmp_path / "coded", hours=9 / 3600, seed=1, config=SingConfig(codec=1))
    assert "codec" not in (tmp_path / "plain" / "sung.json").read_text("utf-8")
    assert '"codec": 1' in (tmp_path / "coded" / "sung.json").read_text("utf-8")
    pairs = list(zip(rows(plain), rows(coded), strict=True))
    for before, after in pairs:
        assert {**before, "source": ""} == {**after, "source": ""}
        assert after["source"].startswith(f"{before['source']}, coded as ")
        sounds = [soundfile.read(m.parent / before["audio"], dtype="float32")[0] for m in (plain, coded)]
        assert not np.array_equal(*sounds)
        assert abs(codecs.lag(*sounds)) <= codecs.LATE_S * RATE
    assert len(pairs) > 1
    again = sing_folder(clips, tmp_path / "again", hours=9 / 3600, seed=1, config=SingConfig(codec=1))
    for row in rows(again):
        assert (coded.parent / row["audio"]).read_bytes() == (again.parent / row["audio"]).read_bytes()


def test_codecs_that_cannot_be_had_are_told_before_anything_is_written(clips, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="between 0 and 1, not at 2"):
        sing_folder(clips, tmp_path / "sung", hours=1, seed=1, config=SingConfig(codec=2))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependency, match="coding sounds needs ffmpeg"):
        sing_folder(clips, tmp_path / "sung", hours=1, seed=1, config=SingConfig(codec=0.5))
    assert not (tmp_path / "sung").exists()


def test_nothing_to_sing_is_an_error(tmp_path):
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 20000), RATE)
    with pytest.raises(InputError, match="none of the 1 clips could be sung"):
        sing_folder([clip(0, path)], tmp_path / "sung", hours=1, seed=1)
    assert not (tmp_path / "sung" / "manifest.jsonl").exists()


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"hours": 0.0}, "cannot sing for 0.0 hours"),
        ({"hours": float("nan")}, "cannot sing for nan hours"),
        ({"workers": 0}, "cannot sing with 0 workers"),
        ({"clips": []}, "there are no aligned clips"),
    ],
)
def test_impossible_requests_are_refused(given, match, tmp_path):
    some = [clip(0, tmp_path / "0.wav")]
    wanted = {"clips": some, "hours": 1.0, "seed": 0, "workers": 1} | given
    with pytest.raises(InputError, match=match):
        sing_folder(wanted.pop("clips"), tmp_path / "sung", **wanted)
    assert not (tmp_path / "sung").exists()


def test_an_id_twice_is_refused(tmp_path):
    twice = clip(0, tmp_path / "0.wav")
    with pytest.raises(InputError, match="'c/0' is there twice"):
        sing_folder([twice, replace(twice, language="fi")], tmp_path / "sung", hours=1, seed=0)


def test_another_seed_in_the_same_folder_is_refused(clips, tmp_path):
    sing_folder(clips, tmp_path / "sung", hours=1 / 3600, seed=1)
    with pytest.raises(InputError, match="begun with another seed"):
        sing_folder(clips, tmp_path / "sung", hours=1 / 3600, seed=2)


def test_a_folder_that_cannot_be_made_is_an_error(clips, tmp_path):
    with pytest.raises(OutputError, match="cannot make the folder"):
        sing_folder(clips, clips[0].audio / "sung", hours=1, seed=1)


ROW = {"id": "a", "audio": "a.wav", "language": "en", "speaker_id": "s", "transcript": "t", "phones": [["a", 0, 1]]}


def test_aligned_rows_are_read_from_their_folder(tmp_path):
    path = tmp_path / "aligned.jsonl"
    path.write_text(json.dumps(ROW) + "\n\n" + json.dumps(ROW | {"audio": "/b.wav", "license": "CC0-1.0"}) + "\n")
    first, second = read_aligned(path)
    assert first.audio == tmp_path / "a.wav"
    assert first.phones == (("a", 0.0, 1.0),)
    assert (second.audio, second.license) == (Path("/b.wav"), "CC0-1.0")


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("{", "line 2: "),
        (json.dumps({k: v for k, v in ROW.items() if k != "phones"}), "line 2: no 'phones'"),
        (json.dumps(ROW | {"phones": [["a", 0]]}), "line 2: "),
        (json.dumps(ROW | {"phones": [["a", 1, 0]]}), "line 2: phone 0 .* out of order"),
        ("[]", "line 2: "),
    ],
)
def test_a_bad_row_is_named(line, match, tmp_path):
    path = tmp_path / "aligned.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + line + "\n")
    with pytest.raises(FormatError, match=match):
        read_aligned(path)


def test_a_manifest_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_aligned(tmp_path / "none.jsonl")
