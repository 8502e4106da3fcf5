"""Keys: whatever may change a result changes the key, and nothing else does."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.records import LyricLine, Lyrics, Waveform
from melisma.store import keys
from melisma.store.keys import ResultKey, Track
from melisma.text.lyrics import from_text

TEXT = st.text(max_size=8)
NAMES = [f.name for f in fields(ResultKey) if f.name != "track"]


@st.composite
def result_keys(draw):
    return ResultKey(Track(draw(TEXT), draw(TEXT)), **{name: draw(TEXT) for name in NAMES})


@given(result_keys(), st.sampled_from(["audio_hash", "text_hash", *NAMES]), TEXT)
def test_any_single_difference_is_another_key(key, name, value):
    if name in ("audio_hash", "text_hash"):
        other = replace(key, track=replace(key.track, **{name: value}))
    else:
        other = replace(key, **{name: value})
    assert (other.digest == key.digest) == (other == key)


@given(result_keys(), result_keys())
def test_two_keys_share_a_digest_only_if_they_are_equal(one, other):
    assert (one.digest == other.digest) == (one == other)


def test_what_stands_in_two_fields_cannot_pass_for_another_split(key):
    """Fields are not simply run together."""
    one = replace(key, engine="ab", engine_version="c")
    other = replace(key, engine="a", engine_version="bc")
    assert one.digest != other.digest


def test_a_digest_is_the_same_in_every_process(key):
    assert key.digest == "74d79961a83f29a4d71ba3bd4f943d302140b18a23af2193fd55959791183782"


def test_what_was_given_has_a_digest_for_each_source_and_track(track, key):
    found = {keys.given_digest(track, source) for source in ("user_corrected", "imported")}
    found |= {keys.given_digest(Track("c" * 64, track.text_hash), "imported"), key.digest}
    assert len(found) == 4


@dataclass(frozen=True, slots=True)
class Turned:
    cost: float | None
    names: tuple[str, ...]


def test_equal_settings_are_spelt_alike_whatever_their_order():
    one = keys.flags({"a": Turned(0.5, ("x",)), "b": {"c": 1, "d": None}})
    other = keys.flags({"b": {"d": None, "c": 1}, "a": Turned(0.5, ("x",))})
    assert one == other == '{"a":{"cost":0.5,"names":["x"]},"b":{"c":1,"d":null}}'


@pytest.mark.parametrize(("one", "other"), [(0.5, 0.25), (None, 0.0), (True, "true"), (("a", "b"), ("ab",))])
def test_different_settings_are_spelt_differently(one, other):
    assert keys.flags({"a": one}) != keys.flags({"a": other})


def test_sets_have_no_order_and_infinities_a_spelling():
    assert keys.flags({"a": {"x", "y"}}) == keys.flags({"a": {"y", "x"}})
    assert keys.flags({"a": float("inf")}) == '{"a":"inf"}'


def test_what_has_no_spelling_is_refused():
    with pytest.raises(TypeError, match="a key cannot hold this: object"):
        keys.flags({"a": object()})


def lyrics(text: str) -> Lyrics:
    return from_text(text)


def test_the_same_words_in_the_same_lines_are_the_same_text():
    assert keys.text_hash(lyrics("[Verse 1]\nla mer\nqu'on voit\n")) == keys.text_hash(lyrics("la  mer\r\nqu'on voit"))


@pytest.mark.parametrize(
    "other",
    ["la mer\nqu'on voix", "la mer qu'on voit", "la mer\n\nqu'on voit", "La mer\nqu'on voit", "la mer\nqu’on voit"],
)
def test_other_spelling_lines_or_stanzas_are_another_text(other):
    assert keys.text_hash(lyrics("la mer\nqu'on voit")) != keys.text_hash(lyrics(other))


def test_times_are_no_text_but_hints():
    plain = Lyrics((LyricLine(("la", "mer")),))
    timed = Lyrics((LyricLine(("la", "mer"), 0, 1000, 2000, (1000, None)),))
    shifted = Lyrics((LyricLine(("la", "mer"), 0, 1001, 2000, (1000, None)),))
    assert keys.text_hash(plain) == keys.text_hash(timed) == keys.text_hash(shifted)
    assert keys.hints_hash(plain) == ""
    assert len({keys.hints_hash(timed), keys.hints_hash(shifted), ""}) == 3


def test_a_sound_is_its_samples_and_their_rate():
    samples = np.linspace(-1, 1, 1000, dtype=np.float32)
    one = keys.sound_hash(Waveform(samples, 16000))
    assert one == keys.sound_hash(Waveform(samples.copy(), 16000))
    strided = np.repeat(samples, 2)[::2]
    assert not strided.flags["C_CONTIGUOUS"]
    assert one == keys.sound_hash(Waveform(strided, 16000))
    nudged = samples.copy()
    nudged[500] = np.nextafter(nudged[500], 1, dtype=np.float32)
    others = {keys.sound_hash(Waveform(samples, 8000)), keys.sound_hash(Waveform(nudged, 16000)), one}
    assert len(others) == 3


def test_a_file_is_known_by_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    (tmp_path / "b").write_bytes(b"x" * 3_000_000)
    (tmp_path / "c").write_bytes(b"x" * 2_999_999 + b"y")
    marks = [keys.mark_file(tmp_path / name) for name in "abc"]
    assert marks[0].content == marks[1].content != marks[2].content


def test_a_file_that_is_written_to_meanwhile_is_not_the_one_that_was_hashed(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"before")
    mark = keys.mark_file(path)
    assert keys.unchanged(path, mark)
    path.write_bytes(b"after!")
    os.utime(path, ns=(1, 1))
    assert not keys.unchanged(path, mark)
    path.unlink()
    assert not keys.unchanged(path, mark)


def test_what_is_no_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    assert keys.mark_file(tmp_path / "pipe") is None
    assert keys.mark_file(tmp_path) is None
    assert keys.mark_file(tmp_path / "missing") is None
