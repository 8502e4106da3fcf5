"""A video is looked at: which pixels are lit at the times of the truth; what is heard; what is left when it fails."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from scipy import ndimage

from melisma.audio.decode import decode
from melisma.core.errors import (
    EmptyAudio,
    EngineFailed,
    EngineTimeout,
    FormatError,
    InputError,
    MissingDependency,
    NotAudio,
    OutputError,
    UnknownName,
)
from melisma.core.records import BACKING
from melisma.formats.karaoke_script import Colours
from melisma.pipeline.video import encode
from melisma.pipeline.video import render as rendering
from melisma.pipeline.video.config import Container, VideoConfig
from melisma.pipeline.video.render import render

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")

FPS, SIZE = 20, (640, 360)
GROUND, SUNG, UNSUNG = "#000000", "#ff0000", "#00ff00"
SMALL = VideoConfig(
    width=SIZE[0],
    height=SIZE[1],
    fps=FPS,
    background=GROUND,
    colours=Colours(unsung=UNSUNG, sung=SUNG, backing="#0000ff", outline=GROUND),
)


@pytest.fixture
def video(song, sound, tmp_path):
    return render(song, sound, tmp_path / "out.mp4", SMALL)


def probe(path):
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", path]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def columns_of_words(picture, look, half):
    """Find where the words of one row stand, in pixels: letters lie closer to each other than words do."""
    ink = (look.near(picture, SUNG, 90) | look.near(picture, UNSUNG, 90))[half]
    labels, n = ndimage.label(ndimage.binary_dilation(ink.any(axis=0), iterations=3))
    return [np.flatnonzero(labels == k + 1) for k in range(n)]


def share_lit(picture, look, half, columns):
    sung, not_yet = look.near(picture, SUNG, 90)[half], look.near(picture, UNSUNG, 90)[half]
    n_sung, n_not_yet = sung[:, columns].sum(), not_yet[:, columns].sum()
    return n_sung / (n_sung + n_not_yet)


def test_the_right_word_is_lit_at_the_right_time(video, song, look):
    """In both rows a word is dark before its time, half lit in its middle, lit behind it; its followers are dark."""
    seen = look.pictures(video.path, FPS, SIZE)
    middle = round(0.55 * SIZE[1])
    for line, half in ((0, slice(0, middle)), (1, slice(middle, SIZE[1]))):
        words = song.line_words(line)
        columns = columns_of_words(seen[round(FPS * (words[0].start_ms - 300) / 1000)], look, half)
        assert len(columns) == len(words)

        def lit_at(ms, k, half=half, columns=columns):
            return share_lit(seen[round(FPS * ms / 1000)], look, half, columns[k])

        for k, word in enumerate(words):
            frame = 1000 / FPS
            assert lit_at(word.start_ms - frame, k) < 0.08
            assert lit_at((word.start_ms + word.end_ms) / 2, k) == pytest.approx(0.5, abs=0.2)
            assert lit_at(word.end_ms + frame, k) > 0.92
            for after in range(k + 1, len(words)):
                assert lit_at(word.end_ms - frame, after) < 0.08
            shares = [lit_at(ms, k) for ms in np.arange(word.start_ms, word.end_ms, frame)]
            assert (np.diff(shares) > -0.05).all()  # it only grows
            spans = np.linspace(0, 1, len(shares))
            assert np.abs(np.array(shares) - spans).max() < 0.25  # evenly, up to the shape of the letters


def test_the_next_line_is_seen_while_one_is_sung(video, song, look):
    seen = look.pictures(video.path, FPS, SIZE)
    lower = slice(round(0.55 * SIZE[1]), SIZE[1])
    assert len(columns_of_words(seen[FPS * 3], look, lower)) == 3
    assert not look.near(seen[FPS * 3], SUNG)[lower].any()


def test_sound_and_pictures_last_as_long_as_the_recording(video, sound):
    found = probe(video.path)
    assert float(found["format"]["duration"]) == pytest.approx(8, abs=0.06)
    kinds = {stream["codec_type"]: stream["codec_name"] for stream in found["streams"]}
    assert kinds == {"video": "h264", "audio": "aac"}
    heard = decode(video.path, sample_rate=16000).waveform.samples
    assert np.abs(heard).argmax() / 16000 == pytest.approx(6.0, abs=0.015)
    assert video.duration_s == 8
    assert video.size_bytes == video.path.stat().st_size


def test_webm_is_vp9_and_opus(song, sound, tmp_path, look):
    made = render(song, sound, tmp_path / "out.webm", replace(SMALL, container=Container.WEBM))
    found = probe(made.path)
    assert {stream["codec_name"] for stream in found["streams"]} <= {"vp9", "vp8", "opus", "vorbis"}
    seen = look.pictures(made.path, FPS, SIZE)
    assert abs(len(seen) - 8 * FPS) <= 1
    upper = slice(0, round(0.55 * SIZE[1]))
    columns = columns_of_words(seen[round(FPS * 0.7)], look, upper)
    assert share_lit(seen[round(FPS * 1.9)], look, upper, columns[0]) > 0.9
    assert share_lit(seen[round(FPS * 1.9)], look, upper, columns[2]) < 0.1


def test_a_picture_stands_behind_the_words(song, sound, tmp_path, look):
    pytest.importorskip("PIL")
    from PIL import Image

    Image.new("RGB", (200, 400), "#8040c0").save(tmp_path / "ground.png")
    config = replace(SMALL, picture=tmp_path / "ground.png", dim=0.5)
    seen = look.pictures(render(song, sound, tmp_path / "out.mp4", config).path, FPS, SIZE)
    assert look.near(seen[10], "#402060", 12).mean() > 0.9
    assert look.near(seen[round(FPS * 3.5)], SUNG).sum() > 200


def test_a_backing_voice_stands_at_the_top(sound, tmp_path, look):
    song = look.made(
        [("MOON", 1000, 5000), ("OVER", 5000, 6000)],
        [BACKING, ("oooh", 2000, 2500), ("aaah", 2500, 3000)],
        duration=8000,
    )
    seen = look.pictures(render(song, sound, tmp_path / "out.mp4", SMALL).path, FPS, SIZE)
    picture = seen[round(FPS * 2.9)]
    assert look.near(picture, "#0000ff", 90)[: SIZE[1] // 4].any()
    assert not look.near(picture, "#0000ff", 90)[SIZE[1] // 4 :].any()


@pytest.mark.parametrize(
    "hostile",
    [r"{\p1}m_0_0_l_999_0_999_999{\p0}", r"{\an7\pos(0,0)\fs999}HUGE", r"{\1c&H00FF00&\fscx3000}W", r"a\N\N\Nb"],
)
def test_hostile_words_draw_nothing_but_themselves(hostile, sound, tmp_path, look):
    """What acts as markup would paint far more, and elsewhere, than the letters of the same length do."""
    song = look.made([(hostile, 1000, 2000), ("END", 2000, 3000)], duration=8000)
    plain = look.made([(len(hostile) * "M", 1000, 2000), ("END", 2000, 3000)], duration=8000)
    painted = []
    for k, one in enumerate((song, plain)):
        seen = look.pictures(render(one, sound, tmp_path / f"{k}.mp4", SMALL).path, FPS, SIZE)
        picture = seen[round(FPS * 1.5)]
        ink = look.near(picture, SUNG, 90) | look.near(picture, UNSUNG, 90)
        rows = np.flatnonzero(ink.any(axis=1))
        painted.append((ink.sum(), rows.min(), rows.max()))
    assert 0 < painted[0][0] < 1.5 * painted[1][0]
    assert painted[0][1] > SIZE[1] // 4
    assert painted[0][2] < SIZE[1] * 3 // 4


def test_the_same_again_is_the_same_to_the_byte(video, song, sound, tmp_path):
    again = render(song, sound, tmp_path / "again.mp4", SMALL)
    assert again.path.read_bytes() == video.path.read_bytes()


def test_progress_goes_up_to_the_end(song, sound, tmp_path):
    said = []
    render(song, sound, tmp_path / "out.mp4", SMALL, lambda stage, share: said.append((stage, share)))
    encoded = [share for stage, share in said if stage == "encode"]
    assert [stage for stage, _ in said] == sorted([stage for stage, _ in said], reverse=True)  # listen, then encode
    assert encoded == sorted(encoded)
    assert encoded[-1] == 1


class Enough(BaseException):
    """What a caller raises to end the work."""


@pytest.mark.parametrize("at", ["listen", "encode"])
def test_a_caller_who_has_enough_ends_ffmpeg_and_leaves_nothing(song, sound, tmp_path, at):
    def stop(stage, share):
        if stage == at:
            raise Enough

    with pytest.raises(Enough):
        render(song, sound, tmp_path / "out.mp4", SMALL, stop)
    assert [path.name for path in tmp_path.iterdir()] == ["song.flac"]
    assert not [thread for thread in threading.enumerate() if thread.name == "melisma-video-sound"]
    assert not running_in(tmp_path)


def running_in(folder):
    """Return the processes that run in a folder or below."""
    from pathlib import Path

    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            where = (process / "cwd").resolve()
        except OSError:
            continue
        if where.is_relative_to(folder):
            found.append(process.name)
    return found


def test_what_takes_too_long_is_ended(song, sound, tmp_path):
    with pytest.raises(EngineTimeout, match="took longer than 0 s"):
        render(song, sound, tmp_path / "out.mp4", replace(SMALL, time_limit_s=0.001))
    assert [path.name for path in tmp_path.iterdir()] == ["song.flac"]


def test_a_name_that_stands_there_is_replaced_whole(song, sound, tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"old")
    render(song, sound, tmp_path / "out.mp4", SMALL)
    assert (tmp_path / "out.mp4").stat().st_size > 1000


def test_a_folder_that_is_not_there_is_a_sentence(song, sound, tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        render(song, sound, tmp_path / "nowhere" / "out.mp4", SMALL)


def test_what_cannot_be_heard_or_sung_is_refused_before_the_work(song, sound, tmp_path, look):
    (tmp_path / "text.mp3").write_text("no sound at all, but words", encoding="utf-8")
    with pytest.raises(NotAudio):
        render(song, tmp_path / "text.mp3", tmp_path / "out.mp4", SMALL)
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 1)), 8000)
    with pytest.raises(EmptyAudio):
        render(song, tmp_path / "none.wav", tmp_path / "out.mp4", SMALL)
    with pytest.raises(FormatError, match="nothing to sing"):
        render(look.made([("never", None, None)], duration=8000), sound, tmp_path / "out.mp4", SMALL)
    assert not (tmp_path / "out.mp4").exists()


def test_words_behind_the_end_and_lines_without_a_time_are_told(sound, tmp_path, look):
    song = look.made([("late", 11_000, 12_000)], [("never", None, None)], duration=20_000)
    found = render(song, sound, tmp_path / "out.mp4", SMALL)
    assert any("timed up to 12 s, the recording ends at 8 s" in warning for warning in found.warnings)
    assert any("1 lines have no time" in warning for warning in found.warnings)


def test_letters_that_no_font_has_are_told(sound, tmp_path, look, monkeypatch):
    monkeypatch.setattr("melisma.pipeline.video.fonts._ranges", lambda: ((0x20, 0x7E),))
    song = look.made([("歌", 1000, 2000)], duration=8000)
    found = render(song, sound, tmp_path / "out.mp4", SMALL)
    assert any("no installed font has 歌" in warning for warning in found.warnings)


def test_a_font_that_is_not_installed_is_refused(song, sound, tmp_path):
    for name in ("No Such Font", "/etc/passwd", "Sans,80,&H0", "http://x/font.ttf"):
        with pytest.raises((UnknownName, InputError)):
            render(song, sound, tmp_path / "out.mp4", replace(SMALL, font=name))


def test_without_ffmpeg_or_an_encoder_one_sentence_says_so(monkeypatch):
    monkeypatch.setattr(encode, "_abilities", lambda program: (frozenset({"aac", "libx265"}), frozenset({"ass"})))
    with pytest.raises(MissingDependency, match=r"no encoder of H\.264 \(libx264, libopenh264\), which mp4 needs"):
        encode.encoders(Container.MP4)
    monkeypatch.setattr(encode, "_abilities", lambda program: (frozenset({"libvpx", "libopus"}), frozenset({"ass"})))
    assert encode.encoders(Container.WEBM).video[1] == "libvpx"
    monkeypatch.setattr(encode, "_abilities", lambda program: (frozenset({"aac", "libx264"}), frozenset({"scale"})))
    with pytest.raises(MissingDependency, match="without libass"):
        encode.encoders(Container.MP4)
    monkeypatch.setattr(encode.ffmpeg, "program", lambda: None)
    with pytest.raises(MissingDependency, match="a video needs ffmpeg"):
        encode.encoders(Container.MP4)


def test_what_ffmpeg_has_is_read_from_its_lists():
    found, filters = encode._abilities(encode.ffmpeg.program())
    assert "aac" in found
    assert {"ass", "scale", "loop"} <= filters
    assert "=" not in found


def test_an_ffmpeg_that_fails_is_a_sentence(song, sound, tmp_path, monkeypatch):
    monkeypatch.setitem(encode._VIDEO, Container.MP4, (("libx264", ("-preset", "nonsense")),))
    with pytest.raises(EngineFailed, match="ffmpeg could not make the video"):
        render(song, sound, tmp_path / "out.mp4", SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["song.flac"]


@pytest.mark.parametrize("container", [Container.MP4, Container.WEBM])
def test_a_disk_without_room_is_a_sentence_though_ffmpeg_may_call_it_success(
    song, sound, tmp_path, monkeypatch, container
):
    command = rendering._command
    monkeypatch.setattr(rendering, "_command", lambda *given: [*command(*given)[:-1], "/dev/full"])
    out = tmp_path / f"out.{container.value}"
    with pytest.raises(OutputError, match="there is no room for the video on the disk"):
        render(song, sound, out, replace(SMALL, container=container))
    assert not out.exists()


def test_a_worker_that_is_killed_leaves_no_ffmpeg_behind(song, tmp_path):
    """Ten minutes of sound, of which the killed process has fed a few seconds: ffmpeg must not go on to their end."""
    import sys
    import time

    soundfile.write(tmp_path / "long.flac", np.zeros(600 * 8000), 8000)
    song.save(tmp_path / "song.json")
    (tmp_path / "work").mkdir()
    code = (
        "import sys; from pathlib import Path; from melisma.formats.load import load;"
        "from melisma.pipeline.video.render import render;"
        "from melisma.pipeline.video.config import VideoConfig;"
        "tell = lambda stage, share: stage == 'encode' and share > 0 and print('begun', flush=True);"
        "render(load(Path('song.json')), 'long.flac', 'work/out.mp4', VideoConfig(), tell)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begun\n"
        assert running_in(tmp_path / "work")
        process.kill()
    for _ in range(600):
        if not running_in(tmp_path / "work"):
            break
        time.sleep(0.1)
    assert not running_in(tmp_path / "work")
