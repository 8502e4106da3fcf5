/** The dialog in which recordings become songs: one part a recording, with its names and where its words come from. */
import { field, h, iconButton, sizeOf } from "../dom.js";
import { ask } from "../messages.js";
import { LyricsForm, engineChoice, isLyricsFile, languageField, readLyrics } from "./lyrics_form.js";

/**
 * What is to be made of one recording.
 * @typedef {object} Order
 * @property {File|null} file - Of this device.
 * @property {string|null} library - Path in the service's library folder.
 * @property {string} name - Of the file.
 * @property {string} title
 * @property {string} artist
 * @property {boolean} guessed - Whether title and artist are only what the file's name says: its tags know better.
 * @property {string} language
 * @property {import("./lyrics_form.js").Lyrics} lyrics
 * @property {string} engine
 */

/** @param {string} name @returns {string} Without folders and suffix. */
export function stemOf(name) {
  return name.split("/").pop()?.replace(/\.[^.]{1,5}$/, "") ?? name;
}

/**
 * Tells artist and title from a file's name: "Artist - Title.mp3", "03 Title.flac".
 * @param {string} name
 * @returns {{artist: string, title: string}}
 */
export function namesOf(name) {
  const stem = stemOf(name).replaceAll("_", " ").replace(/^\d{1,3}[\s.-]+(?=\D)/, "").trim();
  const [artist, ...rest] = stem.split(/\s+[-–—]\s+/);
  return rest.length ? { artist: artist.trim(), title: rest.join(" - ").trim() } : { artist: "", title: stem };
}

/**
 * Sorts what was dropped: recordings, each with the text file of the same name where there is one.
 * @param {Iterable<File>} files
 * @returns {Promise<{file: File, lyrics: string}[]>}
 */
export async function pairUp(files) {
  const all = [...files];
  const texts = new Map(all.filter(isLyricsFile).map((file) => [stemOf(file.name).toLowerCase(), file]));
  const recordings = all.filter((file) => !isLyricsFile(file));
  const only = recordings.length === 1 && texts.size === 1 ? [...texts.values()][0] : undefined;
  return Promise.all(recordings.map(async (file) => {
    const text = texts.get(stemOf(file.name).toLowerCase()) ?? only;
    return { file, lyrics: text ? await readLyrics(text) : "" };
  }));
}

/** The part of the dialog that belongs to one recording. */
class Part {
  /**
   * @param {{file?: File, library?: string, name: string, size: number|null, lyrics?: string}} source
   * @param {{providers: string[], onRemove: (part: Part) => void}} options
   */
  constructor(source, { providers, onRemove }) {
    this.source = source;
    this.guess = namesOf(source.name);
    const text = (/** @type {string} */ value) =>
      /** @type {HTMLInputElement} */ (h("input", { type: "text", value, maxlength: 300, dir: "auto" }));
    [this.title, this.artist] = [text(this.guess.title), text(this.guess.artist)];
    this.language = languageField();
    const names = () => ({ artist: this.artist.value, title: this.title.value });
    this.lyrics = new LyricsForm({ text: source.lyrics ?? "", names, providers });
    const size = source.size === null ? "" : sizeOf(source.size);
    this.element = h("section.add-part", { "aria-label": source.name },
      h("div.add-head", {}, h("h3", { text: source.name }), h("span.small.quiet-text", { text: size }),
        iconButton("close", `Leave out ${source.name}`, { onclick: () => onRemove(this) })),
      h("div.fields", {}, field("Title", this.title), field("Artist", this.artist), field("Language", this.language)),
      this.lyrics.element);
  }

  /** @param {string} engine @returns {Order} */
  read(engine) {
    try {
      const { file = null, library = null, name } = this.source;
      const [title, artist] = [this.title.value.trim(), this.artist.value.trim()];
      const guessed = title === this.guess.title && artist === this.guess.artist;
      const language = this.language.value.trim();
      return { file, library, name, engine, lyrics: this.lyrics.read(), title, artist, guessed, language };
    } catch (error) {
      this.element.scrollIntoView({ block: "nearest" });
      throw new Error(`${this.source.name}: ${/** @type {Error} */ (error).message}`, { cause: error });
    }
  }
}

/**
 * Asks what is to be made of some recordings.
 * @param {{file?: File, library?: string, name: string, size: number|null, lyrics?: string}[]} sources
 * @param {{engines: any[], service: any}} options
 * @returns {Promise<Order[]|null>} Null where the reader thought better of it.
 */
export async function askForOrders(sources, { engines, service }) {
  const engine = engineChoice(engines);
  const list = h("div.add-parts");
  /** @type {Part[]} */
  let parts = [];
  const providers = service.lyrics_providers ?? [];
  const onRemove = (/** @type {Part} */ part) => {
    parts = parts.filter((each) => each !== part);
    part.element.remove();
    if (!parts.length) list.closest("dialog")?.close();
  };
  parts = sources.map((source) => new Part(source, { providers, onRemove }));
  list.append(...parts.map((part) => part.element));
  return ask({
    title: sources.length === 1 ? "Add a song" : `Add ${sources.length} songs`,
    body: [list, field("Engine", engine, "Finds when each word is sung.")],
    action: "Add and align",
    width: "44rem",
    submit: () => {
      const tooLarge = parts.find(({ source }) => source.file && source.file.size > service.upload_bytes);
      if (tooLarge) {
        throw new Error(`${tooLarge.source.name} has ${sizeOf(tooLarge.source.file?.size ?? 0)}, ` +
          `this service takes files of up to ${sizeOf(service.upload_bytes)}: convert it to MP3 or Opus first`);
      }
      return parts.map((part) => part.read(engine.value));
    },
  });
}
