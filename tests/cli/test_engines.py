import json

from melisma.cli.main import app


def test_the_embedded_engine_is_listed(runner):
    assert "phone" in runner.invoke(app, ["engines", "list"]).stdout.split()
    assert {"name": "phone"} in json.loads(runner.invoke(app, ["engines", "list", "--json"]).stdout)


def test_an_engine_of_another_package_is_listed(runner, engines):
    assert "steady" in runner.invoke(app, ["engines", "list"]).stdout.split()
