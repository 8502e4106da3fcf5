"""Folders to the volume and back: in batches, resumed by lists of hashes, with how long it will take."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from melisma.core.errors import InputError, OutputError
from melisma.core.files import make_folder, sha256_of
from melisma.scale.modal.cloud import Entry, Store
from melisma.scale.modal.hashes import Hashes

BATCH = 100  # files, as the document has it
LISTS = ".melisma/lists"  # on the volume: what was uploaded, with hashes; a file for each batch, joined at the end


@dataclass(frozen=True, slots=True)
class Way:
    """How far a transfer is.

    Parameters
    ----------
    n_files, n_done : int
        In all, and so far; what was there already is in neither.
    n_bytes, n_bytes_done : int
        As above.
    seconds : float
        Since it began.
    """

    n_files: int
    n_done: int
    n_bytes: int
    n_bytes_done: int
    seconds: float

    @property
    def left_s(self) -> float | None:
        """Seconds until it is done at the rate so far; None while there is none."""
        if not self.n_bytes_done or self.seconds <= 0:
            return None
        return (self.n_bytes - self.n_bytes_done) * self.seconds / self.n_bytes_done

    def line(self) -> str:
        """Return what to print.

        Examples
        --------
        >>> Way(400, 100, 4_000_000, 1_000_000, 60.0).line()
        '100 of 400 files, 1.0 of 4.0 MB, 3 min left'
        """
        left = self.left_s
        when = "" if left is None else f", {left:.0f} s left" if left < 120 else f", {left / 60:.0f} min left"
        return (
            f"{self.n_done} of {self.n_files} files, {self.n_bytes_done / 1e6:.1f} of {self.n_bytes / 1e6:.1f} MB{when}"
        )


Told = Callable[[Way], None]


@dataclass(slots=True)
class Moved:
    """What a transfer did."""

    n_files: int = 0
    n_bytes: int = 0
    n_there: int = 0  # were the same already
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of a list on the volume."""

    size: int
    sha256: str


def upload(store: Store, folder: Path, place: str, *, told: Told | None = None) -> Moved:
    """Bring a folder to the volume; what is there already, by its hash, is left.

    Parameters
    ----------
    store : Store
        The volume.
    folder : Path
        A folder, or one file.
    place : str
        Path on the volume.
    told : callable, optional
        Told after every batch.

    Raises
    ------
    InputError
        If there is no such folder, or it holds nothing.
    """
    files = sorted(_files(folder))
    if not files:
        raise InputError(f"{folder} holds no file")
    known, there = read_lists(store, place), {each.path: each.size for each in store.files(place)}
    made, todo, hashes = Moved(), [], Hashes(folder)
    for path in files:
        name = _name(path, folder, place)
        said = known.get(name)
        size = path.stat().st_size
        if said is not None and said.size == size == there.get(name) and said.sha256 == hashes.of(path):
            made.n_there += 1
        else:
            todo.append((path, name, size))
    began, n_bytes = time.monotonic(), sum(size for *_, size in todo)
    for batch in (todo[i : i + BATCH] for i in range(0, len(todo), BATCH)):
        lines = [json.dumps({"path": name, "size": size, "sha256": hashes.of(path)}) for path, name, size in batch]
        store.upload([(path, name) for path, name, _ in batch])
        # Only when the files are there: a transfer that breaks off between the two sends one batch again.
        store.upload([("\n".join(lines).encode(), f"{_list_folder(place)}/{secrets.token_hex(8)}.jsonl")])
        made.n_files += len(batch)
        made.n_bytes += sum(size for *_, size in batch)
        hashes.save()
        if told is not None:
            told(Way(len(todo), made.n_files, n_bytes, made.n_bytes, time.monotonic() - began))
    hashes.save()
    _join_lists(store, place)
    return made


def download(store: Store, place: str, folder: Path, *, told: Told | None = None) -> Moved:
    """Bring a folder of the volume here; what was brought before and has not changed on either side is left.

    Parameters
    ----------
    store : Store
        The volume.
    place : str
        Path on the volume.
    folder : Path
        Where it comes to; of one file, its name, or a folder that is there.
    told : callable, optional
        Told after every file.

    Raises
    ------
    InputError
        If the volume has nothing there.
    OutputError
        If a file cannot be written.
    """
    entries = [each for each in store.files(place) if not each.path.startswith(f"{LISTS.split('/')[0]}/")]
    if not entries:
        raise InputError(f"the volume has no file in {place or 'its root'}")
    # One file comes to the name that is asked for, or into a folder of that name; `place` is a folder else.
    make_folder(folder if folder.is_dir() or [each.path for each in entries] != [place] else folder.parent)
    known, hashes, made = read_lists(store, place), Hashes(folder), Moved()
    todo: list[tuple[Entry, Path]] = []
    for entry in entries:
        target = _target(entry.path, place, folder)
        if target is None:
            made.problems.append(f"{entry.path!r} on the volume is no name for a file here")
        elif hashes.same(target, entry) or _has(target, known.get(entry.path), entry.size, hashes):
            made.n_there += 1
        else:
            todo.append((entry, target))
    began, n_bytes = time.monotonic(), sum(entry.size for entry, _ in todo)
    for n, (entry, target) in enumerate(todo, 1):
        _fetch(store, entry, target, known.get(entry.path), made)
        if target.is_file():
            hashes.brought(target, entry)
        if n % BATCH == 0:
            hashes.save()
        if told is not None:
            told(Way(len(todo), n, n_bytes, made.n_bytes, time.monotonic() - began))
    hashes.save()
    return made


@dataclass(frozen=True, slots=True)
class Standing:
    """How a folder here and its mirror differ; names are those below the folder."""

    same: int
    only_here: tuple[str, ...]
    only_there: tuple[str, ...]
    different: tuple[str, ...]
    bytes_here: int
    bytes_there: int


def compare(store: Store, folder: Path, place: str) -> Standing:
    """Tell how a folder and its mirror differ: by sizes, and by hashes where a list has them.

    Raises
    ------
    InputError
        If there is neither.
    """
    known = read_lists(store, place)
    hashes = Hashes(folder)
    here = {_name(path, folder, place): path for path in _files(folder)} if folder.exists() else {}
    there = {e.path: e for e in store.files(place) if not e.path.startswith(".melisma/")}
    if not here and not there and not folder.is_dir():
        raise InputError(f"there is no folder {folder}, and the volume has no file in {place or 'its root'}")
    both = sorted(here.keys() & there.keys())
    different = [name for name in both if not _agree(here[name], there[name], known.get(name), hashes)]
    hashes.save()
    return Standing(
        same=len(both) - len(different),
        only_here=tuple(sorted(here.keys() - there.keys())),
        only_there=tuple(sorted(there.keys() - here.keys())),
        different=tuple(different),
        bytes_here=sum(path.stat().st_size for path in here.values()),
        bytes_there=sum(each.size for each in there.values()),
    )


def _agree(path: Path, entry: Entry, said: Listed | None, hashes: Hashes) -> bool:
    if path.stat().st_size != entry.size:
        return False
    if hashes.same(path, entry):
        return True
    return said is None or said.size != entry.size or said.sha256 == hashes.of(path)


def read_lists(store: Store, place: str) -> dict[str, Listed]:
    """Return what lists on the volume say of its files; a line that is none is left out, its file is sent again."""
    found: dict[str, Listed] = {}
    for entry in sorted(store.files(_list_folder(place)), key=lambda each: each.mtime):
        for line in b"".join(store.read(entry.path)).splitlines():
            try:
                said = json.loads(line)
                name, size, digest = said["path"], said["size"], said["sha256"]
            except (ValueError, TypeError, KeyError, RecursionError):
                continue
            if isinstance(name, str) and isinstance(size, int) and isinstance(digest, str):
                found[name] = Listed(size, digest)
    return found


def _join_lists(store: Store, place: str) -> None:
    """Make one list of many: what a volume finds slow is many small files."""
    parts = [each.path for each in store.files(_list_folder(place))]
    if len(parts) < 2:
        return
    lines = [
        json.dumps({"path": name, "size": each.size, "sha256": each.sha256})
        for name, each in sorted(read_lists(store, place).items())
    ]
    store.upload([("\n".join(lines).encode(), f"{_list_folder(place)}/{secrets.token_hex(8)}.jsonl")])
    for path in parts:
        store.remove(path)


def _list_folder(place: str) -> str:
    return f"{LISTS}/{place or 'root'}/list"


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder; what is hidden, and links, stay here."""
    if folder.is_file():
        yield folder
        return
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}")
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(where, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path


def _name(path: Path, folder: Path, place: str) -> str:
    if path == folder:
        return place
    return (PurePosixPath(place) / path.relative_to(folder).as_posix()).as_posix()


def _target(path: str, place: str, folder: Path) -> Path | None:
    """Return where a file of the volume comes to; None for a name that could lead elsewhere."""
    if path == place:
        return folder / PurePosixPath(path).name if folder.is_dir() else folder
    rest = path[len(place) + 1 :] if place else path
    parts = rest.split("/")
    if (place and not path.startswith(f"{place}/")) or any(p in ("", ".", "..") or "\0" in p for p in parts):
        return None
    target = folder.joinpath(*parts)
    # A link of this side must not lead a file of the other out of the folder.
    return target if target.parent.resolve().is_relative_to(folder.resolve()) else None


def _has(target: Path, said: Listed | None, size: int, hashes: Hashes) -> bool:
    if said is None or said.size != size or not target.is_file() or target.stat().st_size != size:
        return False
    return hashes.of(target) == said.sha256


def _fetch(store: Store, entry: Entry, target: Path, said: Listed | None, made: Moved) -> None:
    make_folder(target.parent)
    temporary = target.with_name(f".melisma-{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            for block in store.read(entry.path):
                file.write(block)
        size = temporary.stat().st_size
        if size != entry.size or (said is not None and said.size == size and sha256_of(temporary) != said.sha256):
            made.problems.append(f"{entry.path} did not come whole, or was changed meanwhile: fetch it again")
            return
        os.replace(temporary, target)
        made.n_files += 1
        made.n_bytes += size
    except FileNotFoundError:
        made.problems.append(f"{entry.path} went away meanwhile")
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
