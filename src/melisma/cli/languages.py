"""`melisma languages`: what `--language` takes."""

from __future__ import annotations

from melisma.cli.program import AsJson, Verbose


def languages(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the languages whose words can be spelt in phones."""
    from melisma.cli.summary import print_json, print_table
    from melisma.text import espeak

    found = sorted(espeak.languages().items())
    if as_json:
        print_json([{"code": code, "name": name} for code, name in found])
    else:
        print_table(found)
