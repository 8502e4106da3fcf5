/** An alignment as the editor holds it, and what a correction does to it: what the service does (aligner/edits.py), to
 the millisecond, so that what is seen before saving is what is there after. States are never changed. No DOM here. */

/**
 * @typedef {{text: string, start: number | null, end: number | null, confidence: number | null, line: number,
 *   backing: boolean, corrected: boolean, doubtful: boolean}} Word - Times in ms, both null where it is unsung.
 * @typedef {{first: number, stop: number, stanza: number}} Line
 * @typedef {{start: number, end: number}} Repeat - A line that is sung once more than it is written, ms.
 * @typedef {{words: readonly Word[], lines: readonly Line[], repeats: readonly Repeat[], durationMs: number}} State
 * @typedef {"none" | "line" | "whole" | "song"} Ripple - What goes along with a word: nothing, the later words of its
 *   line, all of its line, the later words of the song.
 * @typedef {{op: "move", word: number, start_ms: number, end_ms: number, ripple?: Ripple}
 *   | {op: "retype", word: number, text: string}
 *   | {op: "split", word: number, at_ms: number | null, texts: [string, string]}
 *   | {op: "merge", word: number, text?: string}
 *   | {op: "unsing", word: number}
 *   | {op: "shift", words: [number, number], by_ms: number}
 *   | {op: "confirm", words: [number, number]}} Edit - Each counts words as they are when those before it are done.
 */

/** An edit that cannot be done; the message says why. */
export class EditError extends Error {}

/** @param {Word | undefined} word @returns {boolean} Whether a word has a time. */
export const timed = (word) => word !== undefined && word.start !== null;

/**
 * Reads an alignment as the service writes it (melisma.alignment/1).
 * @param {any} alignment
 * @param {{corrected?: number[], doubtful?: number[]}} [marks] - Indices of words.
 * @returns {State}
 */
export function fromJson(alignment, { corrected = [], doubtful = [] } = {}) {
  const isCorrected = new Set(corrected);
  const isDoubtful = new Set(doubtful);
  return {
    durationMs: alignment.duration_ms,
    words: alignment.words.map((word, i) => ({
      text: word.text,
      start: word.start_ms,
      end: word.end_ms,
      confidence: word.confidence ?? null,
      line: word.line,
      backing: word.voice === "backing",
      corrected: isCorrected.has(i),
      doubtful: isDoubtful.has(i),
    })),
    lines: alignment.lines.map((line) => ({ first: line.words[0], stop: line.words[1], stanza: line.stanza ?? 0 })),
    repeats: (alignment.repeats ?? []).map((again) => ({ start: again.start_ms, end: again.end_ms })),
  };
}

/** @param {State} state @returns {number[]} Indices of the words whose place a person has set. */
export const correctedWords = (state) => state.words.flatMap((word, i) => (word.corrected ? [i] : []));

/**
 * Applies edits in their order, all of them or none; the order of words within lines is looked at when all are done.
 * @param {State} state
 * @param {readonly Edit[]} edits
 * @param {{ordered?: boolean}} [options] - `ordered: false`: more edits follow, the order is not looked at yet.
 * @returns {State}
 * @throws {EditError}
 */
export function applyAll(state, edits, { ordered = true } = {}) {
  const draft = { words: [...state.words], repeats: [...state.repeats], durationMs: state.durationMs };
  for (const edit of edits) {
    const done = OPERATIONS[edit.op];
    if (!done) throw new EditError(`there is no edit ${edit.op}`);
    done(draft, edit);
  }
  if (ordered) checkOrder(draft.words);
  return { ...state, ...draft, lines: linesOf(draft.words, state.lines) };
}

/** @param {State} state @param {Edit} edit @returns {State} */
export const applyEdit = (state, edit) => applyAll(state, [edit]);

const OPERATIONS = {
  move,
  shift,
  split,
  merge,
  retype(draft, { word: i, text }) {
    const word = wordAt(draft, i);
    checkSpelling(text);
    draft.words[i] = { ...word, text };
  },
  unsing(draft, { word: i }) {
    draft.words[i] = {
      ...wordAt(draft, i),
      start: null,
      end: null,
      confidence: null,
      corrected: true,
      doubtful: false,
    };
  },
  confirm(draft, edit) {
    for (const i of range(draft, edit)) draft.words[i] = certain(draft.words[i]);
  },
};

/** What a person has set is certain; an unsung word has no confidence to have. @param {Word} word @returns {Word} */
function certain(word) {
  return { ...word, corrected: true, doubtful: false, confidence: timed(word) ? 1 : word.confidence };
}

function move(draft, { word: i, start_ms: start, end_ms: end, ripple = "none" }) {
  const old = wordAt(draft, i);
  if (end < start) throw new EditError(`“${old.text}” would end before it starts`);
  if (!timed(old) && ripple !== "none") throw new EditError(`“${old.text}” has no time yet to move others by`);
  for (const ms of [start, end]) checkMoment(draft, old, ms);
  draft.words[i] = certain({ ...old, start, end });
  if (!timed(old) || ripple === "none") return;
  const by = start - old.start || end - old.end;
  for (const k of goingAlong(draft.words, i, old, ripple)) draft.words[k] = carried(draft, draft.words[k], by);
  if (ripple !== "song") return;
  draft.repeats = draft.repeats.map((again) => (again.start < old.start ? again : carried(draft, again, by)));
}

/**
 * Finds what goes along with a word.
 * @param {readonly Word[]} words
 * @param {number} i
 * @param {Word} old - The word where it was.
 * @param {Ripple} ripple
 * @returns {number[]}
 */
export function goingAlong(words, i, old, ripple) {
  return words.flatMap((word, k) => {
    if (k === i || !timed(word) || ripple === "none" || (ripple !== "song" && word.line !== old.line)) return [];
    return ripple === "whole" || (k > i && word.start >= old.start) ? [k] : [];
  });
}

function shift(draft, edit) {
  const moved = range(draft, edit).filter((i) => timed(draft.words[i]));
  if (!moved.length) throw new EditError("no word from here on has a time to shift");
  for (const i of moved) draft.words[i] = certain(carried(draft, draft.words[i], edit.by_ms));
}

function split(draft, { word: i, at_ms: at, texts }) {
  const word = wordAt(draft, i);
  texts.forEach(checkSpelling);
  if ((at === null) === timed(word))
    throw new EditError(`“${word.text}” ${at === null ? "needs a" : "has no"} time to split at`);
  const [first, second] = texts.map((text) => ({ ...word, text }));
  if (at === null) {
    draft.words.splice(i, 1, first, second);
    return;
  }
  if (at < word.start || at > word.end) throw new EditError(`${at} ms is outside of “${word.text}”`);
  draft.words.splice(i, 1, { ...first, end: at }, certain({ ...second, start: at }));
}

function merge(draft, { word: i, text = null }) {
  const word = wordAt(draft, i);
  const other = draft.words[i + 1];
  if (!other || other.line !== word.line)
    throw new EditError(`“${word.text}” is the last of its line: there is none to merge it with`);
  if (other.backing !== word.backing) throw new EditError(`the word after “${word.text}” is of another voice`);
  const spelt = text ?? word.text + other.text;
  checkSpelling(spelt);
  const both = [word, other].filter(timed);
  const leading = both[0] ?? word;
  const start = both.length ? Math.min(...both.map((each) => each.start)) : null;
  const end = both.length ? Math.max(...both.map((each) => each.end)) : null;
  draft.words.splice(i, 2, { ...leading, text: spelt, start, end });
}

/** @template {{start: number, end: number}} T @param {State} draft @param {T} moved @param {number} by @returns {T} */
function carried(draft, moved, by) {
  const [start, end] = [moved.start + by, moved.end + by];
  if (start < 0 || end > draft.durationMs) {
    throw new EditError(
      `${moved.text ? `“${moved.text}”` : "a line that is sung again"} would be moved out of the recording`,
    );
  }
  return { ...moved, start, end };
}

function wordAt(draft, i) {
  const word = draft.words[i];
  if (!word) throw new EditError(`there are ${draft.words.length} words, counted from 0: there is no word ${i}`);
  return word;
}

function range(draft, { words: [first, stop] }) {
  if (!(first >= 0 && first < stop && stop <= draft.words.length)) {
    throw new EditError(`[${first}, ${stop}) is no range of the ${draft.words.length} words`);
  }
  return Array.from({ length: stop - first }, (_, k) => first + k);
}

function checkMoment(draft, word, ms) {
  if (!Number.isInteger(ms) || ms < 0 || ms > draft.durationMs) {
    throw new EditError(
      `${ms} ms, for “${word.text}”, is outside of the recording, which ends at ${draft.durationMs} ms`,
    );
  }
}

const UNHOLDABLE = /[\p{White_Space}\p{Cc}\p{Cs}\p{Cn}]/u; // spaces, controls, halves of characters, what is none

/** @param {string} text */
export function checkSpelling(text) {
  if (text === "" || UNHOLDABLE.test(text)) throw new EditError(`“${text}” is not one word without spaces`);
}

/** Refuses a line that would run backwards. @param {readonly Word[]} words */
function checkOrder(words) {
  const last = new Map();
  for (const word of words) {
    if (!timed(word)) continue;
    const voice = `${word.line} ${word.backing}`;
    const before = last.get(voice);
    if (before && word.start < before.start) {
      throw new EditError(`“${word.text}” would start before the word in front of it, “${before.text}”`);
    }
    last.set(voice, word);
  }
}

/** Finds where lines begin once words were split or merged. @returns {Line[]} */
function linesOf(words, before) {
  const firsts = words.flatMap((word, i) => (i === 0 || words[i - 1].line !== word.line ? [i] : []));
  return firsts.map((first, k) => ({ first, stop: firsts[k + 1] ?? words.length, stanza: before[k].stanza }));
}

/**
 * Finds the next timed word of the same line and voice.
 * @param {State} state
 * @param {number} i
 * @param {1 | -1} way
 * @returns {Word | null}
 */
export function neighbour(state, i, way) {
  const { line, backing } = state.words[i];
  for (let k = i + way; state.words[k]?.line === line; k += way) {
    if (timed(state.words[k]) && state.words[k].backing === backing) return state.words[k];
  }
  return null;
}
