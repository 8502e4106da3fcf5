/** The form that asks for a karaoke video, and its job until the video can be taken home. */
import { dateOf, field, h, icon, iconButton, select, sizeOf, titleOf } from "../dom.js";
import { isOver, jobOver, reasonOf, stageName } from "../events.js";
import { announce, complain, confirm, troubleNotice } from "../messages.js";

/** @type {[string, string][]} */
const SIZES = [
  ["1280x720", "1280 × 720 (HD)"], ["1920x1080", "1920 × 1080 (Full HD)"], ["854x480", "854 × 480 (small)"],
  ["3840x2160", "3840 × 2160 (4K)"], ["1080x1920", "1080 × 1920 (upright)"], ["1080x1080", "1080 × 1080 (square)"],
];
const COLOURS = { unsung: ["To be sung", "#ffffff"], sung: ["Sung", "#ffb000"], backing: ["Backing voice", "#7fc8ff"],
  outline: ["Outline", "#181820"] };
const BACKGROUND = "#101018";
const DIM = 0.45; // of a picture, so that words can be read
const PICTURE_BYTES = 20_000_000;

export class VideoForm {
  /** @param {{api: any, song: any, signal: AbortSignal}} options */
  constructor({ api, song, signal }) {
    Object.assign(this, { api, song, signal });
    this.made = h("div.video-made", { "aria-live": "polite" });
    this.videos = h("div.videos");
    this.fields = this.makeFields();
    this.preview = h("div.video-preview", { "aria-hidden": "true" },
      h("p", {}, h("span.sung", { text: "What was sung " }), h("span", { text: "and what comes" })),
      h("p.backing", { text: "(and the others)" }));
    this.send = h("button.primary", { type: "submit" }, icon("export"), "Make the video");
    const form = /** @type {HTMLFormElement} */ (h("form.video", {}, h("div.video-fields", {}, ...this.rows()),
      h("div.video-side", {}, this.preview, h("div.buttons", {}, this.send), this.made, this.videos)));
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
      container: select([["mp4", "MP4, plays everywhere"], ["webm", "WebM, free formats"]]),
      size: select(SIZES),
      fps: select(["24", "25", "30", "50", "60"].map((n) => [n, `${n} frames a second`]), { value: "30" }),
      font: select([["", "The service's choice"]]),
      fontSize: h("input", { type: "number", min: 8, max: 540, step: 1, placeholder: "Fits the size" }),
      countIn: h("input", { type: "checkbox", checked: true }),
      dim: h("input", { type: "range", min: 0, max: 1, step: 0.05, value: DIM }),
      audio: select([["song", "The whole song"], ...(stems ? [["instrumental", "Music without the voice"]] : [])]),
      background: colourField(BACKGROUND),
      picture,
      ...Object.fromEntries(Object.entries(COLOURS).map(([key, [, value]]) => [key, colourField(value)])),
    };
  }

  rows() {
    const { container, size, fps, font, fontSize, audio, background, picture, dim, countIn } = this.fields;
    const colours = Object.entries(COLOURS).map(([key, [label]]) => field(label, this.fields[key]));
    return [
      h("div.fields", {}, field("Kind", container), field("Size", size), field("Frame rate", fps),
        field("Sound", audio), field("Font", font), field("Font size, in pixels", fontSize)),
      h("fieldset.colours", {}, h("legend", { text: "Colours" }), ...colours, field("Background", background)),
      h("div.fields", {}, field("Picture behind the words", picture, "PNG, JPEG or WebP; cut to the size."),
        field("How much it is dimmed", dim)),
      h("label.choice", {}, countIn, h("span", { text: "Count singers in with dots after a pause" })),
    ];
  }

  /** Fills what the service has to be asked for, and picks up a video that is being made. */
  async begin() {
    const job = this.song.job;
    if (job?.kind === "video" && !isOver(job)) this.follow(job);
    try {
      const found = await this.api.get("fonts", { signal: this.signal });
      const names = found.fonts.filter((/** @type {string} */ name) => name !== found.default);
      this.fields.font.options[0].textContent = found.default;
      this.fields.font.append(...names.map((/** @type {string} */ name) => h("option", { value: name, text: name })));
      await this.list();
    } catch (error) {
      complain(error);
    }
  }

  paintPreview() {
    const { style } = this.preview;
    for (const key of Object.keys(COLOURS)) style.setProperty(`--video-${key}`, this.fields[key].value);
    style.setProperty("--video-background", this.fields.background.value);
    style.setProperty("--video-dim", `${100 * Number(this.fields.dim.value)}%`);
    const [width, height] = this.fields.size.value.split("x");
    style.setProperty("--video-shape", `${width} / ${height}`);
    const file = this.fields.picture.files?.[0];
    if (file === this.shown) return;
    this.shown = file;
    if (this.pictureUrl) URL.revokeObjectURL(this.pictureUrl);
    this.pictureUrl = file ? URL.createObjectURL(file) : "";
    style.setProperty("--video-picture", file ? `url("${this.pictureUrl}")` : "none");
  }

  /** @returns {Record<string, unknown>} What was chosen, as the service reads it. */
  read() {
    const { container, size, fps, font, fontSize, audio, background, dim, countIn } = this.fields;
    const [width, height] = size.value.split("x").map(Number);
    const colours = Object.fromEntries(Object.keys(COLOURS).map((key) => [key, this.fields[key].value]));
    return {
      container: container.value, width, height, fps: Number(fps.value), audio: audio.value, colours,
      background: background.value, version: this.song.alignment.version, count_in: countIn.checked,
      dim: Number(dim.value),
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
    const { colours, ...plain } = wish;
    for (const [key, value] of Object.entries({ ...plain, ...colours })) form.append(key, String(value));
    form.append("picture", picture, picture.name);
    return this.api.upload(path, form);
  }

  /** Shows a video's job until it is over. @param {any} job */
  async follow(job) {
    this.send.setAttribute("disabled", "");
    const bar = /** @type {HTMLProgressElement} */ (h("progress", { max: 100, "aria-label": "The video" }));
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
      const why = job.state === "cancelled" ? "The video was cancelled." : `No video: ${reasonOf(job)}`;
      this.made.replaceChildren(troubleNotice(why));
      return;
    }
    const href = this.api.url(`videos/${job.result.video_id}`);
    const warnings = (job.result.warnings ?? []).map((/** @type {string} */ text) => h("p.notice.warning", { text }));
    const link = h("a.button.primary", { href, download: true }, icon("export"), "Download the video");
    this.made.replaceChildren(link, ...warnings);
    announce(`The video of ${titleOf(this.song)} is ready`);
    this.list().catch(complain);
  }

  /** Shows the videos that there are. */
  async list() {
    const { items } = await this.api.get(`alignments/${this.song.alignment.id}/videos`, { signal: this.signal });
    const rows = items.map((/** @type {any} */ video) => this.row(video));
    const parts = rows.length ? [h("h3", { text: "Videos made before" }), h("ul", {}, ...rows)] : [];
    this.videos.replaceChildren(...parts);
  }

  /** @param {any} video */
  row(video) {
    const kind = video.media_type.split("/").pop().toUpperCase();
    const name = `${kind}, ${sizeOf(video.size_bytes)}, ${dateOf(video.created_at)}`;
    const gone = async () => {
      const question = { title: "Delete this video?", text: `${name} is removed for good.`, action: "Delete" };
      if (!(await confirm(question))) return;
      await this.api.remove(`videos/${video.id}`);
      this.made.replaceChildren();
      await this.list();
    };
    return h("li", {}, h("a", { href: this.api.url(`videos/${video.id}`), download: true, text: name }),
      iconButton("delete", `Delete ${name}`, { onclick: () => gone().catch(complain) }));
  }
}

/** @param {string} value - #rrggbb. */
function colourField(value) {
  return h("input", { type: "color", value });
}
