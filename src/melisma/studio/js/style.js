/** Style sheets of single pages, fetched when the page is first shown. */

/** @type {Map<string, Promise<void>>} */
const loaded = new Map();

/**
 * Loads a style sheet once, and waits for it, so that nothing is seen without its style.
 * @param {string} href - Relative to the page.
 * @returns {Promise<void>}
 */
export function loadStyle(href) {
  let found = loaded.get(href);
  if (!found) {
    found = new Promise((resolve) => {
      const link = document.createElement("link");
      link.rel = "stylesheet";
      link.href = href;
      link.addEventListener("load", () => resolve());
      link.addEventListener("error", () => resolve()); // unstyled is better than nothing
      document.head.append(link);
    });
    loaded.set(href, found);
  }
  return found;
}
