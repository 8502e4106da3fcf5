"""The commands of docs/train.md, from a folder of recordings to a karaoke page, on a corpus that fits into a minute."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

import spoken_folder
from melisma.cli.main import app

PAGE = Path(__file__).parents[2] / "docs" / "train.md"
SENTENCES = {
    "en": (
        "the river runs down to the sea",
        "we sing a song of summer rain",
        "my mother made a boat of wood",
        "the moon is over the old town",
        "nobody knows the name of the road",
        "a bird is on the garden wall",
    ),
    "de": (
        "der Mond steht über dem alten Haus",
        "wir singen ein Lied im Sommer",
        "meine Mutter geht in den Garten",
        "der Fluss fließt langsam ins Meer",
    ),
}
# What a reader has in ctc.toml, so much smaller that it is learnt in half a minute.
SMALL = """
model = "phone-net"
units = "phones"
steps = 140
batch_s = 24.0
lr = 4e-3
warmup_steps = 10
dropout = 0.0
mask_time = 0.0
validate_steps = 70
[phone_net]
channels = 64
dilations = [1, 2, 4]
stride = 3
"""


@pytest.fixture
def recordings(tmp_path):
    """A folder of six speakers, with texts beside the recordings and a table of where they come from."""
    folder = tmp_path / "recordings"
    spoken_folder.write(folder, SENTENCES, "[intro] {}!\n")
    (folder / "copy.flac").write_bytes((folder / "en" / "low-0.flac").read_bytes())
    return folder


@pytest.fixture
def song(tmp_path):
    """A recording of four of the sentences, one after the other."""
    lines = SENTENCES["en"][:4]
    pause = np.zeros(8000, np.float32)
    soundfile.write(
        tmp_path / "song.mp3",
        np.concatenate([s for t in lines for s in (spoken_folder.say(t, "en", "low"), pause)]),
        22050,
    )
    (tmp_path / "lyrics.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines


def test_from_a_folder_to_a_karaoke_page(recordings, song, tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MELISMA_THREADS", "1")
    (tmp_path / "ctc.toml").write_text(SMALL)
    done = []
    for command in spoken_folder.commands(PAGE):
        print(command)
        app(shlex.split(command)[1:], standalone_mode=False)
        done.append(shlex.split(command)[1:3])
    assert [name for group, name in done if group == "data"] == (
        ["inventory", "validate", "dedupe", "normalize", "preprocess", "align", "split", "balance", "licenses"]
    )
    assert (tmp_path / "recordings" / "duplicates").is_dir()
    split = json.loads((tmp_path / "manifests" / "splits" / "split.json").read_text())
    assert split["checked"]["speakers"] == "disjoint"
    learnt = [json.loads(line) for line in (tmp_path / "manifests" / "splits" / "train.jsonl").read_text().splitlines()]
    assert all("[intro]" in line["transcript"] for line in learnt)
    assert not any({"[", "!", "intro"} & {*line["norm"], *line["norm"].split()} for line in learnt)
    assert "CC0-1.0" in (tmp_path / "DATA_LICENSES.md").read_text()
    card = (tmp_path / "models" / "mine" / "README.md").read_text()
    assert "espeak" in card
    page = (tmp_path / "song.html").read_text()
    assert all(word in page for word in " ".join(song).split())
