"""`melisma dali stats`: how much there is, by language, score and genre."""

from __future__ import annotations

from melisma.cli.dali.options import (
    Annotations,
    Artists,
    AudioFolder,
    Genres,
    GroundTruth,
    Languages,
    MaxNcc,
    MinNcc,
    Versions,
    selection,
    service,
)
from melisma.cli.program import AsJson, Verbose


def stats(
    annotations: Annotations,
    audio: AudioFolder = None,
    language: Languages = None,
    min_ncc: MinNcc = None,
    max_ncc: MaxNcc = None,
    genre: Genres = None,
    artist: Artists = None,
    ground_truth: GroundTruth = None,
    dataset_version: Versions = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Count songs, words and hours by language, score and genre, what is wrong with them and what was found of them."""
    from melisma.cli.summary import print_json, print_table
    from melisma.data.dali.statistics import count

    dali = service(annotations, audio)
    wanted = selection(language, min_ncc, max_ncc, genre, artist, ground_truth, dataset_version)
    found = count(dali, wanted)
    if as_json:
        print_json(found)
        return
    for title, table in found.items():
        rows = [(name, *(f"{n:,}" for n in row.values())) for name, row in table.items()]
        heads = next(iter(table.values()), {})
        print_table([(title, *heads), *rows, ("",)][: len(rows) + 1] if rows else [(title, "none")])
        print()
