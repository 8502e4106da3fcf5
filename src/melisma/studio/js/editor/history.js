/** What was changed since the version that was loaded: a stack of steps, each some edits and what came of them. */
import { applyAll } from "./model.js";

/**
 * @typedef {{label: string, edits: import("./model.js").Edit[], before: import("./model.js").State,
 *            after: import("./model.js").State}} Step
 */

/** Steps that can be undone and done again; states are never changed, only replaced. */
export class History {
  /**
   * @param {import("./model.js").State} base state of the version that was loaded
   * @param {number} version number of that version
   */
  constructor(base, version) {
    this.base = base;
    this.version = version;
    /** @type {Step[]} */
    this.done = [];
    /** @type {Step[]} */
    this.undone = [];
  }

  /** The state after every step. */
  get state() {
    return this.done.length ? this.done[this.done.length - 1].after : this.base;
  }

  /** Every edit since the version that was loaded, in order, as the service takes them. */
  get edits() {
    return this.done.flatMap((step) => step.edits);
  }

  /** Whether there is anything that the service does not have. */
  get dirty() {
    return this.done.length > 0;
  }

  /**
   * Apply edits as one step; none of them is kept where one cannot be applied.
   * @param {string} label what was done, for people
   * @param {import("./model.js").Edit[]} edits
   * @returns {import("./model.js").State} the state after them
   */
  apply(label, edits) {
    const before = this.state;
    const after = applyAll(before, edits);
    if (edits.length) {
      this.done.push({ label, edits, before, after });
      this.undone = [];
    }
    return after;
  }

  /** Take the last step back. @returns {Step | null} */
  undo() {
    const step = this.done.pop() ?? null;
    if (step) this.undone.push(step);
    return step;
  }

  /** Do again what was taken back last. @returns {Step | null} */
  redo() {
    const step = this.undone.pop() ?? null;
    if (step) this.done.push(step);
    return step;
  }

  /** What was done, for the summary of a version: "move 3, retype 1". */
  get summary() {
    const counts = new Map();
    for (const { op } of this.edits) counts.set(op, (counts.get(op) ?? 0) + 1);
    return [...counts].map(([op, n]) => `${op} ${n}`).join(", ");
  }
}
