"""`melisma units motifs`: sequences of units that come again and again, counted, and drawn on a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.data.units.motif_page.page import Written
    from melisma.units.motifs.corpus import Corpus
    from melisma.units.motifs.find import Found, Wanted


def motifs(
    corpus: Annotated[
        Path, typer.Argument(metavar="DIR|FILE", help="A corpus of units: its folder, its JSONL, or its text.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder to write; motifs/ beside the corpus.")
    ] = None,
    vocab_size: Annotated[
        int, typer.Option(metavar="N", help="Pieces at most: motifs, every unit, and one for what is unknown.")
    ] = 500,
    min_count: Annotated[int, typer.Option(metavar="N", help="A motif occurs at least that often.")] = 2,
    longest: Annotated[int, typer.Option(metavar="N", help="Units of a motif at most.")] = 32,
    frames: Annotated[bool, typer.Option("--frames", help="Learn of the units of frames, repeats and all.")] = False,
    most_units: Annotated[
        int, typer.Option(metavar="N", help="Learn from so many units at most; the analysis reads all.")
    ] = 20_000_000,
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Find the motifs of this model; learn none.")
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help="Of the model and its vocabulary.")] = "motifs",
    page: Annotated[bool, typer.Option("--page/--no-page", help="Also a page to listen to them.")] = True,
    sound_mb: Annotated[
        float, typer.Option(min=0, max=200, metavar="MB", help="Sound that the page holds at most.")
    ] = 8.0,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Also motif_corpus.jsonl: each utterance as motifs with their times.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Another seed draws otherwise.")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find the sequences of units that come again and again, by byte-pair encoding.

    Writes NAME.model and NAME.vocab (SentencePiece), motif_analysis.json, and index.html, a page to listen to them. The
    vocabulary comes out smaller than asked for where the corpus has not as many motifs; the reason is said.
    """
    from melisma.core.artifacts import checked
    from melisma.units.motifs.corpus import Corpus
    from melisma.units.motifs.find import Wanted
    from melisma.units.motifs.learn import Learning

    learning = Learning(vocab_size, min_count, longest, most_units, seed)
    read = Corpus.of(corpus, frames=frames)
    also = _Also(output or read.folder / "motifs", tokens, sound_mb if page else None)
    found, written, files = _made(read, Wanted(learning, model, checked(name)), also, quiet=quiet, verbose=verbose)
    _tell(found, written, files, as_json=as_json, quiet=quiet)


@dataclass(frozen=True, slots=True)
class _Also:
    """Where files go, and which are written beside model and analysis; `sound_mb` is None without a page."""

    folder: Path
    tokens: bool
    sound_mb: float | None


def _made(
    read: Corpus, wanted: Wanted, also: _Also, *, quiet: bool, verbose: bool
) -> tuple[Found, Written | None, list[Path]]:
    """Write everything that is asked for, once it is known that it can be; return also which files there are."""
    from melisma.cli.progress import progress
    from melisma.data import places
    from melisma.data.units import motif_corpus
    from melisma.data.units.motif_page import page
    from melisma.units.motifs.find import ANALYSIS, find

    names = [f"{wanted.name}.model", f"{wanted.name}.vocab", ANALYSIS]
    names += [motif_corpus.NAME] * also.tokens + [page.NAME] * (also.sound_mb is not None)
    places.check([read.path], *(also.folder / each for each in names))
    found = find(read, also.folder, wanted)
    files, written = list(found.files), None
    if also.tokens:
        files.append(motif_corpus.write(read, found.model, also.folder / motif_corpus.NAME))
    if also.sound_mb is not None:
        with progress(quiet=quiet, verbose=verbose) as told:
            written = page.write(
                read, found, also.folder, sound_mb=also.sound_mb, tell=lambda share: told("page", share)
            )
        files.append(written.path)
    return found, written, files


def _tell(found: Found, written: Written | None, files: list[Path], *, as_json: bool, quiet: bool) -> None:
    from melisma.cli.summary import print_json, print_table

    if as_json:
        print_json(_as_dict(found, written, files))
        return
    if quiet:
        return
    for sentence in found.said:
        typer.echo(f"note: {sentence}", err=True)
    figures = found.analysis.figures
    corpus, rate = figures["corpus"], figures["rate"]
    seconds = "" if corpus["seconds"] is None else f" in {corpus['seconds'] / 3600:.2f} h"
    typer.echo(f"{corpus['utterances']:,} utterances, {corpus['units']:,} units{seconds}")
    typer.echo(
        f"{found.model.n_joined:,} motifs; {100 * figures['coverage']['units_in_motifs']:.1f} % of the units are in "
        f"them, {rate['units_per_token']:.2f} units a token"
    )
    rows = [("times", "ms", "units")]
    for each in [motif for motif in found.analysis.motifs if motif.length > 1][:10]:
        length = "" if each.ms is None else f"{each.ms.mean:.0f}"
        rows.append((f"{each.frequency:,}", length, " ".join(map(str, each.units))))
    print_table(rows)
    for sentence in (written.silent if written else ())[:3]:
        typer.echo(f"no sound of {sentence}", err=True)
    if written and len(written.silent) > 3:
        typer.echo(f"… and {len(written.silent) - 3:,} more recordings are not heard on the page", err=True)
    for path in files:
        typer.echo(f"wrote {path}", err=True)


def _as_dict(found: Found, written: Written | None, files: list[Path]) -> dict[str, Any]:
    return {
        "motifs": found.model.n_joined,
        "pieces": len(found.model.pieces),
        "remarks": list(found.said),
        **found.analysis.figures,
        "files": [str(path) for path in files],
        "recordings_heard": written.n_heard if written else 0,
        "recordings_not_heard": list(written.silent) if written else [],
    }
