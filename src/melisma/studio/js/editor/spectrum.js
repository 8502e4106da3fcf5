/** Short-time spectra of a stretch of sound, as brightness: no DOM, so that a worker and a test can use it. */

export const WINDOW = 512; // samples: 32 ms at 16 kHz, which keeps both a consonant and the partials of a voice apart
export const RANGE_DB = 70; // from the loudest of the recording down to black
export const TOP_HZ = 8000;
const CONTRAST = 1.7; // exponent: instruments recede, the partials of a voice stand out

const HANN = Float32Array.from({ length: WINDOW }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WINDOW));
const COSINE = Float32Array.from({ length: WINDOW / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / WINDOW));
const SINE = Float32Array.from({ length: WINDOW / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / WINDOW));
const REVERSED = reversedBits();

function reversedBits() {
  const bits = Math.log2(WINDOW);
  return Uint16Array.from({ length: WINDOW }, (_, i) => {
    let out = 0;
    for (let b = 0; b < bits; b += 1) out |= ((i >> b) & 1) << (bits - 1 - b);
    return out;
  });
}

const real = new Float32Array(WINDOW);
const imaginary = new Float32Array(WINDOW);

/** Fourier transform in place of `real` and `imaginary`, whose entries stand in bit-reversed order (radix 2). */
function transform() {
  for (let size = 2; size <= WINDOW; size *= 2) {
    const half = size / 2;
    const step = WINDOW / size;
    for (let first = 0; first < WINDOW; first += size) {
      for (let k = 0; k < half; k += 1) {
        const a = first + k;
        const b = a + half;
        const re = real[b] * COSINE[k * step] - imaginary[b] * SINE[k * step];
        const im = real[b] * SINE[k * step] + imaginary[b] * COSINE[k * step];
        real[b] = real[a] - re;
        imaginary[b] = imaginary[a] - im;
        real[a] += re;
        imaginary[a] += im;
      }
    }
  }
}

/**
 * Power of each frequency at one moment.
 * @param {Int16Array} samples mono
 * @param {number} centre sample in the middle of the window
 * @param {Float32Array} out [WINDOW / 2], power
 */
export function powers(samples, centre, out) {
  const first = Math.round(centre) - WINDOW / 2;
  for (let i = 0; i < WINDOW; i += 1) {
    const sample = samples[first + i] ?? 0;
    real[REVERSED[i]] = (sample / 32768) * HANN[i];
  }
  imaginary.fill(0);
  transform();
  for (let k = 0; k < WINDOW / 2; k += 1) out[k] = real[k] * real[k] + imaginary[k] * imaginary[k];
}

/**
 * Power of the loudest partial in the recording, from moments spread over all of it.
 * @param {Int16Array} samples
 * @param {number} [n] how many moments
 */
export function loudest(samples, n = 300) {
  const out = new Float32Array(WINDOW / 2);
  let most = 1e-9;
  for (let i = 0; i < n; i += 1) {
    powers(samples, ((i + 0.5) / n) * samples.length, out);
    for (let k = 2; k < out.length; k += 1) if (out[k] > most) most = out[k];
  }
  return most;
}

const mel = (hz) => 2595 * Math.log10(1 + hz / 700);

/**
 * First bin of each row, lowest frequency in the last row, rows evenly spaced on the mel scale.
 * @param {number} height
 * @param {number} sampleRate
 * @returns {Float32Array} [height + 1], bins, descending
 */
export function rowEdges(height, sampleRate) {
  const top = mel(Math.min(TOP_HZ, sampleRate / 2));
  return Float32Array.from({ length: height + 1 }, (_, row) => {
    const hz = 700 * (10 ** ((top * (1 - row / height)) / 2595) - 1);
    return (hz * WINDOW) / sampleRate;
  });
}

/**
 * Brightness of a stretch, 0 (silent) to 255 (as loud as the loudest).
 * @param {{samples: Int16Array, sampleRate: number, reference: number}} sound
 * @param {{fromMs: number, msPerPixel: number, width: number, height: number}} tile
 * @returns {Uint8ClampedArray} [height * width], row by row from the top
 */
export function brightness(sound, { fromMs, msPerPixel, width, height }) {
  const { samples, sampleRate, reference } = sound;
  const edges = rowEdges(height, sampleRate);
  const out = new Uint8ClampedArray(width * height);
  const column = new Float32Array(WINDOW / 2);
  for (let x = 0; x < width; x += 1) {
    powers(samples, ((fromMs + (x + 0.5) * msPerPixel) * sampleRate) / 1000, column);
    for (let row = 0; row < height; row += 1) {
      const low = Math.min(column.length - 1, Math.floor(edges[row + 1]));
      const high = Math.min(column.length - 1, Math.max(low, Math.ceil(edges[row]) - 1));
      let most = 0;
      for (let k = low; k <= high; k += 1) if (column[k] > most) most = column[k];
      const db = 10 * Math.log10(most / reference + 1e-12);
      out[row * width + x] = 255 * Math.max(0, 1 + db / RANGE_DB) ** CONTRAST;
    }
  }
  return out;
}
