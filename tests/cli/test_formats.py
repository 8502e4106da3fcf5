import dataclasses
import json
import os

import pytest

from melisma.cli.main import app
from melisma.cli.outputs import format_names
from melisma.core import files, plugins
from melisma.core.files import format_named

READABLE = ["json", "lrc", "elrc", "srt", "vtt", "ass", "ttml", "textgrid", "ultrastar"]


def test_every_format_is_listed_once(runner):
    result = runner.invoke(app, ["formats", "list"])
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == [*plugins.names(plugins.FORMATS), "karaoke"]


def test_list_for_programs(runner):
    listed = json.loads(runner.invoke(app, ["formats", "list", "--json"]).stdout)
    assert [f["name"] for f in listed] == plugins.names(plugins.FORMATS)
    lrc = next(f for f in listed if f["name"] == "lrc")
    assert (lrc["suffixes"], lrc["reads"]) == ([".lrc"], True)


@pytest.mark.parametrize("name", READABLE)
def test_there_and_back(runner, saved, here, name):
    path = "song" + format_named(name).suffixes[0]
    result = runner.invoke(app, ["formats", "convert", str(saved), path])
    assert (result.exit_code, result.stderr) == (0, f"warning: a warning\nwrote {path}\n")
    result = runner.invoke(app, ["formats", "convert", path, "back.json"])
    assert result.exit_code == 0, result.output
    back = json.loads((here / "back.json").read_text(encoding="utf-8"))
    assert [w["text"] for w in back["words"]][:2] == ["l'amour", "est"]


def test_every_format_can_be_named(runner, saved, here):
    for name in format_names():
        if name != "karaoke":
            assert runner.invoke(app, ["formats", "convert", str(saved), f"x.{name}.out", "--to", name]).exit_code == 0


def test_through_standard_input_and_output(runner, saved):
    args = ["formats", "convert", "-", "-", "--from", "json", "--to", "lrc"]
    result = runner.invoke(app, args, input=saved.read_bytes())
    assert result.exit_code == 0, result.output
    assert "l'amour est" in result.stdout
    assert result.stderr == "warning: a warning\n"


def fails(runner, args, sentence, here, **how):
    result = runner.invoke(app, ["formats", "convert", *args], **how)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert sentence in result.stderr
    return result


def test_standard_input_has_no_name(runner, here):
    fails(runner, ["-", "x.lrc"], "say it with --from", here, input="")
    assert os.listdir(here) == []


def test_standard_output_has_no_name(runner, saved, here):
    fails(runner, [str(saved), "-"], "say it with --to", here)


def test_a_missing_file(runner, here):
    fails(runner, ["none.json", "x.lrc"], "none.json: No such file or directory", here)


def test_a_file_of_another_format(runner, here):
    (here / "bad.json").write_text("[00:01.00]not json", encoding="utf-8")
    fails(runner, ["bad.json", "x.lrc"], "json", here)
    assert os.listdir(here) == ["bad.json"]


def test_a_file_that_is_not_utf8(runner, here):
    (here / "bad.lrc").write_bytes(b"[00:01.00]boh\xe8me")
    fails(runner, ["bad.lrc", "x.json"], "lrc, line 1: the file is not UTF-8", here)
    assert os.listdir(here) == ["bad.lrc"]


def test_a_byte_order_mark_is_no_text(runner, here, saved):
    (here / "bom.json").write_bytes(b"\xef\xbb\xbf" + saved.read_bytes())
    assert runner.invoke(app, ["formats", "convert", "bom.json", "x.lrc"]).exit_code == 0


def test_an_unknown_source_format(runner, saved, here):
    fails(runner, [str(saved), "x.lrc", "--from", "mp4"], "no format is called 'mp4'", here)


def test_an_unknown_target_format(runner, saved, here):
    fails(runner, [str(saved), "x.lrc", "--to", "mp4"], "no format is called 'mp4'", here)


def test_the_input_is_not_overwritten(runner, saved, here):
    fails(runner, [str(saved), str(saved), "--to", "lrc"], "would overwrite the input", here)


def test_a_page_is_made_by_another_command(runner, saved, here):
    fails(runner, [str(saved), "x.html"], "melisma karaoke ALIGNMENT.json --audio FILE", here)
    assert os.listdir(here) == []


def test_a_format_that_is_only_written(runner, monkeypatch, here):
    mute = dataclasses.replace(format_named("lrc"), name="mute", read=None)
    monkeypatch.setattr(files, "format_named", lambda name: mute)
    fails(runner, ["-", "x.lrc", "--from", "mute"], "'mute' can be written but not read", here, input="")


def test_what_a_format_did_not_hold_is_said(runner, here):
    (here / "lines.srt").write_text("1\n00:00:01,000 --> 00:00:03,000\ntwo words\n", encoding="utf-8")
    result = runner.invoke(app, ["formats", "convert", "lines.srt", "lines.json"])
    assert result.exit_code == 0
    assert "warning: " in result.stderr
    assert runner.invoke(app, ["formats", "convert", "lines.srt", "lines.json", "-q"]).stderr == ""
