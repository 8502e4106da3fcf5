"""The editor's own arithmetic, in the browser: what it shows before saving is what the service makes of it."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from playwright.sync_api import expect
from pydantic import TypeAdapter

from melisma.aligner import edits
from melisma.core.errors import RefusedEdit
from melisma.core.records import BACKING, LEAD, Alignment, Line, Repeat, Word
from melisma.core.timebase import Timebase
from melisma.formats import json as alignment_json
from melisma.server.edits import EditObject

expect.set_options(timeout=20_000)  # on a machine with much else to do, a page takes its time
EDIT = TypeAdapter(EditObject)
DURATION = 20_000  # ms
TEXTS = ("oh", "night", "is", "Öl", "l'amour", "wide-open", "日本", "a")
BAD_TEXTS = ("", "two words", " x", "a\u0007b", "a\u00a0b", "\ufeff")


@pytest.fixture
def page(visit, studio):
    """A page of the service, from which modules can be imported."""
    found = visit(studio)
    found.page.goto(f"{studio.url}/studio/")
    expect(found.page.get_by_role("heading", name="Library", level=1)).to_be_visible()
    return found.page


def run(page, body: str, given: object = None):
    """Run a function body in the page with every module of the editor at hand as `m`."""
    names = (
        "model",
        "moves",
        "snap",
        "tap",
        "diff",
        "rebase",
        "history",
        "moments",
        "draft",
        "sung",
        "grades",
        "shadows",
    )
    imports = ", ".join(f'import("/studio/js/editor/{name}.js")' for name in names)
    script = f"async (given) => {{ const m = Object.assign({{}}, ...await Promise.all([{imports}])); {body} }}"
    return page.evaluate(script, given)


def made_up(draw: random.Random, n_lines: int = 3) -> Alignment:
    """Make an alignment with unsung words, backing voices that overlap, repeats, and ties."""
    words: list[Word] = []
    lines: list[Line] = []
    for line in range(n_lines):
        first, at = len(words), draw.randrange(0, 12_000)
        for _ in range(draw.randint(1, 5)):
            at = min(DURATION, at + draw.choice((0, 80, 250, 700)))
            end = min(DURATION, at + draw.choice((0, 60, 300, 900)))
            voice = BACKING if draw.random() < 0.2 else LEAD
            start, stop = (None, None) if draw.random() < 0.15 else (at, end)
            confidence = None if start is None else draw.choice((None, 0.25, 0.875))
            words.append(Word(draw.choice(TEXTS), line, start, stop, confidence, voice=voice))
        lines.append(Line(first, len(words), line // 2))
    repeats = (Repeat(0, 1, 15_000, 19_900),) if draw.random() < 0.3 else ()
    made = Alignment(tuple(words), tuple(lines), DURATION, language="en", engine="phone", repeats=repeats)
    made.check()
    return made


def any_edit(draw: random.Random, n_words: int) -> dict[str, object]:
    """Make an edit as a caller may send it, a sixth of which cannot be done."""
    word = draw.randrange(n_words + 1)
    near = max(0, draw.randrange(-200, DURATION + 200))
    text = draw.choice(BAD_TEXTS if draw.random() < 0.1 else TEXTS)
    span = sorted((draw.randrange(n_words + 1), draw.randrange(n_words + 1)))
    return draw.choice(
        (
            {
                "op": "move",
                "word": word,
                "start_ms": near,
                "end_ms": max(0, near + draw.choice((-5, 0, 40, 400))),
                "ripple": draw.choice(("none", "none", "line", "whole", "song")),
            },
            {"op": "retype", "word": word, "text": text},
            {"op": "split", "word": word, "at_ms": draw.choice((None, near)), "texts": ["ab", text]},
            {"op": "merge", "word": word},
            {"op": "merge", "word": word, "text": text},
            {"op": "unsing", "word": word},
            {"op": "shift", "words": span, "by_ms": draw.randrange(-400, 400)},
            {"op": "confirm", "words": span},
        )
    )


def likely_edits(draw: random.Random, alignment: Alignment) -> list[dict[str, object]]:
    """Make a batch of edits, most of which can be done: splits within words, moves by a little."""
    found: list[dict[str, object]] = []
    for _ in range(draw.randint(1, 5)):
        edit = any_edit(draw, len(alignment.words) - 1)
        word = alignment.words[min(int(edit.get("word", 0)), len(alignment.words) - 1)]
        if word.start_ms is not None and word.end_ms is not None and draw.random() < 0.8:
            if edit["op"] == "split":
                edit["at_ms"] = draw.randint(word.start_ms, word.end_ms)
            if edit["op"] == "move":
                edit["start_ms"] = max(0, word.start_ms + draw.randrange(-60, 60))
                edit["end_ms"] = max(int(edit["start_ms"]), word.end_ms + draw.randrange(-30, 60))
        found.append(edit)
    return found


def by_the_service(alignment: Alignment, batch, corrected) -> dict[str, object] | None:
    """Apply edits as the service does; None where it refuses them."""
    try:
        done = edits.apply(alignment, [EDIT.validate_python(edit).edit() for edit in batch], corrected)
    except (RefusedEdit, ValueError):
        return None
    return {
        "words": [
            [w.text, w.start_ms, w.end_ms, w.confidence, w.line, w.voice == BACKING, i in done.corrected]
            for i, w in enumerate(done.alignment.words)
        ],
        "lines": [[line.first, line.stop, line.stanza] for line in done.alignment.lines],
        "repeats": [[r.start, r.end] for r in done.alignment.repeats],
    }


BY_THE_EDITOR = """
return given.map(([alignment, edits, corrected]) => {
  try {
    const { words, lines, repeats } = m.applyAll(m.fromJson(alignment, { corrected }), edits);
    return {
      words: words.map((w) => [w.text, w.start, w.end, w.confidence, w.line, w.backing, w.corrected]),
      lines: lines.map((l) => [l.first, l.stop, l.stanza]),
      repeats: repeats.map((r) => [r.start, r.end]),
    };
  } catch (error) {
    if (error instanceof m.EditError) return null;
    throw error;
  }
});
"""


def test_edits_come_to_the_same_in_the_browser_as_at_the_service(page):
    draw = random.Random(17)
    cases, expected = [], []
    for _ in range(600):
        alignment = made_up(draw)
        n = len(alignment.words)
        corrected = [i for i in range(n) if draw.random() < 0.2]
        batch = [any_edit(draw, n)] if draw.random() < 0.3 else likely_edits(draw, alignment)
        cases.append([json.loads(alignment_json.write(alignment)), batch, corrected])
        expected.append(by_the_service(alignment, batch, corrected))
    found = run(page, BY_THE_EDITOR, cases)
    for case, ours, theirs in zip(cases, found, expected, strict=True):
        assert ours == theirs, case[1]
    done = sum(each is not None for each in expected)
    assert 150 < done < 550  # both kinds are many
    assert {edit["op"] for case, each in zip(cases, expected, strict=True) if each for edit in case[1]} == {
        *("move", "retype", "split", "merge", "unsing", "shift", "confirm")
    }


def test_edits_on_a_finer_clock_come_to_the_same_within_a_millisecond(page):
    clock = Timebase(44_100, 1)
    draw = random.Random(5)
    cases, expected = [], []
    for _ in range(120):
        rough = made_up(draw)
        ticks = [(None if w.start is None else w.start * 44 + draw.randrange(40)) for w in rough.words]
        words = tuple(
            w if start is None else replace(w, start=start, end=max(start, int(w.end * 44.1)), timebase=clock)
            for w, start in zip(rough.words, ticks, strict=True)
        )
        words = tuple(replace(w, timebase=clock) for w in words)
        alignment = replace(rough, words=words, duration=DURATION * 44_100 // 1000, timebase=clock, repeats=())
        try:
            alignment.check()
        except ValueError:
            continue
        batch = likely_edits(draw, alignment)[:2]
        cases.append([json.loads(alignment_json.write(alignment)), batch, []])
        expected.append(by_the_service(alignment, batch, []))
    compared = 0
    for ours, theirs in zip(run(page, BY_THE_EDITOR, cases), expected, strict=True):
        if ours is None or theirs is None:  # where two moments fall into one millisecond, either may refuse
            continue
        compared += 1
        for mine, its in zip(ours["words"], theirs["words"], strict=True):
            assert [mine[0], *mine[3:]] == [its[0], *its[3:]]
            for a, b in zip(mine[1:3], its[1:3], strict=True):
                assert (a is None) == (b is None)
                assert a is None or abs(a - b) <= 1
    assert compared > 30


def test_wherever_a_word_is_dragged_the_service_takes_it(page):
    draw = random.Random(23)
    cases = []
    for _ in range(500):
        alignment = made_up(draw)
        cases.append(
            [
                json.loads(alignment_json.write(alignment)),
                draw.randrange(len(alignment.words)),
                draw.choice(("word", "start", "end")),
                draw.choice((-30_000, -500, -40, -1, 1, 40, 500, 30_000)),
                draw.choice(("none", "line", "whole", "song")),
            ]
        )
    moves = run(
        page,
        """return given.map(([alignment, i, part, by, ripple]) => {
          const state = m.fromJson(alignment);
          if (!m.timed(state.words[i])) return m.place(state, i, part, 5000 + by, "none");
          return m.moveBy(state, i, part, by, ripple);
        });""",
        cases,
    )
    for case, move in zip(cases, moves, strict=True):
        alignment = alignment_json.read(json.dumps(case[0]))
        word = alignment.words[case[1]]
        done = by_the_service(alignment, [move], [])
        assert done is not None, (case[1:], move)
        if word.start_ms is not None and case[2] == "end":
            assert move["start_ms"] == word.start_ms
        if word.start_ms is not None and case[2] == "start":
            assert move["end_ms"] == word.end_ms


def test_a_word_stops_at_its_neighbours_and_snaps_to_onsets(page):
    state = {
        "durationMs": 10_000,
        "repeats": [],
        "lines": [{"first": 0, "stop": 3, "stanza": 0}],
        "words": [
            {"text": t, "start": s, "end": e, "line": 0, "backing": False, "confidence": 0.9}
            for t, s, e in (("a", 1000, 1400), ("b", 1500, 1900), ("c", 2000, 2500))
        ],
    }
    found = run(
        page,
        """const times = ({ start_ms, end_ms }) => [start_ms, end_ms];
        const { state, onsets } = given;
        return {
          before: times(m.moveBy(state, 1, "word", -9000, "none")),
          behind: times(m.moveBy(state, 1, "word", 9000, "none")),
          end: times(m.moveBy(state, 1, "end", 9000, "none")),
          short: times(m.moveBy(state, 1, "end", -9000, "none")),
          rippled: times(m.moveBy(state, 1, "word", 9000, "line")),
          near: m.snap(1507.4, onsets, 100),
          far: m.snap(1700, onsets, 100),
          zoomed: m.snap(1507.4, onsets, 2000),
          none: m.snap(12.4, [], 100),
          nearest: [m.nearest(onsets, 0), m.nearest(onsets, 1750), m.nearest(onsets, 9999)],
        };""",
        {"state": state, "onsets": [1510, 2000]},
    )
    assert found["before"] == [1020, 1420]
    assert found["behind"] == [1980, 2000]
    assert found["end"] == [1500, 2000]
    assert found["short"] == [1500, 1520]
    assert found["rippled"] == [9000, 9400]  # until the last of the line ends with the recording
    assert found["near"] == {"ms": 1510, "snapped": True}
    assert found["far"] == {"ms": 1700, "snapped": False}
    assert found["zoomed"] == {"ms": 1510, "snapped": True}
    assert found["none"] == {"ms": 12, "snapped": False}
    assert found["nearest"] == [1510, 1510, 2000]


def test_a_take_of_taps_becomes_moves_that_fit(page):
    found = run(
        page,
        """const words = ["a", "b", "c", "d"].map((text, i) => (
          { text, start: 1000 + i * 500, end: 1300 + i * 500, line: 0, backing: false, corrected: false }));
        words[3] = { ...words[3], start: 2600, end: 2900 };
        const state = { durationMs: 10000, repeats: [], lines: [{ first: 0, stop: 4, stanza: 0 }], words };
        const taps = new m.Taps([0, 1, 2, 3], { latencyMs: 100, durationMs: 10000 });
        const began = [taps.down(3100), taps.up(3500), taps.down(3600, 0.5), taps.down(4100), taps.up(4110), taps.next];
        const edits = taps.edits(state);
        const after = m.applyAll(state, edits);
        taps.back();
        return { began, edits, after: after.words.map((w) => [w.start, w.end, w.corrected]), next: taps.next };""",
    )
    assert found["began"][0] == 0
    assert found["began"][-1] == 3
    starts = [(edit["word"], edit["start_ms"], edit["end_ms"]) for edit in found["edits"]]
    # The delay counts half at half speed; a key that still is down ends where the next one goes down.
    assert starts == [(0, 3000, 3400), (1, 3550, 4000), (2, 4000, 4300)]
    assert found["edits"][2]["ripple"] == "line"  # "d" would be overtaken: it goes along
    assert found["after"] == [[3000, 3400, True], [3550, 4000, True], [4000, 4300, True], [4600, 4900, False]]
    assert found["next"] == 2


def test_edits_of_two_people_meet_without_loss(page):
    found = run(
        page,
        """const words = ["oh", "the", "night", "is", "young"].map((text, i) => (
          { text, start: i * 1000, end: i * 1000 + 500, line: 0, backing: false, confidence: 0.9, corrected: false }));
        const base = { durationMs: 10000, repeats: [], lines: [{ first: 0, stop: 5, stanza: 0 }], words };
        const theirs = m.applyAll(base, [
          { op: "split", word: 0, at_ms: 200, texts: ["o", "h"] },
          { op: "merge", word: 4 },
        ]);
        const mine = [
          { op: "move", word: 2, start_ms: 2100, end_ms: 2600 },
          { op: "split", word: 1, at_ms: 1200, texts: ["t", "he"] },
          { op: "retype", word: 3, text: "Night" },
          { op: "move", word: 5, start_ms: 4100, end_ms: 4400 },
          { op: "confirm", words: [1, 4] },
        ];
        const { edits, dropped } = m.rebase(mine, base, theirs);
        const both = m.applyAll(theirs, edits);
        return { texts: both.words.map((w) => w.text), starts: both.words.map((w) => w.start),
          dropped: dropped.map(({ edit }) => edit), match: m.matchWords(base.words, theirs.words) };""",
    )
    assert found["match"] == [None, 2, 3, None, None]
    assert found["texts"] == ["o", "h", "t", "he", "Night", "isyoung"]
    assert found["starts"] == [0, 200, 1000, 1200, 2100, 3000]
    assert found["dropped"] == [{"op": "move", "word": 5, "start_ms": 4100, "end_ms": 4400}]


def test_a_merge_without_its_second_word_and_a_line_that_would_run_backwards_are_told(page):
    found = run(
        page,
        """const words = ["a", "b", "c"].map((text, i) => (
          { text, start: i * 1000, end: i * 1000 + 500, line: 0, backing: false, confidence: 0.9 }));
        const base = { durationMs: 10000, repeats: [], lines: [{ first: 0, stop: 3, stanza: 0 }], words };
        const theirs = m.applyAll(base, [{ op: "move", word: 1, start_ms: 1900, end_ms: 1950 }]);
        const { edits, dropped } = m.rebase([
          { op: "move", word: 0, start_ms: 100, end_ms: 200 },
          { op: "move", word: 2, start_ms: 1800, end_ms: 2100 },
        ], base, theirs);
        return { edits, dropped };""",
    )
    assert [edit["word"] for edit in found["edits"]] == [0]
    assert found["dropped"][0]["edit"]["word"] == 2
    assert "“b”" in found["dropped"][0]["why"]


def test_steps_are_undone_and_done_again_and_a_refused_one_leaves_nothing(page):
    found = run(
        page,
        """const words = ["a", "b"].map((text, i) => (
          { text, start: i * 1000, end: i * 1000 + 500, line: 0, backing: false, confidence: 0.9 }));
        const base = { durationMs: 10000, repeats: [], lines: [{ first: 0, stop: 2, stanza: 0 }], words };
        const history = new m.History(base, 3);
        const texts = () => history.state.words.map((w) => w.text).join(" ");
        const said = [texts()];
        history.apply("retyped", [{ op: "retype", word: 0, text: "x" }]);
        history.apply("merged", [{ op: "merge", word: 0 }]);
        said.push(texts());
        history.undo();
        said.push(texts());
        history.redo();
        said.push(texts());
        try { history.apply("moved", [{ op: "retype", word: 0, text: "y" }, { op: "merge", word: 7 }]); }
        catch (error) { said.push(error instanceof m.EditError); }
        said.push(texts(), history.summary, history.edits.length);
        history.undo(); history.undo();
        said.push(texts(), history.undo(), history.dirty, history.state === base);
        return said;""",
    )
    assert found == ["a b", "xb", "x b", "xb", True, "xb", "retype 1, merge 1", 2, "a b", None, False, True]


def test_moments_are_read_as_they_are_spelt(page):
    found = run(
        page,
        """return {
          spelt: [0, 83456, 600000, 59999.6, null].map(m.spellMoment),
          read: ["1:23.456", "83.456", "83,4", " 0:05 ", "1:75.0", "", "abc", "1:2:3", "-1"].map(m.readMoment),
          halves: [m.spellDifference(120), m.spellDifference(-7), m.spellDifference(0), m.spellDifference(null)],
        };""",
    )
    assert found["spelt"] == ["0:00.000", "1:23.456", "10:00.000", "1:00.000", "–"]
    assert found["read"] == [83_456, 83_456, 83_400, 5000, None, None, None, None, None]
    assert found["halves"] == ["+120 ms", "−7 ms", "±0 ms", "–"]


def test_drafts_are_kept_and_what_is_none_is_passed_over(page):
    found = run(
        page,
        """const edits = [{ op: "unsing", word: 1 }];
        const kept = [m.keep(localStorage, "a", 4, edits), m.kept(localStorage, "a")];
        m.forget(localStorage, "a");
        kept.push(m.kept(localStorage, "a"));
        const others = ["{", "[]", '{"version": 1}', '{"version": 1, "edits": [7]}', '{"version": "1", "edits": []}'];
        for (const text of others) {
          localStorage.setItem("melisma.draft.a", text);
          kept.push(m.kept(localStorage, "a"));
        }
        return kept;""",
    )
    assert found[0] is True
    assert found[1]["version"] == 4
    assert found[1]["edits"] == [{"op": "unsing", "word": 1}]
    assert found[2:] == [None] * 6


def test_the_next_doubtful_word_and_the_word_that_sounds_are_found(page):
    found = run(
        page,
        """const word = (start, end, more = {}) => ({ text: "x", start, end, line: 0, backing: false, confidence: 0.9,
          corrected: false, doubtful: false, ...more });
        const words = [word(0, 500, { confidence: 0.2 }), word(600, 900), word(null, null),
          word(1000, 2000, { backing: true }), word(1200, 1500, { confidence: 0.2, corrected: true }),
          word(1500, 1800, { confidence: 0.6 })];
        const state = { words, lines: [{ first: 0, stop: 6, stanza: 0 }], durationMs: 5000, repeats: [] };
        return {
          grades: words.map(m.grade),
          next: [0, 1, 2, 5].map((i) => m.nextDoubtful(state, i, 1)),
          before: [0, 1, 2].map((i) => m.nextDoubtful(state, i, -1)),
          sung: [-1, 0, 499, 550, 1100, 1500, 1900].map((ms) => m.wordAtMoment(state, ms)),
          ghosts: m.ghostsOf(state, m.applyAll(state, [{ op: "shift", words: [5, 6], by_ms: 200 }]), 100)
            .map((ghost) => ghost.kind),
        };""",
    )
    assert found["grades"] == ["doubtful", "sure", "doubtful", "sure", "corrected", "unsure"]
    assert found["next"] == [2, 2, 0, 0]
    assert found["before"] == [2, 0, 0]
    assert found["sung"] == [None, 0, 0, None, None, 5, None]
    assert found["ghosts"] == ["same", "same", "same", "same", "other"]
