/** How the words of a song come onto its timeline: aligned where they are known, else written down and then aligned. */
import { api } from "../api.js";

/**
 * Queues the job.
 * @param {{song_id: string, lyrics: import("./lyrics_form.js").Lyrics, engine: string, language?: string}} wish
 * @returns {Promise<any>} The job.
 */
export function askForWords({ lyrics, engine, ...wish }) {
  if (lyrics) return api.post("alignments", { ...wish, lyrics, engine });
  const model = engine === "auto" ? {} : { model: engine }; // without one the default of the language hears
  return api.post("transcriptions", { ...wish, ...model, adopt: true });
}
