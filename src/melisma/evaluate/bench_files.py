"""A benchmark as files: JSON to compare later runs with, CSV for spreadsheets, a table for the terminal."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import InputError
from melisma.evaluate.bench import Baseline, Bench, EngineResult, version
from melisma.evaluate.bench_figures import NAMES, Figures, Repeated

SCHEMA = "melisma.bench/1"
MEAN_OF_SONGS, POOLED = "mean of songs", "pooled words"
_MAX_BYTES = 200_000_000


def as_dict(bench: Bench) -> dict[str, Any]:
    """Return everything that was measured, ready for JSON: a figure over nothing is None."""
    return {
        "schema": SCHEMA,
        "melisma_version": version(),
        "machine": bench.machine,
        "repeats": bench.repeats,
        "songs": [asdict(song) for song in bench.songs],
        "baseline": bench.baseline
        and {
            "engine": bench.baseline.engine,
            "aae": _number(bench.baseline.aae),
            "source": bench.baseline.source,
        },
        "engines": [_engine(engine) for engine in bench.engines],
    }


def _engine(result: EngineResult) -> dict[str, Any]:
    verdict = result.verdict
    return {
        **asdict(result.facts),
        "load_s": round(result.load_s, 3),
        "peak_mb": result.peak_mb,
        "mean_of_songs": _repeated(result.mean_of_songs),
        "pooled": _repeated(result.pooled),
        "lost": list(result.lost),
        "gain": _number(result.gain),
        "go": result.go,
        "checks": [
            {"name": check.name, "value": _number(check.value), "asked": check.asked, "holds": check.holds}
            for check in (verdict.checks if verdict else ())
        ],
        "songs": {
            song.song_id: {
                **(_repeated(song.figures) or {}),
                "lost": song.lost,
                "note": song.note,
                "errors_ms": [None if e != e else round(1000 * float(e)) for e in song.errors],
            }
            for song in result.songs
        },
    }


def _repeated(of: Repeated | None) -> dict[str, Any] | None:
    return None if of is None else {"mean": _figures(of.mean), "spread": _figures(of.spread)}


def _figures(of: Figures) -> dict[str, float | None]:
    return {name: _number(getattr(of, name)) for name in NAMES}


def _number(value: float | None) -> float | None:
    """Round to what is above a machine's noise; no number becomes None."""
    return None if value is None or value != value else round(value, 6)


def as_csv(bench: Bench) -> str:
    """Return one row per engine and song, and two more per engine, each figure beside its spread."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(("engine", "song", *(column for name in NAMES for column in (name, f"{name}_spread")), "note"))
    for engine in bench.engines:
        for song, figures, note in _rows(engine):
            cells = [""] * (2 * len(NAMES))
            if figures is not None:
                means, spreads = _figures(figures.mean), _figures(figures.spread)
                cells = ["" if v is None else f"{v:.6f}" for name in NAMES for v in (means[name], spreads[name])]
            table.writerow((engine.facts.name, song, *cells, note))
    return out.getvalue()


def _rows(engine: EngineResult) -> Iterator[tuple[str, Repeated | None, str]]:
    if engine.facts.missing:
        yield "", None, engine.facts.missing
        return
    for song in engine.songs:
        yield song.song_id, song.figures, song.note
    yield MEAN_OF_SONGS, engine.mean_of_songs, ""
    yield POOLED, engine.pooled, ""


def table(bench: Bench) -> str:
    """Return what a terminal shows: a row per engine over all words and over songs, what was lost, and the verdicts."""
    rows = [f"{'engine':16s} {'over':14s}" + "".join(f" {name:>9s}" for name in NAMES)]
    for engine in bench.engines:
        if engine.facts.missing:
            rows.append(f"{engine.facts.name:16s} not run: {engine.facts.missing}")
            continue
        for over, figures in ((POOLED, engine.pooled), (MEAN_OF_SONGS, engine.mean_of_songs)):
            if figures is not None:
                cells = "".join(f" {getattr(figures.mean, name):9.3f}" for name in NAMES)
                rows.append(f"{engine.facts.name:16s} {over:14s}{cells}")
    for engine in bench.engines:
        for song in engine.songs:
            if song.lost:
                reason = song.note or "lost: over half of its words are off by more than 1 s"
                rows.append(f"{engine.facts.name}: {song.song_id}: {reason}")
    rows += [f"{engine.facts.name}: {verdict_of(engine)}" for engine in bench.engines]
    return "\n".join(rows)


def verdict_of(engine: EngineResult) -> str:
    """Say in one line whether an engine may go, and which thresholds say no."""
    if engine.verdict is None:
        return "no-go (it did not run)"
    failed = "; ".join(f"{check.name} is {check.shown}, asked for {check.asked}" for check in engine.verdict.failed)
    if failed:
        return f"no-go ({failed})"
    return (
        "go" if engine.gain is not None else "go (no gain was measured: without a baseline, or as the baseline itself)"
    )


class _Loose(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class _Mean(_Loose):
    aae: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None


class _Pooled(_Loose):
    mean: _Mean


class _Engine(_Loose):
    name: str
    pooled: _Pooled | None = None


class _Song(_Loose):
    gold_sha256: str
    audio_sha256: str


class _Run(_Loose):
    schema_name: Annotated[Literal["melisma.bench/1"], Field(alias="schema")]
    songs: list[_Song]
    engines: list[_Engine]


def read_baseline(path: Path, engine: str | None = None) -> Baseline:
    """Read what a later run is compared with.

    Parameters
    ----------
    path : Path
        The JSON of an earlier run.
    engine : str, optional
        Which of its engines; needed where there are several.

    Raises
    ------
    InputError
        If the file cannot be read, is no such JSON, or has no such engine, or one without an AAE.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > _MAX_BYTES:
        raise InputError(f"{path} is larger than {_MAX_BYTES // 1_000_000} MB: no benchmark is")
    try:
        found = _Run.model_validate(json.loads(data))
    except (ValidationError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is no {SCHEMA}, as melisma bench engines -o writes it") from error
    aae = {one.name: one.pooled.mean.aae for one in found.engines if one.pooled}
    if engine is None and len(aae) != 1:
        raise InputError(f"{path} has the engines {', '.join(sorted(aae)) or 'none'}: name one of them as the baseline")
    name = engine if engine is not None else next(iter(aae))
    value = aae.get(name)
    if value is None:
        raise InputError(f"{path} has no AAE of the engine {name!r}, only of {', '.join(sorted(aae)) or 'none'}")
    gold = frozenset(song.gold_sha256 for song in found.songs)
    return Baseline(name, value, str(path), gold, frozenset(song.audio_sha256 for song in found.songs))
