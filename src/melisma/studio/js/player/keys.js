/** Keys of the player; the same as those of the karaoke page that stands alone. */
import { keyOf } from "../keyboard.js";
import { SPEED_STEP } from "./sound.js";

const STEP_S = 5;

/** @type {Record<string, (page: any, event: KeyboardEvent) => void>} */
const KEYS = {
  " ": ({ sound }) => sound.toggle(),
  k: ({ sound }) => sound.toggle(),
  ArrowLeft: ({ sound }, event) => (event.shiftKey ? sound.stepWord(-1) : sound.step(-STEP_S)),
  ArrowRight: ({ sound }, event) => (event.shiftKey ? sound.stepWord(1) : sound.step(STEP_S)),
  ArrowUp: (page) => page.stepLine(-1),
  ArrowDown: (page) => page.stepLine(1),
  Home: ({ sound }) => sound.seek(0),
  End: ({ sound }) => sound.seek(sound.duration),
  "[": ({ sound }) => sound.setSpeed(sound.speed - SPEED_STEP),
  "-": ({ sound }) => sound.setSpeed(sound.speed - SPEED_STEP),
  "]": ({ sound }) => sound.setSpeed(sound.speed + SPEED_STEP),
  "+": ({ sound }) => sound.setSpeed(sound.speed + SPEED_STEP),
  "=": ({ sound }) => sound.setSpeed(sound.speed + SPEED_STEP),
  m: ({ sound }) => sound.mute(!sound.clock.muted),
  f: (page) => page.toggleFull(),
  d: (page) => page.toggleDoubt(),
  "?": (page) => page.toggleHelp(),
};

/**
 * Does what a key stands for.
 * @param {any} page - The player.
 * @param {KeyboardEvent} event
 */
export function keysOf(page, event) {
  page.touched();
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
  const pressed = keyOf(event);
  const key = pressed.length === 1 ? pressed.toLowerCase() : pressed;
  const target = /** @type {HTMLElement} */ (event.target);
  if (document.querySelector("dialog[open]") && !(page.help.open && key === "?")) return;
  // Space presses the focused button, Enter follows the focused link; arrows move a focused volume.
  if (key === " " && target.closest("button, a, summary")) return;
  if (target.dataset.part && key.length > 1) return;
  const line = /** @type {HTMLElement|null} */ (target.closest?.(".line"));
  if (key === "Enter" && line) page.sound.seekLine(Number(line.dataset.line));
  else if (KEYS[key]) KEYS[key](page, event);
  else return;
  event.preventDefault();
}
