/** What a person can do to words, each one step that can be undone. */
import { h } from "../dom.js";
import { announce, ask, complain, toast } from "../messages.js";
import { nextDoubtful } from "./grades.js";
import { checkSpelling, timed } from "./model.js";
import { moveBy, place } from "./moves.js";
import { wordBefore } from "./sung.js";

/** @typedef {import("./editor.js").Editor} Editor */

const AROUND_LINE_MS = 250; // what is heard before and after a line that is played
const HALF_SPEED = 0.5;
const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5];

/** @param {Editor} editor @param {number} by */
export function step(editor, by) {
  editor.select((editor.selected ?? 0) + by);
  editor.rows.focusSoon();
}

/** @param {Editor} editor @param {number} by - Lines. */
export function stepLine(editor, by) {
  const { lines, words } = editor.state;
  const line = words[editor.selected ?? 0].line + by;
  if (lines[line]) editor.select(lines[line].first);
  editor.rows.focusSoon();
}

/** @param {Editor} editor @param {1 | -1} way */
export function toDoubtful(editor, way) {
  const found = nextDoubtful(editor.state, editor.selected ?? -1, way);
  if (found === null) return announce("no doubtful word is left");
  editor.select(found);
  editor.rows.focusSoon();
}

/** @param {Editor} editor @param {number} byMs */
export function nudge(editor, byMs) {
  const { word, selected, settings } = editor;
  if (!timed(word)) return toast("This word has no time yet: put it at the playhead first.");
  const edit = moveBy(editor.history.state, selected, settings.part, byMs, settings.ripple);
  if (edit.start_ms === word.start && edit.end_ms === word.end) return announce("it goes no further");
  editor.apply("moved", [edit]);
}

/**
 * Puts the start, the end or all of the word where the playhead is.
 * @param {Editor} editor
 * @param {import("./moves.js").Part} part
 */
export function atPlayhead(editor, part) {
  if (editor.selected === null) return;
  const ms = Math.round(editor.transport.ms);
  if (part === "end" && !timed(editor.word)) return toast("This word has no time yet: set its start first.");
  editor.apply("moved", [
    place(editor.history.state, editor.selected, part, ms, part === "start" ? "none" : editor.settings.ripple),
  ]);
}

/** @param {Editor} editor @param {boolean} line - The whole line instead of the word. */
export function confirmWords(editor, line) {
  if (editor.selected === null) return;
  const { first, stop } = line ? lineOf(editor) : { first: editor.selected, stop: editor.selected + 1 };
  const after = Math.min(stop, editor.state.words.length - 1);
  editor.apply(line ? "line confirmed" : "word confirmed", [{ op: "confirm", words: [first, stop] }], {
    select: after,
  });
}

/** @param {Editor} editor */
export function merge(editor) {
  if (editor.selected !== null) editor.apply("merged", [{ op: "merge", word: editor.selected }]);
}

/** @param {Editor} editor */
export function unsing(editor) {
  if (editor.selected !== null) editor.apply("marked as not sung", [{ op: "unsing", word: editor.selected }]);
}

/** @param {Editor} editor */
export async function retype(editor) {
  const { word, selected } = editor;
  if (!word) return;
  const input = h("input", {
    type: "text",
    value: word.text,
    maxlength: 200,
    "aria-label": "Word",
    autocomplete: "off",
    spellcheck: "false",
  });
  requestAnimationFrame(() => input.select());
  await ask({
    title: "Retype the word",
    body: [input],
    action: "Retype",
    submit() {
      checkSpelling(input.value.trim());
      if (input.value.trim() !== word.text)
        editor.apply("retyped", [{ op: "retype", word: selected, text: input.value.trim() }]);
    },
  });
  editor.rows.focusSoon();
}

/** Splits at the playhead where it stands within the word, else in its middle. @param {Editor} editor */
export async function split(editor) {
  const { word, selected } = editor;
  if (!word) return;
  if ([...word.text].length < 2) return toast("A word of one character cannot be split.");
  const now = Math.round(editor.transport.ms);
  const inside = timed(word) && now > word.start && now < word.end;
  const at = timed(word) ? (inside ? now : Math.round((word.start + word.end) / 2)) : null;
  const texts = halves(word.text, inside ? (now - word.start) / (word.end - word.start) : 0.5);
  const inputs = texts.map((text, k) =>
    h("input", {
      type: "text",
      value: text,
      maxlength: 200,
      "aria-label": k ? "Second word" : "First word",
      autocomplete: "off",
      spellcheck: "false",
    }),
  );
  await ask({
    title: `Split “${word.text}”`,
    body: [
      h("p.quiet-text", {
        text: inside ? "At the playhead." : "In its middle; put the playhead within the word to split it there.",
      }),
      h("div.fields", {}, ...inputs),
    ],
    action: "Split",
    submit() {
      const spelt = inputs.map((input) => input.value.trim());
      spelt.forEach(checkSpelling);
      editor.apply("split", [{ op: "split", word: selected, at_ms: at, texts: spelt }]);
    },
  });
  editor.rows.focusSoon();
}

/**
 * Halves a word.
 * @param {string} text
 * @param {number} share - Of its signs that come first, unless it has a hyphen.
 * @returns {[string, string]}
 */
export function halves(text, share) {
  const signs = [...text];
  const hyphen = signs.indexOf("-", 1);
  const at =
    hyphen > 0 && hyphen < signs.length - 1
      ? hyphen + 1
      : Math.max(1, Math.min(signs.length - 1, Math.round(signs.length * share)));
  return [signs.slice(0, at).join(""), signs.slice(at).join("")];
}

/** @param {Editor} editor @returns {import("./model.js").Line} That of the word. */
export const lineOf = (editor) => editor.state.lines[editor.state.words[editor.selected ?? 0].line];

/** @param {Editor} editor @returns {{startMs: number, endMs: number} | null} */
function stretchOf(editor, { first, stop }, around) {
  const words = editor.state.words.slice(first, stop).filter(timed);
  if (!words.length) return null;
  return {
    startMs: Math.max(0, Math.min(...words.map((word) => word.start)) - around),
    endMs: Math.min(editor.state.durationMs, Math.max(...words.map((word) => word.end)) + around),
  };
}

/** @param {Editor} editor @param {"word" | "line" | "loop"} what - "loop": the line, again and again, at half speed. */
export function hear(editor, what) {
  if (editor.selected === null) return;
  const looping = editor.transport.stretch?.loop;
  if (looping) stopLoop(editor);
  if (what === "loop" && looping) return;
  const range = what === "word" ? { first: editor.selected, stop: editor.selected + 1 } : lineOf(editor);
  const stretch = stretchOf(editor, range, what === "word" ? 0 : AROUND_LINE_MS);
  if (!stretch) return toast("These words have no time yet.");
  if (what === "loop") {
    editor.speedBefore = editor.transport.rate;
    editor.transport.rate = HALF_SPEED;
    editor.timeline.mark(stretch.startMs, stretch.endMs);
    announce("the line again and again, at half speed");
  }
  editor.transport.playStretch(stretch.startMs, stretch.endMs, what === "loop").catch(complain);
  editor.changed();
}

/** @param {Editor} editor */
export function stopLoop(editor) {
  if (!editor.transport.stretch?.loop) return;
  editor.transport.pause();
  editor.transport.rate = editor.speedBefore ?? 1;
  editor.timeline.mark(null, null);
  editor.changed();
}

/** @param {Editor} editor */
export function toggle(editor) {
  if (editor.transport.stretch?.loop) stopLoop(editor);
  else editor.transport.toggle().catch(complain);
}

/** @param {Editor} editor @param {1 | -1} way */
export function speed(editor, way) {
  const at = SPEEDS.findIndex((each) => each >= editor.transport.rate - 0.01);
  editor.transport.rate = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at + way))];
  announce(`speed ${editor.transport.rate}`);
  editor.changed();
}

/** Selects the word at the playhead. @param {Editor} editor */
export function selectSung(editor) {
  const found = wordBefore(editor.state, editor.transport.ms);
  if (found !== null) editor.select(found);
  editor.rows.focusSoon();
}

export const RIPPLE_NAMES = {
  none: "only the word",
  line: "with the rest of its line",
  whole: "with its whole line",
  song: "with the rest of the song",
};
const RIPPLES = Object.keys(RIPPLE_NAMES);

/** @param {Editor} editor */
export function nextRipple(editor) {
  const ripple = RIPPLES[(RIPPLES.indexOf(editor.settings.ripple) + 1) % RIPPLES.length];
  editor.set({ ripple });
  announce(`moves ${RIPPLE_NAMES[ripple]}`);
}

const PARTS = ["word", "start", "end"];

/** @param {Editor} editor */
export function nextPart(editor) {
  const part = PARTS[(PARTS.indexOf(editor.settings.part) + 1) % PARTS.length];
  editor.set({ part });
  announce(`nudges the ${part}`);
}
