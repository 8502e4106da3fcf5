/** The lyrics on the page: one element a line, one a word, painted for a moment of the recording. */
import { clock, h } from "../dom.js";
import { ROUNDING, clamp, countBegun } from "./timeline.js";

const SCRIPTS = ["Arabic", "Hebrew", "Syriac", "Thaana", "Nko", "Adlam"].map((name) => `\\p{Script=${name}}`).join("");
const RIGHT_TO_LEFT = new RegExp(`^[^\\p{L}]*[${SCRIPTS}]`, "u");
const GLIDE_MS = 520; // how long the lyrics take to move to the next line
const LET_GO_MS = 4000; // how long a reader who scrolled away is left alone while the song plays
const COUNT_IN_DOTS = 3; // one a second
const SHOWN_BEFORE = 1; // seconds; a backing line is read before it is sung
const DOUBT_BELOW = 0.5;

export class Stage {
  /**
   * @param {HTMLElement} view - What scrolls.
   * @param {HTMLElement} sheet - What the lines go into.
   * @param {import("./timeline.js").Timeline} timeline
   * @param {MediaQueryList} reducedMotion
   */
  constructor(view, sheet, timeline, reducedMotion) {
    Object.assign(this, { view, timeline, reducedMotion });
    /** @type {Map<number, HTMLElement>} */
    this.words = new Map(); // of each word's own place; a repeat shows copies
    /** @type {HTMLElement[]} */
    this.lines = [];
    /** @type {Map<number, HTMLElement>} */
    this.countIns = new Map(); // line index to its element
    for (const line of timeline.lines) this.addLine(sheet, line);
    this.begun = 0; // timed words that have begun
    this.filling = new Set(); // timed words that have begun and not ended
    this.over = timeline.lines.filter((line) => line.over || line.again); // lit for as long as they last
    this.lit = null;
    this.current = null; // the line in the middle
    this.countIn = null;
    this.following = true;
    this.leftAloneUntil = 0;
    this.glide = null;
    this.onLine = (/** @type {any} */ _line) => undefined;
    this.onFollow = (/** @type {boolean} */ _following) => undefined;
  }

  /** @param {import("./timeline.js").Word} word @param {boolean} again */
  makeWord(word, again) {
    const span = h("span.word", { text: word.text });
    if (RIGHT_TO_LEFT.test(word.text)) span.classList.add("leftwards");
    if (again) return span;
    span.dataset.word = String(word.index);
    if (!word.timed) span.classList.add("unsung");
    if (word.confidence !== null) span.dataset.confidence = word.confidence.toFixed(2);
    if (word.confidence !== null && word.confidence < DOUBT_BELOW) span.classList.add("doubtful");
    this.words.set(word.index, span);
    return span;
  }

  /** @param {HTMLElement} sheet @param {import("./timeline.js").Line} line */
  addLine(sheet, line) {
    // Enter or a click seeks to it; one line at a time can be reached by Tab.
    const element = h("div.line", { dir: "auto", "data-line": line.index, role: "button", tabindex: -1 });
    if (line.start === undefined) element.classList.add("unsung");
    if (line.backing) element.classList.add("backing");
    if (line.again) element.classList.add("again");
    const before = this.timeline.lines[line.index - 1];
    if (before && (before.stanza !== line.stanza || before.again !== line.again)) element.classList.add("stanza");
    for (const word of line.words) {
      if (element.childNodes.length) element.append(" ");
      element.append(this.makeWord(word, line.again));
    }
    if (typeof line.pauseFrom === "number") {
      const countIn = makeCountIn();
      this.countIns.set(line.index, countIn);
      sheet.append(countIn);
    }
    this.lines.push(element);
    sheet.append(element);
  }

  /**
   * Shows one moment. Only what changed since the last moment is written.
   * @param {number} time - Seconds of the recording.
   * @param {number} now - Of the frame, in milliseconds.
   * @param {boolean} playing
   */
  paint(time, now, playing) {
    this.paintWords(time);
    this.paintLine(time);
    this.paintOver(time);
    this.paintCountIn(time);
    if (!this.following && playing && now > this.leftAloneUntil) this.follow();
    this.moveGlide(now);
  }

  /** @param {number} time */
  paintWords(time) {
    const { timed } = this.timeline;
    const begun = countBegun(timed, "start", time);
    if (begun < this.begun) this.rewind(begun, time);
    for (let i = this.begun; i < begun; i++) this.filling.add(timed[i]);
    this.begun = begun;
    let lit = null;
    for (const word of this.filling) {
      const element = this.words.get(word.index);
      if (time + ROUNDING >= word.until) {
        this.filling.delete(word);
        element.classList.remove("filling");
        element.classList.add("sung");
      } else {
        element.classList.add("filling");
        const share = clamp((time - word.start) / (word.until - word.start), 0, 1);
        if (!this.reducedMotion.matches) element.style.setProperty("--sung-share", share.toFixed(4));
        // The set keeps the order of the song, so the last one to begin wins, of the lead if it sings.
        if (!lit || lit.backing || !word.backing) lit = word;
      }
    }
    this.light(lit);
  }

  /** @param {import("./timeline.js").Word|null} word */
  light(word) {
    if (word === this.lit) return;
    if (this.lit) this.words.get(this.lit.index).classList.remove("lit");
    if (word) this.words.get(word.index).classList.add("lit");
    this.lit = word;
  }

  /** @param {number} begun @param {number} time */
  rewind(begun, time) {
    const { timed } = this.timeline;
    for (let i = begun; i < this.begun; i++) this.words.get(timed[i].index).classList.remove("sung", "filling");
    this.filling.clear();
    for (let i = 0; i < begun; i++) {
      if (time + ROUNDING >= timed[i].until) continue;
      this.words.get(timed[i].index).classList.remove("sung");
      this.filling.add(timed[i]);
    }
  }

  /** @param {number} time */
  paintLine(time) {
    const { timedLines } = this.timeline;
    const line = timedLines[Math.max(0, countBegun(timedLines, "focusAt", time) - 1)];
    if (!line || line === this.current) return;
    for (const element of this.lines) {
      element.removeAttribute("aria-current");
      element.classList.remove("past", "near");
      element.tabIndex = -1;
    }
    for (let i = 0; i < line.index; i++) this.lines[i].classList.add("past");
    for (let i = line.index + 1; i < this.lines.length; i++) {
      this.lines[i].classList.add("near");
      if (!this.timeline.lines[i].over) break; // what is sung over a line comes near together with it
    }
    const element = this.lines[line.index];
    element.setAttribute("aria-current", "true");
    element.tabIndex = 0;
    const first = this.current === null;
    this.current = line;
    this.onLine(line);
    if (this.following) this.centre(!first);
  }

  /** Backing lines are brought out from a moment before they are sung until they end. @param {number} time */
  paintOver(time) {
    for (const line of this.over) {
      const before = line.again ? 0 : SHOWN_BEFORE;
      const sounding = time + ROUNDING >= line.start - before && time < line.end;
      this.lines[line.index].classList.toggle("sounding", sounding);
    }
  }

  /** @param {number} time */
  paintCountIn(time) {
    const line = this.current;
    const counting = line && typeof line.pauseFrom === "number" && time >= line.pauseFrom && time < line.start;
    const element = counting ? this.countIns.get(line.index) : null;
    if (element !== this.countIn) {
      this.countIn?.classList.remove("counting");
      element?.classList.add("counting");
      this.countIn = element;
    }
    if (!element) return;
    const left = line.start - time;
    const label = left > COUNT_IN_DOTS ? clock(1000 * left) : "";
    if (element.firstElementChild.textContent !== label) element.firstElementChild.textContent = label;
    for (let i = 0; i < COUNT_IN_DOTS; i++) {
      const size = clamp(left - i, 0, 1);
      const shown = this.reducedMotion.matches ? Math.ceil(size) : size;
      element.children[i + 1].style.setProperty("--size", shown.toFixed(3));
    }
  }

  /** Brings the current line to the middle, gliding there unless motion is unwelcome. @param {boolean} smoothly */
  centre(smoothly) {
    if (!this.current) return;
    const element = this.lines[this.current.index];
    const target = element.offsetTop + element.offsetHeight / 2 - this.view.clientHeight / 2;
    if (!smoothly || this.reducedMotion.matches) {
      this.glide = null;
      this.view.scrollTop = target;
    } else {
      this.glide = { from: this.view.scrollTop, to: target, begin: null };
    }
  }

  /** @param {number} now */
  moveGlide(now) {
    if (!this.glide) return;
    this.glide.begin ??= now;
    const share = clamp((now - this.glide.begin) / GLIDE_MS, 0, 1);
    const eased = 1 - (1 - share) ** 4;
    this.view.scrollTop = this.glide.from + (this.glide.to - this.glide.from) * eased;
    if (share === 1) this.glide = null;
  }

  follow() {
    this.following = true;
    this.onFollow(true);
    this.centre(true);
  }

  /** A reader scrolls by hand: stop pulling the page from under the finger. @param {number} now */
  letGo(now) {
    this.glide = null;
    this.leftAloneUntil = now + LET_GO_MS;
    if (!this.following) return;
    this.following = false;
    this.onFollow(false);
  }
}

function makeCountIn() {
  const dots = Array.from({ length: COUNT_IN_DOTS }, () => h("i"));
  return h("div.count-in", { "aria-hidden": "true" }, h("span"), ...dots);
}
