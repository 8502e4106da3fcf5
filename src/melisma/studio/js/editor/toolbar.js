/** What concerns the whole song: play, undo, how words move, what is shown. */
import { h, icon, select } from "../dom.js";
import * as commands from "./commands.js";
import { grade } from "./grades.js";
import { showKeys } from "./keys.js";
import { spellMoment } from "./moments.js";

/** @param {string} text @param {string} title @param {() => void} press @param {string} [name] - Of a symbol. */
function button(text, title, press, name = "") {
  const attributes = { type: "button", title, "aria-label": text || null, onclick: press };
  return h("button.ed-tool", attributes, name ? icon(name) : null, h("span", { text }));
}

const group = (label, ...children) => h("div.ed-group", { role: "group", "aria-label": label }, ...children);

const SPEEDS = { 0.5: "×½", 0.75: "×¾", 1: "×1", 1.25: "×1¼", 1.5: "×1½" };

/** Makes the buttons and fields. @param {import("./editor.js").Editor} editor */
function controls(editor) {
  const { settings } = editor;
  return {
    play: h("button.round.primary.ed-play", { type: "button", onclick: () => commands.toggle(editor) }),
    clock: h("output.ed-clock", { "aria-label": "Position", text: "0:00.000" }),
    speed: select(
      Object.entries(SPEEDS).sort(([a], [b]) => a - b),
      {
        "aria-label": "Speed",
        title: "Speed (, and .)",
        value: "1",
        onchange: (event) => (editor.transport.rate = Number(event.target.value)),
      },
    ),
    loop: button("Loop line", "Loop the line at half speed (Shift+L)", () => commands.hear(editor, "loop"), "again"),
    undo: sign("↶", "Undo", "Ctrl+Z", () => editor.undo()),
    redo: sign("↷", "Redo", "Ctrl+Shift+Z", () => editor.redo()),
    ripple: select(
      Object.entries(commands.RIPPLE_NAMES).map(([key, name]) => [key, `Moves ${name}`]),
      {
        "aria-label": "What goes along with a word that is moved",
        title: "What goes along (R)",
        value: settings.ripple,
        onchange: (event) => editor.set({ ripple: event.target.value }),
      },
    ),
    snap: toggleButton("Snap", "Snap to onsets (S); hold Alt for none", () => editor.set({ snap: !settings.snap })),
    doubt: button("", "Next doubtful word (N)", () => commands.toDoubtful(editor, 1), "doubt"),
    tap: button("Tap along", "Tap along from this word on (T)", () => editor.tapping.begin()),
    fix: button("Fix the neighbours", "Find the words anew between those that you have set (F)", () =>
      editor.neighbours.open(),
    ),
    compare: toggleButton("Compare", "Compare with another version (V)", () => editor.comparing.toggle()),
    spectrum: toggleButton("Spectrogram", "Spectrogram (G)", () => editor.set({ spectrum: !settings.spectrum })),
  };
}

/**
 * Makes the bar.
 * @param {import("./editor.js").Editor} editor
 * @returns {{element: HTMLElement, played: (ms: number) => void}}
 */
export function toolbar(editor) {
  const parts = controls(editor);
  const view = group(
    "View",
    parts.compare,
    parts.spectrum,
    sign("−", "Zoom out", "−", () => editor.timeline.zoom(1 / 1.5, editor.word?.start)),
    sign("+", "Zoom in", "+", () => editor.timeline.zoom(1.5, editor.word?.start)),
    sign("?", "Keys", "?", showKeys),
  );
  const element = h(
    "div.ed-toolbar",
    { role: "group", "aria-label": "Editor" },
    group("Play", parts.play, parts.clock, parts.speed, parts.loop),
    group("History", parts.undo, parts.redo),
    h(
      "div.ed-more",
      {},
      group("Work", parts.doubt, parts.tap, parts.fix),
      group("Moving", parts.ripple, parts.snap),
      view,
    ),
  );
  editor.show(() => refresh(editor, parts));
  let shown = "";
  return {
    element,
    played(ms) {
      const text = spellMoment(ms);
      if (text !== shown) parts.clock.textContent = shown = text;
    },
  };
}

function sign(text, label, key, press) {
  const attributes = { type: "button", text, "aria-label": label, title: `${label} (${key})`, onclick: press };
  return h("button.round.ed-sign", attributes);
}

function toggleButton(text, title, press) {
  const made = button(text, title, press);
  made.setAttribute("aria-pressed", "false");
  return made;
}

function refresh(editor, parts) {
  const { playing } = editor.transport;
  if (parts.play.dataset.playing !== String(playing)) {
    parts.play.dataset.playing = String(playing);
    parts.play.setAttribute("aria-label", playing ? "Pause" : "Play");
    parts.play.title = `${playing ? "Pause" : "Play"} (Space)`;
    parts.play.replaceChildren(icon(playing ? "pause" : "play"));
  }
  parts.speed.value = String(editor.transport.rate);
  parts.ripple.value = editor.settings.ripple;
  parts.loop.setAttribute("aria-pressed", String(Boolean(editor.transport.stretch?.loop)));
  parts.snap.setAttribute("aria-pressed", String(editor.settings.snap));
  parts.compare.setAttribute("aria-pressed", String(editor.comparing.active));
  parts.spectrum.setAttribute("aria-pressed", String(editor.settings.spectrum));
  parts.undo.disabled = editor.busy || !editor.undoable;
  parts.redo.disabled =
    editor.busy || !(editor.history.undone.length || (!editor.history.dirty && editor.undoneVersions.length));
  parts.tap.disabled = parts.fix.disabled = editor.busy || editor.selected === null;
  const doubtful = editor.state.words.filter((word) => grade(word) === "doubtful").length;
  parts.doubt.lastChild.textContent = doubtful ? `${doubtful} doubtful` : "None doubtful";
  parts.doubt.disabled = doubtful === 0;
}
