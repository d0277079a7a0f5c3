/** The legend of a chart: each line with its value at the cursor, its mean and its maximum; a click hides or shows it. */

import { arrange, h, setText } from "./dom.js";
import { MISSING, figure, time } from "./format.js";
import { known, statistics, sums } from "./chart_series.js";

export class ChartLegend {
  #rows = new Map();
  #body = h("tbody");
  #when = h("th", { scope: "col", class: "numeric when" }, "now");
  #onToggle;
  #series = null;
  #lines = [];

  /** `onToggle(id)` when the user hides or shows a line. */
  constructor({ onToggle }) {
    this.#onToggle = onToggle;
    this.element = h("table", { class: "chart-legend" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "visually-hidden" }, "Series")), this.#when,
        h("th", { scope: "col", class: "numeric" }, "mean"), h("th", { scope: "col", class: "numeric" }, "max"))),
      this.#body);
  }

  /** `hidden`: the ids of the lines that are not drawn. */
  update(series, hidden) {
    this.#series = series;
    const shown = series.lines.filter(({ id }) => !hidden.includes(id));
    const total = { id: "total", name: "Total", values: sums(shown, series.timestamps.length), plain: true };
    this.#lines = series.stacked ? [...series.lines, total] : series.lines;
    const rows = this.#lines.map((line) => {
      const row = this.#rows.get(line.id) ?? this.#add(line);
      row.button?.setAttribute("aria-pressed", String(!hidden.includes(line.id)));
      setText(row.name, line.name);
      const { mean, max } = statistics(line.values);
      setText(row.element.children[2], figure(mean));
      setText(row.element.children[3], figure(max));
      return row.element;
    });
    arrange(this.#body, rows);
    this.at(null);
  }

  /** Shows the values at a point; with null those of the last point that has any. */
  at(index) {
    if (this.#series === null) return;
    const { timestamps, unit } = this.#series;
    const point = index ?? timestamps.findLastIndex((_, at) => this.#lines.some(({ values }) => known(values[at])));
    setText(this.#when, point < 0 ? "" : time(timestamps[point]));
    for (const line of this.#lines) {
      const value = line.values[point];
      setText(this.#rows.get(line.id).element.children[1], known(value) ? `${figure(value)} ${unit}` : MISSING);
    }
  }

  /** In words, for who does not see the drawing. */
  get description() {
    const values = this.#lines.map(({ id, name }) => `${name} ${this.#rows.get(id).element.children[1].textContent}`);
    return `${values.join(", ")} at ${this.#when.textContent}`;
  }

  #add(line) {
    const name = h("span", { class: "series-name" });
    const swatch = h("span", { class: `series-swatch ${line.dash ? "dashed" : ""}`, "aria-hidden": "true" });
    if (line.colour) swatch.style.setProperty("--series", `var(--${line.colour})`);
    const button = line.plain ? null : h("button", { type: "button", title: "Hide or show", onclick: () => this.#onToggle(line.id) }, swatch, name);
    const element = h("tr", { "data-series": line.id },
      h("th", { scope: "row" }, button ?? h("span", { class: "series-total" }, name)), ...Array.from({ length: 3 }, () => h("td", { class: "numeric" })));
    const row = { element, button, name };
    this.#rows.set(line.id, row);
    return row;
  }
}

