/** Shadows below the words: where another version, or a preview, has them. Pure. */
import { differences } from "./diff.js";
import { timed } from "./model.js";

/**
 * @typedef {{word: number | null, text: string, start: number, end: number, kind: "same" | "other"}} Ghost
 */

/**
 * Lists the timed words of another version, and which of them differ.
 * @param {import("./model.js").State} ours
 * @param {import("./model.js").State} theirs
 * @param {number} thresholdMs
 * @returns {Ghost[]}
 */
export function ghostsOf(ours, theirs, thresholdMs) {
  const differs = new Set(
    differences(ours, theirs, thresholdMs).flatMap(({ other }) => (other === null ? [] : [other])),
  );
  return theirs.words.flatMap((word, i) =>
    timed(word)
      ? [{ word: i, text: word.text, start: word.start, end: word.end, kind: differs.has(i) ? "other" : "same" }]
      : [],
  );
}
