/** The part of a form that says where the lyrics come from: pasted, looked up by artist and title, or heard. */
import { get } from "../api.js";
import { field, h, newId, select } from "../dom.js";

const SUFFIXES = [".txt", ".lrc", ".elrc", ".srt"];
const LYRICS_BYTES = 1_000_000; // far more than any song's

/** @param {File} file @returns {boolean} */
export function isLyricsFile(file) {
  return SUFFIXES.some((suffix) => file.name.toLowerCase().endsWith(suffix));
}

/**
 * Reads a lyrics file: UTF-8 or UTF-16, else Windows-1252, as western editors wrote. What comes out is shown before it
 * is sent, so that a reader sees where it is another.
 * @param {File} file
 * @returns {Promise<string>} Its text; a file too large for lyrics is cut.
 */
export async function readLyrics(file) {
  const bytes = new Uint8Array(await file.slice(0, LYRICS_BYTES).arrayBuffer());
  const wide = { "255,254": "utf-16le", "254,255": "utf-16be" }[`${bytes[0]},${bytes[1]}`];
  if (wide) return new TextDecoder(wide).decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true }); // a last letter may be cut
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/** What a person chose. @typedef {{text: string}|{artist: string, title: string}|null} Lyrics */

export class LyricsForm {
  /**
   * @param {object} options
   * @param {string} [options.text] - Lyrics that are known already.
   * @param {() => {artist: string, title: string}} options.names - Artist and title as they stand in the form.
   * @param {string[]} options.providers - Of lyrics, that the service asks; some are on other hosts.
   */
  constructor({ text = "", names, providers }) {
    this.names = names;
    this.group = newId();
    this.area = /** @type {HTMLTextAreaElement} */ (h("textarea", {
      rows: 8, placeholder: "One line of the song on each line", value: text, spellcheck: "false", dir: "auto",
    }));
    const file = /** @type {HTMLInputElement} */ (h("input", { type: "file", accept: `${SUFFIXES},text/plain` }));
    file.addEventListener("change", () => this.take(file.files));
    this.panel = h("div.field", {}, field("Words of the song", this.area), field("Or from a text file", file));
    this.element = h("fieldset.choices", {}, h("legend", { text: "Lyrics" }),
      this.choice("text", "I have the words"),
      providers.length > 0 && this.choice("find", `Look them up by artist and title (${providers.join(", ")})`),
      this.choice("none", "I have none: write down what is heard"),
      this.panel);
    this.choose("text");
  }

  /** @param {string} value @param {string} label @returns {HTMLElement} */
  choice(value, label) {
    const input = h("input", { type: "radio", name: this.group, value, onchange: () => this.show() });
    return h("label.choice", {}, input, h("span", { text: label }));
  }

  /** @param {string} value */
  choose(value) {
    const input = this.element.querySelector(`input[value="${value}"]`);
    if (input) /** @type {HTMLInputElement} */ (input).checked = true;
    this.show();
  }

  /** @returns {string} */
  get chosen() {
    const found = /** @type {HTMLInputElement|null} */ (this.element.querySelector("input[type=radio]:checked"));
    return found?.value ?? "none";
  }

  show() {
    this.panel.hidden = this.chosen !== "text";
  }

  /** @param {FileList|null} files */
  async take(files) {
    if (!files?.length) return;
    this.area.value = await readLyrics(files[0]);
    this.area.focus();
  }

  /**
   * Reads what was chosen.
   * @returns {Lyrics}
   * @throws {Error} A sentence, where something is missing.
   */
  read() {
    if (this.chosen === "none") return null;
    if (this.chosen === "text") {
      if (this.area.value.trim()) return { text: this.area.value };
      throw new Error("paste the words of the song, or choose another way to get them");
    }
    const { artist, title } = this.names();
    if (artist.trim() && title.trim()) return { artist: artist.trim(), title: title.trim() };
    throw new Error("lyrics are looked up by artist and title: fill in both, or choose another way");
  }
}

/**
 * Makes the choice of an engine.
 * @param {{name: string, task: string, installed: boolean, switched_on?: boolean}[]} engines
 * @returns {HTMLSelectElement}
 */
export function engineChoice(engines) {
  const usable = engines.filter((engine) => engine.installed && engine.switched_on !== false);
  return select([["auto", "Automatic: the best that works here"], ...usable.map(({ name }) => [name, name])], {
    value: "auto",
  });
}

/** The languages that the service can spell, to choose from while typing; asked for once. */
function languageList() {
  const known = document.getElementById("languages");
  if (known) return known.id;
  const list = h("datalist", { id: "languages" });
  document.body.append(list);
  get("languages").then(({ languages }) => {
    list.append(...languages.map((/** @type {any} */ each) => h("option", { value: each.code, text: each.name })));
  }).catch(() => list.remove()); // a code can be typed all the same
  return list.id;
}

/** @returns {HTMLInputElement} A field for a language code; empty lets the service tell it. */
export function languageField(value = "") {
  return /** @type {HTMLInputElement} */ (h("input", {
    type: "text", value, list: languageList(), placeholder: "Told from the words",
    pattern: "[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*", maxlength: 16, autocapitalize: "off", spellcheck: "false",
    title: "A language code such as en, fr or pt-BR",
  }));
}
