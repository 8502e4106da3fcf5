from __future__ import annotations

import json
import re

import pytest

from melisma.core.errors import InputError
from melisma.data.licences import NO_SOURCE, UNKNOWN, Amount, Taint, taint
from melisma.data.manifest import Utterance


def utterance(number: int, **fields) -> Utterance:
    return Utterance(id=f"u{number}", audio=f"u{number}.wav", **{"duration": 1800.0, **fields})


FREE = utterance(1, source="choir", license="cc0")
CREDIT = utterance(2, source="radio", license="CC BY 4.0")
NOT_FREE = utterance(3, source="dali", license="CC-BY-NC-SA-4.0", duration=3600.0)
NAMELESS = utterance(4)
MIXED = utterance(5, source="choir", license="CC0-1.0", derived_from=["noise", "choir"])


def test_sources_licences_and_hours_add_up():
    found = taint([FREE, CREDIT, MIXED])
    assert found.commercial
    assert found.sources == {"choir": Amount(2, 1.0), "radio": Amount(1, 0.5), "noise": Amount(1, 0.5)}
    assert found.licences == ("CC-BY-4.0", "CC0-1.0")
    assert found.hours == {"CC-BY-4.0": 0.5, "CC0-1.0": 1.0}
    assert found.total == Amount(3, 1.5)
    assert found.expression == "CC-BY-4.0 AND CC0-1.0"
    assert found.why_not() == ""


@pytest.mark.parametrize(
    ("bad", "said"),
    [(NOT_FREE, r"dali \(CC-BY-NC-SA-4.0, 1.00 h\)"), (NAMELESS, r"\(no source\) \(no licence is known, 0.50 h\)")],
)
def test_one_clip_that_forbids_taints_all(bad, said):
    found = taint([FREE, CREDIT, bad])
    assert not found.commercial
    assert [(source, name) for source, name, _ in found.offending] == [
        (bad.source or NO_SOURCE, bad.license or UNKNOWN)
    ]
    assert re.search(said, found.why_not())


def test_nothing_is_not_commercial():
    assert not taint([]).commercial
    assert taint([]).why_not()


def test_a_vouched_licence_counts_unless_it_is_known_to_forbid():
    bought = utterance(6, source="studio", license="LicenseRef-bought")
    assert not taint([bought]).commercial
    assert taint([bought], vouched=["LicenseRef-bought"]).commercial
    assert not taint([bought, NOT_FREE], vouched=["LicenseRef-bought", "CC-BY-NC-SA-4.0"]).commercial
    assert not taint([NAMELESS], vouched=[UNKNOWN]).commercial


def test_two_sets_together_are_as_one():
    both = taint([FREE, MIXED]).merged(taint([NOT_FREE, CREDIT]))
    assert both == taint([FREE, MIXED, NOT_FREE, CREDIT])


def test_it_survives_a_checkpoint():
    found = taint([FREE, NOT_FREE, MIXED], vouched=["x"])
    assert Taint.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_a_record_that_was_changed_is_not_believed():
    said = taint([NOT_FREE]).as_dict() | {"commercial": True}
    assert not Taint.from_dict(said).commercial
    said["licences"] = {"CC0-1.0": {"clips": 1, "hours": 1}}
    assert not Taint.from_dict(said).commercial


@pytest.mark.parametrize("said", [{}, {"sources": 3, "licences": {}}, {"sources": [{}], "licences": {}}, []])
def test_a_damaged_record_is_refused(said):
    with pytest.raises(InputError, match="record of licences"):
        Taint.from_dict(said)
