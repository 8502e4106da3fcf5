/** What can be done to a song from its card: align it again, change what it is called, delete it. */
import { api } from "../api.js";
import { field, fullTitle, h } from "../dom.js";
import { ask, confirm } from "../messages.js";
import { LyricsForm, engineChoice, languageField } from "./lyrics_form.js";
import { askForWords } from "./words.js";

/**
 * Asks for the lyrics and the engine of a song, and queues its job.
 * @param {any} song - As the list gives it.
 * @param {{engines: any[], service: any}} options
 * @returns {Promise<any>} The job, or null.
 */
export async function alignSong(song, { engines, service }) {
  const whole = await api.get(`songs/${song.id}`);
  const engine = engineChoice(engines);
  const language = languageField(whole.language === "und" ? "" : whole.language ?? "");
  const [title, artist] = [nameField(whole.title), nameField(whole.artist)];
  const names = () => ({ artist: valueOf(artist), title: valueOf(title) });
  const lyrics = new LyricsForm({ text: whole.lyrics ?? "", names, providers: service.lyrics_providers ?? [] });
  return ask({
    title: `Align ${fullTitle(song)}`,
    body: [
      h("div.fields", {}, field("Title", title), field("Artist", artist), field("Language", language)),
      lyrics.element, field("Engine", engine),
    ],
    action: "Align",
    width: "40rem",
    submit: () => {
      const chosen = { song_id: song.id, lyrics: lyrics.read(), engine: engine.value };
      const code = language.value.trim();
      return askForWords(code ? { ...chosen, language: code } : chosen);
    },
  });
}

/**
 * Asks for an engine and queues a new version of an alignment.
 * @param {any} song
 * @param {{engines: any[]}} options
 * @returns {Promise<any>} The job, or null.
 */
export function regenerate(song, { engines }) {
  const engine = engineChoice(engines);
  const keep = h("input", { type: "checkbox", checked: true });
  const corrected = song.alignment.source === "user_corrected";
  return ask({
    title: `Align ${fullTitle(song)} again`,
    body: [
      h("p", { text: "The same words are timed once more. The version of today stays in the history." }),
      field("Engine", engine),
      corrected && h("label.choice", {}, keep, h("span", { text: "Keep the words where a person has put them" })),
    ],
    action: "Align again",
    submit: () => api.post(`alignments/${song.alignment.id}/regenerate`, {
      engine: engine.value, keep_corrections: corrected && /** @type {HTMLInputElement} */ (keep).checked,
    }),
  });
}

/**
 * Changes title, artist, language and lyrics.
 * @param {any} song
 * @returns {Promise<any>} The song as it is now, or null.
 */
export async function editDetails(song) {
  const whole = await api.get(`songs/${song.id}`);
  const [title, artist] = [nameField(whole.title), nameField(whole.artist)];
  const language = languageField(whole.language === "und" ? "" : whole.language ?? "");
  const lyrics = h("textarea", { rows: 8, value: whole.lyrics ?? "", spellcheck: "false", dir: "auto" });
  return ask({
    title: "About this song",
    body: [
      h("div.fields", {}, field("Title", title), field("Artist", artist), field("Language", language)),
      field("Words of the song", lyrics, "They take effect when the song is aligned again with them."),
    ],
    action: "Save",
    width: "40rem",
    submit: () => {
      const names = { title: valueOf(title), artist: valueOf(artist), lyrics: valueOf(lyrics) };
      const code = language.value.trim();
      return api.patch(`songs/${song.id}`, code ? { ...names, language: code } : names);
    },
  });
}

/**
 * Deletes a song, once its reader has said so twice.
 * @param {any} song
 * @returns {Promise<boolean>} Whether it is gone.
 */
export async function deleteSong(song) {
  const sure = await confirm({
    title: `Delete ${fullTitle(song)}?`,
    text: "The recording, its words with every correction, and its videos are removed from the service for good.",
    action: "Delete",
  });
  if (sure) await api.remove(`songs/${song.id}`);
  return sure;
}

/** @param {string|null|undefined} value */
function nameField(value) {
  return h("input", { type: "text", value: value ?? "", maxlength: 300, dir: "auto" });
}

/** @param {HTMLElement} element @returns {string} */
function valueOf(element) {
  return /** @type {HTMLInputElement} */ (element).value.trim();
}
