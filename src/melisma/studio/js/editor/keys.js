/** Every key of the editor: what it does, in the words of its help. */
import { h } from "../dom.js";
import { keyOf } from "../keyboard.js";
import { choose } from "./choose.js";
import * as commands from "./commands.js";

/**
 * @typedef {{keys: string[], says: string, does: (editor: import("./editor.js").Editor) => void}} Key
 *   `keys` as `nameOf` spells them: "Shift+ArrowLeft"; Mod is Control, or Command on a Mac.
 */

/** @type {Record<string, Key[]>} */
export const KEYS = {
  Go: [
    { keys: ["ArrowLeft"], says: "Word before", does: (editor) => commands.step(editor, -1) },
    { keys: ["ArrowRight"], says: "Next word", does: (editor) => commands.step(editor, 1) },
    { keys: ["ArrowUp"], says: "Line before", does: (editor) => commands.stepLine(editor, -1) },
    { keys: ["ArrowDown"], says: "Next line", does: (editor) => commands.stepLine(editor, 1) },
    { keys: ["Home"], says: "First word", does: (editor) => commands.step(editor, -Infinity) },
    { keys: ["End"], says: "Last word", does: (editor) => commands.step(editor, Infinity) },
    { keys: ["N"], says: "Next doubtful word", does: (editor) => commands.toDoubtful(editor, 1) },
    { keys: ["Shift+N"], says: "Doubtful word before", does: (editor) => commands.toDoubtful(editor, -1) },
    { keys: ["W"], says: "Word at the playhead", does: commands.selectSung },
  ],
  Listen: [
    { keys: ["Space"], says: "Play or pause", does: commands.toggle },
    { keys: ["Enter"], says: "Play the word", does: (editor) => commands.hear(editor, "word") },
    { keys: ["L"], says: "Play the line", does: (editor) => commands.hear(editor, "line") },
    {
      keys: ["Shift+L"],
      says: "Loop the line at half speed, or stop",
      does: (editor) => commands.hear(editor, "loop"),
    },
    { keys: [","], says: "Slower", does: (editor) => commands.speed(editor, -1) },
    { keys: ["."], says: "Faster", does: (editor) => commands.speed(editor, 1) },
  ],
  Move: [
    { keys: ["Shift+ArrowLeft"], says: "10 ms earlier", does: (editor) => commands.nudge(editor, -10) },
    { keys: ["Shift+ArrowRight"], says: "10 ms later", does: (editor) => commands.nudge(editor, 10) },
    { keys: ["Alt+ArrowLeft"], says: "1 ms earlier", does: (editor) => commands.nudge(editor, -1) },
    { keys: ["Alt+ArrowRight"], says: "1 ms later", does: (editor) => commands.nudge(editor, 1) },
    { keys: ["E"], says: "Nudge the word, its start or its end", does: commands.nextPart },
    { keys: ["["], says: "Start at the playhead", does: (editor) => commands.atPlayhead(editor, "start") },
    { keys: ["]"], says: "End at the playhead", does: (editor) => commands.atPlayhead(editor, "end") },
    { keys: ["P"], says: "Word to the playhead", does: (editor) => commands.atPlayhead(editor, "word") },
    { keys: ["R"], says: "What goes along: nothing, the line, the song", does: commands.nextRipple },
    {
      keys: ["S"],
      says: "Snap to onsets, or not (hold Alt while dragging for once)",
      does: (editor) => editor.set({ snap: !editor.settings.snap }),
    },
    { keys: ["T"], says: "Tap along from this word on", does: (editor) => editor.tapping.begin() },
  ],
  Change: [
    { keys: ["F2"], says: "Retype the word", does: commands.retype },
    { keys: ["X"], says: "Split the word", does: commands.split },
    { keys: ["M"], says: "Merge with the next word", does: commands.merge },
    { keys: ["Delete"], says: "Mark as not sung", does: commands.unsing },
    { keys: ["C"], says: "Confirm the word where it is", does: (editor) => commands.confirmWords(editor, false) },
    { keys: ["Shift+C"], says: "Confirm the line", does: (editor) => commands.confirmWords(editor, true) },
    { keys: ["F"], says: "Fix the neighbours", does: (editor) => editor.neighbours.open() },
    { keys: ["Mod+Z"], says: "Undo", does: (editor) => editor.undo() },
    { keys: ["Mod+Shift+Z", "Mod+Y"], says: "Redo", does: (editor) => editor.redo() },
    { keys: ["Mod+S"], says: "Save", does: (editor) => editor.saving.save() },
  ],
  Look: [
    { keys: ["+", "="], says: "Zoom in", does: (editor) => editor.timeline.zoom(1.5, middleOf(editor)) },
    { keys: ["-"], says: "Zoom out", does: (editor) => editor.timeline.zoom(1 / 1.5, middleOf(editor)) },
    { keys: ["V"], says: "Compare with another version", does: (editor) => editor.comparing.toggle() },
    { keys: ["G"], says: "Spectrogram, or not", does: (editor) => editor.set({ spectrum: !editor.settings.spectrum }) },
    { keys: ["?"], says: "These keys", does: () => showKeys() },
  ],
};

/** @param {import("./editor.js").Editor} editor @returns {number | null} What zooming turns about. */
function middleOf(editor) {
  return editor.word?.start ?? null;
}

/** Key of each spelling. */
const BY_NAME = new Map(
  Object.values(KEYS).flatMap((group) => group.flatMap((key) => key.keys.map((name) => [name, key]))),
);
const SIGNS = /^[^\p{L}\p{N}]$/u; // a sign is the same key whether or not it takes Shift on this keyboard

/** @param {KeyboardEvent} event @returns {string} */
export function nameOf(event) {
  const pressed = keyOf(event);
  const key = pressed === " " ? "Space" : pressed.length === 1 ? pressed.toUpperCase() : pressed;
  const parts = [];
  if (event.ctrlKey || event.metaKey) parts.push("Mod");
  if (event.altKey) parts.push("Alt");
  if (event.shiftKey && !SIGNS.test(event.key)) parts.push("Shift");
  return [...parts, key].join("+");
}

const TYPING = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]";

/**
 * Listens for keys while the editor is open.
 * @param {import("./editor.js").Editor} editor
 * @param {AbortSignal} signal
 */
export function listen(editor, signal) {
  document.addEventListener(
    "keydown",
    (event) => {
      const target = /** @type {HTMLElement} */ (event.composedPath()[0]);
      const name = nameOf(event);
      const key = BY_NAME.get(name);
      if (!key || event.isComposing || editor.tapping.active || document.querySelector("dialog[open]")) return;
      if (name !== "Mod+S" && target.closest?.(TYPING)) return;
      // A button or link that has the focus keeps the keys that press it; a word of the text is chosen already.
      if ((name === "Space" || name === "Enter") && target.closest?.("button:not(.ed-lyric), a, input")) return;
      if (event.repeat && !/Arrow|^[,.+=-]$|Mod\+/.test(name)) return;
      event.preventDefault();
      key.does(editor);
    },
    { signal },
  );
}

const SPELT = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Mod: "Ctrl", Delete: "Del", "-": "−" };

/** @param {string} name @returns {HTMLElement} */
function keyCaps(name) {
  const parts = name === "+" ? ["+"] : name.split("+");
  return h("span.ed-caps", {}, ...parts.map((part) => h("kbd", { text: SPELT[part] ?? part })));
}

/** Lists every key in a dialog. */
export function showKeys() {
  const groups = Object.entries(KEYS).map(([title, keys]) =>
    h(
      "section",
      {},
      h("h3", { text: title }),
      h(
        "dl.ed-keys",
        {},
        ...keys.flatMap(({ keys: names, says }) => [h("dt", {}, ...names.map(keyCaps)), h("dd", { text: says })]),
      ),
    ),
  );
  const mouse = h(
    "section",
    {},
    h("h3", { text: "Mouse and finger" }),
    h("p.small", {
      text:
        "Drag a word to move it, or an edge of it to move its start or end; on a touch screen tap it first, " +
        "then drag it or one of the grips below. Hold Alt for no snapping, press Escape to leave it where it was. " +
        "Double-click to play a word. Ctrl and the wheel zoom.",
    }),
  );
  choose(
    "Keys",
    [h("div.ed-key-groups", {}, ...groups, mouse)],
    [{ value: "close", label: "Close", primary: true }],
    "62rem",
  );
  // Longer than a phone is high: whoever has no wheel scrolls it by the arrow keys.
  document.querySelector("dialog[open] .dialog-body")?.setAttribute("tabindex", "0");
}
