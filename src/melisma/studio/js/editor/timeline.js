/** The line of time: waveform (wavesurfer), ruler, spectrogram and words, all in what wavesurfer scrolls. */
import WaveSurfer from "../../vendor/wavesurfer/wavesurfer.esm.js";
import { h } from "../dom.js";
import { eachFrame } from "./frames.js";
import { drawRuler } from "./ruler.js";
import { TileTrack } from "./tiles.js";

export const MOST_PX_PER_S = 1200; // a millisecond is a pixel and more
const LEAST_PX_PER_S = 15; // beyond which words are slivers: the overview shows the whole song
const STYLES = new URL("../../css/editor-timeline.css", import.meta.url).href;
const LEAD_IN = 0.15; // of the width: where the playhead stands after the page was turned

/** Where time is on the screen, and everything that is drawn along it. */
export class Timeline {
  /**
   * @param {HTMLElement} host
   * @param {{durationMs: number, peaks: number[], onsets: number[], pixelsPerSecond: number}} recording
   * @param {(ms: number) => void} seek called where the waveform, ruler or spectrogram is pressed
   */
  constructor(host, recording, seek) {
    this.host = host;
    this.durationMs = recording.durationMs;
    this.onsets = recording.onsets;
    this.listeners = new Set();
    this.redraw = eachFrame(() => this.#changed());
    this.surfer = WaveSurfer.create({
      container: host,
      height: 72,
      peaks: [recording.peaks],
      duration: recording.durationMs / 1000,
      minPxPerSec: this.#bounded(recording.pixelsPerSecond),
      interact: false,
      autoScroll: false,
      autoCenter: false,
      normalize: true,
      cursorWidth: 0,
      ...this.#colours(),
    });
    this.wrapper = this.surfer.getWrapper();
    this.scroller = this.wrapper.parentElement;
    this.#build(seek);
    this.surfer.on("redraw", () => this.redraw.ask());
    this.surfer.on("scroll", () => this.redraw.ask());
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.recolour = () => {
      this.surfer.setOptions(this.#colours());
      this.ruler.clear();
      this.spectrum?.clear();
      this.redraw.ask();
    };
    this.scheme.addEventListener("change", this.recolour);
  }

  #build(seek) {
    const root = /** @type {ShadowRoot} */ (this.wrapper.getRootNode());
    root.append(h("link", { rel: "stylesheet", href: STYLES }));
    this.scroller.setAttribute("tabindex", "-1");
    this.rulerHost = h("div.track.ruler", { "aria-hidden": "true" });
    this.wrapper.prepend(this.rulerHost);
    this.ruler = new TileTrack(this.rulerHost, (tile) => drawRuler(tile, this.onsets, this.host));
    this.words = h("div.track.words");
    this.spectrumHost = h("div.track.spectrum", { hidden: true, "aria-hidden": "true" });
    this.playhead = h("div.playhead", { "aria-hidden": "true" });
    this.band = h("div.band", { hidden: true, "aria-hidden": "true" });
    this.guide = h("div.guide", { hidden: true, "aria-hidden": "true" });
    this.wrapper.append(this.spectrumHost, this.words, this.band, this.guide, this.playhead);
    this.wrapper.addEventListener("click", (event) => {
      if (event.composedPath().includes(this.words)) return;
      seek(this.ms(event.clientX));
    });
  }

  #colours() {
    const style = getComputedStyle(this.host);
    const colour = style.getPropertyValue("--ed-wave").trim() || "gray";
    return { waveColor: colour, progressColor: colour };
  }

  #bounded(pixelsPerSecond) {
    return Math.max(LEAST_PX_PER_S, Math.min(MOST_PX_PER_S, pixelsPerSecond));
  }

  /** Show a spectrogram; `draw` as of a TileTrack. */
  showSpectrum(draw) {
    this.spectrumHost.hidden = false;
    this.spectrum ??= new TileTrack(this.spectrumHost, draw);
    this.redraw.ask();
  }

  hideSpectrum() {
    this.spectrumHost.hidden = true;
    this.spectrum?.clear();
  }

  /** Do something when the waveform is drawn for the first time. @param {() => void} work */
  onceDrawn(work) {
    this.surfer.once("redraw", work);
  }

  /** Be told whenever other times are to be seen, or the same ones elsewhere. */
  onChange(listener) {
    this.listeners.add(listener);
  }

  get pixelsPerSecond() {
    return (this.width * 1000) / this.durationMs;
  }

  /** Width of the whole recording, px. */
  get width() {
    return this.wrapper.clientWidth || 1;
  }

  /** Where a moment is, px from the beginning of the recording. */
  x(ms) {
    return (ms / this.durationMs) * this.width;
  }

  /** The moment at a place on the screen. @param {number} clientX */
  ms(clientX) {
    const { left } = this.wrapper.getBoundingClientRect();
    const ms = ((clientX - left) / this.width) * this.durationMs;
    return Math.max(0, Math.min(this.durationMs, ms));
  }

  /** What is to be seen, ms. @returns {{from: number, to: number}} */
  get visible() {
    const { scrollLeft, clientWidth } = this.scroller;
    return {
      from: (scrollLeft / this.width) * this.durationMs,
      to: ((scrollLeft + clientWidth) / this.width) * this.durationMs,
    };
  }

  /** Zoom by a factor, around the middle or a moment. */
  zoom(factor, around = null) {
    this.zoomTo(this.pixelsPerSecond * factor, around);
  }

  /** @param {number} pixelsPerSecond @param {number | null} [around] ms that stays where it is */
  zoomTo(pixelsPerSecond, around = null) {
    const { from, to } = this.visible;
    const fixed = around !== null && around >= from && around <= to ? around : (from + to) / 2;
    const place = this.x(fixed) - this.scroller.scrollLeft;
    this.surfer.zoom(this.#bounded(pixelsPerSecond));
    this.scroller.scrollLeft = this.x(fixed) - place;
    this.redraw.ask();
  }

  /** Scroll so that a stretch can be seen, no further than needed. */
  reveal(startMs, endMs = startMs) {
    const { from, to } = this.visible;
    const margin = (to - from) * 0.08;
    if (startMs >= from + margin && endMs <= to - margin) return;
    this.scroller.scrollLeft = this.x(startMs) - this.scroller.clientWidth * 0.3;
  }

  /** Scroll so that a moment is in the middle. */
  center(ms) {
    this.scroller.scrollLeft = this.x(ms) - this.scroller.clientWidth / 2;
  }

  /** Draw the spectrogram anew. */
  redrawSpectrum() {
    this.spectrum?.clear();
    this.redraw.ask();
  }

  /** Move the playhead; while it plays the page turns when it leaves the view. */
  place(ms, follow) {
    this.playhead.style.transform = `translateX(${this.x(ms)}px)`;
    if (!follow) return;
    const { from, to } = this.visible;
    if (ms < from || ms > to - (to - from) * 0.08) {
      this.scroller.scrollLeft = this.x(ms) - this.scroller.clientWidth * LEAD_IN;
    }
  }

  /** Mark a stretch, or none. */
  mark(startMs, endMs) {
    this.band.hidden = startMs === null;
    if (startMs === null) return;
    this.marked = { startMs, endMs };
    this.band.style.left = `${this.x(startMs)}px`;
    this.band.style.width = `${this.x(endMs - startMs)}px`;
  }

  /** Show where a drag has snapped to, or nothing. */
  showGuide(ms) {
    this.guide.hidden = ms === null;
    if (ms !== null) this.guide.style.transform = `translateX(${this.x(ms)}px)`;
  }

  #changed() {
    if (!this.wrapper.isConnected) return;
    const msPerPixel = this.durationMs / this.width;
    const { scrollLeft, clientWidth } = this.scroller;
    const view = { left: scrollLeft, width: clientWidth, total: this.width, msPerPixel };
    this.ruler.show(view);
    if (!this.spectrumHost.hidden) this.spectrum.show(view);
    if (!this.band.hidden) this.mark(this.marked.startMs, this.marked.endMs);
    for (const listener of this.listeners) listener();
  }

  destroy() {
    this.redraw.stop();
    this.scheme.removeEventListener("change", this.recolour);
    this.surfer.destroy();
  }
}
