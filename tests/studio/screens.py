"""Pictures of every page of the Studio, to be looked at: `python tests/studio/screens.py FOLDER [--only edit,play]`.

Nothing is judged here. A whole service with songs in every state is photographed in Debian's Chromium at three widths
and in both colour schemes; docs/studio.md shows some of what comes out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from whole_service import CHROMIUM, FLAGS, MadeSong, Studio, listening, truth_of

SIZES = {360: 740, 900: 1000, 1600: 1000}  # width and height of the window
SCHEMES = ("light", "dark")
TOKEN = "ann:a-token-that-is-long"
LINES = (
    *("Now the evening comes and the day goes by", "and the river carries all the stars"),
    *("Hold my hand and tell me why", "nothing that we love is ever ours"),
    "",
    *("Sing it softly, sing it low", "every window has a light"),
    *("There is nowhere else to go", "and we have got all night"),
)
ALSO = (
    ("La chanson du vent qui ne voulait pas s’arrêter de chanter à la fenêtre", "Les Voix du Nord & Compagnie"),
    ("Ça ira, ça ira", "Nobody"),
    ("Supercalifragilisticexpialidocious", "Mary"),
    ("Ready, steady", "The Choir"),
    ("", ""),
)


def made_song(folder: Path) -> MadeSong:
    """Make the song that is shown: eight lines in two stanzas, with a long break between them."""
    import soundfile

    from melisma.synth.score import CLOCK, SongConfig
    from melisma.synth.songs import make_song

    song = make_song(SongConfig("en", LINES, tempo_bpm=96.0, seed=5, intro_bars=2, break_bars=3))
    path = folder / "The Choir - Evening.wav"
    soundfile.write(path, song.stereo, song.sample_rate, subtype="PCM_16")
    return MadeSong(path, song.lyrics, truth_of(song.words, LINES, len(song.stereo), CLOCK, "en"))


def fill(studio: Studio, made: MadeSong) -> str:
    """Put songs in every state on the service; return the id of the one that is ready and corrected."""
    import soundfile

    samples, rate = soundfile.read(made.path, dtype="int16")
    for n, (title, artist) in enumerate(ALSO):
        path = made.path.with_name(f"{title or 'track'}.wav")
        soundfile.write(path, samples[: len(samples) - 9000 * (n + 1)], rate, subtype="PCM_16")
        one = replace(made, path=path, truth=replace(made.truth, duration=len(samples) - 9000 * (n + 1)))
        names = {"title": title, "artist": artist} if title else {}
        if title == "Ready, steady":
            studio.add_aligned(one, **names)
            continue
        song = studio.add_song(one, **names)
        if n < 3:
            job = studio.call("POST", "alignments", {"song_id": song["id"], "lyrics": {"text": made.lyrics}})
            at_work(studio, job["id"], n)
    song_id, alignment_id = studio.add_aligned(made, title="Evening", artist="The Choir", language="en")
    words = studio.call("GET", f"alignments/{alignment_id}")["words"]
    moved = {"op": "move", "word": 11, "start_ms": words[11]["start_ms"] + 40, "end_ms": words[11]["end_ms"]}
    edits = [{"op": "confirm", "words": [0, 4]}, moved]
    studio.call("PATCH", f"alignments/{alignment_id}/words", {"version": 1, "edits": edits})
    return song_id


def at_work(studio: Studio, job_id: str, n: int) -> None:
    """Write down how a job stands: it listens, it failed, or it waits."""
    import json

    from sqlalchemy import update

    from melisma.store.service.tables import JobRow

    problem = {"title": "too few frames", "status": 422, "type": "/problems/too-few-frames"}
    problem["detail"] = "the audio has 1200 frames, these lyrics need 5710: is this the right song?"
    states = (
        {"state": "running", "stage": "listen", "percent": 43.0},
        {"state": "failed", "problem": json.dumps(problem)},
        {},
    )
    if states[n]:
        with studio.context.database.begin() as session:
            session.execute(update(JobRow).where(JobRow.id == job_id).values(**states[n]))


@contextmanager
def services(folder: Path) -> Iterator[dict[str, Any]]:
    """Run a service with songs, one that works, one without songs, and one that wants a token."""
    from melisma.server.settings import JobSettings, Limits, ServiceSettings, hash_token

    def settings(name: str, workers: int = 0, **more: Any) -> ServiceSettings:
        limits = Limits(requests_per_minute=0)
        return ServiceSettings(port=0, data=folder / name, jobs=JobSettings(workers=workers), limits=limits, **more)

    made = made_song(folder)
    tokens = {hash_token(TOKEN): "ann"}
    with (
        listening(settings("full")) as full,
        listening(settings("working", workers=1)) as working,
        listening(settings("empty")) as empty,
        listening(settings("closed", tokens=tokens), TOKEN) as closed,
    ):
        found = {"full": full, "working": working, "empty": empty, "closed": closed, "song": fill(full, made)}
        yield {**found, "at work": working.add_aligned(made, title="Evening", artist="The Choir", language="en")[0]}


def library(page: Page, there: dict[str, Any], snap: Callable[..., None]) -> None:
    """Songs in every state, a search that finds none, the dialogs."""
    page.goto(f"{there['full'].url}/studio/")
    expect(page.locator(".song")).to_have_count(len(ALSO) + 1)
    expect(page.get_by_text("43 %")).to_be_visible()
    snap("library", whole=True)
    page.get_by_role("button", name="About Evening").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    snap("library-about")
    page.keyboard.press("Escape")
    page.get_by_label("Recordings").set_input_files(
        [
            {"name": "Ann Other - Morning.mp3", "mimeType": "audio/mpeg", "buffer": b"x" * 4_000_000},
            {"name": "Ann Other - Morning.txt", "mimeType": "text/plain", "buffer": "\n".join(LINES).encode()},
        ]
    )
    expect(page.get_by_role("dialog")).to_be_visible()
    snap("library-add")
    page.keyboard.press("Escape")
    page.get_by_label("Search").fill("no such song")
    expect(page.locator(".empty")).to_be_visible()
    snap("library-none-found")
    page.get_by_label("Search").fill("")
    expect(page.locator(".song")).to_have_count(len(ALSO) + 1)
    page.get_by_role("button", name="Delete Evening").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    snap("library-delete")


def empty(page: Page, there: dict[str, Any], snap: Callable[..., None]) -> None:
    """A library without songs, an address without a page, a song that is gone, the way in."""
    page.goto(f"{there['empty'].url}/studio/")
    expect(page.locator(".empty")).to_be_visible()
    snap("empty")
    page.goto(f"{there['empty'].url}/studio/#/no/such/page")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
    snap("nowhere")
    page.goto(f"{there['empty'].url}/studio/#/songs/{'0' * 32}/play")
    expect(page.get_by_role("alert")).to_be_visible()
    snap("gone")
    page.goto(f"{there['closed'].url}/studio/")
    expect(page.get_by_role("dialog")).to_be_visible()
    snap("sign-in")


def play(page: Page, there: dict[str, Any], snap: Callable[..., None]) -> None:
    """A song in the middle of a word, in its long break, at its end, and the help."""
    page.goto(f"{there['full'].url}/studio/#/songs/{there['song']}/play")
    page.wait_for_function("() => document.querySelector('audio')?.readyState >= 2")
    snap("player-begin")
    words = there["full"].call("GET", f"alignments/{alignment_of(there)}")["words"]
    last = words[29]["end_ms"], words[-1]["end_ms"]
    for name, at in (("word", words[10]["start_ms"] + 120), ("break", last[0] + 4000), ("end", last[1] + 300)):
        page.evaluate(SEEK, at / 1000)
        page.wait_for_timeout(700)  # lines glide into their places
        snap(f"player-{name}")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    snap("player-help")


def edit(page: Page, there: dict[str, Any], snap: Callable[..., None]) -> None:
    """A word, its drag, the spectrogram, the versions, tapping, the keys."""
    page.goto(f"{there['full'].url}/studio/#/songs/{there['song']}/edit")
    expect(page.locator('.word[data-word="0"]')).to_be_visible()
    page.wait_for_timeout(500)  # the waveform is painted
    snap("editor-begin", whole=True)
    page.locator('.ed-lyric[data-word="13"]').click()
    page.evaluate("scrollTo(0, 0)")
    box = page.locator('.word[data-word="13"]').bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 14, box["y"] + box["height"] / 2)
    snap("editor-drag")
    page.mouse.up()
    page.mouse.move(0, 0)
    page.keyboard.press("g")
    page.wait_for_timeout(1500)  # the spectrogram is worked out
    snap("editor-spectrogram")
    page.keyboard.press("g")
    page.keyboard.press("v")
    expect(page.get_by_role("region", name="Compare")).to_contain_text("differ")
    snap("editor-compare", whole=True)
    page.keyboard.press("v")
    page.keyboard.press("t")
    expect(page.get_by_role("region", name="Tap along")).to_be_visible()
    snap("editor-tap", whole=True)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    snap("editor-keys")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+z")


def neighbours(page: Page, there: dict[str, Any], snap: Callable[..., None]) -> None:
    """Words that would move, as they are offered."""
    page.goto(f"{there['working'].url}/studio/#/songs/{there['at work']}/edit")
    page.locator('.ed-lyric[data-word="9"]').click()
    for _ in range(25):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("f")
    panel = page.get_by_role("region", name="Fix the neighbours")
    snap("editor-neighbours-ask", whole=True)
    panel.get_by_role("button", name="The whole song").click()
    expect(panel).to_contain_text("would move", timeout=120_000)
    snap("editor-neighbours", whole=True)


def export(page: Page, there: dict[str, Any], snap: Callable[..., None]) -> None:
    """Files and videos."""
    page.goto(f"{there['full'].url}/studio/#/songs/{there['song']}/export")
    expect(page.get_by_role("button", name="Make the video")).to_be_visible()
    page.wait_for_timeout(300)
    snap("export", whole=True)


def engines(page: Page, there: dict[str, Any], snap: Callable[..., None]) -> None:
    """What is installed."""
    page.goto(f"{there['full'].url}/studio/#/engines")
    expect(page.locator("tbody tr").first).to_be_visible()
    snap("engines", whole=True)


SCENES = (library, empty, play, edit, neighbours, export, engines)
SEEK = """async (seconds) => {
  const audio = document.querySelector("audio");
  audio.currentTime = seconds;
  await new Promise((done) => audio.addEventListener("seeked", done, { once: true }));
}"""


def alignment_of(there: dict[str, Any]) -> str:
    """Return the id of the alignment of the song that is shown."""
    return there["full"].call("GET", f"songs/{there['song']}")["alignment"]["id"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--only", default="", help="scenes, by comma: " + ", ".join(each.__name__ for each in SCENES))
    parser.add_argument("--widths", default=",".join(map(str, SIZES)))
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    wanted = [scene for scene in SCENES if not chosen.only or scene.__name__ in chosen.only.split(",")]
    expect.set_options(timeout=30_000)
    with tempfile.TemporaryDirectory() as folder, services(Path(folder)) as there, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for width in map(int, chosen.widths.split(",")):
            for scheme in SCHEMES:
                for scene in wanted:
                    view = {"width": width, "height": SIZES.get(width, 1000)}
                    context = browser.new_context(viewport=view, color_scheme=scheme, has_touch=width < 600)
                    page = context.new_page()

                    def snap(
                        name: str, whole: bool = False, page: Page = page, tail: str = f"{width}-{scheme}"
                    ) -> None:
                        if whole:
                            page.evaluate("scrollTo(0, 0)")
                        page.wait_for_timeout(300)  # colours change slowly
                        page.screenshot(path=chosen.folder / f"{name}-{tail}.png", full_page=whole)

                    scene(page, there, snap)
                    context.close()
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
