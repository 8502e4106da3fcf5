"""Manifests: every line right, or named with its number and field; what is unknown is kept."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from melisma.core.errors import ManifestError, OutputError
from melisma.data import manifest
from melisma.data.lines import writing
from melisma.data.manifest import MAX_LINE, Utterance, build, lines, parse, portable, read, rebased, write

LEAST = {"id": "a", "audio": "a.wav", "duration": 1.5}


def said(**fields) -> str:
    return json.dumps(LEAST | fields, ensure_ascii=False)


@pytest.fixture
def written(tmp_path):
    """Write bytes as a manifest."""

    def make(data: bytes | str):
        path = tmp_path / "m.jsonl"
        path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
        return path

    return make


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.text(min_size=1, max_size=50).filter(lambda t: "\0" not in t),
    st.text(),
    st.dictionaries(st.text(min_size=1).filter(lambda k: k not in Utterance.model_fields), plain, max_size=4),
)
def test_what_is_written_is_read(name, text, extras):
    # Pydantic keeps names that begin with an underscore and "model_…" among the extra fields like any other.
    utterance = build({"id": name, "audio": name, "duration": 0.1, "transcript": text, **extras}, "x")
    again = parse(utterance.line(), "x", 1)
    assert again == utterance
    assert "\n" not in utterance.line()


def test_unknown_fields_stay_as_they_are(written):
    path = written(said(snr_db=12.5, tags=["a", None], nested={"b": [1, {"c": False}]}) + "\n")
    (utterance,) = read(path)
    write(path, [utterance.changed(language="hr")])
    assert json.loads(path.read_text()) == LEAST | {
        "language": "hr",
        "snr_db": 12.5,
        "tags": ["a", None],
        "nested": {"b": [1, {"c": False}]},
    }


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "Invalid JSON: EOF while parsing an object at column 1"),
        ("[1]", "Input should be an object"),
        ('{"id": "a", "audio": "a.wav"}', "duration: Field required"),
        (said(duration=0), "duration: Input should be greater than 0"),
        (said(duration=float("nan")), "duration: Input should be a finite number"),
        (said(duration=1e300), "duration: Input should be less than or equal to"),
        (said(start=-1), "start: Input should be greater than or equal to 0"),
        (said(snr_db=float("nan")), "snr_db: is no finite number"),
        (said(deep=[{"x": float("inf")}]), "deep: is no finite number"),
        (said(id=""), "id: String should have at least 1 character"),
        (said(audio="a\0.wav"), "audio: String should match pattern"),
        (said(language=["hr"]), "language: Input should be a valid string"),
        (said(words=[{"text": "a", "start": 2, "end": 1}]), "the word 'a' ends at 1.0 s, before it starts"),
        (said(words=[{"text": "a", "start": 2}]), "words: 0: end: Field required"),
        ('{"id": "\\ud800", "audio": "a", "duration": 1}', "Invalid JSON: .*hex escape"),
        ('{"id": "a", "audio": "a", "duration": 1, "x": ' + "[" * 5000 + "]" * 5000 + "}", "recursion limit exceeded"),
        (b'{"id": "\xff", "audio": "a", "duration": 1}', "invalid unicode code point"),
    ],
)
def test_a_wrong_line_is_named(written, line, why):
    good = said().encode()
    data = line if isinstance(line, bytes) else line.encode()
    path = written(good + b"\n\n" + data + b"\n" + good + b"\n")
    with pytest.raises(ManifestError, match=rf"m\.jsonl, line 3: .*{why}") as caught:
        list(read(path))
    assert caught.value.line == 3
    assert "line 1 column" not in str(caught.value)


def test_a_number_of_too_many_digits_is_named(written):
    path = written('{"id": "a", "audio": "a", "duration": 1, "speaker_id": null, "x": ' + "9" * 5000 + "}\n")
    with pytest.raises(ManifestError, match=r"line 1: "):
        list(read(path))


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"\x1f\x8b\x08\x00", "is compressed"),
        ("{".encode("utf-16"), "is in UTF-16"),
        (b"PK\x03\x04", "is a ZIP archive"),
    ],
)
def test_what_is_no_manifest_is_told_by_its_first_bytes(written, head, why):
    with pytest.raises(ManifestError, match=why):
        list(read(written(head + b"\n")))


def test_byte_order_mark_carriage_returns_and_no_last_newline(written):
    data = b"\xef\xbb\xbf" + said(id="ä").encode() + b"\r\n \r\n" + said(id="b").encode()
    path = written(data)
    assert [each.id for each in read(path)] == ["ä", "b"]
    for line in lines(path):  # where a line is said to lie, it lies
        assert data[line.offset : line.offset + len(line.data)] == line.data
    assert [line.number for line in lines(path)] == [1, 3]


def test_a_line_without_end_takes_bounded_memory(written):
    path = written(said().encode() + b"\n" + b"x" * (MAX_LINE + 5))
    with pytest.raises(ManifestError, match="line 2: is longer than 16 MiB"):
        list(read(path))


def test_null_stands_for_nothing_and_numbers_for_their_digits(written):
    path = written(said(speaker_id=None, language=None, start=None, more=None) + "\n" + said(speaker_id=1089) + "\n")
    first, second = read(path)
    assert (first.speaker_id, first.language, first.start) == ("", "und", 0.0)
    assert first.model_extra == {"more": None}
    assert second.speaker_id == "1089"


def test_null_where_something_is_needed_is_a_fault(written):
    with pytest.raises(ManifestError, match="line 1: audio: Field required"):
        list(read(written(said(audio=None) + "\n")))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read: No such file"):
        list(read(tmp_path / "none.jsonl"))


def test_a_folder_and_a_recording_are_no_manifests(tmp_path):
    with pytest.raises(ManifestError, match=r"is a folder, and no manifest, a file of JSON lines$"):
        list(read(tmp_path))
    write(tmp_path / "manifest.jsonl", [Utterance(**LEAST)])
    with pytest.raises(ManifestError, match=r"is a folder, .* such as .*manifest\.jsonl$"):
        list(read(tmp_path))
    for head in (b"RIFF\x24\x00\x00\x00WAVE", b"ID3\x04\x00", b"fLaC\x00", b"OggS\x00", b"\xff\xfb\x90\x64"):
        (tmp_path / "x").write_bytes(head)
        with pytest.raises(ManifestError, match="is a recording, and no manifest"):
            list(read(tmp_path / "x"))


def test_half_a_character_is_refused_before_it_is_written(tmp_path):
    with pytest.raises(ManifestError, match=r"list\.txt, line 4: audio: "):
        build({"id": "a", "audio": os.fsdecode(b"\xff.wav"), "duration": 1}, "list.txt", 4)
    with pytest.raises(ManifestError, match="artist: holds half a character"):
        build({"id": "a", "audio": "a", "duration": 1, "artist": "\udcff"}, "list.txt")
    with pytest.raises(ValidationError, match="a set is no JSON"):
        Utterance(id="a", audio="a", duration=1, tags={"x"})


def test_a_manifest_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "m.jsonl"
    write(path, [Utterance(**LEAST)])
    before = path.read_bytes()

    def breaks_off():
        yield Utterance(id="new", audio="a", duration=1)
        raise RuntimeError("power is gone")

    with pytest.raises(RuntimeError):
        write(path, breaks_off())
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["m.jsonl"]


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "real.jsonl").write_text("")
    (tmp_path / "link.jsonl").symlink_to("real.jsonl")
    write(tmp_path / "link.jsonl", [Utterance(**LEAST)])
    assert (tmp_path / "link.jsonl").is_symlink()
    assert len(list(read(tmp_path / "real.jsonl"))) == 1


def test_what_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write(tmp_path / "file" / "m.jsonl", [])


def test_what_killed_runs_have_left_is_cleared_away(tmp_path):
    left, other = tmp_path / ".m[1].jsonl.0123abcd", tmp_path / ".m[1].jsonl.journal"
    for write_once in (lambda path: write(path, []), _write_a_line):
        left.write_text("half")
        other.write_text("kept")
        write_once(tmp_path / "m[1].jsonl")
        assert sorted(each.name for each in tmp_path.iterdir()) == [other.name, "m[1].jsonl"]


def test_what_another_run_is_writing_is_left_alone(tmp_path):
    path = tmp_path / "m.jsonl"

    def utterances():
        yield Utterance(**LEAST)
        write(path, [])  # another run, that is done first
        with writing(path) as line_to:
            line_to("{}")
        yield Utterance(**LEAST)

    assert write(path, utterances()) == 2
    assert len(list(read(path))) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["m.jsonl"]


def _write_a_line(path):
    with writing(path) as line_to:
        line_to("{}")


def test_audio_is_found_from_another_folder(tmp_path):
    source, target = tmp_path / "corpus" / "m.jsonl", tmp_path / "manifests" / "splits" / "train.jsonl"
    utterance = Utterance(id="a", audio="clips/a.wav", duration=1, note="kept")
    moved = rebased(utterance, source, target)
    assert moved.audio == "../../corpus/clips/a.wav"
    assert moved.model_extra == {"note": "kept"}
    assert (target.parent / moved.audio).resolve() == (source.parent / utterance.audio).resolve()
    assert rebased(utterance, source, source.with_name("other.jsonl")) is utterance
    absolute = utterance.changed(audio="/music/a.wav")
    assert rebased(absolute, source, target) is absolute


def test_audio_is_found_through_a_linked_folder(tmp_path):
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "near").symlink_to(tmp_path / "far" / "away")
    (tmp_path / "far" / "away" / "a.wav").write_text("here")
    (tmp_path / "out").mkdir()
    moved = rebased(Utterance(**LEAST), tmp_path / "near" / "m.jsonl", tmp_path / "out" / "m.jsonl")
    assert (tmp_path / "out" / moved.audio).read_text() == "here"


def test_a_recording_is_named_relative_where_that_can_be_moved(tmp_path):
    assert portable(tmp_path / "clips" / "a.wav", tmp_path / "manifests") == "../clips/a.wav"
    assert portable(tmp_path / "a.wav", tmp_path) == "a.wav"


def test_the_path_between_manifests_is_what_rebasing_uses(tmp_path):
    assert manifest.way_between(tmp_path, tmp_path / "b") == ".."
