/** What the keys of the player do, and whether lines are read out. */
import { h, iconButton, newId } from "../dom.js";

/** @type {[string[], string][]} */
const KEYS = [
  [["Space"], "play or pause"],
  [["←", "→"], "5 seconds back, on"],
  [["↑", "↓"], "previous, next line"],
  [["Shift", "←", "→"], "previous, next word"],
  [["Home", "End"], "start, end"],
  [["−", "+"], "slower, faster"],
  [["m"], "mute"],
  [["f"], "full screen"],
  [["d"], "show doubtful words"],
  [["?"], "this help"],
];

/**
 * @param {(on: boolean) => void} onAnnounce - Called when the reader wants lines read out, or no longer.
 * @returns {HTMLDialogElement}
 */
export function makeHelp(onAnnounce) {
  const title = newId();
  const box = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox" }));
  box.addEventListener("change", () => onAnnounce(box.checked));
  const rows = KEYS.map(([keys, what]) =>
    h("div", {}, h("dt", {}, ...keys.flatMap((key) => [h("kbd", { text: key }), " "])), h("dd", { text: what })));
  const attributes = { "aria-labelledby": title, style: { "--width": "27rem" } };
  const dialog = /** @type {HTMLDialogElement} */ (h("dialog", attributes,
    h("div.dialog-head", {}, h("h2", { id: title, text: "Sing along" }),
      iconButton("close", "Close", { onclick: () => dialog.close() })),
    h("div.dialog-body", {}, h("p.quiet-text", { text: "Click a word to hear the song from there." }),
      h("dl.keys", {}, ...rows),
      h("label.choice", {}, box, h("span", { text: "Read each line out with a screen reader" })))));
  return dialog;
}
