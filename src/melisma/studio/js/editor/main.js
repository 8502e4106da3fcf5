/** The timeline editor: puts its parts together, and takes them apart again. */
import { h, icon } from "../dom.js";
import { complain, toast } from "../messages.js";
import { Comparing } from "./compare.js";
import { Drags } from "./drag.js";
import { Editor } from "./editor.js";
import { EditorHands } from "./hands.js";
import { listen } from "./keys.js";
import { LineList } from "./lines.js";
import { Neighbours } from "./neighbours.js";
import { Overview } from "./overview.js";
import { Saving } from "./saving.js";
import { Service } from "./service.js";
import { ghostsOf } from "./shadows.js";
import { LONGEST_MS, Spectrogram } from "./spectrogram.js";
import { Tapping } from "./tapping.js";
import { Timeline } from "./timeline.js";
import { toolbar } from "./toolbar.js";
import { Transport } from "./transport.js";
import { wordPanel } from "./word_panel.js";
import { WordRows } from "./words.js";

const MOST_PEAKS = 1_000_000; // of a whole song: 5 MB
const FIRST_ZOOM = 110; // pixels a second: a word of 300 ms is as wide as its letters

/**
 * Opens the editor.
 * @param {HTMLElement} container
 * @param {{api: typeof import("../api.js").api, songId: string, alignmentId: string, signal: AbortSignal}} place
 *   `signal` aborts when the page is left, be it while the editor is still being made.
 * @returns {Promise<() => void>} How to take it away.
 */
export async function mount(container, { api, songId, alignmentId, signal }) {
  const service = new Service(api, songId, alignmentId, signal);
  const [song, loaded] = await Promise.all([service.song(), service.load()]);
  const perSecond = Math.max(1, Math.min(200, Math.floor((MOST_PEAKS * 1000) / loaded.state.durationMs)));
  const [peaks, onsets] = await Promise.all([
    service.peaks(perSecond).catch(without({ peaks: [], per_second: perSecond })),
    service.onsets().catch(without([])),
  ]);
  signal.throwIfAborted();
  const recording = {
    durationMs: loaded.state.durationMs,
    peaks: fitted(peaks, loaded.state.durationMs),
    onsets,
    pixelsPerSecond: FIRST_ZOOM,
  };

  const host = h("div.ed-timeline");
  const audio = /** @type {HTMLAudioElement} */ (h("audio", { src: service.audioUrl, preload: "auto" }));
  const root = h("div.editor", {}, h("p.loading", { text: "Drawing…" }), host);
  container.closest("main")?.classList.add("wide");
  container.append(root);
  /** @type {Editor} */
  let editor; // the parts below call it only when they are pressed or played
  const timeline = new Timeline(host, recording, (ms) => editor.transport.seek(ms));
  const transport = new Transport(audio, (ms) => editor.played(ms));
  editor = new Editor(service, loaded, transport, timeline);
  const parts = assemble(editor, root, { song, host, recording, signal });
  audio.addEventListener("error", () => toast("The recording cannot be played in this browser.", { trouble: true }), {
    signal,
  });
  parts.saving.offerDraft().catch(complain);
  return () => {
    if (editor.history.dirty)
      toast("Your changes are not saved; this browser keeps them until you are back in the editor.");
    parts.stop();
    editor.destroy();
    transport.destroy();
    timeline.destroy();
  };
}

/** Says what went wrong, and goes on without: words can be corrected by ear too. @template T @param {T} nothing */
function without(nothing) {
  return (error) => {
    if (error.name === "AbortError") throw error;
    complain(error);
    return nothing;
  };
}

/** The peaks of exactly the whole song, so that the waveform is as long as time is. */
function fitted({ peaks, per_second: perSecond }, durationMs) {
  const n = Math.max(1, Math.round((durationMs * perSecond) / 1000));
  const out = peaks.slice(0, n);
  while (out.length < n) out.push(0);
  return out;
}

/** Makes every part, and what binds them. */
function assemble(editor, root, { song, host, recording, signal }) {
  const { timeline } = editor;
  const rows = (editor.rows = new WordRows(timeline));
  rows.focusSoon = () => (rows.wantsFocus = true);
  editor.tapping = new Tapping(editor, signal);
  editor.comparing = new Comparing(editor);
  editor.neighbours = new Neighbours(editor);
  const saving = (editor.saving = new Saving(editor, signal));
  const bar = toolbar(editor);
  const lines = new LineList(editor);
  const overview = new Overview(recording.peaks, recording.durationMs, (ms) => timeline.center(ms));
  const stage = h("div.ed-stage.card", {}, overview.canvas, host);
  const side = h("div.ed-side", {}, wordPanel(editor), editor.neighbours.element, editor.comparing.element);
  const below = h("div.ed-below", {}, lines.element, side);
  root.replaceChildren(head(song, saving), bar.element, stage, editor.tapping.element, below);
  editor.onPlayed = (ms) => {
    bar.played(ms);
    rows.light(editor.sung);
    lines.light(editor.sung);
    overview.show({ playMs: ms });
  };
  for (const name of ["play", "pause", "ratechange"])
    editor.transport.audio.addEventListener(name, () => editor.changed(), { signal });
  const drags = new Drags(timeline, () => editor.selected, new EditorHands(editor));
  wheel(timeline, host, signal);
  listen(editor, signal);
  timeline.onChange(() => {
    overview.show({ seen: timeline.visible });
    showWords(editor);
  });
  const spectrum = spectrogram(editor);
  editor.show(() => {
    overview.show({ words: editor.state.words });
    showWords(editor);
    spectrum.show();
  });
  const recolour = () => [overview, spectrum].forEach((part) => part.recolour());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour, { signal });
  editor.changed();
  editor.played(0);
  const begin = () => editor.select(editor.selected, { quiet: true });
  begin();
  timeline.onceDrawn(begin); // before it is drawn nothing has a place
  return {
    saving,
    stop() {
      drags.stop();
      overview.destroy();
      spectrum.destroy();
      editor.neighbours.abort?.abort();
    },
  };
}

function head(song, saving) {
  const title = song.title?.trim() || song.file_name || "Untitled song";
  return h(
    "div.page-head",
    {},
    h(
      "div.ed-titles",
      {},
      h("a.trail", { href: "#/library" }, icon("back"), "Library"),
      h("h1", { text: title, dir: "auto" }),
      saving.status,
    ),
    h(
      "div.buttons",
      {},
      there(song, "play", "Player"),
      there(song, "export", "Export"),
      saving.button,
    ),
  );
}

/** A link to another page of the song; where there is little room only its symbol is shown. */
function there(song, page, name) {
  const attributes = { href: `#/songs/${song.id}/${page}`, "aria-label": name, title: name };
  return h("a.button", attributes, icon(page), h("span", { text: name }));
}

/** Draws the words as they are now. @param {Editor} editor */
function showWords(editor) {
  const { rows, shadow, settings } = editor;
  const base = editor.history.state;
  if (!shadow) editor.ghosts = null;
  else if (
    editor.ghosts?.base !== base ||
    editor.ghosts.shadow !== shadow ||
    editor.ghosts.thresholdMs !== settings.thresholdMs
  ) {
    const threshold = editor.neighbours.preview ? 1 : settings.thresholdMs;
    editor.ghosts = { base, shadow, thresholdMs: settings.thresholdMs, list: ghostsOf(base, shadow.state, threshold) };
  }
  rows.show({
    state: editor.state,
    selected: editor.selected,
    sung: editor.sung ?? null,
    ghosts: editor.ghosts?.list ?? [],
    ghostName: shadow?.name ?? "",
  });
  if (!rows.wantsFocus) return;
  rows.wantsFocus = false;
  rows.focus(editor.selected);
}

/** Control and the wheel, or two fingers on a touchpad, zoom where the pointer is. */
function wheel(timeline, host, signal) {
  host.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      timeline.zoom(2 ** (-event.deltaY / 200), timeline.ms(event.clientX));
    },
    { signal, passive: false },
  );
}

/**
 * Shows the spectrogram where it is wanted; decodes when that is first so.
 * @param {Editor} editor
 */
function spectrogram(editor) {
  /** @type {Spectrogram | null} */
  let made = null;
  const { timeline, service } = editor;
  const colours = () => {
    const style = getComputedStyle(timeline.host);
    return ["--ed-quietest", "--ed-middle", "--ed-loudest"].map((name) => style.getPropertyValue(name).trim());
  };
  const begin = () => {
    if (timeline.durationMs > LONGEST_MS) {
      editor.set({ spectrum: false });
      return toast("A recording of over twenty minutes has no spectrogram: the browser would have to hold all of it.");
    }
    made = new Spectrogram(colours);
    timeline.showSpectrum((tile) => made?.draw(tile));
    made.load(service.recording()).then(
      () => timeline.redrawSpectrum(),
      (error) => {
        if (error.name === "AbortError") return; // the page is left: it is wanted the next time too
        made.destroy();
        made = null;
        editor.set({ spectrum: false });
        complain(error);
      },
    );
  };
  let wanted = false;
  return {
    show() {
      if (editor.settings.spectrum === wanted) return;
      wanted = editor.settings.spectrum;
      if (!wanted) timeline.hideSpectrum();
      else if (made) timeline.showSpectrum();
      else begin();
    },
    recolour: () => made?.recolour(),
    destroy: () => made?.destroy(),
  };
}
