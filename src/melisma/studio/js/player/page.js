/** The player: karaoke over the whole page or the whole screen. The audio's own clock drives all that is seen. */
import { h, icon, iconButton, languageName, titleOf } from "../dom.js";
import { jobOver, reasonOf, stageName } from "../events.js";
import { complain, toast, troubleNotice } from "../messages.js";
import { loadStyle } from "../style.js";
import { Controls } from "./controls.js";
import { makeHelp } from "./help.js";
import { colourSong } from "./hues.js";
import { keysOf } from "./keys.js";
import { Sound } from "./sound.js";
import { Stage } from "./stage.js";
import { readTimeline } from "./timeline.js";

const IDLE_MS = 3000; // controls fade when the song plays and nothing was touched for this long

/** @type {import("../main.js").Mount} */
export async function mount(container, context) {
  const { api, songId, signal } = context;
  const style = loadStyle("css/player.css");
  const song = await api.get(`songs/${songId}`, { signal });
  const { alignment } = song;
  if (!alignment?.version) {
    container.append(h("h1", { text: titleOf(song) }),
      h("p.notice", { text: "The words of this song are not on its timeline yet: align it in the library first." }),
      h("p", {}, h("a", { href: "#/library", text: "To the library" })));
    return undefined;
  }
  const [words] = await Promise.all([
    api.get(`alignments/${alignment.id}`, { query: { version: alignment.version }, signal }), style,
  ]);
  const page = new PlayerPage(container, { ...context, song, words });
  return () => page.leave();
}

class PlayerPage {
  /** @param {HTMLElement} container @param {any} context */
  constructor(container, { api, song, words, service, signal }) {
    Object.assign(this, { api, song, service, signal });
    this.timeline = readTimeline(words);
    this.reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
    this.audio = /** @type {HTMLAudioElement} */ (h("audio", { preload: "auto" }));
    this.sound = new Sound(this.audio, this.timeline);
    this.controls = new Controls(this.sound, this.timeline);
    this.scheduled = 0;
    this.touchedAt = performance.now();
    this.make(words);
    this.uncolour = colourSong(titleOf(song));
    container.classList.add("player");
    document.body.classList.add("on-stage");
    container.append(this.top, this.view, this.followButton, this.trouble, this.controls.element, this.help, this.audio,
      this.announcer);
    this.root = container;
    this.wire();
    this.load();
    this.wake();
  }

  /** @param {any} words */
  make(words) {
    const language = words.language && words.language !== "und" ? words.language : "";
    this.lyrics = h("div.lyrics", { role: "group", "aria-label": "Lyrics", lang: language || null });
    this.view = h("div.stage", {}, this.lyrics);
    this.stage = new Stage(this.view, this.lyrics, this.timeline, this.reducedMotion);
    this.followButton = h("button.primary.follow", { type: "button", hidden: true, text: "Back to the song" });
    this.trouble = h("div.player-trouble", { hidden: true });
    this.announcer = h("p.unseen", { "aria-live": "off" });
    this.help = makeHelp((on) => this.announcer.setAttribute("aria-live", on ? "polite" : "off"));
    const back = { href: "#/library", "aria-label": "Back to the library", title: "Library" };
    this.top = h("div.player-top", {},
      h("a.button.quiet.round", back, icon("back")),
      h("div.player-song", {}, h("h1", { text: titleOf(this.song), dir: "auto" }),
        h("p.small.quiet-text", { text: this.details(words) })),
      this.tools());
  }

  tools() {
    const to = (/** @type {string} */ page) => `#/songs/${this.song.id}/${page}`;
    const link = (/** @type {string} */ page, /** @type {string} */ name, /** @type {string} */ label) =>
      h("a.button.quiet.round", { href: to(page), "aria-label": label, title: label }, icon(name));
    this.doubt = iconButton("doubt", "Show doubtful words", {
      title: "Show doubtful words (d)", "aria-pressed": "false", onclick: () => this.toggleDoubt(),
      hidden: !this.lyrics.querySelector(".doubtful"),
    });
    this.full = iconButton("full", "Full screen", {
      title: "Full screen (f)", onclick: () => this.toggleFull(), hidden: !document.fullscreenEnabled,
    });
    this.separate = h("button.quiet.separate", { type: "button", hidden: true, text: "Separate voice and music",
      onclick: () => this.askForStems() });
    const help = h("button.round.quiet", { type: "button", "aria-label": "Help and keyboard", title: "Help (?)",
      "aria-haspopup": "dialog", onclick: () => this.toggleHelp() }, h("span", { "aria-hidden": "true", text: "?" }));
    return h("div.player-tools", {}, this.separate, this.doubt, link("edit", "edit", "Edit the words"),
      link("export", "export", "Export"), this.full, help);
  }

  /** @param {any} words @returns {string} */
  details(words) {
    const facts = [this.song.artist, languageName(words.language)];
    if (words.engine) facts.push(`timed by ${words.engine}`);
    if (typeof words.confidence_avg === "number") facts.push(`confidence ${Math.round(100 * words.confidence_avg)} %`);
    if (!this.timeline.timed.length) facts.push("no word of these lyrics has a time");
    return facts.filter(Boolean).join(" · ");
  }

  /* ---- sound ---- */

  load() {
    const stems = this.song.stems ?? [];
    this.sound.load(this.api.url(`songs/${this.song.id}/audio`));
    if (stems.includes("vocals") && stems.includes("instrumental")) this.useStems();
    else this.separate.hidden = !this.service.stems;
  }

  useStems() {
    const url = (/** @type {string} */ stem) => this.api.url(`songs/${this.song.id}/stems/${stem}`);
    this.separate.hidden = true;
    this.sound.loadStems(url("instrumental"), url("vocals"));
    this.controls.showStems();
    this.sound.voice?.addEventListener("error", () => {
      if (!this.signal.aborted) this.complain("The voice did not come: load the page again.");
    });
  }

  async askForStems() {
    this.separate.setAttribute("disabled", "");
    try {
      const job = await this.api.post(`songs/${this.song.id}/stems`);
      const over = await jobOver(job.id, (now) => {
        this.separate.textContent = `${stageName(now)} ${Math.round(now.percent)} %`;
      }, this.signal);
      if (over.state !== "done") throw new Error(`voice and music were not separated: ${reasonOf(over)}`);
      this.useStems();
      toast("Voice and music each have a volume now.");
    } catch (error) {
      this.separate.removeAttribute("disabled");
      this.separate.textContent = "Separate voice and music";
      complain(error);
    }
  }

  /* ---- what is seen ---- */

  wake() {
    if (this.scheduled || this.signal.aborted) return;
    this.scheduled = requestAnimationFrame((now) => {
      this.scheduled = 0;
      const { playing, time } = this.sound;
      this.sound.hold(now);
      this.stage.paint(time, now, playing);
      this.controls.paint(time, this.stage.current);
      this.root.classList.toggle("idle", playing && now - this.touchedAt > IDLE_MS && !this.help.open);
      if (playing || this.stage.glide) this.wake();
    });
  }

  touched() {
    this.touchedAt = performance.now();
    this.root.classList.remove("idle");
  }

  /** @param {string} sentence */
  complain(sentence) {
    this.trouble.replaceChildren(troubleNotice(sentence));
    this.trouble.hidden = false;
  }

  /* ---- what the reader does ---- */

  toggleDoubt() {
    if (this.doubt.hidden) return;
    const shown = this.root.classList.toggle("doubt");
    this.doubt.setAttribute("aria-pressed", String(shown));
    for (const word of this.lyrics.querySelectorAll(".doubtful")) {
      word.title = shown ? `confidence ${word.dataset.confidence}` : "";
    }
  }

  toggleFull() {
    if (!document.fullscreenEnabled) return;
    const done = document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();
    done.catch(() => undefined); // the browser may say no; the page is as readable as before
  }

  toggleHelp() {
    if (this.help.open) this.help.close();
    else this.help.showModal();
  }

  /** @param {number} by */
  stepLine(by) {
    const inside = this.lyrics.contains(document.activeElement);
    this.sound.stepLine(by);
    this.stage.follow();
    this.stage.paint(this.sound.time, performance.now(), this.sound.playing);
    if (inside && this.stage.current) this.stage.lines[this.stage.current.index].focus({ preventScroll: true });
  }

  /** @param {MouseEvent} event */
  choose(event) {
    if (!getSelection()?.isCollapsed) return; // a text was selected, not a word chosen
    const target = /** @type {HTMLElement} */ (event.target);
    const word = /** @type {HTMLElement|null} */ (target.closest("[data-word]"));
    const line = /** @type {HTMLElement|null} */ (target.closest(".line"));
    if (word) this.sound.seekWord(Number(word.dataset.word));
    else if (line) this.sound.seekLine(Number(line.dataset.line));
  }

  wire() {
    const { signal, audio, stage } = this;
    addEventListener("keydown", (event) => keysOf(this, event), { signal });
    for (const name of ["pointermove", "pointerdown"]) {
      addEventListener(name, () => this.touched(), { passive: true, signal });
    }
    this.lyrics.addEventListener("click", (event) => this.choose(event));
    for (const name of ["wheel", "touchmove"]) {
      this.view.addEventListener(name, () => stage.letGo(performance.now()), { passive: true });
    }
    this.followButton.addEventListener("click", () => {
      stage.follow();
      this.wake();
    });
    stage.onFollow = (following) => { this.followButton.hidden = following; };
    stage.onLine = (line) => { this.announcer.textContent = line.words.map((word) => word.text).join(" "); };
    for (const name of ["play", "pause", "ended", "timeupdate", "loadedmetadata"]) {
      audio.addEventListener(name, () => this.wake());
    }
    audio.addEventListener("seeking", () => {
      if (!stage.following) stage.follow();
      this.wake();
    });
    audio.addEventListener("error", () => {
      if (!signal.aborted) this.complain(brokenSound(this.song));
    });
    this.resized = new ResizeObserver(() => {
      stage.centre(false);
      this.wake();
    });
    this.resized.observe(this.view);
    this.reducedMotion.addEventListener("change", () => this.wake(), { signal });
  }

  leave() {
    cancelAnimationFrame(this.scheduled);
    this.resized.disconnect();
    this.sound.stop();
    this.uncolour();
    document.body.classList.remove("on-stage");
    if (document.fullscreenElement) document.exitFullscreen().catch(() => undefined);
  }
}

/** @param {any} song */
function brokenSound(song) {
  return `The recording (${song.media_type}) did not come, or this browser cannot play it. ` +
    "Load the page again; if that changes nothing, upload the song as MP3, Ogg, M4A, FLAC or WAV.";
}
