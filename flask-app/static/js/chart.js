/** Charts of a serf or of pods: what is measured, over which time, in which shape; refreshed while they are live. */

import { get } from "./api.js";
import { ChartCard } from "./chart_card.js";
import { pictureOf } from "./chart_picture.js";
import { METRICS, isLive, questionOf, rangeOf, shapeOf } from "./chart_question.js";
import { RangeForm, fitting } from "./chart_range.js";
import { choices } from "./chart_tools.js";
import { loadPlotLibrary } from "./chart_plot.js";
import { h, setText } from "./dom.js";
import { copyButton, fileName, save } from "./download.js";
import { time } from "./format.js";
import { SHAPES, WINDOWS, podKey } from "./panel_view.js";

const REFRESH_MS = 5000;
const HEIGHT = 220;
const SMALL_HEIGHT = 130;
// While the time is dragged along, questions are this far apart.
const PATIENCE_MS = 200;
const ALL = "all";
const SHAPE_TITLES = { lines: "Emulated and real", difference: "Difference", namespace: "By namespace", pod: "By pod" };

export class Chart {
  #choice = null;
  #cards = [];
  #kept = "";
  #timer = null;
  #request = null;
  #asking = false;
  #following = false;
  #behind = false;
  #returns = [];
  #onChange;
  #metrics;
  #windows;
  #shapes;
  #range;
  #title = h("h3");
  #leave;
  #back = h("button", { type: "button", class: "button", hidden: true, onclick: () => this.#goBack() }, "← Back");
  #pause = h("button", { type: "button", class: "button", onclick: () => this.#hold() }, "Pause");
  #csv = h("span", { class: "csv" });
  #canvas = h("div", { class: "chart-cards" });
  #state = h("p", { class: "chart-state muted" });
  #stale = h("p", { class: "notice warning", hidden: true });
  #message = h("p", { class: "hint", role: "status" });

  /** `onChange(fields)` with the fields of the view that the user changed; `onLeave` goes from pods to their serf. */
  constructor({ onChange, onLeave }) {
    this.#onChange = onChange;
    this.#leave = h("button", { type: "button", class: "link", hidden: true, onclick: onLeave }, "Back to the whole serf");
    const metricTitles = [...Object.entries(METRICS).map(([id, { title }]) => ({ id, title })), { id: ALL, title: "All" }];
    this.#metrics = choices("Measure", metricTitles, (metric) => this.#onChange({ metric, hide: [] }));
    const windows = [...Object.keys(WINDOWS).map((id) => ({ id, title: id })), { id: "custom", title: "Custom" }];
    this.#windows = choices("Window", windows, (id) => (id === "custom" ? this.#openRange() : this.#chooseWindow(id)));
    this.#shapes = choices("Shape", SHAPES.map((id) => ({ id, title: SHAPE_TITLES[id] })), (shape) => this.#onChange({ shape, hide: [] }));
    this.#range = new RangeForm({
      onApply: (from, to) => {
        this.#range.close();
        this.#setRange(from, to);
      },
      onCancel: () => {
        this.#range.close();
        this.#windows.focus("custom");
      },
    });
    this.element = h("section", { class: "chart", "aria-label": "Chart" },
      h("div", { class: "chart-head" }, this.#title, this.#leave),
      h("div", { class: "chart-tools" }, this.#metrics.element, this.#windows.element),
      this.#range.element, this.#shapes.element,
      this.#stale, this.#canvas, this.#message,
      h("div", { class: "chart-actions" }, this.#state, this.#back, this.#pause, this.#csv,
        h("button", { type: "button", class: "button", title: "Save the chart as a picture", onclick: () => this.#savePicture() }, "PNG"),
        copyButton("Copy link", () => location.href)));
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.#choice) this.#ask(0);
    });
  }

  /**
   * Shows `{node, pods, metric, window, from, to, shape, hide, at}` (see panel_view.js; `at` null means now); null stops
   * all questions.
   */
  show(choice) {
    if (choice === null) {
      this.#choice = null;
      this.#stop();
      return;
    }
    const { node, pods, metric, window, from, to, shape, hide, at } = choice;
    const before = this.#choice;
    const next = {
      node, pods, from, hide, to: from === null ? null : to, at: at ?? null,
      metric: metric in METRICS || metric === ALL ? metric : "cpu",
      window: window in WINDOWS ? window : "5m",
      shape: SHAPES.includes(shape) ? shape : "lines",
    };
    if (before !== null && JSON.stringify(before) === JSON.stringify(next)) return;
    this.#choice = next;
    if (before?.node !== node) this.#returns = [];
    this.#showTools();
    this.#arrangeCards();
    const moved = before !== null && before.at !== next.at;
    if (before !== null && JSON.stringify({ ...before, hide }) === JSON.stringify(next)) this.#cards.forEach((card) => card.hide(hide));
    else if (moved) this.#follow();
    else this.#ask(0);
  }

  /** Says since when the sources of the samples are silent; "" while they are not. */
  setStale(text) {
    this.#stale.hidden = text === "";
    setText(this.#stale, text);
  }

  restyle() {
    for (const card of this.#cards) card.restyle();
  }

  #showTools() {
    const { node, pods, metric, window, from, to, shape, at } = this.#choice;
    const names = pods.length === 1 ? podKey(pods[0]) : pods.length > 1 ? `${pods.length} pods of ${node}` : `${node}: ${SHAPE_TITLES[shape].toLowerCase()}`;
    setText(this.#title, names);
    this.#leave.hidden = pods.length === 0;
    this.#metrics.choose(metric);
    this.#windows.choose(from === null ? window : "custom");
    this.#shapes.choose(metric === ALL ? shape : shapeOf(this.#choice, metric));
    this.#shapes.element.hidden = pods.length > 0;
    this.#shapes.disable(["namespace", "pod"], metric === "psi", "Pressures do not add up to a whole");
    this.#back.hidden = from === null;
    const live = isLive(this.#choice);
    this.#pause.hidden = !live;
    let state = "Live, every 5 s";
    if (!live && from === null) state = `Ends at ${time(at)}, the time that is shown`;
    else if (!live) state = "A fixed range, not refreshed";
    else if (to === null && from !== null) state = "From a fixed time until now, every 5 s";
    setText(this.#state, state);
    this.#state.classList.toggle("refreshed", live);
    this.#csv.replaceChildren(...this.#shownMetrics().map((id) => {
      const { path, parameters } = questionOf(this.#choice, id);
      parameters.set("format", "csv");
      const title = metric === ALL ? `CSV ${METRICS[id].title}` : "CSV";
      return h("a", { class: "button", href: `${path}?${parameters}`, download: this.#file(id, "csv") }, title);
    }));
  }

  #shownMetrics() {
    return this.#choice.metric === ALL ? Object.keys(METRICS) : [this.#choice.metric];
  }

  #arrangeCards() {
    const metrics = this.#shownMetrics();
    const { node, pods, shape } = this.#choice;
    const key = JSON.stringify([metrics, node, pods, shape]);
    if (key === this.#kept) return;
    this.#kept = key;
    this.#cards = metrics.map((metric) => new ChartCard({
      metric, title: METRICS[metric].title, height: metrics.length > 1 ? SMALL_HEIGHT : HEIGHT,
      onZoom: (from, to) => {
        const range = fitting(from, to);
        this.#setRange(range.from, range.to);
      },
      onToggle: (id) => {
        const { hide } = this.#choice;
        this.#onChange({ hide: hide.includes(id) ? hide.filter((other) => other !== id) : [...hide, id] });
      },
    }));
    this.#canvas.classList.toggle("many", metrics.length > 1);
    this.#canvas.replaceChildren(...this.#cards.map(({ element }) => element));
  }

  #chooseWindow(window) {
    this.#range.close();
    this.#returns = [];
    this.#onChange({ window, from: null, to: null });
  }

  #openRange() {
    const range = this.#shownRange();
    this.#range.open(range.from, this.#choice.from !== null && this.#choice.to === null ? null : range.to);
  }

  /** The range that the drawings show, or would show. */
  #shownRange() {
    const drawn = this.#cards.find(({ series }) => series !== null)?.series;
    const { from, to } = rangeOf(this.#choice);
    const end = to ?? Math.floor(Date.now() / 1000);
    return drawn ? { from: drawn.from, to: drawn.to } : { from: from ?? end - WINDOWS[this.#choice.window], to: end };
  }

  #setRange(from, to) {
    const { window, from: oldFrom, to: oldTo } = this.#choice;
    this.#returns.push({ window, from: oldFrom, to: oldTo });
    this.#onChange({ from, to });
  }

  /** Leaves a range for the one before it; one that came with the address for its window. */
  #goBack() {
    this.#onChange(this.#returns.pop() ?? { from: null, to: null });
  }

  #hold() {
    const { from, to } = this.#shownRange();
    this.#setRange(Math.floor(from), Math.floor(to));
  }

  #stop() {
    [this.#asking, this.#following, this.#behind] = [false, false, false];
    clearTimeout(this.#timer);
    this.#request?.abort();
  }

  #ask(delay) {
    this.#stop();
    this.#timer = setTimeout(() => this.#refresh(), delay);
  }

  /** While the past is played, the time moves on faster than it is answered: one question after the other, none cut off. */
  #follow() {
    this.#behind = true;
    if (this.#asking || this.#following) return;
    this.#following = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#refresh(), PATIENCE_MS);
  }

  async #refresh() {
    [this.#following, this.#behind] = [false, false];
    if (document.hidden) return;
    this.#asking = true;
    const request = new AbortController();
    this.#request = request;
    const choice = this.#choice;
    for (const card of this.#cards) card.wait();
    const results = await Promise.all(this.#cards.map((card) => this.#fill(card, choice, request)));
    if (request.signal.aborted) return;
    this.#asking = false;
    setText(this.#message, results.find((text) => text) ?? "");
    // A fixed range has all its samples, unless the question failed.
    if (this.#behind) this.#follow();
    else if (isLive(choice) || results.some((text) => text)) this.#timer = setTimeout(() => this.#refresh(), REFRESH_MS);
  }

  /** The words for what went wrong, "" where nothing did. What was drawn stays. */
  async #fill(card, choice, request) {
    const { path, parameters } = questionOf(choice, card.metric);
    try {
      const [uPlot, answer] = await Promise.all([loadPlotLibrary(), get(path, parameters, request.signal)]);
      if (!request.signal.aborted) card.draw(uPlot, answer, choice);
      return "";
    } catch (error) {
      if (request.signal.aborted) return "";
      card.fail();
      if (error.hint === undefined) console.error(error);
      return error.hint === undefined ? "The chart cannot be drawn: its package is not installed, see the message above." : `${error.message} ${error.hint}`;
    }
  }

  #file(metric, ending) {
    const { node, pods, window, from, shape } = this.#choice;
    const subject = pods.length === 1 ? [pods[0].namespace, pods[0].name] : pods.length > 1 ? ["pods"] : shape === "lines" ? [] : [shape];
    return fileName([node, ...subject, metric, from === null ? window : String(Math.round(from))], ending);
  }

  async #savePicture() {
    const drawn = this.#cards.filter(({ plot }) => plot.canvas !== null);
    if (drawn.length === 0) return;
    const blob = await pictureOf(this.#title.textContent, drawn.map((card) => card.forPicture(this.#choice.hide)));
    save(blob, this.#file(this.#choice.metric, "png"));
  }
}
