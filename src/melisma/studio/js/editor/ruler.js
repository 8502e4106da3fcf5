/** Seconds, and where something is heard to begin. */

const STEPS_S = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60];
const APART_PX = 70; // so that two labels never touch

/** How many seconds there are between two labels. @param {number} msPerPixel */
export function labelStep(msPerPixel) {
  return STEPS_S.find((step) => (step * 1000) / msPerPixel >= APART_PX) ?? 60;
}

/** Spell a label no finer than its step. */
export function label(seconds, step) {
  const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
  const minutes = Math.floor((seconds + 1e-6) / 60);
  const rest = Math.max(0, seconds - minutes * 60).toFixed(digits);
  return `${minutes}:${rest.padStart(digits ? digits + 3 : 2, "0")}`;
}

/**
 * Draw a piece of the ruler.
 * @param {import("./tiles.js").Tile} tile
 * @param {readonly number[]} onsets ms, sorted
 * @param {HTMLElement} host whose colours are used
 */
export function drawRuler({ context, width, height, fromMs, msPerPixel }, onsets, host) {
  const style = getComputedStyle(host);
  const step = labelStep(msPerPixel);
  const toMs = fromMs + width * msPerPixel;
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "top";
  context.fillStyle = style.getPropertyValue("--ed-muted") || "gray";
  // One step earlier, since a label may reach over from the piece to the left.
  for (let k = Math.max(0, Math.floor(fromMs / 1000 / step) - 1); k * step * 1000 < toMs; k += 1) {
    const x = (k * step * 1000 - fromMs) / msPerPixel;
    context.fillRect(Math.round(x), 0, 1, height);
    context.fillText(label(k * step, step), Math.round(x) + 4, 1);
  }
  if (msPerPixel > 20) return; // further out, onsets would be one grey band
  context.fillStyle = style.getPropertyValue("--ed-onset") || "teal";
  for (const onset of onsets) {
    if (onset < fromMs || onset > toMs) continue;
    context.fillRect(Math.round((onset - fromMs) / msPerPixel), height - 5, 1, 5);
  }
}
