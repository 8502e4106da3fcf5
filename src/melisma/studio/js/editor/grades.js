/** How sure a word is, in four grades; each has a colour, a pattern and a name. */

export const UNSURE = 0.8; // below which one word in five is expected to be off by more than 0.3 s
export const DOUBTFUL = 0.5;

/**
 * @param {import("./model.js").Word} word
 * @returns {"corrected" | "doubtful" | "unsure" | "sure" | "unknown"}
 */
export function grade(word) {
  if (word.corrected) return "corrected";
  if (word.doubtful || word.start === null) return "doubtful";
  if (word.confidence === null) return "unknown";
  if (word.confidence < DOUBTFUL) return "doubtful";
  return word.confidence < UNSURE ? "unsure" : "sure";
}

const NAMES = {
  corrected: "set by hand",
  doubtful: "doubtful",
  unsure: "less sure",
  sure: "sure",
  unknown: "confidence not known",
};

/** Name of a grade, for people. */
export const gradeName = (name) => NAMES[name];

/**
 * Find the next doubtful word.
 * @param {import("./model.js").State} state
 * @param {number} from word to begin behind
 * @param {1 | -1} way
 * @returns {number | null} its index; goes round at the end; null where there is none
 */
export function nextDoubtful(state, from, way) {
  const n = state.words.length;
  for (let k = 1; k <= n; k += 1) {
    const i = (((from + way * k) % n) + n) % n;
    if (grade(state.words[i]) === "doubtful") return i;
  }
  return null;
}
