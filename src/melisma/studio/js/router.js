/** Which page an address shows: #/library, #/songs/ID/play, #/songs/ID/edit, #/songs/ID/export, #/engines. */

const ID = "([0-9a-f]{32})";

/** @type {[RegExp, string][]} */
const ROUTES = [
  [/^\/library$/, "library"],
  [/^\/engines$/, "engines"],
  [new RegExp(`^/songs/${ID}/play$`), "play"],
  [new RegExp(`^/songs/${ID}/edit$`), "edit"],
  [new RegExp(`^/songs/${ID}/export$`), "export"],
];

/**
 * @typedef {{name: string, songId: string|null, query: URLSearchParams}} Place
 */

/**
 * Reads an address.
 * @param {string} hash - With its "#".
 * @returns {Place|null} Null where no page has this address.
 */
export function placeOf(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?");
  const wanted = path === "" || path === "/" ? "/library" : path;
  for (const [pattern, name] of ROUTES) {
    const found = pattern.exec(wanted);
    if (found) return { name, songId: found[1] ?? null, query: new URLSearchParams(query) };
  }
  return null;
}

/** @param {string} hash - Such as "#/library". */
export function navigate(hash) {
  location.hash = hash;
}
