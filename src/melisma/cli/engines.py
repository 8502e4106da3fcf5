"""`melisma engines`: what can listen, what stands in its way, and switching it on and off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.options import complete_engines
from melisma.cli.program import AsJson, Quiet, Verbose, group

if TYPE_CHECKING:
    from melisma.pipeline.survey import Standing

app = group("List the engines that are installed, and switch them on and off.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="An engine.", autocompletion=complete_engines)]


@app.command("list")
def list_engines(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the engines in the order in which `auto` tries them, without loading any model.

    Shows what each does, its model and its licence, its circuit breaker, and whether it could run or what it lacks.
    """
    from melisma.cli.summary import print_json, print_table
    from melisma.pipeline.settings import RouterSettings
    from melisma.pipeline.survey import survey

    found = survey(RouterSettings.from_env())
    if as_json:
        print_json([_as_dict(standing) for standing in found])
    else:
        print_table([("engine", "task", "model", "licence", "breaker", "ready"), *(_row(each) for each in found)])


@app.command()
def enable(name: Name, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Switch an engine on again, and close its circuit breaker; programs that run see it at their next song."""
    from melisma.pipeline import survey
    from melisma.pipeline.settings import RouterSettings

    settings = RouterSettings.from_env()
    survey.enable(name, settings)
    if not quiet:
        typer.echo(f"{name} is on, in {settings.flags}", err=True)


@app.command()
def disable(name: Name, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Switch an engine off, for all programs of this user; those that run see it at their next song."""
    from melisma.pipeline import survey
    from melisma.pipeline.settings import RouterSettings

    settings = RouterSettings.from_env()
    survey.disable(name, settings)
    if not quiet:
        typer.echo(f"{name} is off, in {settings.flags}", err=True)


def _row(standing: Standing) -> tuple[str, ...]:
    facts = standing.facts
    said = "yes" if standing.ready else standing.lacking if standing.enabled else "switched off"
    if facts is None:
        return standing.name, "", "", "", str(standing.breaker), said
    terms = facts.licence.spdx + ("" if facts.licence.commercial else " (non-commercial)")
    task = facts.task.value + (" (baseline)" if facts.baseline else "")
    return standing.name, task, facts.model_id, terms, str(standing.breaker), said


def _as_dict(standing: Standing) -> dict[str, Any]:
    facts, breaker = standing.facts, standing.breaker
    return {
        "name": standing.name,
        "task": facts and facts.task.value,
        "version": facts and facts.version,
        "model_id": facts and facts.model_id,
        "model_revision": facts and facts.model_revision,
        "licence": facts and facts.licence.spdx,
        "commercial": facts and facts.licence.commercial,
        "device": facts and facts.device,
        "baseline": facts and facts.baseline,
        "ready": standing.ready,
        "missing": standing.lacking or None,
        "enabled": standing.enabled,
        "breaker": {
            "state": breaker.state.value,
            "reason": breaker.kind and breaker.kind.value,
            "wait_s": round(breaker.wait_s, 1),
            "failures": breaker.n_failures,
        },
    }
