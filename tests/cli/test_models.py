import json

import pytest

from melisma.cli.main import app
from melisma.models import embedded


def test_list(runner):
    result = runner.invoke(app, ["models", "list"])
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()[1:]]
    assert [row[:3] for row in rows] == [[c.model_id, c.revision, c.licence] for c in embedded.cards()]
    assert rows


def test_list_for_programs(runner):
    listed = json.loads(runner.invoke(app, ["models", "list", "--json"]).stdout)
    assert [m["model_id"] for m in listed] == [c.model_id for c in embedded.cards()]
    assert all(m["size_bytes"] <= 20_000_000 for m in listed)


def test_show(runner):
    card = embedded.cards()[0]
    result = runner.invoke(app, ["models", "show", card.model_id])
    assert result.exit_code == 0, result.output
    assert card.card_text.strip() in result.stdout
    shown = json.loads(runner.invoke(app, ["models", "show", card.model_id, "--json"]).stdout)
    assert shown["labels"] == list(card.labels)


def test_show_tells_languages_of_recordings_from_those_of_synthesised_voices(runner):
    card = embedded.cards()[0]
    result = runner.invoke(app, ["models", "show", card.model_id])
    assert f"\nlanguages: {' '.join(card.languages)}\n" in result.stdout
    assert f"\nfrom synthesised voices only: {' '.join(card.synthetic_languages)}\n" in result.stdout
    assert {"hr", "sr", "bs"} <= set(card.synthetic_languages)
    shown = json.loads(runner.invoke(app, ["models", "show", card.model_id, "--json"]).stdout)
    assert (shown["languages"], shown["synthetic_languages"]) == (list(card.languages), list(card.synthetic_languages))
    listed = runner.invoke(app, ["models", "list"]).stdout.splitlines()[1].split()
    assert str(len(card.languages) + len(card.synthetic_languages)) in listed


def test_an_unknown_model_lists_those_that_exist(runner):
    result = runner.invoke(app, ["models", "show", "none"])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no model is called 'none'; there are: ")


@pytest.mark.parametrize("command", ["models", "formats", "engines", "eval"])
def test_a_group_alone_explains_itself(runner, command):
    result = runner.invoke(app, [command])
    assert "Usage:" in result.output
