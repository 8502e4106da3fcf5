/** Brings the parts together: reads the address, shows its page, and takes the last one away. */
import { api, get } from "./api.js";
import { h } from "./dom.js";
import { announce, troubleNotice } from "./messages.js";
import { navigate, placeOf } from "./router.js";
import { installSession } from "./session.js";

/**
 * A page mounts into a container and returns how to take it away. What it is given: the API, the song (for pages of a
 * song), what the service is able to do, and how to go elsewhere.
 * @typedef {{api: typeof api, songId: string|null, query: URLSearchParams, service: any,
 *   navigate: (hash: string) => void, signal: AbortSignal}} PageContext
 * @typedef {(container: HTMLElement, context: PageContext) => Promise<(() => void)|void>|(() => void)|void} Mount
 */

/** @type {Record<string, {title: string, load: () => Promise<{mount: Mount}>}>} */
const PAGES = {
  library: { title: "Library", load: () => import("./library/page.js") },
  engines: { title: "Engines", load: () => import("./engines.js") },
  play: { title: "Player", load: () => import("./player/page.js") },
  edit: { title: "Editor", load: () => import("./edit.js") },
  export: { title: "Export", load: () => import("./export/page.js") },
};

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
let leave = () => undefined; // takes the page away that is shown
let turn = 0; // counts changes of page: one that is overtaken by the next shows nothing
/** @type {any} */
let service = null;

async function show() {
  turn += 1;
  const mine = turn;
  leave();
  const gone = new AbortController();
  let unmount = () => undefined;
  leave = () => {
    gone.abort();
    unmount();
    leave = () => undefined;
  };
  const place = placeOf(location.hash);
  markNavigation(place?.name ?? "");
  main.className = "";
  main.replaceChildren();
  if (!place) return showNowhere();
  const page = PAGES[place.name];
  const container = h("div.page");
  main.dataset.page = place.name;
  const waiting = h("p.loading", { text: "Loading…" }); // seen only while the page is empty
  main.append(container, waiting);
  setTitle(page.title);
  try {
    service ??= await get("service", { signal: gone.signal });
    const { mount } = await page.load();
    if (mine !== turn) return;
    unmount = (await mount(container, { api, ...place, service, navigate, signal: gone.signal })) ?? unmount;
    if (mine !== turn) unmount(); // left while it was still being made
    else arrive(container, page.title);
  } catch (error) {
    if (mine !== turn || error.name === "AbortError") return;
    container.replaceChildren(h("h1", { tabindex: -1, text: page.title }), troubleNotice(error, show), toLibrary());
    arrive(container, page.title);
  } finally {
    waiting.remove();
  }
}

function showNowhere() {
  delete main.dataset.page;
  main.append(
    h("h1", { tabindex: -1, text: "There is no such page" }),
    toLibrary(),
  );
  arrive(main, "There is no such page");
}

function toLibrary() {
  return h("p", {}, h("a", { href: "#/library", text: "To the library" }));
}

/**
 * Puts the focus on the page's heading, as loading a page of its own would.
 * @param {HTMLElement} container
 * @param {string} title
 */
function arrive(container, title) {
  const heading = container.querySelector("h1");
  setTitle(heading?.textContent && heading.textContent !== title ? `${heading.textContent} · ${title}` : title);
  announce(document.title);
  if (document.querySelector("dialog[open]")) return;
  heading?.setAttribute("tabindex", "-1");
  (heading ?? main).focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** @param {string} title */
function setTitle(title) {
  document.title = `${title} · Melisma Studio`;
}

/** @param {string} name */
function markNavigation(name) {
  for (const link of document.querySelectorAll("[data-nav]")) {
    if (/** @type {HTMLElement} */ (link).dataset.nav === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

async function begin() {
  document.getElementById("skip")?.addEventListener("click", () => main.focus());
  addEventListener("hashchange", show);
  if (!location.hash) history.replaceState(null, "", "#/library");
  await show();
  installSession(Boolean(service?.token_needed));
}

begin();
