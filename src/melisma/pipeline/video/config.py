"""What a karaoke video is to be like, and the bounds that keep it a video."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path

from melisma.core.errors import InputError
from melisma.formats.karaoke_script import Colours

WIDTHS, HEIGHTS, RATES = (256, 3840), (144, 2160), (10, 60)
_MOST_PIXELS = 3840 * 2160
_AUTO_SIZE = 0.092  # of the height: two rows, and seven words of English in one of them
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)
_LONGEST_NAME = 300  # characters of a title


class Container(StrEnum):
    """What the video is packed in: H.264 and AAC, or VP9 (else VP8) and Opus."""

    MP4 = "mp4"
    WEBM = "webm"

    @property
    def media_type(self) -> str:
        """Media type of the file."""
        return f"video/{self.value}"


@dataclass(frozen=True, slots=True)
class VideoConfig:
    """How a video is made.

    Parameters
    ----------
    container : Container
        What it is packed in.
    width, height : int
        Pixels, even, within `WIDTHS` and `HEIGHTS`.
    fps : int
        Pictures a second, within `RATES`.
    font : str
        Family that is installed, in whatever case; "" for the first of a few that usually are.
    font_size : int
        Pixels from ascender to descender; 0 for one that fits the height.
    colours : Colours
        Of the words.
    background : str
        ``#rrggbb``.
    picture : Path or None
        PNG, JPEG or WebP to stand behind the words, cut to the shape of the video.
    dim : float
        Share of the background that is laid over the picture, in [0, 1], so that words can be read.
    title, artist : str
        Of a card at the beginning, and of the file; "" for none.
    count_in : bool
        Whether dots count singers in where they have waited.
    time_limit_s : float
        Seconds after which encoding is given up; 0 for ten minutes and eight times the length of the recording.
    """

    container: Container = Container.MP4
    width: int = 1280
    height: int = 720
    fps: int = 30
    font: str = ""
    font_size: int = 0
    colours: Colours = field(default_factory=Colours)
    background: str = "#101018"
    picture: Path | None = None
    dim: float = 0.45
    title: str = ""
    artist: str = ""
    count_in: bool = True
    time_limit_s: float = 0.0

    @property
    def letters(self) -> int:
        """The font size in pixels."""
        return self.font_size or max(12, round(_AUTO_SIZE * min(self.height, self.width * 0.75)))

    def check(self) -> None:
        """Refuse what is no video.

        Raises
        ------
        InputError
            The sentence names the setting and what it may be.
        """
        for name, (least, most) in (("width", WIDTHS), ("height", HEIGHTS), ("fps", RATES)):
            if not least <= getattr(self, name) <= most:
                raise InputError(f"the {name} of a video is {least} to {most}, not {getattr(self, name)}")
        if self.width % 2 or self.height % 2:
            raise InputError(f"width and height of a video are even, not {self.width} x {self.height}")
        if self.width * self.height > _MOST_PIXELS:
            raise InputError(f"a video has at most {_MOST_PIXELS} pixels, {self.width} x {self.height} are more")
        if self.font_size and not 8 <= self.font_size <= self.height // 4:
            raise InputError(
                f"the font size is 8 to {self.height // 4} pixels (a quarter of the height), not {self.font_size}"
            )
        if not 0 <= self.dim <= 1:
            raise InputError(f"the picture is dimmed by 0 to 1, not {self.dim:g}")
        self._check_text()

    def _check_text(self) -> None:
        colours = {name.name: getattr(self.colours, name.name) for name in fields(self.colours)}
        for name, colour in {**colours, "background": self.background}.items():
            if not _COLOUR.fullmatch(colour):
                raise InputError(f"the colour {name} is spelt like #ffb000, not {colour[:20]!r}")
        for name in ("title", "artist"):
            if len(getattr(self, name)) > _LONGEST_NAME:
                raise InputError(f"the {name} has at most {_LONGEST_NAME} characters")
