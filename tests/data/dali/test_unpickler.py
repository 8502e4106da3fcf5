"""Pickles of DALI are read, hostile ones end in a sentence: nothing runs, nothing is imported, memory stays bounded."""

from __future__ import annotations

import gzip
import os
import pickle
import pickletools
import struct
import sys
import tracemalloc
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dali_files
from melisma.core.errors import FormatError, InputError
from melisma.data.dali import unpickler


class Calls:
    """Pickles as a call of a function with arguments, as an attacker writes it."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


PLAIN = {"text": "žaba 🐸", "time": (1.25, 2.5), "list": [1, -70000, 2**40, -(2**70), None, True, False, 0.1], "": {}}


@pytest.mark.parametrize("protocol", range(6))
def test_a_song_is_read_as_pickle_reads_it(protocol):
    data = dali_files.pickled({"info": PLAIN, "annotations": [PLAIN, PLAIN]}, protocol)
    expected = {**PLAIN, "time": [1.25, 2.5]}
    assert unpickler.loads(data) == {"info": expected, "annotations": [expected, expected]}


@pytest.mark.parametrize("protocol", range(5))
def test_numpy_values_become_plain_ones(protocol):
    values = {
        "double": np.float64(0.1),
        "single": np.float32(0.1),
        "integer": np.int64(-7),
        "small": np.uint8(250),
        "yes": np.bool_(True),
        "text": np.str_("Žuta"),
        "big": np.dtype(">f8").type(2.5),
        "table": np.array([["DALI_ID", "URL"], ["ab", "x"]]),
        "mixed": np.array([["ab", True], [None, 2.5]], dtype=object),
        "numbers": np.arange(6, dtype=">i4").reshape(2, 3),
    }
    assert unpickler.loads(dali_files.pickled(values, protocol)) == {
        "double": 0.1,
        "single": float(np.float32(0.1)),
        "integer": -7,
        "small": 250,
        "yes": True,
        "text": "Žuta",
        "big": 2.5,
        "table": [["DALI_ID", "URL"], ["ab", "x"]],
        "mixed": [["ab", True], [None, 2.5]],
        "numbers": [[0, 1, 2], [3, 4, 5]],
    }


def test_python_2_wrote_texts_that_do_not_say_how_they_are_written():
    # {'artist': 'M\xc3\xb6tley' in UTF-8, 'title': 'caf\xe9' in Latin-1}, as protocol 2 of Python 2 writes str
    data = b"\x80\x02}q\x00(U\x06artistq\x01U\x07M\xc3\xb6tleyq\x02U\x05titleq\x03U\x04caf\xe9q\x04u."
    assert unpickler.loads(data) == {"artist": "Mötley", "title": "café"}


def test_python_2_wrote_its_objects_in_three_ways():
    state = b"(dp1\nS'info'\np2\nI1\nsb."
    reconstructed = b"ccopy_reg\n_reconstructor\n(cDALI.Annotations\nAnnotations\nc__builtin__\nobject\nNtR" + state
    old_style = b"(iDALI.Annotations\nAnnotations\n" + state
    new = b"\x80\x02cDALI.Annotations\nAnnotations\n)\x81}U\x04infoK\x01sb."
    assert unpickler.loads(reconstructed) == unpickler.loads(old_style) == unpickler.loads(new) == {"info": 1}


def test_python_2_split_a_character_in_halves():
    assert unpickler.loads(b"V\\ud83d\\udc38\n.") == "🐸"
    with pytest.raises(FormatError, match="damaged"):
        unpickler.loads(b"V\\ud83d\n.")


def hostile(marker: Path) -> dict[str, bytes]:
    """Pickles that do harm, or cost too much, by what they do."""
    shell = Calls(os.system, f"touch {marker}")
    code = f"open({str(marker)!r}, 'w')"
    doubling = b"]" + b"".join(b"q%c]h%ch%c\x86a" % (i, i, i) for i in range(60))
    nothing = b"]q\x00" + b"".join(b"(h%ch%clq%c" % (i, i, i + 1) for i in range(60))
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85K\x00\x87R(K\x01J%sK\x01\x86"
    scalar = b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02"
    wide = b"]q\x00" + b"".join(b"0](" + b"h%c" % i * 100 + b"eq%c" % (i + 1) for i in range(6))
    text = b"X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20)
    return {
        "os.system": pickle.dumps(shell),
        "os.system in a song": dali_files.pickled({"info": {"id": shell}}),
        "eval": pickle.dumps(Calls(eval, code)),
        "exec, protocol 0": pickle.dumps(Calls(exec, code), 0),
        "import": pickle.dumps(Calls(__import__, "antigravity")),
        "getattr chain": pickle.dumps(Calls(getattr, Calls(__import__, "os"), "system")),
        "dunder through an allowed module": b"cnumpy\ndtype.__class__\n.",
        "dotted name": pickle.dumps(Calls(eval, "1"), 4).replace(b"builtins", b"numpy.co"),
        "numpy.load": b"cnumpy\nload\n(X\x04\x00\x00\x00/etctR.",
        "numpy.core.multiarray.fromfile": b"cnumpy.core.multiarray\nfromfile\n(X\x04\x00\x00\x00/etctR.",
        "codecs other than latin1": b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00zip\x86R.",
        "class with arguments": b"cDALI.Annotations\nAnnotations\n(K\x01tR.",
        "another class of DALI": b"cDALI.Annotations\nos\n.",
        "state for the class itself": b"cDALI.Annotations\nAnnotations\n}b.",
        "state for a list": b"]}b.",
        "a text that is the name of a callable": b"U\x06encode(U\x01aU\x06latin1tR.",
        "a callable as a value": b"}X\x01\x00\x00\x00acnumpy\ndtype\ns.",
        "setattr by slots": b"cDALI.Annotations\nAnnotations\n)\x81N}X\x01\x00\x00\x00aK\x01s\x86b.",
        "ordered dictionary": pickle.dumps(OrderedDict(a=1)),
        "set": pickle.dumps({1, 2}, 4),
        "persistent id": b"Pos.system\n.",
        "extension registry": b"\x82\x01.",
        "out-of-band buffer": b"\x97.",
        "deep lists": b"]" * 100_000 + b"a" * 99_999 + b".",
        "deep tuples": b")" + b"\x85" * 100_000 + b".",
        "list in itself": b"]q\x00h\x00a.",
        "one list a billion billion times": nothing + b"h\x3c.",
        "tuples of tuples": doubling + b"h\x3b.",
        "a hundred times a hundred times a hundred": wide + b".",
        "arrays of a million values": b"N"
        + (
            b"0"
            + text
            + b"q\x000"
            + array % struct.pack("<i", 1 << 20)
            + b"cnumpy\ndtype\nU\x02i1K\x00K\x01\x87R\x89h\x00tb"
        )
        * 2,
        "one text a million times": b"](" + text + b"q\x00" + b"h\x00" * 100_000 + b"e.",
        "one name a million times": b"](}" + text + b"Nsq\x00" + b"h\x00" * 100_000 + b"e.",
        "text encoded a thousand times": b"c_codecs\nencode\nq\x01"
        + text
        + b"q\x00X\x06\x00\x00\x00latin1\x86q\x020"
        + b"h\x01h\x02R0" * 1000
        + b"N.",
        "promised gigabytes": b"X\xff\xff\xff\xff.",
        "promised exabytes": b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        "memo far away": b"]r\xff\xff\xff\xff" + b"j\xff\xff\xff\xfe.",
        "number of a million digits": b"\x8b" + struct.pack("<I", 1 << 20) + b"\xff" * (1 << 20) + b".",
        "decimal of a million digits": b"L" + b"9" * (1 << 20) + b"L\n.",
        "line without end": b"S'" + b"a" * (1 << 20),
        "too many instructions": b"]" * 2_000_001 + b".",
        "array of another shape": array % struct.pack("<i", 1 << 30)
        + b"cnumpy\ndtype\nX\x02\x00\x00\x00f8K\x00K\x01\x87R\x89C\x08aaaaaaaatb.",
        "scalar of another size": scalar + b"f8K\x00K\x01\x87RC\x04aaaa\x86R.",
        "dtype of objects": scalar + b"O8K\x00K\x01\x87RC\x08aaaaaaaa\x86R.",
        "structured dtype": b"cnumpy\ndtype\nX\x03\x00\x00\x00V16K\x00K\x01\x87R.",
        "key that is a list": b"}]K\x01s.",
        "key that is a number": b"}K\x01K\x01s.",
        "value for a list": b"]K\x01K\x01s.",
        "infinite number": pickle.dumps({"a": float("inf")}),
        "no number": pickle.dumps({"a": float("nan")}),
        "stack that is empty": b"a.",
        "mark that is missing": b"K\x01t.",
        "pop of nothing": b"00.",
        "end that is missing": b"}",
        "nothing": b"",
        "mark as the result": b"(.",
        "unknown instruction": b"\xff.",
        "protocol of the future": b"\x80\x63N.",
    }


@pytest.fixture(scope="module")
def marker(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile") / "harm"


NAMES = sorted(hostile(Path("/nowhere")))


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_pickle_ends_in_a_sentence(name, marker):
    data = hostile(marker)[name]
    modules = set(sys.modules)
    with pytest.raises(FormatError, match=r"^DALI: \S.*[^\s]$"):
        unpickler.loads(data)
    assert not marker.exists()
    assert set(sys.modules) == modules


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name.startswith(("promised", "memo", "text", "arrays", "one"))]
)
def test_a_pickle_that_promises_much_takes_little(name, marker):
    data = hostile(marker)[name]
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            unpickler.loads(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 << 20


def test_the_hostile_pickles_would_do_harm(marker):
    """What does no harm to anybody tests nothing: pickle itself runs the first of them."""
    pickle.loads(hostile(marker)["os.system"])
    assert marker.exists()
    marker.unlink()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_sentence(data):
    with suppress(FormatError):
        unpickler.loads(data)


@given(st.data())
def test_a_damaged_song_is_a_value_or_a_sentence(data):
    whole = dali_files.pickled({"info": {"id": "a", "NCC": np.float64(0.5)}, "annotations": [1.5, ("a", None)]})
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + data.draw(st.integers(0, 3)) :]
    with suppress(FormatError):
        unpickler.loads(damaged)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**100), 2**100)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
        ),
        max_leaves=12,
    ),
    st.integers(0, 5),
)
def test_plain_values_come_back_as_they_were(value, protocol):
    assert unpickler.loads(pickle.dumps(value, protocol)) == value


def test_every_instruction_of_protocol_two_that_songs_need_is_known():
    data = dali_files.pickled({"info": PLAIN, "score": np.float64(0.5)})
    used = {code.name for code, _, _ in pickletools.genops(data)}
    assert {"NEWOBJ", "BUILD", "REDUCE", "GLOBAL"} <= used
    assert unpickler.loads(data)["score"] == 0.5


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\0" * (200 << 20), 9))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=r"bomb\.gz unpacks to more than"):
            unpickler.load(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 << 20


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda whole: whole[:-9], "no whole gzip file"),
        (lambda whole: whole[: len(whole) // 2], "no whole gzip file"),
        (lambda whole: whole[:-8] + b"\0" * 8, "no whole gzip file"),
        (lambda whole: gzip.decompress(whole), "no whole gzip file"),
        (lambda whole: whole + b"junk", "no whole gzip file"),
        (lambda whole: b"", "breaks off"),
    ],
)
def test_a_damaged_gzip_file_is_refused(tmp_path, change, said):
    path = tmp_path / "song.gz"
    path.write_bytes(change(gzip.compress(dali_files.pickled({"info": PLAIN}))))
    with pytest.raises(FormatError, match=said):
        unpickler.load(path)


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.gz")
    with pytest.raises(InputError, match=r"pipe.gz is no file"):
        unpickler.load(tmp_path / "pipe.gz")
    with pytest.raises(InputError, match=r"gone.gz cannot be read"):
        unpickler.load(tmp_path / "gone.gz")
    large = tmp_path / "large.gz"
    with large.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(FormatError, match=r"large\.gz has 1,099,511,627,776 bytes"):
        unpickler.load(large)
