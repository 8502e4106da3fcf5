from __future__ import annotations

import json
import os

import numpy as np
import pytest
import soundfile

from melisma.core.errors import ManifestError
from melisma.data.checks import Limits
from melisma.data.manifest import Utterance
from melisma.data.validate import Tally, check
from melisma.scale.local import LocalExecutor

RATE = 16000


def voice(seconds: float, seed: int = 0):
    """Sound with the peaks of a voice: no two alike, none flat."""
    rng = np.random.default_rng(seed)
    at = np.arange(int(seconds * RATE)) / RATE
    sound = sum(np.sin(2 * np.pi * 130 * h * at + rng.uniform(0, 6)) / h for h in range(1, 20))
    sound *= 0.6 + 0.4 * np.sin(2 * np.pi * 2.3 * at)
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


@pytest.fixture
def corpus(tmp_path):
    """Write sounds and a manifest of them; lines are utterances or bytes."""

    def make(lines, **sounds):
        for name, samples in sounds.items():
            soundfile.write(tmp_path / f"{name}.wav", samples, RATE, subtype="PCM_16")
        path = tmp_path / "m.jsonl"
        written = [each if isinstance(each, bytes) else each.line().encode() for each in lines]
        path.write_bytes(b"\n".join(written) + b"\n")
        return path

    return make


def line(id: str = "a", audio: str = "a.wav", duration: float = 3.0, **fields):
    return Utterance(
        id=id, audio=audio, duration=duration, **{"transcript": "ein ganz kurzer Satz", "language": "de", **fields}
    )


def kinds(path, limits: Limits | None = None, jobs: int = 1):
    return [
        sorted({each.kind for each in found.problems})
        for found in check(path, limits or Limits(), executor=LocalExecutor(jobs))
    ]


def test_a_good_line_passes(corpus):
    path = corpus([line()], a=voice(3.0))
    [found] = check(path, Limits(), executor=LocalExecutor(1))
    assert found.problems == ()
    assert found.facts.seconds == pytest.approx(3.0)
    assert found.facts.peak_db == pytest.approx(-6, abs=0.1)


SOUNDS = {
    "short": voice(0.5),
    "silent": np.zeros(3 * RATE, np.float32),
    "faint": 0.0005 * voice(3.0),
    "clipped": np.clip(6 * voice(3.0), -1, 1),
    "clipped_then_quiet": 0.3 * np.clip(6 * voice(3.0), -1, 1),
}


@pytest.mark.parametrize(
    ("name", "duration", "expected"),
    [
        ("short", 0.5, ["short"]),
        ("silent", 3.0, ["silent"]),
        ("faint", 3.0, ["silent"]),
        ("clipped", 3.0, ["clipped"]),
        ("clipped_then_quiet", 3.0, ["clipped"]),
        ("gone", 3.0, ["missing"]),
    ],
)
def test_faults_of_the_sound(corpus, name, duration, expected):
    path = corpus([line(audio=f"{name}.wav", duration=duration, transcript="ein Satz")], **SOUNDS)
    assert kinds(path) == [expected]


def test_what_is_too_long_by_the_limit(corpus):
    path = corpus([line()], a=voice(3.0))
    assert kinds(path, Limits(max_s=2.5)) == [["long"]]


@pytest.mark.parametrize(
    ("start", "duration", "expected"),
    [
        (0.0, 3.0, []),
        (0.0, 3.05, []),
        (0.0, 3.5, ["duration"]),
        (0.0, 2.0, ["duration"]),
        (1.0, 2.0, []),
        (1.0, 1.5, []),
        (2.0, 2.0, ["span"]),
        (5.0, 2.0, ["span"]),
    ],
)
def test_lengths_are_held_against_the_file(corpus, start, duration, expected):
    assert kinds(corpus([line(start=start, duration=duration)], a=voice(3.0))) == [expected]


def test_parts_of_a_recording_are_judged_each_by_itself(corpus):
    sound = np.concatenate([voice(2.0), np.zeros(2 * RATE), np.clip(6 * voice(2.0), -1, 1)])
    lines = [line(id=str(i), start=2.0 * i, duration=2.0) for i in range(3)]
    assert kinds(corpus(lines, a=sound)) == [[], ["silent"], ["clipped"]]


def test_a_file_that_is_no_sound_or_breaks_off(corpus, tmp_path):
    path = corpus([line(), line("b", "b.wav"), line("c", "c.wav")], a=voice(3.0), b=voice(3.0))
    whole = (tmp_path / "b.wav").read_bytes()
    (tmp_path / "b.wav").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.wav").write_bytes(bytes(1000))
    assert kinds(path) == [[], ["duration", "unreadable"], ["unreadable"]]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"transcript": " "}, ["transcript"]),
        ({"transcript": "… — !"}, ["transcript"]),
        ({"transcript": "12 34"}, []),
        ({"transcript": "это не по-немецки"}, ["script"]),
        ({"transcript": "это по-русски", "language": "ru"}, []),
        ({"transcript": "Dobar dan, кako ste", "language": "sr"}, []),
        ({"transcript": "Добар дан", "language": "hr"}, ["script"]),
        ({"transcript": "anything at all", "language": "und"}, []),
        ({"transcript": "Ã„rger mit der KÃ¼che"}, ["encoding"]),
        ({"transcript": "Ärger mit der Küche"}, []),
        ({"transcript": "na\ufffdin"}, ["encoding"]),
        ({"transcript": "so viele Worte spricht kein Mensch " * 5}, ["rate"]),
        ({"transcript": "你好", "language": "zh-CN"}, []),
        ({"transcript": "你好" * 30, "language": "zh-CN"}, ["rate"]),
        ({"words": [{"text": "a", "start": 0.1, "end": 0.4}, {"text": "b", "start": 0.5, "end": 2.9}]}, []),
        ({"words": [{"text": "a", "start": 0.6, "end": 0.9}, {"text": "b", "start": 0.5, "end": 2.9}]}, ["words"]),
        ({"words": [{"text": "a", "start": 0.6, "end": 4.0}]}, ["words"]),
    ],
)
def test_faults_of_the_text(corpus, fields, expected):
    assert kinds(corpus([line(**fields)], a=voice(3.0))) == [expected]


def test_lines_that_cannot_be_read_are_told_by_number_and_the_others_are_checked(corpus):
    lines = [line("a"), b"{", b'{"id": "x"}', '{"id": "\xff"}'.encode("latin-1"), line("b"), line("a")]
    found = list(check(corpus(lines, a=voice(3.0)), Limits(), executor=LocalExecutor(1)))
    assert [[each.kind for each in one.problems] for one in found] == [[], ["line"], ["line"], ["line"], [], ["id"]]
    assert found[2].problems[0].item == "line 3"
    assert "audio: Field required" in found[2].problems[0].message


def test_a_manifest_that_is_none_is_one_sentence(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read"):
        list(check(tmp_path / "none.jsonl", Limits(), executor=LocalExecutor(1)))


def test_any_number_of_processes_finds_the_same(corpus):
    lines = [line(id=str(i), audio=f"{'ab'[i % 2]}.wav", start=0.1 * i, duration=1.5) for i in range(8)]
    path = corpus(lines, a=voice(3.0), b=np.clip(6 * voice(3.0), -1, 1))
    assert list(check(path, Limits(), executor=LocalExecutor(1))) == list(
        check(path, Limits(), executor=LocalExecutor(2))
    )


def test_with_other_limits_nothing_is_decoded_again(corpus, tmp_path):
    path = corpus([line()], a=voice(3.0))
    journal = tmp_path / "journal"
    assert [each.problems for each in check(path, Limits(), executor=LocalExecutor(1), journal=journal)] == [()]
    told: list[float] = []
    about = (tmp_path / "a.wav").stat()
    (tmp_path / "a.wav").write_bytes(b"x" * about.st_size)  # what it would find if it looked
    os.utime(tmp_path / "a.wav", ns=(about.st_atime_ns, about.st_mtime_ns))
    again = list(
        check(
            path,
            Limits(max_s=2.0),
            executor=LocalExecutor(1),
            journal=journal,
            progress=lambda *share: told.append(share[1]),
        )
    )
    assert [[each.kind for each in one.problems] for one in again] == [["long"]]
    assert told == [1.0]


def test_the_tally_says_what_passes_and_of_what(corpus):
    lines = [line("a"), line("b", transcript=""), line("c", language="sr", transcript="Добар дан свима")]
    tally = Tally(allowed=["transcript"])
    passed = [tally.add(each) for each in check(corpus(lines, a=voice(3.0)), Limits(), executor=LocalExecutor(1))]
    assert passed == [True, True, True]
    assert tally.counts["share_transcribed"] == pytest.approx(2 / 3, abs=1e-4)
    assert tally.details["problems_by_kind"]["transcript"]["lines"] == 1
    assert tally.details["languages"]["de"]["transcribed_utterances"] == 1
    assert tally.details["seconds"]["median"] == 3.0
    json.dumps(tally.details)


def test_an_empty_manifest_has_no_lines(corpus):
    tally = Tally()
    for each in check(corpus([b""]), Limits(), executor=LocalExecutor(1)):
        tally.add(each)
    assert tally.counts["lines"] == 0
    json.dumps(tally.details)
