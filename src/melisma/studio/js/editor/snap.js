/** Snapping of a time to what is heard to begin there. */

export const REACH_PX = 10; // how far the pointer may be from an onset that it is drawn to
export const REACH_MS = 80; // beyond which it is another sound, however far one has zoomed out

/**
 * Find the entry of a sorted list that is nearest to a value.
 * @param {readonly number[]} sorted
 * @param {number} value
 * @returns {number | null}
 */
export function nearest(sorted, value) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  const before = sorted[low - 1];
  const after = sorted[low];
  if (before === undefined) return after ?? null;
  if (after === undefined) return before;
  return value - before <= after - value ? before : after;
}

/**
 * Draw a time to the nearest onset, or leave it where none is within reach.
 * @param {number} ms
 * @param {readonly number[]} onsets sorted, ms
 * @param {number} pixelsPerSecond
 * @returns {{ms: number, snapped: boolean}}
 */
export function snap(ms, onsets, pixelsPerSecond) {
  const reach = Math.min(REACH_MS, (REACH_PX * 1000) / pixelsPerSecond);
  const onset = nearest(onsets, ms);
  if (onset === null || Math.abs(onset - ms) > reach) return { ms: Math.round(ms), snapped: false };
  return { ms: onset, snapped: true };
}
