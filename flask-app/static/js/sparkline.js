/** A load as a small area: behind the track of the history, and in previews; gaps stay empty. */

import { setText } from "./dom.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDTH = 1000;
const HEIGHT = 40;

function svg(tag, attributes) {
  const element = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export class Sparkline {
  element = svg("svg", { class: "sparkline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  #title = svg("title", {});
  #area = svg("path", { class: "sparkline-area" });
  #line = svg("path", { class: "sparkline-line" });
  #mark = svg("line", { class: "sparkline-mark", y1: 0, y2: HEIGHT, visibility: "hidden" });

  constructor() {
    this.element.append(this.#title, this.#area, this.#line, this.#mark);
  }

  /**
   * `values`: one a point, evenly spaced, null in gaps; `title`: whose they are, `text(value)`: one for people; `least`: the
   * top of the drawing where all values lie below it.
   */
  draw(values, { title, text, least = 0 }) {
    const known = values.filter((value) => value !== null);
    const highest = Math.max(...known);
    const top = Math.max(least, highest);
    const x = (index) => ((WIDTH * index) / Math.max(1, values.length - 1)).toFixed(1);
    const y = (value) => (HEIGHT - 2 - ((HEIGHT - 4) * value) / (top || 1)).toFixed(1);
    let [area, line] = ["", ""];
    for (const [start, end] of runs(values)) {
      const points = values.slice(start, end).map((value, offset) => `${x(start + offset)} ${y(value)}`);
      line += `M${points.join("L")}${points.length === 1 ? "h1" : ""}`;
      area += `M${x(start)} ${HEIGHT}L${points.join("L")}L${x(end - 1)} ${HEIGHT}Z`;
    }
    this.#line.setAttribute("d", line);
    this.#area.setAttribute("d", area);
    setText(this.#title, known.length ? `${title}: lowest ${text(Math.min(...known))}, highest ${text(highest)}` : `${title}: not known`);
  }

  /** Marks a place between 0 and 1; null for none. */
  mark(place) {
    this.#mark.setAttribute("visibility", place === null ? "hidden" : "visible");
    for (const end of ["x1", "x2"]) this.#mark.setAttribute(end, String(WIDTH * (place ?? 0)));
  }
}

/** The stretches without a gap, as pairs of first index and the one after the last. */
function runs(values) {
  const found = [];
  values.forEach((value, index) => {
    if (value === null) return;
    if (found.length > 0 && found.at(-1)[1] === index) found.at(-1)[1] = index + 1;
    else found.push([index, index + 1]);
  });
  return found;
}
