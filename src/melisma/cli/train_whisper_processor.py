"""`melisma train whisper-processor`: the processor that a group of languages is trained with."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.train.whisper.build_processor import Built

Manifests = Annotated[
    list[Path], typer.Argument(metavar="MANIFEST…", help="Whose texts are looked at: JSONL, an utterance a line.")
]
Name = Annotated[str, typer.Option(metavar="NAME", help="Folder below models/processor.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="Another folder than that.")]
Model = Annotated[
    str | None, typer.Option(metavar="MODEL", help="The Whisper checkpoint whose processor it is: id or folder.")
]
Vocabulary = Annotated[
    int | None,
    typer.Option(min=257, metavar="N", help="Learn a vocabulary of N tokens from the texts instead, for new networks."),
]
Mels = Annotated[int, typer.Option(metavar="N", help="Bands that a new processor hears: 80, or 128 as large-v3.")]
Languages = Annotated[str, typer.Option(metavar="CODES", help="The group, such as bs,hr,sr; all without it.")]
ReadAs = Annotated[
    list[str] | None,
    typer.Option("--read-as", metavar="CODE=CODE", help="A language without a token, and whose it takes: cnr=sr."),
]
Script = Annotated[str, typer.Option(metavar="SCRIPT", help="That targets are written in: latin, cyrillic or keep.")]
Text = Annotated[str, typer.Option(metavar="FIELD", help="What is learnt: transcript or norm.")]
BothScripts = Annotated[
    bool, typer.Option("--both-scripts", help="Learn the vocabulary from each text in Latin and in Cyrillic letters.")
]


def whisper_processor(
    manifests: Manifests,
    name: Name,
    output: Output = None,
    model: Model = None,
    vocabulary: Vocabulary = None,
    mels: Mels = 80,
    languages: Languages = "",
    read_as: ReadAs = None,
    script: Script = "keep",
    text: Text = "transcript",
    both_scripts: BothScripts = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Build the processor of a group of languages, and say how well it spells their texts."""
    asked = dict(locals())
    _require()
    from melisma.core.artifacts import Artifacts
    from melisma.models.quiet import quiet as quietly
    from melisma.train.whisper.build_processor import build

    folder = output or Artifacts.of().processor(name)
    with quietly():
        built = build(manifests, folder, _wanted(asked))
    if as_json:
        from melisma.cli.summary import print_json

        print_json(built.coverage)
    elif not quiet:
        _print(built)
    if not quiet:
        typer.echo(f"wrote {folder}", err=True)


def _wanted(asked: dict[str, Any]) -> Any:
    from melisma.train.whisper.build_processor import Wanted

    return Wanted.of(
        {
            "model": asked["model"],
            "n_tokens": asked["vocabulary"],
            "mels": asked["mels"],
            "languages": [code.strip() for code in asked["languages"].split(",") if code.strip()],
            "read_as": [pair.partition("=")[::2] for pair in asked["read_as"] or []],
            "script": asked["script"],
            "text": asked["text"],
            "both_scripts": asked["both_scripts"],
        }
    )


def _print(built: Built) -> None:
    from melisma.cli.summary import print_table

    found = built.coverage
    rows = [("language", "script", "texts", "words", "tokens/word", "in bytes", "longest")]
    for row in found["by_language"]:
        shown = row["language"], row["script"], f"{row['texts']:,}", f"{row['words']:,}"
        rates = f"{row['tokens_per_word'] or 0:.2f}", f"{row['in_bytes_share'] or 0:.2%}", str(row["longest"])
        rows.append((*shown, *rates))
    print_table(rows)
    letters, words, trip = found["characters"], found["vocabulary"], found["round_trip"]
    lines = [f"{letters['distinct']:,} characters, {letters['in_bytes']:,} of them without a token of their own"]
    lines += [f"  {one['character']}  {one['times']:,} times, {one['tokens']} tokens" for one in letters["such_as"][:8]]
    lines.append(
        f"{words['used']:,} of {words['of_text']:,} tokens of text are used, {words['unreachable']:,} cannot be"
    )
    lines.append(f"{trip['exact']:,} of {found['texts']:,} texts come back from their tokens as they were")
    lines += [f"  {one['language']}: {one['text']!r} comes back as {one['back']!r}" for one in trip["such_as"][:5]]
    if found["labels"]["over"]:
        lines.append(f"{found['labels']['over']:,} texts take more than {found['labels']['limit']} labels")
    lines += [f"left out {n:,}: {reason}" for reason, n in found["left_out"].items()]
    typer.echo("\n".join(lines))


def _require() -> None:
    from melisma.core.errors import MissingDependency

    lacking = next((name for name in ("torch", "transformers") if find_spec(name) is None), None)
    if lacking:
        raise MissingDependency(f"a processor needs {lacking}: pip install 'melisma[train]'")
