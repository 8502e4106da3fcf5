"""`melisma train whisper-processor`: what it prints and saves, and one sentence for whatever is wrong."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from whisper_clips import TEXTS, row

pytest.importorskip("transformers")

from melisma.cli.main import app
from melisma.train.whisper.build_processor import Wanted, build
from melisma.train.whisper.processor import Group, group_of, open_processor
from melisma.train.whisper.tokenizer import Spelling


def call(*words):
    return CliRunner().invoke(app, ["train", "whisper-processor", *map(str, words)])


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    """Return a manifest of the group's texts, twice each, and of one in Slovenian, without any audio."""
    monkeypatch.setenv("MELISMA_ROOT", str(tmp_path / "root"))
    rows = [
        row(f"{language}-{i}-{k}", language, text, 2.0)
        for language, texts in TEXTS.items()
        for i, text in enumerate(texts)
        for k in range(2)
    ]
    rows += [row("sl", "sl", "Dober dan", 2.0), row("cnr", "cnr", "Śutra", 2.0), row("empty", "hr", "", 2.0)]
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows), encoding="utf-8")
    return path


GROUP = ("--languages", "bs,hr,sr", "--read-as", "cnr=sr")


def test_a_group_gets_a_vocabulary_of_its_own(manifest, tmp_path):
    done = call(manifest, "--name", "bcs", "--vocabulary", 400, "--script", "latin", *GROUP)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "root" / "models" / "processor" / "bcs"
    processor = open_processor(folder)
    assert group_of(processor) == Group(languages=("bs", "hr", "sr"), read_as={"cnr": "sr"}, script="latin")
    found = json.loads((folder / "coverage.json").read_text(encoding="utf-8"))
    assert [(each["language"], each["script"], each["texts"]) for each in found["by_language"]] == [
        ("bs", "latin", 8),
        ("hr", "latin", 8),
        ("sr", "latin", 9),
    ]
    assert found["round_trip"]["exact"] == found["texts"] == 25
    assert found["left_out"] == {"the language sl is not of the group (bs, hr, sr)": 1, "no transcript": 1}
    assert "25 of 25 texts come back" in done.output
    assert "left out 1: no transcript" in done.output


def test_json_is_what_was_saved(manifest, tmp_path):
    done = call(manifest, "--name", "bcs", "--vocabulary", 400, "--json", "-q", *GROUP)
    saved = tmp_path / "root" / "models" / "processor" / "bcs" / "coverage.json"
    assert json.loads(done.stdout) == json.loads(saved.read_text(encoding="utf-8"))


def test_the_processor_of_a_checkpoint_is_taken_over_with_the_group(manifest, tmp_path):
    assert call(manifest, "--name", "one", "--vocabulary", 400, "-o", tmp_path / "one").exit_code == 0
    done = call(manifest, "--name", "two", "--model", tmp_path / "one", "-o", tmp_path / "two", *GROUP)
    assert done.exit_code == 0, done.output
    one, two = open_processor(tmp_path / "one"), open_processor(tmp_path / "two")
    assert one.tokenizer.get_vocab() == two.tokenizer.get_vocab()
    assert group_of(two).languages == ("bs", "hr", "sr")


def test_a_vocabulary_for_both_scripts_spells_both_as_shortly(manifest, tmp_path):
    for name, more in (("one", ()), ("both", ("--both-scripts",))):
        wanted = ("--vocabulary", 600, "--languages", "hr", "-o", tmp_path / name)
        assert call(manifest, "--name", name, *wanted, *more).exit_code == 0
    spelt = {name: Spelling(open_processor(tmp_path / name)).ids(" Гдје је моја") for name in ("one", "both")}
    assert len(spelt["both"]) < len(spelt["one"]) / 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--vocabulary", 400, "--model", "x"), "name a model, or a number of tokens"),
        (("--both-scripts",), "only a new vocabulary"),
        (("--vocabulary", 400, "--languages", "bs,tlh"), "no language of Whisper's is called 'tlh'"),
        (("--vocabulary", 400, "--languages", "cnr,hr"), "--read-as cnr=sr"),
        (("--vocabulary", 400, "--languages", "bs", "--read-as", "cnr=sr"), "sr is not one of the group"),
        (("--vocabulary", 400, "--read-as", "cnr"), "such as cnr=sr"),
        (("--vocabulary", 400, "--script", "greek"), "script: "),
        (("--vocabulary", 400, "--text", "lyrics"), "text: "),
        (("--vocabulary", 400, "--mels", 90), "mels: "),
        (("--vocabulary", 400, "--languages", "mk"), "holds no text to learn a vocabulary from"),
        (("--model", "nowhere/at/all"), "there is no folder nowhere/at/all"),
        (("--model", "openai/whisper-small"), "hf download openai/whisper-small"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_and_nothing_is_written(manifest, tmp_path, words, sentence, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    done = call(manifest, "--name", "bcs", *words)
    assert done.exit_code in (2, 3), done.output
    assert sentence in done.output
    assert "Traceback" not in done.output
    assert not list((tmp_path / "root").rglob("*.json"))


def test_names_that_lead_elsewhere_and_folders_in_use_are_refused(manifest, tmp_path):
    assert "is no name for a folder" in call(manifest, "--name", "../up", "--vocabulary", 400).output
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("kept")
    done = call(manifest, "--name", "bcs", "--vocabulary", 400, "-o", tmp_path / "full")
    assert done.exit_code == 2
    assert "is in use already" in done.output
    assert (tmp_path / "full" / "mine.txt").read_text() == "kept"


def test_a_manifest_that_is_none_is_refused(tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"id": 1}\n')
    done = call(tmp_path / "bad.jsonl", "--name", "bcs", "--vocabulary", 400, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "bad.jsonl" in done.output
    assert not (tmp_path / "out").exists()


def test_building_says_where_it_is(manifest, tmp_path):
    built = build([manifest], tmp_path / "p", Wanted(n_tokens=300, languages=("hr",)))
    assert built.folder == tmp_path / "p"
    assert built.coverage["group"] == {"languages": ["hr"], "read_as": {}, "script": "keep"}
