"""Mozilla Common Voice: a table of tab-separated values beside a folder `clips`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from melisma.core.errors import InputError, ManifestError
from melisma.data.exchange.drafts import Defaults, Draft, rows
from melisma.data.exchange.tables import link, whole_folder
from melisma.data.index import Index
from melisma.data.index_file import key
from melisma.data.manifest import Utterance, audio_path

TABLES = ("validated.tsv", "train.tsv", "other.tsv")  # of a folder, the first that there is
LENGTHS = "clip_durations.tsv"
_KEPT = (
    "age",
    "gender",
    "accents",
    "accent",
    "variant",
    "segment",
    "sentence_domain",
)  # as they are, where they say something
_VOTES = ("up_votes", "down_votes")
_OURS = ("id", "license", "source")  # columns of ours, so that no licence is lost on the way
_COLUMNS = (
    "client_id",
    "path",
    "sentence",
    *_VOTES,
    "age",
    "gender",
    "accents",
    "variant",
    "locale",
    "segment",
    *_OURS,
)


def read(source: Path, defaults: Defaults) -> Iterator[Draft]:
    """Yield the clips of a table, or of the folder of a language (its validated.tsv).

    Raises
    ------
    ManifestError
        If a line cannot be read, or names a clip that does not lie in `clips`.
    InputError
        If there is no table.
    """
    table = _table(source)
    lines = rows(table)
    columns = next(lines, (1, ""))[1].split("\t")
    for needed in ("path", "sentence"):
        if needed not in columns:
            raise ManifestError(table, 1, f"has no column {needed!r}: this is no table of Common Voice")
    clips = defaults.audio_root or table.parent / "clips"
    lengths = _lengths(table.with_name(LENGTHS))
    for number, line in lines:
        values = line.split("\t")
        if len(values) > len(columns):
            raise ManifestError(table, number, f"has {len(values)} columns, the first line has {len(columns)}")
        row = dict(zip(columns, values, strict=False))
        name = _clip(table, number, row.get("path", ""))
        fields = _fields(row, name, defaults)
        for vote in _VOTES:
            if row.get(vote, "").isdecimal():
                fields[vote] = int(row[vote][:9])
        if (ms := lengths.get(key(name))) is not None:
            fields["duration"] = ms / 1000
        yield Draft(table, number, clips / name, fields)


def _table(source: Path) -> Path:
    if source.is_file():
        return source
    for name in TABLES:
        if (source / name).is_file():
            return source / name
    raise InputError(f"{source} holds none of {', '.join(TABLES)}: name the table, or the folder of a language")


def _fields(row: dict[str, str], name: str, defaults: Defaults) -> dict[str, object]:
    found: dict[str, object] = {
        "id": row.get("id") or Path(name).stem,
        "transcript": row.get("sentence", ""),
        "language": row.get("locale") or defaults.language,
        "speaker_id": row.get("client_id") or defaults.speaker,
        "license": row.get("license", defaults.license or "CC0-1.0"),
        "source": row.get("source", defaults.source or "Common Voice"),
    }
    return found | {each: row[each] for each in _KEPT if row.get(each)}


def _clip(table: Path, number: int, name: str) -> str:
    if name != Path(name).name or name in ("", ".", ".."):
        raise ManifestError(table, number, f"{name[:100]!a} is no name of a clip in the folder of clips")
    return name if Path(name).suffix else f"{name}.mp3"  # as the first releases wrote them


def _lengths(path: Path) -> dict[int, float]:
    found: dict[int, float] = {}
    if path.is_file():
        for number, line in rows(path):
            name, _, ms = line.partition("\t")
            if number > 1 and ms.strip().isdecimal() and int(ms[:12]) > 0:
                found[key(name)] = int(ms[:12])
    return found


def write(index: Index, out: Path) -> int:
    """Write a folder with validated.tsv, clip_durations.tsv and `clips`, links to the recordings; return how many.

    Raises
    ------
    InputError
        If an utterance is a part of its recording only, two recordings have one name, or a text holds a tab or newline.
    OutputError
        If it cannot be written.
    """
    index.refuse_duplicates()
    names: dict[int, str] = {}
    with whole_folder(out) as folder:
        (folder / "clips").mkdir()
        with (
            (folder / TABLES[0]).open("w", encoding="utf-8", newline="\n") as table,
            (folder / LENGTHS).open("w", encoding="utf-8", newline="\n") as lengths,
        ):
            table.write("\t".join(_COLUMNS) + "\n")
            lengths.write("clip\tduration[ms]\n")
            for each in index:
                path = audio_path(index.path, each)
                cells = _cells(each, path.name)
                if names.setdefault(key(path.name), each.id) != each.id:
                    raise InputError(f"{path.name!a} is the recording of {names[key(path.name)]!r} and of {each.id!r}")
                table.write("\t".join(cells) + "\n")
                lengths.write(f"{path.name}\t{round(each.duration * 1000)}\n")
                link(path, folder / "clips" / path.name)
    return len(index)


def _cells(each: Utterance, name: str) -> list[str]:
    if each.start > 0:
        raise InputError(f"{each.id!r} is a part of its recording, which Common Voice cannot say: preprocess it first")
    more = each.model_extra or {}
    language = "" if each.language == "und" else each.language
    said = {"client_id": each.speaker_id, "path": name, "sentence": each.transcript, "locale": language}
    said |= {column: getattr(each, column) for column in _OURS}
    cells = [str(said.get(column, more.get(column, ""))) for column in _COLUMNS]
    if any(mark in cell for cell in cells for mark in "\t\r\n"):
        raise InputError(f"{each.id!r} has a field with a tab or a newline, which its table cannot hold")
    return cells
