/** Where a word may go: what a hand wants, held within what the service takes. Pure. */
import { EditError, applyAll, goingAlong, neighbour, timed } from "./model.js";

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
  const op = { op: /** @type {const} */ ("move"), word: i };
  if (!timed(word)) {
    const start = clamp(ms, before?.start ?? 0, after?.start ?? state.durationMs);
    return { ...op, start_ms: start, end_ms: clamp(start + FIRST_LENGTH_MS, start, after?.start ?? state.durationMs) };
  }
  const { start, end } = word;
  // Something is left to be seen of both neighbours, unless that is not so already.
  const least = before ? Math.min(start, before.start + SHORTEST_MS) : 0;
  const last = after ? Math.max(start, after.start - SHORTEST_MS) : state.durationMs;
  if (part === "start") {
    const most = Math.min(last, Math.max(start, end - SHORTEST_MS));
    return { ...op, start_ms: clamp(ms, least, Math.min(end, most)), end_ms: end };
  }
  if (ripple !== "none") return carryAlong(state, op, part, ms, part === "end" && ripple === "whole" ? "line" : ripple);
  const most = after && end <= after.start ? after.start : state.durationMs; // of its end, where they do not overlap
  if (part === "end") return { ...op, start_ms: start, end_ms: clamp(ms, Math.min(end, start + SHORTEST_MS), most) };
  const at = clamp(ms, least, Math.min(last, state.durationMs - (end - start)));
  return { ...op, start_ms: at, end_ms: Math.max(at, Math.min(at + end - start, most)) };
}

/** Moves others along, by as much of what is wanted as all of them can go. */
function carryAlong(state, op, part, ms, ripple) {
  const word = state.words[op.word];
  const { start, end } = word;
  const along = goingAlong(state.words, op.word, word, ripple).map((k) => state.words[k]);
  if (ripple === "song") along.push(...state.repeats.filter((again) => again.start >= start));
  const room = state.durationMs - along.reduce((most, each) => Math.max(most, each.end), end);
  const back = along.reduce((first, each) => Math.min(first, each.start), start); // nothing goes before 0
  let by = clamp(ms - word[part === "end" ? "end" : "start"], -back, room);
  if (part === "end") by = Math.max(by, Math.min(0, start + SHORTEST_MS - end));
  for (;;) {
    const edit = { ...op, start_ms: part === "end" ? start : start + by, end_ms: end + by, ripple };
    try {
      if (by !== 0) applyAll(state, [edit]);
      return edit;
    } catch (error) {
      if (!(error instanceof EditError)) throw error;
      by = Math.trunc(by / 2); // some word in front does not go along: less far, until it is not overtaken
    }
  }
}
