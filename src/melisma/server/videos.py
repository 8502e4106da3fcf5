"""A video as a job asks for it, and as `melisma.pipeline.video` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from melisma.formats.karaoke_script import Colours
from melisma.pipeline.video.config import Container, VideoConfig

_PLAIN = ("width", "height", "fps", "font", "font_size", "background", "dim", "title", "artist", "count_in")


def config_of(request: Mapping[str, Any], picture: Path | None) -> VideoConfig:
    """Return the config that a job's request means.

    Parameters
    ----------
    request : mapping
        The fields of `VideoWish`, title and artist filled in.
    picture : Path or None
        Where the picture lies that the request names by its content.
    """
    plain = {name: request[name] for name in _PLAIN}
    return VideoConfig(
        container=Container(request["container"]), colours=Colours(**request["colours"]), picture=picture, **plain
    )
