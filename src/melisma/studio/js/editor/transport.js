/** Playing the recording: a stretch once, a stretch again and again, slower with its pitch kept. */

/**
 * @typedef {{startMs: number, endMs: number, loop: boolean}} Stretch
 */

/** An audio element that stops, or goes back, where a stretch ends. */
export class Transport {
  /**
   * @param {HTMLAudioElement} audio
   * @param {(ms: number) => void} tell called with the position at each frame while it plays, and when it moves
   */
  constructor(audio, tell) {
    this.audio = audio;
    this.tell = tell;
    /** @type {Stretch | null} */
    this.stretch = null;
    this.frame = 0;
    this.controller = new AbortController();
    const { signal } = this.controller;
    audio.preservesPitch = true;
    audio.addEventListener("play", () => this.#follow(), { signal });
    for (const name of ["pause", "seeked", "loadedmetadata"]) {
      audio.addEventListener(name, () => tell(this.ms), { signal });
    }
  }

  get ms() {
    return this.audio.currentTime * 1000;
  }

  get playing() {
    return !this.audio.paused;
  }

  get rate() {
    return this.audio.playbackRate;
  }

  set rate(rate) {
    this.audio.playbackRate = rate;
  }

  seek(ms) {
    this.audio.currentTime = Math.max(0, ms) / 1000;
    this.tell(Math.max(0, ms));
  }

  /** Play from where it stands; whatever stretch was set is over. */
  async play() {
    this.stretch = null;
    await this.#start();
  }

  /**
   * Play a stretch, once or again and again.
   * @param {number} startMs
   * @param {number} endMs
   * @param {boolean} [loop]
   */
  async playStretch(startMs, endMs, loop = false) {
    this.seek(startMs);
    this.stretch = { startMs, endMs, loop };
    await this.#start();
  }

  pause() {
    this.stretch = null;
    this.audio.pause();
  }

  async toggle() {
    if (this.playing) this.pause();
    else await this.play();
  }

  async #start() {
    try {
      await this.audio.play();
    } catch (error) {
      // A pause that came before the sound did; anything else the audio element reports by its own event.
      if (!(error instanceof DOMException) || error.name !== "AbortError") throw error;
    }
  }

  #follow() {
    cancelAnimationFrame(this.frame);
    const step = () => {
      if (this.audio.paused) return;
      this.#keepWithin();
      this.tell(this.ms);
      this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  #keepWithin() {
    if (!this.stretch || this.ms < this.stretch.endMs) return;
    if (this.stretch.loop) {
      this.audio.currentTime = this.stretch.startMs / 1000;
    } else {
      const { endMs } = this.stretch;
      this.pause();
      this.seek(endMs);
    }
  }

  destroy() {
    this.controller.abort();
    cancelAnimationFrame(this.frame);
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.audio.load();
  }
}
