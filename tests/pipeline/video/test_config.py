"""Bounds of a video."""

from __future__ import annotations

from dataclasses import replace

import pytest

from melisma.core.errors import InputError
from melisma.formats.karaoke_script import Colours
from melisma.pipeline.video.config import Container, VideoConfig


def test_the_defaults_are_fine():
    VideoConfig().check()
    assert Container.MP4.media_type == "video/mp4"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"width": 100}, "the width of a video is 256 to 3840, not 100"),
        ({"height": 5000}, "the height of a video is 144 to 2160"),
        ({"fps": 9}, "the fps of a video is 10 to 60"),
        ({"width": 1281}, "even"),
        ({"font_size": 7}, "the font size is 8 to 180"),
        ({"font_size": 181}, "the font size is 8 to 180"),
        ({"dim": 1.5}, "dimmed by 0 to 1"),
        ({"dim": float("nan")}, "dimmed by 0 to 1"),
        ({"background": "red"}, "the colour background is spelt like #ffb000"),
        ({"background": "#12345"}, "spelt like"),
        ({"background": "#１２３４５６"}, "spelt like"),
        ({"background": "#000000:s=9x9"}, "spelt like"),
        ({"colours": Colours(sung="&H00FF00&}{\\p1")}, "the colour sung"),
        ({"title": 301 * "x"}, "at most 300 characters"),
    ],
)
def test_what_is_no_video_is_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        replace(VideoConfig(), **wrong).check()


@pytest.mark.parametrize("size", [(256, 144), (1920, 1080), (1080, 1920), (3840, 2160)])
def test_letters_fit_the_picture(size):
    config = VideoConfig(width=size[0], height=size[1])
    config.check()
    assert 0.06 * min(size) <= config.letters <= min(size) / 8
    assert config.letters >= 12
