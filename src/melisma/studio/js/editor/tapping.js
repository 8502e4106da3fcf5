/** Tap-along: the song plays, a key goes down where each word begins. A take is one step that can be undone. */
import { h, select } from "../dom.js";
import { keyOf } from "../keyboard.js";
import { announce, complain } from "../messages.js";
import { stopLoop } from "./commands.js";
import { EditError, applyAll, timed } from "./model.js";
import { Taps } from "./tap.js";

const LEAD_MS = 2500; // of music before the first word, to find the beat
const TAP_KEYS = new Set([" ", "j", "f"]); // two for two hands: the next word may begin before the last key is up
const AHEAD = 7; // words that are shown

/** The panel and its take. */
export class Tapping {
  /** @param {import("./editor.js").Editor} editor @param {AbortSignal} signal - Of the page. */
  constructor(editor, signal) {
    this.editor = editor;
    /** @type {Taps | null} */
    this.taps = null;
    this.speed = select(
      [
        ["0.5", "half speed"],
        ["0.75", "three quarters"],
        ["1", "full speed"],
      ],
      { value: "1", "aria-label": "Speed" },
    );
    this.speed.addEventListener("change", () => {
      editor.transport.rate = Number(this.speed.value);
      this.pad.focus({ preventScroll: true }); // the next Space is a tap
    });
    /** @type {string | number | null} - Key or pointer that went down last: letting another one go ends no word. */
    this.held = null;
    this.latency = h("input", { type: "number", min: 0, max: 500, step: 5, value: editor.settings.latencyMs });
    this.latency.addEventListener("change", () => this.#setLatency());
    this.words = h("p.ed-tap-words", { "aria-live": "off" });
    this.pad = h("button.primary.ed-tap-pad", { type: "button", text: "Tap" });
    this.element = this.#panel();
    this.pad.addEventListener("pointerdown", (event) => this.#down(event));
    for (const name of ["pointerup", "pointercancel"]) this.pad.addEventListener(name, (event) => this.#up(event));
    document.addEventListener("keydown", (event) => this.#key(event), { signal, capture: true });
    document.addEventListener("keyup", (event) => this.#up(event), { signal });
  }

  get active() {
    return this.taps !== null;
  }

  #panel() {
    return h(
      "section.ed-tap.card",
      { hidden: true, "aria-label": "Tap along" },
      h(
        "div.ed-row",
        {},
        h("h2", { text: "Tap along" }),
        h("label.ed-inline", {}, "Speed", this.speed),
        h(
          "label.ed-inline",
          { title: "How much later than you hear it your tap arrives: headphones without a cable need more" },
          "Delay, ms",
          this.latency,
        ),
      ),
      this.words,
      this.pad,
      h("p.small.quiet-text", {
        text:
          "Press Space, F or J where each word begins and let go where it ends. Backspace takes the " +
          "last tap back and goes there, Enter keeps what was tapped, Escape leaves all as it was.",
      }),
      h(
        "div.buttons",
        {},
        h("button", { type: "button", text: "Back", title: "Backspace", onclick: () => this.back() }),
        h("button", { type: "button", text: "Cancel", title: "Escape", onclick: () => this.end(false) }),
        h("button.primary", { type: "button", text: "Keep", title: "Enter", onclick: () => this.end(true) }),
      ),
    );
  }

  #setLatency() {
    const latencyMs = Math.max(0, Math.min(500, Number(this.latency.value) || 0));
    this.latency.value = String(latencyMs);
    if (this.taps) this.taps.latencyMs = latencyMs;
    this.editor.set({ latencyMs });
  }

  /** Begins a take with the selected word. */
  begin() {
    const { editor } = this;
    if (editor.selected === null || editor.busy || this.taps) return;
    stopLoop(editor);
    const { words, durationMs } = editor.state;
    const { backing } = words[editor.selected];
    const order = words.flatMap((word, i) => (i >= editor.selected && word.backing === backing ? [i] : []));
    this.base = editor.history.state;
    this.taps = new Taps(order, { latencyMs: editor.settings.latencyMs, durationMs });
    this.element.hidden = false;
    this.element.scrollIntoView({ block: "nearest" });
    this.speedBefore = editor.transport.rate;
    editor.transport.rate = Number(this.speed.value);
    announce("tap along: press Space where each word begins");
    this.pad.focus({ preventScroll: true });
    this.#play(startFor(editor.state, editor.selected, editor.transport.ms));
    this.#show();
  }

  #play(ms) {
    this.editor.transport.seek(Math.max(0, ms - LEAD_MS));
    this.editor.transport.play().catch(complain);
  }

  #key(event) {
    if (!this.taps || document.querySelector("dialog[open]")) return;
    const [target] = event.composedPath();
    const typing = target === this.latency;
    const key = keyOf(event).toLowerCase();
    // Whoever went to "Cancel" by Tab means it.
    const button = target.closest?.("button");
    if ((key === " " || key === "enter") && button !== this.pad && this.element.contains(button)) return;
    const actions = { Enter: () => this.end(true), Escape: () => this.end(false), Backspace: () => this.back() };
    const act = TAP_KEYS.has(key) ? () => event.repeat || this.#down(event) : actions[event.key];
    if (!act || (typing && event.key !== "Escape") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  #down(event) {
    if (!this.taps) return;
    event.preventDefault();
    const { transport } = this.editor;
    if (!transport.playing) return void transport.play().catch(complain);
    this.held = nameOf(event);
    const word = this.taps.down(transport.ms, transport.rate);
    if (word !== null) this.editor.selected = word;
    this.#show();
  }

  #up(event) {
    if (!this.taps || this.held === null || nameOf(event) !== this.held) return;
    this.held = null;
    this.taps.up(this.editor.transport.ms, this.editor.transport.rate);
    if (this.taps.next === null) this.end(true);
    else this.#show();
  }

  /** Takes the last tap back and plays on from before it. */
  back() {
    const last = this.taps?.taken.at(-1);
    if (!last) return;
    this.editor.selected = this.taps.back();
    this.held = null;
    this.pad.focus({ preventScroll: true });
    this.#play(last.start);
    this.#show();
  }

  /** Ends the take. @param {boolean} keep */
  end(keep) {
    if (!this.taps) return;
    const edits = this.taps.edits(this.base);
    this.taps = null;
    this.held = null;
    this.element.hidden = true;
    this.editor.transport.pause();
    this.editor.transport.rate = this.speedBefore;
    this.editor.preview = null;
    if (keep && edits.length) this.editor.apply(`tapped ${edits.length} words`, edits);
    else announce("nothing was changed");
    this.editor.rows.focusSoon();
    this.editor.changed();
  }

  #show() {
    const { taps, editor } = this;
    const { words } = this.base;
    const at = taps.taken.length;
    const shown = taps.words.slice(Math.max(0, at - 2), at + AHEAD);
    this.words.replaceChildren(
      ...shown.flatMap((i, k) => {
        const place = Math.max(0, at - 2) + k;
        const breaks = k > 0 && words[i].line !== words[i - 1].line ? [h("span.ed-tap-break", { text: " / " })] : [" "];
        return [...breaks, h(`span${place < at ? ".done" : place === at ? ".next" : ""}`, { text: words[i].text })];
      }),
    );
    try {
      editor.preview = applyAll(this.base, taps.edits(this.base), { ordered: false });
    } catch (error) {
      if (!(error instanceof EditError)) throw error; // not to be shown on the way; the end says why
    }
    editor.changed();
  }
}

/** @param {KeyboardEvent | PointerEvent} event @returns {string | number} */
const nameOf = (event) => ("key" in event ? keyOf(event).toLowerCase() : event.pointerId);

/** Where to begin: at the word, else behind the one before it, else where the playhead is. */
function startFor(state, i, ms) {
  if (timed(state.words[i])) return state.words[i].start;
  for (let k = i - 1; k >= 0; k -= 1) if (timed(state.words[k])) return state.words[k].end;
  return ms;
}
