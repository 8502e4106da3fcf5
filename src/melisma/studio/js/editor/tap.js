/** Re-timing by tapping: a key goes down where a word begins, and up where it ends. Pure. */
import { neighbour, timed } from "./model.js";

export const SHORTEST_MS = 30; // a key that is up again sooner was only touched: the word goes on to the next one
const LENGTH_MS = 400; // of a last word that had no time and whose key is not up yet

/** Taps of one take, word after word. */
export class Taps {
  /**
   * @param {number[]} words - Indices, in the order in which they are tapped.
   * @param {{latencyMs?: number, durationMs: number}} options - `latencyMs`: how much later than heard a tap comes, by
   *   the listener's clock.
   */
  constructor(words, { latencyMs = 0, durationMs }) {
    this.words = words;
    this.latencyMs = latencyMs;
    this.durationMs = durationMs;
    /** @type {{word: number, start: number, end: number | null}[]} */
    this.taken = [];
  }

  /** @returns {number | null} The word that the next key begins, or null when all have been tapped. */
  get next() {
    return this.words[this.taken.length] ?? null;
  }

  /** When the music was heard that a tap meant: at half speed, the same delay is half as much music. */
  heard(ms, rate) {
    return Math.max(0, Math.min(this.durationMs, Math.round(ms - this.latencyMs * rate)));
  }

  /**
   * A key goes down: a word begins, and one that still sounds ends.
   * @param {number} ms - Where the audio is.
   * @param {number} [rate] - Speed at which it plays.
   * @returns {number | null} The word.
   */
  down(ms, rate = 1) {
    const word = this.next;
    if (word === null) return null;
    const last = this.taken[this.taken.length - 1];
    const start = Math.max(this.heard(ms, rate), last?.start ?? 0);
    if (last && (last.end === null || last.end > start)) last.end = start;
    this.taken.push({ word, start, end: null });
    return word;
  }

  /** The key goes up: the word that sounds ends. @param {number} ms @param {number} [rate] */
  up(ms, rate = 1) {
    const last = this.taken[this.taken.length - 1];
    if (!last || last.end !== null) return;
    const end = this.heard(ms, rate);
    if (end - last.start >= SHORTEST_MS) last.end = end;
  }

  /** Forgets the last tap. @returns {number | null} The word that is to be tapped again. */
  back() {
    return this.taken.pop()?.word ?? null;
  }

  /**
   * What the taps come to. The rest of a line that was left in its middle goes along, where it would else be overtaken.
   * @param {import("./model.js").State} state - That the take began with.
   * @returns {import("./model.js").Edit[]}
   */
  edits(state) {
    return this.taken.map(({ word: i, start, end }, k) => {
      const word = state.words[i];
      const following = this.taken[k + 1]?.start ?? this.durationMs;
      const length = timed(word) ? word.end - word.start : LENGTH_MS;
      const before = k === 0 ? neighbour(state, i, -1) : null;
      const from = Math.max(start, before?.start ?? 0);
      const until = Math.max(from, end ?? Math.min(from + length, following));
      const after = neighbour(state, i, 1);
      const overtakes = k === this.taken.length - 1 && timed(word) && after && after.start < from;
      return { op: "move", word: i, start_ms: from, end_ms: until, ...(overtakes && { ripple: "line" }) };
    });
  }
}
