/** The two hues of a song, told from its title: a song keeps its colour, here and in the page that stands alone. */

// Hues of voice and ground, degrees in OKLCH: the ground runs from blue to plum, for brown and olive look dull.
const HUES = [[355, 285], [25, 320], [60, 280], [245, 265], [285, 270], [315, 295]];

/** @param {string} text @returns {number} CRC-32 of its UTF-8 bytes, as zlib counts it. */
export function crc32(text) {
  let crc = ~0;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/**
 * Colours the page for a song.
 * @param {string} title
 * @returns {() => void} Puts the Studio's own colours back.
 */
export function colourSong(title) {
  const [hue, mood] = HUES[crc32(title) % HUES.length];
  const { style } = document.documentElement;
  style.setProperty("--hue", String(hue));
  style.setProperty("--mood", String(mood));
  return () => {
    style.removeProperty("--hue");
    style.removeProperty("--mood");
  };
}
