"""A benchmark as one HTML page that needs no host, in light and in dark, and all its files in a folder."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from melisma.core.files import make_folder, write_atomically
from melisma.evaluate.bench import Bench, EngineResult, version
from melisma.evaluate.bench_figures import Check, Repeated
from melisma.evaluate.bench_files import as_csv, as_dict
from melisma.evaluate.bench_plots import Trace, colour, cumulative, early_and_late, legend_mark

NAMES = ("bench.json", "bench.csv", "bench.html")
# Figure, heading, whether it is a share, what it means.
_COLUMNS = (
    ("aae", "AAE", False, "mean size of the error"),
    ("p50", "P50", False, "half of the timed words are off by less"),
    ("p95", "P95", False, "95 of 100 timed words are off by less"),
    ("hit100", "Hit@100", True, "words within 100 ms"),
    ("hit150", "Hit@150", True, "words within 150 ms"),
    ("pco300", "PCO@0.3", True, "words within 0.3 s"),
    ("perceived", "perceived", True, "words from 0.33 s early to 0.22 s late"),
    ("off800", "> 0.8 s", True, "words off by more than 0.8 s"),
    ("derail", "> 1 s", True, "words off by more than a second"),
    ("line_sync", "lines in sync", True, "lines of which every word is within the perceived window"),
    ("coverage", "timed", True, "words that have a time"),
)
_CSS = """
:root { color-scheme: light dark; --ground: #fbfbfa; --panel: #fff; --ink: #1d2126; --quiet: #5d6670; --edge: #dfe2e5;
  --good: #0a6b45; --bad: #b3261e; --window: #0a6b4518; }
.e0 { --c: #0072b2; } .e1 { --c: #d55e00; } .e2 { --c: #00845f; } .e3 { --c: #b0558f; } .e4 { --c: #a66f00; }
.e5 { --c: #3b86b8; } .e6 { --c: #4a4a4a; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171a; --panel: #1c2024; --ink: #e8eaec; --quiet: #a0a8b0; --edge: #343a40; --good: #5fd39f;
    --bad: #ff8f85; --window: #5fd39f1c; }
  .e0 { --c: #56b4e9; } .e1 { --c: #ff9a4d; } .e2 { --c: #3fd0a4; } .e3 { --c: #e79ac6; } .e4 { --c: #f0c14b; }
  .e5 { --c: #9ecbea; } .e6 { --c: #c8c8c8; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 2rem 1.25rem 4rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.4rem 0 0.6rem; }
p { margin: 0.3rem 0 0.8rem; max-width: 46rem; } .quiet { color: var(--quiet); }
.scroll { overflow-x: auto; background: var(--panel); border: 1px solid var(--edge); border-radius: 0.6rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
th, td { padding: 0.45rem 0.7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--edge); }
tr:last-child > * { border-bottom: 0; }
th { font-weight: 600; color: var(--quiet); } tbody th { color: var(--ink); }
th:first-child, td.note { text-align: left; } td.note { white-space: normal; min-width: 18rem; }
.spread { display: block; font-size: 0.75rem; color: var(--quiet); }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.mark { vertical-align: middle; margin-right: 0.5rem; }
.plot { width: 100%; height: auto; display: block; padding: 0.6rem; min-width: 34rem; }
.plot text { fill: var(--quiet); font-size: 12px; }
.grid { stroke: var(--edge); } .asked { stroke: var(--ink); stroke-dasharray: 3 4; opacity: 0.55; }
.curve { fill: none; stroke: var(--c); stroke-width: 2.5; } .fill { fill: var(--c); }
.median { stroke: var(--ink); stroke-width: 2; }
.window { fill: var(--window); }
.bar { position: relative; min-width: 9rem; } .bar span { position: relative; }
.bar svg { position: absolute; inset: 0.3rem; width: calc(100% - 0.6rem); height: calc(100% - 0.6rem); opacity: 0.28; }
.bar rect { fill: var(--c); }
code { font-size: 0.88em; }
"""


def write(bench: Bench, folder: Path) -> tuple[Path, ...]:
    """Write JSON, CSV and HTML into a folder, made where it is missing.

    Raises
    ------
    OutputError
        If the folder cannot be made or a file cannot be written.
    """
    make_folder(folder)
    texts = (json.dumps(as_dict(bench), ensure_ascii=False, indent=1) + "\n", as_csv(bench), page(bench))
    paths = tuple(folder / name for name in NAMES)
    for path, text in zip(paths, texts, strict=True):
        write_atomically(path, text.encode("utf-8", "backslashreplace"))
    return paths


def page(bench: Bench) -> str:
    """Return one HTML document without script, that fetches nothing."""
    digest = base64.b64encode(hashlib.sha256(_CSS.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    body = "".join(_sections(bench))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Engines side by side</title>\n<style>{_CSS}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def _sections(bench: Bench) -> Iterator[str]:
    n_words = sum(song.n_words for song in bench.songs)
    minutes = sum(song.duration_s for song in bench.songs) / 60
    ran = [engine for engine in bench.engines if engine.pooled is not None]
    yield "<h1>Engines side by side</h1>\n"
    yield (
        f'<p class="quiet">{len(bench.songs)} songs, {n_words} words, {minutes:.1f} minutes; each engine '
        f"{bench.repeats} times, the same samples and lyrics for all. {_e(bench.machine)}; melisma {_e(version())}."
        "</p>\n"
    )
    yield f"<h2>Verdict</h2>\n{_baseline(bench)}{_verdicts(bench)}"
    yield f"<h2>All words together</h2>\n{_figures(bench, pooled=True)}"
    yield f"<h2>Mean of songs</h2>\n{_figures(bench, pooled=False)}"
    if ran:
        traces = [Trace(e.facts.name, np.concatenate([song.errors for song in e.songs])) for e in ran]
        yield (
            "<h2>Share of words by size of error</h2>\n<p>Higher and further left is better; the dotted lines are "
            "150 ms and 80 % of the words. A curve ends at the share of words that have a time.</p>\n"
            f'<div class="scroll">{cumulative(traces)}</div>\n{_legend(ran)}'
        )
        yield (
            "<h2>Early and late</h2>\n<p>Boxes hold the middle half of the timed words, lines 90 of 100. The ground is "
            "the window in which most listeners notice nothing.</p>\n"
            f'<div class="scroll">{early_and_late(traces)}</div>\n'
        )
        yield f"<h2>Song by song: words within 150 ms</h2>\n{_songs(bench, ran)}"
        yield f"<h2>Cost</h2>\n{_costs(bench)}"


def _baseline(bench: Bench) -> str:
    if bench.baseline is None:
        return "<p>No baseline was given, so no gain is measured.</p>\n"
    base = bench.baseline
    other = {song.audio_sha256 for song in bench.songs} != base.audio and bool(base.audio)
    note = " Its recordings are not the same files, bit for bit." if other else ""
    return f"<p>Gains are against <b>{_e(base.engine)}</b> of {_e(base.source)}, AAE {base.aae:.3f} s.{note}</p>\n"


def _verdicts(bench: Bench) -> str:
    names = next(([check.name for check in e.verdict.checks] for e in bench.engines if e.verdict), [])
    head = "<th>engine</th><th>verdict</th>" + "".join(f"<th>{_e(name)}</th>" for name in names)
    rows = []
    for engine in bench.engines:
        if engine.verdict is None:
            rows.append(
                f'<tr><th>{_e(engine.facts.name)}</th><td class="bad">not run</td>'
                f'<td class="note" colspan="{max(1, len(names))}">{_e(engine.facts.missing)}</td></tr>'
            )
            continue
        said = '<td class="good">go</td>' if engine.go else '<td class="bad">no-go</td>'
        rows.append(f"<tr><th>{_e(engine.facts.name)}</th>{said}{''.join(map(_check, engine.verdict.checks))}</tr>")
    return _table(head, rows)


def _check(check: Check) -> str:
    if check.holds is None:
        return '<td class="quiet">not measured</td>'
    kind, sign = ("good", "✓") if check.holds else ("bad", "✗")
    return f'<td class="{kind}">{sign} {check.shown}<span class="spread">asked: {_e(check.asked)}</span></td>'


def _figures(bench: Bench, *, pooled: bool) -> str:
    head = "<th>engine</th>" + "".join(f'<th title="{_e(what)}">{_e(label)}</th>' for _, label, _, what in _COLUMNS)
    rows = []
    for engine in bench.engines:
        of = engine.pooled if pooled else engine.mean_of_songs
        if of is not None:
            cells = "".join(_cell(of, name, share) for name, _, share, _ in _COLUMNS)
            rows.append(f"<tr><th>{_e(engine.facts.name)}</th>{cells}</tr>")
    return _table(head, rows)


def _cell(of: Repeated, name: str, share: bool) -> str:
    value, spread = getattr(of.mean, name), getattr(of.spread, name)
    if value != value:
        return "<td>–</td>"
    text, around = (f"{value:.1%}", f"± {spread:.1%}") if share else (f"{value:.3f} s", f"± {spread:.3f}")
    return f'<td>{text}<span class="spread">{around}</span></td>'


def _legend(ran: list[EngineResult]) -> str:
    marks = "".join(f"<span>{legend_mark(k)}{_e(engine.facts.name)}</span> " for k, engine in enumerate(ran))
    return f"<p>{marks}</p>\n"


def _songs(bench: Bench, ran: list[EngineResult]) -> str:
    head = "<th>song</th><th>words</th>" + "".join(f"<th>{_e(engine.facts.name)}</th>" for engine in ran)
    rows = []
    for k, song in enumerate(bench.songs):
        cells = "".join(_bar(engine, k, j) for j, engine in enumerate(ran))
        rows.append(f"<tr><th>{_e(song.song_id)}</th><td>{song.n_words}</td>{cells}</tr>")
    return _table(head, rows)


def _bar(engine: EngineResult, k: int, j: int) -> str:
    song = engine.songs[k]
    share = song.figures.mean.hit150
    bar = f'<svg viewBox="0 0 100 10" preserveAspectRatio="none"><rect width="{100 * share:.1f}" height="10"/></svg>'
    said = f'<span class="bad">lost</span> <span>{share:.1%}</span>' if song.lost else f"<span>{share:.1%}</span>"
    title = f' title="{_e(song.note)}"' if song.note else ""
    return f'<td class="bar {colour(j)}"{title}>{bar}{said}</td>'


def _costs(bench: Bench) -> str:
    head = "<th>engine</th><th>seconds</th><th>times the recording's length</th><th>loading</th><th>peak memory</th>"
    head += "<th>device</th><th>model</th><th>licence</th>"
    rows = []
    for engine in bench.engines:
        if engine.pooled is None:
            continue
        mean, spread = engine.pooled.mean, engine.pooled.spread
        memory = "–" if engine.peak_mb is None else f"{engine.peak_mb} MB"
        facts = engine.facts
        rows.append(
            f"<tr><th>{_e(facts.name)}</th>"
            f'<td>{mean.seconds:.1f}<span class="spread">± {spread.seconds:.1f}</span></td>'
            f"<td>{mean.rtf:.3f}</td><td>{engine.load_s:.1f} s</td><td>{memory}</td><td>{_e(facts.device)}</td>"
            f"<td>{_e(facts.model_id)} {_e(facts.model_revision[:12])}</td><td>{_e(facts.licence)}</td></tr>"
        )
    return _table(head, rows)


def _table(head: str, rows: list[str]) -> str:
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(rows)
        + "\n</tbody>\n</table></div>\n"
    )


def _e(text: str) -> str:
    return html.escape(text)
