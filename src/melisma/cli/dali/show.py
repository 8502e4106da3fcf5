"""`melisma dali show`: a level of a song, or the whole of it in either form."""

from __future__ import annotations

from typing import Annotated

import typer

from melisma.cli.dali.options import Annotations, SongIdArgument, service
from melisma.cli.program import AsJson, Verbose
from melisma.core.errors import UnknownName


def show(
    song_id: SongIdArgument,
    annotations: Annotations,
    level: Annotated[str, typer.Option(metavar="LEVEL", help="notes, words, lines or paragraphs.")] = "lines",
    vertical: Annotated[bool, typer.Option("--vertical", help="All levels, one in another, as JSON.")] = False,
    repaired: Annotated[bool, typer.Option("--repaired", help="With what is wrong put right.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Print a level of a song with its times, or all levels in DALI's vertical form."""
    from melisma.cli.summary import print_json, print_table
    from melisma.data.dali.annotation import LEVELS, nested
    from melisma.data.dali.integrity import repair

    if level not in LEVELS:
        raise UnknownName("level", level, LEVELS)
    levels = service(annotations).song(song_id).levels()
    if repaired:
        levels = repair(levels).levels
    if vertical:
        print_json({"hierarchical": [each.model_dump() for each in nested(levels)]})
        return
    rows = levels.level(level)
    if as_json:
        print_json([each.model_dump(exclude_none=True) for each in rows])
        return
    print_table([(f"{each.time[0]:.3f}", f"{each.time[1]:.3f}", each.text) for each in rows])
