/** Another version beside this one: its words as shadows, and a list of where the two differ. */
import { h, select } from "../dom.js";
import { announce, complain } from "../messages.js";
import { differences } from "./diff.js";
import { timed } from "./model.js";
import { counted, spellDifference, spellMoment } from "./moments.js";

/**
 * @typedef {{name: string, state: import("./model.js").State}} Shadow
 */

const MOST_ROWS = 400;

/** @param {any} version @returns {string} What people call it. */
export function nameOfVersion({ version, source, engine }) {
  return source === "user_corrected" ? `Version ${version}, corrected` : `Version ${version}, by ${engine || source}`;
}

/** The panel. */
export class Comparing {
  /** @param {import("./editor.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.choice = h("select", { "aria-label": "Version", onchange: () => this.load().catch(complain) });
    this.threshold = h("input", { type: "number", min: 0, max: 5000, step: 10, value: editor.settings.thresholdMs });
    this.threshold.addEventListener("change", () =>
      editor.set({ thresholdMs: Math.max(0, Math.min(5000, Number(this.threshold.value) || 0)) }),
    );
    this.count = h("p.quiet-text", { role: "status" });
    this.list = h("ul.ed-differences");
    this.element = h(
      "section.ed-compare.card",
      { hidden: true, "aria-label": "Compare" },
      h(
        "div.ed-row",
        {},
        h("h2", { text: "Compare with" }),
        h("button.ed-small", { type: "button", text: "Close", onclick: () => this.close() }),
        this.choice,
        h("label.ed-inline", {}, "from", this.threshold, "ms on"),
      ),
      this.count,
      this.list,
    );
    editor.show(() => this.show());
  }

  get active() {
    return !this.element.hidden;
  }

  toggle() {
    if (this.active) this.close();
    else this.open().catch(complain);
  }

  close() {
    if (this.element.contains(document.activeElement)) this.editor.rows.focusSoon();
    this.element.hidden = true;
    if (!this.editor.neighbours.preview) this.editor.shadow = null;
    this.shown = null;
    this.editor.changed();
  }

  /** Opens with a version: the newest that an engine made, unless another is wanted. @param {number} [wanted] */
  async open(wanted) {
    const { editor } = this;
    const versions = (await editor.service.versions()).filter(
      ({ version }) => version !== editor.version || editor.history.dirty,
    );
    if (!versions.length) return announce("there is no other version yet");
    const made = versions.find(({ source }) => source !== "user_corrected") ?? versions[0];
    const first = versions.find(({ version }) => version === wanted) ?? made;
    const fresh = select(
      versions.map((each) => [String(each.version), nameOfVersion(each)]),
      { value: String(first.version) },
    );
    this.choice.replaceChildren(...fresh.children);
    this.choice.value = String(first.version);
    this.element.hidden = false;
    await this.load();
    this.element.scrollIntoView({ block: "nearest" });
  }

  async load() {
    const version = Number(this.choice.value);
    const state = await this.editor.service.version(version);
    if (!this.active || version !== Number(this.choice.value) || this.editor.neighbours.preview) return;
    this.editor.shadow = { name: this.choice.selectedOptions[0].textContent, state };
    this.editor.changed();
  }

  show() {
    const { shadow, history, settings } = this.editor;
    if (!this.active || !shadow || this.editor.neighbours.preview) return;
    const key = [shadow.state, history.state, settings.thresholdMs];
    if (this.shown && key.every((part, i) => part === this.shown[i])) return;
    this.shown = key;
    const found = differences(history.state, shadow.state, settings.thresholdMs);
    const more = found.length > MOST_ROWS ? `; the first ${MOST_ROWS} are listed` : "";
    this.count.textContent = found.length
      ? `${found.length} of ${counted(history.state.words.length, "word")} differ${more}.`
      : "No word differs by that much.";
    this.list.replaceChildren(
      ...found.slice(0, MOST_ROWS).map((each) => differenceRow(this.editor, each, shadow.state)),
    );
  }
}

/**
 * One word that differs, to go to and to take over.
 * @param {import("./editor.js").Editor} editor
 * @param {import("./diff.js").Difference} found
 * @param {import("./model.js").State} theirs
 * @returns {HTMLElement}
 */
export function differenceRow(editor, { word, other, text, otherText, startMs, endMs }, theirs) {
  const said =
    other === null
      ? "only here"
      : startMs === null
        ? timed(theirs.words[other])
          ? `there at ${spellMoment(theirs.words[other].start)}`
          : "not sung there"
        : `start ${spellDifference(startMs)}, end ${spellDifference(endMs)}`;
  const name = otherText !== null && otherText !== text ? `${text} (there: ${otherText})` : text;
  const take =
    other !== null && timed(theirs.words[other])
      ? h("button.ed-small", {
          type: "button",
          text: "Take theirs",
          onclick: () => takeTheirs(editor, word, theirs.words[other]),
        })
      : null;
  return h(
    "li",
    {},
    h("button.link", { type: "button", text: name, onclick: () => editor.select(word) }),
    h("span.small.quiet-text", { text: said }),
    take,
  );
}

function takeTheirs(editor, word, { start, end }) {
  editor.apply("taken over", [{ op: "move", word, start_ms: start, end_ms: end }], { select: word });
  editor.rows.focusSoon(); // the button goes with its row
}
