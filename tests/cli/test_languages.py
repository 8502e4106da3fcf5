import json

from melisma.cli.main import app
from melisma.text import espeak


def test_languages(runner):
    result = runner.invoke(app, ["languages"])
    assert result.exit_code == 0, result.output
    codes = [line.split()[0] for line in result.stdout.splitlines()]
    assert codes == sorted(espeak.languages())
    assert {"fr", "hr", "en-us", "ru"} <= set(codes)


def test_languages_for_programs(runner):
    listed = json.loads(runner.invoke(app, ["languages", "--json"]).stdout)
    assert {entry["code"]: entry["name"] for entry in listed} == espeak.languages()
