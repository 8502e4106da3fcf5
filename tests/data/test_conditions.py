"""Conditions: read as they are meant, answered alike by lines and by columns, and nothing that is run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import InputError
from melisma.data import conditions, manifest
from melisma.data.conditions import parse
from melisma.data.index import Index
from melisma.data.manifest import Utterance

ONE = Utterance(
    id="a",
    audio="a.wav",
    duration=3.5,
    transcript="Dobar dan",
    language="hr",
    speaker_id="1089",
    license="CC0-1.0",
    source="Common Voice",
    derived_from=["x"],
    snr_db=21,
    dialect="ije kavian",
    clean=True,
    tags=["song", "live"],
    meta={"mic": {"name": "SM58"}},
)


@pytest.mark.parametrize(
    "said",
    [
        "language = hr",
        "language == 'hr'",
        "LANGUAGE = x or language=hr".replace("LANGUAGE", "speaker_id"),
        "language in (sr, hr)",
        "language IN [hr]",
        "duration >= 3.5 and duration < 4",
        "duration = 3.50",
        "not duration > 5",
        "speaker_id = 1089",
        "source ~ common",
        "transcript ~ 'DOBAR d'",
        "snr_db >= 20 and snr_db != 22",
        "dialect = 'ije kavian'",
        "clean = true",
        "tags = live",
        "tags ~ SON",
        "meta.mic.name = SM58",
        "has snr_db",
        "not has room",
        "room != small",
        "not room = small",
        "characters = 9",
        "start = 0",
        "(language = xx or language = hr) and not (duration > 4 or duration < 1)",
        "language = xx and language = yy or language = hr",
        "derived_from = x",
    ],
)
def test_what_holds(said):
    assert parse(said).holds(ONE)
    assert not parse(f"not ({said})").holds(ONE)


@pytest.mark.parametrize(
    "said",
    [
        "room = small",
        "room < 5",
        "snr_db > 21",
        "transcript < 5",
        "clean > 0",
        "duration ~ 3",
        "duration = three",
        "has words",
        "language = HR",
        "meta.mic.name.x = 1",
        "language = hr and (duration > 4 or snr_db < 3)",
    ],
)
def test_what_does_not_hold(said):
    assert not parse(said).holds(ONE)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "has the end where the name of a field is expected"),
        ("duration", "has the end where =, !=, <"),
        ("duration <", "has the end where a value is expected"),
        ("duration < five", "compares duration with 'five', which is no number"),
        ("duration < nan", "'nan', which is no number"),
        ("language in hr", "has 'hr' where a list in parentheses"),
        ("language in (hr sr)", "has 'sr' where a comma or the end of the list"),
        ("language in ()", "where a value is expected"),
        ("(language = hr", "where a closing parenthesis"),
        ("language = hr language = sr", "has 'language' where and, or, or the end"),
        ("language = 'hr", 'cannot be read from "\'hr" on'),
        ("__import__('os').system('x')", "has '\\('|where =, !="),
        ("(" * 60 + "a=1" + ")" * 60, "nested more than 50 deep"),
        ("not " * 60 + "a=1", "nested more than 50 deep"),
    ],
)
def test_what_cannot_be_read_is_told(said, why):
    with pytest.raises(InputError, match=why):
        parse(said)


def test_very_long_conditions_are_read_at_once():
    assert parse(" or ".join(f"id = {k}" for k in range(5000))).holds(ONE.changed(id="4999"))
    with pytest.raises(InputError, match="cannot be read"):
        parse("a = '" + "\\" * 30001)


fields = st.sampled_from(["duration", "start", "characters", "language", "speaker_id", "license", "source"])
values = st.sampled_from(["0", "2", "3.5", "hr", "sr", "und", "''", "1089", "CC0-1.0", "5e0"])
atoms = st.one_of(
    st.tuples(fields, st.sampled_from(["=", "!=", "~"]), values).map(" ".join),
    st.tuples(fields, st.sampled_from(["<", "<=", ">", ">="]), st.sampled_from(["0", "2", "3.5", "5e0"])).map(" ".join),
    fields.filter(lambda f: f in ("language", "speaker_id", "license", "source")).map("has {}".format),
)
trees = st.recursive(
    atoms,
    lambda inner: st.one_of(
        inner.map("not ({})".format), st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join)
    ),
    max_leaves=5,
)


@given(trees)
def test_columns_answer_as_lines_do(tmp_path_factory, said):
    path = tmp_path_factory.getbasetemp() / "conditions.jsonl"
    if not path.exists():
        languages, speakers = ("hr", "sr", "und"), ("", "1089", "ana")
        manifest.write(
            path,
            (
                Utterance(
                    id=str(k),
                    audio="a",
                    duration=(2, 3.5, 5)[k % 3],
                    start=k % 4,
                    transcript="x" * (k % 5),
                    language=languages[k // 3 % 3],
                    speaker_id=speakers[k // 9 % 3],
                    license="CC0-1.0" if k % 2 else "",
                    source="hr" if k % 7 else "und",
                )
                for k in range(60)
            ),
        )
    condition, index = parse(said), Index.open(path)
    mask = condition.mask(index)
    assert mask is not None
    assert mask.tolist() == [condition.holds(each) for each in index]


def test_what_columns_do_not_know_is_read_from_lines(tmp_path):
    manifest.write(tmp_path / "m.jsonl", [ONE])
    index = Index.open(tmp_path / "m.jsonl")
    assert parse("snr_db > 3").mask(index) is None
    assert parse("language = hr and snr_db > 3").mask(index) is None
    assert conditions.Not(parse("has room")).mask(index) is None
