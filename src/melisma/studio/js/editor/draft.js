/** Edits that were not saved, kept in the browser until they are. */

const PREFIX = "melisma.draft.";

/**
 * @typedef {{version: number, edits: import("./model.js").Edit[], savedAt: string}} Draft
 */

/**
 * Keep edits; an empty list forgets them. A browser that keeps nothing (full, or private) is told of once.
 * @param {Storage} storage
 * @param {string} alignmentId
 * @param {number} version
 * @param {import("./model.js").Edit[]} edits
 * @returns {boolean} whether they are kept
 */
export function keep(storage, alignmentId, version, edits) {
  try {
    if (edits.length === 0) storage.removeItem(PREFIX + alignmentId);
    else {
      const draft = { version, edits, savedAt: new Date().toISOString() };
      storage.setItem(PREFIX + alignmentId, JSON.stringify(draft));
    }
    return true;
  } catch (error) {
    if (error instanceof DOMException) return false;
    throw error;
  }
}

/**
 * Read what was kept, or null; what cannot be one is passed over, since other pages may write there too.
 * @param {Storage} storage
 * @param {string} alignmentId
 * @returns {Draft | null}
 */
export function kept(storage, alignmentId) {
  let found;
  try {
    found = JSON.parse(storage.getItem(PREFIX + alignmentId) ?? "null");
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof DOMException) return null;
    throw error;
  }
  const sound =
    found !== null &&
    typeof found === "object" &&
    Number.isInteger(found.version) &&
    Array.isArray(found.edits) &&
    found.edits.length > 0 &&
    found.edits.every((edit) => edit !== null && typeof edit === "object" && typeof edit.op === "string");
  return sound ? found : null;
}

/** Forget what was kept. */
export function forget(storage, alignmentId) {
  keep(storage, alignmentId, 0, []);
}
