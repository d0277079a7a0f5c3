/** Single keys for what is done often, and the dialog that tells of them. They can be switched off there. */

import { openDialog } from "./dialog.js";
import { h } from "./dom.js";

const KEY = "serflab.shortcuts";
// The graph reads these itself while it has the focus.
const IN_THE_GRAPH = [
  { keys: ["←", "↑", "→", "↓"], text: "Go to the neighbour in that direction" },
  { keys: ["Enter"], text: "Open the node in the panel" },
  { keys: ["E"], text: "Expand or collapse a serf" },
  { keys: ["Menu", "Shift F10"], text: "What can be done with a serf" },
  { keys: ["+", "−", "0"], text: "Zoom in, zoom out, fit" },
];
const ON_THE_TRACK = [
  { keys: ["←", "→"], text: "One point back, one point on" },
  { keys: ["Page Up", "Page Down"], text: "A tenth of the window on, back" },
  { keys: ["Home", "End"], text: "Oldest, newest point" },
];

let on = true;
try {
  on = localStorage.getItem(KEY) !== "off";
} catch {
  // Storage may be switched off.
}

function switchTo(wanted) {
  on = wanted;
  try {
    localStorage.setItem(KEY, wanted ? "on" : "off");
  } catch {
    // The choice then lasts as long as the page.
  }
}

const typing = (target) => target.closest?.("input:not([type=range], [type=checkbox]), textarea, select, [contenteditable], dialog") !== null;

/**
 * Listens for single keys; `shortcuts`: `[{key, text, act}]`. `text` is what the dialog says, none for a second key of the
 * same. Keys that something focused has used itself, and those typed into fields, are left alone.
 */
export function setUpShortcuts(shortcuts) {
  const acts = new Map(shortcuts.map(({ key, act }) => [key, act]));
  document.addEventListener("keydown", (event) => {
    if (!on || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const act = acts.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

const rows = (list) => h("dl", { class: "keys" }, list.map(({ keys, text }) => h("div", {}, h("dt", {}, keys.map((key) => h("kbd", {}, key))), h("dd", {}, text))));

/** Shows every shortcut, and the switch for them. */
export function showShortcuts(shortcuts) {
  const told = shortcuts.filter(({ text }) => text).map(({ key, text }) => ({ keys: [key.length === 1 ? key.toUpperCase() : key], text }));
  const box = h("input", { type: "checkbox", id: "shortcuts-on", checked: on, onchange: ({ target }) => switchTo(target.checked) });
  return openDialog({
    title: "Keyboard",
    content: h("div", { class: "help" },
      h("section", {}, h("h3", {}, "Anywhere"), rows(told), h("label", { class: "check" }, box, "Use these single keys")),
      h("section", {},
        h("h3", {}, "In the graph"), rows(IN_THE_GRAPH),
        h("h3", {}, "On the track of the history"), rows(ON_THE_TRACK),
        h("h3", {}, "In tables"), rows([{ keys: ["Tab"], text: "Go to the rows" }, { keys: ["↑", "↓"], text: "Next and previous pod" }, { keys: ["Enter"], text: "Open the row" }]))),
  });
}
