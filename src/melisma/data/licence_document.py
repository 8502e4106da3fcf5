"""DATA_LICENSES.md: what a corpus is made of, what each licence asks, and how a source is taken out again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from melisma.core import licences
from melisma.data.licences import NO_SOURCE, UNKNOWN, Amount, Taint, taint
from melisma.data.manifest import Utterance, lines, parse
from melisma.scale.protocol import Progress

_MOST_CREDITS = 5000  # of one source; more are counted, and stand in the manifest
_HASH_BITS = 63
_TOLD = 1000  # lines after which it is told how far it is


@dataclass(frozen=True, slots=True)
class Credit:
    """Who made a recording: what a licence asks to be named."""

    title: str
    artist: str
    url: str

    def line(self) -> str:
        """Return it in one line of Markdown: title, author, address."""
        title = f"“{_escaped(self.title)}”" if self.title else ""
        by = f"by {_escaped(self.artist)}" if self.artist else ""
        url = f"<{self.url}>" if self.url.startswith(("http://", "https://")) and ">" not in self.url else ""
        return " ".join(part for part in (title, by, url) if part)


@dataclass(slots=True)
class Inventory:
    """What manifests say of sources, licences and authors; filled by `take`."""

    taint: Taint
    credits: dict[tuple[str, str], dict[Credit, None]] = field(default_factory=dict)
    n_uncredited: dict[tuple[str, str], int] = field(default_factory=dict)
    n_repeated: int = 0


def take(manifests: Iterable[Path], *, vouched: Collection[str] = (), progress: Progress | None = None) -> Inventory:
    """Read manifests; an utterance that is in several, by its id and source, counts once.

    The memory is 8 bytes for each utterance, and the names of sources, licences and authors.

    Raises
    ------
    ManifestError
        If one cannot be read.
    """
    found = Inventory(taint(()))
    found.taint = taint(_once(list(manifests), found, progress), vouched=vouched)
    return found


def _once(manifests: Sequence[Path], found: Inventory, progress: Progress | None) -> Iterator[Utterance]:
    seen: set[int] = set()
    for n_read, manifest in enumerate(manifests):
        size = manifest.stat().st_size if manifest.is_file() else 0
        for line in lines(manifest):
            utterance = parse(line.data, manifest, line.number)
            if progress is not None and size and line.number % _TOLD == 1:
                progress("licenses", (n_read + line.offset / size) / len(manifests))
            mark = hash((utterance.id, utterance.source)) & (2**_HASH_BITS - 1)
            if mark in seen:
                found.n_repeated += 1
                continue
            seen.add(mark)
            _credit(found, utterance)
            yield utterance


def _credit(found: Inventory, utterance: Utterance) -> None:
    extra = utterance.model_extra or {}
    title, artist, url = (_text(extra.get(name)) for name in ("title", "artist", "source_url"))
    if not (artist or url):
        return
    key = (utterance.source or NO_SOURCE, licences.label(utterance.license))
    kept = found.credits.setdefault(key, {})
    credit = Credit(title, artist, url)
    if credit in kept:
        return
    if len(kept) < _MOST_CREDITS:
        kept[credit] = None
    else:
        found.n_uncredited[key] = found.n_uncredited.get(key, 0) + 1


def _text(value: object) -> str:
    return " ".join(value.split())[:500] if isinstance(value, str) else ""


def document(found: Inventory, manifests: Iterable[Path], roots: str = ".") -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    found : Inventory
        What `take` returned.
    manifests : iterable of Path
        Named at its head.
    roots : str
        The folder that `melisma data remove` is to be given.
    """
    total = found.taint.total
    names = ", ".join(f"`{manifest.as_posix()}`" for manifest in manifests)
    head = [
        "# Data licences",
        f"{total.clips:,} utterances, {_hours(total.hours)}, of {names}. Written by `melisma data licenses`; "
        "write it again when the manifests change.",
        _verdict(found.taint),
        "## What each licence allows",
        *_table(found.taint),
    ]
    body = [part for name in found.taint.licences for part in _section(found, name)]
    return "\n\n".join([*head, *body, *_removal(roots)]) + "\n"


def _verdict(all_of_it: Taint) -> str:
    if all_of_it.commercial:
        return "**Commercial use:** allowed by every licence here, on the conditions below."
    forbidding = "; ".join(
        f"{_escaped(source)} ({'no licence is known' if name == UNKNOWN else _escaped(name)}, {_hours(amount.hours)})"
        for source, name, amount in all_of_it.offending[:20]
    )
    more = len(all_of_it.offending) - 20
    tail = f"; and {more} more sources" if more > 0 else ""
    return (
        f"**Commercial use:** not allowed. It is forbidden, or not known to be allowed, for: {forbidding}{tail}. "
        "A model that is trained on any of it is refused in commercial mode."
    )


def _table(all_of_it: Taint) -> Iterator[str]:
    rows = ["| licence | clips | hours | commercial use | credit | same licence | changed copies |"]
    rows.append("|---|---:|---:|---|---|---|---|")
    for name in all_of_it.licences:
        terms, amount = licences.terms(name), all_of_it.by_licence[name]
        words = ["not known"] * 3
        if terms.known:
            words = [
                "asked for" if terms.attribution else "not asked for",
                "asked for" if terms.share_alike else "not asked for",
                "may be passed on" if terms.derivatives else "may not be passed on",
            ]
        use = "yes" if all_of_it.allows(name) else "no" if terms.known else "not known, so no"
        title = "none named" if name == UNKNOWN else _linked(terms, name)
        rows.append(f"| {title} | {amount.clips:,} | {amount.hours:.2f} | {use} | {' | '.join(words)} |")
    yield "\n".join(rows)


def _linked(terms: licences.Terms, name: str) -> str:
    return f"[{name}]({terms.url})" if terms.url else _escaped(name)


def _section(found: Inventory, name: str) -> Iterator[str]:
    """Yield the part of one licence: what it means for use, and the sources under it."""
    terms = licences.terms(name)
    yield f"## {'No licence named' if name == UNKNOWN else _escaped(name)}"
    yield _permitted(terms, found.taint.allows(name))
    parts = {source: amount for (source, at), amount in found.taint.parts.items() if at == name}
    rows = ["| source | clips | hours |", "|---|---:|---:|"]
    rows += [f"| {_escaped(source)} | {n.clips:,} | {n.hours:.2f} |" for source, n in sorted(parts.items())]
    yield "\n".join(rows)
    if terms.attribution:
        yield from _credits(found, name, parts)


def _permitted(terms: licences.Terms, allowed: bool) -> str:
    if not terms.known and not allowed:
        return (
            "Nobody has said, in words that are known here, what may be done with these recordings. Find out, write it "
            "into `license` of the manifest, or remove them; until then the law's own exceptions are all that you have."
        )
    if terms.spdx == licences.RESERVED:
        return "All rights are reserved: there is no permission but the one that you hold yourself from the owners."
    said = [
        "may be copied and trained on" + ("" if terms.commercial or allowed else ", for non-commercial purposes only")
    ]
    if terms.attribution:
        said.append("whoever passes them on, or shows what was made of them, names the authors below and the licence")
        said.append("and says that they were changed (cut, resampled, cleaned, augmented)")
    if terms.share_alike:
        said.append("changed copies go out under the same licence")
    if not terms.derivatives:
        said.append("changed copies (segments and prepared audio too) may not be passed on")
    return f"Permitted: {'; '.join(said)}."


def _credits(found: Inventory, name: str, parts: dict[str, Amount]) -> Iterator[str]:
    """Yield the line that each author is owed, source by source."""
    lines, without = [], []
    for source in sorted(parts):
        kept = found.credits.get((source, name), {})
        lines += [f"- {line}, {_escaped(name)}" for credit in kept if (line := credit.line())]
        more = found.n_uncredited.get((source, name), 0)
        lines += [f"- and {more:,} more of {_escaped(source)}: `title` and `artist` in the manifest"] if more else []
        if not kept:
            without.append(source)
    if lines:
        yield "Credits:"
        yield "\n".join(lines)
    if without and name != UNKNOWN:
        yield (
            "Credit is owed by the name of the source, for the manifests name no author: "
            + "; ".join(f"“{_escaped(source)}”, {_escaped(name)}" for source in without)
            + "."
        )


def _removal(roots: str) -> Iterator[str]:
    yield "## How a source is removed"
    yield (
        "Whoever asks that their recordings be taken out is answered by one command. Without `--apply` it only says "
        "what it would do; with it, audio, transcripts, segments, alignments and lines of every manifest below the "
        "folder go, and so does all that was made of them; checkpoints and packages that were trained on them are "
        "named and marked."
    )
    yield (
        f"    melisma data remove --source 'NAME OR ADDRESS' {roots}\n"
        f"    melisma data remove --source 'NAME OR ADDRESS' {roots} --apply\n"
        "    melisma data remove --purge JOURNAL      # for good; until then --undo JOURNAL brings it back"
    )
    yield "One recording goes with `--id ID`, all under a licence with `--license NAME`. Then write this page again."


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"


def _escaped(text: str) -> str:
    """Return a stranger's text for a table of Markdown."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    for mark in "\\|<>[]*_`":
        shown = shown.replace(mark, f"\\{mark}")
    return shown
