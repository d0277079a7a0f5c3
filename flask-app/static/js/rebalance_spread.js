/** How far apart the nodes of a loop are, over time: the standard deviation of CPU, memory and PSI, and when VMs moved. */

import { ChartLegend } from "./chart_legend.js";
import { Plot, loadPlotLibrary } from "./chart_plot.js";
import { known } from "./chart_series.js";
import { choices } from "./chart_tools.js";
import { h, setText } from "./dom.js";
import { WINDOWS } from "./panel_view.js";
import { loopHistory } from "./rebalance.js";

const HEIGHT = 180;
const REFRESH_MS = 5000;
const LINES = {
  cpu: { name: "CPU", colour: "series-1" },
  memory: { name: "Memory", colour: "series-2", dash: [7, 4] },
  psi: { name: "PSI", colour: "series-4", dash: [2, 3] },
};

export class SpreadChart {
  #serf = null;
  #window = "15m";
  #hidden = [];
  #series = null;
  #moments = [];
  #library = null;
  #timer = null;
  #request = null;
  #windows = choices("Window", Object.keys(WINDOWS).map((id) => ({ id, title: id })), (id) => this.#choose(id));
  #legend = new ChartLegend({ onToggle: (id) => this.#toggle(id) });
  #message = h("p", { class: "hint", role: "status" });
  #empty = h("p", { class: "chart-empty", hidden: true }, "No samples in this time.");
  #spoken = h("p", { class: "visually-hidden", role: "status" });
  #plot = new Plot({ height: HEIGHT, onZoom: () => {}, onCursor: (index) => this.#legend.at(index), onRead: () => setText(this.#spoken, this.#legend.description) });
  element = h("section", { class: "chart loop-spread", "aria-label": "Spread" },
    h("div", { class: "chart-head" }, h("h3", {}, "Spread of the nodes ", h("span", { class: "muted" }, "σ in points of percent")), this.#windows.element),
    h("div", { class: "chart-card" }, h("div", { class: "chart-area" }, this.#plot.element, this.#empty), this.#legend.element, this.#spoken), this.#message);

  open(serf) {
    if (serf !== this.#serf) this.#series = null;
    this.#serf = serf;
    this.#windows.choose(this.#window);
    this.#ask();
  }

  close() {
    clearTimeout(this.#timer);
    this.#request?.abort();
  }

  restyle() {
    this.#plot.restyle();
    this.#draw();
  }

  #choose(id) {
    this.#window = id;
    this.#windows.choose(id);
    this.#ask();
  }

  #toggle(id) {
    this.#hidden = this.#hidden.includes(id) ? this.#hidden.filter((other) => other !== id) : [...this.#hidden, id];
    this.#draw();
  }

  async #ask() {
    this.close();
    this.#timer = setTimeout(() => this.#ask(), REFRESH_MS);
    if (document.hidden) return;
    const request = new AbortController();
    this.#request = request;
    try {
      const [library, answer] = await Promise.all([loadPlotLibrary(), loopHistory(this.#serf, this.#window, request.signal)]);
      if (request.signal.aborted) return;
      this.#library = library;
      this.#series = seriesOf(answer);
      this.#moments = answer.migrations.flatMap(({ ended, started, created }) => [ended ?? started ?? created]);
      setText(this.#message, movesInWords(answer.migrations));
      this.#draw();
    } catch (error) {
      if (!request.signal.aborted) setText(this.#message, `${error.message} ${error.hint ?? ""}`.trim());
    }
  }

  #draw() {
    if (this.#series === null || this.#library === null) return;
    this.#plot.draw(this.#library, this.#series, { hidden: this.#hidden, moments: this.#moments });
    this.#legend.update(this.#series, this.#hidden);
    this.#empty.hidden = this.#series.lines.some(({ values }) => values.some(known));
    this.#plot.element.setAttribute("aria-label", `Spread of the nodes over time. ${this.#legend.description}. ${this.#message.textContent} Arrow keys move the cursor.`);
  }
}

function seriesOf({ from, to, datasets }) {
  return {
    metric: "spread", unit: "points", from, to, timestamps: datasets.cpu.timestamps, stacked: false, signed: false,
    lines: Object.entries(LINES).map(([id, line]) => ({ id, ...line, values: datasets[id].values })),
  };
}

function movesInWords(migrations) {
  const failed = migrations.filter(({ phase }) => phase === "Failed").length;
  const count = `${migrations.length} ${migrations.length === 1 ? "migration" : "migrations"} in this time`;
  return `${count}${migrations.length ? ", each a small triangle below the lines" : ""}${failed ? `; ${failed} failed` : ""}.`;
}
