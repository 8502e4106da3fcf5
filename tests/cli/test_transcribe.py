"""`melisma transcribe`: a real, tiny Whisper with random weights hears noise, and what it says is written down."""

from __future__ import annotations

import json

import pytest
import soundfile

from melisma.cli.main import app
from melisma.testing.whisper_checkpoints import save_random_whisper

pytest.importorskip("faster_whisper")
pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return save_random_whisper(tmp_path_factory.mktemp("whisper")).parent / "transformers"


@pytest.fixture(autouse=True)
def at_home(monkeypatch, tmp_path):
    monkeypatch.setenv("MELISMA_DEVICE", "cpu")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("MELISMA_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("MELISMA_ROOT", raising=False)
    monkeypatch.delenv("MELISMA_REQUEST_ID", raising=False)


def test_a_recording_is_written_down_in_three_files(runner, here, song, whisper, monkeypatch):
    monkeypatch.setenv("MELISMA_REQUEST_ID", "call-7")
    got = runner.invoke(
        app, ["transcribe", str(song.audio), "-m", str(whisper), "--language", "hr", "--no-cache", "--json", "-q"]
    )
    assert got.exit_code == 0, got.output
    folder = here / "outputs" / "song"
    assert sorted(path.name for path in folder.iterdir()) == [
        "karaoke.lrc",
        "transcription_base.json",
        "transcription_base.txt",
    ]
    said = json.loads((folder / "transcription_base.json").read_text(encoding="utf-8"))
    assert (said["file_id"], said["audio"], said["language"], said["request_id"]) == (
        "song",
        "song.wav",
        "hr",
        "call-7",
    )
    assert said["word_count"] == len(said["words"]) > 0
    told = json.loads(got.stdout)
    assert [each["text"] for each in told] == [said["text"]]
    # Made-up words are no speech: the aligner refuses them, and they keep the times at which they were heard.
    assert said["aligned_by"] is None
    assert any("at which they were heard" in warning for warning in said["warnings"])


def test_more_formats_the_root_and_the_name_are_the_callers(runner, here, song, whisper, monkeypatch, tmp_path):
    monkeypatch.setenv("MELISMA_ROOT", str(tmp_path / "root"))
    got = runner.invoke(
        app,
        [
            *("transcribe", str(song.audio), "-m", f"path:{whisper}", "--language", "sr", "--no-align", "--no-cache"),
            *("--id", "one", "--format", "srt"),
        ],
    )
    assert got.exit_code == 0, got.output
    assert (tmp_path / "root" / "outputs" / "one" / "transcription.srt").is_file()
    assert "words in sr" in got.stderr
    assert not (here / "outputs").exists()


def test_several_recordings_have_a_folder_each(runner, here, song, whisper):
    samples, rate = soundfile.read(song.audio)
    soundfile.write(song.folder / "Đački marš.flac", samples[: rate // 2], rate)
    files = [str(song.audio), str(song.folder / "Đački marš.flac")]
    got = runner.invoke(app, ["transcribe", *files, "-m", str(whisper), "--language", "bs", "--no-align", "--no-cache"])
    assert got.exit_code == 0, got.output
    assert sorted(path.name for path in (here / "outputs").iterdir()) == ["Djacki-mars", "song"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--model", "phone"], "hears no words"),
        (["--model", "no-such"], "no-such"),
        (["--id", "../out"], "no name for a folder"),
        (["--format", "docx"], "docx"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(runner, here, song, more, said):
    got = runner.invoke(app, ["transcribe", str(song.audio), *more])
    assert got.exit_code == 2
    assert said in got.stderr
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("name", ["song.flac", "SONG.flac"])
def test_two_recordings_of_one_name_are_refused(runner, here, song, whisper, name):
    samples, rate = soundfile.read(song.audio)
    soundfile.write(song.folder / name, samples, rate)
    got = runner.invoke(app, ["transcribe", str(song.audio), str(song.folder / name), "-m", str(whisper)])
    assert got.exit_code == 2
    assert "would both be written" in got.stderr


def test_a_file_that_there_is_not_is_refused(runner, here, whisper):
    got = runner.invoke(app, ["transcribe", "nothing.mp3", "-m", str(whisper)])
    assert got.exit_code == 2
    assert "nothing.mp3" in got.stderr


def test_one_that_cannot_be_heard_does_not_keep_the_others(runner, here, song, whisper):
    (song.folder / "broken.wav").write_bytes(b"RIFF but no sound")
    files = [str(song.folder / "broken.wav"), str(song.audio)]
    options = ["-m", str(whisper), "--language", "bs", "--no-align", "--no-cache", "--json"]
    got = runner.invoke(app, ["transcribe", *files, *options])
    assert got.exit_code == 2
    assert "broken.wav" in got.stderr
    assert "1 of 2 recordings were not transcribed" in got.stderr
    assert [each["file_id"] for each in json.loads(got.stdout)] == ["song"]
    assert [path.name for path in (here / "outputs").iterdir()] == ["song"]


@pytest.mark.parametrize("many", ["manifest", "files"])
def test_without_anything_that_hears_words_many_recordings_are_refused_in_one_sentence(
    runner, here, song, many, monkeypatch
):
    monkeypatch.setenv("MELISMA_TIERS", "phone,whisper:/there/is/none")
    samples, rate = soundfile.read(song.audio)
    soundfile.write(song.folder / "other.wav", samples, rate)
    lines = [{"id": name, "audio": f"{name}.wav", "duration": 1.0, "transcript": ""} for name in ("song", "other")]
    manifest = song.folder / "m.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    files = [manifest] if many == "manifest" else [song.audio, song.folder / "other.wav"]
    got = runner.invoke(app, ["transcribe", *map(str, files)])
    assert got.exit_code == 3
    assert got.stderr.count("an engine is needed that hears words") == 1
    assert list(here.iterdir()) == []
