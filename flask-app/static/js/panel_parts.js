/** Small parts that several tabs of the panel are made of. */

import { h, setText } from "./dom.js";
import { sentence } from "./format.js";

/** A list of facts: `[name, value]` each; what is null, undefined or "" is left out. */
export function facts(entries) {
  const known = entries.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, known.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/** How much of a whole is used: text and bar; `whole` null shows the text alone. */
export function use(title, text, part, whole) {
  const bar = h("span");
  bar.style.width = `${whole > 0 ? Math.min(100, Math.max(0, (100 * (part ?? 0)) / whole)) : 0}%`;
  return h("div", { class: "use" }, h("span", {}, h("span", { class: "muted" }, `${title} `), text), h("div", { class: "meter", "aria-hidden": "true" }, bar));
}

/** Grey bars in the place of what is still being asked for. */
export function skeleton(lines = 4) {
  return h("div", { class: "skeleton", role: "status", "aria-label": "Loading" }, Array.from({ length: lines }, () => h("span")));
}

/** A line that says what went wrong; hidden while nothing does. */
export class Problem {
  element = h("p", { class: "notice error", role: "status", hidden: true });

  /** `error` as the API gives it, or null. */
  show(error) {
    this.element.hidden = error === null;
    setText(this.element, error === null ? "" : `${sentence(error.message)} ${sentence(error.hint)}`.trim());
  }
}
