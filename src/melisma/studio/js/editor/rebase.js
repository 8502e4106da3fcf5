/** Edits that were made on one version, made on another: each goes to the word that is the same there. Pure. */
import { matchWords } from "./diff.js";
import { EditError, applyAll } from "./model.js";

/**
 * @typedef {{edits: import("./model.js").Edit[], dropped: {edit: import("./model.js").Edit, why: string}[]}} Rebased
 */

/**
 * Makes edits on another version.
 * @param {readonly import("./model.js").Edit[]} edits
 * @param {import("./model.js").State} mine - That they were made on.
 * @param {import("./model.js").State} theirs - That they are to be made on.
 * @returns {Rebased} Those that can be made there, and those that cannot.
 */
export function rebase(edits, mine, theirs) {
  const map = matchWords(mine.words, theirs.words);
  /** @type {Rebased} */
  const found = { edits: [], dropped: [] };
  let state = theirs;
  for (const edit of edits) {
    const moved = translate(edit, map);
    let why = moved ? "" : "the word is not there any more";
    try {
      if (moved) state = applyAll(state, [moved], { ordered: false });
    } catch (error) {
      if (!(error instanceof EditError)) throw error;
      why = error.message;
    }
    if (why) found.dropped.push({ edit, why });
    else found.edits.push(moved);
    follow(map, edit, why === "");
  }
  keepOrder(found, theirs);
  return found;
}

/** @returns {import("./model.js").Edit | null} The edit with the words of the other version. */
function translate(edit, map) {
  if ("words" in edit) {
    const words = map.slice(edit.words[0], edit.words[1]);
    const [first] = words;
    if (!words.length || words.some((word, k) => word === null || word !== first + k)) return null;
    return { ...edit, words: [first, first + words.length] };
  }
  const word = map[edit.word] ?? null;
  if (word === null || (edit.op === "merge" && map[edit.word + 1] !== word + 1)) return null;
  return { ...edit, word };
}

/** Keeps track of which word is which, after a split or a merge. */
function follow(map, edit, done) {
  if (edit.op !== "split" && edit.op !== "merge") return;
  const word = map[edit.word];
  const by = edit.op === "split" ? 1 : -1;
  if (done) map.forEach((other, i) => (map[i] = other !== null && other > word ? other + by : other));
  if (edit.op === "split") map.splice(edit.word, 1, word, done ? word + 1 : null);
  else map.splice(edit.word, 2, word);
}

/** Drops edits from the end until no line runs backwards, which the other version's own changes may have led to. */
function keepOrder(found, theirs) {
  for (;;) {
    try {
      applyAll(theirs, found.edits);
      return;
    } catch (error) {
      if (!(error instanceof EditError) || !found.edits.length) throw error;
      found.dropped.unshift({ edit: found.edits.pop(), why: error.message });
    }
  }
}
