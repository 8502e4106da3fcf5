"""What was fetched, and what cannot be had: a line each, so that nothing is asked for twice."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError, OutputError
from melisma.data.fetching.protocol import Fate

NAME = "archive.jsonl"
_YT_DLP = re.compile(r"([a-z0-9:_+-]{1,80}) (\S{1,8192})")


@dataclass(frozen=True, slots=True)
class Entry:
    """What came of a recording, as an earlier run wrote it down; `addresses` are those that lead to it alone."""

    key: str
    fate: Fate
    id: str = ""
    file: str = ""
    reason: str = ""
    addresses: tuple[str, ...] = ()


class Archive:
    """The archive of a folder, in the memory of one short record for each recording.

    Lines are JSON objects; those of a yt-dlp archive (`youtube dQw4w9WgXcQ`) are understood too, so that an archive
    that is there already can be gone on with. A last line that a crash has cut short is dropped.

    Raises
    ------
    InputError
        If the file cannot be read, or a line other than the last is none of the archive's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._by_key: dict[str, Entry] = {}
        self._by_url: dict[str, str] = {}
        try:
            data = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise InputError(f"the archive {path} cannot be read: {error.strerror or error}") from error
        self._n_whole = data.rfind(b"\n") + 1  # bytes; what stands behind was cut short
        for number, line in enumerate(data[: self._n_whole].split(b"\n"), 1):
            if not line.strip():
                continue
            entry = _parse(line)
            if entry is None:
                raise InputError(f"{path}, line {number}: this is no line of an archive of fetched recordings")
            self._remember(entry)

    def __len__(self) -> int:
        return len(self._by_key)

    def find(self, *, key: str = "", url: str = "") -> Entry | None:
        """Return what is known of a recording by its key, or by an address that leads to it alone."""
        return self._by_key.get(key or self._by_url.get(url, ""))

    def add(self, entry: Entry) -> None:
        """Write down what came of a recording, at once and for good.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        said: dict[str, Any] = {name: value for name in Entry.__slots__ if (value := getattr(entry, name))}
        line = json.dumps(said, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        try:
            with self.path.open("r+b" if self.path.exists() else "xb") as file:
                file.seek(self._n_whole)
                file.truncate()
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"cannot write the archive {self.path}: {error.strerror or error}") from error
        self._n_whole += len(line)
        self._remember(entry)

    def _remember(self, entry: Entry) -> None:
        self._by_key[entry.key] = entry
        self._by_url.update(dict.fromkeys(entry.addresses, entry.key))


def _parse(line: bytes) -> Entry | None:
    try:
        text = line.decode("utf-8").strip()
        if not text.startswith("{"):
            found = _YT_DLP.fullmatch(text)
            return Entry(f"{found[1]} {found[2]}", Fate.FETCHED) if found else None
        said = json.loads(text)
        fields = {name: said.get(name, "") for name in ("id", "file", "reason")}
        addresses = said.get("addresses", [])
        if not isinstance(addresses, list) or not all(isinstance(a, str) for a in (*addresses, *fields.values())):
            return None
        key = said.get("key")
        return (
            Entry(key, Fate(said.get("fate")), **fields, addresses=tuple(addresses))
            if key and isinstance(key, str)
            else None
        )
    except (ValueError, RecursionError):
        return None
