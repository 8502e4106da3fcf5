/** Draws the spectrogram beside the page's own thread, so that scrolling never waits for it. */
import { brightness, loudest } from "./spectrum.js";

/** @type {{samples: Int16Array, sampleRate: number, reference: number} | null} */
let sound = null;

self.addEventListener("message", ({ data }) => {
  if (data.samples) {
    sound = { samples: data.samples, sampleRate: data.sampleRate, reference: loudest(data.samples) };
    self.postMessage({ ready: true });
  } else if (sound) {
    const pixels = brightness(sound, data.tile);
    self.postMessage({ id: data.id, pixels }, { transfer: [pixels.buffer] });
  }
});
