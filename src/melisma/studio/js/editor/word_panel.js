/** The selected word: its text and times to be typed, and what can be done to it. */
import { h } from "../dom.js";
import { announce, toast } from "../messages.js";
import * as commands from "./commands.js";
import { grade, gradeName } from "./grades.js";
import { EditError, checkSpelling, timed } from "./model.js";
import { readMoment, spellMoment } from "./moments.js";
import { place } from "./moves.js";

/** @param {string} label @param {string} key @param {() => void} press @param {string} [kind] */
function action(label, key, press, kind = "") {
  return h(`button.ed-small${kind}`, { type: "button", text: label, title: `${label} (${key})`, onclick: press });
}

/**
 * Makes the panel.
 * @param {import("./editor.js").Editor} editor
 * @returns {HTMLElement}
 */
export function wordPanel(editor) {
  const text = field("Word", "ed-text", () => typed(editor, text.value));
  const start = field("Start", "ed-moment", () => timedAt(editor, "start", start.value));
  const end = field("End", "ed-moment", () => timedAt(editor, "end", end.value));
  const mark = h("span.ed-grade");
  const parts = h(
    "div.ed-parts",
    { role: "group", "aria-label": "What the arrow keys nudge" },
    ...["word", "start", "end"].map((part) =>
      h("button.ed-small", { type: "button", text: part, "data-part": part, onclick: () => editor.set({ part }) }),
    ),
  );
  const nudges = h(
    "div.ed-nudges",
    { role: "group", "aria-label": "Nudge" },
    ...[-10, -1, 1, 10].map((by) =>
      h("button.ed-small", {
        type: "button",
        text: `${by > 0 ? "+" : "−"}${Math.abs(by)}`,
        "aria-label": `${Math.abs(by)} ms ${by > 0 ? "later" : "earlier"}`,
        title: `${Math.abs(by)} ms ${by > 0 ? "later" : "earlier"}`,
        onclick: () => commands.nudge(editor, by),
      }),
    ),
  );
  const panel = h(
    "section.ed-word.card",
    { "aria-label": "Selected word" },
    h("div.ed-fields", {}, label("Word", text), label("Start", start), label("End", end), mark),
    h(
      "div.ed-row",
      {},
      parts,
      nudges,
      action("Start here", "[", () => commands.atPlayhead(editor, "start")),
      action("End here", "]", () => commands.atPlayhead(editor, "end")),
    ),
    h(
      "div.ed-row",
      {},
      action("Play", "Enter", () => commands.hear(editor, "word")),
      action("Confirm", "C", () => commands.confirmWords(editor, false)),
      action("Split", "X", () => commands.split(editor)),
      action("Merge", "M", () => commands.merge(editor)),
      action("Not sung", "Del", () => commands.unsing(editor)),
    ),
  );
  editor.show(() => refresh(editor, { panel, text, start, end, mark, parts }));
  return panel;
}

function field(name, kind, change) {
  const input = h(`input.${kind}`, {
    type: "text",
    autocomplete: "off",
    spellcheck: "false",
    inputmode: kind === "ed-moment" ? "decimal" : null,
    maxlength: 200,
  });
  input.addEventListener("change", change);
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    if (event.key === "Escape") input.value = input.dataset.shown ?? "";
    input.blur();
  });
  return /** @type {HTMLInputElement} */ (input);
}

const label = (name, input) => h("label.ed-field", {}, h("span", { text: name }), input);

function typed(editor, value) {
  const text = value.trim();
  if (!editor.word || text === editor.word.text) return editor.changed();
  try {
    checkSpelling(text);
  } catch (error) {
    if (!(error instanceof EditError)) throw error;
    toast(error.message);
    return editor.changed();
  }
  editor.apply("retyped", [{ op: "retype", word: editor.selected, text }]);
}

function timedAt(editor, part, value) {
  const ms = readMoment(value);
  const { word } = editor;
  if (!word || value === (timed(word) ? spellMoment(word[part]) : "")) return editor.changed();
  if (ms === word[part] && ms !== null) return editor.changed();
  if (ms === null) {
    toast("A time is written as minutes:seconds.milliseconds, such as 1:23.456.");
    return editor.changed();
  }
  if (!timed(word) && part === "end") {
    toast("This word has no time yet: set its start first.");
    return editor.changed();
  }
  const edit = place(editor.history.state, editor.selected, part, ms, part === "end" ? editor.settings.ripple : "none");
  if (editor.apply("moved", [edit]) && edit[`${part}_ms`] !== ms) announce("it goes no further");
}

function refresh(editor, { panel, text, start, end, mark, parts }) {
  const { word } = editor;
  panel.hidden = !word;
  if (!word) return;
  put(text, word.text);
  put(start, timed(word) ? spellMoment(word.start) : "");
  put(end, timed(word) ? spellMoment(word.end) : "");
  const name = grade(word);
  mark.className = `ed-grade ${name}`;
  const sure = word.confidence === null || word.corrected ? "" : ` · ${Math.round(word.confidence * 100)} %`;
  mark.textContent = (timed(word) ? gradeName(name) : "not sung") + sure;
  for (const button of parts.children)
    button.setAttribute("aria-pressed", String(button.dataset.part === editor.settings.part));
}

/** What is being typed is left alone. */
function put(input, value) {
  const typing = document.activeElement === input && input.value !== (input.dataset.shown ?? "");
  input.dataset.shown = value;
  if (!typing) input.value = value;
}
