"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  all(".needs-script").forEach((each) => { each.hidden = false; });

  const scheme = document.getElementById("scheme");
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

  // One sound at a time.
  document.addEventListener("play", (event) => {
    all("audio").forEach((each) => { if (each !== event.target) each.pause(); });
  }, true);

  const samples = all(".sample");
  const current = () => document.activeElement.closest?.(".sample");
  const go = (by) => {
    if (!samples.length) return;
    const at = samples.indexOf(current());
    const next = samples[at < 0 ? 0 : Math.max(0, Math.min(samples.length - 1, at + by))];
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "start" });
  };
  const play = (which) => {
    const sound = (current() ?? samples[0])?.querySelectorAll("audio")[which];
    if (!sound) return;
    if (sound.paused) {
      sound.currentTime = 0;
      sound.play();
    } else sound.pause();
  };
  const keys = { j: () => go(1), k: () => go(-1), 1: () => play(0), 2: () => play(1), 3: () => play(2), t: turnScheme };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
})();
