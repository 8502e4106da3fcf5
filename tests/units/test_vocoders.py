"""Vocoders: what they are told, how blocks join, and files that strangers may have written."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from melisma.core.errors import InputError, ModelError
from melisma.units.encoder import EncoderFacts
from melisma.units.vocoders import NetVocoder, find, find_checkpoint, folder_of, open_vocoder
from melisma.units.voice import Spoken, VocoderFacts

CONTEXT = 3


def facts(speakers=(), *, with_f0=False):
    encoder = EncoderFacts("mfcc", "mfcc", None, 39, "f" * 64)
    return VocoderFacts("vocos", 10, speakers, with_f0, encoder, "c" * 64)


def hears_around(units, speaker, f0_hz):
    """Say of every frame the weighted sum of what is around it, as far as the context reaches."""
    weights = np.arange(1, 2 * CONTEXT + 2) / 100
    mixed = np.convolve(np.pad(units + f0_hz / 1000 + speaker, CONTEXT), weights, "valid") / 10
    return np.repeat(mixed, 320).astype(np.float32)


def vocoder(net=hears_around, context=CONTEXT, **kind):
    return NetVocoder(facts(**kind), net, context)


@pytest.mark.parametrize("n", [0, 1, 499, 500, 501, 1999])
def test_blocks_join_without_seams(n):
    units = np.random.default_rng(n).integers(10, size=n)
    f0 = np.linspace(100, 200, n).astype(np.float32)
    made = vocoder(with_f0=True).synthesize(Spoken(units, f0_hz=f0))
    assert made.sample_rate == 16000
    np.testing.assert_array_equal(made.samples, np.clip(hears_around(units, 0, f0), -1, 1) if n else [])


def test_memory_is_bounded_by_a_block():
    longest = 0

    def watched(units, speaker, f0_hz):
        nonlocal longest
        longest = max(longest, len(units))
        return hears_around(units, speaker, f0_hz)

    first = next(iter(vocoder(watched).blocks(Spoken([1] * 1_000_000))))
    assert len(first) == 500 * 320
    assert longest <= 500 + 2 * CONTEXT


def test_sound_beyond_full_scale_is_cut():
    loud = vocoder(lambda units, speaker, f0: np.full(320 * len(units), -7, np.float32))
    assert set(loud.synthesize(Spoken([1, 2])).samples.tolist()) == {-1.0}


@pytest.mark.parametrize(
    "net",
    [
        lambda units, speaker, f0: np.full(320 * len(units), np.nan, np.float32),
        lambda units, speaker, f0: np.zeros(319 * len(units), np.float32),
    ],
)
def test_what_is_no_sound_is_an_error(net):
    with pytest.raises(ModelError, match="no sound between frames 0 and 2"):
        vocoder(net).synthesize(Spoken([1, 2]))


@pytest.mark.parametrize(
    ("spoken", "said"),
    [
        (Spoken([1, 10]), "no unit 10: the vocoder knows 0 to 9"),
        (Spoken([1, -1]), "no unit -1"),
        (Spoken([10**30]), "whole numbers"),
        (Spoken([1], "ana"), "does not know the speaker 'ana': it was trained without"),
        (Spoken([1], None, np.ones(1, np.float32)), "trained without pitch"),
    ],
)
def test_what_it_does_not_know_is_refused(spoken, said):
    with pytest.raises(InputError, match=said):
        vocoder().synthesize(spoken)


@pytest.mark.parametrize(
    ("spoken", "said"),
    [
        (Spoken([1], "eve"), "it knows ana, bo"),
        (Spoken([1], None, np.ones(2, np.float32)), "does not go with 1 frames"),
        (Spoken([1], None, np.array([np.nan], np.float32)), "pitch is from 0 to 8000 Hz"),
        (Spoken([1], None, np.array([-5.0], np.float32)), "pitch is from 0 to 8000 Hz"),
    ],
)
def test_what_a_vocoder_with_speakers_and_pitch_refuses(spoken, said):
    with pytest.raises(InputError, match=said):
        vocoder(speakers=("ana", "bo"), with_f0=True).synthesize(spoken)


def test_speakers_and_pitch_that_are_not_told_are_nobody_and_unknown():
    told = []

    def watched(units, speaker, f0_hz):
        told.append((speaker, f0_hz.tolist()))
        return np.zeros(320 * len(units), np.float32)

    made = vocoder(watched, speakers=("ana", "bo"), with_f0=True)
    made.synthesize(Spoken([1]))
    made.synthesize(Spoken([1], "bo", np.zeros(1, np.float32)))
    assert told == [(0, [-1.0]), (2, [0.0])]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    pytest.importorskip("torch")
    import speaking_vocoder
    from melisma.train.vocoder.export import export

    folder = tmp_path_factory.mktemp("corpus") / "vocoder"
    export(speaking_vocoder.save(folder, "vocos", ("ana",)), folder)
    return folder


def test_a_vocoder_is_found_in_its_corpus(exported):
    assert find(exported.parent).name == "vocoder.onnx"
    assert find(exported / "vocoder_final.pt").name == "vocoder_final.pt"
    assert folder_of(exported.parent) == folder_of(exported) == exported
    with pytest.raises(InputError, match="no vocoder"):
        find(exported.parent.parent / "elsewhere")


def test_of_a_training_that_goes_on_the_best_checkpoint_speaks(tmp_path):
    for name in ("vocoder_latest.pt", "vocoder_best.pt", "vocoder_final.pt", "vocoder.onnx"):
        (tmp_path / name).write_bytes(b"")
        assert find(tmp_path).name == name
    assert find_checkpoint(tmp_path).name == "vocoder_final.pt"


def test_an_export_speaks_without_torch(exported):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from melisma.units.vocoders import open_vocoder\n"
        "from melisma.units.voice import Spoken\n"
        f"print(len(open_vocoder(Path({str(exported)!r})).synthesize(Spoken([1, 2, 3], 'ana')).samples))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "960"


def damaged(exported, tmp_path, change):
    for name in ("vocoder.onnx", "vocoder.json"):
        (tmp_path / name).write_bytes((exported / name).read_bytes())
    card = json.loads((tmp_path / "vocoder.json").read_text(encoding="utf-8"))
    change(card)
    (tmp_path / "vocoder.json").write_text(json.dumps(card), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card.update(schema="melisma.codebook/1"), "schema"),
        (lambda card: card.update(sha256="0" * 64), "not the file that vocoder.json is about"),
        (lambda card: card.update(context=-1), "context"),
        (lambda card: card.update(context=10**12), "context"),
        (lambda card: card["facts"].update(k=0), "facts.k"),
        (lambda card: card["facts"].update(speakers=[]), "it is no such vocoder"),
        (lambda card: card["facts"].update(with_f0=True), "it is no such vocoder"),
        (lambda card: card.pop("facts"), "facts"),
    ],
)
def test_a_card_that_is_wrong_is_refused(exported, tmp_path, change, said):
    with pytest.raises(ModelError, match=said):
        open_vocoder(damaged(exported, tmp_path, change))


def test_more_units_than_the_network_has_are_one_sentence(exported, tmp_path):
    folder = damaged(exported, tmp_path, lambda card: card["facts"].update(k=5000))
    with pytest.raises(ModelError, match="cannot be run"):
        open_vocoder(folder).synthesize(Spoken([4999]))


def test_a_file_that_is_no_network_is_refused(exported, tmp_path):
    import hashlib

    damaged(exported, tmp_path, lambda card: card.update(sha256=hashlib.sha256(b"no network").hexdigest()))
    (tmp_path / "vocoder.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match="is no ONNX file"):
        open_vocoder(tmp_path)
    (tmp_path / "vocoder.json").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        open_vocoder(tmp_path)
