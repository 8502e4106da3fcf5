"""`melisma units vocoder test`: how well a vocoder speaks, in numbers and to be listened to."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, refuse_elsewhere, run_on
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.evaluate.vocoder.result import Result

_SHOWN = {"mcd_db": "MCD", "mcd_dtw_db": "MCD-DTW", "log_mel": "log-mel", "snr_db": "SNR", "f0_cents": "F0 ct"}


def rate(
    corpus: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a corpus of units, with its vocoder.")],
    vocoder: Annotated[
        Path | None, typer.Option(metavar="DIR|FILE", help="Who is tested; that of the corpus without.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="DIR/vocoder_test without it.")
    ] = None,
    num_samples: Annotated[int, typer.Option("--num-samples", metavar="N", min=1, max=10_000, help="Lines.")] = 20,
    speaker: Annotated[
        str, typer.Option(metavar="NAME", help='Who speaks: a name, "same" as each line, or "nobody".')
    ] = "same",
    pitch: Annotated[bool, typer.Option("--pitch", help="Tell the vocoder the pitch of the recordings.")] = False,
    encoder: Annotated[
        str | None, typer.Option(metavar="NAME|DIR", help="Another copy of the codebook's encoder, such as its ONNX.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Another seed draws other lines.")] = 0,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 unless every limit is met.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Say lines that the training held out, and measure how near they come to the recordings.

    SNR, mel-cepstral distortion, log-mel distance, length, pitch, voicing, units heard again, speed; beside it what
    each unit is on average, and noise. The vocoder speaks here, its speed is a measure; the executor does the rest.
    FOLDER holds orig_0000.wav, synth_0000.wav, …, vocoder_test.json, and index.html to listen to.
    """
    from melisma.cli.progress import progress
    from melisma.cli.summary import print_json
    from melisma.evaluate.vocoder.run import Settings
    from melisma.evaluate.vocoder.write import run
    from melisma.units import codebook_file
    from melisma.units.encode import config_of
    from melisma.units.encoder import EncoderConfig

    on = run_on(executor, workers, preview)
    refuse_elsewhere(on, "run the test there by `modal run -m melisma.scale.modal.app`")
    found = _file(corpus, vocoder, quiet=quiet)
    heard = config_of(codebook_file.read(corpus), EncoderConfig(), encoder)
    settings = Settings(num_samples, seed, speaker, pitch, encoder=heard)
    out = output or corpus / "vocoder_test"
    with progress(quiet=quiet, verbose=verbose) as tell:
        result = run(corpus, found, out, settings, tell, on)
    if as_json:
        print_json(result.as_dict())
    elif not quiet:
        _print(result)
    if not quiet:
        typer.echo(f"wrote {out / 'index.html'}", err=True)
    if strict and not all(each.met for each in result.verdict):
        raise typer.Exit(1)


def _file(corpus: Path, given: Path | None, *, quiet: bool) -> Path:
    """Return the file to test; an export that is of another checkpoint than the final one is made anew, or left out."""
    from melisma.units import vocoders

    found = vocoders.find(given or corpus)
    if given is not None or not vocoders.is_stale(found):
        return found
    final = found.with_name(vocoders.FINAL)
    can = all(find_spec(name) is not None for name in ("torch", "onnx"))
    if not quiet:
        what = "it is exported again" if can else "it is tested as it is, without torch"
        typer.echo(f"{found.name} is of another checkpoint than {final.name}: {what}", err=True)
    if can:
        from melisma.train.vocoder.export import export

        export(final, found.parent)
    return found


def _print(result: Result) -> None:
    from melisma.evaluate.vocoder.result import MEANS, NOISE, SPOKEN_MEANS, VOCODER

    names = {VOCODER: "vocoder", MEANS: "copy-mean", SPOKEN_MEANS: "copy-mean, spoken", NOISE: "noise"}
    typer.echo(f"{'':18}" + "".join(f"{head:>10}" for head in (*_SHOWN.values(), "units")))
    for system, label in names.items():
        means = result.means(system)
        values = [*(means.scores[name] for name in _SHOWN), means.unit_error]
        typer.echo(f"{label:18}" + "".join(f"{'–' if each is None else f'{each:.3g}':>10}" for each in values))
    typer.echo(f"units by chance {result.chance:.3f}; one second takes {1000 * result.real_time_factor:.1f} ms")
    for each in result.verdict:
        found = "–" if each.found is None else f"{each.found:.2f}"
        typer.echo(f"{'met    ' if each.met else 'not met'}  {each.name}: {found} ({each.limit})")
    for remark in result.remarks:
        typer.echo(f"note: {remark}", err=True)
    if result.held_out is None:
        typer.echo("these lines may have been learnt from: the vocoder's folder has no held_out.txt", err=True)
