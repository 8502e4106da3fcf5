"""The certificate: what it says can be checked again, and one changed byte anywhere is found."""

from __future__ import annotations

import json

import pytest

from melisma.core.errors import InputError
from melisma.data import manifest, split_certificate
from melisma.data.manifest import Utterance
from melisma.data.split import Settings, split


@pytest.fixture
def made(tmp_path):
    """A split of 30 speakers: its folder and the paths of its parts."""
    rows = [
        Utterance(
            id=f"{k}",
            audio=f"clips/{k}.wav",
            duration=2 + k % 3,
            transcript=f"Rečenica koju kaže {k % 7}",
            language=("hr", "sr")[k % 2],
            speaker_id=f"s{k // 2}" if k < 50 else "",
            license="CC-BY-NC-4.0",
            source="made",
        )
        for k in range(60)
    ]
    manifest.write(tmp_path / "m.jsonl", rows)
    split(tmp_path / "m.jsonl", tmp_path, Settings(0.2, 0.2, near_duplicates=False))
    return {name: tmp_path / f"{name}.jsonl" for name in ("train", "valid", "test")}


@pytest.fixture
def certificate(made):
    return split_certificate.read(made["train"].with_name("split.json"))


def test_parts_as_they_were_written_pass(made, certificate):
    split_certificate.verify(certificate, **made)
    split_certificate.verify(certificate, train=made["train"], valid=made["valid"])
    assert certificate.checked.unknown_speakers == 10
    assert certificate.data["commercial"] is False
    assert certificate.data["licences"]["CC-BY-NC-4.0"]["clips"] == 60


def test_what_is_written_is_read(made, certificate):
    place = made["train"].with_name("split.json")
    assert certificate.to_json() == place.read_bytes()


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_a_changed_part_is_found(made, certificate, part):
    data = bytearray(made[part].read_bytes())
    data[data.index(b"ka") + 1] ^= 1
    made[part].write_bytes(bytes(data))
    with pytest.raises(InputError, match=rf"{part}\.jsonl is not the part '{part}' of the certificate"):
        split_certificate.verify(certificate, **made)


def test_swapped_parts_are_found(made, certificate):
    with pytest.raises(InputError, match=r"test\.jsonl is not the part 'valid'"):
        split_certificate.verify(certificate, train=made["train"], valid=made["test"])


def test_a_certificate_that_was_changed_is_found(made, certificate):
    place = made["train"].with_name("split.json")
    said = json.loads(place.read_bytes())
    said["parts"]["valid"]["speakers"] += 1
    place.write_text(json.dumps(said))
    with pytest.raises(InputError, match="wrong about how much there is in the part 'valid'"):
        split_certificate.verify(split_certificate.read(place), **made)


def test_amounts_of_a_language_that_were_changed_are_found(made):
    place = made["train"].with_name("split.json")
    said = json.loads(place.read_bytes())
    said["languages"]["hr"]["parts"]["train"]["hours"] += 1
    place.write_text(json.dumps(said))
    with pytest.raises(InputError, match="wrong about how much there is of 'hr' in the part 'train'"):
        split_certificate.verify(split_certificate.read(place), **made)


def test_a_forged_certificate_for_parts_that_share_a_speaker_is_found(made):
    """Whoever writes matching hashes into a certificate still cannot hide what the manifests say."""
    moved = next(manifest.read(made["train"]))
    manifest.write(made["valid"], [*manifest.read(made["valid"]), moved.changed(id="new", audio="new.wav")])
    place = made["train"].with_name("split.json")
    said = json.loads(place.read_bytes())
    said["parts"]["valid"]["sha256"] = split_certificate.sha256(made["valid"])
    place.write_text(json.dumps(said))
    with pytest.raises(InputError, match=f"train and valid share the speaker {moved.speaker_id!r}: .* and 'new'"):
        split_certificate.verify(split_certificate.read(place), **made)


BASE = {"id": "a", "audio": "a.wav", "duration": 2.0, "speaker_id": "ana", "transcript": "Dobar dan, dobri ljudi"}
OTHER = BASE | {"id": "b", "audio": "b.wav", "speaker_id": "boro"}


@pytest.mark.parametrize(
    ("ours", "theirs", "what"),
    [
        ({}, {"speaker_id": "ana"}, "the speaker 'ana'"),
        ({}, {"id": "a"}, "an id"),
        ({"recording_id": "r"}, {"recording_id": "r"}, "a recording by its id"),
        ({}, {"audio": "x/../a.wav"}, "a recording by its path"),
        ({"sha256": "00"}, {"sha256": "00"}, "a file by its SHA-256"),
        ({}, {"clip_of": "a"}, "an utterance and cuts of it"),
        ({}, {"copy_of": "a"}, "an utterance and cuts of it"),
        ({"clip_of": "c"}, {"clip_of": "c"}, "an utterance and cuts of it"),
        ({"speaker_id": ""}, {"speaker_id": ""}, "a text of unknown speakers"),
    ],
)
def test_what_two_manifests_share_is_named(tmp_path, ours, theirs, what):
    for name, fields in (("one", BASE | ours), ("two", OTHER | theirs)):
        manifest.write(tmp_path / f"{name}.jsonl", [Utterance(**fields)])
    with pytest.raises(InputError, match=f"one and two share {what}"):
        split_certificate.check_disjoint(one=tmp_path / "one.jsonl", two=tmp_path / "two.jsonl")


def test_what_differs_is_let_pass(tmp_path):
    for name, fields in (("one", BASE), ("two", OTHER)):
        manifest.write(tmp_path / f"{name}.jsonl", [Utterance(**fields)])
    split_certificate.check_disjoint(one=tmp_path / "one.jsonl", two=tmp_path / "two.jsonl")


def test_a_recording_is_the_same_from_two_folders(tmp_path):
    manifest.write(tmp_path / "one.jsonl", [Utterance(**BASE)])
    manifest.write(tmp_path / "far" / "two.jsonl", [Utterance(**OTHER).changed(audio="../a.wav")])
    with pytest.raises(InputError, match="share a recording by its path"):
        split_certificate.check_disjoint(one=tmp_path / "one.jsonl", two=tmp_path / "far" / "two.jsonl")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no certificate"),
        (b"[]", "no certificate"),
        (b'{"schema": "melisma.split/9"}', "no certificate"),
        (b"\xff", "no certificate"),
    ],
)
def test_what_is_no_certificate_is_refused(tmp_path, data, why):
    (tmp_path / "split.json").write_bytes(data)
    with pytest.raises(InputError, match=why):
        split_certificate.read(tmp_path / "split.json")


def test_a_missing_certificate_says_so(tmp_path):
    with pytest.raises(InputError, match="cannot read the certificate"):
        split_certificate.read(tmp_path / "split.json")


def test_a_certificate_whose_checks_are_not_ours_is_refused(made):
    place = made["train"].with_name("split.json")
    said = json.loads(place.read_bytes())
    said["checked"]["speakers"] = "shared"
    place.write_text(json.dumps(said))
    with pytest.raises(InputError, match="checked: speakers: Input should be 'disjoint'"):
        split_certificate.read(place)
