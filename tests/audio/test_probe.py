"""What a file is, told by its content."""

import os

import pytest

from melisma.audio.probe import probe
from melisma.core.errors import AudioError, DamagedAudio, NeedsFfmpeg, NotAudio


@pytest.mark.parametrize(
    ("name", "container"), [("song.wav", "wav"), ("song.flac", "flac"), ("song.mp3", "mp3"), ("song.ogg", "ogg")]
)
def test_what_libsndfile_reads(name, container, encode, tmp_path, no_ffmpeg):
    path = tmp_path / "name.txt"
    path.write_bytes(encode(name).read_bytes())
    info = probe(path)
    assert (info.sample_rate, info.channels, info.container) == (44100, 2, container)
    assert info.duration_s == pytest.approx(2.0, abs=0.01)


def test_an_m4a_that_calls_itself_mp3(encode, tmp_path):
    path = tmp_path / "song.mp3"
    path.write_bytes(encode("song.m4a", "-c:a", "aac").read_bytes())
    info = probe(path)
    assert (info.sample_rate, info.channels, info.container) == (44100, 2, "mov")
    assert info.duration_s == pytest.approx(2.0, abs=0.05)


HEADS = {
    "MP4/M4A": bytes(4) + b"ftypM4A ",
    "WebM/Matroska": b"\x1aE\xdf\xa3",
    "Windows Media": b"0&\xb2u\x8ef\xcf\x11",
    "AAC": b"\xff\xf1\x50\x80",
    "AVI": b"RIFF\x00\x00\x00\x00AVI LIST",
    "MPEG transport stream": (b"G" + bytes(187)) * 3,
}


@pytest.mark.parametrize("kind", HEADS)
def test_without_ffmpeg_the_sentence_says_how_to_get_it(kind, tmp_path, no_ffmpeg):
    path = tmp_path / "x.mp3"
    path.write_bytes(HEADS[kind] + bytes(5000))
    with pytest.raises(NeedsFfmpeg, match=rf"x\.mp3 is {kind} and needs ffmpeg: install ffmpeg \(apt install ffmpeg"):
        probe(path)


def test_an_encoding_that_libsndfile_does_not_know_needs_ffmpeg(encode, no_ffmpeg):
    with pytest.raises(NeedsFfmpeg, match="an encoding that libsndfile does not know"):
        probe(encode("alac.caf", "-c:a", "alac"))


def test_a_damaged_header_without_ffmpeg(encode, tmp_path, no_ffmpeg):
    path = tmp_path / "x.wav"
    path.write_bytes(encode("song.wav").read_bytes()[:20])
    with pytest.raises(DamagedAudio, match=r"x\.wav: "):
        probe(path)


def test_a_folder(tmp_path):
    with pytest.raises(AudioError, match="is a folder"):
        probe(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AudioError, match="is a pipe or a device"):
        probe(tmp_path / "pipe")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path, encode):
    path = tmp_path / "x.wav"
    path.write_bytes(encode("song.wav").read_bytes())
    path.chmod(0)
    with pytest.raises(AudioError, match="no permission"):
        probe(path)


def test_no_permission_by_the_system_call(tmp_path, monkeypatch):
    path = tmp_path / "x.wav"
    path.write_bytes(b"RIFF")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(AudioError, match=r"x\.wav: no permission to read it"):
        probe(path)


@pytest.mark.parametrize("name", ["a\0b.mp3", "x" * 5000])
def test_impossible_names(name):
    with pytest.raises(AudioError):
        probe(name)


def test_names_that_look_like_something_else(encode, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = encode("song.m4a", "-c:a", "aac").read_bytes()
    for name in ("-i", "http:song.mp3", "concat:a|b", "-", os.fsdecode(b"caf\xe9.m4a"), "50%d.m4a"):
        (tmp_path / name).write_bytes(data)
        assert probe(name).container == "mov"
    (tmp_path / "-").write_bytes(encode("song.wav").read_bytes())
    assert probe("-").container == "wav"


def test_a_name_of_odd_bytes_can_be_printed(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    path.write_text("no audio at all")
    with pytest.raises(NotAudio) as caught:
        probe(path)
    assert str(caught.value).encode("utf-8")
