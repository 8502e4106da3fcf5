/** Which word of one version is which word of another, and where they differ. */

/**
 * Match the words of two versions: the longest run of the same words in the same order.
 * @param {readonly {text: string}[]} ours
 * @param {readonly {text: string}[]} theirs
 * @returns {(number | null)[]} for each of ours its index in theirs, or null where it has none
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
  matchMiddle(ours, theirs, head, tail, found);
  return found;
}

/** Longest common subsequence of what stands between the equal heads and tails. */
function matchMiddle(ours, theirs, head, tail, found) {
  const n = ours.length - tail - head;
  const m = theirs.length - tail - head;
  if (n <= 0 || m <= 0) return;
  if (n === m) {
    // As many words as before: retyped where they stand, which a subsequence would not see.
    for (let i = 0; i < n; i += 1) found[head + i] = head + i;
    return;
  }
  const width = m + 1;
  const best = new Uint16Array((n + 1) * width);
  for (let i = n - 1; i >= 0; i -= 1) {
    for (let j = m - 1; j >= 0; j -= 1) {
      best[i * width + j] =
        ours[head + i].text === theirs[head + j].text
          ? best[(i + 1) * width + j + 1] + 1
          : Math.max(best[(i + 1) * width + j], best[i * width + j + 1]);
    }
  }
  for (let i = 0, j = 0; i < n && j < m;) {
    if (ours[head + i].text === theirs[head + j].text) found[head + i++] = head + j++;
    else if (best[(i + 1) * width + j] >= best[i * width + j + 1]) i += 1;
    else j += 1;
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
