/** A question with more than two answers. */
import { h, newId } from "../dom.js";

/**
 * Asks, and waits for the answer.
 * @param {string} title
 * @param {(Node | string)[]} body
 * @param {{value: string, label: string, primary?: boolean}[]} choices - Escape means the last.
 * @param {string} [width] - Of the dialog.
 * @returns {Promise<string>}
 */
export function choose(title, body, choices, width = "") {
  const id = newId();
  const buttons = choices.map(({ value, label, primary }) =>
    h(primary ? "button.primary" : "button", { value, text: label }),
  );
  const dialog = /** @type {HTMLDialogElement} */ (
    h(
      "dialog",
      { "aria-labelledby": id },
      h(
        "form",
        { method: "dialog" },
        h("div.dialog-head", {}, h("h2", { id, text: title })),
        h("div.dialog-body", {}, ...body),
        h("div.dialog-foot", {}, ...buttons.reverse()),
      ),
    )
  );
  if (width) dialog.style.setProperty("--width", width);
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue || choices[choices.length - 1].value);
    });
    dialog.showModal();
    /** @type {HTMLElement} */ (dialog.querySelector(".primary"))?.focus();
  });
}
