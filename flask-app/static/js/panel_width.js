/** The edge of the panel, to be dragged or moved by the arrow keys; the width is remembered. */

import { h } from "./dom.js";

const KEY = "serflab.panel-width";
const NARROWEST = 340;
const STEP = 24;
// Of the map, which keeps at least this much, in px.
const MAP = 280;

const widest = () => Math.max(NARROWEST, window.innerWidth - MAP);

function stored() {
  try {
    return Number(localStorage.getItem(KEY)) || null;
  } catch {
    return null;
  }
}

/** Makes `panel` adjustable; returns the handle, which belongs into it. */
export function resizable(panel) {
  const handle = h("div", {
    class: "panel-handle", role: "separator", "aria-orientation": "vertical", "aria-label": "Width of the panel", tabindex: 0,
    "aria-valuemin": NARROWEST, "aria-valuemax": widest(),
  });
  const set = (width, remember = true) => {
    const fitting = Math.round(Math.max(NARROWEST, Math.min(widest(), width)));
    panel.style.setProperty("--panel-width", `${fitting}px`);
    handle.setAttribute("aria-valuenow", String(fitting));
    handle.setAttribute("aria-valuemax", String(widest()));
    if (!remember) return;
    try {
      localStorage.setItem(KEY, String(fitting));
    } catch {
      // Storage may be switched off; the width then lasts as long as the page.
    }
  };
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    event.preventDefault();
    handle.focus();
  });
  handle.addEventListener("pointermove", (event) => {
    if (handle.hasPointerCapture(event.pointerId)) set(panel.getBoundingClientRect().right - event.clientX);
  });
  handle.addEventListener("dblclick", () => {
    panel.style.removeProperty("--panel-width");
    handle.setAttribute("aria-valuenow", String(Math.round(panel.offsetWidth)));
    try {
      localStorage.removeItem(KEY);
    } catch {
      // As above.
    }
  });
  handle.addEventListener("keydown", ({ key }) => {
    const width = panel.offsetWidth;
    const next = { ArrowLeft: width + STEP, ArrowRight: width - STEP, Home: widest(), End: NARROWEST }[key];
    if (next !== undefined) set(next);
  });
  handle.setAttribute("aria-valuenow", "640");
  if (stored()) set(stored(), false);
  return handle;
}
