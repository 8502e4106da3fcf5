/** The words on the line of time: only those in view stand in the page. */
import { h } from "../dom.js";
import { grade, gradeName } from "./grades.js";
import { timed } from "./model.js";
import { spellMoment } from "./moments.js";

const MARGIN_PX = 200; // words just out of view are kept, so that a quick scroll shows no gap
const NARROWEST_PX = 3;

/**
 * @typedef {{state: import("./model.js").State, selected: number | null,
 *            ghosts: {word: number | null, text: string, start: number, end: number, kind: string}[],
 *            ghostName: string, sung: number | null}} Shown
 */

/** Say a word in full, for those who do not see where it stands. */
export function describe(word) {
  const time = timed(word) ? `${spellMoment(word.start)} to ${spellMoment(word.end)}` : "no time";
  const sure = word.confidence === null ? "" : `, confidence ${Math.round(word.confidence * 100)} %`;
  return `${word.text}, ${time}${sure}, ${gradeName(grade(word))}${word.backing ? ", backing voice" : ""}`;
}

/** Rows of words under the waveform. */
export class WordRows {
  /** @param {import("./timeline.js").Timeline} timeline */
  constructor(timeline) {
    this.timeline = timeline;
    this.lead = h("div.row.lead", { role: "listbox", "aria-label": "Words", "aria-orientation": "horizontal" });
    this.grips = h("div.row.grips", { "aria-hidden": "true" });
    this.startGrip = h("div.grip.start", { "data-part": "start", hidden: true });
    this.endGrip = h("div.grip.end", { "data-part": "end", hidden: true });
    this.grips.append(this.startGrip, this.endGrip);
    this.ghosts = h("div.row.ghosts", { hidden: true, "aria-hidden": "true" });
    timeline.words.append(this.lead, this.grips, this.ghosts);
    /** @type {Map<number, HTMLElement>} */
    this.shown = new Map();
    /** @type {Shown | null} */
    this.now = null;
    this.hadBacking = false;
  }

  /** Show a state; called once a frame at most. @param {Shown} now */
  show(now) {
    const backing = now.state !== this.now?.state ? now.state.words.some((word) => word.backing) : this.hadBacking;
    this.hadBacking = backing;
    this.now = now;
    this.lead.classList.toggle("two-voices", backing);
    const { from, to } = this.timeline.visible;
    const margin = (MARGIN_PX / this.timeline.width) * this.timeline.durationMs;
    const stays = new Set();
    let first = null;
    now.state.words.forEach((word, i) => {
      if (!timed(word)) return;
      const inView = word.end >= from - margin && word.start <= to + margin;
      if (!inView && i !== now.selected) return;
      stays.add(i);
      if (first === null && word.end >= from) first = i;
      this.#place(i, word, now);
    });
    for (const [i, element] of this.shown) {
      if (stays.has(i)) continue;
      element.remove();
      this.shown.delete(i);
    }
    this.#rove(now, first);
    this.#placeGrips(now);
    this.#placeGhosts(now, from - margin, to + margin);
  }

  #place(i, word, now) {
    let element = this.shown.get(i);
    if (!element) {
      element = h("div", { role: "option", "data-word": i, dir: "auto" }, h("span.text"));
      this.shown.set(i, element);
      this.#insert(i, element);
    }
    const left = `${this.timeline.x(word.start).toFixed(1)}px`;
    const width = `${Math.max(NARROWEST_PX, this.timeline.x(word.end - word.start)).toFixed(1)}px`;
    if (element.style.left !== left) element.style.left = left;
    if (element.style.width !== width) element.style.width = width;
    if (element.firstChild.textContent !== word.text) element.firstChild.textContent = word.text;
    const chosen = i === now.selected;
    const is = { backing: word.backing, selected: chosen, sung: i === now.sung };
    const name = ["word", grade(word), ...Object.keys(is).filter((key) => is[key])].join(" ");
    if (element.className !== name) element.className = name;
    const said = describe(word);
    if (element.ariaLabel !== said) element.ariaLabel = said;
    element.setAttribute("aria-selected", String(chosen));
    element.setAttribute("aria-posinset", String(i + 1));
    element.setAttribute("aria-setsize", String(now.state.words.length));
  }

  /** Elements stand in the order of the text, which is the order in which they are read out. */
  #insert(i, element) {
    let after = null;
    for (const [other, node] of this.shown) {
      if (other > i && (after === null || other < after.i)) after = { i: other, node };
    }
    this.lead.insertBefore(element, after?.node ?? null);
  }

  #rove({ selected }, first) {
    const holder = selected !== null && this.shown.has(selected) ? selected : first;
    for (const [i, element] of this.shown) element.tabIndex = i === holder ? 0 : -1;
  }

  #placeGrips({ state, selected }) {
    const word = selected === null ? null : state.words[selected];
    const hidden = !word || !timed(word);
    this.startGrip.hidden = hidden;
    this.endGrip.hidden = hidden;
    if (hidden) return;
    this.startGrip.style.left = `${this.timeline.x(word.start)}px`;
    this.endGrip.style.left = `${this.timeline.x(word.end)}px`;
  }

  #placeGhosts({ ghosts, ghostName }, from, to) {
    this.ghosts.hidden = ghosts.length === 0;
    const inView = ghosts.filter(({ start, end }) => end >= from && start <= to);
    this.ghosts.replaceChildren(
      ...inView.map(({ word, text, start, end, kind }) => {
        const element = h(`div.ghost.${kind}`, { text, title: `${ghostName}: ${text} ${spellMoment(start)}` });
        if (word !== null) element.dataset.ghost = String(word);
        element.style.left = `${this.timeline.x(start)}px`;
        element.style.width = `${Math.max(NARROWEST_PX, this.timeline.x(end - start))}px`;
        return element;
      }),
    );
  }

  /** Mark the word that sounds; touches at most two elements, so that it can run at each frame. */
  light(word) {
    if (!this.now || word === this.now.sung) return;
    this.shown.get(this.now.sung)?.classList.remove("sung");
    this.now.sung = word;
    this.shown.get(word)?.classList.add("sung");
  }

  /** Put the focus on a word. */
  focus(word) {
    this.shown.get(word)?.focus({ preventScroll: true });
  }
}
