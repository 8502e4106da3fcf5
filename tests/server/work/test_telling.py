"""Warnings of alignments that leave the service: the recording by its name, and no folder."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from made_songs import aligned, upload

from melisma.server.recordings import Recording
from melisma.server.work.telling import without_paths

FOUND = Recording(
    "1" * 32, "a" * 64, Path("/srv/data/files/aa/aaaa.flac"), "", "audio/flac", "my song.flac", 2000, "", ""
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("/srv/data/files/aa/aaaa.flac: it breaks off after 2 s", "my song.flac: it breaks off after 2 s"),
        ("aaaa.flac holds nothing", "my song.flac holds nothing"),
        ("/home/some body/music/other.mp3: damaged", "other.mp3: damaged"),
        ("whisper failed: cannot read '/opt/models/whisper/model.bin'", "whisper failed: cannot read 'model.bin'"),
        (r"C:\Users\somebody\song.mp3: damaged", "song.mp3: damaged"),
        ("lines 3/4 and/or 5 are doubtful", "lines 3/4 and/or 5 are doubtful"),
        ("the language looks like 'fr', but that is a guess", "the language looks like 'fr', but that is a guess"),
    ],
)
def test_folders_are_not_told(said, told):
    made = replace(aligned(), warnings=(said, "another"))
    assert without_paths(made, FOUND).warnings == (told, "another")


def test_an_alignment_that_names_no_folder_is_the_same():
    made = replace(aligned(), warnings=("a guess",))
    assert without_paths(made, FOUND) is made


def test_what_is_wrong_with_a_recording_is_told_without_a_folder(client, sung, run, context):
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, sung.stereo, sung.sample_rate, format="WAV")
    whole = file.getvalue()
    song = upload(client, whole[: len(whole) * 9 // 10], "cut off.wav", lyrics=sung.lyrics)
    job = client.post("/v1/alignments", json={"song_id": song["id"]}).json()
    run(job)
    warnings = client.get(f"/v1/alignments/{job['alignment_id']}/info").json()["warnings"]
    assert any("breaks off" in warning for warning in warnings)
    assert not any(str(context.settings.data) in warning for warning in warnings)
