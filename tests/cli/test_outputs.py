import os

import pytest

from melisma.cli import outputs
from melisma.cli.outputs import Target, plan, split_names, write_all
from melisma.core.errors import FormatError, InputError, OutputError, UnknownName


def planned(formats=(), output=None, inputs=(), stem="song"):
    return [(t.format, None if t.path is None else str(t.path)) for t in plan(stem, formats, output, inputs)]


@pytest.mark.parametrize(
    ("formats", "output", "want"),
    [
        ((), None, [("json", "song.json")]),
        (("lrc",), None, [("lrc", "song.lrc")]),
        (("lrc", "ass", "karaoke"), None, [("lrc", "song.lrc"), ("ass", "song.ass"), ("karaoke", "song.html")]),
        ((), "-", [("json", None)]),
        (("ass",), "-", [("ass", None)]),
        ((), "out.ass", [("ass", "out.ass")]),
        ((), "out.HTML", [("karaoke", "out.HTML")]),
        (("lrc",), "out.txt", [("lrc", "out.txt")]),
        ((), "new/", [("json", "new/song.json")]),
        (("lrc", "srt"), "new/", [("lrc", "new/song.lrc"), ("srt", "new/song.srt")]),
        (("lrc",), "there", [("lrc", "there/song.lrc")]),
    ],
)
def test_where_results_go(here, formats, output, want):
    (here / "there").mkdir()
    assert planned(formats, output) == want
    assert sorted(os.listdir(here)) == ["there"]  # planning touches nothing


def test_two_formats_with_one_suffix_do_not_share_a_file(here):
    names = [target[1] for target in planned(tuple(outputs.format_names()))]
    assert len(set(names)) == len(names)


def test_several_formats_do_not_go_to_one_file(here):
    with pytest.raises(InputError, match=r"out.lrc takes one format; .*not 2: lrc, ass"):
        planned(("lrc", "ass"), "out.lrc")


def test_several_formats_do_not_go_to_standard_output(here):
    with pytest.raises(InputError, match="standard output takes one format, not 2"):
        planned(("lrc", "ass"), "-")


def test_a_name_that_tells_no_format_is_refused(here):
    with pytest.raises(InputError, match=r"no format is called '.xyz'; there are: .*\.lrc.*, or name .* \(--format"):
        planned((), "out.xyz")


def test_txt_tells_no_format(here):
    """It is the suffix of UltraStar, and of everything else."""
    with pytest.raises(InputError, match=r"no format is called '.txt'.*\.ultrastar\.txt"):
        planned((), "out.txt")


def test_an_input_is_never_overwritten(here):
    (here / "song.lrc").write_text("[00:01.00]a")
    with pytest.raises(InputError, match=r"song\.lrc would overwrite the input"):
        planned(("lrc",), None, [here / "song.lrc"])


def test_an_input_is_never_overwritten_through_a_link(here):
    (here / "song.mp3").write_bytes(b"x")
    os.symlink("song.mp3", here / "out.lrc")
    with pytest.raises(InputError, match=r"out\.lrc would overwrite the input"):
        planned((), "out.lrc", [here / "song.mp3"])


def test_a_missing_folder_is_named(here):
    with pytest.raises(OutputError, match=r"cannot write no/out\.lrc: there is no folder no"):
        planned((), "no/out.lrc")


def test_a_file_in_the_place_of_the_folder_is_named(here):
    (here / "file").write_text("")
    with pytest.raises(OutputError, match="file is not a folder"):
        planned((), "file/out.lrc")


def test_a_folder_in_the_place_of_the_file_is_named(here):
    (here / "song.json").mkdir()
    with pytest.raises(OutputError, match=r"cannot write song\.json: it is a folder"):
        planned()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(here):
    (here / "locked").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="no permission"):
        planned((), "locked/out.lrc")


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (None, ()),
        ([], ()),
        (["lrc,ass"], ("lrc", "ass")),
        (["LRC, ass", "srt", "lrc"], ("lrc", "ass", "srt")),
        ([","], ()),
    ],
)
def test_names_of_formats(given, want):
    assert split_names(given) == want


def test_an_unknown_format_lists_those_that_exist():
    with pytest.raises(UnknownName, match=r"no format is called 'mp4'; there are: ass, .*karaoke"):
        split_names(["lrc,mp4"])


def test_everything_is_written(here):
    write_all([Target("a", here / "new" / "x"), Target("b", here / "new" / "y")], lambda name: name.encode())
    assert (here / "new" / "x").read_bytes() == b"a"
    assert (here / "new" / "y").read_bytes() == b"b"


def test_nothing_is_written_when_one_cannot_be_rendered(here):
    def render(name):
        if name == "b":
            raise FormatError("b", "it does not fit")
        return b""

    with pytest.raises(FormatError, match="it does not fit"):
        write_all([Target("a", here / "x"), Target("b", here / "y")], render)
    assert os.listdir(here) == []


def test_what_was_made_is_taken_back_when_the_next_cannot_be_written(here):
    (here / "y").mkdir()
    (here / "old").write_bytes(b"old")
    targets = [Target("a", here / "x"), Target("b", here / "new" / "deep" / "x"), Target("c", here / "y")]
    with pytest.raises(OutputError, match=r"cannot write .*y: Is a directory"):
        write_all(targets, lambda name: b"")
    assert sorted(os.listdir(here)) == ["old", "y"]


def test_what_was_there_stays_when_another_cannot_be_written(here):
    (here / "y").mkdir()
    (here / "x").write_bytes(b"old")
    with pytest.raises(OutputError, match=r"cannot write .*y: Is a directory"):
        write_all([Target("a", here / "x"), Target("b", here / "y")], lambda name: b"new")
    assert (here / "x").read_bytes() == b"old"
    assert sorted(os.listdir(here)) == ["x", "y"]


def test_what_was_moved_is_taken_back_when_the_next_cannot_be_moved(here):
    """The folder appears in the moment between, as another program may make it."""
    targets = [Target("a", here / "x"), Target("b", here / "y")]
    replace = os.replace

    def meddle(source, target):
        replace(source, target)
        (here / "y").mkdir()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("melisma.cli.outputs.os.replace", lambda s, t: (meddle if t.name == "x" else replace)(s, t))
        with pytest.raises(OutputError, match=r"cannot write .*y: Is a directory"):
            write_all(targets, lambda name: b"new")
    assert os.listdir(here) == ["y"]


def test_a_link_stays_a_link_and_its_file_is_written(here):
    (here / "real").write_bytes(b"old")
    os.symlink("real", here / "link")
    write_all([Target("a", here / "link")], lambda name: b"new")
    assert (here / "link").is_symlink()
    assert (here / "real").read_bytes() == b"new"


def test_a_pipe_is_written_to_and_not_replaced(here):
    os.mkfifo(here / "pipe")
    reader = os.open(here / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_all([Target("a", here / "pipe")], lambda name: b"through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert (here / "pipe").is_fifo()


def test_a_page_needs_the_recording(alignment):
    with pytest.raises(InputError, match="a karaoke page needs the recording"):
        outputs.render(alignment, "karaoke")
