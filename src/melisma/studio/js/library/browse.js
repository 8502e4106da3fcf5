/** The recordings that lie on the service's machine, folder by folder. */
import { get } from "../api.js";
import { h, icon, sizeOf } from "../dom.js";
import { ask, troubleNotice } from "../messages.js";

const PAGE = 100;

/**
 * Lets a person choose recordings of the library folder.
 * @returns {Promise<{library: string, name: string, size: number|null}[]|null>}
 */
export function chooseFromLibrary() {
  const browser = new Browser();
  browser.open("");
  return ask({
    title: "Recordings on the service",
    body: [browser.element],
    action: "Continue",
    width: "40rem",
    submit: () => {
      if (!browser.chosen.size) throw new Error("choose at least one recording");
      return [...browser.chosen.values()];
    },
  });
}

class Browser {
  constructor() {
    this.folder = "";
    this.turn = 0;
    /** @type {Map<string, {library: string, name: string, size: number|null}>} */
    this.chosen = new Map();
    this.search = /** @type {HTMLInputElement} */ (h("input", {
      type: "search", placeholder: "Search in this folder", "aria-label": "Search in this folder",
      oninput: () => this.load(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && event.preventDefault(),
    }));
    this.trail = h("nav.browse-trail", { "aria-label": "Folder" });
    this.list = h("ul.browse-list");
    this.count = h("p.small.quiet-text", { role: "status" });
    this.element = h("div.browse", {}, this.trail, this.search, this.list, this.count);
  }

  /** @param {string} folder */
  open(folder) {
    this.folder = folder;
    this.search.value = "";
    this.showTrail();
    return this.load();
  }

  showTrail() {
    const parts = this.folder ? this.folder.split("/") : [];
    const steps = parts.map((name, i) => [name, parts.slice(0, i + 1).join("/")]);
    this.trail.replaceChildren(...[["Library", ""], ...steps].flatMap(([name, path], i) => {
      const here = path === this.folder;
      const button = h("button.link", { type: "button", text: name, onclick: () => this.open(path) });
      if (here) button.setAttribute("aria-current", "location");
      return i ? [" / ", button] : [button];
    }));
  }

  async load(cursor = null) {
    this.turn += 1;
    const mine = this.turn;
    try {
      const query = { folder: this.folder, search: this.search.value.trim(), limit: PAGE, cursor };
      const page = await get("library", { query });
      if (mine !== this.turn) return;
      if (!cursor) this.list.replaceChildren();
      this.list.querySelector(".more")?.remove();
      this.list.append(...page.items.map((/** @type {any} */ entry) => this.row(entry)));
      if (page.next) this.list.append(this.moreRow(page.next));
      if (!this.list.children.length) this.list.append(h("li.quiet-text", { text: "No recording here." }));
    } catch (error) {
      if (mine === this.turn) this.list.replaceChildren(h("li", {}, troubleNotice(error, () => this.load())));
    }
  }

  /** @param {string} cursor */
  moreRow(cursor) {
    return h("li.more", {}, h("button", { type: "button", text: "Show more", onclick: () => this.load(cursor) }));
  }

  /** @param {{path: string, name: string, size_bytes: number|null, is_folder: boolean}} entry */
  row(entry) {
    if (entry.is_folder) {
      const open = () => this.open(entry.path);
      const button = h("button.quiet.browse-folder", { type: "button", onclick: open }, icon("folder"), entry.name);
      return h("li", {}, button);
    }
    const box = h("input", { type: "checkbox", checked: this.chosen.has(entry.path) });
    box.addEventListener("change", () => this.toggle(entry, /** @type {HTMLInputElement} */ (box).checked));
    const size = entry.size_bytes === null ? "" : sizeOf(entry.size_bytes);
    const folder = entry.path.slice(0, -entry.name.length - 1);
    const where = folder !== this.folder && h("span.small.quiet-text", { text: folder });
    return h("li", {}, h("label.choice", {}, box, h("span.browse-name", {}, entry.name, where),
      h("span.small.quiet-text", { text: size })));
  }

  /** @param {{path: string, name: string, size_bytes: number|null}} entry @param {boolean} wanted */
  toggle(entry, wanted) {
    if (wanted) this.chosen.set(entry.path, { library: entry.path, name: entry.name, size: entry.size_bytes });
    else this.chosen.delete(entry.path);
    const n = this.chosen.size;
    this.count.textContent = n ? `${n} ${n === 1 ? "recording" : "recordings"} chosen` : "";
  }
}
