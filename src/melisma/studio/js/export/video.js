/** The form that asks for a karaoke film, and its job until the film can be taken home. */
import { field, h, icon, select, sizeOf, titleOf } from "../dom.js";
import { isOver, jobOver, reasonOf, stageName } from "../events.js";
import { announce, complain, troubleNotice } from "../messages.js";

/** @type {[string, string][]} */
const SIZES = [
  ["1280x720", "1280 × 720 (HD)"], ["1920x1080", "1920 × 1080 (Full HD)"], ["854x480", "854 × 480 (small)"],
  ["3840x2160", "3840 × 2160 (4K)"], ["1080x1920", "1080 × 1920 (upright)"], ["1080x1080", "1080 × 1080 (square)"],
];
const COLOURS = { unsung: ["To be sung", "#ffffff"], sung: ["Sung", "#ffb000"], backing: ["Backing voice", "#7fc8ff"],
  outline: ["Outline", "#181820"] };
const BACKGROUND = "#101018";
const PICTURE_BYTES = 20_000_000;

export class VideoForm {
  /** @param {{api: any, song: any, signal: AbortSignal}} options */
  constructor({ api, song, signal }) {
    Object.assign(this, { api, song, signal });
    this.made = h("div.film-made", { "aria-live": "polite" });
    this.fields = this.makeFields();
    this.preview = h("div.film-preview", { "aria-hidden": "true" },
      h("p", {}, h("span.sung", { text: "What was sung " }), h("span", { text: "and what comes" })),
      h("p.backing", { text: "(and the others)" }));
    this.send = h("button.primary", { type: "submit" }, icon("export"), "Make the film");
    const form = /** @type {HTMLFormElement} */ (h("form.film", {}, h("div.film-fields", {}, ...this.rows()),
      h("div.film-side", {}, this.preview, h("div.buttons", {}, this.send), this.made)));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    form.addEventListener("input", () => this.paintPreview());
    this.element = form;
    this.paintPreview();
  }

  makeFields() {
    const stems = this.song.stems?.includes("instrumental");
    const picture = h("input", { type: "file", accept: "image/png,image/jpeg,image/webp" });
    return {
      container: select([["mp4", "MP4 (H.264), plays everywhere"], ["webm", "WebM (VP9), free formats"]]),
      size: select(SIZES),
      fps: select(["24", "25", "30", "50", "60"].map((n) => [n, `${n} a second`]), { value: "30" }),
      font: select([["", "The service's choice"]]),
      fontSize: h("input", { type: "number", min: 8, max: 540, step: 1, placeholder: "Fits the size" }),
      audio: select([["song", "The whole song"], ...(stems ? [["instrumental", "Music without the voice"]] : [])]),
      background: colourField(BACKGROUND),
      picture,
      ...Object.fromEntries(Object.entries(COLOURS).map(([key, [, value]]) => [key, colourField(value)])),
    };
  }

  rows() {
    const { container, size, fps, font, fontSize, audio, background, picture } = this.fields;
    const colours = Object.entries(COLOURS).map(([key, [label]]) => field(label, this.fields[key]));
    return [
      h("div.fields", {}, field("Kind", container), field("Size", size), field("Pictures", fps), field("Sound", audio)),
      h("div.fields", {}, field("Font", font), field("Letters, in pixels", fontSize)),
      h("fieldset.colours", {}, h("legend", { text: "Colours" }), ...colours, field("Background", background)),
      field("Picture behind the words", picture, "PNG, JPEG or WebP; it is cut to the size and dimmed."),
    ];
  }

  /** Fills what the service has to be asked for, and picks up a film that is being made. */
  async begin() {
    const job = this.song.job;
    if (job?.kind === "video" && !isOver(job)) this.follow(job);
    try {
      const found = await this.api.get("fonts", { signal: this.signal });
      const names = (found.fonts ?? found.items ?? []).map((/** @type {any} */ font) => font.name ?? font);
      this.fields.font.append(...names.map((/** @type {string} */ name) => h("option", { value: name, text: name })));
    } catch (error) {
      complain(error);
    }
  }

  paintPreview() {
    const { style } = this.preview;
    for (const key of Object.keys(COLOURS)) style.setProperty(`--film-${key}`, this.fields[key].value);
    style.setProperty("--film-background", this.fields.background.value);
    const [width, height] = this.fields.size.value.split("x");
    style.setProperty("--film-shape", `${width} / ${height}`);
    const file = this.fields.picture.files?.[0];
    if (file === this.shown) return;
    this.shown = file;
    if (this.pictureUrl) URL.revokeObjectURL(this.pictureUrl);
    this.pictureUrl = file ? URL.createObjectURL(file) : "";
    style.setProperty("--film-picture", file ? `url("${this.pictureUrl}")` : "none");
  }

  /** @returns {Record<string, unknown>} What was chosen, as the service reads it. */
  read() {
    const { container, size, fps, font, fontSize, audio, background } = this.fields;
    const [width, height] = size.value.split("x").map(Number);
    const colours = Object.fromEntries(Object.keys(COLOURS).map((key) => [key, this.fields[key].value]));
    return {
      container: container.value, width, height, fps: Number(fps.value), audio: audio.value, colours,
      background: background.value, version: this.song.alignment.version,
      ...(font.value && { font: font.value }), ...(fontSize.value && { font_size: Number(fontSize.value) }),
    };
  }

  async ask() {
    this.send.setAttribute("disabled", "");
    try {
      this.follow(await this.post(this.read()));
    } catch (error) {
      this.send.removeAttribute("disabled");
      this.made.replaceChildren(troubleNotice(error));
    }
  }

  /** @param {Record<string, unknown>} wish @returns {Promise<any>} The job. */
  post(wish) {
    const path = `alignments/${this.song.alignment.id}/videos`;
    const picture = this.fields.picture.files?.[0];
    if (!picture) return this.api.post(path, wish);
    if (picture.size > PICTURE_BYTES) throw new Error(`the picture has ${sizeOf(picture.size)}: take one below 20 MB`);
    const form = new FormData();
    for (const [key, value] of Object.entries(wish)) {
      form.append(key, typeof value === "object" ? JSON.stringify(value) : String(value));
    }
    form.append("picture", picture, picture.name);
    return this.api.upload(path, form);
  }

  /** Shows a film's job until it is over. @param {any} job */
  async follow(job) {
    this.send.setAttribute("disabled", "");
    const bar = /** @type {HTMLProgressElement} */ (h("progress", { max: 100, "aria-label": "The film" }));
    const [stage, percent] = [h("span"), h("span", { "aria-hidden": "true" })];
    const cancel = h("button.link", { type: "button", text: "Cancel" });
    cancel.addEventListener("click", () => this.api.post(`jobs/${job.id}/cancel`).catch(complain));
    this.made.replaceChildren(bar, h("div.progress-line", {}, stage, cancel, percent));
    const paint = (/** @type {any} */ now) => {
      if (stage.textContent !== stageName(now)) stage.textContent = stageName(now);
      percent.textContent = `${Math.round(now.percent)} %`;
      bar.value = now.percent;
    };
    try {
      paint(job);
      this.show(await jobOver(job.id, paint, this.signal));
    } catch (error) {
      if (error.name !== "AbortError") this.made.replaceChildren(troubleNotice(error));
    } finally {
      this.send.removeAttribute("disabled");
    }
  }

  /** @param {any} job - That is over. */
  show(job) {
    if (job.state !== "done") {
      const why = job.state === "cancelled" ? "The film was cancelled." : `No film: ${reasonOf(job)}`;
      this.made.replaceChildren(troubleNotice(why));
      return;
    }
    const href = this.api.url(`videos/${job.result.video_id}`);
    const size = job.result.size_bytes ? ` (${sizeOf(job.result.size_bytes)})` : "";
    const warnings = (job.result.warnings ?? []).map((/** @type {string} */ text) => h("p.notice.warning", { text }));
    const link = h("a.button.primary", { href, download: true }, icon("export"), `Download the film${size}`);
    this.made.replaceChildren(link, ...warnings);
    announce(`The film of ${titleOf(this.song)} is ready`);
  }
}

/** @param {string} value - #rrggbb. */
function colourField(value) {
  return h("input", { type: "color", value });
}
