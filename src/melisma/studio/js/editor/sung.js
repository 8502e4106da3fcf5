/** Which word sounds when; looked up at each frame, so by halving. */
import { timed } from "./model.js";

/** @type {WeakMap<readonly object[], {at: number[], word: number[]}>} */
const orders = new WeakMap();

/** Words by their start, lead voice only; made once for each list of words, which is never changed. */
function byStart(words) {
  let found = orders.get(words);
  if (!found) {
    const order = words.flatMap((word, i) => (timed(word) && !word.backing ? [i] : []));
    order.sort((a, b) => words[a].start - words[b].start);
    found = { at: order.map((i) => words[i].start), word: order };
    orders.set(words, found);
  }
  return found;
}

/**
 * @param {import("./model.js").State} state
 * @param {number} ms
 * @returns {number | null} The word that began last before a moment, or null where none did.
 */
export function wordBefore(state, ms) {
  const { at, word } = byStart(state.words);
  let low = 0;
  let high = at.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at[middle] <= ms) low = middle + 1;
    else high = middle;
  }
  return low ? word[low - 1] : null;
}

/**
 * @param {import("./model.js").State} state
 * @param {number} ms
 * @returns {number | null} The word of the lead that sounds at a moment.
 */
export function wordAtMoment(state, ms) {
  const found = wordBefore(state, ms);
  return found !== null && ms < state.words[found].end ? found : null;
}
