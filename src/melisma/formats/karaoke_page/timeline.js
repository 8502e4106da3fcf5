/* What is sung when. Pure functions of the alignment; every time is in seconds of the recording. */
const SHORTEST = 0.12; // a word without length is still lit for this long, or until the next word begins
const LONG_PAUSE = 4; // a pause longer than this gets a count-in
const HOLD = 0.6; // a sung line stays in the middle for this long, or for half of a shorter pause
const ROUNDING = 0.0005; // browsers keep media time in microseconds, the alignment in milliseconds

function readTimeline(song) {
  const words = [];
  const lines = song.lines.map((line, index) => {
    const first = words.length;
    for (const [text, startMs, endMs, confidence] of line.words) {
      const timed = startMs !== null;
      words.push({
        index: words.length, line: index, text, confidence, timed,
        start: timed ? startMs / 1000 : null,
        end: timed ? endMs / 1000 : null,
      });
    }
    return { index, stanza: line.stanza, words: words.slice(first) };
  });
  const timed = words.filter((word) => word.timed);
  stretchShortWords(timed);
  return { words, lines, timed, timedLines: placeLines(lines), duration: song.duration_ms / 1000 };
}

function stretchShortWords(timed) {
  let next = Infinity; // start of the nearest later word that does not begin at the same moment
  for (let i = timed.length - 1; i >= 0; i--) {
    if (i + 1 < timed.length && timed[i + 1].start > timed[i].start) next = timed[i + 1].start;
    timed[i].until = Math.max(timed[i].end, Math.min(timed[i].start + SHORTEST, next));
  }
}

/* Gives each timed line its start, its end, the moment it moves to the middle, and the pause in front of it. */
function placeLines(lines) {
  const placed = [];
  let silentFrom = 0; // end of whatever was sung before
  for (const line of lines) {
    const sung = line.words.filter((word) => word.timed);
    if (!sung.length) continue;
    line.start = sung[0].start;
    line.end = Math.max(...sung.map((word) => word.end));
    const pause = line.start - silentFrom;
    line.focusAt = pause > 0 ? silentFrom + Math.min(HOLD, pause / 2) : line.start;
    line.pauseFrom = pause > LONG_PAUSE ? silentFrom : null;
    silentFrom = Math.max(silentFrom, line.end);
    placed.push(line);
  }
  if (placed.length) placed[0].focusAt = 0;
  return placed;
}

/* How many items of a list ordered by `key` begin at or before a time. */
function countBegun(items, key, time) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle][key] <= time + ROUNDING) low = middle + 1;
    else high = middle;
  }
  return low;
}

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + ROUNDING));
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}
