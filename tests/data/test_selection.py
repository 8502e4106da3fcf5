"""Choosing: by conditions and by lot, bytes untouched, the same draw on any machine."""

from __future__ import annotations

import json

import pytest

from melisma.core.errors import InputError
from melisma.data import manifest, selection
from melisma.data.conditions import parse
from melisma.data.index import Index
from melisma.data.manifest import Utterance
from melisma.data.selection import Lot, choose


@pytest.fixture
def index(tmp_path):
    languages = ("sr", "sr-Latn", "srn", "hr", "SR-RS")
    licences = ("CC0-1.0", "cc0", "CC-BY-NC-4.0", "", "CC BY 4.0")
    manifest.write(
        tmp_path / "m.jsonl",
        (
            Utterance(
                id=f"u{k}",
                audio=f"{k}.wav",
                duration=1 + k % 10,
                language=languages[k % 5],
                license=licences[k % 5],
                speaker_id=f"s{k % 4}",
                snr_db=k,
            )
            for k in range(100)
        ),
    )
    return Index.open(tmp_path / "m.jsonl")


def ids(index, chosen):
    return [json.loads(line)["id"] for line in selection.chosen_lines(index, chosen, None)]


def test_a_language_takes_its_varieties_and_no_other(index):
    chosen = choose(index, [selection.of_language(["sr"])], Lot())
    assert {index[int(i)].language for i in chosen.nonzero()[0]} == {"sr", "sr-Latn", "SR-RS"}
    assert choose(index, [selection.of_language(["sr-latn"])], Lot()).sum() == 20


def test_a_licence_is_known_by_any_of_its_names(index):
    assert choose(index, [selection.of_licence(["CC0"])], Lot()).sum() == 40
    chosen = choose(index, [selection.commercial()], Lot())
    assert {index[int(i)].license for i in chosen.nonzero()[0]} == {"CC0-1.0", "cc0", "CC BY 4.0"}


def test_ranges_speakers_and_fields_of_others(index):
    conditions = [*selection.lasting(3, 5), selection.one_of("speaker_id", ["s1", "s2"]), parse("snr_db >= 50")]
    assert ids(index, choose(index, conditions, Lot())) == [
        f"u{k}" for k in range(50, 100) if 3 <= 1 + k % 10 <= 5 and k % 4 in (1, 2)
    ]
    assert choose(index, [selection.without(parse("snr_db >= 50"))], Lot()).sum() == 50


def test_a_sample_is_as_large_as_asked_and_another_seed_draws_others(index):
    first = choose(index, [parse("snr_db < 50")], Lot(sample=10))
    assert first.sum() == 10
    assert not first[50:].any()
    assert (first == choose(index, [parse("snr_db < 50")], Lot(sample=10))).all()
    assert (first != choose(index, [parse("snr_db < 50")], Lot(sample=10, seed=2))).any()
    assert choose(index, [], Lot(sample=1000)).all()
    assert choose(index, [], Lot(share=0.25)).sum() == 25


def test_a_larger_sample_holds_the_smaller_one_and_more_lines_keep_it(index, tmp_path):
    small, large = choose(index, [], Lot(sample=10)), choose(index, [], Lot(sample=20))
    assert (large[small]).all()
    more = [Utterance(id=f"n{k}", audio="n.wav", duration=1) for k in range(10)]
    manifest.write(tmp_path / "more.jsonl", [*more, *index])
    grown = Index.open(tmp_path / "more.jsonl")
    drawn = set(ids(grown, choose(grown, [], Lot(sample=20))))
    assert len(drawn & set(ids(index, large))) >= 20 - sum(name.startswith("n") for name in drawn)


def test_hours_are_not_exceeded_and_nearly_reached(index):
    chosen = choose(index, [], Lot(hours=0.05))
    seconds = sum(index[int(i)].duration for i in chosen.nonzero()[0])
    assert 170 <= seconds <= 180


@pytest.mark.parametrize(
    "lot", [Lot(sample=3, share=0.5), Lot(share=0), Lot(share=1.5), Lot(hours=-1), Lot(hours=float("nan"))]
)
def test_lots_that_make_no_sense_are_refused(index, lot):
    with pytest.raises(InputError, match=r"must be above 0|give one of them"):
        choose(index, [], lot)


def test_lines_stay_as_they_stand_and_audio_moves_with_the_folder(tmp_path):
    line = b'{"zz": [1], "duration": 1.50, "id": "a", "audio": "x/a.wav"}'
    (tmp_path / "m.jsonl").write_bytes(line + b"\r\n")
    index = Index.open(tmp_path / "m.jsonl")
    chosen = choose(index, [], Lot())
    assert list(selection.chosen_lines(index, chosen, tmp_path / "n.jsonl")) == [line]
    (moved,) = selection.chosen_lines(index, chosen, tmp_path / "sub" / "n.jsonl")
    assert json.loads(moved) == {"zz": [1], "duration": 1.5, "id": "a", "audio": "../x/a.wav"}


def test_where_nothing_is_chosen_a_field_that_no_utterance_has_is_named(index):
    with pytest.raises(InputError, match=r"no utterance of .*m\.jsonl has the field 'duraton'"):
        choose(index, [parse("language = hr and not (id = x or duraton > 3)"), parse("duraton < 9")], Lot())
    assert not choose(index, [parse("duration > 3000")], Lot()).any()
    assert choose(index, [parse("not (dialect = kajkavski)")], Lot()).all()
    assert not choose(index, [parse("has dialect")], Lot()).any()
