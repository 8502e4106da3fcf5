/* The recording and the controls that move it. */
const SLOWEST = 0.5;
const FASTEST = 1.5;
const SPEED_STEP = 0.1;
const STEP_S = 5;
const BACK_TO_START_S = 1.5; // "previous" within this time of a line's start goes to the line before it

const byId = (id) => document.getElementById(id);

/* The recording as a Blob: browsers seek in it well, and its base64 text can be let go. */
function takeRecording() {
  const holder = byId("recording");
  const text = holder.textContent;
  holder.remove();
  const comma = text.indexOf(",");
  const type = text.slice("data:".length, text.lastIndexOf(";", comma));
  const parts = [];
  const piece = 4 << 18; // four characters hold three bytes, so a piece is whole
  for (let at = comma + 1; at < text.length; at += piece) {
    const binary = atob(text.slice(at, at + piece));
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    parts.push(bytes);
  }
  return new Blob(parts, { type });
}

class Player {
  constructor(audio, timeline) {
    this.audio = audio;
    this.timeline = timeline;
    this.speed = 1;
    audio.preservesPitch = true;
  }

  get time() {
    return this.audio.currentTime;
  }

  get duration() {
    return Number.isFinite(this.audio.duration) ? this.audio.duration : this.timeline.duration;
  }

  load(blob) {
    this.audio.src = URL.createObjectURL(blob);
  }

  toggle() {
    if (!this.audio.paused) this.audio.pause();
    // A refusal to play reaches the reader through the audio's own error event; an interrupted start is no fault.
    else this.audio.play().catch(() => undefined);
  }

  seek(time) {
    this.audio.currentTime = clamp(time, 0, this.duration);
  }

  step(seconds) {
    this.seek(this.time + seconds);
  }

  /* To the start of a line, or for a line without times to the next one that has them. */
  seekLine(index) {
    const { lines, timedLines } = this.timeline;
    const timed = lines[index].start !== undefined ? lines[index] : undefined;
    const line = timed ?? timedLines.find((candidate) => candidate.index >= index) ?? timedLines.at(-1);
    if (line) this.seek(line.start);
  }

  seekWord(index) {
    const { timed, words } = this.timeline;
    const line = words[index].line;
    const word = words[index].timed ? words[index] : timed.find((one) => one.index > index && one.line === line);
    if (word) this.seek(word.start);
    else this.seekLine(line);
  }

  stepLine(by) {
    const { timedLines } = this.timeline;
    const at = countBegun(timedLines, "start", this.time) - 1;
    const inside = at >= 0 && this.time - timedLines[at].start > BACK_TO_START_S;
    const to = by < 0 && inside ? at : at + by;
    if (to < 0) this.seek(0);
    else if (to < timedLines.length) this.seek(timedLines[to].start);
  }

  stepWord(by) {
    const { timed } = this.timeline;
    const to = countBegun(timed, "start", this.time) - 1 + by;
    if (timed.length) this.seek(timed[clamp(to, 0, timed.length - 1)].start);
  }

  setSpeed(speed) {
    this.speed = clamp(Math.round(speed * 10) / 10, SLOWEST, FASTEST);
    this.audio.playbackRate = this.speed;
  }
}

class Controls {
  constructor(player, timeline) {
    this.player = player;
    this.timeline = timeline;
    this.second = null;
    this.drawMap();
    this.paintLength();
    this.paintSound();
    this.wire();
  }

  wire() {
    const { player } = this;
    const { audio } = player;
    const press = { play: () => player.toggle(), previous: () => player.stepLine(-1), next: () => player.stepLine(1),
      slower: () => player.setSpeed(player.speed - SPEED_STEP), faster: () => player.setSpeed(player.speed + SPEED_STEP),
      speed: () => player.setSpeed(1), mute: () => { audio.muted = !audio.muted; } };
    for (const [id, action] of Object.entries(press)) byId(id).addEventListener("click", action);
    byId("seek").addEventListener("input", (event) => player.seek(Number(event.target.value)));
    byId("volume").addEventListener("input", (event) => {
      audio.volume = Number(event.target.value);
      audio.muted = false;
    });
    for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, () => this.paintState());
    audio.addEventListener("volumechange", () => this.paintSound());
    audio.addEventListener("ratechange", () => this.paintSpeed());
    audio.addEventListener("durationchange", () => { this.drawMap(); this.paintLength(); });
    // A click must not leave the focus on a button, or the next space would press it instead of pausing the song.
    for (const button of document.querySelectorAll("button")) button.addEventListener("mousedown", (event) => event.preventDefault());
  }

  /* Where there is singing, on the bar. */
  drawMap() {
    const { duration } = this.player;
    byId("map").replaceChildren(...this.timeline.timedLines.map((line) => {
      const mark = document.createElement("i");
      mark.style.left = `${(100 * line.start) / duration}%`;
      mark.style.width = `${(100 * (line.end - line.start)) / duration}%`;
      return mark;
    }));
  }

  paintLength() {
    byId("seek").max = this.player.duration;
    byId("total").textContent = clock(this.player.duration);
  }

  paintState() {
    const playing = !this.player.audio.paused;
    document.body.classList.toggle("playing", playing);
    byId("play").setAttribute("aria-label", playing ? "Pause" : "Play");
  }

  paintSound() {
    const { muted, volume } = this.player.audio;
    const silent = muted || volume === 0;
    byId("mute").setAttribute("aria-pressed", String(silent));
    byId("volume").value = muted ? 0 : volume;
    byId("volume").style.setProperty("--share", muted ? 0 : volume);
  }

  paintSpeed() {
    const { speed } = this.player;
    byId("speed-value").textContent = `${speed}\u00d7`;
    byId("slower").disabled = speed <= SLOWEST;
    byId("faster").disabled = speed >= FASTEST;
  }

  paint(time, line) {
    const { duration } = this.player;
    byId("seek").value = time;
    byId("bar").style.setProperty("--share", duration ? clamp(time / duration, 0, 1) : 0);
    const second = clock(time);
    if (second === this.second) return;
    this.second = second;
    byId("now").textContent = second;
    const where = line ? `, line ${line.index + 1} of ${this.timeline.lines.length}` : "";
    byId("seek").setAttribute("aria-valuetext", `${second} of ${clock(duration)}${where}`);
  }
}
