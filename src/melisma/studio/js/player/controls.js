/** The bar below the lyrics: where the song is, how fast and how loud it is. */
import { clock, h, icon, iconButton } from "../dom.js";
import { FASTEST, SLOWEST, SPEED_STEP } from "./sound.js";
import { clamp } from "./timeline.js";

export class Controls {
  /**
   * @param {import("./sound.js").Sound} sound
   * @param {import("./timeline.js").Timeline} timeline
   */
  constructor(sound, timeline) {
    this.sound = sound;
    this.timeline = timeline;
    this.second = "";
    this.make();
    this.wire();
    this.drawMap();
    this.paintLength();
    this.paintSound();
    this.paintSpeed();
  }

  make() {
    const { sound } = this;
    const press = (/** @type {() => void} */ onclick) => ({ onclick });
    this.now = h("output", { "aria-label": "Elapsed", text: "0:00" });
    this.total = h("output", { "aria-label": "Length", text: "0:00" });
    this.map = h("div.map", { "aria-hidden": "true" });
    this.seek = range("Position in the song", { max: 1, step: "any", value: 0 });
    this.seek.classList.add("seek");
    this.bar = h("div.bar", {}, this.map, this.seek);
    this.slower = iconTextButton("−", "Slower", "Slower ([)", () => sound.setSpeed(sound.speed - SPEED_STEP));
    this.faster = iconTextButton("+", "Faster", "Faster (])", () => sound.setSpeed(sound.speed + SPEED_STEP));
    this.speed = h("button.quiet.speed-value", { type: "button", title: "Back to normal speed",
      ...press(() => sound.setSpeed(1)) });
    this.play = h("button.play", { type: "button", title: "Play or pause (space)", ...press(() => sound.toggle()) });
    this.mute = iconButton("sound", "Mute", { "aria-pressed": "false", title: "Mute (m)",
      ...press(() => sound.mute(!sound.clock.muted)) });
    this.mute.classList.add("mute");
    this.volumes = h("div.volumes", {}, this.volume("music", "Volume"));
    this.element = h("div.player-controls", { role: "group", "aria-label": "Player" },
      h("div.timeline", {}, this.now, this.bar, this.total),
      h("div.row", {},
        h("div.speed", { role: "group", "aria-label": "Speed" }, this.slower, this.speed, this.faster),
        h("div.transport", {},
          iconButton("previous", "Previous line", { title: "Previous line (↑)", ...press(() => sound.stepLine(-1)) }),
          this.play,
          iconButton("next", "Next line", { title: "Next line (↓)", ...press(() => sound.stepLine(1)) })),
        h("div.volume", {}, this.mute, this.volumes)));
  }

  /** @param {"music"|"voice"} part @param {string} label */
  volume(part, label) {
    const input = range(label, { max: 1, step: 0.05, value: 1 });
    input.dataset.part = part;
    input.addEventListener("input", () => this.sound.setVolume(part, Number(input.value)));
    return h("label.one-volume", {}, h("span.small", { text: label }), input);
  }

  /** Two volumes in place of one: the song has been separated. */
  showStems() {
    this.volumes.replaceChildren(this.volume("voice", "Voice"), this.volume("music", "Music"));
    this.element.classList.add("with-stems");
    this.sound.voice?.addEventListener("volumechange", () => this.paintSound());
    this.paintSound();
  }

  wire() {
    const { clock: audio } = this.sound;
    this.seek.addEventListener("input", () => this.sound.seek(Number(this.seek.value)));
    for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, () => this.paintState());
    audio.addEventListener("volumechange", () => this.paintSound());
    audio.addEventListener("ratechange", () => this.paintSpeed());
    audio.addEventListener("durationchange", () => {
      this.drawMap();
      this.paintLength();
    });
    // A click must not leave the focus on a button, or the next space would press it instead of pausing the song.
    this.element.addEventListener("mousedown", (event) => {
      if (/** @type {HTMLElement} */ (event.target).closest("button")) event.preventDefault();
    });
    this.paintState();
  }

  /** Where there is singing, on the bar. */
  drawMap() {
    const { duration } = this.sound;
    if (!(duration > 0)) return;
    const sung = this.timeline.timedLines;
    this.map.replaceChildren(h("i.done"), ...sung.map((line) => h("i", { style: {
      left: `${(100 * line.start) / duration}%`, width: `${(100 * (line.end - line.start)) / duration}%`,
    } })));
  }

  paintLength() {
    this.seek.max = String(this.sound.duration);
    this.total.textContent = clock(1000 * this.sound.duration);
  }

  paintState() {
    const { playing } = this.sound;
    this.play.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.play.replaceChildren(icon(playing ? "pause" : "play"));
  }

  paintSound() {
    const { clock: audio, voice } = this.sound;
    const silent = audio.muted || (audio.volume === 0 && (voice?.volume ?? 0) === 0);
    this.mute.setAttribute("aria-pressed", String(silent));
    this.mute.replaceChildren(icon(silent ? "muted" : "sound"));
    for (const input of this.volumes.querySelectorAll("input")) {
      const element = input.dataset.part === "voice" ? voice : audio;
      if (!element) continue;
      input.value = String(element.muted ? 0 : element.volume);
      input.style.setProperty("--share", input.value);
      input.setAttribute("aria-valuetext", `${Math.round(100 * Number(input.value))} percent`);
    }
  }

  paintSpeed() {
    const { speed } = this.sound;
    this.speed.textContent = `${speed}×`;
    this.speed.setAttribute("aria-label", `Speed ${speed}: back to normal`);
    this.slower.disabled = speed <= SLOWEST;
    this.faster.disabled = speed >= FASTEST;
  }

  /** @param {number} time @param {import("./timeline.js").Line|null} line - The one in the middle. */
  paint(time, line) {
    const { duration } = this.sound;
    this.seek.value = String(time);
    this.bar.style.setProperty("--share", String(duration ? clamp(time / duration, 0, 1) : 0));
    const second = clock(1000 * time);
    if (second === this.second) return;
    this.second = second;
    this.now.textContent = second;
    const where = line ? `, line ${line.index + 1} of ${this.timeline.lines.length}` : "";
    this.seek.setAttribute("aria-valuetext", `${second} of ${clock(1000 * duration)}${where}`);
  }
}

/** @param {string} label @param {Record<string, unknown>} attributes @returns {HTMLInputElement} */
function range(label, attributes) {
  return /** @type {HTMLInputElement} */ (h("input", { type: "range", min: 0, "aria-label": label, ...attributes }));
}

/** @param {string} text @param {string} label @param {string} title @param {() => void} onclick */
function iconTextButton(text, label, title, onclick) {
  const made = h("button.round.quiet", { type: "button", "aria-label": label, title, onclick },
    h("span", { "aria-hidden": "true", text }));
  return /** @type {HTMLButtonElement} */ (made);
}
