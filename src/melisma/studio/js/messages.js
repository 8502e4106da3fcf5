/** What is told beside the page: to screen readers, in a corner, and in dialogs. */
import { h, iconButton, newId } from "./dom.js";

const TOAST_MS = 7000;

/** @param {string} sentence - Read out by screen readers as soon as they pause. */
export function announce(sentence) {
  const element = /** @type {HTMLElement} */ (document.getElementById("announcer"));
  element.textContent = "";
  requestAnimationFrame(() => {
    element.textContent = sentence;
  });
}

/**
 * Shows a sentence in the corner; trouble stays until it is closed.
 * @param {string} sentence
 * @param {{trouble?: boolean}} [options]
 */
export function toast(sentence, { trouble = false } = {}) {
  const role = trouble ? "alert" : "status";
  const box = h(trouble ? "div.toast.trouble" : "div.toast", { role }, h("p", { text: sentence }));
  box.append(iconButton("close", "Close this message", { onclick: () => box.remove() }));
  document.getElementById("toasts")?.append(box);
  if (!trouble) setTimeout(() => box.remove(), TOAST_MS);
}

/** @param {Error} error @returns {string} With a capital, and the request's number where the service erred itself. */
export function sentenceOf(error) {
  const text = error.message || String(error);
  const isName = /^[^.:]*\.[a-z]\w{1,4}(?=[ :])/i.test(text); // it begins with the name of a file, which stays as it is
  const spelt = isName ? text : text[0].toUpperCase() + text.slice(1);
  const number = /** @type {any} */ (error).requestId;
  return /** @type {any} */ (error).status >= 500 && number ? `${spelt} (request ${number})` : spelt;
}

/** @param {Error} error */
export function complain(error) {
  if (error.name !== "AbortError") toast(sentenceOf(error), { trouble: true });
}

/**
 * A notice within the page: what is wrong, and a way on.
 * @param {Error|string} error
 * @param {() => void} [again] - What "Try again" does.
 * @returns {HTMLElement}
 */
export function troubleNotice(error, again = undefined) {
  const text = typeof error === "string" ? error : sentenceOf(error);
  const buttons = again && h("div.buttons", {}, h("button", { type: "button", text: "Try again", onclick: again }));
  return h("div.notice.trouble", { role: "alert" }, h("p", { text }), buttons);
}

/**
 * Opens a dialog with a form and waits for its answer. Escape and "Cancel" answer null.
 * @param {object} options
 * @param {string} options.title
 * @param {(Node|string|false)[]} options.body
 * @param {string} options.action - Text of the button that sends the form.
 * @param {boolean} [options.danger]
 * @param {string} [options.width]
 * @param {(form: HTMLFormElement) => Promise<any>|any} [options.submit] - Its result is the answer; if it throws, the
 *   dialog stays open and shows the sentence.
 * @returns {Promise<any>}
 */
export function ask({ title, body, action, danger = false, width = "", submit = () => true }) {
  const heading = newId();
  const error = h("div", { "aria-live": "polite" });
  const send = h(danger ? "button.danger" : "button.primary", { type: "submit", text: action });
  const cancel = h("button", { type: "button", text: "Cancel", onclick: () => dialog.close() });
  const form = /** @type {HTMLFormElement} */ (h("form", { method: "dialog" },
    h("div.dialog-head", {}, h("h2", { id: heading, text: title }),
      iconButton("close", "Close", { onclick: () => dialog.close() })),
    h("div.dialog-body", {}, ...body.filter(Boolean), error),
    h("div.dialog-foot", {}, cancel, send)));
  const dialog = /** @type {HTMLDialogElement} */ (h("dialog", { "aria-labelledby": heading }, form));
  if (width) dialog.style.setProperty("--width", width);
  (form.querySelector(".dialog-body :is(input, select, textarea)") ?? cancel).setAttribute("autofocus", "");
  /** @type {any} */
  let answer = null;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.toggleAttribute("disabled", true);
    error.replaceChildren();
    try {
      answer = await submit(form);
      dialog.close();
    } catch (reason) {
      error.replaceChildren(troubleNotice(reason));
      error.scrollIntoView({ block: "nearest" });
    } finally {
      send.toggleAttribute("disabled", false);
    }
  });
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    dialog.showModal();
  });
}

/**
 * Asks before something that cannot be undone.
 * @param {{title: string, text: string, action: string}} question
 * @returns {Promise<boolean>}
 */
export async function confirm({ title, text, action }) {
  return Boolean(await ask({ title, body: [h("p", { text })], action, danger: true }));
}
