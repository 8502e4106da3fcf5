"""`melisma dali info`: all that is known of a song."""

from __future__ import annotations

from dataclasses import asdict

import typer

from melisma.cli.dali.options import Annotations, AudioFolder, SongIdArgument, service
from melisma.cli.program import AsJson, Verbose


def info(
    song_id: SongIdArgument,
    annotations: Annotations,
    audio: AudioFolder = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Say what is known of a song, and what is wrong between its levels."""
    from melisma.cli.summary import print_json, print_table
    from melisma.data.dali.annotation import LEVELS
    from melisma.data.dali.integrity import check

    dali = service(annotations, audio)
    header, song = dali.header(song_id), dali.song(song_id)
    levels = song.levels()
    known = asdict(header) | {
        "metadata": song.info.metadata.model_dump(),
        "type": song.annotations.type,
        "frame_rate": song.annotations.annot_param.fr,
        "offset_s": song.annotations.annot_param.offset,
        "recording": str(dali.audio_of(song_id) or ""),
    }
    for name in LEVELS:
        known[name] = len(levels.level(name))
    if as_json:
        print_json(known)
        return
    print_table([(name.replace("_", " "), _said(value)) for name, value in known.items()])
    for fault in check(levels)[:20]:
        typer.echo(f"  {fault.sentence}", err=True)


def _said(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else f"{value}"
