import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from melisma.aligner.decoder import DecoderConfig
from melisma.cli.main import app
from melisma.core.errors import ModelError
from melisma.core.files import format_named
from melisma.engines.protocol import Licence

WORDS = ["l'amour", "est", "enfant", "bohème"]


@pytest.fixture
def align(runner, engines, song, here):
    """Run `melisma align` on the song with the steady engine."""

    def go(*args, audio=song.audio, lyrics=song.lyrics, engine="steady", input=None):
        command = ["align", str(audio), str(lyrics), "--engine", engine, "--language", "fr", *args]
        return runner.invoke(app, command, input=input)

    return go


def words_of(path):
    return [w["text"] for w in json.loads(path.read_text(encoding="utf-8"))["words"]]


def test_json_named_after_the_audio_in_the_current_folder(align, here, song):
    result = align()
    assert result.exit_code == 0, result.output
    assert os.listdir(here) == ["song.json"]
    assert words_of(here / "song.json") == WORDS
    assert sorted(os.listdir(song.folder)) == ["lyrics.txt", "song.wav"]
    assert result.stdout == ""
    assert "4 of 4 words timed" in result.stderr
    assert "wrote song.json" in result.stderr


def test_one_file_per_format(align, here):
    assert align("--format", "lrc,ass", "--format", "json").exit_code == 0
    assert sorted(os.listdir(here)) == ["song.ass", "song.json", "song.lrc"]


def test_the_name_of_the_output_tells_its_format(align, here):
    assert align("-o", "out.ass").exit_code == 0
    assert format_named("ass").read((here / "out.ass").read_text(encoding="utf-8")).text.split() == WORDS


def test_a_karaoke_page_with_its_title(align, here):
    assert align("-o", "page.html", "--title", "Habanera").exit_code == 0
    assert "Habanera" in (here / "page.html").read_text(encoding="utf-8")


def test_standard_output_holds_the_document_and_nothing_else(align, here):
    result = align("-o", "-")
    assert result.exit_code == 0
    assert [w["text"] for w in json.loads(result.stdout)["words"]] == WORDS
    assert "words timed" in result.stderr
    assert os.listdir(here) == []


def test_quiet_says_nothing(align, here):
    result = align("-q")
    assert (result.exit_code, result.output) == (0, "")
    assert os.listdir(here) == ["song.json"]


def test_verbose_times_the_stages(align):
    stages = [line.split(":")[0] for line in align("-v").stderr.splitlines() if line.endswith(" s")]
    assert {"decode", "listen", "align"} <= set(stages)


def test_json_report_for_programs(align, here):
    result = align("--json", "-q", "--format", "lrc,srt")
    report = json.loads(result.stdout)
    assert report["outputs"] == [{"format": "lrc", "path": "song.lrc"}, {"format": "srt", "path": "song.srt"}]
    assert (report["word_count"], report["timed"], report["language"]) == (4, 4, "fr")
    assert report["duration_ms"] == 3000
    assert set(report["doubtful"][0] if report["doubtful"] else {"text": 0, "line": 0}) >= {"text", "line"}


def test_the_side_of_a_recording_that_is_listened_to(align, engines, song, here):
    """A voice at the far left is not in the centre, but in the mean."""
    left = np.random.default_rng(2).normal(0, 0.1, 48000).astype(np.float32)
    soundfile.write(song.audio, np.stack([left, np.zeros_like(left)], axis=1), 16000)
    heard = []

    def emit(self, waveform, progress=None):
        heard.append(waveform.samples.std())
        return super(engines.__mro__[1], self).emit(waveform, progress)

    engines.emit = emit
    for downmix in ("centre", "mean"):
        assert align("--downmix", downmix, engine="raising").exit_code == 0
    assert heard[0] < 0.01
    assert heard[1] == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize(
    ("args", "cost"), [((), DecoderConfig().wildcard), (("--wildcard", "0"), 0.0), (("--wildcard", "2.5"), 2.5)]
)
def test_what_the_wildcard_costs_reaches_the_search(align, monkeypatch, args, cost):
    """What it does there is tested with the search itself: whether a line strays depends on the model."""
    from melisma.pipeline import listen as pipeline

    asked = []

    def decode_words(emission, tokens, lyrics, config, windows):
        asked.append(config.wildcard)
        return real(emission, tokens, lyrics, config, windows)

    real = pipeline.decode_words
    monkeypatch.setattr(pipeline, "decode_words", decode_words)
    assert align(*args).exit_code == 0
    assert asked == [cost]


def test_lyrics_from_standard_input(align, here):
    result = align(lyrics="-", input="un deux\ntrois\n")
    assert result.exit_code == 0, result.output
    assert words_of(here / "song.json") == ["un", "deux", "trois"]


def test_the_lyrics_are_not_overwritten(align, song, here):
    lyrics = here / "song.lrc"
    lyrics.write_text("[00:01.00]l'amour est\n", encoding="utf-8")
    result = align("--format", "lrc", lyrics=lyrics)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: song.lrc would overwrite the input")
    assert lyrics.read_text(encoding="utf-8") == "[00:01.00]l'amour est\n"


def test_the_audio_is_not_overwritten(align, song):
    before = song.audio.read_bytes()
    result = align("-o", str(song.audio), "--format", "lrc")
    assert result.exit_code == 2
    assert "would overwrite the input" in result.stderr
    assert song.audio.read_bytes() == before


def fails(result, here, sentence):
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert sentence in result.stderr
    assert os.listdir(here) == []


def test_a_missing_recording(align, here, song):
    fails(align(audio=song.folder / "none.mp3"), here, "none.mp3")


def test_missing_lyrics(align, here, song):
    fails(align(lyrics=song.folder / "none.txt"), here, "none.txt")


def test_a_folder_for_a_recording(align, here, song):
    fails(align(audio=song.folder), here, str(song.folder))


def test_a_recording_that_is_none(align, here, song):
    fails(align(audio=song.lyrics), here, "lyrics.txt")


def test_lyrics_without_a_sung_word(align, here, song):
    song.lyrics.write_text("[Chorus]\n\n", encoding="utf-8")
    fails(align(), here, "lyrics.txt")


def test_more_words_than_the_recording_has_time_for(align, here, song):
    song.lyrics.write_text("la " * 500, encoding="utf-8")
    fails(align(), here, "is this the right song?")


def test_an_unknown_engine(align, here):
    fails(align(engine="ears"), here, "no engine is called 'ears'; there are: auto, ")


def test_an_unknown_format(align, here):
    fails(align("--format", "mp4"), here, "no format is called 'mp4'; there are: ass")


def test_an_unknown_language(runner, song, here):
    command = ["align", str(song.audio), str(song.lyrics), "--language", "xx"]
    fails(runner.invoke(app, command), here, "'xx'")


def test_a_missing_folder(align, here):
    fails(align("-o", "no/song.lrc"), here, "there is no folder no")


def test_json_and_standard_output_exclude_each_other(align, here):
    fails(align("--json", "-o", "-"), here, "--json and -o - both need standard output")


def test_a_wildcard_without_a_price(align, here):
    fails(align("--wildcard", "inf"), here, "--wildcard is a cost in nats, not inf")


@pytest.mark.parametrize("option", [("--wildcard", "-1"), ("--wildcard", "nan"), ("--downmix", "left")])
def test_an_option_out_of_range(align, here, option):
    result = align(*option)
    assert result.exit_code == 2
    assert f"Invalid value for '{option[0]}'" in result.stderr
    assert os.listdir(here) == []


def test_an_engine_that_fails(align, engines, here):
    engines.error = ModelError("the weights are damaged")
    result = align(engine="raising")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "error: the weights are damaged\n")
    assert os.listdir(here) == []


def test_another_engine_follows_where_that_is_asked_for(align, engines, here, monkeypatch):
    monkeypatch.setenv("MELISMA_TIERS", "raising,steady")
    engines.error = ModelError("the weights are damaged")
    assert align(engine="raising").exit_code == 1
    result = align("--fallback", engine="raising")
    assert result.exit_code == 0, result.output
    assert "steady was used because raising failed: the weights are damaged" in result.stderr
    assert json.loads((here / "song.json").read_text(encoding="utf-8"))["engine"] == "steady"


def test_the_environment_says_what_auto_means(align, engines, monkeypatch):
    monkeypatch.setenv("MELISMA_ENGINE", "steady")
    assert json.loads(align("--json", "-q", engine="auto").stdout)["engine"] == "steady"


def test_commercial_mode_refuses_before_anything_is_read(align, engines, here, song, monkeypatch):
    closed = replace(engines.facts, licence=Licence("CC-BY-NC-4.0", commercial=False))
    monkeypatch.setattr(engines, "facts", closed)
    monkeypatch.setenv("MELISMA_LICENSE_MODE", "commercial")
    fails(align(engine="raising", audio=song.folder / "none.mp3"), here, "which forbids commercial use")
    monkeypatch.setenv("MELISMA_LICENSE_MODE", "sometimes")
    fails(align(), here, "MELISMA_LICENSE_MODE is non_commercial or commercial, not 'sometimes'")


def test_without_lyrics_it_says_what_is_needed(runner, song, here, monkeypatch):
    monkeypatch.setenv("MELISMA_TIERS", "phone")
    result = runner.invoke(app, ["align", str(song.audio)])
    assert (result.exit_code, result.stdout, os.listdir(here)) == (3, "", [])
    assert "pip install 'melisma[whisper]'" in result.stderr


def test_each_attempt_is_a_line_of_json_where_that_is_asked_for(align, here, monkeypatch):
    monkeypatch.setenv("MELISMA_LOG", "json")
    line = json.loads(align("-q").stderr)
    assert (line["event"], line["track_id"], line["tier_used"], line["word_count"]) == ("attempt", "song", "steady", 4)
    monkeypatch.delenv("MELISMA_LOG")
    assert align("-q").stderr == ""
    assert "event='attempt' track_id='song' tier_used='steady'" in align("-v").stderr


def test_an_interrupt_leaves_nothing(align, engines, here):
    engines.error = KeyboardInterrupt()
    result = align("-o", "new/", engine="raising")
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")
    assert os.listdir(here) == []


def test_the_installed_program_aligns_with_the_embedded_engine(here):
    """The main path for real: a song of known words, sung here, through a process of its own."""
    from melisma.synth import write
    from melisma.synth.score import SongConfig, write_score

    lines = ("the river runs along the stone", "and carries every stone alone")
    audio = write.save(write_score(SongConfig("en", lines, "low", 100.0, "G", intro_bars=1)), here)
    args = ["align", str(audio), str(here / "lyrics.txt"), "-o", "out/", "--format", "json,lrc,karaoke", "--json"]
    command = [sys.executable, "-m", "melisma.cli.main", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=here)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    words = " ".join(lines).split()
    assert (report["word_count"], report["timed"], report["language"]) == (len(words), len(words), "en")
    assert words_of(here / "out" / f"{audio.stem}.json") == words
    assert sorted(p.suffix for p in (here / "out").iterdir()) == [".html", ".json", ".lrc"]


def test_separation_and_refinement_reach_the_pipeline(align, tmp_path):
    assert align("--separate", "none", "--refine", "onset=40,ends").exit_code == 0
    for options, sentence in (
        (("--separate", "spleeter"), "no separator is called 'spleeter'; there are: auto, center, demucs, none"),
        (("--refine", "snap"), "no refinement is called 'snap'; there are: beat, ends, onset"),
        (("--separate", "none", "--downmix", "centre"), "--downmix is the older spelling of --separate"),
    ):
        result = align(*options)
        assert result.exit_code == 2
        assert sentence in result.stderr
