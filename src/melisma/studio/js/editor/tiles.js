/** A long picture in pieces, of which only those in view are drawn. */

export const TILE_PX = 512;
const KEPT = 16; // tiles; of a spectrogram on a screen with double resolution, 16 are 15 MB

/**
 * @typedef {{canvas: HTMLCanvasElement, context: CanvasRenderingContext2D, left: number, width: number,
 *            height: number, fromMs: number, msPerPixel: number}} Tile
 *   left and width in CSS pixels from the beginning of the recording
 */

/** Canvases side by side in an element that scrolls. */
export class TileTrack {
  /**
   * @param {HTMLElement} host
   * @param {(tile: Tile) => void} draw
   */
  constructor(host, draw) {
    this.host = host;
    this.draw = draw;
    /** @type {Map<number, HTMLCanvasElement>} */
    this.tiles = new Map();
    this.msPerPixel = 0;
  }

  /**
   * Draw what is in view and does not stand there yet.
   * @param {{left: number, width: number, total: number, msPerPixel: number}} view px
   */
  show({ left, width, total, msPerPixel }) {
    if (msPerPixel !== this.msPerPixel) this.clear();
    this.msPerPixel = msPerPixel;
    const first = Math.max(0, Math.floor((left - TILE_PX / 4) / TILE_PX));
    const last = Math.min(Math.ceil(total / TILE_PX) - 1, Math.floor((left + width + TILE_PX / 4) / TILE_PX));
    for (let i = first; i <= last; i += 1) if (!this.tiles.has(i)) this.#add(i, total);
    if (this.tiles.size > KEPT) this.#drop(first, last);
  }

  #add(i, total) {
    const width = Math.min(TILE_PX, Math.ceil(total - i * TILE_PX));
    const height = this.host.clientHeight;
    if (width <= 0 || height <= 0) return;
    const scale = Math.min(2, devicePixelRatio || 1);
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.cssText = `left:${i * TILE_PX}px;width:${width}px;height:${height}px`;
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    this.tiles.set(i, canvas);
    this.host.append(canvas);
    const left = i * TILE_PX;
    this.draw({ canvas, context, left, width, height, fromMs: left * this.msPerPixel, msPerPixel: this.msPerPixel });
  }

  #drop(first, last) {
    for (const [i, canvas] of this.tiles) {
      if (i >= first && i <= last) continue;
      canvas.remove();
      this.tiles.delete(i);
    }
  }

  /** Forget every tile. */
  clear() {
    for (const canvas of this.tiles.values()) canvas.remove();
    this.tiles.clear();
  }
}
