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


def test_an_unknown_model_lists_those_that_exist(runner):
    result = runner.invoke(app, ["models", "show", "none"])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no embedded model is called 'none'; there are: ")


@pytest.mark.parametrize("command", ["models", "formats", "engines", "eval"])
def test_a_group_alone_explains_itself(runner, command):
    result = runner.invoke(app, [command])
    assert "Usage:" in result.output
