/* Brings the parts together. The audio's own clock drives everything that is seen: no timer counts along. */
const IDLE_MS = 3000; // controls fade when the song plays and nothing was touched for this long

const song = JSON.parse(byId("song").textContent);
const timeline = readTimeline(song);
const audio = byId("audio");
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const stage = new Stage(byId("stage"), byId("lyrics"), timeline, { doubtBelow: song.doubt_below, reducedMotion });
const player = new Player(audio, timeline);
const controls = new Controls(player, timeline);
let scheduled = false;
let touchedAt = performance.now();

function wake() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame((now) => {
    scheduled = false;
    const playing = !audio.paused;
    stage.paint(player.time, now, playing);
    controls.paint(player.time, stage.current);
    document.body.classList.toggle("idle", playing && now - touchedAt > IDLE_MS && !byId("help").open);
    if (playing || stage.glide) wake();
  });
}

function touched() {
  touchedAt = performance.now();
  if (document.body.classList.contains("idle")) document.body.classList.remove("idle");
}

/* ---- words about the song ---- */

function nameOfLanguage(code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code);
  } catch {
    return code; // not a code that the browser knows
  }
}

function describe() {
  byId("title").textContent = song.title;
  byId("title").title = song.title;
  const details = [];
  if (song.language && song.language !== "und") details.push(nameOfLanguage(song.language));
  if (song.engine) details.push(`timed by ${song.engine}`);
  if (song.confidence !== null) details.push(`confidence ${Math.round(100 * song.confidence)} %`);
  if (!timeline.timed.length) details.push("no word of these lyrics has a time");
  byId("details").textContent = details.join(" \u00b7 ");
  if (/^[a-z]{2,3}(-[a-z0-9]{1,8})*$/i.test(song.language)) byId("lyrics").lang = song.language;
  document.documentElement.style.setProperty("--hue", song.hues[0]);
  document.documentElement.style.setProperty("--mood", song.hues[1]);
  const doubtful = document.querySelector(".doubtful") !== null;
  byId("doubt").hidden = byId("doubt-help").hidden = !doubtful;
}

function complain(sentence) {
  byId("trouble").textContent = sentence;
  byId("trouble").hidden = false;
}

/* ---- what the reader does ---- */

function toggleDoubt() {
  if (byId("doubt").hidden) return;
  const shown = document.body.classList.toggle("doubt");
  byId("doubt").setAttribute("aria-pressed", String(shown));
  for (const word of document.querySelectorAll(".doubtful")) {
    word.title = shown ? `confidence ${word.dataset.confidence}` : "";
  }
}

function toggleFull() {
  if (!document.fullscreenEnabled) return;
  const done = document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();
  done.catch(() => undefined); // the browser may say no; the page is as readable as before
}

function toggleHelp() {
  const help = byId("help");
  if (help.open) help.close();
  else help.showModal();
}

function stepLine(by) {
  const inside = byId("lyrics").contains(document.activeElement);
  player.stepLine(by);
  stage.follow();
  stage.paint(player.time, performance.now(), !audio.paused);
  if (inside && stage.current) stage.lines[stage.current.index].focus({ preventScroll: true });
}

const KEYS = {
  " ": () => player.toggle(),
  k: () => player.toggle(),
  ArrowLeft: (event) => (event.shiftKey ? player.stepWord(-1) : player.step(-STEP_S)),
  ArrowRight: (event) => (event.shiftKey ? player.stepWord(1) : player.step(STEP_S)),
  ArrowUp: () => stepLine(-1),
  ArrowDown: () => stepLine(1),
  Home: () => player.seek(0),
  End: () => player.seek(player.duration),
  "[": () => player.setSpeed(player.speed - SPEED_STEP),
  "-": () => player.setSpeed(player.speed - SPEED_STEP),
  "]": () => player.setSpeed(player.speed + SPEED_STEP),
  "+": () => player.setSpeed(player.speed + SPEED_STEP),
  "=": () => player.setSpeed(player.speed + SPEED_STEP),
  m: () => { audio.muted = !audio.muted; },
  f: toggleFull,
  d: toggleDoubt,
  "?": toggleHelp,
};

function onKey(event) {
  touched();
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (byId("help").open && key !== "?") return;
  if (event.target instanceof HTMLButtonElement && key === " ") return; // space presses the focused button
  if (event.target.id === "volume" && key !== " " && key.length > 1) return; // arrows move the volume
  const line = event.target.closest?.(".line");
  if (key === "Enter" && line) player.seekLine(Number(line.dataset.line));
  else if (KEYS[key]) KEYS[key](event);
  else return;
  event.preventDefault();
}

function onClick(event) {
  if (!getSelection().isCollapsed) return; // a text was selected, not a word chosen
  const word = event.target.closest(".word");
  const line = event.target.closest(".line");
  if (word) player.seekWord(Number(word.dataset.word));
  else if (line) player.seekLine(Number(line.dataset.line));
}

function wire() {
  addEventListener("keydown", onKey);
  for (const name of ["pointermove", "pointerdown"]) addEventListener(name, touched, { passive: true });
  byId("lyrics").addEventListener("click", onClick);
  for (const name of ["wheel", "touchmove"]) byId("stage").addEventListener(name, () => stage.letGo(performance.now()), { passive: true });
  for (const [id, action] of [["doubt", toggleDoubt], ["full", toggleFull], ["help-open", toggleHelp]]) byId(id).addEventListener("click", action);
  byId("full").hidden = !document.fullscreenEnabled;
  byId("follow").addEventListener("click", () => { stage.follow(); wake(); });
  byId("announce").addEventListener("change", (event) => {
    byId("announcer").setAttribute("aria-live", event.target.checked ? "polite" : "off");
  });
  stage.onFollow = (following) => { byId("follow").hidden = following; };
  stage.onLine = (line) => { byId("announcer").textContent = line.words.map((word) => word.text).join(" "); };
  for (const name of ["play", "pause", "ended", "timeupdate", "loadedmetadata"]) audio.addEventListener(name, wake);
  audio.addEventListener("seeking", () => { if (!stage.following) stage.follow(); wake(); });
  audio.addEventListener("error", () => complain(
    `This browser cannot play the recording in this page (${song.media_type}). ` +
    "Another browser may; or make the page again from an MP3, Ogg or WAV file."));
  new ResizeObserver(() => { stage.centre(false); wake(); }).observe(byId("stage"));
  reducedMotion.addEventListener("change", wake);
}

describe();
wire();
player.load(takeRecording());
wake();
