/** "Fix the neighbours": words are found anew by the decoder, between those that a person has set, which stay. */
import { h } from "../dom.js";
import { stageName } from "../events.js";
import { announce, complain, toast, troubleNotice } from "../messages.js";
import { differenceRow } from "./compare.js";
import { lineOf } from "./commands.js";
import { differences } from "./diff.js";
import { forget } from "./draft.js";
import { fromJson } from "./model.js";
import { counted } from "./moments.js";

/** @typedef {"between" | "line" | "song"} Scope */

/**
 * Finds which words to find anew.
 * @param {import("./model.js").State} state
 * @param {number} selected
 * @param {Scope} scope
 * @returns {[number, number] | null} [first, stop), or null for all.
 */
export function rangeFor(state, selected, scope) {
  if (scope === "song") return null;
  if (scope === "line") {
    const { first, stop } = state.lines[state.words[selected].line];
    return [first, stop];
  }
  // A word that is set itself has neighbours on both sides: from the one set before it to the one set after.
  let first = selected;
  while (first > 0 && !state.words[first - 1].corrected) first -= 1;
  let stop = selected + 1;
  while (stop < state.words.length && !state.words[stop].corrected) stop += 1;
  return [first, stop];
}

/** The panel. */
export class Neighbours {
  /** @param {import("./editor.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    /** @type {import("./model.js").State | null} */
    this.preview = null;
    this.body = h("div.ed-neighbours-body");
    this.element = h(
      "section.ed-neighbours.card",
      { hidden: true, "aria-label": "Fix the neighbours" },
      h(
        "div.ed-row",
        {},
        h("h2", { text: "Fix the neighbours" }),
        h("button.ed-small", { type: "button", text: "Close", onclick: () => this.close() }),
      ),
      this.body,
    );
  }

  open() {
    if (this.editor.selected === null || this.editor.busy) return;
    this.element.hidden = false;
    this.#ask();
    this.element.scrollIntoView({ block: "nearest" });
    this.body.querySelector("button")?.focus({ preventScroll: true });
  }

  close() {
    this.abort?.abort();
    if (this.element.contains(document.activeElement)) this.editor.rows.focusSoon();
    this.element.hidden = true;
    this.#drop();
  }

  /**
   * Shows something else. The focus, where it was in here, goes to what is said first: it would fall out of the page
   * with the button that was pressed, and on another button Space would press that instead of playing.
   * @param {...HTMLElement} children
   */
  #put(...children) {
    const held = this.element.contains(document.activeElement);
    this.body.replaceChildren(...children);
    if (!held) return;
    children[0].tabIndex = -1;
    children[0].focus({ preventScroll: true });
  }

  #drop() {
    this.preview = null;
    this.editor.shadow = null;
    if (this.editor.comparing.active) this.editor.comparing.load().catch(complain);
    this.editor.changed();
  }

  #ask() {
    const set = this.editor.state.words.filter((word) => word.corrected).length;
    if (set === 0) {
      const text = "Set some words first: move them, or confirm them where they are right (C). They hold the others.";
      this.#put(h("p", { text }));
      return;
    }
    const choice = (text, scope) => h("button", { type: "button", text, onclick: () => this.run(scope) });
    this.#put(
      h("p", {
        text:
          `${counted(set, "word that you have set stays", "words that you have set stay")} in place; ` +
          "the others are found anew in the recording, and shown before anything changes.",
      }),
      h(
        "div.buttons.ed-start",
        {},
        choice("Between the set words around this one", "between"),
        choice("This line", "line"),
        choice("The whole song", "song"),
      ),
    );
  }

  /** @param {Scope} scope */
  async run(scope) {
    const { editor } = this;
    this.scope = scope;
    const words = rangeFor(editor.history.state, editor.selected, scope);
    this.request = { version: editor.version, edits: editor.history.edits, words };
    this.before = editor.history.state;
    const result = await this.#work({ ...this.request, preview: true }).catch((error) => this.#failed(error));
    if (!result) return;
    const marks = { corrected: this.before.words.flatMap((word, i) => (word.corrected ? [i] : [])) };
    this.preview = fromJson(result.alignment, marks);
    editor.shadow = { name: "Found anew", state: this.preview };
    this.#offer();
    editor.changed();
  }

  /** Runs the job and tells how far it is. @returns {Promise<any>} Its result. */
  #work(request) {
    this.abort = new AbortController();
    const { signal } = this.abort;
    const bar = h("progress", { max: 100, "aria-label": "Progress" });
    const stage = h("span", { text: "Waiting its turn" });
    this.#put(
      h("p.progress-line", {}, stage),
      bar,
      h("div.buttons", {}, h("button", { type: "button", text: "Cancel", onclick: () => this.close() })),
    );
    const onProgress = (job) => {
      stage.textContent = stageName(job);
      bar.value = job.percent;
    };
    return this.editor.service.realign(request, onProgress, signal);
  }

  /** Tells why there is nothing found, or asks what to do where somebody has saved meanwhile. @param {any} error */
  async #failed(error) {
    if (error.name === "AbortError") return;
    if (error.status !== 409) return void this.#put(troubleNotice(error, () => this.#ask()));
    this.close();
    await this.editor.saving.conflict().catch(complain);
  }

  #offer() {
    const { editor, preview, before } = this;
    const found = differences(before, preview, 1);
    announce(`${counted(found.length, "word")} would move`);
    if (!found.length) {
      this.#put(h("p", { text: "No word would move: they are found where they are." }));
      return;
    }
    const list = h("ul.ed-differences", {}, ...found.map((each) => differenceRow(editor, each, preview)));
    const unsaved = this.request.edits.length ? " Your changes that are not saved yet are saved with them." : "";
    this.#put(
      h("p", { text: `${counted(found.length, "word")} would move, as the shadows below the words show.${unsaved}` }),
      h(
        "div.buttons.ed-start",
        {},
        h("button.primary", { type: "button", text: "Take them and save", onclick: () => this.accept() }),
        h("button", { type: "button", text: "Leave all as it is", onclick: () => this.close() }),
      ),
      list,
    );
    editor.select(found[0].word);
  }

  /** Saves what was found: the service finds the same again, and knows which words are set by hand. */
  async accept() {
    const { editor } = this;
    if (editor.history.state !== this.before) {
      toast("You have changed something since: the words are found anew.");
      return void this.run(this.scope);
    }
    editor.busy = true; // what were changed now would not be saved with it
    editor.changed();
    /** @type {Error | null} */
    let trouble = null;
    try {
      await this.#work({ ...this.request, preview: false });
      forget(localStorage, editor.service.alignmentId);
      editor.reset(await editor.service.load());
      this.close();
      announce(`saved as version ${editor.version}`);
    } catch (error) {
      trouble = error;
    } finally {
      editor.busy = false;
      editor.changed();
    }
    if (trouble) await this.#failed(trouble); // not before: what is made again on another version needs the editor
  }
}
