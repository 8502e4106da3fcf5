"""Commands that go on with what their stage wrote on the volume of Modal: brought here, and gone at the end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.core.errors import OutputError
from melisma.data import manifest
from melisma.data.manifest import Utterance
from melisma.scale.brought import bring
from melisma.scale.local import LocalExecutor

pytest.importorskip("sklearn", reason="needs the extra [units]")
pytest.importorskip("modal", reason="needs the extra [modal]")

RATE = 16000


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """A folder with four recordings, their phones, and a volume beside it that mirrors it."""
    folder = tmp_path / "desk"
    folder.mkdir()
    rows, phones = [], []
    for i in range(4):
        rng = np.random.default_rng(i)
        pitch = np.repeat(rng.uniform(0.03, 0.2, 8), RATE // 8)
        samples = 0.2 * np.sin(np.cumsum(pitch)) + rng.normal(0, 0.01, RATE)
        soundfile.write(folder / f"{i}.wav", samples.astype(np.float32), RATE)
        rows.append(Utterance(id=f"u{i}", audio=f"{i}.wav", duration=1.0))
        phones.append(json.dumps({"id": f"u{i}", "phones": [["a", 0.0, 0.5], ["b", 0.5, 1.0]]}))
    manifest.write(folder / "m.jsonl", rows)
    (folder / "phones.jsonl").write_text("\n".join(phones), encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MELISMA_MODAL_REHEARSAL", str(tmp_path / "modal"))
    assert CliRunner().invoke(app, ["scale", "upload", ".", "-q"]).exit_code == 0
    return folder


def run(*words: object):
    return CliRunner().invoke(app, ["units", *map(str, words)])


def on_volume(desk: Path) -> list[str]:
    """Return what stages have left on the volume."""
    volume = desk.parent / "modal" / "volume"
    names = (path.relative_to(volume).as_posix() for path in volume.rglob("*") if path.is_file())
    return sorted(name for name in names if not name.startswith(".melisma/") and Path(name).suffix == ".npy")


def fit(out: str, executor: str, k: int = 4):
    return run("fit", "m.jsonl", "-o", out, "--encoder", "mfcc", "-k", k, "--executor", executor, "--workers", 1)


def sweep(out: str, executor: str):
    words = ("--encoder", "phone", "--layers", "0,8", "-k", 4, "--workers", 1, "--quiet")
    return run("sweep-layers", "m.jsonl", "--alignments", "phones.jsonl", "-o", out, *words, "--executor", executor)


def test_a_codebook_of_a_manifest_is_the_same_from_modal_and_nothing_stays_there(desk):
    for executor in ("local", "modal"):
        done = fit(executor, executor)
        assert done.exit_code == 0, done.output
    for name in ("codebook.npz", "codebook.json"):
        assert Path("modal", name).read_bytes() == Path("local", name).read_bytes()
    assert sorted(path.name for path in Path("modal").iterdir()) == ["codebook.json", "codebook.npz"]
    assert on_volume(desk) == []


def test_what_was_encoded_before_the_clusters_failed_is_used_again(desk):
    assert "too few for 1,000 clusters" in fit("u", "modal", k=1000).stderr
    (kept,) = on_volume(desk)
    shutil.rmtree(desk / "u" / ".drawn" / "features")  # what came here is lost; the volume has it still
    written = (desk.parent / "modal" / "volume" / kept).stat().st_mtime_ns
    held = desk.parent / "modal" / "held"
    held.hardlink_to(desk.parent / "modal" / "volume" / kept)
    done = fit("u", "modal")
    assert done.exit_code == 0, done.output
    assert held.stat().st_mtime_ns == written
    assert held.stat().st_nlink == 1, "it was not written anew, and is gone from the volume at the end"


def test_features_that_the_volume_has_lost_are_one_sentence(desk):
    fit("u", "modal", k=1000)
    (kept,) = on_volume(desk)
    (desk.parent / "modal" / "volume" / kept).unlink()
    shutil.rmtree(desk / "u" / ".drawn" / "features")
    done = fit("u", "modal")
    assert done.exit_code != 0
    assert f"the volume lacks {Path(kept).name}" in done.stderr
    assert "remove u/.drawn, and run the command again" in " ".join(done.stderr.split())
    shutil.rmtree("u/.drawn")
    assert fit("u", "modal").exit_code == 0


def test_a_sweep_says_the_same_from_modal_and_nothing_stays_there(desk):
    for executor in ("local", "modal"):
        done = sweep(f"{executor}.json", executor)
        assert done.exit_code == 0, done.output
    assert json.loads(Path("modal.json").read_text()) == json.loads(Path("local.json").read_text())
    assert not list(desk.glob(".modal.json*"))
    assert on_volume(desk) == []


def test_nothing_is_brought_where_a_stage_writes_here(tmp_path):
    bring(LocalExecutor(1), tmp_path / "none", ["shard-00000.npy"])
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_volume_that_is_not_there_is_no_way_on(desk):
    from melisma.scale.modal.executor import ModalExecutor

    with pytest.raises(OutputError, match=r"the volume lacks a\.npy in u"):
        bring(ModalExecutor(), desk / "u", ["b.npy", "a.npy"])
