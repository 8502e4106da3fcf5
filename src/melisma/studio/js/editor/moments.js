/** Moments as people write them. */

/** @param {number | null} ms @returns {string} 83456 ms as 1:23.456. */
export function spellMoment(ms) {
  if (ms === null) return "–";
  const whole = Math.max(0, Math.round(ms));
  const seconds = Math.floor((whole % 60000) / 1000);
  return `${Math.floor(whole / 60000)}:${String(seconds).padStart(2, "0")}.${String(whole % 1000).padStart(3, "0")}`;
}

/** @param {string} text - 1:23.456 or 83.456. @returns {number | null} ms, or null where it is no moment. */
export function readMoment(text) {
  const found = /^\s*(?:(\d{1,4}):)?(\d{1,5})(?:[.,](\d{1,3}))?\s*$/.exec(text);
  if (!found || (found[1] !== undefined && Number(found[2]) >= 60)) return null;
  const [, minutes = "0", seconds, part = ""] = found;
  return Number(minutes) * 60000 + Number(seconds) * 1000 + Number(part.padEnd(3, "0"));
}

/** @param {number | null} ms @returns {string} A difference: "+120 ms". */
export function spellDifference(ms) {
  if (ms === null) return "–";
  return `${ms > 0 ? "+" : ms < 0 ? "−" : "±"}${Math.abs(ms)} ms`;
}

/** @param {number} n @param {string} one @param {string} [many] @returns {string} "1 word", "3 words". */
export const counted = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;
