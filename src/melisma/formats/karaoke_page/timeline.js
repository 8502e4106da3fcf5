/* What is sung when. Pure functions of the alignment; every time is in seconds of the recording. Lines come in the
   order in which they are sung; words are numbered as in the alignment, where their order is that of the text. */
const SHORTEST = 0.12; // a word without length is still lit for this long, or until the next word begins
const LONG_PAUSE = 4; // a pause longer than this gets a count-in
const HOLD = 0.6; // a sung line stays in the middle for this long, or for half of a shorter pause
const ROUNDING = 0.0005; // browsers keep media time in microseconds, the alignment in milliseconds

function readTimeline(song) {
  const words = [];
  let count = 0;
  const lines = song.lines.map((line, index) => {
    const backing = line.backing === true;
    const at = count;
    count += line.words.length;
    const inside = line.words.map(([text, startMs, endMs, confidence], k) => {
      const timed = startMs !== null;
      const word = {
        index: line.index ? line.index[k] : at + k, line: index, text, confidence, timed, backing,
        start: timed ? startMs / 1000 : null,
        end: timed ? endMs / 1000 : null,
      };
      words[word.index] = word;
      return word;
    });
    return { index, stanza: line.stanza, backing, words: inside };
  });
  const timed = lines.flatMap((line) => line.words).filter((word) => word.timed).sort((a, b) => a.start - b.start);
  for (const voice of [false, true]) stretchShortWords(timed.filter((word) => word.backing === voice));
  return { words, lines, timed, timedLines: placeLines(lines), duration: song.duration_ms / 1000 };
}

function stretchShortWords(timed) {
  let next = Infinity; // start of the nearest later word that does not begin at the same moment
  for (let i = timed.length - 1; i >= 0; i--) {
    if (i + 1 < timed.length && timed[i + 1].start > timed[i].start) next = timed[i + 1].start;
    timed[i].until = Math.max(timed[i].end, Math.min(timed[i].start + SHORTEST, next));
  }
}

/* Gives each timed line its start, its end, the moment it moves to the middle, and the pause in front of it. A backing
   line that is sung over the lead stays where it is, beside what it goes with: it is lit there, and never moves. */
function placeLines(lines) {
  const placed = [];
  let silentFrom = 0; // end of whatever was sung before
  const sung = lines.filter((line) => line.words.some((word) => word.timed));
  for (const line of sung) {
    const timed = line.words.filter((word) => word.timed);
    line.start = timed[0].start;
    line.end = Math.max(...timed.map((word) => word.end));
  }
  const leads = sung.filter((line) => !line.backing);
  for (const line of sung) {
    line.over = line.backing && leads.some((lead) => lead.start < line.end && line.start < lead.end);
    if (line.over) {
      silentFrom = Math.max(silentFrom, line.end);
      continue;
    }
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
