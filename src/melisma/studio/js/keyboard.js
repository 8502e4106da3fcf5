/** What a key is called, whatever alphabet the keyboard writes. */

/**
 * Returns the key of an event; where the keyboard writes another alphabet (Ctrl and я), the Latin letter of its place.
 * @param {KeyboardEvent} event
 * @returns {string}
 */
export function keyOf({ key, code }) {
  const foreign = key.length === 1 && /\p{L}/u.test(key) && !/\p{Script=Latin}/u.test(key);
  const letter = foreign && /^Key([A-Z])$/.exec(code ?? "")?.[1];
  return letter ? letter.toLowerCase() : key;
}
