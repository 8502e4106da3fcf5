"""The index: any line at once, columns in step with the manifest, and never those of another one."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from operator import getitem
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import ManifestError, OutputError
from melisma.data import index_file, manifest
from melisma.data.index import Index
from melisma.data.index_file import key, said
from melisma.data.manifest import Utterance


def corpus(path: Path, n: int = 20, **fields) -> Path:
    speakers = ["ana", "", "boro"]
    manifest.write(
        path,
        (
            Utterance(
                id=f"ü{k}",
                audio=f"clips/{k}.wav",
                duration=1 + k / 8,
                transcript=f"Rečenica, broj {k}!",
                language="hr" if k % 2 else "sr",
                speaker_id=speakers[k % 3],
                **fields,
            )
            for k in range(n)
        ),
    )
    return path


@pytest.fixture
def path(tmp_path):
    return corpus(tmp_path / "m.jsonl")


def test_every_line_is_found_in_any_order(path):
    index, straight = Index.open(path), list(manifest.read(path))
    assert len(index) == 20
    for i in np.random.default_rng(1).permutation(20):
        assert index[int(i)] == straight[i]
    assert index[-1] == straight[-1]
    assert list(index) == straight
    with pytest.raises(IndexError):
        index[20]


@given(st.lists(st.sampled_from(["", "  ", "\r", "x"]), max_size=12), st.booleans())
def test_empty_lines_marks_and_returns_shift_nothing(tmp_path_factory, gaps, mark):
    path = tmp_path_factory.mktemp("m") / "m.jsonl"
    body = b"\xef\xbb\xbf" if mark else b""
    for k, gap in enumerate(gaps):
        body += (Utterance(id=f"é{k}", audio="a", duration=1).line() if gap == "x" else gap).encode() + b"\n"
    path.write_bytes(body)
    index = Index.open(path)
    assert [index[i].id for i in range(len(index))] == [each.id for each in manifest.read(path)]
    assert list(index.column("line")) == [line.number for line in manifest.lines(path)]


def test_columns_hold_what_the_lines_say(path):
    index, straight = Index.open(path), list(manifest.read(path))
    assert index.column("duration") == pytest.approx([each.duration for each in straight], abs=0)
    assert list(index.column("id")) == [key(each.id) for each in straight]
    assert list(index.column("n_characters")) == [len(each.transcript) for each in straight]
    assert list(index.column("said")) == [key(said(each.transcript)) for each in straight]
    for name in ("language", "speaker_id", "license", "source"):
        codes, names = index.category(name)
        assert [names[code] for code in codes] == [getattr(each, name) for each in straight]
    assert index.category("language").code("hr") == 1
    assert index.category("language").code("xx") == -1


def test_one_recording_has_one_key_however_it_is_written(tmp_path):
    names = ["clips/a.wav", "./clips//a.wav", "clips/b/../a.wav", str(tmp_path.resolve() / "clips" / "a.wav")]
    manifest.write(tmp_path / "m.jsonl", (Utterance(id=str(k), audio=name, duration=1) for k, name in enumerate(names)))
    assert len(set(Index.open(tmp_path / "m.jsonl").column("audio").tolist())) == 1


def test_what_is_not_said_has_no_key(tmp_path):
    lines = [
        Utterance(id="whole", audio="a", duration=1, sha256="00ff", recording_id="r"),
        Utterance(id="cut", audio="b", duration=1, clip_of="whole", transcript="…"),
    ]
    manifest.write(tmp_path / "m.jsonl", lines)
    index = Index.open(tmp_path / "m.jsonl")
    assert list(index.column("file")) == [key("00ff"), 0]
    assert list(index.column("recording")) == [key("r"), 0]
    assert list(index.column("clip_of")) == [0, index.column("id")[0]]
    assert list(index.column("said")) == [0, 0]


def test_it_is_made_once_and_used_again(path, monkeypatch):
    Index.open(path)

    def again(*_):
        raise AssertionError("made twice")

    monkeypatch.setattr(index_file, "make", again)
    assert Index.open(path)[3].id == "ü3"


def test_a_changed_manifest_is_indexed_anew(path):
    Index.open(path)
    corpus(path, 25)
    assert len(Index.open(path)) == 25


def test_a_change_that_keeps_size_and_time_is_noticed(path):
    before = Index.open(path)
    status = path.stat()
    path.write_bytes(path.read_bytes().replace(b"\xc3\xbc5", b"\xc3\xb65"))  # ü5 → ö5
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert Index.open(path)[5].id == "ö5"
    with pytest.raises(ManifestError, match="has changed since it was indexed"):
        before[5]


def test_a_manifest_that_became_shorter_is_noticed_while_it_is_read(path):
    index = Index.open(path)
    os.truncate(path, 300)
    with pytest.raises(ManifestError, match=r"has changed since it was indexed"):
        index[19]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-8],  # cut off
        lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],  # a bit turned
        lambda data: b"{}" + data[2:],
        lambda data: b"",
        lambda data: data.replace(b"melisma.index/1", b"melisma.index/0"),
    ],
)
def test_a_damaged_index_is_made_anew(path, spoil):
    Index.open(path)
    place = index_file.places(path)[0]
    place.write_bytes(spoil(place.read_bytes()))
    assert [each.id for each in map(Index.open(path).__getitem__, range(3))] == ["ü0", "ü1", "ü2"]


def test_where_the_folder_cannot_be_written_the_cache_has_it(path, tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_CACHE_DIR", str(tmp_path / "cache"))
    place, elsewhere = index_file.places(path)
    place.mkdir()  # nobody writes a file here, not even root
    assert len(Index.open(path)) == 20
    assert elsewhere.is_file()
    assert pickle.loads(pickle.dumps(Index.open(path)))[2].id == "ü2"


def test_where_nothing_can_be_written_it_says_so(path, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("MELISMA_CACHE_DIR", str(tmp_path / "cache"))
    index_file.places(path)[0].mkdir()
    with pytest.raises(OutputError, match="cannot keep the index"):
        Index.open(path)


def test_a_wrong_line_is_named_and_leaves_no_index(path):
    path.write_bytes(path.read_bytes() + b"{}\n")
    with pytest.raises(ManifestError, match="line 21: id: Field required"):
        Index.open(path)
    assert [each.name for each in path.parent.iterdir()] == ["m.jsonl"]


def test_an_empty_manifest(tmp_path):
    (tmp_path / "m.jsonl").write_text("\n")
    index = Index.open(tmp_path / "m.jsonl")
    assert len(index) == 0
    assert len(index.column("duration")) == 0
    assert index.category("language").names == ()
    assert index.find("a") is None


def test_spawned_workers_open_it_themselves(path):
    index = Index.open(path)
    index[0]  # an open file must not travel
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert [each.id for each in pool.map(getitem, [index, index], [7, 3])] == ["ü7", "ü3"]


def test_a_worker_refuses_an_index_made_anew_for_another_manifest(path):
    sent = pickle.dumps(Index.open(path))
    corpus(path, 30)
    Index.open(path)
    with pytest.raises(ManifestError, match="has changed since it was indexed"):
        pickle.loads(sent)


def test_ids_are_found_and_twins_named_with_their_lines(path):
    index = Index.open(path)
    assert index.find("ü13") == 13
    assert index.find("ü99") is None
    assert index.duplicate() is None
    index.refuse_duplicates()
    path.write_bytes(path.read_bytes() + json.dumps({"id": "ü4", "audio": "x", "duration": 1}).encode() + b"\n")
    with pytest.raises(ManifestError, match=r"line 21: the id 'ü4' is that of line 5 already"):
        Index.open(path).refuse_duplicates()


def test_two_that_index_at_once_do_not_meet(path):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(Index.open, [path] * 6))
    assert [len(each) for each in found] == [20] * 6
    assert sorted(each.name for each in path.parent.iterdir()) == [".m.jsonl.idx", "m.jsonl"]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("“Don’t  go”, he said…", "don't go he said"),
        ("ČETIRI", "četiri"),
        ("ﬁn", "fin"),
        ("hello\u00a0world", "hello world"),
    ],
)
def test_texts_that_say_the_same(a, b):
    assert said(a) == said(b)


def test_signs_that_make_another_word_stay():
    assert said("कि") != said("का")
    assert said("četiri") != said("cetiri")
