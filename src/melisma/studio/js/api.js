/** The HTTP API: JSON in, JSON out; a problem becomes an Error that says in one sentence what is wrong.

 Addresses are relative to the page, so that the Studio works below a prefix of a proxy. No token is kept here: signing
 in sets a cookie that scripts cannot read, and that <audio> and EventSource send too. */

const BASE = new URL("../v1/", document.baseURI);

/** What the service said no with (RFC 9457). */
export class Problem extends Error {
  /** @param {{detail?: string, title?: string, type?: string, status?: number, request_id?: string}} facts */
  constructor(facts) {
    super(facts.detail || facts.title || "the service gave an answer that the Studio does not understand");
    this.name = "Problem";
    this.detail = this.message;
    this.title = facts.title ?? "";
    this.type = facts.type ?? "about:blank";
    this.status = facts.status ?? 0;
    this.requestId = facts.request_id ?? "";
  }

  /** @returns {string} The kind of problem without its path: `version-conflict`. */
  get kind() {
    return this.type.split("/").pop() ?? "";
  }
}

/** Whoever shows the sign-in dialog sets this; it resolves to whether somebody signed in. */
const hooks = { /** @type {() => Promise<boolean>} */ signIn: async () => false };

/** @param {() => Promise<boolean>} signIn - Asked when the service wants a token. */
export function onUnauthorized(signIn) {
  hooks.signIn = signIn;
}

/**
 * Returns the address of a part of the API.
 * @param {string} path - Below /v1/, without a slash in front.
 * @param {Record<string, string|number|boolean|null|undefined>} [query] - Empty values are left out.
 * @returns {string}
 */
export function url(path, query = {}) {
  const found = new URL(path, BASE);
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") found.searchParams.set(key, String(value));
  }
  return found.href;
}

/**
 * @typedef {object} CallOptions
 * @property {Record<string, string|number|boolean|null|undefined>} [query]
 * @property {unknown} [json] - Sent as JSON.
 * @property {FormData} [form] - Sent as multipart/form-data.
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {boolean} [text] - Give the answer's text instead of its JSON.
 * @property {boolean} [asked] - The caller has signed in for this very call already; or is the sign-in.
 */

/**
 * Calls the service.
 * @param {string} method
 * @param {string} path - Below /v1/.
 * @param {CallOptions} [options]
 * @returns {Promise<any>} JSON, text, or null for an empty answer.
 */
export async function call(method, path, options = {}) {
  const response = await respond(method, path, options);
  if (response.status === 204 || response.headers.get("content-length") === "0") return null;
  return options.text ? response.text() : response.json();
}

/**
 * Calls the service and gives the whole answer, headers included; a problem is thrown.
 * @param {string} method
 * @param {string} path
 * @param {CallOptions} [options]
 * @returns {Promise<Response>}
 */
export async function respond(method, path, options = {}) {
  const headers = new Headers({ Accept: options.text ? "*/*" : "application/json", ...options.headers });
  /** @type {BodyInit|undefined} */
  let body = options.form;
  if (options.json !== undefined) {
    headers.set("Content-Type", "application/json");
    body = JSON.stringify(options.json);
  }
  const request = { method, headers, body, signal: options.signal, credentials: /** @type {const} */ ("same-origin") };
  const response = await fetch(url(path, options.query), request).catch((error) => {
    throw error.name === "AbortError" ? error : unreachable();
  });
  if (response.ok) return response;
  if (response.status === 401 && !options.asked && (await hooks.signIn())) {
    return respond(method, path, { ...options, asked: true });
  }
  throw problemOf(response.status, await response.text());
}

/** @returns {Problem} */
function unreachable() {
  return new Problem({
    type: "/problems/unreachable",
    title: "out of reach",
    detail: "the service does not answer: is it running, and is this device connected to it? Then try again",
  });
}

/** @param {number} status @param {string} text - Of the answer. @returns {Problem} */
function problemOf(status, text) {
  try {
    const facts = JSON.parse(text);
    if (facts && typeof facts === "object") return new Problem({ status, ...facts });
  } catch {
    // A proxy in front may answer with a page of its own: its status is all that can be told.
  }
  return new Problem({ status, title: `status ${status}`, detail: `the service answered with status ${status}` });
}

/**
 * Uploads a form and tells how far it is, which fetch cannot.
 * @param {string} path
 * @param {FormData} form
 * @param {{onProgress?: (share: number) => void, signal?: AbortSignal, asked?: boolean}} [options] - `share` is 0..1.
 * @returns {Promise<any>}
 */
export async function upload(path, form, options = {}) {
  const { status, text } = await send(path, form, options);
  if (status >= 200 && status < 300) return JSON.parse(text);
  if (status === 401 && !options.asked && (await hooks.signIn())) {
    return upload(path, form, { ...options, asked: true });
  }
  throw problemOf(status, text);
}

/**
 * @param {string} path @param {FormData} form
 * @param {{onProgress?: (share: number) => void, signal?: AbortSignal}} options
 * @returns {Promise<{status: number, text: string}>}
 */
function send(path, form, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url(path));
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress?.(event.loaded / event.total);
    });
    request.addEventListener("load", () => resolve({ status: request.status, text: request.responseText }));
    request.addEventListener("error", () => reject(unreachable()));
    request.addEventListener("abort", () => reject(new DOMException("the upload was cancelled", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/** @param {string} path @param {CallOptions} [options] @returns {Promise<any>} */
export const get = (path, options = {}) => call("GET", path, options);

/** @param {string} path @param {unknown} [json] @param {CallOptions} [options] @returns {Promise<any>} */
export const post = (path, json, options = {}) => call("POST", path, { json, ...options });

/** @param {string} path @param {unknown} json @param {CallOptions} [options] @returns {Promise<any>} */
export const patch = (path, json, options = {}) => call("PATCH", path, { ...options, json });

/** @param {string} path @param {CallOptions} [options] @returns {Promise<any>} */
export const remove = (path, options = {}) => call("DELETE", path, options);

/**
 * Gets every item of a list that comes in pages, up to a bound.
 * @param {string} path
 * @param {Record<string, string|number>} [query]
 * @param {number} [most] - Items.
 * @returns {Promise<any[]>}
 */
export async function all(path, query = {}, most = 1000) {
  const items = [];
  let cursor = null;
  do {
    const page = await get(path, { query: { limit: 200, ...query, cursor } });
    items.push(...page.items);
    cursor = page.next;
  } while (cursor && items.length < most);
  return items;
}

/** Everything above under one name, as pages and the editor are given it. */
export const api = { url, call, respond, get, post, patch, remove, upload, all, Problem };
