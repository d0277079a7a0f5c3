/** One chart of one measure: emulated beside real, over a window, refreshed while it is shown. */

import { series } from "./api.js";
import { h, setText } from "./dom.js";
import { MISSING, number, time } from "./format.js";
import { colour } from "./theme.js";

const REFRESH_MS = 5000;
const HEIGHT = 210;
const METRICS = [
  { id: "cpu", title: "CPU" },
  { id: "memory", title: "Memory" },
  { id: "psi", title: "PSI" },
  { id: "power", title: "Power" },
];
const WINDOWS = ["5m", "15m", "1h", "2h"];
const UNITS = { percent: "%", watts: "W", millicores: "m", Mi: "Mi" };
const DATASETS = {
  emulated_node: { name: "Emulated", stroke: "emulated" },
  emulated_pod: { name: "Emulated", stroke: "emulated" },
  real_node: { name: "Real", stroke: "real", dash: [6, 4] },
};

let library = null;

function plot() {
  library ??= import("/vendor/uplot.js").then((module) => module.default);
  return library;
}

export class Chart {
  #subject = null;
  #metric = "cpu";
  #window = "5m";
  #plot = null;
  #drawn = "";
  #timer = null;
  #request = null;
  #onChange;
  #metricButtons;
  #windowButtons;
  #title = h("h3");
  #back;
  #canvas = h("div", { class: "chart-canvas" });
  #legend = h("dl", { class: "chart-legend" });
  #message = h("p", { class: "hint", role: "status" });

  /** `onChange({metric, window})` after the user chose; `onBack` leaves a pod for its serf. */
  constructor({ onChange, onBack }) {
    this.#onChange = onChange;
    this.#back = h("button", { type: "button", class: "link", hidden: true, onclick: onBack }, "Back to the whole serf");
    const choices = (label, values, choose) => {
      const buttons = new Map(values.map(({ id, title }) => [id, h("button", { type: "button", "data-id": id, onclick: () => choose(id) }, title)]));
      return { buttons, group: h("div", { class: "segmented small", role: "group", "aria-label": label }, [...buttons.values()]) };
    };
    const metrics = choices("Measure", METRICS, (metric) => this.#choose({ metric }));
    const windows = choices("Window", WINDOWS.map((id) => ({ id, title: id })), (window) => this.#choose({ window }));
    [this.#metricButtons, this.#windowButtons] = [metrics.buttons, windows.buttons];
    this.element = h("section", { class: "chart", "aria-label": "Chart" },
      h("div", { class: "chart-head" }, this.#title, this.#back),
      h("div", { class: "chart-tools" }, metrics.group, windows.group),
      this.#canvas, this.#legend, this.#message);
    this.#canvas.setAttribute("role", "img");
    new ResizeObserver(() => this.#plot?.setSize({ width: this.#canvas.clientWidth, height: HEIGHT })).observe(this.#canvas);
  }

  /** Shows a serf, or one of its pods when `pod` is given; null stops the refresh. */
  show(subject, { metric, window } = {}) {
    this.#subject = subject;
    if (METRICS.some(({ id }) => id === metric)) this.#metric = metric;
    if (WINDOWS.includes(window)) this.#window = window;
    this.#restart();
  }

  restyle() {
    this.#drawn = "";
    if (this.#subject) this.#restart();
  }

  #choose(choice) {
    if (choice.metric) this.#metric = choice.metric;
    if (choice.window) this.#window = choice.window;
    this.#onChange({ metric: this.#metric, window: this.#window });
    this.#restart();
  }

  #restart() {
    clearTimeout(this.#timer);
    this.#request?.abort();
    if (!this.#subject) return;
    const { node, pod } = this.#subject;
    setText(this.#title, pod ? `${pod.namespace}/${pod.name}` : `${node}: emulated and real`);
    this.#back.hidden = !pod;
    for (const [id, button] of this.#metricButtons) button.setAttribute("aria-pressed", String(id === this.#metric));
    for (const [id, button] of this.#windowButtons) button.setAttribute("aria-pressed", String(id === this.#window));
    this.#refresh();
  }

  async #refresh() {
    const request = new AbortController();
    this.#request = request;
    try {
      const question = { ...this.#subject, metric: this.#metric, window: this.#window };
      const [uPlot, answer] = await Promise.all([plot(), series(question, request.signal)]);
      if (request.signal.aborted) return;
      this.#draw(uPlot, answer);
    } catch (error) {
      if (request.signal.aborted) return;
      // What was drawn stays: the message says that it is old.
      setText(this.#message, error.hint === undefined ? "The chart package is not installed; see the message above." : `${error.message} ${error.hint}`);
    }
    this.#timer = setTimeout(() => this.#refresh(), REFRESH_MS);
  }

  #draw(uPlot, answer) {
    const names = Object.keys(answer.datasets);
    const values = names.map((name) => answer.datasets[name].values);
    const data = [answer.datasets[names[0]].timestamps, ...values];
    const unit = UNITS[answer.unit] ?? answer.unit;
    const drawn = JSON.stringify([this.#subject, answer.metric, answer.window]);
    if (this.#plot === null || drawn !== this.#drawn) {
      this.#plot?.destroy();
      this.#plot = new uPlot(this.#options(names, unit, answer.window), data, this.#canvas);
      this.#drawn = drawn;
    } else {
      this.#plot.setData(data);
    }
    this.#showLegend(names, data, unit, null);
    const empty = values.every((list) => list.every((value) => value === null));
    setText(this.#message, empty ? "Prometheus has no samples in this window yet." : "");
    this.#canvas.setAttribute("aria-label", this.#legend.innerText.replace(/\s+/g, " "));
  }

  #options(names, unit, window) {
    const grid = { stroke: colour("line"), width: 1 };
    const axis = { stroke: colour("muted"), grid, ticks: grid, font: `12px ${getComputedStyle(document.body).fontFamily}` };
    const shortTime = (seconds) => (window === "5m" ? time(seconds) : time(seconds).slice(0, 5));
    return {
      width: this.#canvas.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { y: { range: (_plot, _low, high) => [0, Math.max(1, (high ?? 1) * 1.1)] } },
      axes: [
        { ...axis, space: 76, values: (_plot, splits) => splits.map(shortTime) },
        { ...axis, size: 52, values: (_plot, splits) => splits.map((value) => `${value.toLocaleString("en")}`) },
      ],
      series: [
        {},
        ...names.map((name) => ({
          stroke: colour(DATASETS[name].stroke), dash: DATASETS[name].dash, width: 2, spanGaps: false, points: { show: false },
        })),
      ],
      hooks: { setCursor: [(chart) => this.#showLegend(names, chart.data, unit, chart.cursor.idx)] },
    };
  }

  #showLegend(names, data, unit, index) {
    const entries = names.map((name, at) => {
      const values = data[at + 1];
      const value = index === null || index === undefined ? values.findLast((item) => item !== null) : values[index];
      const known = value !== null && value !== undefined;
      return h("div", { class: `series ${DATASETS[name].stroke}` }, h("dt", {}, DATASETS[name].name), h("dd", {}, known ? `${number(value)} ${unit}` : MISSING));
    });
    const at = index === null || index === undefined ? "now" : time(data[0][index]);
    this.#legend.replaceChildren(...entries, h("div", {}, h("dt", {}, "at"), h("dd", {}, at)));
  }
}
