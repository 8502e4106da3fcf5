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

/**
 * Listen for drags on the words of a timeline.
 * @param {import("./words.js").WordRows} rows
 * @param {import("./timeline.js").Timeline} timeline
 * @param {() => number | null} selected
 * @param {Hands} hands
 * @returns {() => void} stop listening
 */
export function watchDrags(rows, timeline, selected, hands) {
  const control = new AbortController();
  /** @type {{id: number, x: number, word: number, part: "start" | "end" | "word", moved: boolean} | null} */
  let held = null;

  const down = (event) => {
    if (event.button !== 0 || held) return;
    const grip = event.target.closest(".grip");
    const element = event.target.closest(".word");
    if (!grip && !element) return;
    const word = grip ? selected() : Number(element.dataset.word);
    if (word === null) return;
    // A finger that is put on a word that is not selected may want to scroll: it selects when it is lifted.
    const mayDrag = grip || event.pointerType !== "touch" || word === selected();
    const part = grip ? grip.dataset.part : event.pointerType === "touch" ? "word" : partAt(element, event.clientX);
    held = { id: event.pointerId, x: event.clientX, word, part, moved: false, mayDrag };
    if (mayDrag) timeline.words.setPointerCapture(event.pointerId);
  };

  const move = (event) => {
    if (!held || event.pointerId !== held.id || !held.mayDrag) return;
    if (!held.moved) {
      if (Math.abs(event.clientX - held.x) < SLACK_PX) return;
      if (!hands.begin(held.word, held.part)) {
        held = null;
        return;
      }
      held.moved = true;
    }
    hands.move(((event.clientX - held.x) / timeline.width) * timeline.durationMs, !event.altKey);
  };

  const up = (event) => {
    if (!held || event.pointerId !== held.id) return;
    if (held.moved) hands.drop();
    else hands.press(held.word);
    held = null;
  };

  const cancel = (event) => {
    if (held?.moved && (event.type !== "keydown" || event.key === "Escape")) {
      hands.cancel();
      held = null;
      event.stopPropagation();
    } else if (event.type === "pointercancel") held = null;
  };

  const hover = (event) => {
    const element = event.target.closest?.(".word");
    if (element && !held) element.style.cursor = partAt(element, event.clientX) === "word" ? "grab" : "ew-resize";
  };

  const options = { signal: control.signal };
  timeline.words.addEventListener("pointerdown", down, options);
  timeline.words.addEventListener("pointermove", move, options);
  timeline.words.addEventListener("pointermove", hover, options);
  timeline.words.addEventListener("pointerup", up, options);
  timeline.words.addEventListener("pointercancel", cancel, options);
  document.addEventListener("keydown", cancel, { ...options, capture: true });
  timeline.words.addEventListener(
    "dblclick",
    (event) => {
      const element = event.target.closest(".word");
      if (element) hands.open(Number(element.dataset.word));
    },
    options,
  );
  return () => control.abort();
}
