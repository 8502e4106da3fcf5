"""Splits: nothing shared, shares met as well as groups allow, the same to the byte, and what is off told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import InputError, ManifestError
from melisma.data import dealing, manifest
from melisma.data.dealing import Corpus, deal
from melisma.data.index import Index
from melisma.data.index_file import key
from melisma.data.manifest import Utterance
from melisma.data.split import Settings, grouped, split
from melisma.scale.local import LocalExecutor

QUICK = Settings(0.1, 0.1, near_duplicates=False)


def corpus(path: Path, n_speakers: int = 60, languages=("hr", "sr", "bs"), **fields) -> Path:
    """Speakers of one language each, with 1 to 12 clips of 1 to 9 s."""
    rng = np.random.default_rng(5)
    clips = [(speaker, clip) for speaker in range(n_speakers) for clip in range(int(rng.integers(1, 13)))]
    made = [
        Utterance(
            id=f"{speaker}-{clip}",
            audio=f"clips/{speaker}-{clip}.wav",
            duration=round(float(rng.uniform(1, 9)), 3),
            transcript=f"Rečenica broj {clip} govornika {speaker}",
            language=languages[speaker % len(languages)],
            speaker_id=f"s{speaker}",
            license="CC0-1.0",
            source="made",
            **fields,
        )
        for speaker, clip in clips
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    manifest.write(path, made)
    return path


def add(path: Path, *utterances: Utterance) -> None:
    manifest.write(path, [*manifest.read(path), *utterances])


def parts(out: Path) -> dict[str, list[Utterance]]:
    return {name: list(manifest.read(out / f"{name}.jsonl")) for name in ("train", "valid", "test")}


def part_of(out: Path, id: str) -> str:
    return next(name for name, rows in parts(out).items() if id in {row.id for row in rows})


def test_every_utterance_is_in_one_part_and_no_speaker_in_two(tmp_path):
    path = corpus(tmp_path / "m.jsonl")
    made = split(path, tmp_path / "s", QUICK)
    found = parts(tmp_path / "s")
    assert sorted(row.id for rows in found.values() for row in rows) == sorted(row.id for row in manifest.read(path))
    speakers = [{row.speaker_id for row in rows} for rows in found.values()]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 60
    for language in made.languages.values():
        assert language.off < 0.01
        assert not language.why


@given(st.integers(0, 2**32), st.data())
def test_shares_are_as_near_as_any_that_could_be_found_by_moving_one_group(seed, data):
    sizes = np.array(data.draw(st.lists(st.integers(1, 500), min_size=3, max_size=40)), np.int64)
    n = len(sizes)
    made = Corpus(
        ("hr",),
        np.arange(n),
        np.array([key(str(k)) for k in range(n)], np.uint64),
        np.arange(n),
        np.zeros(n, np.int64),
        sizes,
        np.array([n]),
    )
    target = round(int(sizes.sum()) * 0.2)
    dealt = deal(made, {"valid": 0.2}, seed)
    have = int(sizes[dealt.part == 1].sum())
    assert have == int(dealt.have[1, 0])
    assert 0 < have < sizes.sum()
    small = sizes[sizes < 2 * target].sum()
    if small >= target and (dealt.part == 1).sum() < n // 2:
        for size in sizes[dealt.part == 0].tolist() if (dealt.part == 0).sum() > 1 else []:
            assert abs(have + size - target) >= abs(have - target) - 0.001 * sizes.sum()


def test_the_same_seed_gives_the_same_to_the_byte_in_another_folder_and_order(tmp_path):
    path = corpus(tmp_path / "a" / "m.jsonl")
    split(path, tmp_path / "a" / "s", QUICK)
    shutil.copytree(tmp_path / "a", tmp_path / "b", ignore=shutil.ignore_patterns("s", ".*"))
    split(tmp_path / "b" / "m.jsonl", tmp_path / "b" / "s", QUICK)
    for name in ("train.jsonl", "valid.jsonl", "test.jsonl", "split.json"):
        assert (tmp_path / "a" / "s" / name).read_bytes() == (tmp_path / "b" / "s" / name).read_bytes()
    rows = list(manifest.read(path))
    manifest.write(tmp_path / "c" / "m.jsonl", rows[::-1])
    split(tmp_path / "c" / "m.jsonl", tmp_path / "c" / "s", QUICK)
    before, after = parts(tmp_path / "a" / "s"), parts(tmp_path / "c" / "s")
    assert {n: {r.id for r in rows} for n, rows in before.items()} == {
        n: {r.id for r in rows} for n, rows in after.items()
    }


def test_another_seed_deals_otherwise(tmp_path):
    path = corpus(tmp_path / "m.jsonl")
    first = split(path, tmp_path / "s", QUICK)
    second = split(path, tmp_path / "t", Settings(0.1, 0.1, seed=2, near_duplicates=False))
    assert first.parts["test"].sha256 != second.parts["test"].sha256


@pytest.mark.parametrize(
    ("held_out", "other"),
    [
        ({"recording_id": "tape 7"}, {"recording_id": "tape 7"}),
        ({"audio": "clips/one.wav"}, {"audio": "./clips/../clips/one.wav"}),
        ({"sha256": "ab" * 32}, {"sha256": "ab" * 32}),
        ({}, {"clip_of": "x"}),
        ({}, {"copy_of": "x", "recording_id": "x.wav"}),
        (
            {"speaker_id": "", "transcript": "Dobar dan, svijete!"},
            {"speaker_id": "", "transcript": "dobar dan svijete"},
        ),
    ],
)
def test_what_is_shared_keeps_two_together_whatever_the_seed(tmp_path, held_out, other):
    path = corpus(tmp_path / "m.jsonl")
    x = {"id": "x", "audio": "clips/x.wav", "duration": 2, "language": "hr", "speaker_id": "x", "source": "made"}
    y = x | {"id": "y", "audio": "clips/y.wav", "speaker_id": "y"}
    add(path, Utterance(**(x | held_out)), Utterance(**(y | other)))
    apart = set()
    for seed in range(12):
        split(path, tmp_path / "s", Settings(0.3, 0.3, seed, near_duplicates=False))
        assert part_of(tmp_path / "s", "x") == part_of(tmp_path / "s", "y")
        apart.add(part_of(tmp_path / "s", "x"))
    assert len(apart) > 1  # they do move, together


def test_short_words_that_everybody_says_tie_nobody(tmp_path):
    path = tmp_path / "m.jsonl"
    manifest.write(path, (Utterance(id=str(k), audio=f"{k}.wav", duration=1, transcript="yes") for k in range(40)))
    made = split(path, tmp_path / "s", QUICK)
    assert made.languages["und"].groups == 40
    assert made.checked.unknown_speakers == 40


def test_groups_tie_over_several_steps(tmp_path):
    path = tmp_path / "m.jsonl"
    rows = [
        Utterance(id="a", audio="1.wav", duration=1, speaker_id="ana"),
        Utterance(id="b", audio="2.wav", duration=1, speaker_id="ana", recording_id="r"),
        Utterance(id="c", audio="3.wav", duration=1, speaker_id="boro", recording_id="r"),
        Utterance(id="d", audio="3.wav", duration=1, speaker_id="cica"),
        Utterance(id="e", audio="5.wav", duration=1, speaker_id="dado"),
    ]
    manifest.write(path, rows)
    assert grouped(Index.open(path)).labels().tolist() == [0, 0, 0, 0, 4]


def tone(path: Path, seed: int, gain: float = 1.0) -> None:
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.uniform(0.05, 1, 60), 800)
    samples = np.cumsum(rng.normal(0, 0.02, 48000)) % 1 - 0.5
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, (gain * level * samples).astype(np.float32), 16000)


def test_copies_stay_together_by_what_they_sound_like(tmp_path):
    path = tmp_path / "m.jsonl"
    rows = []
    for k in range(12):
        tone(tmp_path / f"{k}.wav", seed=k // 2 if k < 2 else k, gain=1 - k / 30)
        rows.append(Utterance(id=str(k), audio=f"{k}.wav", duration=3, speaker_id=f"s{k}"))
    manifest.write(path, rows)
    for seed in range(6):
        made = split(path, tmp_path / "s", Settings(0.2, 0.2, seed), executor=LocalExecutor(1))
        assert part_of(tmp_path / "s", "0") == part_of(tmp_path / "s", "1")
    assert made.checked.near_duplicates == "disjoint"
    assert made.checked.near_duplicate_pairs == 1


def test_a_recording_that_cannot_be_heard_is_no_certified_one(tmp_path):
    path = corpus(tmp_path / "m.jsonl", 5)
    with pytest.raises(InputError, match=r"cannot listen to '0-0'.*No such file.*--no-near-duplicates"):
        split(path, tmp_path / "s", Settings(), executor=LocalExecutor(1))
    assert not (tmp_path / "s" / "train.jsonl").exists()
    assert split(path, tmp_path / "s", QUICK).checked.near_duplicates == "not checked"


def test_a_language_with_one_speaker_is_told_and_stays_in_training(tmp_path):
    path = corpus(tmp_path / "m.jsonl")
    add(
        path,
        *(Utterance(id=f"k{k}", audio=f"k{k}.wav", duration=5, language="de", speaker_id="kerstin") for k in range(9)),
    )
    made = split(path, tmp_path / "s", QUICK)
    german = made.languages["de"]
    assert german.shares == {"train": 1, "valid": 0, "test": 0}
    assert german.why == "all of it belongs together (one speaker), so that it cannot be divided"
    assert list(german.parts) == ["train"]


def test_a_language_of_one_large_and_some_small_speakers_serves_both_parts_alike(tmp_path):
    path = tmp_path / "m.jsonl"
    rows = [Utterance(id=f"big{k}", audio=f"b{k}.wav", duration=9, speaker_id="big") for k in range(100)]
    rows += [Utterance(id=f"s{k}", audio=f"s{k}.wav", duration=3, speaker_id=f"s{k}") for k in range(20)]
    manifest.write(path, rows)
    shares = split(path, tmp_path / "s", QUICK).languages["und"].shares
    assert shares["valid"] == pytest.approx(shares["test"], abs=0.005)
    made = split(path, tmp_path / "t", QUICK).languages["und"]
    assert made.off > 0.05
    assert "from 0.31% to 93.8% of its audio each; training has 1" in made.why  # of 21, not the large one alone


def test_few_equal_speakers_leave_no_part_empty(tmp_path):
    path = tmp_path / "m.jsonl"
    manifest.write(path, (Utterance(id=str(k), audio=f"{k}.wav", duration=5, speaker_id=f"s{k}") for k in range(3)))
    split(path, tmp_path / "s", Settings(near_duplicates=False))
    assert [len(rows) for rows in parts(tmp_path / "s").values()] == [1, 1, 1]


def test_every_language_is_held_out_where_that_is_asked_for(tmp_path):
    path = tmp_path / "m.jsonl"
    rows = [
        Utterance(
            id=f"{language}{k}", audio=f"{language}{k}.wav", duration=5, speaker_id=f"{language}{k}", language=language
        )
        for language in ("hr", "sr", "bs")
        for k in range(4)
    ]
    manifest.write(path, rows)
    without = split(path, tmp_path / "s", Settings(near_duplicates=False))
    assert sum(len(each.parts) for each in without.languages.values()) < 9
    assert any("nothing of it is in" in each.why for each in without.languages.values())
    asked = split(path, tmp_path / "t", Settings(near_duplicates=False, every_language=True))
    assert all(list(each.parts) == ["train", "valid", "test"] for each in asked.languages.values())


def test_one_speaker_alone_cannot_be_split(tmp_path):
    path = corpus(tmp_path / "m.jsonl", 1)
    with pytest.raises(InputError, match="nothing can be held out for valid: all utterances are tied together"):
        split(path, tmp_path / "s", QUICK)


def test_speakers_of_several_languages_are_in_one_part(tmp_path):
    path = corpus(tmp_path / "m.jsonl", 60)
    for k in range(0, 30):
        language = ("sr", "bs", "hr")[k % 3]
        add(path, Utterance(id=f"m{k}", audio=f"m{k}.wav", duration=4, language=language, speaker_id=f"s{k}"))
    made = split(path, tmp_path / "s", QUICK)
    speakers = [{row.speaker_id for row in rows} for rows in parts(tmp_path / "s").values()]
    assert not speakers[0] & speakers[1]
    assert not speakers[0] & speakers[2]
    assert all(each.off < 0.03 for each in made.languages.values())


def test_audio_is_found_from_the_parts(tmp_path):
    path = corpus(tmp_path / "corpus" / "m.jsonl", mood="kept")
    split(path, tmp_path / "manifests" / "splits", QUICK)
    for row in parts(tmp_path / "manifests" / "splits")["valid"]:
        assert row.audio == f"../../corpus/clips/{row.id}.wav"
        assert row.model_extra == {"mood": "kept"}


def test_lines_stay_as_they_are_in_the_same_folder(tmp_path):
    path = corpus(tmp_path / "m.jsonl")
    spaced = json.dumps({"zz": 1, "id": "q", "audio": "q.wav", "duration": 2, "speaker_id": "q"}, indent=None)
    path.write_bytes(path.read_bytes() + spaced.encode() + b"\r\n")
    split(path, tmp_path, QUICK)
    lines = b"".join((tmp_path / f"{name}.jsonl").read_bytes() for name in ("train", "valid", "test")).splitlines()
    assert sorted(lines) == sorted(path.read_bytes().splitlines())


def test_an_id_that_comes_twice_is_refused(tmp_path):
    path = corpus(tmp_path / "m.jsonl")
    add(path, Utterance(id="0-0", audio="new.wav", duration=1))
    with pytest.raises(ManifestError, match="the id '0-0' is that of line 1 already"):
        split(path, tmp_path / "s", QUICK)


@pytest.mark.parametrize(("valid", "test"), [(0, 0), (-0.1, 0.1), (0.5, 0.5), (1.2, 0), (float("nan"), 0.1)])
def test_shares_that_make_no_sense_are_refused(tmp_path, valid, test):
    with pytest.raises(InputError, match=r"share of|more than nothing"):
        split(corpus(tmp_path / "m.jsonl"), tmp_path / "s", Settings(valid, test, near_duplicates=False))


def test_parts_of_another_split_and_the_manifest_itself_are_left_alone(tmp_path):
    path = corpus(tmp_path / "s" / "train.jsonl")
    with pytest.raises(InputError, match="is what is read"):
        split(path, tmp_path / "s", QUICK)
    split(path, tmp_path / "t", QUICK)
    with pytest.raises(InputError, match=r"test.jsonl is of another split"):
        split(path, tmp_path / "t", Settings(0.1, 0, near_duplicates=False))


def test_without_a_test_share_there_is_no_test(tmp_path):
    made = split(corpus(tmp_path / "m.jsonl"), tmp_path / "s", Settings(0.1, 0, near_duplicates=False))
    assert list(made.parts) == ["train", "valid"]
    assert not (tmp_path / "s" / "test.jsonl").exists()


def test_an_empty_manifest_cannot_be_split(tmp_path):
    (tmp_path / "m.jsonl").write_text("")
    with pytest.raises(InputError, match="holds no utterance"):
        split(tmp_path / "m.jsonl", tmp_path / "s", QUICK)


def test_numbers_drawn_from_keys_are_the_same_everywhere():
    assert dealing.mixed(np.array([0, 1, 2**64 - 1], np.uint64), 0).tolist() == [
        16294208416658607535,
        10451216379200822465,
        16490336266968443936,
    ]
