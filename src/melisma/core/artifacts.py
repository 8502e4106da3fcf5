"""Where commands put what they make, unless told otherwise: one root, and the folders of the Whisper contract in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from melisma.core.errors import InputError

VARIABLE = "MELISMA_ROOT"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Paths under one root; nothing is made here.

    Parameters
    ----------
    root : Path
        The folder that all of them lie in.

    Examples
    --------
    >>> Artifacts(Path("work")).log("run1").as_posix()
    'work/logs/training/run1.log'
    """

    root: Path = Path()

    @classmethod
    def of(cls, environ: Mapping[str, str] | None = None) -> Artifacts:
        """Return those under MELISMA_ROOT, or under the current folder where it is not set."""
        said = (os.environ if environ is None else environ).get(VARIABLE, "").strip()
        return cls(Path(said).expanduser()) if said else cls()

    def found(self, given: str | Path) -> str:
        """Return a path as it was given, or below the root where only there is something; a name stays a name."""
        here = _expanded(given)
        under = self.root / here
        return str(under) if len(here.parts) > 1 and not here.exists() and under.exists() else str(given)

    def training(self, given: str | Path) -> str:
        """Return the folder of a training that is given by its name; anything else as `found` does."""
        said = self.found(given)
        if not _expanded(said).exists() and _NAME.fullmatch(said) and self.whisper(said).is_dir():
            return str(self.whisper(said))
        return said

    @property
    def manifests(self) -> Path:
        """Folder of manifests and of what is said about corpora."""
        return self.root / "manifests"

    @property
    def inventory(self) -> Path:
        """Table of the recordings that there are."""
        return self.manifests / "dataset_inventory.csv"

    @property
    def validation(self) -> Path:
        """File that says which lines of a manifest a training can use."""
        return self.manifests / "validation_report.json"

    @property
    def balance(self) -> Path:
        """File that says what a corpus has too much of, and too little."""
        return self.manifests / "dataset_balance.json"

    @property
    def splits(self) -> Path:
        """Folder of training, validation and test."""
        return self.manifests / "splits"

    @property
    def licences(self) -> Path:
        """Page on the licences of a corpus."""
        return self.root / "DATA_LICENSES.md"

    @property
    def uploads(self) -> Path:
        """Folder of recordings as they came; copies of others in its `duplicates`."""
        return self.root / "uploads"

    @property
    def data(self) -> Path:
        """Folder of what trainings read."""
        return self.root / "data"

    @property
    def processed(self) -> Path:
        """Folder of prepared audio."""
        return self.data / "processed"

    @property
    def outputs(self) -> Path:
        """Folder of what is made of recordings, a folder each."""
        return self.root / "outputs"

    def processor(self, name: str) -> Path:
        """Folder of a Whisper processor."""
        return self.root / "models" / "processor" / checked(name)

    def whisper(self, run: str) -> Path:
        """Folder of a Whisper training: its model, and `checkpoints` beside it."""
        return self.root / "models" / "whisper" / checked(run)

    @property
    def segments(self) -> Path:
        """Folder of recordings cut at pauses."""
        return self.data / "segments"

    def units(self, name: str) -> Path:
        """Folder of a corpus of units: `features`, `codebook.npz`, the corpus, `motifs`, `vocoder`, `vocoder_test`."""
        return self.root / "units" / checked(name)

    def log(self, run: str) -> Path:
        """File of JSON lines that a training says of itself."""
        return self.root / "logs" / "training" / f"{checked(run)}.log"

    def sweep(self, study: str) -> Path:
        """Folder of a search over settings: its database, its table, its picture and the best configuration."""
        return self.root / "sweeps" / checked(study)

    def log_of(self, folder: Path) -> Path:
        """File that the training in a folder logs to: its place under the root, or in a folder that lies elsewhere."""
        folder = folder.absolute()
        if folder.parent == (self.root / "models" / "whisper").absolute() and _NAME.fullmatch(folder.name):
            return self.log(folder.name)
        return folder / "training.log"

    def report(self, run: str) -> Path:
        """Folder of a training's report."""
        return self.root / "reports" / checked(run)

    def evaluation(self, run: str) -> Path:
        """File of a model's error rates."""
        return self.manifests / f"eval_{checked(run)}.json"

    def output(self, file_id: str) -> Path:
        """Folder of what is made of one recording."""
        return self.outputs / checked(file_id)


def checked(name: str) -> str:
    """Return a name that may be that of a folder.

    Raises
    ------
    InputError
        If it could lead elsewhere.

    Examples
    --------
    >>> checked("run-1")
    'run-1'
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:80]!r} is no name for a folder: take letters, digits, dots, hyphens and underscores, "
            "100 at most, a letter or digit first"
        )
    return name


def _expanded(path: str | Path) -> Path:
    from melisma.core.files import expanded  # which brings NumPy: `melisma --help` does without

    return expanded(path)
