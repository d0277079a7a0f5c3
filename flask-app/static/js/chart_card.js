/** One measure of a chart: the drawing, its legend, and how well emulated and real agree. */

import { Comparison } from "./chart_comparison.js";
import { ChartLegend } from "./chart_legend.js";
import { Plot } from "./chart_plot.js";
import { known, seriesOf } from "./chart_series.js";
import { h, setText } from "./dom.js";

export class ChartCard {
  #library = null;
  #choice = null;
  #title;
  #legend;
  #comparison = new Comparison();
  // What a screen reader says while the keyboard moves the cursor.
  #spoken = h("p", { class: "visually-hidden", role: "status" });
  #empty = h("p", { class: "chart-empty", hidden: true }, "No samples in this time.");

  constructor({ metric, title, height, onZoom, onToggle }) {
    this.metric = metric;
    this.#title = title;
    this.#legend = new ChartLegend({ onToggle });
    this.plot = new Plot({
      height, onZoom, onCursor: (index) => this.#legend.at(index), onRead: () => setText(this.#spoken, this.#legend.description),
    });
    this.unit = h("span", { class: "muted" });
    this.element = h("div", { class: "chart-card waiting", "data-metric": metric },
      h("h4", {}, title, " ", this.unit), h("div", { class: "chart-area" }, this.plot.element, this.#empty), this.#legend.element, this.#comparison.element, this.#spoken);
  }

  /** What is drawn; null before the first answer. */
  get series() {
    return this.plot.series;
  }

  wait() {
    if (this.series === null) this.element.classList.add("waiting");
  }

  fail() {
    this.element.classList.remove("waiting");
  }

  draw(library, answer, choice) {
    [this.#library, this.#choice] = [library, choice];
    this.element.classList.remove("waiting");
    this.#show(seriesOf(answer, choice));
  }

  /** Draws without the lines of these ids. */
  hide(ids) {
    if (this.#choice === null) return;
    this.#choice = { ...this.#choice, hide: ids };
    this.#show(this.series);
  }

  restyle() {
    this.plot.restyle();
    if (this.series !== null) this.#show(this.series);
  }

  /** What a picture of this card needs. */
  forPicture(hidden) {
    return { title: this.#title, plot: this.plot, hidden, comparison: this.#comparison.text };
  }

  #show(series) {
    const { hide, at } = this.#choice;
    setText(this.unit, series.unit);
    this.plot.draw(this.#library, series, { hidden: hide, marker: at });
    this.#legend.update(series, hide);
    this.#comparison.update(series.comparison, series.unit === "%" ? "% points" : series.unit);
    this.#empty.hidden = series.lines.some(({ values }) => values.some(known));
    this.plot.element.setAttribute("aria-label", `${this.#title} over time. ${this.#legend.description}. Arrow keys move the cursor, plus and minus zoom.`);
  }
}
