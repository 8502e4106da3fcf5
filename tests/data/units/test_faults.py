"""What is wrong with an utterance, and whether it may pass."""

from __future__ import annotations

import numpy as np
import pytest

from melisma.audio import ffmpeg, stream
from melisma.core.errors import EngineOutOfMemory, EngineUnavailable, InputError, NeedsFfmpeg
from melisma.data.units import faults


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (InputError("features are not finite"), False),
        (NeedsFfmpeg("needs ffmpeg"), True),
        (PermissionError("no"), True),
        (EngineOutOfMemory("too large"), True),
    ],
)
def test_what_a_file_says_stays_and_what_a_machine_lacks_may_pass(error, passes):
    assert faults.of_error(error).may_pass is passes


def test_no_sound_is_none_once_ffmpeg_says_so(tmp_path, monkeypatch):
    (tmp_path / "a.wav").write_bytes(b"this is no sound")
    for name, there in (("a.wav", None), ("a.wav", "/bin/false"), ("gone.wav", None)):
        monkeypatch.setattr(ffmpeg, "program", lambda there=there: there)
        with pytest.raises(InputError) as raised, stream.open_stream(tmp_path / name):
            pass
        assert faults.of_error(raised.value).may_pass is (name == "a.wav" and there is None)


def test_one_recording_that_cannot_be_encoded_costs_no_other():
    given = [np.full(3, i, np.float32) for i in range(4)]

    def encode(waveforms):
        if any(each[0] == 2 for each in waveforms):
            raise EngineOutOfMemory("too large")
        return [int(each[0]) for each in waveforms]

    found = faults.each(encode, given)
    assert [each if isinstance(each, int) else each.facts() for each in found] == [
        0,
        1,
        {"error": "too large", "again": True},
        3,
    ]


def test_what_nothing_can_encode_ends_it():
    def encode(waveforms):
        raise EngineUnavailable("not here")

    with pytest.raises(EngineUnavailable):
        faults.each(encode, [np.zeros(3, np.float32)] * 2)
