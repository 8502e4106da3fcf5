/** The whole song in one strip: how loud it is, where words are doubtful, what is in view. */
import { h } from "../dom.js";
import { eachFrame } from "./frames.js";
import { grade } from "./grades.js";

/** A canvas as wide as the page; a press goes there. */
export class Overview {
  /**
   * @param {number[]} peaks 0..1
   * @param {number} durationMs
   * @param {(ms: number) => void} go
   */
  constructor(peaks, durationMs, go) {
    this.peaks = peaks;
    this.durationMs = durationMs;
    this.canvas = h("canvas.ed-overview", { "aria-hidden": "true" });
    this.seen = { from: 0, to: durationMs };
    this.playMs = 0;
    this.words = [];
    this.redraw = eachFrame(() => this.#draw());
    this.sizes = new ResizeObserver(() => {
      this.back = null;
      this.redraw.ask();
    });
    this.sizes.observe(this.canvas);
    const at = (event) => {
      const { left, width } = this.canvas.getBoundingClientRect();
      go(Math.max(0, Math.min(durationMs, ((event.clientX - left) / width) * durationMs)));
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      at(event);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (this.canvas.hasPointerCapture(event.pointerId)) at(event);
    });
  }

  /** @param {{words?: readonly import("./model.js").Word[], seen?: {from: number, to: number}, playMs?: number}} now */
  show(now) {
    if (now.words && now.words !== this.words) this.back = null;
    Object.assign(this, now);
    this.redraw.ask();
  }

  /** Draw the loudness and the words once; what is in view and the playhead go over it at each change. */
  #backdrop(width, height, style) {
    const back = document.createElement("canvas");
    back.width = width;
    back.height = height;
    const context = back.getContext("2d");
    context.fillStyle = style.getPropertyValue("--ed-wave");
    const top = this.peaks.reduce((most, peak) => Math.max(most, peak), 1e-6);
    for (let x = 0; x < width; x += 1) {
      const first = Math.floor((x / width) * this.peaks.length);
      const stop = Math.max(first + 1, Math.floor(((x + 1) / width) * this.peaks.length));
      let peak = 0;
      for (let i = first; i < stop; i += 1) if (this.peaks[i] > peak) peak = this.peaks[i];
      const tall = (peak / top) * (height - 8);
      context.fillRect(x, (height - 6 - tall) / 2, 1, Math.max(1, tall));
    }
    for (const word of this.words) {
      if (word.start === null) continue;
      const name = grade(word);
      if (name === "sure" || name === "unknown") continue;
      context.fillStyle = style.getPropertyValue(`--ed-${name}-line`);
      const left = (word.start / this.durationMs) * width;
      context.fillRect(left, height - (name === "doubtful" ? 6 : 3), Math.max(2, width / 600), 6);
    }
    return back;
  }

  #draw() {
    const scale = Math.min(2, devicePixelRatio || 1);
    const width = Math.round(this.canvas.clientWidth * scale);
    const height = Math.round(this.canvas.clientHeight * scale);
    if (!width || !height) return;
    const style = getComputedStyle(this.canvas);
    if (!this.back || this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.back = this.#backdrop(width, height, style);
    }
    const context = this.canvas.getContext("2d");
    const x = (ms) => (ms / this.durationMs) * width;
    context.clearRect(0, 0, width, height);
    context.fillStyle = style.getPropertyValue("--ed-view");
    context.fillRect(x(this.seen.from), 0, Math.max(2, x(this.seen.to) - x(this.seen.from)), height);
    context.drawImage(this.back, 0, 0);
    context.fillStyle = style.getPropertyValue("--ed-playhead");
    context.fillRect(x(this.playMs) - scale / 2, 0, 2 * scale, height);
  }

  /** Draw all of it anew, in other colours. */
  recolour() {
    this.back = null;
    this.redraw.ask();
  }

  destroy() {
    this.redraw.stop();
    this.sizes.disconnect();
  }
}
