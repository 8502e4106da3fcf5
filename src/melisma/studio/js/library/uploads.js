/** Orders on their way: the recording goes up, then its job is asked for. From there on the song's card tells. */
import { api } from "../api.js";
import { h, iconButton } from "../dom.js";
import { announce, sentenceOf, toast } from "../messages.js";
import { stemOf } from "./add.js";
import { askForWords } from "./words.js";

const AT_ONCE = 2; // uploads share one line; more at once makes each slower and none sooner

export class Uploads {
  constructor() {
    /** Called when a song is there and its job is queued. @type {(song: any) => void} */
    this.onSong = () => undefined;
    /** @type {(() => Promise<void>)[]} */
    this.waiting = [];
    this.running = 0;
    this.list = h("ul.uploads");
    this.element = h("section", { "aria-label": "Uploads", hidden: true }, this.list);
    addEventListener("beforeunload", (event) => this.running && event.preventDefault()); // it would end them
  }

  /** @param {import("./add.js").Order[]} orders */
  add(orders) {
    for (const order of orders) {
      const row = new Row(order, (again) => this.start(again));
      this.list.append(row.element);
      this.start(row);
    }
    this.element.hidden = false;
  }

  /** @param {Row} row */
  start(row) {
    this.waiting.push(() => this.work(row));
    this.next();
  }

  next() {
    while (this.running < AT_ONCE && this.waiting.length) {
      this.running += 1;
      this.waiting.shift()?.().finally(() => {
        this.running -= 1;
        this.next();
      });
    }
  }

  /** @param {Row} row */
  async work(row) {
    if (row.gone.signal.aborted) return this.drop(row);
    try {
      row.tell("Uploading", 0);
      const song = await named(await bring(row), row.order);
      row.tell("Starting", 1);
      await askForWords(requestOf(row.order, song));
      announce(`${row.order.name} is uploaded`);
      this.drop(row);
      this.onSong(song);
    } catch (error) {
      if (error.name === "AbortError") return this.drop(row);
      row.fail(error);
      if (!row.element.isConnected) toast(`${row.order.name} was not added: see the library.`, { trouble: true });
    }
    return undefined;
  }

  /** @param {Row} row */
  drop(row) {
    row.element.remove();
    this.element.hidden = !this.list.children.length;
  }
}

/** @param {Row} row @returns {Promise<any>} The song. */
function bring(row) {
  const { order } = row;
  const names = { ...(order.guessed ? {} : { title: order.title, artist: order.artist }), language: order.language };
  const known = Object.fromEntries(Object.entries(names).filter(([, value]) => value));
  const text = order.lyrics && "text" in order.lyrics ? { lyrics: order.lyrics.text } : {};
  const { signal } = row.gone;
  if (!order.file) return api.post("songs", { library: order.library, ...known, ...text }, { signal });
  const form = new FormData();
  for (const [key, value] of Object.entries({ ...known, ...text })) form.append(key, value);
  form.append("audio", order.file, order.file.name); // last: what is small is read before what is large
  return api.upload("songs", form, { signal, onProgress: (share) => row.tell("Uploading", share) });
}

/**
 * Gives a song the names that its file's name says, where its tags say none.
 * @param {any} song @param {import("./add.js").Order} order
 * @returns {Promise<any>}
 */
async function named(song, order) {
  const unnamed = !song.title || song.title === stemOf(order.name);
  if (!order.guessed || !unnamed || !order.title || order.title === song.title) return song;
  return api.patch(`songs/${song.id}`, { title: order.title, artist: song.artist || order.artist });
}

/** @param {import("./add.js").Order} order @param {any} song */
function requestOf(order, song) {
  const language = order.language ? { language: order.language } : {};
  const find = order.lyrics && "artist" in order.lyrics && song.artist && song.title;
  const lyrics = find ? { artist: song.artist, title: song.title } : order.lyrics;
  return { song_id: song.id, lyrics, engine: order.engine, ...language };
}

/** One order on its way, as it is seen. */
class Row {
  /** @param {import("./add.js").Order} order @param {(row: Row) => void} again */
  constructor(order, again) {
    this.order = order;
    this.again = again;
    this.gone = new AbortController();
    this.stage = h("span", { text: "Waiting" });
    this.percent = h("span");
    this.bar = h("progress", { max: 1, value: 0, "aria-label": `Upload of ${order.name}` });
    this.body = h("div.upload-body", {}, h("strong", { text: order.title || order.name, dir: "auto" }), this.bar,
      h("div.progress-line", {}, this.stage, this.percent));
    this.error = h("div", { role: "alert" });
    this.element = h("li.card.upload", {}, this.body,
      iconButton("close", `Cancel ${order.name}`, { onclick: () => this.cancel() }), this.error);
  }

  /** @param {string} stage @param {number} share - 0..1. */
  tell(stage, share) {
    this.error.replaceChildren();
    this.bar.hidden = false;
    this.stage.textContent = stage;
    this.percent.textContent = `${Math.round(100 * share)} %`;
    /** @type {HTMLProgressElement} */ (this.bar).value = share;
  }

  /** @param {Error} error */
  fail(error) {
    this.stage.textContent = "Not added";
    this.percent.textContent = "";
    this.bar.hidden = true;
    const again = () => {
      this.tell("Waiting", 0);
      this.again(this);
    };
    this.error.replaceChildren(h("div.notice.trouble", {}, h("p", { text: sentenceOf(error) }),
      h("div.buttons", {}, h("button", { type: "button", text: "Try again", onclick: again }))));
    this.failed = true;
  }

  cancel() {
    this.gone.abort();
    if (!this.failed) return;
    const list = this.element.parentElement;
    this.element.remove();
    if (list && !list.children.length) list.parentElement?.toggleAttribute("hidden", true);
  }
}
