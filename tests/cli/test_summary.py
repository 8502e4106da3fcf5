import dataclasses
import json
from pathlib import Path

import pytest

from melisma.cli import summary
from melisma.cli.outputs import Target
from melisma.core.records import Alignment, Line, Word


def many(confidences):
    words = tuple(Word(f"w{i}", 0, i * 10, i * 10 + 5, c) for i, c in enumerate(confidences))
    return Alignment(words, (Line(0, len(words)),), 10_000)


def test_the_summary_names_what_to_listen_to(alignment, capsys):
    summary.print_summary(alignment, [Target("lrc", Path("a.lrc")), Target("json", None)])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "3 of 4 words timed, average confidence 0.68",
        "least certain words:",
        "  0:01.0  0.20  est   (line 1: l'amour est)",
        "warning: a warning",
        "wrote a.lrc",
    ]


def test_no_doubt_no_list(capsys):
    summary.print_summary(many([0.9, 1.0]), [])
    assert capsys.readouterr().err == "2 of 2 words timed, average confidence 0.95\n"


def test_without_any_confidence_no_average(capsys):
    summary.print_summary(many([None]), [])
    assert capsys.readouterr().err == "1 of 1 words timed\n"


def test_at_most_eight_the_worst_of_them_in_the_order_of_singing():
    confidences = [0.45, 0.1, 0.2, 0.3, 0.15, 0.05, 0.25, 0.12, 0.01, 0.9]
    got = [w.text for w in summary.doubtful(many(confidences))]
    assert got == ["w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8"]


def test_an_unsung_word_is_not_doubtful():
    unsung = dataclasses.replace(many([0.1]).words[0], start=None, end=None)
    assert summary.doubtful(Alignment((unsung,), (Line(0, 1),), 10)) == []


@pytest.mark.parametrize(("ms", "text"), [(0, "0:00.0"), (999, "0:00.9"), (59_999, "0:59.9"), (3_661_050, "61:01.0")])
def test_clock(ms, text):
    assert summary.clock(ms) == text


def test_json_survives_a_file_name_that_is_no_unicode(capsysbinary):
    summary.print_json({"path": "caf\udce9", "text": "bohème"})
    out = capsysbinary.readouterr().out
    assert "bohème".encode() in out
    assert json.loads(out)["path"] == "caf\udce9"


def test_a_table_lines_up(capsys):
    summary.print_table([("a", "long", "x"), ("bcd", "e", "")])
    assert capsys.readouterr().out == "a    long  x\nbcd  e\n"


def test_a_table_holds_nothing_that_a_terminal_obeys(capsys):
    summary.print_table([("Žena\x1b[2J", "x"), ("می\u200cخواهم", "y\u202e")])
    out = capsys.readouterr().out.splitlines()
    assert [line.split() for line in out] == [["Žena\\u001b[2J", "x"], ["می\u200cخواهم", "y\\u202e"]]
