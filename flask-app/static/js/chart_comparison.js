/** How well the emulated series follows the real one, in words and with the definitions behind them. */

import { h } from "./dom.js";
import { figure } from "./format.js";

const DEFINITIONS = {
  mape: ["MAPE", "Mean absolute percentage error: the mean of |emulated − real| ÷ |real| over the points of this chart where both are known and the real value is not 0, in percent. 0 % is a perfect match."],
  correlation: ["correlation", "Pearson's correlation coefficient r of the two series over the points where both are known: 1 when they rise and fall together in proportion, 0 when one says nothing of the other, −1 when they run against each other. It does not see an offset or a scale."],
  mean: ["mean difference", "The mean of emulated − real over the points where both are known. Above 0: the emulation shows more than the real machine."],
};
let count = 0;

function term(id) {
  const [title, definition] = DEFINITIONS[id];
  count += 1;
  const popover = h("div", { id: `definition-${count}`, popover: "auto", class: "definition" }, h("strong", {}, title), h("p", {}, definition));
  return h("span", { class: "term" }, h("button", { type: "button", class: "link", popovertarget: popover.id, title: definition }, title), popover);
}

/** Pearson's r in a word, after its size. */
function strength(r) {
  const size = Math.abs(r);
  const word = size >= 0.9 ? "very strong" : size >= 0.7 ? "strong" : size >= 0.4 ? "moderate" : size >= 0.2 ? "weak" : "hardly any";
  return r < 0 && size >= 0.2 ? `${word}, negative` : word;
}

/** An element that tells the comparison for people; it is updated in place, so that an open definition stays open. */
export class Comparison {
  #values = Object.fromEntries(["mape", "correlation", "mean"].map((id) => [id, h("strong")]));
  #points = h("span", { class: "muted" });
  element = h("p", { class: "chart-comparison", hidden: true },
    h("span", {}, term("mape"), " ", this.#values.mape), h("span", {}, term("correlation"), " ", this.#values.correlation),
    h("span", {}, term("mean"), " ", this.#values.mean), this.#points);

  /** The same as one line; "" where there is nothing to compare. */
  get text() {
    if (this.element.hidden) return "";
    const figures = Object.entries(this.#values).map(([id, value]) => `${DEFINITIONS[id][0]} ${value.textContent}`);
    return `${figures.join(", ")}, ${this.#points.textContent}`;
  }

  /** `comparison` as the API gives it, or null; `unit` of the mean difference. */
  update(comparison, unit) {
    this.element.hidden = comparison === null;
    if (comparison === null) return;
    const { mape_percent: mape, correlation, mean_difference: mean, points } = comparison;
    this.#values.mape.textContent = mape === null ? "not defined (the real value is 0)" : `${precise(mape)} %`;
    this.#values.correlation.textContent = correlation === null ? "not defined (a series does not vary)" : `${signed(correlation, 3)} (${strength(correlation)})`;
    this.#values.mean.textContent = mean === null ? "not known" : `${mean > 0 && figure(mean) !== "0.00" ? "+" : ""}${figure(mean)} ${unit}`;
    if (points === 0) for (const value of Object.values(this.#values)) value.textContent = "–";
    this.#points.textContent = points === 0 ? "No point has both an emulated and a real value." : `over ${points.toLocaleString("en")} points`;
  }
}

const precise = (value) => value.toLocaleString("en", { minimumFractionDigits: value < 10 ? 2 : 1, maximumFractionDigits: value < 10 ? 2 : 1 });
const signed = (value, decimals) => value.toFixed(decimals).replace("-", "−");
