"""`melisma data import|export|index|show|filter|split` as a user types them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from melisma.cli.main import app
from melisma.data import manifest
from melisma.data.manifest import Utterance


@pytest.fixture
def corpus(here):
    """Forty utterances of ten speakers in two languages, beside the current folder's `in`."""
    rows = []
    for k in range(40):
        path = here / "in" / f"{k}.wav"
        path.parent.mkdir(exist_ok=True)
        rng = np.random.default_rng(k)
        level = np.repeat(rng.uniform(0.05, 1, 25), 320)
        soundfile.write(path, (level * rng.uniform(-0.5, 0.5, 8000)).astype(np.float32), 8000)
        fields = {"transcript": f"broj {k}", "language": ("hr", "sr")[k // 4 % 2], "speaker_id": f"s{k // 4}"}
        rows.append(
            Utterance(id=f"u{k}", audio=f"{k}.wav", duration=1, license="CC0-1.0", source="made", snr_db=k, **fields)
        )
    manifest.write(here / "in" / "m.jsonl", rows)
    return here


def test_split_writes_parts_certificate_and_report(runner, corpus):
    done = runner.invoke(app, ["data", "split", "in/m.jsonl", "--valid", "0.2", "--test", "0.2", "-j", "1"])
    assert done.exit_code == 0, done.stderr
    assert "train utterances: 24" in done.stdout
    folder = corpus / "manifests" / "splits"
    said = json.loads((folder / "split.json").read_bytes())
    assert said["checked"]["near_duplicates"] == "disjoint"
    assert said["languages"]["hr"]["shares"] == {"train": 0.6, "valid": 0.2, "test": 0.2}
    before = {each.name: each.read_bytes() for each in folder.iterdir() if not each.name.startswith(".")}
    assert set(before) == {"train.jsonl", "valid.jsonl", "test.jsonl", "split.json", "split_report.json"}
    again = runner.invoke(app, ["data", "split", "in/m.jsonl", "--valid", "0.2", "--test", "0.2", "--json"])
    assert json.loads(again.stdout)["counts"]["valid_speakers"] == 2
    assert {each: (folder / each).read_bytes() for each in before} == before


def test_split_without_listening_says_so(runner, corpus):
    done = runner.invoke(app, ["data", "split", "in/m.jsonl", "--no-near-duplicates", "-o", "s", "--seed", "3", "-q"])
    assert (done.exit_code, done.stdout) == (0, "")
    assert json.loads((corpus / "s" / "split.json").read_bytes())["checked"]["near_duplicates"] == "not checked"


def test_split_refuses_in_a_sentence_and_writes_nothing(runner, corpus):
    done = runner.invoke(app, ["data", "split", "in/m.jsonl", "--valid", "1.5", "-o", "s"])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: the share of valid must be")
    assert not (corpus / "s").exists()


def test_filter_by_options_and_conditions(runner, corpus):
    done = runner.invoke(
        app, ["data", "filter", "in/m.jsonl", "snr_db >= 10 and snr_db < 30", "--language", "hr", "-o", "in/f.jsonl"]
    )
    assert done.exit_code == 0, done.stderr
    assert "chosen: 10" in done.stdout
    whole = (corpus / "in" / "m.jsonl").read_bytes().splitlines()
    chosen = (corpus / "in" / "f.jsonl").read_bytes().splitlines()
    assert chosen == [line for k, line in enumerate(whole) if 10 <= k < 30 and k // 4 % 2 == 0]
    report = json.loads((corpus / "in" / "f_report.json").read_bytes())
    assert report["settings"]["where"] == ["snr_db >= 10 and snr_db < 30"]


def test_filter_to_a_pipe_is_a_manifest_and_nothing_else(runner, corpus):
    done = runner.invoke(app, ["data", "filter", "in/m.jsonl", "--sample", "5", "--seed", "4"])
    assert done.exit_code == 0
    assert len([manifest.parse(line, "-", 1) for line in done.stdout_bytes.splitlines()]) == 5


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["snr_db >"], "where a value is expected"),
        (["--sample", "3", "--share", "0.1"], "give one of them"),
        (["-o", "in/m.jsonl"], "is what is read"),
        (["--min-s", "nan"], "nothing lasts at least nan s"),
        (["--min-s", "5", "--max-s", "2"], "nothing lasts at least 5 s and at most 2 s"),
    ],
)
def test_filter_refuses_in_a_sentence(runner, corpus, arguments, why):
    before = (corpus / "in" / "m.jsonl").read_bytes()
    done = runner.invoke(app, ["data", "filter", "in/m.jsonl", *arguments])
    assert done.exit_code == 2
    assert why in done.stderr
    assert (corpus / "in" / "m.jsonl").read_bytes() == before


def test_index_checks_every_line(runner, corpus):
    done = runner.invoke(app, ["data", "index", "in/m.jsonl"])
    assert (done.exit_code, done.stdout.split(";")[0]) == (0, "40 utterances, 0.01 h, no fault")
    with (corpus / "in" / "m.jsonl").open("a") as file:
        file.write('{"id": "u3", "audio": "x", "duration": 1}\n')
    done = runner.invoke(app, ["data", "index", "in/m.jsonl"])
    assert done.exit_code == 2
    assert "line 41: the id 'u3' is that of line 4 already" in done.stderr


def test_show_sums_up_and_shows_one(runner, corpus):
    done = runner.invoke(app, ["data", "show", "in/m.jsonl"])
    assert done.exit_code == 0
    assert "40 utterances in 40 recordings" in done.stdout
    assert "may be used commercially" in done.stdout
    facts = json.loads(runner.invoke(app, ["data", "show", "in/m.jsonl", "--json"]).stdout)
    assert [(row["name"], row["utterances"], row["speakers"]) for row in facts["languages"]] == [
        ("hr", 20, 5),
        ("sr", 20, 5),
    ]
    one = json.loads(runner.invoke(app, ["data", "show", "in/m.jsonl", "u7"]).stdout)
    assert (one["id"], one["line"], one["path"], one["snr_db"]) == ("u7", 8, "in/7.wav", 7)
    lost = runner.invoke(app, ["data", "show", "in/m.jsonl", "u99"])
    assert (lost.exit_code, lost.stderr) == (2, "error: there is no utterance 'u99'\n")


def test_show_gives_a_terminal_no_orders(runner, here):
    manifest.write(
        here / "m.jsonl", [Utterance(id="a", audio="a.wav", duration=1, source="\x1b[2Jgone", language="x\ny")]
    )
    done = runner.invoke(app, ["data", "show", "m.jsonl"])
    assert "\x1b" not in done.stdout
    assert "\\u001b[2Jgone" in done.stdout
    assert "\x1b" not in runner.invoke(app, ["data", "show", "m.jsonl", "a"]).stdout


def test_import_and_export(runner, corpus):
    done = runner.invoke(app, ["data", "export", "kaldi", "in/m.jsonl", "-o", "k"])
    assert (done.exit_code, done.stderr) == (0, "wrote k: 40 utterances\n")
    (corpus / "in" / "39.wav").unlink()
    done = runner.invoke(app, ["data", "import", "kaldi", "k", "-o", "back.jsonl"])
    assert done.exit_code == 1
    assert "left out: 1" in done.stdout
    assert len(list(manifest.read(corpus / "back.jsonl"))) == 39
    report = json.loads((corpus / "back_report.json").read_bytes())
    assert [each["kind"] for each in report["problems"]] == ["missing"]


def test_import_of_a_command_is_refused_and_writes_nothing(runner, here):
    (here / "k").mkdir()
    (here / "k" / "wav.scp").write_text("u touch was-run |\n")
    done = runner.invoke(app, ["data", "import", "kaldi", "k", "-o", "m.jsonl"])
    assert done.exit_code == 2
    assert "line 1: gives audio by a command, which is not run" in done.stderr
    assert sorted(each.name for each in here.iterdir()) == ["k"]


def test_a_layout_that_nobody_knows(runner, corpus):
    done = runner.invoke(app, ["data", "export", "kaldy", "in/m.jsonl", "-o", "k"])
    assert done.exit_code == 2
    assert "common-voice, huggingface, kaldi, lhotse, lj" in done.stderr
