from __future__ import annotations

import dataclasses
import json
import re

import pytest

from melisma.core.errors import InputError
from melisma.train.certificate import CHECKED, Amount, Part, certify, read, verify

ROWS = [
    {"id": "a1", "speaker_id": "ann", "transcript": "See me", "language": "en", "duration": 1800.0},
    {"id": "a2", "speaker_id": "ann", "transcript": "no tea", "language": "en", "duration": 1800.0},
    {"id": "b1", "speaker_id": "bob", "transcript": "see  me", "language": "en", "duration": 900.0},
    {"id": "c1", "speaker_id": "eva", "transcript": "nein", "language": "de", "duration": 360.0},
]


def write(root, rows=ROWS, sounds=None):
    root.mkdir(parents=True, exist_ok=True)
    lines = []
    for row in rows:
        (root / f"{row['id']}.wav").write_bytes((sounds or {}).get(row["id"], f"sound of {row['id']}").encode())
        lines.append(json.dumps(row | {"audio": f"{row['id']}.wav"}) + "\n")
    (root / "manifest.jsonl").write_text("".join(lines), encoding="utf-8")
    return root / "manifest.jsonl"


def sides(manifest, held=("b1",)):
    ids = {row["id"] for row in ROWS}
    return [Part(manifest, ids - set(held))], [Part(manifest, set(held))]


def test_the_certificate_says_how_much_of_what_is_on_which_side(tmp_path):
    made = certify(*sides(write(tmp_path / "speech")), seed=7, share=0.25)
    assert made.training == {"de": Amount(1, 0.1, 1), "en": Amount(2, 1.0, 1)}
    assert made.held_out == {"en": Amount(1, 0.25, 1)}
    assert made.held_out_speakers == {"en": ("bob",)}
    assert made.shared_transcripts == 1
    assert (made.seed, made.share, made.checked) == (7, 0.25, CHECKED)
    assert list(made.manifests) == ["speech/manifest.jsonl"]


def test_what_is_written_is_read_back_and_holds(tmp_path):
    both = sides(write(tmp_path / "speech"))
    made = certify(*both, seed=7, share=0.25)
    made.write(tmp_path / "split.json")
    again = read(tmp_path / "split.json")
    assert again == made
    verify(again, *both)


@pytest.mark.parametrize(
    ("second", "sounds", "sentence"),
    [
        ({"id": "a1"}, {}, "the id is on both sides of the split: a1 (a1, a1)"),
        ({"speaker_id": "ann"}, {}, "the speaker is on both sides of the split: ann (a2, z)"),
        ({}, {"z": "sound of a2"}, "the same recording is on both sides of the split: a2 and z"),
    ],
    ids=["id", "speaker", "sound"],
)
def test_whatever_two_sides_share_is_named(tmp_path, second, sounds, sentence):
    one = write(tmp_path / "one")
    row = {"id": "z", "speaker_id": "zoe", "transcript": "boat", "language": "en", "duration": 1.0} | second
    two = write(tmp_path / "two", [row], sounds)
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        certify([Part(one, {"a1", "a2"})], [Part(two)], seed=1, share=0.1)


def test_an_empty_side_and_an_unknown_clip_are_refused(tmp_path):
    manifest = write(tmp_path / "speech")
    with pytest.raises(InputError, match="the held-out side of the split holds no clip"):
        certify([Part(manifest)], [], seed=1, share=0.1)
    with pytest.raises(InputError, match=r"manifest\.jsonl holds no clip nobody"):
        certify([Part(manifest)], [Part(manifest, {"nobody"})], seed=1, share=0.1)


def test_audio_that_is_not_there_is_named(tmp_path):
    both = sides(write(tmp_path / "speech"))
    (tmp_path / "speech" / "b1.wav").unlink()
    with pytest.raises(InputError, match=r"cannot read the audio of b1, .*b1\.wav: No such file"):
        certify(*both, seed=1, share=0.1)


def test_other_sides_than_the_certificate_s_are_refused(tmp_path):
    manifest = write(tmp_path / "speech")
    made = certify(*sides(manifest), seed=7, share=0.25)
    with pytest.raises(InputError, match=r"the speaker eva \(de\) is held out, unlike in the certificate"):
        verify(made, *sides(manifest, held=("c1",)))
    fewer = [Part(manifest, {"a1", "c1"})]
    with pytest.raises(InputError, match="the training clips in en are not as many as the certificate says"):
        verify(made, fewer, sides(manifest)[1])
    with pytest.raises(InputError, match="the certificate does not say what was checked"):
        verify(dataclasses.replace(made, shared_transcripts=0), *sides(manifest))
    changed = [row | {"duration": row["duration"] + 1} for row in ROWS]
    with pytest.raises(InputError, match=r"the manifest speech/manifest\.jsonl is not the one of the certificate"):
        verify(made, *sides(write(tmp_path / "speech", changed)))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"seed": 1}'])
def test_a_file_that_is_no_certificate_is_one_sentence(tmp_path, text):
    (tmp_path / "split.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"split\.json is no certificate of a split: "):
        read(tmp_path / "split.json")


def test_a_missing_certificate_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the certificate .*split\.json: No such file or directory"):
        read(tmp_path / "split.json")
