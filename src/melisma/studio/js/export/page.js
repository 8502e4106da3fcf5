/** Taking the karaoke home: every format that the service writes, and a video. */
import { fullTitle, h, icon, titleOf } from "../dom.js";
import { loadStyle } from "../style.js";
import { VideoForm } from "./video.js";

/** What a format is good for, in the words of somebody who sings. @type {Record<string, [string, string]>} */
const USES = {
  html: ["Karaoke page", "One file that plays the song in any browser, also without a network."],
  json: ["Melisma JSON", "Everything, to the millisecond; can be read back."],
  lrc: ["LRC", "Lines with times, for music players."],
  elrc: ["Enhanced LRC", "Words with times, for music players."],
  srt: ["SRT", "Subtitles for nearly every video player."],
  vtt: ["WebVTT", "Subtitles for the web, with words that light up."],
  ass: ["ASS", "Subtitles with karaoke fill, for mpv, VLC and video editors."],
  ttml: ["TTML", "Timed text for television and streaming."],
  textgrid: ["TextGrid", "Tiers for Praat and phonetics."],
  ultrastar: ["UltraStar", "Songs for UltraStar and its kin."],
  "word-timestamps": ["Word timestamps", "The JSON that speech services give."],
};

/** @type {import("../main.js").Mount} */
export async function mount(container, { api, songId, service, signal }) {
  const [song] = await Promise.all([api.get(`songs/${songId}`, { signal }), loadStyle("css/export.css")]);
  const { alignment } = song;
  if (!alignment?.version) {
    container.append(h("h1", { text: titleOf(song) }),
      h("p.notice", { text: "The words of this song are not on its timeline yet: align it in the library first." }),
      h("p", {}, h("a", { href: "#/library", text: "To the library" })));
    return undefined;
  }
  const { formats } = await api.get("formats", { signal });
  container.append(head(song), downloads(api, alignment, formats));
  const section = h("section.export-part", { "aria-labelledby": "video-title" },
    h("h2", { id: "video-title", text: "A karaoke video" }));
  container.append(section);
  if (!service.video) {
    section.append(h("p.notice", { text: "Videos need ffmpeg, which is not installed where the service runs." }));
    return undefined;
  }
  const form = new VideoForm({ api, song, signal });
  section.append(form.element);
  await form.begin();
  return undefined;
}

/** @param {any} song */
function head(song) {
  return h("div.page-head", {}, h("div", {},
    h("a.trail", { href: "#/library" }, icon("back"), "Library"),
    h("h1", { text: `Export ${fullTitle(song)}`, dir: "auto" })),
    h("div.buttons", {}, h("a.button", { href: `#/songs/${song.id}/play` }, icon("play"), "Play"),
      h("a.button", { href: `#/songs/${song.id}/edit` }, icon("edit"), "Edit")));
}

/** @param {any} api @param {any} alignment @param {any[]} formats */
function downloads(api, alignment, formats) {
  const order = Object.keys(USES);
  const place = (/** @type {string} */ name) => (order.indexOf(name) + 1 || order.length + 1);
  const sorted = [...formats].sort((a, b) => place(a.name) - place(b.name));
  return h("section.export-part", { "aria-labelledby": "files-title" }, h("h2", { id: "files-title", text: "Files" }),
    h("ul.formats", {}, ...sorted.map((format) => {
      const [name, use] = USES[format.name] ?? [format.name, format.description];
      const href = api.url(`alignments/${alignment.id}`, { format: format.name, version: alignment.version });
      const suffix = (format.suffixes?.[0] ?? ".txt").replace(/^.*\./, ".");
      return h("li.card.format", { "data-format": format.name },
        h("div", {}, h("h3", { text: name }), h("p.small.quiet-text", { text: use })),
        h("a.button", { href, download: true, "aria-label": `Download ${name} as ${suffix}` }, icon("export"), suffix));
    })));
}
