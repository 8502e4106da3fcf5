"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  all(".needs-script").forEach((each) => { each.hidden = false; });

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
  };
  scheme.addEventListener("click", turnScheme);
  systemIsDark.addEventListener("change", nameScheme);
  nameScheme();

  // ---- which section is read ----
  const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
  const inView = new Set();
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) inView[entry.isIntersecting ? "add" : "delete"](entry.target.id);
    const first = [...links.keys()].find((id) => inView.has(id));
    links.forEach((link, id) => {
      if (id === first) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
    const current = links.get(first);
    const bar = current?.parentNode;
    if (bar) bar.scrollLeft = current.offsetLeft - bar.offsetLeft - (bar.clientWidth - current.offsetWidth) / 2;
  }, { rootMargin: "-20% 0px -60% 0px" });
  all("main > section").forEach((each) => watch.observe(each));

  // ---- tables that can be sorted ----
  const valueOf = (cell) => (cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value));
  const sortBy = (table, head) => {
    const at = [...head.parentNode.children].indexOf(head);
    const down = head.getAttribute("aria-sort") !== "descending";
    all("thead th", table).forEach((each) => each.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [valueOf(a.cells[at]), valueOf(b.cells[at])];
      const order = typeof x === "number" ? x - y : String(x).localeCompare(String(y));
      return down ? -order : order;
    });
    body.append(...rows);
  };
  all("table.sortable").filter((table) => table.tBodies[0].rows.length > 1).forEach((table) => {
    all("thead th", table).forEach((head) => {
      if (!head.textContent) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => sortBy(table, head));
    });
  });

  // ---- pictures that are read step by step ----
  const write = {
    share: (value) => `${(100 * value).toFixed(1)} %`,
    tiny: (value) => value.toPrecision(3),
    number: (value) => (Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(4)))),
  };
  const readable = (plot) => {
    const said = plot.dataset;
    const [from, to, left, right] = [said.from, said.to, said.left, said.right].map(Number);
    const curves = all("polyline", plot).map((line) => ({ label: line.dataset.label, points: JSON.parse(line.dataset.points) }));
    const steps = [...new Set(curves.flatMap((curve) => curve.points.map(([x]) => x)))].sort((a, b) => a - b);
    const readout = plot.parentNode.querySelector(".readout");
    const cursor = document.createElementNS(SVG, "line");
    cursor.setAttribute("class", "cursor");
    cursor.setAttribute("y1", said.top);
    cursor.setAttribute("y2", said.bottom);
    let at = steps.length;
    const show = (index) => {
      at = Math.max(0, Math.min(steps.length - 1, index));
      const x = left + ((steps[at] - from) / (to - from)) * (right - left);
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      plot.append(cursor);
      const values = curves.map(({ label, points }) => {
        const before = points.filter(([step]) => step <= steps[at]).at(-1);
        return before === undefined ? "" : `${label} ${write[said.form](before[1])}`;
      });
      readout.textContent = `step ${steps[at].toLocaleString("en")}: ${values.filter(Boolean).join(", ")}`;
    };
    const nearest = (event) => {
      const box = plot.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * plot.viewBox.baseVal.width;
      const step = from + ((x - left) / (right - left)) * (to - from);
      let best = 0;
      steps.forEach((each, i) => { if (Math.abs(each - step) < Math.abs(steps[best] - step)) best = i; });
      show(best);
    };
    plot.addEventListener("pointermove", nearest);
    plot.addEventListener("pointerdown", nearest);
    plot.addEventListener("focus", () => readout.setAttribute("aria-live", "polite"));
    plot.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: steps.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      show(to);
    });
  };
  all(".plot").forEach(readable);

  // ---- heat maps: one cell can be tabbed to, arrow keys go on from it ----
  all(".map").forEach((map) => {
    const readout = map.querySelector(".readout");
    const rows = all("tbody tr", map).map((row) => all("td", row));
    const told = rows.flat().filter((cell) => cell.dataset.said);
    if (!told.length) return;
    let current = told[0];
    current.tabIndex = 0;
    const show = (cell) => { readout.textContent = cell.dataset.said; };
    told.forEach((cell) => {
      cell.addEventListener("pointerenter", () => show(cell));
      cell.addEventListener("focus", () => {
        current.tabIndex = -1;
        current = cell;
        cell.tabIndex = 0;
        show(cell);
      });
    });
    map.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!way || !event.target.dataset.said) return;
      event.preventDefault();
      let row = rows.findIndex((cells) => cells.includes(current));
      let column = rows[row].indexOf(current);
      do {
        row += way[0];
        column += way[1];
      } while (rows[row]?.[column] && !rows[row][column].dataset.said);
      const next = rows[row]?.[column] ?? beyond(rows, current, way);
      if (next) next.focus();
    });
  });
  // Where the line ends, the nearest cell further that way, whatever its line.
  function beyond(rows, current, [down, right]) {
    const places = rows.flatMap((cells, r) => cells.map((cell, c) => ({ cell, r, c }))).filter((each) => each.cell.dataset.said);
    const here = places.find((each) => each.cell === current);
    const further = places.filter((each) => (down ? (each.r - here.r) * down > 0 : (each.c - here.c) * right > 0));
    const far = (each) => Math.abs(each.r - here.r) + Math.abs(each.c - here.c);
    return further.sort((a, b) => far(a) - far(b))[0]?.cell;
  }

  // ---- clips ----
  const clips = all(".clip");
  const search = byId("clip-search");
  const shownClips = () => all(".clip").filter((each) => !each.hidden);
  const choose = () => {
    const [language, flag, order] = ["language", "flag", "order"].map((name) => byId(`clip-${name}`).value);
    const words = search.value.trim().toLowerCase();
    clips.forEach((clip) => {
      const fits = (!language || clip.dataset.language === language) && (!flag || clip.dataset.flags.split(" ").includes(flag));
      clip.hidden = !fits || !clip.textContent.toLowerCase().includes(words);
    });
    byId("clips").append(...[...clips].sort((a, b) => Number(b.dataset[order]) - Number(a.dataset[order])));
    byId("clip-count").textContent = `${shownClips().length} of ${clips.length} clips`;
  };
  if (search) {
    byId("clip-tools").addEventListener("input", choose);
    byId("clip-tools").addEventListener("submit", (event) => event.preventDefault());
  }
  const go = (by) => {
    const there = shownClips();
    if (!there.length) return;
    const at = there.indexOf(document.activeElement.closest?.(".clip"));
    const next = there[at < 0 ? 0 : Math.max(0, Math.min(there.length - 1, at + by))];
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "start" });
  };
  const play = () => {
    const sound = (document.activeElement.closest?.(".clip") ?? shownClips()[0])?.querySelector("audio");
    if (!sound) return;
    if (sound.paused) sound.play();
    else sound.pause();
  };
  document.addEventListener("play", (event) => {
    all("audio").forEach((each) => { if (each !== event.target) each.pause(); });
  }, true);

  // ---- keys ----
  const help = byId("help");
  byId("help-open").addEventListener("click", () => help.showModal());
  const keys = { j: () => go(1), k: () => go(-1), p: play, t: turnScheme, "/": () => search?.focus(), "?": () => help.showModal() };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open || event.target.closest("input, select, textarea")) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
})();
