/** A preview of what a pod will use: one small curve a measure, with its range. */

import { h, setText } from "./dom.js";
import { cpu, memory, percent, watts } from "./format.js";
import { duration } from "./operation_progress.js";
import { Sparkline } from "./sparkline.js";

const MEASURES = {
  cpu: { title: "CPU", text: cpu },
  memory: { title: "Memory", text: memory },
  power: { title: "Power", text: watts },
  psi: { title: "PSI", text: percent },
};

export class LoadPreview {
  #caption = h("figcaption", { class: "muted", role: "status" });
  #rows = Object.entries(MEASURES).map(([measure, { title }]) => {
    const [curve, range] = [new Sparkline(), h("span", { class: "preview-range" })];
    return { measure, curve, range, element: h("div", { class: "preview-row", "data-measure": measure }, h("span", { class: "preview-title" }, title), range, curve.element) };
  });
  element = h("figure", { class: "preview", "aria-label": "Preview of the load" }, this.#rows.map(({ element }) => element), this.#caption);

  /** `series`: `{cpu, memory, power, psi}`, values by point, null in gaps; `caption` says what it is. */
  show(series, caption) {
    this.element.classList.remove("waiting");
    for (const { measure, curve, range } of this.#rows) {
      const values = series[measure] ?? [];
      const { title, text } = MEASURES[measure];
      curve.draw(values, { title: `${title} of the pod`, text });
      const known = values.filter((value) => value !== null);
      setText(range, known.length ? `${text(Math.min(...known))} – ${text(Math.max(...known))}` : "no samples");
    }
    this.caption(caption);
  }

  caption(text) {
    setText(this.#caption, text);
  }

  /** Until its series is there. */
  wait() {
    this.element.classList.add("waiting");
  }

  /** What stands in its place when there is none. */
  fail(message) {
    this.show({}, message);
  }
}

/** How long a series of so many points lasts at an interval in seconds. */
export function lasting(points, interval, loop) {
  const whole = Number.isFinite(interval) && interval > 0 ? ` × ${interval} s = ${duration(points * interval)}` : "";
  return `${points.toLocaleString("en")} points${whole}${loop ? ", then from the start" : ", then the last one stays"}`;
}
