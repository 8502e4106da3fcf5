/** The spectrogram: the browser decodes the song once, a worker of this service draws the stretch that is in view. */

export const LONGEST_MS = 20 * 60_000; // beyond which a browser would hold 150 MB and more while it decodes
const SAMPLE_RATE = 16_000; // twice the highest frequency that is drawn

/** @typedef {import("./tiles.js").Tile} Tile */

/** Draws tiles; made when it is first wanted. */
export class Spectrogram {
  /** @param {() => string[]} colours - From silent to loud, at least two. */
  constructor(colours) {
    this.colours = colours;
    this.worker = new Worker(new URL("./spectrum_worker.js", import.meta.url), { type: "module" });
    this.worker.addEventListener("message", ({ data }) => this.#answered(data));
    /** @type {Map<number, {tile: Tile, width: number, height: number}>} */
    this.waiting = new Map();
    this.lastId = 0;
  }

  /** Decodes a recording; its samples go to the worker, and none stay here. @param {Promise<ArrayBuffer>} recording */
  async load(recording) {
    const encoded = await recording;
    const decoded = await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(encoded).catch((error) => {
      throw new Error(`this browser cannot decode the recording, so there is no spectrogram (${error.message})`);
    });
    const samples = mixed(decoded);
    this.worker.postMessage({ samples, sampleRate: decoded.sampleRate }, { transfer: [samples.buffer] });
  }

  /** Asks for a tile; it is drawn when the worker has it. @param {Tile} tile */
  draw(tile) {
    const width = tile.width; // one spectrum for each CSS pixel
    const height = Math.round(tile.height);
    this.lastId += 1;
    this.waiting.set(this.lastId, { tile, width, height });
    this.worker.postMessage({
      id: this.lastId,
      tile: { fromMs: tile.fromMs, msPerPixel: tile.msPerPixel, width, height },
    });
  }

  #answered({ id, pixels }) {
    const found = this.waiting.get(id);
    this.waiting.delete(id);
    if (!found || !found.tile.canvas.isConnected) return;
    const { tile, width, height } = found;
    const image = new ImageData(width, height);
    this.palette ??= palette(this.colours());
    const into = new Uint32Array(image.data.buffer);
    for (let i = 0; i < pixels.length; i += 1) into[i] = this.palette[pixels[i]];
    const small = new OffscreenCanvas(width, height);
    small.getContext("2d").putImageData(image, 0, 0);
    tile.context.drawImage(small, 0, 0, width, height);
  }

  /** Other colours from now on. */
  recolour() {
    this.palette = null;
  }

  destroy() {
    this.worker.terminate();
  }
}

/** Mixes the channels to one, in 16 bits. @param {AudioBuffer} decoded @returns {Int16Array} */
function mixed(decoded) {
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, c) => decoded.getChannelData(c));
  const out = new Int16Array(decoded.length);
  const scale = 32767 / channels.length;
  for (let i = 0; i < out.length; i += 1) {
    let sum = 0;
    for (const channel of channels) sum += channel[i];
    out[i] = Math.max(-32768, Math.min(32767, sum * scale));
  }
  return out;
}

/** Colours of 256 steps of brightness. @param {string[]} colours @returns {Uint32Array} RGBA, as ImageData keeps it. */
function palette(colours) {
  const strip = new OffscreenCanvas(256, 1);
  const context = strip.getContext("2d");
  const gradient = context.createLinearGradient(0, 0, 256, 0);
  colours.forEach((colour, i) => gradient.addColorStop(i / (colours.length - 1), colour));
  context.fillStyle = gradient;
  context.fillRect(0, 0, 256, 1);
  return new Uint32Array(context.getImageData(0, 0, 256, 1).data.buffer.slice(0));
}
