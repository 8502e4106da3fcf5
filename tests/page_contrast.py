"""Whether text stands out from its ground by WCAG's 4.5 to 1: a script that tests run in a page."""

from __future__ import annotations

_SCRIPT = """([chosen, left_out]) => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const ground = (each) => {
    for (let at = each; at; at = at.parentElement) {
      const found = rgb(getComputedStyle(at).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255];
  };
  const faults = [];
  for (const each of document.querySelectorAll(chosen)) {
    const own = [...each.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || each.closest(left_out) || !each.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(each).color)), light(ground(each))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faults.push(`${each.className} ${each.textContent.slice(0, 30)}`);
  }
  return [...new Set(faults)];
}"""


def faint(page, chosen: str, left_out: str) -> list[str]:
    """Return the class and the first letters of elements whose text does not stand out.

    Parameters
    ----------
    page : playwright's Page
        Opened.
    chosen, left_out : str
        CSS selectors: of what is looked at, and of what is not, with all inside it.
    """
    return page.evaluate(_SCRIPT, [chosen, left_out])
