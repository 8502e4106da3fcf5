/** Which word of one version is which word of another, and where they differ. */

const MOST_CELLS = 25_000_000; // of the table below: five thousand words that all differ, 50 MB

/**
 * Matches the words of two versions: the most that are the same in the same order, and between them those that were
 * spelt otherwise, where there are as many in both.
 * @param {readonly {text: string}[]} ours
 * @param {readonly {text: string}[]} theirs
 * @returns {(number | null)[]} For each of ours its index in theirs, or null where it has none.
 */
export function matchWords(ours, theirs) {
  const found = new Array(ours.length).fill(null);
  let head = 0;
  while (head < ours.length && head < theirs.length && ours[head].text === theirs[head].text) {
    found[head] = head;
    head += 1;
  }
  let tail = 0;
  const most = Math.min(ours.length, theirs.length) - head;
  while (tail < most && ours[ours.length - 1 - tail].text === theirs[theirs.length - 1 - tail].text) {
    found[ours.length - 1 - tail] = theirs.length - 1 - tail;
    tail += 1;
  }
  matchMiddle(ours.slice(head, ours.length - tail), theirs.slice(head, theirs.length - tail), head, found);
  matchGaps(found, theirs.length);
  return found;
}

/** The longest common subsequence of what stands between the equal heads and tails. */
function matchMiddle(ours, theirs, head, found) {
  const width = theirs.length + 1;
  if (!ours.length || !theirs.length || (ours.length + 1) * width > MOST_CELLS) return;
  const best = new Uint16Array((ours.length + 1) * width);
  for (let i = ours.length - 1; i >= 0; i -= 1) {
    for (let j = theirs.length - 1; j >= 0; j -= 1) {
      const same = ours[i].text === theirs[j].text;
      const [skipOurs, skipTheirs] = [best[(i + 1) * width + j], best[i * width + j + 1]];
      best[i * width + j] = same ? best[(i + 1) * width + j + 1] + 1 : Math.max(skipOurs, skipTheirs);
    }
  }
  for (let i = 0, j = 0; i < ours.length && j < theirs.length;) {
    if (ours[i].text === theirs[j].text) found[head + i++] = head + j++;
    else if (best[(i + 1) * width + j] >= best[i * width + j + 1]) i += 1;
    else j += 1;
  }
}

/** Pairs the words between two matches, where there are as many on both sides: they were spelt otherwise. */
function matchGaps(found, nTheirs) {
  for (let i = 0; i < found.length; i += 1) {
    if (found[i] !== null) continue;
    const first = i === 0 ? 0 : found[i - 1] + 1;
    let stop = i;
    while (stop < found.length && found[stop] === null) stop += 1;
    const last = stop < found.length ? found[stop] : nTheirs;
    if (last - first === stop - i) for (let k = i; k < stop; k += 1) found[k] = first + k - i;
    i = stop - 1;
  }
}

/**
 * @typedef {{word: number, other: number | null, text: string, otherText: string | null,
 *            startMs: number | null, endMs: number | null}} Difference
 *   startMs and endMs: ours less theirs; null where one of the two has no time
 */

/**
 * List where two versions differ.
 * @param {import("./model.js").State} ours
 * @param {import("./model.js").State} theirs
 * @param {number} thresholdMs a start or end that is off by less is no difference
 * @returns {Difference[]} in the order of our words
 */
export function differences(ours, theirs, thresholdMs) {
  const match = matchWords(ours.words, theirs.words);
  const found = [];
  ours.words.forEach((word, i) => {
    const j = match[i];
    const other = j === null ? null : theirs.words[j];
    const both = other !== null && word.start !== null && other.start !== null;
    const startMs = both ? word.start - other.start : null;
    const endMs = both ? word.end - other.end : null;
    const moved = both && Math.max(Math.abs(startMs), Math.abs(endMs)) >= thresholdMs;
    const sungInOne = other !== null && (word.start === null) !== (other.start === null);
    if (other === null || moved || sungInOne || other.text !== word.text) {
      found.push({ word: i, other: j, text: word.text, otherText: other?.text ?? null, startMs, endMs });
    }
  });
  return found;
}
