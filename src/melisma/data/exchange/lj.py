"""LJ Speech and what is laid out like it: `metadata.csv` with id|text or id|text|spelt out, and a folder `wavs`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from melisma.core.errors import InputError, ManifestError
from melisma.data.exchange.drafts import Defaults, Draft, rows
from melisma.data.exchange.tables import link, whole_folder
from melisma.data.index import Index
from melisma.data.index_file import key
from melisma.data.manifest import Utterance, audio_path

TABLE, FOLDER = "metadata.csv", "wavs"


def read(source: Path, defaults: Defaults) -> Iterator[Draft]:
    """Yield the clips of a metadata.csv, or of the folder that it lies in.

    All are taken for one voice, called after the folder, unless a name is given: a split must not divide it.

    Raises
    ------
    ManifestError
        If a line cannot be read, or names a file outside of the folder.
    InputError
        If there is no metadata.csv.
    """
    table = source / TABLE if source.is_dir() else source
    if not table.is_file():
        raise InputError(f"{source} has no {TABLE}")
    wavs = defaults.audio_root or (table.parent / FOLDER if (table.parent / FOLDER).is_dir() else table.parent)
    voice = defaults.speaker or table.resolve().parent.name
    for number, line in rows(table):
        columns = line.split("|")
        if len(columns) not in (2, 3):
            raise ManifestError(table, number, f"has {len(columns)} columns: id|text or id|text|spelt out is expected")
        name = columns[0].strip()
        if name != Path(name).name or name in ("", ".", ".."):
            raise ManifestError(table, number, f"{name[:100]!a} is no name of a file in {wavs.name}")
        file = name if name.lower().endswith((".wav", ".flac", ".mp3", ".ogg", ".opus")) else f"{name}.wav"
        fields: dict[str, object] = {
            "id": name,
            "transcript": columns[1].strip(),
            "language": defaults.language,
            "speaker_id": voice,
            "license": defaults.license,
            "source": defaults.source,
        }
        if len(columns) == 3 and columns[2].strip():
            fields["norm"] = columns[2].strip()
        yield Draft(table, number, wavs / file, fields)


def write(index: Index, out: Path) -> int:
    """Write metadata.csv and `wavs`, links to the recordings; return how many there are.

    Raises
    ------
    InputError
        If a recording is no WAV, an utterance is a part of its recording only, two recordings have one name, or a text
        holds a | or a newline.
    OutputError
        If it cannot be written.
    """
    index.refuse_duplicates()
    names: dict[int, str] = {}
    with whole_folder(out) as folder:
        (folder / FOLDER).mkdir()
        with (folder / TABLE).open("w", encoding="utf-8", newline="\n") as table:
            for each in index:
                path = audio_path(index.path, each)
                if path.suffix.lower() != ".wav" or each.start > 0:
                    raise InputError(
                        f"the audio of {each.id!r} is no WAV of its own: melisma data preprocess makes them"
                    )
                cells = _cells(each, path.stem)
                if names.setdefault(key(path.stem), each.id) != each.id:
                    raise InputError(f"{path.name!a} is the recording of {names[key(path.stem)]!r} and of {each.id!r}")
                table.write("|".join(cells) + "\n")
                link(path, folder / FOLDER / f"{path.stem}.wav")
    return len(index)


def _cells(each: Utterance, name: str) -> list[str]:
    norm = (each.model_extra or {}).get("norm")
    cells = [name, each.transcript, norm if isinstance(norm, str) else each.transcript]
    if any(mark in cell for cell in cells for mark in "|\r\n") or any(cell != cell.strip() for cell in cells):
        raise InputError(f"{each.id!r} has a name or text with a |, a newline or a space at its end")
    return cells
