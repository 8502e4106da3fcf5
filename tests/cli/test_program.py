import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from melisma import __version__
from melisma.cli.main import app
from melisma.cli.program import Program, Verbose
from melisma.core.errors import InputError, MelismaError, NotAudio

COMMANDS = ["align", "demo", "karaoke", "formats", "languages", "engines", "models", "eval"]


def program(error: BaseException) -> typer.Typer:
    """Make a program whose one command raises."""
    raising = typer.Typer(cls=Program, rich_markup_mode=None, pretty_exceptions_enable=False)

    @raising.callback()
    def main(verbose: Verbose = False) -> None: ...

    @raising.command()
    def go(verbose: Verbose = False) -> None:
        raise error

    return raising


def test_version(runner):
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"melisma {__version__}\n")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command(runner, flag):
    result = runner.invoke(app, [flag])
    assert result.exit_code == 0
    listed = [line.split()[0] for line in result.stdout.partition("Commands:")[2].splitlines() if line.strip()]
    assert set(COMMANDS) <= set(listed)


@pytest.mark.parametrize("command", [["align"], ["demo"], ["karaoke"], ["formats", "convert"], ["eval", "align"]])
def test_every_command_explains_itself(runner, command):
    result = runner.invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "--output" in result.stdout or command[0] == "formats"


@pytest.mark.parametrize(
    "args", [["sing"], ["align"], ["align", "a.mp3", "b.txt", "--loud"], ["eval", "align", "x", "--jobs", "0"]]
)
def test_usage_errors_exit_with_2(runner, args):
    result = runner.invoke(app, args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"), [(MelismaError("it broke"), 1), (InputError("it broke"), 2), (NotAudio("it broke"), 2)]
)
def test_a_known_error_is_one_sentence_and_its_exit_code(runner, error, code):
    result = runner.invoke(program(error), ["go"])
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", "error: it broke\n")


def test_a_sentence_stays_on_one_line(runner):
    result = runner.invoke(program(InputError("no file\nof that\tname")), ["go"])
    assert result.stderr == "error: no file of that name\n"


def test_a_terminal_obeys_no_name_in_a_sentence(runner):
    result = runner.invoke(program(InputError("no file \x1b]0;x\x07 or \u202etxt.mp3")), ["go"])
    assert result.stderr == "error: no file \\u001b]0;x\\u0007 or \\u202etxt.mp3\n"


@pytest.mark.parametrize("args", [["go", "-v"], ["-v", "go"]])
def test_verbose_adds_the_traceback(runner, args):
    result = runner.invoke(program(InputError("it broke")), args)
    assert result.exit_code == 2
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.endswith("error: it broke\n")


def test_a_path_that_fails_is_named(runner):
    result = runner.invoke(program(PermissionError(13, "Permission denied", "/there/song.mp3")), ["go"])
    assert (result.exit_code, result.stderr) == (2, "error: /there/song.mp3: Permission denied\n")


def test_a_system_error_without_a_path_is_a_sentence(runner):
    result = runner.invoke(program(OSError(5, "Input/output error")), ["go"])
    assert (result.exit_code, result.stderr) == (1, "error: Input/output error\n")


def test_too_little_memory_is_a_sentence(runner):
    result = runner.invoke(program(MemoryError()), ["go"])
    assert (result.exit_code, result.stderr) == (1, "error: there is not enough memory for this\n")


def test_a_fault_of_ours_is_not_dressed_up(runner):
    result = runner.invoke(program(ZeroDivisionError("a bug")), ["go"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_an_interrupt_exits_with_130(runner):
    result = runner.invoke(program(KeyboardInterrupt()), ["go"])
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_a_broken_pipe_is_silent(runner):
    result = runner.invoke(program(BrokenPipeError(32, "Broken pipe")), ["go"])
    assert (result.exit_code, result.output) == (141, "")


def start(*args: str, **how) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "melisma.cli.main", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how
    )


def test_a_reader_that_goes_away_ends_the_program_without_a_word():
    process = start("languages")
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")
def test_a_full_disk_behind_standard_output_is_a_sentence():
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "melisma.cli.main", "languages"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"error: No space left on device\n")


def test_a_name_that_the_terminal_cannot_show_does_not_end_in_a_traceback(tmp_path):
    env = os.environ | {"PYTHONIOENCODING": "latin-1"}
    process = start("formats", "convert", str(tmp_path / "Жé.json"), "-", "--to", "lrc", env=env)
    out, err = process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err.startswith(b"error: ")
    assert b"\\u0416\xe9.json: No such file" in err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_there(shell):
    process = start(env=os.environ | {"_MELISMA_COMPLETE": f"source_{shell}"})
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert b"_MELISMA_COMPLETE" in out


def test_completion_offers_formats_behind_a_comma():
    env = os.environ | {
        "_MELISMA_COMPLETE": "complete_bash",
        "COMP_WORDS": "melisma align --format lrc,a",
        "COMP_CWORD": "3",
    }
    out, err = start(env=env).communicate()
    assert b"lrc,ass" in out.split(), err


def test_the_names_of_the_karaoke_document_are_heard(tmp_path):
    """In the program as it is started: the engine that the other name asks for is missing, and its own is not."""
    said = {**os.environ, "KARAOKE_ALIGNMENT_ENGINE": "warble", "KARAOKE_ONSET_REFINE": "true"}
    command = [sys.executable, "-m", "melisma.cli.main", "align", str(tmp_path / "a.wav"), str(tmp_path / "b.txt")]
    (tmp_path / "b.txt").write_text("la la\n", encoding="utf-8")
    (tmp_path / "a.wav").write_bytes(b"")
    result = subprocess.run(command, env=said, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "no engine is called 'warble'" in result.stderr
    result = subprocess.run(
        command, env={**said, "KARAOKE_ONSET_REFINE": "maybe"}, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (2, "error: KARAOKE_ONSET_REFINE is 1 or 0, not 'maybe'\n")


def test_the_page_of_commands_lists_every_one():
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    table = "\n".join(line for line in page.splitlines() if line.startswith("|"))

    def listed(group: Any, path: tuple[str, ...]) -> Iterator[str]:
        for name, command in group.commands.items():
            said = "|".join(
                (" ".join((*path, name)), " ".join((*path, name)[-2:]), name)
            )  # rows leave out what is clear
            if hasattr(command, "commands"):
                yield from listed(command, (*path, name))
            elif not re.search(rf"`(melisma )?({said})\b", table):
                yield " ".join((*path, name))

    # `sweep SPACE` is `sweep run SPACE`.
    assert [*listed(typer.main.get_command(app), ())] == ["sweep run"]
