from __future__ import annotations

import io
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from made_songs import wav

pytest.importorskip("fastapi")
import soundfile

from melisma.audio.container import mp3_head
from melisma.audio.sndfile import SndfileSource
from melisma.core.errors import AudioError, AudioTooLong, DamagedAudio, EmptyAudio, MelismaError, NotAudio
from melisma.server import uploads
from melisma.server.uploads import examine

NEEDS_FFMPEG = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg")


def written(format: str, subtype: str | None = None, seconds: float = 2.0) -> bytes:
    samples = np.random.default_rng(0).normal(0, 0.1, round(16000 * seconds)).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, samples, 16000, format=format, subtype=subtype)
    return file.getvalue()


@pytest.fixture
def at(tmp_path):
    """Write bytes into a file whose name lies about them."""

    def at(data: bytes, name: str = "tmp4x.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return at


@pytest.mark.parametrize(
    ("format", "subtype", "media_type", "suffix"),
    [
        ("WAV", None, "audio/wav", ".wav"),
        ("WAVEX", None, "audio/wav", ".wav"),
        ("FLAC", None, "audio/flac", ".flac"),
        ("OGG", "VORBIS", "audio/ogg", ".ogg"),
        ("OGG", "OPUS", "audio/ogg;codecs=opus", ".opus"),
        ("MP3", None, "audio/mpeg", ".mp3"),
        ("AIFF", None, "audio/aiff", ".aiff"),
        ("AU", None, "audio/basic", ".au"),
        ("CAF", None, "audio/x-caf", ".caf"),
        ("W64", None, "audio/x-w64", ".w64"),
        ("VOC", None, "application/octet-stream", ".audio"),
    ],
)
def test_a_file_is_what_its_content_says(at, format, subtype, media_type, suffix):
    found = examine(at(written(format, subtype)), "song.exe", 60)
    assert found[:2] == (media_type, suffix)
    assert found[2] == pytest.approx(2000, abs=60)  # a codec pads


def test_an_mp3_with_tags_in_front_is_one(at):
    tag = b"ID3\x04\x00\x00" + bytes((0, 1, 0, 0)) + bytes(1 << 14)
    assert examine(at(tag + written("MP3")), "song", 60)[:2] == ("audio/mpeg", ".mp3")


@NEEDS_FFMPEG
@pytest.mark.parametrize(
    ("suffix", "media_type"),
    [(".m4a", "audio/mp4"), (".webm", "audio/webm"), (".mka", "audio/x-matroska"), (".aac", "audio/aac")],
)
def test_what_ffmpeg_reads_is_taken_too(at, tmp_path, suffix, media_type):
    made = tmp_path / f"made{suffix}"
    command = ["ffmpeg", "-v", "error", "-i", str(at(written("WAV"))), str(made)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    found = examine(at(made.read_bytes()), "song", 60)
    assert found[:2] == (media_type, suffix)
    assert found[2] == pytest.approx(2000, abs=150)


REFUSED = {
    "empty": (b"", EmptyAudio),
    "text": (b"hello world\n" * 100, NotAudio),
    "zeros": (bytes(10_000), NotAudio),
    "page": (b"<!DOCTYPE html><script>alert(1)</script>" * 50, NotAudio),
    "script": (b"#!/bin/sh\nrm -rf /\n" * 50, NotAudio),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(2000), NotAudio),
    "archive": (b"PK\x03\x04" + bytes(2000), NotAudio),
    "playlist": (b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n", NotAudio),
    "concat": (b"ffconcat version 1.0\nfile /etc/passwd\n", NotAudio),
    "header alone": (wav()[:44], AudioError),
    "absurd rate": (wav()[:24] + struct.pack("<I", 1) + wav()[28:], DamagedAudio),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_recording_is_refused_by_its_own_name(at, name):
    data, error = REFUSED[name]
    path = at(data, "tmp4x")
    with pytest.raises(error) as caught:
        examine(path, "Habanera.mp3", 60)
    assert "Habanera.mp3" in str(caught.value)
    assert str(path.parent) not in str(caught.value)
    assert "tmp4x" not in str(caught.value)


def test_what_its_header_says_to_be_too_long_is_refused_before_it_is_decoded(at, monkeypatch):
    path = at(wav(5.0))

    def decoded(self):
        raise AssertionError("it was decoded")

    monkeypatch.setattr(SndfileSource, "blocks", decoded)
    with pytest.raises(AudioTooLong, match=r"song.wav is longer than the 4 s that this service takes"):
        examine(path, "song.wav", 4)


def test_what_promises_no_length_is_read_no_further_than_the_limit(at, monkeypatch):
    frames = written("MP3", seconds=60.0)
    start = mp3_head(at(frames)).start
    second = frames.index(frames[start : start + 2], start + 4)  # the first frame holds the header that promises
    path = at(frames[second:])
    assert mp3_head(path).promised is None
    given, blocks = [], SndfileSource.blocks

    def counted(self):
        for block in blocks(self):
            given.append(len(block) / self.info.sample_rate)
            yield block

    monkeypatch.setattr(SndfileSource, "blocks", counted)
    with pytest.raises(AudioTooLong, match="longer than the 10 s"):
        examine(path, "bomb.mp3", 10)
    assert 0 < sum(given[:-1]) <= 10


def test_three_hours_are_said_in_hours():
    with pytest.raises(AudioTooLong, match="longer than the 3 h that this service takes"):
        uploads._check_length(3 * 3600 + 1, "opera.mp3", 3 * 3600.0)


def test_names_come_from_tags_then_from_the_file_name(context, tmp_path):
    def taken(path, name):
        with context.files.incoming() as coming:
            coming.write(path.read_bytes())
            return uploads.take_upload(context, coming, name)

    plain = tmp_path / "a.flac"
    soundfile.write(plain, np.full(8000, 0.1, np.float32), 8000)
    recording, names = taken(plain, "../My song.flac")
    assert (recording.file_name, names.title, names.artist) == ("My song.flac", "My song", "")
    tagged = tmp_path / "b.flac"
    with soundfile.SoundFile(tagged, "w", 8000, 1) as file:
        file.title, file.artist = "La <b>vie</b>", "Édith"
        file.write(np.full(8000, 0.1, np.float32))
    _, names = taken(tagged, "x.flac")
    assert (names.title, names.artist) == ("La <b>vie</b>", "Édith")


def test_every_refusal_is_the_callers_fault():
    assert all(issubclass(error, MelismaError) and error.http_status == 422 for _, error in REFUSED.values())
