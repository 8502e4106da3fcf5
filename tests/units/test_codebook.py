"""Codebooks: nearest centres, the same whatever stands beside a frame, and files that nobody need trust."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.core.errors import InputError
from melisma.units import codebook_file
from melisma.units.codebook import Codebook
from melisma.units.encoder import EncoderFacts


def facts(n_dims: int) -> EncoderFacts:
    return EncoderFacts("mfcc", "mfcc", None, n_dims, "f" * 64)


def a_codebook(k: int = 5, n_dims: int = 3, seed: int = 0) -> Codebook:
    centres = np.random.default_rng(seed).normal(size=(k, n_dims)).astype(np.float32)
    return Codebook(centres, facts(n_dims), {"seed": seed})


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 40), st.integers(0, 50))
def test_the_nearest_centre_is_that_of_exact_arithmetic(seed, k, n_dims, n_frames):
    rng = np.random.default_rng(seed)
    book = Codebook(rng.integers(-3, 4, (k, n_dims)).astype(np.float32), facts(n_dims))  # ties are many
    frames = rng.integers(-3, 4, (n_frames, n_dims)).astype(np.float32)
    apart = ((frames[:, None].astype(np.int64) - book.centres[None].astype(np.int64)) ** 2).sum(axis=2)
    assert book.predict(frames).tolist() == apart.argmin(axis=1).tolist()  # of equally near ones the first


def test_a_frame_has_its_unit_whatever_stands_beside_it():
    book = a_codebook(100, 64)
    rng = np.random.default_rng(1)
    pairs = rng.integers(0, 100, (6000, 2))
    # Half-way between two centres, as nearly as float32 can say it: rounding alone decides.
    frames = ((book.centres[pairs[:, 0]] + book.centres[pairs[:, 1]]) / 2).astype(np.float32)
    whole = book.predict(frames)
    pieces = np.concatenate([book.predict(frames[i : i + n]) for i, n in _cuts(len(frames))])
    assert pieces.tolist() == whole.tolist()
    assert book.predict(np.asfortranarray(frames)).tolist() == whole.tolist()


def _cuts(n: int):
    rng, at = np.random.default_rng(2), 0
    while at < n:
        step = int(rng.integers(1, 40))
        yield at, step
        at += step


def test_large_values_do_not_overflow():
    book = Codebook(np.array([[1e30, 0], [0, 1e30]], np.float32), facts(2))
    assert book.predict(np.array([[2e30, 1e29], [0, 3e38]], np.float32)).tolist() == [0, 1]


def test_no_frames_have_no_units():
    found = a_codebook().predict(np.zeros((0, 3), np.float32))
    assert found.shape == (0,)
    assert found.dtype == np.int64


@pytest.mark.parametrize("features", [np.zeros((4, 2), np.float32), np.zeros(3, np.float32)])
def test_features_of_other_dimensions_are_refused(features):
    with pytest.raises(InputError, match="fit no centres of 3 dimensions"):
        a_codebook().predict(features)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused(wrong):
    with pytest.raises(InputError, match="not finite"):
        a_codebook().predict(np.full((2, 3), wrong, np.float32))


@pytest.mark.parametrize(
    ("centres", "why"),
    [
        (np.zeros((0, 3), np.float32), "has 1 to"),
        (np.zeros(3, np.float32), "has 1 to"),
        (np.full((2, 3), np.nan, np.float32), "not finite"),
        (np.zeros((2, 4), np.float32), "4 dimensions, the features of mfcc 3"),
    ],
)
def test_centres_that_are_none_are_refused(centres, why):
    with pytest.raises(InputError, match=why):
        Codebook(centres, facts(3))


def test_files_give_back_what_was_written(tmp_path):
    book = a_codebook()
    codebook_file.write(book, tmp_path)
    for place in (tmp_path, tmp_path / "codebook.npz"):
        again = codebook_file.read(place)
        assert again.centres.tobytes() == book.centres.tobytes()
        assert (again.encoder, again.facts, again.sha256) == (book.encoder, book.facts, book.sha256)


def test_the_same_centres_are_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        codebook_file.write(a_codebook(), tmp_path / name)
    for file in ("codebook.npz", "codebook.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_numpy_reads_the_centres_without_pickle(tmp_path):
    codebook_file.write(a_codebook(), tmp_path)
    with np.load(tmp_path / "codebook.npz", allow_pickle=False) as found:
        assert found["centres"].tobytes() == a_codebook().centres.tobytes()


def _npy(array: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.lib.format.write_array(data, array)
    return data.getvalue()


class _Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('a pickle was opened')",))


def _header(shape: str, descr: str = "'<f4'") -> bytes:
    said = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(said).to_bytes(2, "little") + said


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (_header("(60000, 16000)"), "larger than any is"),
        (_header("(1000000000000, 3)"), "larger than any is"),
        (_header("(5, 3)"), "damaged"),
        (_header("(5, 3)", "'|O'"), "these are object"),
        (_npy(np.zeros((5, 3), np.float64)), "these are float64"),
        (_npy(np.zeros((5, 3), np.float32)) + b"more", "damaged"),
        (_npy(np.asfortranarray(np.ones((5, 3), np.float32))), "float32 in rows"),
        (pickle.dumps(_Evil()), "damaged"),
        (b"", "damaged"),
    ],
)
def test_centres_of_a_stranger_are_refused(tmp_path, member, why):
    codebook_file.write(a_codebook(), tmp_path)
    with zipfile.ZipFile(tmp_path / "codebook.npz", "w") as archive:
        archive.writestr("centres.npy", member)
    with pytest.raises(InputError, match=why):
        codebook_file.read(tmp_path)


def test_a_damaged_archive_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    codebook_file.write(a_codebook(50, 20), tmp_path)
    path = tmp_path / "codebook.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("centres.npy", _npy(a_codebook(50, 20).centres))
    whole = path.read_bytes()
    codebook_file.read(tmp_path)
    for _ in range(60):
        torn = bytearray(whole)
        for at in rng.integers(0, len(torn), 8):
            torn[at] ^= int(rng.integers(1, 256))
        path.write_bytes(torn[: int(rng.integers(1, len(torn) + 1))])
        try:
            assert codebook_file.read(tmp_path).sha256 == a_codebook(50, 20).sha256
        except InputError as error:
            assert "codebook.npz" in str(error)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"sha256": "0" * 64}, "is about other centres"),
        ({"k": 6}, "is about other centres"),
        ({"k": "many"}, "k: "),
        ({"encoder": {"name": "mfcc"}}, "encoder.kind: "),
    ],
)
def test_facts_that_do_not_belong_to_the_centres_are_refused(tmp_path, change, why):
    codebook_file.write(a_codebook(), tmp_path)
    path = tmp_path / "codebook.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=why):
        codebook_file.read(tmp_path)


@pytest.mark.parametrize("gone", ["codebook.npz", "codebook.json"])
def test_half_a_codebook_is_refused(tmp_path, gone):
    codebook_file.write(a_codebook(), tmp_path)
    (tmp_path / gone).unlink()
    with pytest.raises(InputError, match=f"{gone} cannot be read: No such file"):
        codebook_file.read(tmp_path)
