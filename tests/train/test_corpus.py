from __future__ import annotations

import json
import os
import re
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import InputError
from melisma.models import features
from melisma.text.phones import INVENTORY
from melisma.train import corpus as module
from melisma.train.corpus import Clip, NoiseRow, UtteranceRow, load_noise, load_speech, read_manifest, split_speakers

NONE: frozenset[str] = frozenset()
GOOD = {"id": "a", "audio": "a.wav", "transcript": "love", "duration": 1.0, "language": "en", "speaker_id": "s"}


def manifest(path, *lines: str):
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def rows_of(root) -> list[dict[str, object]]:
    return [json.loads(line) for line in (root / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


def rewrite(root, rows) -> None:
    (root / "manifest.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")


def test_a_manifest_gives_its_rows_and_forgives_blank_lines_and_more_keys(tmp_path):
    path = manifest(tmp_path / "m.jsonl", json.dumps(GOOD), "", json.dumps({**GOOD, "id": "b", "licence": "CC0"}), "")
    assert [row.id for row in read_manifest(path, UtteranceRow)] == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", r"m\.jsonl, line 2: Invalid JSON"),
        ("[]", r"m\.jsonl, line 2: Input should be an object"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "transcript"}), r"line 2: transcript: Field required"),
        (json.dumps({**GOOD, "duration": 0}), r"line 2: duration: Input should be greater than 0"),
        (json.dumps({**GOOD, "duration": "long"}), r"line 2: duration: Input should be a valid number"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, sentence):
    path = manifest(tmp_path / "m.jsonl", json.dumps(GOOD), line)
    with pytest.raises(InputError, match=sentence):
        read_manifest(path, UtteranceRow)


def test_a_missing_manifest_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the manifest .*none\.jsonl: No such file"):
        read_manifest(tmp_path / "none.jsonl", NoiseRow)


def test_a_manifest_in_another_encoding_is_one_sentence(tmp_path):
    (tmp_path / "m.jsonl").write_bytes('{"id": "é"}'.encode("latin-1"))
    with pytest.raises(InputError, match=r"the manifest .*m\.jsonl is not in UTF-8"):
        read_manifest(tmp_path / "m.jsonl", NoiseRow)


def test_clips_hold_log_mels_and_the_ids_of_their_phones(corpus, tmp_path):
    clips = load_speech(corpus, tmp_path / "cache", NONE, 1)
    assert [clip.id for clip in clips] == [f"clip-{n}" for n in range(10)]
    first = clips[0]
    assert (first.language, first.speaker) == ("en", "speaker-0")
    assert [INVENTORY[i - 1] for i in first.labels] == ["s", "i", "m", "i"]
    assert first.log_power.dtype == np.float16
    assert first.log_power.shape == (features.n_frames(800 + 4 * 2400), features.N_MELS)


def test_what_training_sees_is_what_the_engine_computes(corpus, tmp_path):
    soundfile.write(corpus / "0.wav", np.pad(soundfile.read(corpus / "0.wav")[0], 8000), 16000)  # true silence
    from melisma.audio import decode
    from melisma.train.augment import plain

    for clip in load_speech(corpus, tmp_path / "cache", NONE, 1):
        samples = decode.load(corpus / f"{clip.id.removeprefix('clip-')}.wav", downmix="mean").samples
        # Half precision keeps a hundredth of a natural logarithm, of a deviation of several.
        np.testing.assert_allclose(plain(clip).features, features.normalise(features.log_mel(samples)), atol=0.02)


def test_skipped_languages_are_not_even_decoded(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_log_power", lambda path: pytest.fail("decoded"))
    assert load_speech(corpus, tmp_path / "cache", frozenset({"en"}), 1) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"audio": "broken.wav"}, "left out clip-3: .*broken.wav"),
        ({"audio": "none.wav"}, "left out clip-3: .*none.wav"),
        ({"transcript": "♪"}, "left out clip-3: 0 phones in"),
        ({"transcript": "supercalifragilisticexpialidocious " * 4}, r"left out clip-3: \d+ phones in \d+ frames"),
    ],
)
def test_a_clip_that_cannot_be_used_is_left_out_and_the_log_says_why(corpus, tmp_path, warnings_of, change, reason):
    (corpus / "broken.wav").write_bytes(b"RIFF no audio at all")
    rows = rows_of(corpus)
    rows[3] |= change
    rewrite(corpus, rows)
    clips = load_speech(corpus, tmp_path / "cache", NONE, 1)
    assert [clip.id for clip in clips] == [f"clip-{n}" for n in range(10) if n != 3]
    assert len(warnings_of()) == 1
    assert re.match(reason, warnings_of()[0])


def test_the_reason_is_said_again_when_the_cache_is_used(corpus, tmp_path, warnings_of):
    (corpus / "3.wav").write_bytes(b"no audio")
    load_speech(corpus, tmp_path / "cache", NONE, 1)
    load_speech(corpus, tmp_path / "cache", NONE, 1)
    assert len(warnings_of()) == 2
    assert len(set(warnings_of())) == 1


def test_a_language_that_cannot_be_spoken_names_the_clip(corpus, tmp_path):
    rows = rows_of(corpus)
    rows[2]["language"] = "qqq"
    rewrite(corpus, rows)
    with pytest.raises(InputError, match="clip-2: no language is called 'qqq'"):
        load_speech(corpus, tmp_path / "cache", NONE, 1)


def test_a_corpus_without_clips_is_empty(tmp_path):
    manifest(tmp_path / "manifest.jsonl")
    assert load_speech(tmp_path, tmp_path / "cache", NONE, 1) == []
    assert load_noise(tmp_path, tmp_path / "cache", 1) == []


def test_the_cache_is_used_again_and_renewed_when_a_file_changes(corpus, tmp_path, monkeypatch):
    decoded: list[str] = []
    real = module._log_power
    monkeypatch.setattr(module, "_log_power", lambda path: decoded.append(path.name) or real(path))
    first = load_speech(corpus, tmp_path / "cache", NONE, 1)
    again = load_speech(corpus, tmp_path / "cache", NONE, 1)
    assert len(decoded) == 10
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.log_power, b.log_power)
    # The same length, other sound: only the time of change tells.
    data = bytearray((corpus / "0.wav").read_bytes())
    data[3000:9000] = bytes(6000)
    (corpus / "0.wav").write_bytes(data)
    os.utime(corpus / "0.wav", ns=(1, 1))
    changed = load_speech(corpus, tmp_path / "cache", NONE, 1)
    assert not np.array_equal(changed[0].log_power, first[0].log_power)
    np.testing.assert_array_equal(changed[1].log_power, first[1].log_power)


def test_a_damaged_cache_says_what_to_remove(corpus, tmp_path):
    load_speech(corpus, tmp_path / "cache", NONE, 1)
    (shard,) = (tmp_path / "cache").iterdir()
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"the cache .*\.npz is damaged: remove it"):
        load_speech(corpus, tmp_path / "cache", NONE, 1)


def test_several_processes_decode_what_one_does(corpus, tmp_path, monkeypatch):
    started: list[int] = []
    monkeypatch.setattr(module, "_FEW", 0)
    monkeypatch.setattr(module, "ProcessPoolExecutor", lambda n: started.append(n) or ProcessPoolExecutor(n))
    many = load_speech(corpus, tmp_path / "many", NONE, 2)
    one = load_speech(corpus, tmp_path / "one", NONE, 1)
    assert started == [2]
    for a, b in zip(many, one, strict=True):
        np.testing.assert_array_equal(a.log_power, b.log_power)


def test_noise_that_cannot_be_used_is_left_out_and_the_log_says_why(noise, tmp_path, warnings_of):
    (noise / "1.wav").write_bytes(b"")
    assert [(n.id, n.kind) for n in load_noise(noise, tmp_path / "cache", 1)] == [("noise-0", "music")]
    assert len(warnings_of()) == 1
    assert warnings_of()[0].startswith("left out noise-1: ")


EMPTY = np.zeros((0, features.N_MELS), np.float16)
CLIPS = st.lists(
    st.tuples(st.sampled_from(["en", "fr", "de"]), st.integers(0, 9)).map(
        lambda pair: Clip("", pair[0], f"{pair[0]}{pair[1]}", EMPTY, np.zeros(0, np.int64))
    ),
    max_size=60,
)


@given(CLIPS, st.floats(0, 0.5), st.integers(0, 5))
def test_no_speaker_is_in_both_parts_and_no_clip_is_lost(clips, share, seed):
    training, held = split_speakers(clips, share, seed)
    assert not {c.speaker for c in training} & {c.speaker for c in held}
    assert sorted(map(id, training + held)) == sorted(map(id, clips))
    for language in {c.language for c in clips}:
        n = sum(c.language == language for c in clips)
        assert sum(c.language == language for c in held) <= share * n
        assert n == 0 or any(c.language == language for c in training)


@given(CLIPS, st.integers(0, 5))
def test_the_split_is_the_same_each_time(clips, seed):
    once, again = split_speakers(clips, 0.3, seed), split_speakers(clips, 0.3, seed)
    assert list(map(id, once[1])) == list(map(id, again[1]))


def test_about_the_share_is_held_out_where_speakers_are_many():
    clips = [Clip("", "en", f"s{n}", EMPTY, np.zeros(0, np.int64)) for n in range(100)]
    assert len(split_speakers(clips, 0.2, 1)[1]) == 20


@pytest.mark.parametrize(
    "phones", ['[["a", NaN, 1]]', '[["a", 0, Infinity]]', '[["a", 0.5, 0.2]]', '[["a", 1, 2], ["b", 0, 1]]']
)
def test_phone_times_out_of_order_are_one_sentence(tmp_path, phones):
    row = '{"id": "x", "audio": "x.wav", "transcript": "a", "duration": 1, "language": "en", "speaker_id": "s"'
    (tmp_path / "manifest.jsonl").write_text(f'{row}, "phones": {phones}}}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"manifest\.jsonl, line 1: phones: .*does not follow on"):
        read_manifest(tmp_path / "manifest.jsonl", UtteranceRow)
