"""Onsets of recordings of any length."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from melisma.audio import onset_list
from melisma.audio.onset_list import onset_times
from melisma.core.errors import AudioError


def tones(times_s, duration_s, rate=16000):
    """Notes that begin at known times, each of another pitch."""
    out = np.zeros(int(duration_s * rate), np.float32)
    for k, at in enumerate(times_s):
        t = np.arange(int(0.3 * rate)) / rate
        note = 0.4 * np.sin(2 * np.pi * (300 + 90 * (k % 7)) * t) * np.exp(-6 * t)
        first = int(at * rate)
        out[first : first + len(note)] += note[: len(out) - first]
    return out


TIMES = [0.5, 1.1, 1.9, 2.6, 3.7, 4.5, 5.2, 6.3, 7.0, 8.25, 9.1]


@pytest.mark.parametrize("rate", [16000, 44100])
def test_every_note_is_found(tmp_path, rate):
    soundfile.write(tmp_path / "song.wav", tones(TIMES, 10, rate), rate)
    found = onset_times(tmp_path / "song.wav")
    assert (np.diff(found) > 0).all()
    for at in TIMES:
        assert np.abs(found - 1000 * at).min() <= 20


def test_parts_leave_no_border(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "song.wav", tones(TIMES, 10), 16000)
    whole = onset_times(tmp_path / "song.wav")
    monkeypatch.setattr(onset_list, "_PART_S", 3)
    cut = onset_times(tmp_path / "song.wav")
    assert (np.diff(cut) > 0).all()
    for at in TIMES:
        assert np.abs(cut - 1000 * at).min() <= 20
    assert abs(len(cut) - len(whole)) <= 2  # thresholds go by each part's own loudness


def test_every_sample_belongs_to_one_part(monkeypatch):
    monkeypatch.setattr(onset_list, "_PART_S", 1)
    n = 16000 * 7 + 123
    samples = np.arange(n, dtype=np.float32)
    owned = [
        part[low:high] for _, part, (low, high) in onset_list._parts(np.split(samples, [5, 999, 40000, 41000, 100000]))
    ]
    np.testing.assert_array_equal(np.concatenate(owned), samples)


def test_parts_know_where_they_begin(monkeypatch):
    monkeypatch.setattr(onset_list, "_PART_S", 1)
    samples = np.arange(16000 * 7 + 123, dtype=np.float32)
    firsts = [(first, part[0]) for first, part, _ in onset_list._parts([samples])]
    assert len(firsts) > 2
    assert all(first == value for first, value in firsts)


def test_no_recording_is_refused(tmp_path):
    with pytest.raises(AudioError):
        onset_times(tmp_path / "nowhere.wav")
