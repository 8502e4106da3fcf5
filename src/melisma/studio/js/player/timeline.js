/** What is sung when. Pure functions of an alignment as the service gives it (`melisma.alignment/1`); every time is in
 seconds of the recording. Lines come in the order in which they are sung; words keep their numbers of the alignment,
 whose order is that of the text. */

const SHORTEST = 0.12; // a word without length is still lit for this long, or until the next word begins
const LONG_PAUSE = 4; // a pause longer than this gets a count-in
const HOLD = 0.6; // a sung line stays in the middle for this long, or for half of a shorter pause
export const ROUNDING = 0.0005; // browsers keep media time in microseconds, the alignment in milliseconds

/**
 * @typedef {{index: number, line: number, text: string, confidence: number|null, timed: boolean, backing: boolean,
 *   start: number, end: number, until: number}} Word
 * @typedef {{index: number, stanza: number, backing: boolean, again: boolean, words: Word[], start?: number,
 *   end?: number, over?: boolean, focusAt?: number, pauseFrom?: number|null}} Line
 * @typedef {{lines: Line[], timed: Word[], timedLines: Line[], words: Word[], duration: number}} Timeline
 */

/**
 * Reads an alignment.
 * @param {any} alignment
 * @returns {Timeline}
 */
export function readTimeline(alignment) {
  const words = alignment.words.map(readWord);
  const stanzas = alignment.lines.map((/** @type {any} */ line) => line.stanza ?? 0);
  const parts = alignment.lines.flatMap((/** @type {any} */ line, /** @type {number} */ k) =>
    partsOf(words.slice(...line.words)).map((inside) => newLine(inside, stanzas[k])));
  for (const part of parts) placeByWords(part);
  const repeats = (alignment.repeats ?? []).flatMap((/** @type {any} */ again) => readRepeat(again, alignment, words));
  const lines = inSungOrder([...parts, ...repeats]);
  lines.forEach((line, index) => {
    line.index = index;
    if (!line.again) for (const word of line.words) word.line = index;
  });
  const timed = lines.filter((line) => !line.again).flatMap((line) => line.words).filter((word) => word.timed)
    .sort((a, b) => a.start - b.start);
  for (const voice of [false, true]) stretchShortWords(timed.filter((word) => word.backing === voice));
  return { words, lines, timed, timedLines: placeLines(lines), duration: alignment.duration_ms / 1000 };
}

/** @param {any} word @param {number} index @returns {Word} */
function readWord(word, index) {
  const timed = typeof word.start_ms === "number";
  return {
    index, line: 0, text: word.text, confidence: word.confidence ?? null, timed, backing: word.voice === "backing",
    start: timed ? word.start_ms / 1000 : 0, end: timed ? word.end_ms / 1000 : 0, until: 0,
  };
}

/** @param {Word[]} words @param {number} stanza @returns {Line} */
function newLine(words, stanza) {
  return { index: 0, stanza, words, backing: words.every((word) => word.backing), again: false };
}

/**
 * Parts a line into its lead and the backing groups that are sung, each of which gets a line of its own.
 * @param {Word[]} words
 * @returns {Word[][]}
 */
function partsOf(words) {
  if (words.every((word) => word.backing) || !words.some((word) => word.backing)) return words.length ? [words] : [];
  /** @type {Word[][]} */
  const groups = [];
  let before = false;
  for (const word of words) {
    if (word.backing && before) groups[groups.length - 1].push(word);
    else if (word.backing) groups.push([word]);
    before = word.backing;
  }
  const away = groups.filter((group) => group.some((word) => word.timed));
  const gone = new Set(away.flat());
  return [words.filter((word) => !gone.has(word)), ...away];
}

/** @param {Line} line - Gets the time from its first to its last word. */
function placeByWords(line) {
  const timed = line.words.filter((word) => word.timed);
  if (!timed.length) return;
  line.start = Math.min(...timed.map((word) => word.start));
  line.end = Math.max(...timed.map((word) => word.end));
}

/**
 * Makes lines of what is sung once more than it is written. When each of its words is sung nobody knows: its lines
 * share the time as those share theirs that are written.
 * @param {{lines: [number, number], start_ms: number, end_ms: number}} again
 * @param {any} alignment
 * @param {Word[]} words
 * @returns {Line[]}
 */
function readRepeat(again, alignment, words) {
  const lines = alignment.lines.slice(...again.lines).map((/** @type {any} */ line) => ({
    ...newLine(words.slice(...line.words), line.stanza ?? 0), again: true, backing: false,
  }));
  if (!lines.length) return [];
  lines.forEach(placeByWords);
  const [from, to] = [again.start_ms / 1000, again.end_ms / 1000];
  const known = lines.every((/** @type {Line} */ line) => line.start !== undefined);
  const begins = lines.map((/** @type {Line} */ line, /** @type {number} */ i) => (known ? line.start : i));
  const first = begins[0];
  const last = known ? Math.max(...lines.map((/** @type {Line} */ line) => line.end)) : lines.length;
  const scale = last > first ? (to - from) / (last - first) : 0;
  const starts = begins.map((/** @type {number} */ at) => Math.min(to, Math.max(from, from + (at - first) * scale)));
  lines.forEach((/** @type {Line} */ line, /** @type {number} */ i) => {
    line.start = starts[i];
    line.end = i + 1 < lines.length ? Math.max(starts[i], starts[i + 1]) : to;
  });
  return lines;
}

/**
 * Sorts lines by their starts; one without any time stays behind the one in front of it.
 * @param {Line[]} lines
 * @returns {Line[]}
 */
function inSungOrder(lines) {
  let last = -1;
  const keyed = lines.map((line, at) => {
    if (line.start !== undefined) last = line.start;
    return { line, at, key: line.start ?? last };
  });
  keyed.sort((a, b) => a.key - b.key || Number(a.line.backing) - Number(b.line.backing) || a.at - b.at);
  return keyed.map(({ line }) => line);
}

/** @param {Word[]} timed - Of one voice, by start. */
function stretchShortWords(timed) {
  let next = Infinity; // start of the nearest later word that does not begin at the same moment
  for (let i = timed.length - 1; i >= 0; i--) {
    if (i + 1 < timed.length && timed[i + 1].start > timed[i].start) next = timed[i + 1].start;
    timed[i].until = Math.max(timed[i].end, Math.min(timed[i].start + SHORTEST, next));
  }
}

/**
 * Gives each timed line the moment it moves to the middle, and the pause in front of it. A backing line that is sung
 * over the lead stays where it is, beside what it goes with: it is lit there, and never moves.
 * @param {Line[]} lines
 * @returns {Line[]} Those that move to the middle.
 */
function placeLines(lines) {
  const sung = lines.filter((line) => line.start !== undefined);
  const leads = sung.filter((line) => !line.backing);
  const placed = [];
  let silentFrom = 0; // end of whatever was sung before
  for (const line of sung) {
    line.over = line.backing && leads.some((lead) => lead.start < line.end && line.start < lead.end);
    if (!line.over) {
      const pause = line.start - silentFrom;
      line.focusAt = pause > 0 ? silentFrom + Math.min(HOLD, pause / 2) : line.start;
      line.pauseFrom = pause > LONG_PAUSE ? silentFrom : null;
      placed.push(line);
    }
    silentFrom = Math.max(silentFrom, line.end);
  }
  if (placed.length) placed[0].focusAt = 0;
  return placed;
}

/**
 * How many items of a list ordered by `key` begin at or before a time.
 * @param {any[]} items @param {string} key @param {number} time
 * @returns {number}
 */
export function countBegun(items, key, time) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle][key] <= time + ROUNDING) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @param {number} value @param {number} low @param {number} high */
export function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}
