from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path

import pytest

from melisma.core.errors import InputError
from melisma.scale.modal.config import FOLDERS, ModalConfig, read_folders
from melisma.scale.modal.paths import Paths, stray

PATHS = Paths("/home/ana/work", "/mnt/audio_data", FOLDERS)
Pair = namedtuple("Pair", "path number")


@dataclass(frozen=True)
class Inner:
    out: Path


@dataclass(frozen=True, slots=True)
class Outer:
    out: str
    inner: Inner
    many: tuple[str, ...]
    n: int = 1


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("/home/ana/work", "/mnt/audio_data"),
        ("/home/ana/work/uploads/a b/ä.mp3", "/mnt/audio_data/raw_audio/a b/ä.mp3"),
        ("/home/ana/work/data/processed", "/mnt/audio_data/converted_audio"),
        ("/home/ana/work/data/segments/x/y.wav", "/mnt/audio_data/segmented_audio/x/y.wav"),
        ("/home/ana/work/units/portuguese/motifs/m.model", "/mnt/audio_data/portuguese_units/motifs/m.model"),
        ("/home/ana/work/phase2_output", "/mnt/audio_data/phase2_output"),
        ("/home/ana/work/uploads2/x", "/mnt/audio_data/uploads2/x"),
        ("/home/ana/work/units", "/mnt/audio_data/units"),
    ],
)
def test_paths_have_a_mirror_and_come_back(here: str, there: str):
    assert PATHS.there(here) == there
    assert PATHS.here(there) == here


@pytest.mark.parametrize("path", ["/home/ana/workshop/x", "/etc/passwd", "relative/x", "", "a word", "uploads"])
def test_what_is_no_path_below_the_root_stays(path: str):
    assert PATHS.there(path) == path


def test_a_root_that_is_the_disk_mirrors_all():
    assert Paths("/", "/mnt").there("/data/x") == "/mnt/data/x"
    assert Paths("/", "/mnt").here("/mnt/data/x") == "/data/x"


def test_two_folders_that_would_be_one_there_are_refused():
    with pytest.raises(InputError, match=r"raw_audio/x would lie on the volume where uploads does .*FOLDERS"):
        PATHS.there("/home/ana/work/raw_audio/x")
    assert Paths("/home/ana/work", "/mnt").there("/home/ana/work/raw_audio/x") == "/mnt/raw_audio/x"


def test_stages_and_items_are_changed_in_depth_and_come_back():
    stage = Outer("/home/ana/work/uploads", Inner(Path("/home/ana/work/x")), ("/home/ana/work/y", "z"))
    sent = PATHS.sent(stage)
    assert sent == Outer("/mnt/audio_data/raw_audio", Inner(Path("/mnt/audio_data/x")), ("/mnt/audio_data/y", "z"))
    assert PATHS.returned(sent) == stage
    item = {"a": ["/home/ana/work/x", Pair("/home/ana/work/y", 2)], "/home/ana/work/z": {"q"}, "n": None}
    assert PATHS.sent(item)["a"] == ["/mnt/audio_data/x", Pair("/mnt/audio_data/y", 2)]
    assert PATHS.returned(PATHS.sent(item)) == item


def test_sentences_tell_the_paths_here():
    said = "/mnt/audio_data/raw_audio/a.wav: No such file; /mnt/audio_data is empty, /mnt/audio_database is not"
    assert PATHS.told(said) == (
        "/home/ana/work/uploads/a.wav: No such file; /home/ana/work is empty, /mnt/audio_database is not"
    )


def test_places_on_the_volume_are_without_its_mount():
    assert PATHS.on_volume(Path("/home/ana/work/data/segments")) == "segmented_audio"
    assert PATHS.from_volume("segmented_audio/a.wav") == Path("/home/ana/work/data/segments/a.wav")
    with pytest.raises(ValueError, match="is not in the subpath"):
        PATHS.on_volume(Path("/elsewhere"))


def test_files_of_this_machine_alone_are_strays(tmp_path: Path):
    (tmp_path / "x").touch()
    assert stray(str(tmp_path / "x"), PATHS)
    assert not stray(str(tmp_path / "not there"), PATHS)
    assert not stray("x" * 5000, PATHS)
    assert not stray("/" + "\0", PATHS)
    assert not stray("/home/ana/work/x", PATHS)


def test_names_come_from_the_environment(tmp_path: Path):
    said = {
        "MELISMA_MODAL_APP": "mine",
        "MELISMA_MODAL_VOLUME": "corpus",
        "MELISMA_MODAL_MOUNT": "/mnt/x/",
        "MELISMA_MODAL_ROOT": str(tmp_path / "a" / ".." / "b"),
        "MELISMA_MODAL_FOLDERS": "segments = wav , units/*=u-*",
        "MELISMA_MODAL_GPU": "T4",
        "MELISMA_MODAL_EXTRAS": "units",
        "MELISMA_MODAL_TASK_S": "60",
        "MELISMA_MODAL_DETACH": "1",
        "MELISMA_MODAL_REHEARSAL": str(tmp_path),
    }
    found = ModalConfig.of(said)
    assert (found.app, found.volume, found.mount, found.root) == ("mine", "corpus", "/mnt/x", tmp_path / "b")
    assert found.folders == (("segments", "wav"), ("units/*", "u-*"))
    assert (found.gpu, found.extras, found.task_s, found.detach) == ("T4", ("units",), 60.0, True)
    assert found.rehearsal == tmp_path


def test_the_names_of_the_document_hold_without_it(tmp_path: Path):
    found = ModalConfig.of({"MELISMA_ROOT": str(tmp_path)})
    assert (found.volume, found.mount, found.root) == ("bible-audio-data", "/mnt/audio_data", tmp_path)
    assert dict(found.folders)["data/segments"] == "segmented_audio"
    assert (found.detach, found.rehearsal) == (False, None)


@pytest.mark.parametrize(
    "said", ["x", "x=", "=y", "../x=y", "x=../y", "a/*=b", "a/*/*=b/*/*", "a=x,a/b=y", "a=x,b=x", "a=x,b=x/y"]
)
def test_folders_that_are_no_pairs_are_refused(said: str):
    with pytest.raises(InputError, match="MELISMA_MODAL_FOLDERS"):
        read_folders(said)


def test_no_folders_are_none():
    assert read_folders("") == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [("MELISMA_MODAL_MOUNT", "mnt"), ("MELISMA_MODAL_TASK_S", "86400"), ("MELISMA_MODAL_DETACH", "maybe")],
)
def test_settings_that_cannot_be_are_refused(name: str, value: str):
    with pytest.raises(InputError):
        ModalConfig.of({name: value})


def test_the_example_of_settings_gives_those_that_hold_without_it(tmp_path: Path):
    lines = (Path(__file__).parents[3] / ".env.example").read_text(encoding="utf-8").splitlines()
    said = dict(line[2:].split("=", 1) for line in lines if line.startswith("# MELISMA_MODAL_"))
    given = {name: value for name, value in said.items() if value} | {"MELISMA_ROOT": str(tmp_path)}
    assert len(said) == 10
    assert ModalConfig.of(given) == ModalConfig.of({"MELISMA_ROOT": str(tmp_path)})


IN_ROOT = Paths("/home/ana/work", "/mnt/audio_data", FOLDERS, "/home/ana/work")


@pytest.mark.parametrize(
    ("cwd", "here", "there"),
    [
        ("", "data/segments/a.wav", "/mnt/audio_data/segmented_audio/a.wav"),
        ("", "units/portuguese", "/mnt/audio_data/portuguese_units"),
        ("", "./units/portuguese/features", "/mnt/audio_data/portuguese_units/features"),
        ("/data", "segments/a.wav", "/mnt/audio_data/segmented_audio/a.wav"),
        ("/data/segments", "../../units/pt", "/mnt/audio_data/pt_units"),
        ("/data/segments", "a.wav", "a.wav"),
        ("", "phase2_output/x", "phase2_output/x"),
        ("", "facebook/wav2vec2-large-xlsr-53", "facebook/wav2vec2-large-xlsr-53"),
        ("", "portuguese_units/7", "portuguese_units/7"),
        ("", "mfcc", "mfcc"),
        ("", "uploads", "uploads"),
        ("/units/b", '{"audio": "../../data/segments/a.wav"}', '{"audio": "../../data/segments/a.wav"}'),
        ("/units/b", '{"audio": "../../../../data/a.wav"}', '{"audio": "../../../../data/a.wav"}'),
        ("", "and/../../or", "and/../../or"),
    ],
)
def test_relative_paths_that_would_lead_elsewhere_are_absolute_there_and_come_back(cwd: str, here: str, there: str):
    paths = Paths(IN_ROOT.root, IN_ROOT.mount, FOLDERS, IN_ROOT.root + cwd)
    assert paths.sent((here, Path("x"))) == (there, Path("x"))
    knowing = paths.knowing(("z", here))
    assert knowing.returned([there, f"{there}/b"]) == [here, f"{here}/b"]
    assert knowing.told(f"{there}: No such file") == f"{here}: No such file"
    assert knowing.returned({"error": f"nothing in {there}"}) == {"error": f"nothing in {here}"}


def test_of_paths_that_are_alike_each_comes_back_as_it_was():
    said = ["data/segments/a", "data/segments/a.wav", "data/segments/ab"]
    knowing = IN_ROOT.knowing(said)
    assert knowing.returned(IN_ROOT.sent(said)) == said
    assert IN_ROOT.knowing().returned("/mnt/audio_data/segmented_audio/a") == "/home/ana/work/data/segments/a"


def test_a_folder_of_one_name_that_is_there_is_a_path(tmp_path: Path):
    (tmp_path / "uploads").mkdir()
    paths = Paths(str(tmp_path), "/mnt", FOLDERS, str(tmp_path))
    assert paths.there("uploads") == "/mnt/raw_audio"
    (tmp_path / "raw_audio").mkdir()
    with pytest.raises(InputError, match="would lie on the volume where uploads does"):
        paths.there("raw_audio")


def test_a_relative_path_that_leads_out_of_the_root_is_stray(tmp_path: Path):
    (tmp_path / "root").mkdir()
    (tmp_path / "outside.txt").touch()
    paths = Paths(str(tmp_path / "root"), "/mnt", (), str(tmp_path / "root"))
    assert stray("../outside.txt", paths)
    assert not any(stray(text, paths) for text in ("../nothing", "a/b", "outside.txt", "and/or"))
