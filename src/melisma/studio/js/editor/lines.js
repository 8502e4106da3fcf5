/** The text, line by line: a press goes there. */
import { h, iconButton } from "../dom.js";
import * as commands from "./commands.js";
import { grade } from "./grades.js";
import { timed } from "./model.js";
import { spellMoment } from "./moments.js";
import { describe } from "./words.js";

/** The list; a line is drawn anew only where one of its words is another than before. */
export class LineList {
  /** @param {import("./editor.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.list = h("ol.ed-lines", { "aria-label": "Lines" });
    this.element = h("section.ed-text-side.card", { "aria-label": "Text" }, this.list);
    /** @type {{item: HTMLElement, words: object[]}[]} */
    this.rows = [];
    this.list.addEventListener("click", (event) => this.#pressed(/** @type {HTMLElement} */ (event.target)));
    editor.show(() => this.show());
  }

  show() {
    const { state, selected } = this.editor;
    if (state !== this.state) this.#lines(state);
    if (selected !== this.selected || state !== this.state) this.#select(selected);
    this.state = state;
    this.selected = selected;
  }

  #lines(state) {
    state.lines.forEach((line, k) => {
      const words = state.words.slice(line.first, line.stop);
      const row = this.rows[k];
      const moved = row && row.first !== line.first;
      if (row && !moved && row.words.length === words.length && words.every((word, i) => word === row.words[i])) return;
      const item = this.#line(line, k, words);
      if (row) row.item.replaceWith(item);
      else this.list.append(item);
      this.rows[k] = { item, words, first: line.first };
    });
    for (const row of this.rows.splice(state.lines.length)) row.item.remove();
  }

  #line({ first, stanza }, k, words) {
    const found = words.find(timed);
    const begins = k > 0 && this.editor.state.lines[k - 1].stanza !== stanza;
    return h(
      `li${begins ? ".stanza" : ""}`,
      {},
      iconButton("play", `Play line ${k + 1}`, { "data-line": k, tabindex: -1 }),
      h("span.ed-line-time", { text: found ? spellMoment(found.start).slice(0, -4) : "–" }),
      h(
        "span.ed-line-words",
        { dir: "auto" }, // the first word of a Hebrew line stands on the right
        ...words.map((word, i) =>
          h(`button.ed-lyric.${grade(word)}${timed(word) ? "" : ".unsung"}${word.backing ? ".backing" : ""}`, {
            type: "button",
            text: word.text,
            "data-word": first + i,
            tabindex: -1,
            "aria-label": describe(word),
          }),
        ),
      ),
    );
  }

  #select(selected) {
    this.list.querySelectorAll(".ed-lyric[aria-current]").forEach((old) => {
      old.removeAttribute("aria-current");
      old.tabIndex = -1;
    });
    const now = /** @type {HTMLElement | null} */ (this.list.querySelector(`[data-word="${selected}"]`));
    if (!now) return;
    now.setAttribute("aria-current", "true");
    now.tabIndex = 0;
    const { top, bottom } = now.getBoundingClientRect();
    const box = this.list.getBoundingClientRect();
    if (this.list.scrollHeight <= this.list.clientHeight) return;
    if (top < box.top + 40 || bottom > box.bottom - 40) this.list.scrollTop += top - box.top - box.height / 3;
  }

  /** Marks the word that sounds. @param {number | null} word */
  light(word) {
    if (word === this.sung) return;
    this.list.querySelector(".ed-lyric.sung")?.classList.remove("sung");
    if (word !== null) this.list.querySelector(`[data-word="${word}"]`)?.classList.add("sung");
    this.sung = word;
  }

  #pressed(target) {
    const word = target.closest("[data-word]");
    const line = target.closest("[data-line]");
    if (word) {
      this.editor.select(Number(word.dataset.word));
      const { start } = this.editor.word;
      if (start !== null && !this.editor.transport.playing) this.editor.transport.seek(start);
    } else if (line) {
      this.editor.select(this.editor.state.lines[Number(line.dataset.line)].first);
      commands.hear(this.editor, "line");
    }
  }
}
