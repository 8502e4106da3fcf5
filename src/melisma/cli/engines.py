"""`melisma engines`: what can listen."""

from __future__ import annotations

from melisma.cli.program import AsJson, Verbose, group

app = group("List the engines that are installed.")


@app.command("list")
def list_engines(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the names that `melisma align --engine` takes, without loading any model."""
    from melisma.cli.summary import print_json, print_table
    from melisma.core import plugins

    found = plugins.names(plugins.ENGINES)
    if as_json:
        print_json([{"name": name} for name in found])
    else:
        print_table([(name,) for name in found])
