/** The library: every song, found by name and state, and the ways in for new ones. */
import { field, h, icon, select } from "../dom.js";
import { announce, complain, toast, troubleNotice } from "../messages.js";
import { loadStyle } from "../style.js";
import { askForOrders, pairUp } from "./add.js";
import { chooseFromLibrary } from "./browse.js";
import { Card } from "./card.js";
import { Uploads } from "./uploads.js";

const PAGE = 24;
const PAUSE_MS = 250; // of typing, before the search is sent
const ACCEPT = "audio/*,video/*,.mp3,.flac,.wav,.ogg,.opus,.m4a,.mp4,.aac,.aiff,.webm,.mkv,.txt,.lrc,.elrc,.srt";

/** @type {[string, string][]} */
const STATUSES = [
  ["", "All songs"], ["ready", "Ready to sing"], ["working", "In the works"], ["failed", "Failed"],
  ["new", "Not aligned"],
];

const uploads = new Uploads(); // they go on while other pages are shown, and are still there on the way back

/** @type {import("../main.js").Mount} */
export async function mount(container, context) {
  await loadStyle("css/library.css");
  const page = new Library(container, context);
  await page.load();
  return () => page.leave();
}

class Library {
  /** @param {HTMLElement} container @param {import("../main.js").PageContext} context */
  constructor(container, { api, service, signal, query }) {
    Object.assign(this, { api, service, signal });
    this.turn = 0;
    this.typing = 0;
    /** @type {Card[]} */
    this.cards = [];
    /** @type {Promise<any[]>|null} */
    this.asked = null;
    this.uploads = uploads;
    uploads.onSong = () => this.load();
    const files = { type: "file", multiple: true, accept: ACCEPT, hidden: true, "aria-label": "Recordings" };
    this.picker = /** @type {HTMLInputElement} */ (h("input", files));
    this.picker.addEventListener("change", () => this.takeFiles(this.picker.files ?? []));
    this.search = /** @type {HTMLInputElement} */ (h("input", {
      type: "search", value: query.get("search") ?? "", placeholder: "Title, artist or file",
      oninput: () => this.type(),
    }));
    this.status = select(STATUSES, { value: query.get("status") ?? "", onchange: () => this.load() });
    this.count = h("p", { role: "status" });
    this.list = h("ul.songs", { "aria-label": "Songs" });
    this.foot = h("div.list-foot");
    container.append(this.head(), this.uploads.element, this.filters(), this.list, this.foot, this.dropSign());
    this.listenForDrops();
  }

  head() {
    const pick = () => this.picker.click();
    const browse = h("button", { type: "button", onclick: () => this.browse() }, icon("folder"), "From the service");
    return h("div.page-head", {}, h("div", {}, h("h1", { text: "Library" }), this.count),
      h("div.buttons", {}, this.service.library && browse,
        h("button.primary", { type: "button", onclick: pick }, icon("add"), "Add songs"), this.picker));
  }

  filters() {
    const form = h("form.filters", { role: "search" }, field("Search", this.search), field("Show", this.status));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.load();
    });
    return form;
  }

  /* ---- the list ---- */

  type() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.load(), PAUSE_MS);
  }

  async load(cursor = null) {
    clearTimeout(this.typing);
    this.turn += 1;
    const mine = this.turn;
    this.list.setAttribute("aria-busy", "true");
    const query = { search: this.search.value.trim(), status: this.status.value, limit: PAGE, cursor };
    try {
      const page = await this.api.get("songs", { query, signal: this.signal });
      if (mine === this.turn) this.show(page, Boolean(cursor));
    } catch (error) {
      if (mine === this.turn && error.name !== "AbortError") {
        this.foot.replaceChildren(troubleNotice(error, () => this.load(cursor)));
      }
    } finally {
      if (mine === this.turn) this.list.removeAttribute("aria-busy");
    }
  }

  /** @param {{items: any[], next: string|null}} page @param {boolean} more */
  show(page, more) {
    if (!more) this.clear();
    const added = page.items.map((song) => this.card(song));
    this.cards.push(...added);
    this.list.append(...added.map((card) => card.element));
    const next = page.next && h("button", { type: "button", text: "Show more songs" });
    if (next) next.addEventListener("click", () => this.load(page.next));
    this.foot.replaceChildren(...(next ? [next] : []), ...(this.cards.length ? [] : [this.nothing()]));
    if (more) /** @type {HTMLElement|null} */ (added[0]?.element.querySelector("a, button"))?.focus();
    this.tellCount(Boolean(page.next));
  }

  /** @param {boolean} more */
  tellCount(more) {
    const n = this.cards.length;
    this.count.textContent = n ? `${n}${more ? " and more" : ""} ${n === 1 && !more ? "song" : "songs"}` : "";
  }

  /** @param {any} song */
  card(song) {
    const onGone = (/** @type {Card} */ card) => {
      const at = this.cards.indexOf(card);
      card.remove();
      this.cards = this.cards.filter((each) => each !== card);
      this.tellCount(Boolean(this.foot.querySelector("button")));
      const next = this.cards[at]?.element.querySelector("a, button") ?? this.search;
      /** @type {HTMLElement} */ (next).focus(); // or it would fall out of the page together with the card
      if (!this.cards.length) this.load();
    };
    return new Card(song, { engines: () => this.engines(), service: this.service, onGone });
  }

  clear() {
    for (const card of this.cards) card.remove();
    this.cards = [];
  }

  nothing() {
    if (this.search.value.trim() || this.status.value) {
      const reset = () => {
        this.search.value = "";
        this.status.value = "";
        this.load();
      };
      return h("div.empty", {}, icon("search"), h("h2", { text: "No song like that" }),
        h("button", { type: "button", text: "Show all songs", onclick: reset }));
    }
    return h("div.empty", {}, icon("note"), h("h2", { text: "Nothing to sing yet" }),
      h("p", { text: "Drop recordings on this page, each with a text file of its words if you have one." }),
      h("button.primary", { type: "button", onclick: () => this.picker.click() }, icon("add"), "Choose files"));
  }

  /* ---- the ways in ---- */

  engines() {
    this.asked ??= this.api.get("engines").then((found) => found.engines).catch((error) => {
      this.asked = null;
      throw error;
    });
    return this.asked;
  }

  /** @param {Iterable<File>} files */
  async takeFiles(files) {
    const found = await pairUp(files);
    this.picker.value = "";
    if (!found.length) return toast("Drop a recording: a text file alone cannot be sung to.", { trouble: true });
    return this.order(found.map(({ file, lyrics }) => ({ file, lyrics, name: file.name, size: file.size })));
  }

  async browse() {
    const found = await chooseFromLibrary();
    if (found) await this.order(found);
  }

  /** @param {any[]} sources */
  async order(sources) {
    try {
      const orders = await askForOrders(sources, { engines: await this.engines(), service: this.service });
      if (!orders) return;
      announce(orders.length === 1 ? "One song is being added" : `${orders.length} songs are being added`);
      this.uploads.add(orders);
    } catch (error) {
      complain(error);
    }
  }

  dropSign() {
    return h("div.drop-sign", { "aria-hidden": "true" }, h("p", {}, icon("note"), "Drop to add"));
  }

  listenForDrops() {
    const holdsFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
    const options = { signal: this.signal };
    let depth = 0; // of elements under the pointer: one leaves only after the next was entered
    const mark = (/** @type {number} */ by) => {
      depth = by ? Math.max(0, depth + by) : 0;
      document.body.classList.toggle("dropping", depth > 0);
    };
    addEventListener("dragenter", (event) => holdsFiles(event) && mark(1), options);
    addEventListener("dragleave", (event) => holdsFiles(event) && mark(-1), options);
    addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault(), options);
    addEventListener("drop", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      mark(0);
      if (!document.querySelector("dialog[open]")) this.takeFiles([...(event.dataTransfer?.files ?? [])]);
    }, options);
  }

  leave() {
    clearTimeout(this.typing);
    uploads.onSong = () => undefined;
    document.body.classList.remove("dropping");
    this.clear();
  }
}
