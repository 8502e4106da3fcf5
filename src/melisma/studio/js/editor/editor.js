/** The editor's state and what can be done to it; what is shown follows from it, once a frame. */
import { announce, complain, toast } from "../messages.js";
import { forget, keep } from "./draft.js";
import { eachFrame } from "./frames.js";
import { History } from "./history.js";
import { EditError, timed } from "./model.js";
import { spellMoment } from "./moments.js";
import { wordAtMoment } from "./sung.js";

/** @typedef {import("./model.js").State} State */

/** What a person sets once and finds again. */
const SETTINGS = {
  ripple: "none", // what goes along with a word that is moved
  snap: true,
  part: "word", // what the arrow keys nudge
  latencyMs: 60, // of a tap: from what is heard to the key
  spectrum: false,
  thresholdMs: 100, // from which on a difference between versions is told
};
const SETTINGS_KEY = "melisma.editor";

/** One open alignment. */
export class Editor {
  /**
   * @param {import("./service.js").Service} service
   * @param {import("./service.js").Loaded} loaded
   * @param {import("./transport.js").Transport} transport
   * @param {import("./timeline.js").Timeline} timeline
   */
  constructor(service, loaded, transport, timeline) {
    Object.assign(this, { service, transport, timeline });
    this.settings = { ...SETTINGS, ...readSettings() };
    /** @type {Set<() => void>} */
    this.views = new Set();
    this.frame = eachFrame(() => this.views.forEach((view) => view()));
    /** @type {number | null} */
    this.selected = loaded.state.words.length ? 0 : null;
    /** @type {State | null} - What is being dragged or tapped, until it is done. */
    this.preview = null;
    /** @type {import("./compare.js").Shadow | null} - Another version, shown beside. */
    this.shadow = null;
    this.busy = false;
    this.undoneVersions = [];
    this.reset(loaded);
  }

  /** Begins anew with a version. @param {import("./service.js").Loaded} loaded */
  reset({ version, state, info }) {
    this.history = new History(state, version);
    this.info = info;
    this.preview = null;
    this.selected = this.selected === null ? null : Math.min(this.selected, state.words.length - 1);
    this.changed();
  }

  /** @returns {State} */
  get state() {
    return this.preview ?? this.history.state;
  }

  get word() {
    return this.selected === null ? null : this.state.words[this.selected];
  }

  get version() {
    return this.history.version;
  }

  /** Calls a view once a frame in which something has changed. @param {() => void} view */
  show(view) {
    this.views.add(view);
  }

  changed() {
    this.frame.ask();
  }

  /** @param {Partial<typeof SETTINGS>} settings */
  set(settings) {
    Object.assign(this.settings, settings);
    try {
      localStorage.setItem(SETTINGS_KEY, JSON.stringify(this.settings));
    } catch (error) {
      if (!(error instanceof DOMException)) throw error; // a browser that keeps nothing: they hold for this visit
    }
    this.changed();
  }

  /**
   * Selects a word.
   * @param {number | null} word
   * @param {{reveal?: boolean, quiet?: boolean}} [how]
   */
  select(word, { reveal = true, quiet = false } = {}) {
    this.selected = word === null ? null : Math.max(0, Math.min(this.state.words.length - 1, word));
    const found = this.word;
    if (reveal && timed(found)) this.timeline.reveal(found.start, found.end);
    if (found && !quiet && document.activeElement === document.body) announce(found.text);
    this.changed();
  }

  /**
   * Makes a change as one step, and says it.
   * @param {string} label - What was done, for people: "moved".
   * @param {import("./model.js").Edit[]} edits
   * @param {{select?: number}} [then]
   * @returns {boolean} Whether it could be made.
   */
  apply(label, edits, { select } = {}) {
    if (this.busy || !edits.length) return false;
    try {
      this.history.apply(label, edits);
    } catch (error) {
      if (!(error instanceof EditError)) throw error;
      toast(error.message);
      this.changed();
      return false;
    }
    this.keepDraft();
    if (select !== undefined) this.select(select, { quiet: true });
    const word = this.word;
    announce(
      word && timed(word) ? `${label}: ${word.text}, ${spellMoment(word.start)} to ${spellMoment(word.end)}` : label,
    );
    this.changed();
    return true;
  }

  keepDraft() {
    const kept = keep(localStorage, this.service.alignmentId, this.version, this.history.edits);
    if (!kept && !this.toldOfDraft) {
      this.toldOfDraft = true;
      toast("This browser keeps nothing for this page: changes that are not saved are lost when it is closed.", {
        trouble: true,
      });
    }
  }

  /** Whether there is a step or a version to take back: before what an engine made there is nothing. */
  get undoable() {
    return this.history.dirty || (this.version > 1 && this.info.source === "user_corrected");
  }

  /** Takes the last step back; where everything is saved, the last version. */
  async undo() {
    if (this.busy) return;
    const step = this.history.undo();
    if (!step) return this.undoSaved();
    this.#wentTo(step, "undone");
  }

  async redo() {
    if (this.busy) return;
    const step = this.history.redo();
    if (!step) return this.redoSaved();
    this.#wentTo(step, "done again");
  }

  #wentTo(step, how) {
    this.preview = null;
    const touched = step.edits[0].word ?? step.edits[0].words[0];
    this.select(Math.min(touched, this.state.words.length - 1), { quiet: true });
    this.keepDraft();
    announce(`${step.label}, ${how}`);
    this.changed();
  }

  async undoSaved() {
    if (!this.undoable) return announce("nothing to undo");
    const from = this.version;
    await this.atService(async () => {
      await this.service.undo(from);
      this.reset(await this.service.load());
      this.undoneVersions.push(from);
      announce(`undone: as before version ${from}; the history keeps it`);
    });
  }

  async redoSaved() {
    const to = this.history.dirty ? undefined : this.undoneVersions.pop();
    if (to === undefined) return announce("nothing to do again");
    await this.atService(async () => {
      await this.service.restore(this.version, to);
      this.reset(await this.service.load());
      announce(`version ${to} is back`);
    });
  }

  /** Saves; a conflict is thrown on to whoever asks what to do. */
  async save() {
    const { edits, summary, version, state } = this.history;
    if (!edits.length) return announce("everything is saved");
    this.busy = true;
    this.changed();
    try {
      const saved = await this.service.save(version, edits, summary);
      forget(localStorage, this.service.alignmentId);
      this.undoneVersions = [];
      this.reset(await this.service.load().catch(() => this.savedAs(saved, state)));
      announce(`saved as version ${saved.version}`);
    } finally {
      this.busy = false;
      this.changed();
    }
  }

  /** What is there now, should the service not say after it has saved. */
  savedAs(saved, state) {
    return { version: saved.version, state, info: { ...this.info, version: saved.version } };
  }

  /** Does something at the service, during which nothing can be changed. @param {() => Promise<void>} work */
  async atService(work) {
    if (this.busy) return;
    this.busy = true;
    this.changed();
    try {
      await work();
    } catch (error) {
      if (error.kind === "version-conflict") await this.#catchUp().catch(complain);
      else complain(error);
    } finally {
      this.busy = false;
      this.changed();
    }
  }

  /** Goes on with what somebody else has saved; nothing is lost by it, as all that was done here is saved. */
  async #catchUp() {
    this.undoneVersions = [];
    this.reset(await this.service.load());
    toast(`Somebody else saved meanwhile: this is version ${this.version} now. Nothing was undone.`, { trouble: true });
  }

  /** The playhead has moved. @param {number} ms */
  played(ms) {
    this.timeline.place(ms, this.transport.playing);
    this.sung = wordAtMoment(this.state, ms);
    this.onPlayed?.(ms);
  }

  destroy() {
    this.frame.stop();
    this.views.clear();
  }
}

function readSettings() {
  try {
    const found = JSON.parse(localStorage.getItem(SETTINGS_KEY) ?? "{}");
    const known = Object.entries(found ?? {}).filter(([key, value]) => typeof value === typeof SETTINGS[key]);
    return Object.fromEntries(known);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof DOMException) return {};
    throw error;
  }
}
