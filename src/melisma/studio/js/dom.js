/** Elements without a framework. Text is always text: nothing here parses markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element.
 * @param {string} tag - Name of the element, with classes after dots: `button.primary`.
 * @param {Record<string, unknown>} [attributes] - Attributes; `on…` are listeners, `text` is its text, null and false
 *   leave an attribute out, true sets it empty. `style` is an object of custom properties.
 * @param {...(Node|string|null|undefined|false)} children - What it holds; strings become text.
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name || "div");
  if (classes.length) element.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) setAttribute(element, key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** @param {HTMLElement} element @param {string} key @param {unknown} value */
function setAttribute(element, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (key.startsWith("on")) element.addEventListener(key.slice(2), /** @type {EventListener} */ (value));
  else if (key === "text") element.textContent = String(value);
  else if (key === "value") /** @type {HTMLInputElement} */ (element).value = String(value);
  else if (key === "style") {
    for (const [property, setting] of Object.entries(value)) element.style.setProperty(property, String(setting));
  } else element.setAttribute(key, value === true ? "" : String(value));
}

/**
 * Draws a symbol of icons.svg; decoration, so a screen reader passes over it.
 * @param {string} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/**
 * Makes a round button that shows only a symbol; its label is for screen readers and the tooltip.
 * @param {string} name - Symbol.
 * @param {string} label
 * @param {Record<string, unknown>} [attributes]
 * @returns {HTMLButtonElement}
 */
export function iconButton(name, label, attributes = {}) {
  const all = { type: "button", "aria-label": label, title: label, ...attributes };
  return /** @type {HTMLButtonElement} */ (h("button.round.quiet", all, icon(name)));
}

let lastId = 0;

/** @returns {string} An id that no other element has. */
export function newId() {
  lastId += 1;
  return `m${lastId}`;
}

/**
 * Puts a label, and a hint where there is one, to a field.
 * @param {string} label
 * @param {HTMLElement} control
 * @param {string} [hint]
 * @returns {HTMLElement}
 */
export function field(label, control, hint = "") {
  control.id ||= newId();
  const parts = [h("label", { for: control.id, text: label }), control];
  if (hint) {
    const id = newId();
    control.setAttribute("aria-describedby", id);
    parts.push(h("p.hint", { id, text: hint }));
  }
  return h("div.field", {}, ...parts);
}

/**
 * Makes a list to choose from.
 * @param {[string, string][]} options - Value and what is shown.
 * @param {Record<string, unknown>} [attributes] - `value` chooses one.
 * @returns {HTMLSelectElement}
 */
export function select(options, attributes = {}) {
  const { value, ...rest } = attributes;
  const made = options.map(([key, text]) => h("option", { value: key, text, selected: key === value }));
  return /** @type {HTMLSelectElement} */ (h("select", rest, ...made));
}

/** @param {number} ms @returns {string} Minutes and seconds, with hours where there are some: 3:07. */
export function clock(ms) {
  const whole = Math.max(0, Math.floor(ms / 1000 + 0.0005));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

/** @param {number} bytes @returns {string} */
export function sizeOf(bytes) {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/** @param {string|null|undefined} code - BCP 47. @returns {string} Its name in English, or the code itself. */
export function languageName(code) {
  if (!code || code === "und") return "";
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code) ?? code;
  } catch {
    return code; // not a code that the browser knows
  }
}

/** @param {string} moment - ISO 8601. @returns {string} As the reader's own calendar says it. */
export function dateOf(moment) {
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return "";
  return date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** @param {{title?: string, file_name?: string}} song @returns {string} Its title, else its file's name. */
export function titleOf(song) {
  const stem = (song.file_name ?? "").replace(/\.[^.]{1,5}$/, "");
  return song.title?.trim() || stem || "Untitled song";
}

/** @param {{title?: string, artist?: string, file_name?: string}} song @returns {string} Title and artist. */
export function fullTitle(song) {
  return song.artist?.trim() ? `${titleOf(song)} by ${song.artist.trim()}` : titleOf(song);
}
