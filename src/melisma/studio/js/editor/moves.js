/** Where a word may go: what a hand wants, held within what the service takes. Pure. */
import { goingAlong, neighbour, timed } from "./model.js";

export const SHORTEST_MS = 20; // a word that is dragged shorter could no longer be seen, nor taken hold of
const FIRST_LENGTH_MS = 300; // of a word that had no time

/** @typedef {"word" | "start" | "end"} Part */

const clamp = (ms, least, most) => Math.round(Math.max(least, Math.min(Math.max(least, most), ms)));

/**
 * Moves a word, its start or its end by so much, as far as it goes.
 * @param {import("./model.js").State} state
 * @param {number} i
 * @param {Part} part
 * @param {number} byMs
 * @param {import("./model.js").Ripple} ripple - Does nothing where only the start is moved.
 * @param {(ms: number) => number} [snap]
 * @returns {import("./model.js").Edit}
 */
export function moveBy(state, i, part, byMs, ripple, snap = Math.round) {
  const word = state.words[i];
  const wanted = snap((part === "end" ? word.end : word.start) + byMs);
  return place(state, i, part, wanted, ripple);
}

/**
 * Puts a word, its start or its end at a moment, or as near to it as it goes.
 * @param {import("./model.js").State} state
 * @param {number} i
 * @param {Part} part
 * @param {number} ms
 * @param {import("./model.js").Ripple} ripple
 * @returns {import("./model.js").Edit}
 */
export function place(state, i, part, ms, ripple = "none") {
  const word = state.words[i];
  const before = neighbour(state, i, -1);
  const after = neighbour(state, i, 1);
  const least = before ? before.start : 0;
  const op = { op: /** @type {const} */ ("move"), word: i };
  if (!timed(word)) {
    const start = clamp(ms, least, after ? after.start : state.durationMs);
    return { ...op, start_ms: start, end_ms: clamp(start + FIRST_LENGTH_MS, start, after?.start ?? state.durationMs) };
  }
  const most = after && word.end <= after.start ? after.start : state.durationMs; // of its end, if others stay
  const { start, end } = word;
  if (part === "start") {
    const last = Math.min(end - SHORTEST_MS, after ? after.start : end);
    return { ...op, start_ms: clamp(ms, least, Math.max(last, Math.min(start, end))), end_ms: end };
  }
  if (ripple === "none" && part === "end") {
    return { ...op, start_ms: start, end_ms: clamp(ms, Math.min(end, start + SHORTEST_MS), most) };
  }
  if (ripple === "none") {
    const at = clamp(ms, least, Math.min(state.durationMs - (end - start), after ? after.start : Infinity));
    const until = Math.max(at, Math.min(at + end - start, Math.max(most, at)));
    return { ...op, start_ms: at, end_ms: Math.round(until) };
  }
  const along = goingAlong(state.words, i, word, ripple).map((k) => state.words[k]);
  if (ripple === "song") along.push(...state.repeats.filter((again) => again.start >= start));
  const room = state.durationMs - along.reduce((last, each) => Math.max(last, each.end), end);
  const back = along.reduce((first, each) => Math.min(first, each.start), start); // nothing goes before 0
  if (part === "end") {
    return {
      ...op,
      start_ms: start,
      end_ms: clamp(ms, Math.min(end, Math.max(start + SHORTEST_MS, end - back)), end + room),
      ripple,
    };
  }
  const at = clamp(ms, ripple === "whole" ? start - back : Math.max(least, start - back), start + room);
  return { ...op, start_ms: at, end_ms: at + end - start, ripple };
}
