"""The job that fixes the neighbours: as a preview, as a version, once, and with edits that come with it."""

from __future__ import annotations

import pytest

from melisma.core.errors import InputError, RefusedEdit, VersionConflict


@pytest.fixture
def shifted(ask, run, client, read):
    """An alignment whose second line is 300 ms late, as a person might have left it: id, version, true starts, line."""
    id = run(ask())["alignment_id"]
    document = read(id)
    true = [word["start_ms"] for word in document["words"]]
    first, stop = document["lines"][1]["words"]
    edit = {"op": "shift", "words": [first, stop], "by_ms": 300}
    client.patch(f"/v1/alignments/{id}/words", json={"version": 1, "edits": [edit]})
    return id, 2, true, (first, stop)


@pytest.fixture
def ask_again(client):
    """Ask for neighbours to be placed anew."""

    def ask(id: str, version: int, **told) -> dict:
        answer = client.post(f"/v1/alignments/{id}/realign", json={"version": version, **told})
        assert answer.status_code == 202, answer.text
        return answer.json()

    return ask


def starts(document: dict) -> list[int | None]:
    return [word["start_ms"] for word in document["words"]]


def test_neighbours_go_where_they_are_sung_and_nothing_else_moves(shifted, ask_again, run, read, client):
    id, version, true, (first, stop) = shifted
    put = {"op": "move", "word": first, "start_ms": true[first], "end_ms": true[first] + 100}
    job = ask_again(id, version, corrected=[first], words=[first, stop], edits=[put])
    result = run(job)
    assert (result["alignment_id"], result["version"]) == (id, 3)
    now = starts(read(id))
    assert result["alignment"] == read(id)
    assert now[first] == true[first]
    assert all(abs(a - b) < 60 for a, b in zip(now[first:stop], true[first:stop], strict=True))
    assert (now[:first], now[stop:]) == (true[:first], true[stop:])
    said = client.get(f"/v1/alignments/{id}/info").json()
    assert said["source"] == "user_corrected"
    assert first in said["corrected"]
    assert len(said["corrected"]) < stop - first  # the shift had set them all, but it was the search that moved these


def test_a_job_that_is_run_twice_makes_one_version(shifted, ask_again, run, client):
    id, version, _, (first, stop) = shifted
    job = ask_again(id, version, corrected=[first], words=[first, stop])
    assert run(job) == run(job, 2)
    assert client.get(f"/v1/alignments/{id}/info").json()["version"] == 3


def test_a_preview_saves_nothing(shifted, ask_again, run, read, client):
    id, version, true, (first, stop) = shifted
    result = run(ask_again(id, version, corrected=[stop], words=[first, stop], preview=True))
    assert "version" not in result
    assert abs(starts(result["alignment"])[first + 1] - true[first + 1]) < 60
    assert starts(read(id))[first + 1] == true[first + 1] + 300
    assert client.get(f"/v1/alignments/{id}/info").json()["version"] == version


@pytest.mark.parametrize(
    ("wish", "error", "said"),
    [
        ({"corrected": [9999]}, InputError, "there is no word 9999 to stay where it is"),
        ({"corrected": []}, InputError, "no word has been corrected: say which words are to be placed anew"),
        ({"corrected": [0], "words": [5, 5]}, InputError, r"\[5, 5\) is no range"),
        ({"edits": [{"op": "merge", "word": 9999}]}, RefusedEdit, r"edit 0 \(merge of word 9999\)"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_no_version(shifted, ask_again, run, client, wish, error, said):
    id, version, *_ = shifted
    with pytest.raises(error, match=said):
        run(ask_again(id, version, **wish))
    assert client.get(f"/v1/alignments/{id}/info").json()["version"] == version


def test_what_somebody_saved_meanwhile_is_not_covered(shifted, ask_again, run, client):
    id, version, *_ = shifted
    job = ask_again(id, version, corrected=[0])
    client.patch(f"/v1/alignments/{id}/words", json={"version": version, "edits": [{"op": "unsing", "word": 0}]})
    for attempt in (1, 2):
        with pytest.raises(VersionConflict):
            run(job, attempt)
