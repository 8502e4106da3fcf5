"""The image of containers: the versions that are installed here, and this package as it is here."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import modal

import melisma.scale as _inside
from melisma.scale.modal.config import ModalConfig

_PLACE = "/opt/melisma"  # in the image; on PYTHONPATH
_MARK = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


def build(config: ModalConfig) -> modal.Image:
    """Return the image.

    Parameters
    ----------
    config : ModalConfig
        Its extras are installed; variables that containers read are set.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    image = modal.Image.debian_slim(python_version=python).apt_install("ffmpeg")
    if not modal.is_local():
        return image  # a container knows its own; only what is deployed is built
    image = image.uv_pip_install(*sorted(set(pinned("melisma", ("modal", *config.extras)))))
    image = image.env(
        {
            "PYTHONPATH": _PLACE,
            "MELISMA_MODAL_APP": config.app,
            "MELISMA_MODAL_VOLUME": config.volume,
            "MELISMA_MODAL_MOUNT": config.mount,
            "MELISMA_MODAL_GPU": config.gpu,
            "MELISMA_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
    )
    package = Path(_inside.__file__).parents[1]
    image = image.add_local_dir(package, f"{_PLACE}/melisma", ignore=["**/__pycache__"])
    # Engines and formats are found by the entry points that stand there.
    about = Path(str(metadata.distribution("melisma").locate_file(""))) / _info_folder()
    return image.add_local_dir(about, f"{_PLACE}/{about.name}") if about.is_dir() else image


def _info_folder() -> str:
    files = metadata.distribution("melisma").files or ()
    return next((file.parts[0] for file in files if file.parts[0].endswith(".dist-info")), "none")


def pinned(name: str, extras: Iterable[str], seen: set[str] | None = None) -> Iterator[str]:
    """Yield what a distribution needs, with extras of its own, each as the version that is installed here.

    What is not installed here, such as a part of another system, is left out.
    """
    seen = set() if seen is None else seen
    wanted = set(extras)
    for said in metadata.requires(name) or ():
        requirement, _, marker = said.partition(";")
        if (extra := _MARK.search(marker)) and extra[1] not in wanted:
            continue
        found = re.match(r"\s*([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?", requirement)
        if found is None or (known := found[1].lower()) in seen:
            continue
        try:
            version = metadata.version(known)
        except metadata.PackageNotFoundError:
            continue
        if known != name:
            seen.add(known)
            options = f"[{found[2]}]" if found[2] else ""
            yield f"{known}{options}=={version.partition('+')[0]}"
