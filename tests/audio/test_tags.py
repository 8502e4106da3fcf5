import numpy as np
import pytest
import soundfile

from melisma.audio.tags import Tags, read_tags


def write(path, **tags):
    with soundfile.SoundFile(path, "w", 16000, 1) as file:
        for name, value in tags.items():
            setattr(file, name, value)
        file.write(np.zeros(16000))
    return path


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_names_are_read(tmp_path, suffix):
    path = write(tmp_path / f"a.{suffix}", artist="Ána Lund", title="The River", album="Water")
    assert read_tags(path) == Tags("Ána Lund", "The River", "Water")


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_a_file_without_tags(tmp_path, suffix):
    assert read_tags(write(tmp_path / f"a.{suffix}")) == Tags()


def test_tags_that_are_no_names(tmp_path):
    path = write(tmp_path / "a.flac", artist=" \t ", title="x" * 301, album="Two\n lines\x1b[31m")
    assert read_tags(path) == Tags(None, None, "Two lines [31m")


@pytest.mark.parametrize("content", [b"", b"no audio", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f", b"fLaC" + bytes(100)])
def test_a_file_that_is_no_recording(tmp_path, content):
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    assert read_tags(path) == Tags()


def test_no_file_at_all(tmp_path):
    assert read_tags(tmp_path / "nothing.mp3") == Tags()
    assert read_tags(tmp_path) == Tags()
