"""What docs/acoustic-pipeline.md and docs/units.md name is there, and the chain makes units, motifs and sound."""

from __future__ import annotations

import json
import pickle
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer

import spoken_folder
from melisma.cli.main import app
from melisma.units.read import read_lines

ROOT = Path(__file__).parents[3]
PAGE, UNITS, SCALE = (ROOT / "docs" / name for name in ("acoustic-pipeline.md", "units.md", "scale.md"))
CHECKPOINT = Path("facebook/wav2vec2-large-xlsr-53")
SENTENCES = ("No princípio criou Deus o céu e a terra.", "E a terra era sem forma e vazia.", "E disse Deus: haja luz.")
# What a reader has in vocoder.toml, so small that it has learnt in two seconds.
SMALL = """
samples_per_epoch = 4
epochs = 2
batch_size = 2
channels = 8
segment_s = 0.3
warmup_epochs = 1
discriminator_width = 1
held_out = 0.3
validation_utterances = 1
"""


def commands(text: str) -> list[str]:
    """Return the commands of a page: in code between signs, and the lines of its blocks, without their remarks."""
    found = re.findall(r"`(melisma [^`\n]+)`", text) + re.findall(r"^ +(melisma .+)$", text, re.MULTILINE)
    found += [f"melisma {one}" for one in re.findall(r"melisma\.scale\.modal\.app -- ([a-z][^`\n]*)", text)]
    return [each.partition("  #")[0].strip() for each in found if "…" not in each]


@cache
def program() -> Any:
    return typer.main.get_command(app)


def unknown(command: str) -> Iterator[str]:
    """Yield what the program does not know of a command line."""
    at = program()
    for word in shlex.split(command)[1:]:
        if word.startswith("-"):
            if word not in {name for each in at.params for name in (*each.opts, *each.secondary_opts)}:
                yield word
        elif hasattr(at, "commands"):
            if word not in at.commands:
                yield word
                return
            at = at.commands[word]


def section(title: str, page: Path = PAGE) -> str:
    found = re.search(rf"^## {title}$.*?(?=^## |\Z)", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found, title
    return found[0]


@pytest.mark.parametrize(("page", "least"), [(PAGE, 30), (UNITS, 35), (SCALE, 4)], ids=lambda each: str(each)[-20:])
def test_the_program_knows_every_command_and_option(page, least):
    found = commands(page.read_text(encoding="utf-8"))
    assert {command: [*unknown(command)] for command in found if [*unknown(command)]} == {}
    assert len(found) >= least


@pytest.mark.parametrize(
    ("command", "lost"), [("melisma units cluster x", ["cluster"]), ("melisma units fit --kmeans 3", ["--kmeans"])]
)
def test_what_there_is_not_is_noticed(command, lost):
    assert [*unknown(command)] == lost


def test_every_file_is_there():
    names = re.findall(r"`(tests/[^`\s]+)`", PAGE.read_text(encoding="utf-8"))
    assert [name for name in names if not (ROOT / name).exists()] == []
    assert len(names) > 40


def default(*path: str) -> dict[str, Any]:
    """Return the defaults of a command by the names of its options."""
    at = program()
    for name in path:
        at = at.commands[name]
    return {name: each.default for each in at.params for name in each.opts}


@pytest.mark.parametrize(
    ("title", "path", "names"),
    [
        ("Phase 0: data", ("units", "segment"), ["--silence-db", "--pause"]),
        ("Phase 1: units", ("units", "fit"), ["--clusters"]),
        ("Phase 2: motifs", ("units", "motifs"), ["--vocab-size"]),
        ("Test", ("units", "vocoder", "test"), ["--num-samples"]),
    ],
)
def test_the_defaults_that_the_page_tells_are_those_of_the_program(title, path, names):
    for name in names:
        told = re.search(rf"`{name} (-?[\d.]+)`", section(title))
        assert told, name
        assert float(told[1]) == default(*path)[name]


def test_checkpoints_come_every_five_minutes_and_the_encoder_is_the_documents():
    assert default("units", "encode")["--checkpoint-every"] == 5 * 60
    assert default("units", "extract")["--encoder"] == "facebook/wav2vec2-large-xlsr-53"


def test_one_thing_has_one_name_in_all_commands():
    assert {"--batch-s", "--longest-s"} <= default("units", "extract").keys() & default("units", "encode").keys()
    assert {"--clusters", "-k"} <= default("units", "fit").keys() & default("units", "sweep-layers").keys()


def test_a_vocoder_is_trained_by_the_defaults_of_the_document():
    from melisma.train.vocoder.config import VocoderTrainingConfig

    rows = re.findall(
        r"^\| `(\w+)` \| ([\d.,]+)[^|]*\| `--([\w-]+) ([\d.]+)`", section("Phase 3: a vocoder"), re.MULTILINE
    )
    assert len(rows) == 7
    for name, there, option, here in rows:
        assert option == name.replace("_", "-")
        assert float(there.replace(",", "")) == float(here) == getattr(VocoderTrainingConfig(), name)


@pytest.fixture
def recordings(tmp_path):
    """Two voices of a folder each, three sentences with pauses between them."""
    pytest.importorskip("torch")
    for singer in ("low", "alto"):
        (tmp_path / "raw_audio" / singer).mkdir(parents=True)
        pause = np.zeros(18_000, np.float32)
        parts = [part for text in SENTENCES for part in (0.5 * spoken_folder.say(text, "pt", singer), pause)]
        soundfile.write(tmp_path / "raw_audio" / singer / "genesis.mp3", np.concatenate(parts), 22050)
    (tmp_path / "vocoder.toml").write_text(SMALL)


@pytest.fixture
def checkpoint(tmp_path):
    """A small XLSR with random weights, where the page names one of the hub: a folder goes before an id."""
    pytest.importorskip("transformers")
    from melisma.testing.speech_checkpoints import RandomEncoder, save_random_encoder

    save_random_encoder(tmp_path / CHECKPOINT, RandomEncoder(n_layers=15))


def test_from_recordings_to_units_motifs_and_sound(recordings, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in {"MELISMA_THREADS": "1", "MELISMA_DEVICE": "cpu", "HF_HUB_OFFLINE": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MELISMA_ROOT", raising=False)
    done = []
    for command in spoken_folder.commands(PAGE):
        words = shlex.split(command)[1:]
        options = default(*at(words))
        alone = ["--workers", "1"] if "--workers" in options else []  # a process takes seconds to start
        # A codebook keeps the name of a folder, not where it lies; that of the hub is found by its id.
        heard = ["--encoder", str(CHECKPOINT)] if at(words)[-1] == "test" else []
        assert not app([*words, *alone, *heard], standalone_mode=False), command
        done.append(at(words)[-1])
    assert done == ["segment", "extract", "fit", "encode", "motifs", "train", "export", "test", "synthesize"]
    lines = list(read_lines(tmp_path / "portuguese_units"))
    assert {(line.speaker_id, line.language) for line in lines} == {("low", "pt"), ("alto", "pt")}
    folder = tmp_path / "portuguese_units"
    assert json.loads((folder / "corpus_timestamped.json").read_text(encoding="utf-8"))
    model = pickle.loads((folder / "portuguese_kmeans.pkl").read_bytes())
    assert model.cluster_centers_.shape == (100, 16)
    assert len((folder / "all_units_for_bpe.txt").read_text().splitlines()) == len(lines) >= 6
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left >= {"portuguese_units/checkpoint.json", "portuguese_units/processed_files.txt"}
    assert left >= {f"phase2_output/{name}" for name in ("portuguese_bpe.model", "portuguese_bpe.vocab")}
    assert left >= {"phase2_output/motif_analysis.json", "phase2_output/index.html"}
    assert left >= {f"vocoder_checkpoints/vocoder_{name}.pt" for name in ("final", "latest")}
    assert left >= {"vocoder_checkpoints/training_log.json", "vocoder_checkpoints/vocoder.onnx"}
    assert left >= {f"vocoder_test_output/{name}_0000.wav" for name in ("orig", "synth")}
    spoken = sorted((tmp_path / "spoken" / "audio").rglob("*.wav"))
    assert sum(soundfile.info(path).frames for path in spoken) == 320 * sum(line.n_frames for line in lines)


def at(words: list[str]) -> tuple[str, ...]:
    """Return the command of a command line, without what it is given."""
    return tuple(words[:3] if words[1] == "vocoder" else words[:2])
