import os

from melisma.cli.main import app


def test_the_page_holds_song_and_words(runner, saved, song, here):
    args = ["karaoke", str(saved), "--audio", str(song.audio), "-o", "page.html", "--title", "Habanera"]
    result = runner.invoke(app, args)
    # The alignment at hand is of a longer recording, which is said, as is what was doubted when it was made.
    said = "warning: a warning\nwarning: words are timed up to 62 s, the recording ends at 3 s: is it the right one?\n"
    said += "wrote page.html\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", said)
    page = (here / "page.html").read_text(encoding="utf-8")
    assert "<title>Habanera" in page
    assert "enfant" in page


def test_named_after_the_alignment(runner, saved, song, here):
    assert runner.invoke(app, ["karaoke", str(saved), "--audio", str(song.audio), "-q"]).output == ""
    assert os.listdir(here) == ["made.html"]


def test_on_standard_output(runner, saved, song, here):
    result = runner.invoke(app, ["karaoke", str(saved), "--audio", str(song.audio), "-o", "-"])
    assert result.exit_code == 0
    assert result.stdout.lstrip().lower().startswith("<!doctype html")
    assert os.listdir(here) == []


def test_from_standard_input(runner, saved, song, here):
    args = ["karaoke", "-", "--audio", str(song.audio)]
    result = runner.invoke(app, args, input=saved.read_bytes())
    assert result.exit_code == 0, result.output
    assert os.listdir(here) == ["song.html"]


def test_without_the_recording(runner, saved, here):
    result = runner.invoke(app, ["karaoke", str(saved), "-o", "page.html"])
    assert result.exit_code == 2
    assert "--audio" in result.stderr


def test_a_missing_recording(runner, saved, here):
    result = runner.invoke(app, ["karaoke", str(saved), "--audio", "none.mp3", "-o", "page.html"])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert "none.mp3" in result.stderr
    assert os.listdir(here) == []


def test_the_recording_is_not_overwritten(runner, saved, song, here):
    before = song.audio.read_bytes()
    result = runner.invoke(app, ["karaoke", str(saved), "--audio", str(song.audio), "-o", str(song.audio)])
    assert result.exit_code == 2
    assert "would overwrite the input" in result.stderr
    assert song.audio.read_bytes() == before


def test_words_after_the_end_of_the_recording_are_warned_of(runner, song, here):
    (here / "late.lrc").write_text("[99:00.00]much too late\n", encoding="utf-8")
    result = runner.invoke(app, ["karaoke", "late.lrc", "--audio", str(song.audio)])
    assert result.exit_code == 0
    assert "words are timed up to 5940 s, the recording ends at" in result.stderr
    assert "wrote late.html" in result.stderr
