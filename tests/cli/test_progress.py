import io
import sys

from melisma.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_nothing_is_said_where_nobody_watches(capsys):
    with progress(quiet=False, verbose=False) as report:
        report("decode", 0.5)
    assert capsys.readouterr() == ("", "")


def test_verbose_says_each_stage_once_with_its_time(capsys):
    with progress(quiet=False, verbose=True) as report:
        for stage, fraction in (("decode", 0.1), ("decode", 1.0), ("listen", 0.3), ("listen", 1.0)):
            report(stage, fraction)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(":")[0] for line in err.splitlines()] == ["decode", "listen"]
    assert all(line.endswith(" s") for line in err.splitlines())


def test_a_terminal_sees_the_stage(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with progress(quiet=False, verbose=False) as report:
        report("listen [to it]", 2.0)
    assert "listen [to it]" in screen.getvalue()


def test_quiet_hides_the_bar_from_a_terminal(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with progress(quiet=True, verbose=False) as report:
        report("listen", 0.5)
    assert screen.getvalue() == ""
