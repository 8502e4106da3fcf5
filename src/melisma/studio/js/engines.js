/** What can be used here, under which licence, and what went wrong last. */
import { dateOf, h, languageName } from "./dom.js";
import { loadStyle } from "./style.js";

const TASKS = { emit: "Times known words", place: "Times known words", transcribe: "Hears words" };
const DEVICES = { cpu: "on the processor", cuda: "on the GPU", http: "over HTTP" };
const HEADS = ["Engine", "State", "Model", "Licence", "Languages"];
const FEW_LANGUAGES = 6;

/** @type {import("./main.js").Mount} */
export async function mount(container, { api, service, signal }) {
  const [found] = await Promise.all([api.get("engines", { signal }), loadStyle("css/engines.css")]);
  const usable = found.engines.filter((/** @type {any} */ engine) => engine.installed).length;
  container.append(
    h("div.page-head", {}, h("div", {}, h("h1", { text: "Engines" }),
      h("p", { text: `${usable} of ${found.engines.length} can be used here · Melisma ${service.version ?? ""}` }))),
    licenceNotice(found.licence_mode),
    h("div.table-frame", { role: "region", "aria-label": "Engines", tabindex: 0 },
      h("table.engines", { role: "table" }, h("caption.unseen", { text: "Engines, their licences and their state" }),
        h("thead", { role: "rowgroup" }, h("tr", { role: "row" },
          ...HEADS.map((text) => h("th", { scope: "col", role: "columnheader", text })))),
        h("tbody", { role: "rowgroup" }, ...found.engines.map(row)))),
  );
}

/** @param {string} mode */
function licenceNotice(mode) {
  const commercial = mode === "commercial";
  const text = commercial
    ? "Licence mode: commercial. Engines whose model forbids commercial use are refused."
    : "Licence mode: non-commercial. Engines marked so may not be used to earn money.";
  return h("p.notice", {}, h("span", { text }));
}

/** @param {any} engine */
function row(engine) {
  // The roles stay where a narrow screen shows cells below each other, which takes a table's own roles away.
  return h("tr", { role: "row" },
    h("th", { scope: "row", role: "rowheader" }, h("span.engine-name", { text: engine.name }),
      engine.task && h("span.small.quiet-text", { text: TASKS[engine.task] ?? engine.task }),
      engine.baseline && h("span.small.quiet-text", { text: "Baseline: for comparisons only" }),
      engine.device && h("span.small.quiet-text", { text: DEVICES[engine.device] ?? `on ${engine.device}` })),
    h("td", { role: "cell", "data-label": "State" }, ...state(engine)),
    h("td", { role: "cell", "data-label": "Model" }, ...model(engine)),
    h("td", { role: "cell", "data-label": "Licence" }, h("span", { text: engine.licence || "not stated" }),
      engine.commercial === false && h("span.chip.warn", { text: "Non-commercial" })),
    h("td", { role: "cell", "data-label": "Languages" }, languages(engine.languages)));
}

/** @param {any} engine @returns {HTMLElement[]} */
function state(engine) {
  const parts = [];
  if (!engine.installed) {
    parts.push(h("span.chip", { text: "Not installed" }));
    if (engine.missing) parts.push(h("span.small.quiet-text", { text: capital(engine.missing) }));
  } else if (engine.switched_on === false) parts.push(h("span.chip.warn", { text: "Switched off" }));
  else if (engine.breaker?.state !== "open") parts.push(h("span.chip.good", { text: "Ready" }));
  return [...parts, ...breaker(engine.breaker)];
}

/** @param {any} found - Of the engine, or null where it has none. @returns {HTMLElement[]} */
function breaker(found) {
  if (!found) return [];
  const parts = [];
  if (found.state === "open") {
    const until = found.opens_until ? ` until ${dateOf(found.opens_until)}` : "";
    parts.push(h("span.chip.bad", { text: `Resting${until}` }));
  } else if (/half/.test(found.state)) parts.push(h("span.chip.warn", { text: "On trial after failures" }));
  else if (found.failures) {
    parts.push(h("span.small.quiet-text", { text: `Breaker closed, ${counted(found.failures)}` }));
  }
  const last = found.last_failure;
  if (last) {
    parts.push(h("details.small", {}, h("summary", { text: `Last failure: ${last.kind}` }),
      h("p", { text: last.detail }), last.at && h("p.quiet-text", { text: dateOf(last.at) })));
  }
  return parts;
}

/** @param {string} sentence */
function capital(sentence) {
  return sentence ? sentence[0].toUpperCase() + sentence.slice(1) : sentence;
}

/** @param {number} n */
function counted(n) {
  return n === 1 ? "1 failure" : `${n} failures`;
}

/** @param {any} engine @returns {(HTMLElement|string)[]} */
function model(engine) {
  if (!engine.model_id) return [h("span.quiet-text", { text: engine.version || "—" })];
  const facts = [
    engine.model_revision && `revision ${String(engine.model_revision).slice(0, 12)}`,
    engine.version && `version ${engine.version}`,
  ];
  const text = facts.filter(Boolean).join(", ");
  return [h("span.model", { text: engine.model_id }), h("span.small.quiet-text", { text })];
}

/** @param {string[]|string|null|undefined} codes */
function languages(codes) {
  if (typeof codes === "string") return h("span", { text: codes });
  if (!codes?.length) return h("span", { text: "Any" });
  const names = codes.map(languageName);
  if (names.length <= FEW_LANGUAGES) return h("span", { text: names.join(", ") });
  const all = h("p.small", { text: names.join(", ") });
  return h("details", {}, h("summary", { text: `${names.length} languages` }), all);
}
