/** One song of the library: what it is, what is being done to it, and what can be done to it. */
import { api } from "../api.js";
import { clock, fullTitle, h, icon, iconButton, languageName, titleOf } from "../dom.js";
import { isOver, reasonOf, stageName, watchJob } from "../events.js";
import { announce, complain, sentenceOf } from "../messages.js";
import { alignSong, deleteSong, editDetails, regenerate } from "./actions.js";

const DOUBT_BELOW = 0.5; // the mean confidence under which a song is worth a second look

const KINDS = {
  align: "Aligning", realign: "Re-aligning", transcribe: "Writing down", video: "Making the video", stems: "Separating",
};
const FAILED = {
  align: "These words could not be put on the timeline.", realign: "The words could not be aligned again.",
  transcribe: "The recording could not be written down.", video: "The video could not be made.",
  stems: "Voice and music could not be separated.",
};

export class Card {
  /**
   * @param {any} song
   * @param {{engines: () => Promise<any[]>, service: any, onGone: (card: Card) => void}} options
   */
  constructor(song, options) {
    this.options = options;
    this.song = song;
    this.stop = () => undefined;
    this.element = h("li.card.song", { "data-song": song.id });
    this.show();
  }

  /** Takes the card away; nothing is followed any more. */
  remove() {
    this.stop();
    this.element.remove();
  }

  get ready() {
    return Boolean(this.song.alignment?.version);
  }

  /** Whether what failed has a way of its own to try again. */
  get mayTryAgain() {
    const { job } = this.song;
    return job?.state === "failed" && ["align", "transcribe"].includes(job.kind);
  }

  show() {
    const { song } = this;
    this.stop();
    this.stop = () => undefined;
    const job = song.job;
    const failed = job?.state === "failed";
    this.element.replaceChildren(this.head(), this.chips(), ...(failed ? [this.failure(job)] : []), this.actions());
    if (job && !isOver(job)) this.follow(job);
  }

  head() {
    const { song } = this;
    const title = titleOf(song);
    const name = this.ready ? h("a", { href: `#/songs/${song.id}/play`, text: title }) : title;
    const facts = [clock(song.duration_ms), languageName(song.alignment?.language ?? song.language)].filter(Boolean);
    return h("div.song-head", {}, h("h2", { dir: "auto" }, name),
      song.artist && h("p.song-artist", { text: song.artist, dir: "auto" }),
      h("div.song-facts", {}, h("p.small.quiet-text", { text: facts.join(" · ") }), this.more()));
  }

  chips() {
    const { alignment, job } = this.song;
    const chips = [];
    if (job && !isOver(job)) chips.push(h("span.chip.busy", { text: KINDS[job.kind] ?? "Working" }));
    else if (job?.state === "failed" && !this.ready) chips.push(h("span.chip.bad", { text: "Failed" }));
    else if (!this.ready) chips.push(h("span.chip", { text: "Not aligned yet" }));
    if (this.ready) chips.push(...readyChips(alignment));
    return h("div.chips", {}, ...chips);
  }

  /** @param {any} job */
  failure(job) {
    const why = h("p.small", { text: "…" });
    api.get(`jobs/${job.id}`).then(
      (whole) => { why.textContent = capital(reasonOf(whole)); },
      (error) => { why.textContent = sentenceOf(error); });
    const align = () => this.align();
    const again = { align, transcribe: align, realign: () => this.again() }[job.kind];
    return h("div.notice.trouble", {}, h("p", {}, h("strong", { text: FAILED[job.kind] ?? "A job failed." })), why,
      again && h("div.buttons", {}, h("button", { type: "button", onclick: again }, icon("again"), "Try again…")));
  }

  actions() {
    const { song, ready } = this;
    const title = titleOf(song);
    const to = (/** @type {string} */ page) => `#/songs/${song.id}/${page}`;
    const align = () => h("button.primary", { type: "button", onclick: () => this.align() }, icon("note"), "Align…");
    const main = ready
      ? [h("a.button.primary", { href: to("play"), "aria-label": `Play ${title}` }, icon("play"), "Play"),
        h("a.button", { href: to("edit"), "aria-label": `Edit ${title}` }, icon("edit"), "Edit"),
        h("a.button", { href: to("export"), "aria-label": `Export ${title}` }, icon("export"), "Export")]
      : [isOver(song.job) && !this.mayTryAgain && align()];
    return h("div.song-actions", {}, ...main);
  }

  more() {
    const title = titleOf(this.song);
    return h("span.song-more", {},
      this.ready && iconButton("again", `Align ${title} again`, { onclick: () => this.again() }),
      iconButton("details", `About ${title}`, { onclick: () => this.details() }),
      iconButton("delete", `Delete ${title}`, { onclick: () => this.erase() }));
  }

  /** Shows a job live. @param {any} job */
  follow(job) {
    const label = `${KINDS[job.kind] ?? "Working on"} ${titleOf(this.song)}`;
    const bar = /** @type {HTMLProgressElement} */ (h("progress", { max: 100, "aria-label": label }));
    const [stage, percent] = [h("span", { "aria-live": "polite" }), h("span", { "aria-hidden": "true" })];
    const cancel = h("button.link", { type: "button", text: "Cancel", "aria-label": `Cancel: ${label}` });
    cancel.addEventListener("click", () => {
      cancel.setAttribute("disabled", "");
      api.post(`jobs/${job.id}/cancel`).catch(complain);
    });
    const box = h("div.song-progress", {}, bar, h("div.progress-line", {}, stage, cancel, percent));
    this.element.querySelector(".chips")?.after(box);
    const paint = (/** @type {any} */ now) => {
      const name = now.cancel_wanted ? "Cancelling" : stageName(now);
      if (stage.textContent !== name) stage.textContent = name; // read out once, not with every percent
      percent.textContent = now.state === "queued" ? "" : `${Math.round(now.percent)} %`;
      if (now.state === "queued") bar.removeAttribute("value");
      else bar.value = now.percent;
    };
    paint(job);
    this.stop = watchJob(job.id, (now) => (isOver(now) ? this.over(now) : paint(now)), (error) => {
      stage.textContent = sentenceOf(error);
      cancel.remove();
    });
  }

  /** @param {any} job */
  async over(job) {
    const said = { done: "is ready", failed: "failed", cancelled: "was cancelled" }[job.state];
    const what = job.kind === "align" ? fullTitle(this.song) : `${KINDS[job.kind] ?? "A job"}: ${fullTitle(this.song)}`;
    announce(`${what} ${said}`);
    await this.refresh();
  }

  /** Gets the song anew. */
  async refresh() {
    try {
      this.song = await api.get(`songs/${this.song.id}`);
      const held = this.element.contains(document.activeElement);
      this.show();
      if (held) /** @type {HTMLElement|null} */ (this.element.querySelector("a, button"))?.focus();
    } catch (error) {
      if (error.status === 404) this.options.onGone(this);
      else complain(error);
    }
  }

  /** Opens a dialog of actions.js and shows what came of it. @param {(engines: any[]) => Promise<any>} open */
  async act(open) {
    try {
      if (await open(await this.options.engines())) await this.refresh();
    } catch (error) {
      complain(error);
    }
  }

  align() {
    return this.act((engines) => alignSong(this.song, { engines, service: this.options.service }));
  }

  again() {
    return this.act((engines) => regenerate(this.song, { engines }));
  }

  details() {
    return this.act(() => editDetails(this.song));
  }

  async erase() {
    try {
      if (!(await deleteSong(this.song))) return;
      announce(`${fullTitle(this.song)} is deleted`);
      this.options.onGone(this);
    } catch (error) {
      complain(error);
    }
  }
}

/** @param {any} alignment @returns {HTMLElement[]} */
function readyChips(alignment) {
  const chips = [];
  if (alignment.source === "user_corrected") chips.push(h("span.chip.good", { text: "Corrected" }));
  else chips.push(h("span.chip.good", { text: "Ready" }));
  const confidence = alignment.confidence_avg;
  if (typeof confidence === "number") {
    const text = `Confidence ${Math.round(100 * confidence)} %`;
    chips.push(h(confidence < DOUBT_BELOW ? "span.chip.warn" : "span.chip", { text }));
  }
  if (alignment.n_unsung) {
    const text = alignment.n_unsung === 1 ? "1 word not sung" : `${alignment.n_unsung} words not sung`;
    chips.push(h("span.chip", { text }));
  }
  return chips;
}

/** @param {unknown} sentence */
function capital(sentence) {
  const text = String(sentence);
  return text ? text[0].toUpperCase() + text.slice(1) : text;
}
