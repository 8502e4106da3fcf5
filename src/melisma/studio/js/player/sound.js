/** What is heard: the recording, or, where it was separated, voice and music beside each other. The clock of everything
 that is seen is that of one audio element; the other one is held to it. */
import { h } from "../dom.js";
import { clamp, countBegun } from "./timeline.js";

export const SLOWEST = 0.5;
export const FASTEST = 1.5;
export const SPEED_STEP = 0.1;
const BACK_TO_START_S = 1.5; // "previous" within this time of a line's start goes to the line before it
const APART_S = 0.04; // further than this apart, voice and music are heard as two
const NUDGE_S = 0.25; // closer than this the second element is hurried, not moved: moving it is heard
const LOOK_EVERY_MS = 250;

export class Sound {
  /**
   * @param {HTMLAudioElement} clock
   * @param {import("./timeline.js").Timeline} timeline
   */
  constructor(clock, timeline) {
    this.clock = clock;
    this.timeline = timeline;
    this.speed = 1;
    this.looked = 0;
    /** @type {HTMLAudioElement|null} */
    this.voice = null;
    clock.preservesPitch = true;
  }

  /** @param {string} url - Of the recording. */
  load(url) {
    this.clock.src = url;
  }

  /**
   * Plays music and voice from now on, each with a volume of its own. The place in the song stays.
   * @param {string} music @param {string} voice - Addresses.
   */
  loadStems(music, voice) {
    const at = this.clock.currentTime;
    this.voice = /** @type {HTMLAudioElement} */ (h("audio", { preload: "auto", src: voice }));
    this.voice.preservesPitch = true;
    this.clock.after(this.voice);
    this.clock.src = music;
    this.clock.addEventListener("loadedmetadata", () => this.seek(at), { once: true });
    for (const name of ["play", "playing", "pause", "waiting", "seeking", "seeked", "ratechange", "ended"]) {
      this.clock.addEventListener(name, () => this.pull());
    }
    this.setSpeed(this.speed);
  }

  /** Does with the voice what the music does. */
  pull() {
    const { voice, clock } = this;
    if (!voice) return;
    const still = clock.paused || clock.seeking || clock.readyState < HTMLMediaElement.HAVE_FUTURE_DATA;
    voice.playbackRate = clock.playbackRate;
    if (still) voice.pause();
    if (Math.abs(voice.currentTime - clock.currentTime) > APART_S) voice.currentTime = clock.currentTime;
    if (!still && voice.paused && !clock.ended) voice.play().catch(() => undefined);
  }

  /** Brings the voice back to the music's clock where they drift. @param {number} now - Of the frame. */
  hold(now) {
    const { voice, clock } = this;
    if (!voice || clock.paused || voice.seeking || now - this.looked < LOOK_EVERY_MS) return;
    this.looked = now;
    const ahead = voice.currentTime - clock.currentTime;
    if (Math.abs(ahead) > NUDGE_S) voice.currentTime = clock.currentTime;
    voice.playbackRate = clock.playbackRate * (Math.abs(ahead) > APART_S / 2 ? 1 - clamp(ahead, -0.05, 0.05) : 1);
  }

  get time() {
    return this.clock.currentTime;
  }

  get duration() {
    return Number.isFinite(this.clock.duration) ? this.clock.duration : this.timeline.duration;
  }

  get playing() {
    return !this.clock.paused;
  }

  toggle() {
    if (!this.clock.paused) this.clock.pause();
    // A refusal to play reaches the reader through the audio's own error event; an interrupted start is no fault.
    else this.clock.play().catch(() => undefined);
  }

  /** @param {number} time */
  seek(time) {
    this.clock.currentTime = clamp(time, 0, this.duration);
  }

  /** @param {number} seconds */
  step(seconds) {
    this.seek(this.time + seconds);
  }

  /** To the start of a line, or for a line without times to the next one that has them. @param {number} index */
  seekLine(index) {
    const { lines, timedLines } = this.timeline;
    const timed = lines[index].start !== undefined ? lines[index] : undefined;
    const line = timed ?? timedLines.find((candidate) => candidate.index >= index) ?? timedLines.at(-1);
    if (line) this.seek(line.start);
  }

  /** @param {number} index */
  seekWord(index) {
    const { timed, words } = this.timeline;
    const { line } = words[index];
    const word = words[index].timed ? words[index] : timed.find((one) => one.index > index && one.line === line);
    if (word) this.seek(word.start);
    else this.seekLine(line);
  }

  /** @param {number} by */
  stepLine(by) {
    const { timedLines } = this.timeline;
    const at = countBegun(timedLines, "start", this.time) - 1;
    const inside = at >= 0 && this.time - timedLines[at].start > BACK_TO_START_S;
    const to = by < 0 && inside ? at : at + by;
    if (to < 0) this.seek(0);
    else if (to < timedLines.length) this.seek(timedLines[to].start);
  }

  /** @param {number} by */
  stepWord(by) {
    const { timed } = this.timeline;
    const to = countBegun(timed, "start", this.time) - 1 + by;
    if (timed.length) this.seek(timed[clamp(to, 0, timed.length - 1)].start);
  }

  /** @param {number} speed - 0.5 to 1.5; the pitch stays. */
  setSpeed(speed) {
    this.speed = clamp(Math.round(speed * 10) / 10, SLOWEST, FASTEST);
    this.clock.defaultPlaybackRate = this.speed; // loading another source goes back to this
    this.clock.playbackRate = this.speed;
  }

  /** @param {"music"|"voice"} part @param {number} volume - 0 to 1. Music is the whole where nothing is separated. */
  setVolume(part, volume) {
    const element = part === "voice" ? this.voice : this.clock;
    if (!element) return;
    element.volume = volume;
    this.mute(false);
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.clock.muted = muted;
    if (this.voice) this.voice.muted = muted;
  }

  stop() {
    for (const element of [this.clock, this.voice]) {
      element?.pause();
      element?.removeAttribute("src");
      element?.load(); // lets go of the connection
    }
  }
}
