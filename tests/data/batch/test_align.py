"""`melisma align` over a manifest: a real engine on spoken sentences, alone and in parts of a recording."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from data.spoken import SENTENCES, utterance
from melisma.core.errors import InputError, UnknownName
from melisma.data import manifest, recordings
from melisma.data.batch import align as batch
from melisma.data.batch.align import Align
from melisma.data.batch.results import RESULTS
from melisma.formats import json as alignment_json
from melisma.pipeline.align import AlignConfig, align
from melisma.pipeline.by_itself import by_itself
from melisma.pipeline.settings import RouterSettings, Timeouts
from melisma.scale.local import LocalExecutor
from melisma.synth.speech import SAMPLE_RATE
from melisma.text import lyrics as texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three sentences as files, and the same three one after another in a fourth."""
    folder = tmp_path_factory.mktemp("songs")
    lines = [utterance(folder, f"say/{code}", code, f"{code}.wav") for code in SENTENCES]
    sounds, parts, at = [], [], 0
    for line in lines:
        samples, _ = soundfile.read(folder / line.audio, dtype="float32")
        start, duration = at / SAMPLE_RATE, len(samples) / SAMPLE_RATE
        fields = {"id": f"all/{line.language}", "audio": "all.wav", "start": start, "duration": duration, "words": None}
        parts.append(line.changed(**fields))
        sounds.append(samples)
        at += len(samples)
    soundfile.write(folder / "all.wav", np.concatenate(sounds), SAMPLE_RATE)
    (folder / "en.lrc").write_text(f"[00:00.00]{SENTENCES['en']}\n", encoding="utf-8")
    given = {"id": "from/lrc", "transcript": "", "words": None, "lyrics": "en.lrc"}
    manifest.write(folder / "m.jsonl", [*lines, *parts, lines[0].changed(**given)])
    return folder


def run(path, out, jobs=1, formats=("json",), **config):
    """Align a manifest; return what was done."""
    return batch.run(
        recordings.read(path), Align(str(out), formats, AlignConfig(**config)), executor=LocalExecutor(jobs)
    )


def tree(folder):
    """Return the bytes of every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def done(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("done") / "out"
    return out, run(folder / "m.jsonl", out, formats=("json", "srt", "karaoke"))


def test_a_line_has_a_file_of_each_format(done):
    out, made = done
    names = ["all/de", "all/en", "all/es", "from/lrc", "say/de", "say/en", "say/es"]
    assert made.problems == []
    assert sorted(tree(out)) == sorted(
        [RESULTS, *(f"{name}.{end}" for name in names for end in ("json", "srt", "html"))]
    )
    told = [json.loads(line) for line in (out / RESULTS).read_text(encoding="utf-8").splitlines()]
    assert sorted(each["id"] for each in told) == names
    assert all((out / name).is_file() for each in told for name in each["files"])
    assert all(each["n_timed"] == each["n_words"] > 0 for each in told)


def test_a_line_is_what_the_recording_by_itself_would_be(folder, done):
    out, _ = done
    config = AlignConfig("es", settings=by_itself())
    alone = align(folder / "es.wav", texts.from_text(SENTENCES["es"]), config=config)
    assert (out / "say" / "es.json").read_text(encoding="utf-8") == alignment_json.FORMAT.write(alone)


def test_a_part_of_a_recording_is_timed_from_its_own_beginning(done):
    out, _ = done
    for code in SENTENCES:
        whole, part = (
            alignment_json.FORMAT.read((out / f"{at}/{code}.json").read_text("utf-8")) for at in ("say", "all")
        )
        assert part.text == whole.text
        assert max(abs(a.start_ms - b.start_ms) for a, b in zip(whole.words, part.words, strict=True)) <= 40


def test_lyrics_from_a_file_are_read_where_the_manifest_lies(done):
    out, _ = done
    assert (out / "from/lrc.json").read_text("utf-8").count('"text"') == (out / "say/en.json").read_text("utf-8").count(
        '"text"'
    )


def test_two_processes_write_the_same_bytes_as_one(folder, done, tmp_path):
    out, _ = done
    run(folder / "m.jsonl", tmp_path / "two", jobs=2, formats=("json", "srt", "karaoke"))
    assert tree(tmp_path / "two") == tree(out)


def test_what_is_done_is_not_done_again_and_what_is_gone_is(folder, tmp_path):
    out = tmp_path / "out"
    assert run(folder / "m.jsonl", out).n_reused == 0
    before = tree(out)
    (out / "say" / "es.json").unlink()
    again = run(folder / "m.jsonl", out)
    assert (again.n_done, again.n_reused) == (7, 6)
    assert tree(out) == before
    assert run(folder / "m.jsonl", out, formats=("srt",)).n_reused == 0
    assert run(folder / "m.jsonl", out, refine="ends").n_reused == 0


def test_other_lyrics_in_their_file_make_their_recording_anew(folder, tmp_path):
    line = manifest.Utterance(id="a", audio=str(folder / "en.wav"), duration=9, lyrics="a.txt", language="en")
    manifest.write(tmp_path / "m.jsonl", [line])
    (tmp_path / "a.txt").write_text(SENTENCES["en"], encoding="utf-8")
    assert run(tmp_path / "m.jsonl", tmp_path / "out").n_reused == 0
    assert run(tmp_path / "m.jsonl", tmp_path / "out").n_reused == 1
    (tmp_path / "a.txt").write_text(SENTENCES["en"] + " again", encoding="utf-8")
    assert run(tmp_path / "m.jsonl", tmp_path / "out").n_words == len(SENTENCES["en"].split()) + 1


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(folder, done, tmp_path):
    out = tmp_path / "out"
    program = (
        "import os\nfrom melisma.data import recordings\nfrom melisma.data.batch import align\n"
        "from melisma.scale.local import LocalExecutor\nfrom pathlib import Path\n"
        f"found = recordings.read(Path({str(folder / 'm.jsonl')!r}))\n"
        f"stage = align.Align({str(out)!r}, ('json', 'srt', 'karaoke'))\n"
        "tell = lambda name, share: os.kill(os.getpid(), 9) if share > 0.3 else None\n"
        "align.run(found, stage, executor=LocalExecutor(1), progress=tell)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert not (out / RESULTS).exists()
    made = run(folder / "m.jsonl", out, formats=("json", "srt", "karaoke"))
    assert made.n_reused > 0
    assert tree(out) == tree(done[0])


def test_a_line_that_cannot_be_aligned_costs_no_other(folder, tmp_path):
    good = manifest.Utterance(id="good", audio="en.wav", duration=9, transcript=SENTENCES["en"], language="en")
    bad = [
        good.changed(id="gone", audio="gone.wav"),
        good.changed(id="behind", audio="es.wav", start=1000.0),
        good.changed(id="wordless", transcript=""),
        good.changed(id="no such file", transcript="", lyrics="none.txt"),
        good.changed(id="no name", transcript="", lyrics=7),
    ]
    path = folder / "bad.jsonl"
    manifest.write(path, [*bad, good])
    made = run(path, tmp_path / "out")
    assert sorted(tree(tmp_path / "out")) == ["good.json", RESULTS]
    said = {problem.item: problem.message for problem in made.problems}
    assert set(said) == {each.id for each in bad}
    assert "no such file" in said["gone"]
    assert said["behind"] == "es.wav has no sound at 1000.00 s"
    assert "neither a transcript nor lyrics" in said["wordless"]
    assert "none.txt cannot be read: No such file" in said["no such file"]
    assert "the name of a file" in said["no name"]


def test_no_name_of_this_machine_is_in_what_is_written(done, folder):
    out, _ = done
    for data in tree(out).values():
        assert str(folder).encode() not in data
        assert os.fsencode(str(out)) not in data


def test_an_engine_that_failed_before_is_not_left_alone_in_a_batch(tmp_path):
    settings = RouterSettings(state=tmp_path)
    calm = by_itself(settings)
    assert calm.state != settings.state
    assert calm.breaker.failures > 1_000_000


def test_how_fast_a_machine_is_sends_no_line_to_another_engine():
    assert by_itself(RouterSettings()).timeouts.limit_s("ctc", 200.0) is None
    asked = RouterSettings(timeouts=Timeouts(60.0, 0.0))
    assert by_itself(asked).timeouts.limit_s("ctc", 200.0) == 60.0, "unless somebody wants it"


def test_engines_that_are_switched_off_are_part_of_the_configuration(tmp_path):
    def configuration():
        return Align("out", config=AlignConfig(settings=RouterSettings(flags=tmp_path / "flags.toml"))).configuration()

    before = configuration()
    (tmp_path / "flags.toml").write_text("[engines]\ndtw = false\n", encoding="utf-8")
    assert configuration() != before


@pytest.mark.parametrize(
    ("config", "formats", "error", "said"),
    [
        ({"engine": "none such"}, ("json",), UnknownName, "none such"),
        ({"language": "klingonisch"}, ("json",), InputError, "klingonisch"),
        ({}, ("json", "json"), InputError, "would both be written"),
    ],
)
def test_what_no_recording_could_be_aligned_with_is_refused_before_the_work(config, formats, error, said):
    with pytest.raises(error, match=said):
        batch.check(AlignConfig(**config), formats)
