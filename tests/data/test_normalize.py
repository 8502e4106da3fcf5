"""Manifests and folders of transcripts, normalised: what is written, counted, told, and that twice is once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from melisma.core.errors import InputError
from melisma.data import manifest, normalize
from melisma.data.manifest import Utterance
from melisma.data.normalize import Asked, of_folder, of_manifest
from melisma.scale.local import LocalExecutor
from melisma.text.transcripts import Rules

TEXTS = ["[00:01.0] Došle su 2 žene… (smijeh)", "[šum]", "", "već dobro"]


def corpus(path: Path, texts=TEXTS, **fields) -> Path:
    said = {"audio": "a.wav", "duration": 1.0, "language": "hr"} | fields
    manifest.write(path, (Utterance(id=f"u/{i}", transcript=text, **said) for i, text in enumerate(texts)))
    return path


def test_a_manifest_gets_norm_beside_its_transcripts(tmp_path: Path):
    path = corpus(tmp_path / "m.jsonl", dialect="ikavian")
    made = of_manifest(path, tmp_path / "n.jsonl", Asked(), texts=tmp_path / "texts")
    found = list(manifest.read(tmp_path / "n.jsonl"))
    assert [each.norm for each in found] == ["došle su dvije žene", "", "", "već dobro"]
    assert [each.transcript for each in found] == TEXTS
    assert {each.dialect for each in found} == {"ikavian"}
    assert (made.n_texts, made.n_clean, made.n_changed, made.n_empty_before) == (3, 2, 2, 1)
    assert made.share_clean == pytest.approx(2 / 3)
    assert [(p.item, p.kind) for p in made.problems] == [("u/1", "empty")]
    assert made.by_rule["times"] == 1
    assert made.by_rule["brackets"] == made.by_rule["headings"] == 1
    assert made.details()["samples"]["numbers"][0]["after"].strip().startswith("Došle su dvije žene")
    assert (tmp_path / "texts" / "u" / "0.norm.txt").read_text(encoding="utf-8") == "došle su dvije žene\n"


def test_normalising_what_is_normalised_changes_nothing(tmp_path: Path):
    of_manifest(corpus(tmp_path / "m.jsonl"), tmp_path / "n.jsonl", Asked())
    of_manifest(tmp_path / "n.jsonl", tmp_path / "again.jsonl", Asked())
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "n.jsonl").read_bytes()
    norms = [each.norm for each in manifest.read(tmp_path / "n.jsonl")]
    made = of_manifest(corpus(tmp_path / "clean.jsonl", norms), tmp_path / "c.jsonl", Asked())
    assert made.n_changed == 0
    assert made.by_rule == {}


def test_processes_make_the_bytes_of_one(tmp_path: Path):
    path = corpus(tmp_path / "m.jsonl", [f"{TEXTS[0]} {i}" for i in range(4 * normalize._BATCH)])
    one = of_manifest(path, tmp_path / "one.jsonl", Asked(executor=LocalExecutor(1)))
    two = of_manifest(path, tmp_path / "two.jsonl", Asked(executor=LocalExecutor(2)))
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert (one.by_rule, one.samples) == (two.by_rule, two.samples)
    assert all(len(kept) <= 3 for kept in one.samples.values())


def test_the_language_is_the_utterances_own_where_it_says_it(tmp_path: Path):
    path = tmp_path / "m.jsonl"
    manifest.write(
        path,
        [
            Utterance(id="a", audio="a.wav", duration=1, transcript="2", language="de"),
            Utterance(id="b", audio="a.wav", duration=1, transcript="2000"),
        ],
    )
    of_manifest(path, tmp_path / "n.jsonl", Asked(language="srp"))
    assert [each.norm for each in manifest.read(tmp_path / "n.jsonl")] == ["zwei", "dve hiljade"]


def test_the_script_of_a_run(tmp_path: Path):
    path = corpus(tmp_path / "m.jsonl", ["Инјекција", "Injekcija", "Ljubav"], language="sr")
    of_manifest(path, tmp_path / "l.jsonl", Asked(Rules(script="latin")))
    of_manifest(path, tmp_path / "c.jsonl", Asked(Rules(script="cyrillic")))
    assert [each.norm for each in manifest.read(tmp_path / "l.jsonl")] == ["injekcija", "injekcija", "ljubav"]
    assert [each.norm for each in manifest.read(tmp_path / "c.jsonl")] == ["инјекција", "инјекција", "љубав"]


def test_the_manifest_that_is_read_is_not_written_over(tmp_path: Path):
    path = corpus(tmp_path / "m.jsonl")
    before = path.read_bytes()
    with pytest.raises(InputError, match="choose another"):
        of_manifest(path, path, Asked())
    assert path.read_bytes() == before


def test_a_folder_gets_texts_beside_its_texts(tmp_path: Path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.txt").write_bytes("[Refren]\r\nŠumi šuma, žubori rječica (x2)\r\n".encode("cp1250"))
    (tmp_path / "deep" / "b.lrc").write_text("[ar:Netko]\n[00:01.00]Jedan\n[00:02.00]Dva\n", encoding="utf-8")
    (tmp_path / "c.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\n<i>Tri</i>\n", encoding="utf-8")
    (tmp_path / "broken.txt").write_bytes(bytes(range(32)))
    made = of_folder(tmp_path, tmp_path, Asked(language="hr"))
    assert (tmp_path / "a.norm.txt").read_text(encoding="utf-8") == "šumi šuma žubori rječica\n" * 2
    assert (tmp_path / "deep" / "b.norm.txt").read_text(encoding="utf-8") == "jedan\ndva\n"
    assert (tmp_path / "c.norm.txt").read_text(encoding="utf-8") == "tri\n"
    assert [(p.item, p.kind) for p in made.problems] == [("broken.txt", "unreadable")]
    assert (made.n_texts, made.n_clean) == (4, 3)
    again = of_folder(tmp_path, tmp_path / "out", Asked(language="hr"))  # what was made is no source
    assert again.n_texts == 4
    assert (tmp_path / "out" / "deep" / "b.norm.txt").exists()


def test_a_folder_without_texts_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no text"):
        of_folder(tmp_path, tmp_path, Asked())


def test_of_files_of_one_name_the_plain_text_is_taken_and_the_others_are_told(tmp_path: Path):
    texts = {"a.vtt": "WEBVTT\n\nheard", "a.txt": "written", "a.lrc": "[00:01.00]timed", "b.lrc": "[00:01.00]alone"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    made = of_folder(tmp_path, tmp_path, Asked(language="en"))
    assert (tmp_path / "a.norm.txt").read_text(encoding="utf-8") == "written\n"
    assert (tmp_path / "b.norm.txt").read_text(encoding="utf-8") == "alone\n"
    assert [(p.item, p.kind) for p in made.problems] == [("a.lrc", "beside"), ("a.vtt", "beside")]
    assert (made.n_texts, made.n_clean) == (2, 2)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_and_a_link_to_nothing_are_told_and_not_waited_for(tmp_path: Path):
    (tmp_path / "a.txt").write_text("written", encoding="utf-8")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "gone.txt").symlink_to("nowhere.txt")
    made = of_folder(tmp_path, tmp_path, Asked(language="en"))
    assert [(p.item, p.kind) for p in made.problems] == [("gone.txt", "unreadable"), ("pipe.txt", "unreadable")]
    assert (tmp_path / "a.norm.txt").exists()
