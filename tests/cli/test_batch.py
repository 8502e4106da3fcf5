"""`melisma align` and `melisma transcribe` with a manifest in place of a recording."""

from __future__ import annotations

import json

import pytest
import typer

from data.spoken import SENTENCES, utterance
from melisma.cli.main import app
from melisma.data import manifest


@pytest.fixture
def corpus(tmp_path):
    """A manifest of two sentences and a line that has no recording."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    lines = [utterance(folder, code, code, f"{code}.wav") for code in ("en", "es")]
    manifest.write(folder / "m.jsonl", [*lines, lines[0].changed(id="gone", audio="gone.wav")])
    return folder / "m.jsonl"


def test_a_manifest_is_aligned_line_by_line_and_failures_are_named(runner, here, corpus):
    got = runner.invoke(app, ["align", str(corpus), "--format", "json,lrc", "--workers", "1"])
    assert got.exit_code == 1, got.output
    assert "gone: gone.wav: there is no such file" in got.stderr
    out = here / "aligned"
    names = sorted(path.name for path in out.iterdir())
    assert names == ["align_report.json", "en.json", "en.lrc", "es.json", "es.lrc", "results.jsonl"]
    report = json.loads((out / "align_report.json").read_text(encoding="utf-8"))
    assert (report["counts"]["lines"], report["counts"]["done"], report["counts"]["failed"]) == (3, 2, 1)
    assert [each["item"] for each in report["problems"]] == ["gone"]
    words = json.loads((out / "en.json").read_text(encoding="utf-8"))["words"]
    assert [word["text"] for word in words] == SENTENCES["en"].split()


def test_the_report_goes_where_it_is_sent_and_is_printed_for_programs(runner, here, corpus):
    got = runner.invoke(app, ["align", str(corpus), "-o", "out", "--report", "r.json", "--json", "--jobs", "1"])
    assert got.exit_code == 1
    assert json.loads(got.stdout) == json.loads((here / "r.json").read_text(encoding="utf-8"))
    assert not (here / "out" / "align_report.json").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["align", "M", "lyrics.txt"], "LYRICS is for one recording"),
        (["align", "M", "--find-lyrics"], "--find-lyrics is for one recording"),
        (["align", "M", "--title", "x"], "--title is for one recording"),
        (["align", "M", "-o", "-"], "name a folder with -o"),
        (["align", "M", "--executor", "cloud"], "'cloud' is no executor: take local, ray, modal"),
        (["align", "M", "--engine", "none"], "no engine is called 'none'"),
        (["align", "M", "--format", "docx"], "docx"),
        (["align", "M", "--report", "M"], "is what is read"),
        (["align", "a.wav", "l.txt", "--workers", "2"], "--workers is for a manifest"),
        (["align", "a.wav", "l.txt", "--executor", "ray"], "--executor is for a manifest"),
        (["transcribe", "a.wav", "--report", "r.json"], "--report is for a manifest"),
        (["transcribe", "M", "a.wav"], "a manifest is transcribed by itself"),
        (["transcribe", "M", "--id", "x"], "--id is for one recording"),
        (["transcribe", "M", "--model", "phone"], "hears no words"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(runner, here, corpus, args, said):
    got = runner.invoke(app, [str(corpus) if each == "M" else each for each in args])
    assert got.exit_code == 2, got.output
    assert said in " ".join(got.stderr.split())
    assert list(here.iterdir()) == []


def test_a_manifest_that_holds_nothing_is_refused(runner, here, tmp_path):
    (tmp_path / "m.jsonl").write_text("", encoding="utf-8")
    got = runner.invoke(app, ["align", str(tmp_path / "m.jsonl")])
    assert got.exit_code == 2
    assert list(here.iterdir()) == []


def test_every_command_with_an_executor_has_workers_and_a_preview():
    def walk(command, path):
        for name, each in getattr(command, "commands", {}).items():
            yield from walk(each, (*path, name))
        yield path, {option for parameter in command.params for option in parameter.opts}

    found = [(path, options) for path, options in walk(typer.main.get_command(app), ()) if "--executor" in options]
    assert {("align",), ("data", "segment"), ("units", "sweep-layers")} <= {path for path, _ in found}
    assert [path for path, options in found if not options >= {"--workers", "--preview"}] == []


def test_what_reads_what_its_stage_writes_is_refused_on_modal(runner, here, corpus, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("MELISMA_MODAL_REHEARSAL", str(corpus.parent / "modal"))
    got = runner.invoke(app, ["units", "vocoder", "train", str(corpus.parent), "-o", "u", "--executor", "modal"])
    assert got.exit_code == 2, got.output
    assert "would lie on Modal's volume, and is needed here: run the training there by `modal run" in got.stderr
    assert not (here / "u").exists()
