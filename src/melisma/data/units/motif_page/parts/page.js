  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const make = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const number = (value, digits = 0) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const percent = (share) => `${number(100 * share, 1)} %`;
  const hueOf = (unit) => (unit * 137.508) % 360;
  const SHOWN = 200; // rows at a time
  const PX = 5; // of a frame on the timeline

  // ---- what there is: motifs by id, and where each is heard ----
  const motifs = new Map(data.motifs.map((motif) => [motif.id, motif]));
  data.motifs.forEach((motif) => { motif.heard = []; });
  data.recordings.forEach((recording) => {
    recording.starts = [];
    recording.frames = recording.runs.reduce((at, run) => { recording.starts.push(at); return at + run; }, 0);
    recording.pieces.forEach((id, i) => {
      motifs.get(id)?.heard.push({ recording, i, first: recording.starts[i], last: recording.starts[i] + recording.runs[i] });
    });
  });
  data.motifs.forEach((motif) => { // one of each speaker first, and one language after another
    const turns = new Map();
    const turnOf = (key) => {
      turns.set(key, (turns.get(key) ?? -1) + 1);
      return turns.get(key);
    };
    motif.heard.forEach((each) => {
      each.turn = turnOf(JSON.stringify(["speaker", each.recording.speaker ?? each.recording.id]));
      each.second = turnOf(JSON.stringify(["language", each.turn, each.recording.language]));
    });
    motif.heard.sort((a, b) => a.turn - b.turn || a.second - b.second);
  });
  const voiceOf = (recording) => [recording.speaker, recording.language].filter(Boolean).join(", ");

  // ---- light and dark ----
  const scheme = byId("scheme");
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => {
    const said = document.documentElement.classList;
    return said.contains("dark") || (!said.contains("light") && systemIsDark.matches);
  };
  const nameScheme = () => { scheme.textContent = isDark() ? "Light" : "Dark"; };
  const turnScheme = () => {
    const wanted = isDark() ? "light" : "dark";
    document.documentElement.classList.remove("light", "dark");
    document.documentElement.classList.add(wanted);
    nameScheme();
    drawWave();
  };
  scheme.addEventListener("click", turnScheme);
  systemIsDark.addEventListener("change", () => { nameScheme(); drawWave(); });
  nameScheme();

  // ---- figures ----
  const tile = (label, value, note) => {
    const made = make("div", undefined, "tile");
    made.append(make("span", label), make("b", value), make("small", note));
    byId("figures").append(made);
  };
  const { corpus, coverage, entropy, zipf, rate } = data.figures;
  const hours = corpus.seconds === null ? "" : corpus.seconds < 3600 ? `${number(corpus.seconds / 60, 1)} min` : `${number(corpus.seconds / 3600, 1)} h`;
  tile("motifs", number(coverage.motifs_that_occur_by_themselves), `in ${number(corpus.utterances)} utterances${hours && `, ${hours}`}`);
  tile("of the units", percent(coverage.units_in_motifs), `in motifs; ${percent(coverage.by_the_100_most_frequent)} in 100`);
  tile("units a token", number(rate.units_per_token, 2), rate.tokens_per_second === null ? "" : `${number(rate.tokens_per_second, 1)} tokens a second`);
  tile("bits a unit", number(entropy.bits_per_unit_in_tokens, 2), `in tokens; ${number(entropy.bits_per_unit, 2)} one by one`);
  if (zipf) tile("Zipf's exponent", number(zipf.exponent, 2), `R\u00b2 ${number(zipf.r2, 2)}`);

  // ---- the list ----
  const tools = byId("tools");
  const list = byId("list");
  const fill = (select, names) => names.sort((a, b) => a.localeCompare(b)).forEach((name) => {
    const option = make("option", name);
    option.value = name;
    select.append(option);
  });
  const named = (key) => [...new Set(data.motifs.flatMap((motif) => motif[key].map((share) => share.of)))];
  fill(byId("speaker"), [...new Set([...named("speakers"), ...data.recordings.map((each) => each.speaker).filter(Boolean)])]);
  fill(byId("language"), named("languages"));
  const spread = (motif, none) => motif.dispersion ?? none;
  const freedom = (motif) => Math.min(motif.before.entropy, motif.after.entropy);
  const orders = {
    frequency: (a, b) => b.frequency - a.frequency,
    units: (a, b) => b.length - a.length,
    ms: (a, b) => (b.ms?.mean ?? 0) - (a.ms?.mean ?? 0),
    even: (a, b) => spread(a, 2) - spread(b, 2),
    uneven: (a, b) => spread(b, -1) - spread(a, -1),
    edges: (a, b) => freedom(b) - freedom(a),
    heard: (a, b) => b.heard.length - a.heard.length,
  };
  let shown = [];
  let nShown = SHOWN;
  let chosen = null;

  const chips = (units) => {
    const made = make("span", undefined, "units");
    units.forEach((unit) => {
      const chip = make("span", String(unit), "unit");
      chip.style.setProperty("--hue", hueOf(unit));
      made.append(chip);
    });
    return made;
  };
  const rowOf = (motif) => {
    const row = make("div", undefined, "row");
    row.setAttribute("role", "option");
    row.id = `row-${motif.id}`;
    row.setAttribute("aria-selected", String(motif === chosen));
    const length = motif.ms === null ? "" : `${number(motif.ms.mean)} ms`;
    row.append(make("b", number(motif.frequency)), chips(motif.units), make("small", length));
    row.addEventListener("click", () => { choose(motif); playAll(); });
    return row;
  };
  const said = (motif, name) => motif.speakers.some((share) => share.of === name) || motif.heard.some((each) => each.recording.speaker === name);
  const fits = (motif) => {
    const [shortest, longest, fewest] = ["shortest", "longest", "fewest"].map((id) => Number(byId(id).value));
    if (motif.length < shortest || (longest && motif.length > longest) || motif.frequency < fewest) return false;
    const speaker = byId("speaker").value;
    const language = byId("language").value;
    if (speaker && !said(motif, speaker)) return false;
    if (language && !motif.languages.some((share) => share.of === language)) return false;
    const words = byId("search").value.trim().toLowerCase();
    if (!words) return true;
    if (/^[\d\s,]+$/.test(words)) return ` ${motif.units.join(" ")} `.includes(` ${words.split(/[\s,]+/).filter(Boolean).join(" ")} `);
    return motif.speakers.some((share) => share.of.toLowerCase().includes(words)) || motif.heard.some((each) => each.recording.id.toLowerCase().includes(words));
  };
  const drawList = () => {
    list.replaceChildren(...shown.slice(0, nShown).map(rowOf));
    byId("more").hidden = shown.length <= nShown;
    if (chosen && shown.includes(chosen)) list.setAttribute("aria-activedescendant", `row-${chosen.id}`);
    else list.removeAttribute("aria-activedescendant");
  };
  const filter = () => {
    shown = data.motifs.filter(fits).sort((a, b) => orders[byId("order").value](a, b) || b.frequency - a.frequency || a.id - b.id);
    nShown = SHOWN;
    byId("count").textContent = `${number(shown.length)} of ${number(data.motifs.length)} pieces${data.more ? `; ${number(data.more)} rarer ones are in motif_analysis.json` : ""}`;
    drawList();
  };
  tools.addEventListener("input", filter);
  tools.addEventListener("submit", (event) => event.preventDefault());
  byId("more").addEventListener("click", () => { nShown += SHOWN; drawList(); });

  // ---- one motif ----
  const fact = (within, name, value, className) => {
    const made = make("div", undefined, className);
    made.append(make("dt", name), make("dd", value));
    within.append(made);
  };
  const neighbours = (title, side, frequency) => {
    const made = make("div");
    made.append(make("h3", `${title}: ${number(side.entropy, 2)} bits`));
    const links = make("div", undefined, "links");
    side.top.forEach(({ of, count }) => {
      const other = motifs.get(of);
      const link = make("button", undefined, "link");
      link.type = "button";
      link.append(other ? chips(other.units) : make("span", `piece ${of}`), make("small", percent(count / frequency)));
      if (other) link.addEventListener("click", () => choose(other));
      else link.disabled = true;
      links.append(link);
    });
    if (side.edge) links.append(make("p", `${percent(side.edge / frequency)} at the edge of an utterance`, "quiet"));
    made.append(links);
    return made;
  };
  const heardOf = (motif) => {
    const speaker = byId("speaker").value;
    return speaker ? motif.heard.filter((each) => each.recording.speaker === speaker) : motif.heard;
  };
  const drawHeard = (motif) => {
    const box = make("div");
    box.id = "heard";
    heardOf(motif).forEach((each, i) => {
      const button = make("button", undefined, "heard");
      button.type = "button";
      button.dataset.at = i;
      button.disabled = !each.recording.sound;
      const name = make("bdi", each.recording.id);
      const from = (each.recording.first + each.first) * FRAME_S;
      button.append(name, make("small", `${voiceOf(each.recording)} ${number(from, 2)} s, ${number((each.last - each.first) * 20)} ms`, "quiet"));
      button.addEventListener("click", () => playOne(i));
      box.append(button);
    });
    return box;
  };
  const drawMotif = (motif) => {
    const box = byId("motif");
    const facts = make("dl", undefined, "facts");
    fact(facts, "times", number(motif.frequency));
    fact(facts, "with those inside others", number(motif.occurrences));
    if (motif.ms) fact(facts, "length", `${number(motif.ms.mean)} ms (${number(motif.ms.p10)}\u2013${number(motif.ms.p90)})`);
    fact(facts, "in utterances", number(motif.utterances));
    if (motif.n_speakers) fact(facts, "speakers", `${number(motif.n_speakers)}: ${motif.speakers.map((share) => `${share.of} ${share.count}`).join(", ")}`, "wide");
    if (motif.dispersion !== null) fact(facts, "unevenly spread", number(motif.dispersion, 2));
    if (motif.languages.length) fact(facts, "languages", motif.languages.map((share) => `${share.of} ${share.count}`).join(", "));
    const play = make("button", "Play occurrences", "main");
    play.type = "button";
    play.id = "play";
    play.disabled = !heardOf(motif).some((each) => each.recording.sound);
    play.addEventListener("click", () => (playing ? stop() : playAll()));
    const around = make("label", "around it ", "quiet");
    around.append(aroundChoice);
    const bar = make("div", undefined, "player");
    bar.append(play, around);
    const sides = make("div", undefined, "sides");
    sides.append(neighbours("Before it", motif.before, motif.frequency || 1), neighbours("After it", motif.after, motif.frequency || 1));
    const title = make("h2", `Motif ${motif.id}`);
    const count = make("h3", `Heard here ${number(heardOf(motif).length)} times`);
    box.replaceChildren(title, chips(motif.units), bar, count, drawHeard(motif), facts, sides);
  };
  const choose = (motif) => {
    stop();
    chosen = motif;
    at = -1;
    drawMotif(motif);
    list.querySelector('[aria-selected="true"]')?.setAttribute("aria-selected", "false");
    const row = byId(`row-${motif.id}`);
    row?.setAttribute("aria-selected", "true");
    row?.scrollIntoView({ block: "nearest" });
    if (row) list.setAttribute("aria-activedescendant", row.id);
    if (staged) drawStage(staged);
  };
  const aroundChoice = make("select");
  aroundChoice.id = "around";
  [["0", "nothing"], ["0.1", "0.1 s"], ["0.3", "0.3 s"], ["1", "1 s"]].forEach(([value, text]) => {
    const option = make("option", text);
    option.value = value;
    aroundChoice.append(option);
  });
  aroundChoice.value = "0.1";

  // ---- the recording ----
  let staged = null;
  const drawWave = async () => {
    const recording = staged;
    if (!recording) return;
    const canvas = byId("wave");
    const width = recording.frames * PX;
    canvas.width = width;
    canvas.style.width = `${width}px`;
    if (!recording.sound) return;
    const { buffer, lead } = await soundOf(recording);
    if (recording !== staged) return;
    const samples = buffer.getChannelData(0);
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, width, canvas.height);
    pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--quiet");
    const step = (RATE * FRAME_S) / PX;
    let highest = 0.05;
    for (let i = 0; i < samples.length; i += 1) highest = Math.max(highest, Math.abs(samples[i]));
    for (let x = 0; x < width; x += 1) {
      let peak = 0;
      const from = Math.round(lead * RATE + x * step);
      for (let i = from; i < from + step && i < samples.length; i += 1) peak = Math.max(peak, Math.abs(samples[i]));
      const height = Math.max(1, (peak / highest) * canvas.height);
      pen.fillRect(x, (canvas.height - height) / 2, 1, height);
    }
  };
  const drawStage = (recording, current = -1) => {
    const same = recording === staged;
    staged = recording;
    byId("stage").hidden = false;
    document.body.classList.add("staged");
    byId("stage-name").textContent = recording.id;
    byId("stage-where").textContent = [voiceOf(recording), `${number(recording.frames * FRAME_S, 1)} s`, recording.first ? `from ${number(recording.first * FRAME_S, 1)} s on` : "", recording.sound ? "" : "no sound"].filter(Boolean).join(", ");
    byId("whole").disabled = !recording.sound;
    byId("track").style.width = `${recording.frames * PX}px`;
    const blocks = recording.pieces.map((id, i) => {
      const motif = motifs.get(id);
      const block = make("button", recording.runs[i] * PX > 26 ? String(id) : "", "block");
      block.type = "button";
      block.tabIndex = -1;
      block.style.left = `${recording.starts[i] * PX}px`;
      block.style.width = `${recording.runs[i] * PX}px`;
      block.style.setProperty("--hue", hueOf(id));
      block.title = motif ? `motif ${id}: ${motif.units.join(" ")}` : `piece ${id}`;
      block.setAttribute("aria-label", block.title);
      if (motif && motif.length === 1) block.classList.add("single");
      if (chosen && id === chosen.id) block.classList.add("same");
      if (i === current) block.setAttribute("aria-current", "true");
      if (motif) block.addEventListener("click", () => {
        if (motif !== chosen) choose(motif);
        const place = heardOf(motif).findIndex((each) => each.recording === recording && each.i === i);
        if (place >= 0) playOne(place);
      });
      return block;
    });
    byId("blocks").replaceChildren(...blocks);
    byId("cursor").hidden = true;
    if (!same) drawWave();
    if (current >= 0) {
      const strip = byId("strip");
      strip.scrollLeft = (recording.starts[current] + recording.runs[current] / 2) * PX - strip.clientWidth / 2;
    }
  };
  byId("stage-close").addEventListener("click", () => {
    stop();
    staged = null;
    byId("stage").hidden = true;
    document.body.classList.remove("staged");
  });

  // ---- playing ----
  let playing = false;
  let at = -1; // the occurrence of the chosen motif that was played last
  player.onMove = (recording, frame) => {
    if (recording !== staged) return;
    const cursor = byId("cursor");
    cursor.hidden = false;
    cursor.style.transform = `translateX(${frame * PX}px)`;
    const strip = byId("strip");
    const x = frame * PX;
    if (x > strip.scrollLeft + strip.clientWidth || x < strip.scrollLeft) strip.scrollLeft = x - strip.clientWidth / 4;
  };
  const name = () => {
    document.body.dataset.playing = String(playing);
    byId("stop").hidden = !playing;
    const play = byId("play");
    if (play) play.textContent = playing ? "Stop" : "Play occurrences";
  };
  const stop = () => {
    silence();
    playing = false;
    name();
    byId("cursor").hidden = true;
  };
  const begin = () => {
    silence();
    playing = true;
    name();
    return player.run;
  };
  const show = (place) => {
    at = place;
    const each = heardOf(chosen)[place];
    drawStage(each.recording, each.i);
    document.querySelectorAll(".heard").forEach((row) => {
      row.setAttribute("aria-current", String(Number(row.dataset.at) === place));
      if (Number(row.dataset.at) === place) row.parentNode.scrollTop = row.offsetTop - row.parentNode.offsetTop - 60;
    });
    return each;
  };
  const playFrom = async (place, last) => {
    const run = begin();
    for (let i = place; i <= last; i += 1) {
      const each = show(i);
      if (!each.recording.sound) continue;
      if (!(await playPart(each.recording, each.first, each.last, Number(aroundChoice.value), run))) return;
      if (i < last) await wait(GAP_S);
      if (run !== player.run) return;
    }
    stop();
  };
  const playAll = () => {
    const heard = chosen ? heardOf(chosen) : [];
    if (heard.length) playFrom(0, heard.length - 1);
  };
  const playOne = (place) => playFrom(place, place);
  const step = (by) => {
    const n = chosen ? heardOf(chosen).length : 0;
    if (n) playOne(Math.max(0, Math.min(n - 1, at + by)));
  };
  const playWhole = async () => {
    if (!staged || !staged.sound) return;
    const run = begin();
    if (await playPart(staged, 0, staged.frames, 0, run)) stop();
  };
  byId("stop").addEventListener("click", stop);
  byId("whole").addEventListener("click", playWhole);

  // ---- keys ----
  const go = (by) => {
    if (!shown.length) return;
    const place = shown.indexOf(chosen);
    const next = place < 0 ? 0 : Math.max(0, Math.min(shown.length - 1, place + by));
    if (next >= nShown) { nShown = next + SHOWN; drawList(); }
    choose(shown[next]);
  };
  const help = byId("help");
  byId("help-open").addEventListener("click", () => help.showModal());
  const keys = {
    j: () => go(1), k: () => go(-1), p: () => (playing ? stop() : playAll()), r: playWhole, t: turnScheme, Escape: stop,
    ArrowRight: () => step(1), ArrowLeft: () => step(-1), "/": () => byId("search").focus(), "?": () => help.showModal(),
  };
  const listKeys = { ArrowDown: () => go(1), ArrowUp: () => go(-1), Enter: playAll };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.target.closest("#strip") && event.key.startsWith("Arrow")) return;
    const act = (event.target === list && listKeys[event.key]) || keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  byId("speaker").addEventListener("input", () => { if (chosen) choose(chosen); });
  byId("needs-script").hidden = true;
  document.querySelectorAll("main, #page-buttons").forEach((each) => { each.hidden = false; });
  name();
  filter();
  if (shown.length) choose(shown[0]);
