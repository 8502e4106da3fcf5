/** Dragging a word, its start or its end, by mouse, pen or finger. */

const EDGE_PX = 7; // of a word that is its start or end, for a mouse
const SLACK_PX = 3; // a press that moves less is a click

/**
 * @typedef {{begin: (word: number, part: "start" | "end" | "word") => boolean,
 *            move: (deltaMs: number, snapping: boolean) => void, drop: () => void, cancel: () => void,
 *            press: (word: number) => void, open: (word: number) => void}} Hands
 */

/** What part of a word is under the pointer. */
export function partAt(element, clientX) {
  const { left, width } = element.getBoundingClientRect();
  const edge = Math.min(EDGE_PX, width / 4);
  if (clientX - left <= edge) return "start";
  return left + width - clientX <= edge ? "end" : "word";
}

/** Listens for drags on the words of a timeline until it is stopped. */
export class Drags {
  /**
   * @param {import("./timeline.js").Timeline} timeline
   * @param {() => number | null} selected
   * @param {Hands} hands
   */
  constructor(timeline, selected, hands) {
    Object.assign(this, { timeline, selected, hands });
    /** @type {{id: number, x: number, word: number, part: "start" | "end" | "word", moved: boolean,
     *   mayDrag: boolean} | null} */
    this.held = null;
    this.control = new AbortController();
    const { signal } = this.control;
    const listeners = {
      pointerdown: this.#down,
      pointermove: this.#move,
      pointerup: this.#up,
      pointercancel: this.#cancel,
      dblclick: this.#open,
    };
    for (const [name, listener] of Object.entries(listeners)) {
      timeline.words.addEventListener(name, listener.bind(this), { signal });
    }
    document.addEventListener("keydown", this.#key.bind(this), { signal, capture: true });
  }

  stop() {
    this.control.abort();
  }

  #down(event) {
    if (event.button !== 0 || this.held?.moved) return;
    const grip = event.target.closest(".grip");
    const element = event.target.closest(".word");
    if (!grip && !element) return;
    const word = grip ? this.selected() : Number(element.dataset.word);
    if (word === null) return;
    const touch = event.pointerType === "touch";
    // A finger that is put on a word that is not selected may want to scroll: it selects when it is lifted.
    const mayDrag = Boolean(grip) || !touch || word === this.selected();
    const part = grip ? grip.dataset.part : touch ? "word" : partAt(element, event.clientX);
    this.held = { id: event.pointerId, x: event.clientX, word, part, moved: false, mayDrag };
    if (mayDrag) this.timeline.words.setPointerCapture(event.pointerId);
  }

  #move(event) {
    const { held, timeline } = this;
    if (!held) {
      const element = event.target.closest?.(".word");
      if (element) element.style.cursor = partAt(element, event.clientX) === "word" ? "grab" : "ew-resize";
      return;
    }
    if (event.pointerId !== held.id || !held.mayDrag) return;
    if (!held.moved) {
      if (Math.abs(event.clientX - held.x) < SLACK_PX) return;
      held.moved = this.hands.begin(held.word, held.part);
      if (!held.moved) {
        this.held = null;
        return;
      }
    }
    this.hands.move(((event.clientX - held.x) / timeline.width) * timeline.durationMs, !event.altKey);
  }

  #up(event) {
    const { held } = this;
    if (!held || event.pointerId !== held.id) return;
    this.held = null;
    if (held.moved) this.hands.drop();
    else this.hands.press(held.word);
  }

  #cancel() {
    if (this.held?.moved) this.hands.cancel();
    this.held = null;
  }

  #key(event) {
    if (event.key !== "Escape" || !this.held?.moved) return;
    event.stopPropagation();
    this.#cancel();
  }

  #open(event) {
    const element = event.target.closest(".word");
    if (element) this.hands.open(Number(element.dataset.word));
  }
}
