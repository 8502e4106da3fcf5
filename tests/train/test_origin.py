"""What a checkpoint says it was trained on, and who must not be held out after it."""

from __future__ import annotations

import dataclasses
import hashlib
import re

import pytest
import torch

from melisma.core.errors import InputError
from melisma.train.certificate import CHECKED, Certificate
from melisma.train.origin import NOTHING, UNKNOWN, Beginning, Origin, joined, mark, origin_of


def certificate_of(*speakers: str) -> Certificate:
    held = {"en": tuple(speakers)}
    return Certificate(1, 0.1, {}, {}, {}, held, "a" * 64, "b" * 64, 0, CHECKED)


@pytest.fixture
def manifest(tmp_path):
    (tmp_path / "manifest.jsonl").write_bytes(b"{}\n")
    return tmp_path / "manifest.jsonl"


@pytest.fixture
def checkpoint(tmp_path):
    """Write a checkpoint that says what it was trained on, or one that is older than that."""

    def write(origin: Origin | None):
        path = tmp_path / "run" / "checkpoint.pt"
        path.parent.mkdir()
        torch.save({"origin": origin.to_dict()} if origin else {}, path)
        return path

    return write


def test_what_was_trained_on_is_read_back(checkpoint, manifest):
    made = Beginning.of(manifest.with_name("no.pt"), None, {"speech": manifest}).then(
        certificate_of("z"), ["ann", "bo"]
    )
    assert made.manifests == {"speech": hashlib.sha256(b"{}\n").hexdigest()}
    assert made.certificate == hashlib.sha256(certificate_of("z").to_json()).hexdigest()
    assert made.speakers == {mark("ann"), mark("bo")}
    assert made.whole
    path = checkpoint(made)
    assert origin_of(torch.load(path, weights_only=True), path) == made


def test_a_checkpoint_names_nobody(checkpoint, manifest):
    origin = Beginning.of(manifest.with_name("no.pt"), None, {}).then(certificate_of("zoe"), ["annabel"])
    written = checkpoint(origin).read_bytes()
    assert b"annabel" not in written
    assert b"zoe" not in written


def test_speakers_add_up_from_training_to_training(checkpoint, manifest, tmp_path):
    path = checkpoint(Origin({}, None, frozenset({mark("ann")}), True))
    later = Beginning.of(tmp_path / "other.pt", path, {"speech": manifest}).then(None, ["bo"])
    assert later.speakers == {mark("ann"), mark("bo")}
    assert later.whole
    assert later.certificate is None


def test_a_mean_has_heard_whom_either_has_heard():
    one, other = (Origin({name: name}, name, frozenset({name}), True) for name in ("a", "b"))
    assert joined(one, other) == Origin({"a": "a"}, "a", frozenset({"a", "b"}), True)
    assert not joined(one, UNKNOWN).whole
    assert not joined(UNKNOWN, one).whole


@pytest.mark.parametrize("said", [None, 3, {}, {"manifests": 1}, {"speakers": ["a"], "whole": True}])
def test_a_checkpoint_that_says_nonsense_is_damaged(tmp_path, said):
    with pytest.raises(InputError, match=r"x\.pt is no checkpoint, or a damaged one$"):
        origin_of({"origin": said}, tmp_path / "x.pt")


def begun_with(checkpoint, manifests):
    beginning = Beginning.of(checkpoint.with_name("none.pt"), None, manifests)
    torch.save({"origin": beginning.then(None, []).to_dict()}, checkpoint)


def test_other_manifests_than_it_was_begun_with_are_refused(checkpoint, manifest, warnings_of):
    path = checkpoint(None)
    given = {"speech": manifest, "noise": manifest}
    begun_with(path, given)
    Beginning.of(path, None, given)
    advice = "train into another folder; train rows --init takes over its weights"
    for now, sentence in (
        ({"speech": manifest}, f"{path} was begun with a manifest noise, which is not given now: {advice}"),
        (given | {"held out": manifest}, f"{path} was begun without {manifest} (held out): {advice}"),
    ):
        with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
            Beginning.of(path, None, now)
    manifest.write_bytes(b"{} \n")
    sentence = f"the manifest {manifest} (noise) is not the one {path} was begun with: {advice}"
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        Beginning.of(path, None, given)
    assert warnings_of() == []


def test_weights_are_taken_over_whatever_the_manifests_were(checkpoint, manifest):
    path = checkpoint(None)
    begun_with(path, {"speech": manifest})
    manifest.write_bytes(b"")
    assert Beginning.of(path.with_name("mine.pt"), path, {"speech": manifest}).checkpoint == path


def test_an_older_checkpoint_is_gone_on_with_and_a_warning_says_what_is_not_known(checkpoint, manifest, warnings_of):
    path = checkpoint(None)
    beginning = Beginning.of(path, None, {"speech": manifest})
    assert warnings_of() == [f"{path} does not say which manifests it was trained on: see that they are the same"]
    after = beginning.then(None, ["ann"])
    assert after.manifests.keys() == {"speech"}
    assert not after.whole


def test_a_manifest_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"^cannot read the manifest .*no\.jsonl: No such file or directory$"):
        Beginning.of(tmp_path / "a.pt", None, {"speech": tmp_path / "no.jsonl"})


def beginning_at(path) -> Beginning:
    return Beginning.of(path.with_name("mine.pt"), path, {})


def test_a_speaker_who_was_heard_is_not_held_out(checkpoint, warnings_of):
    path = checkpoint(Origin({}, None, frozenset({mark("ann"), mark("bo")}), True))
    beginning = beginning_at(path)
    beginning.check_unheard(certificate_of("zoe"))
    beginning.check_unheard(None)
    sentence = f"the speaker bo is held out now, but {path} was trained on their recordings: hold out speakers"
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}"):
        beginning.check_unheard(certificate_of("zoe", "bo"))
    assert warnings_of() == []


def test_where_it_is_not_known_who_was_heard_a_warning_says_so(checkpoint, warnings_of):
    path = checkpoint(None)
    beginning_at(path).check_unheard(certificate_of("zoe"))
    said = f"{path} does not say all that it was trained on: speakers that are held out now may be among it"
    assert warnings_of() == [said]


def test_those_whom_a_split_beside_an_older_checkpoint_held_out_were_not_heard(checkpoint, warnings_of):
    path = checkpoint(None)
    certificate_of("zoe", "kim").write(path.with_name("split.json"))
    beginning_at(path).check_unheard(certificate_of("zoe"))
    assert warnings_of() == []
    beginning_at(path).check_unheard(certificate_of("zoe", "lou"))
    assert len(warnings_of()) == 1


def test_what_came_of_an_older_checkpoint_refuses_whom_it_is_known_to_have_heard(checkpoint):
    path = checkpoint(dataclasses.replace(UNKNOWN, speakers=frozenset({mark("ann")})))
    certificate_of("ann").write(path.with_name("split.json"))
    with pytest.raises(InputError, match="the speaker ann is held out now"):
        beginning_at(path).check_unheard(certificate_of("ann"))


def test_a_training_from_nothing_has_heard_nobody(tmp_path, warnings_of):
    beginning = Beginning.of(tmp_path / "none.pt", None, {})
    assert beginning.origin == NOTHING
    beginning.check_unheard(certificate_of("ann"))
    assert warnings_of() == []
