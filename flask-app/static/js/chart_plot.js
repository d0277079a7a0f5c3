/** The drawing of one chart with uPlot: axes, lines, areas, gaps, cursor, zoom by dragging, and the marker of the past. */

import { h } from "./dom.js";
import { time } from "./format.js";
import { known, pile } from "./chart_series.js";
import { colour } from "./theme.js";

// Narrower drags are clicks with a trembling hand, in px.
const SHORTEST_DRAG = 8;
const SYNC = "serflab";
const SECONDS_SHOWN_BELOW = 660;

let library = null;

/** uPlot, loaded when the first chart is drawn. */
export function loadPlotLibrary() {
  library ??= import("/vendor/uplot.js").then((module) => module.default);
  return library;
}

export class Plot {
  #plot = null;
  #series = null;
  #shown = [];
  #marker = null;
  #moments = [];
  #key = "";
  #height;
  #onZoom;
  #onCursor;
  #onRead;
  element = h("div", { class: "chart-plot", tabindex: 0, role: "img", "aria-label": "Chart, loading" });

  /**
   * `onZoom(from, to)` in seconds since the epoch after a drag; `onCursor(index)` with null when the cursor leaves;
   * `onRead()` when the keyboard has moved it.
   */
  constructor({ height, onZoom, onCursor, onRead }) {
    [this.#height, this.#onZoom, this.#onCursor, this.#onRead] = [height, onZoom, onCursor, onRead];
    this.element.addEventListener("keydown", (event) => this.#press(event));
    this.element.addEventListener("blur", () => this.#plot?.setCursor({ left: -10, top: -10 }));
    new ResizeObserver(() => {
      if (this.element.clientWidth > 0) this.#plot?.setSize({ width: this.element.clientWidth, height: this.#height });
    }).observe(this.element);
    this.element.style.minHeight = `${height}px`;
  }

  /** Draws a series (see chart_series.js) without the lines in `hidden`; `marker` is a moment or null, `moments` have a triangle each. */
  draw(uPlot, series, { hidden = [], marker = null, moments = [] } = {}) {
    this.#series = series;
    [this.#marker, this.#moments] = [marker, moments];
    this.#shown = series.lines.filter(({ id }) => !hidden.includes(id));
    const values = series.stacked ? pile(this.#shown, series.timestamps.length) : this.#shown.map((line) => line.values);
    const data = [series.timestamps, ...values];
    const key = JSON.stringify([series.metric, series.unit, series.stacked, series.signed, this.#shown.map(({ id, name }) => [id, name])]);
    if (this.#plot !== null && key === this.#key) {
      this.#plot.setData(data);
      return;
    }
    this.#key = key;
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#options(), data, this.element);
  }

  /** Forgets what is drawn, so that the next drawing takes the colours of now. */
  restyle() {
    this.#key = "";
  }

  /** The canvas with axes and lines; null before the first drawing. */
  get canvas() {
    return this.#plot?.ctx.canvas ?? null;
  }

  get series() {
    return this.#series;
  }

  #options() {
    const { stacked, signed } = this.#series;
    const grid = { stroke: colour("line"), width: 1 };
    const axis = { stroke: colour("muted"), grid, ticks: { ...grid, size: 5 }, font: `12px ${getComputedStyle(document.body).fontFamily}` };
    return {
      width: Math.max(200, this.element.clientWidth),
      height: this.#height,
      // Room for half of the last time below the axis.
      padding: [8, 30, 0, 0],
      legend: { show: false },
      cursor: {
        y: false, drag: { x: true, y: false, setScale: false },
        points: { size: 8 },
        sync: { key: SYNC, setSeries: false, filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
      },
      scales: {
        x: { range: () => [this.#series.from, Math.max(this.#series.to, this.#series.from + 1)] },
        y: { range: (_plot, low, high) => (signed ? around(low, high) : [0, Math.max(1, (high ?? 1) * 1.1)]) },
      },
      axes: [
        { ...axis, space: 76, size: 34, values: (_plot, splits) => splits.map((at) => this.#clock(at)) },
        { ...axis, size: 56, values: (_plot, splits) => splits.map((value) => value.toLocaleString("en")) },
      ],
      series: [{}, ...this.#shown.map((line, at) => this.#line(line, at))],
      bands: stacked ? this.#shown.slice(1).map((line, at) => ({ series: [at + 2, at + 1], fill: fade(line.colour, 0.55) })) : [],
      hooks: {
        setCursor: [(plot) => this.#onCursor(plot.cursor.idx ?? null)],
        setSelect: [(plot) => this.#zoom(plot)],
        draw: [(plot) => this.#mark(plot), (plot) => this.#point(plot)],
      },
    };
  }

  #line(line, at) {
    const { stacked, signed } = this.#series;
    return {
      stroke: colour(line.colour), dash: line.dash, width: stacked ? 1 : 2, spanGaps: false,
      fill: stacked && at === 0 ? fade(line.colour, 0.55) : signed ? (plot) => aboveAndBelow(plot) : undefined,
      fillTo: 0,
      // A value between two gaps has no line: it is drawn as a point.
      points: { show: () => false, size: 5, filter: (plot, index) => lonely(plot.data[index]) },
    };
  }

  #clock(at) {
    return this.#series.to - this.#series.from < SECONDS_SHOWN_BELOW ? time(at) : time(at).slice(0, 5);
  }

  #zoom(plot) {
    const { left, width } = plot.select;
    if (width < SHORTEST_DRAG) return;
    const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#onZoom(from, to);
  }

  #mark(plot) {
    if (this.#marker === null || this.#marker < this.#series.from || this.#marker > this.#series.to) return;
    const { ctx, bbox } = plot;
    const x = Math.round(Math.min(plot.valToPos(this.#marker, "x", true), bbox.left + bbox.width - 1));
    ctx.save();
    Object.assign(ctx, { strokeStyle: colour("text"), fillStyle: colour("text"), lineWidth: 2 * devicePixelRatio, textBaseline: "top" });
    ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.textAlign = x > bbox.left + bbox.width / 2 ? "right" : "left";
    ctx.fillText(` ${time(this.#marker)} `, x, bbox.top);
    ctx.restore();
  }

  /** A triangle at the lower edge for each moment. */
  #point(plot) {
    const { ctx, bbox } = plot;
    const size = 5 * devicePixelRatio;
    const bottom = bbox.top + bbox.height;
    ctx.save();
    ctx.fillStyle = colour("text");
    for (const moment of this.#moments.filter((at) => at >= this.#series.from && at <= this.#series.to)) {
      const x = plot.valToPos(moment, "x", true);
      ctx.beginPath();
      ctx.moveTo(x - size, bottom);
      ctx.lineTo(x + size, bottom);
      ctx.lineTo(x, bottom - 1.6 * size);
      ctx.fill();
    }
    ctx.restore();
  }

  /** Arrow keys move the cursor from point to point, + and − zoom around it. */
  #press(event) {
    const plot = this.#plot;
    if (plot === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = plot.data[0].length - 1;
    const at = plot.cursor.idx ?? last;
    const step = Math.max(1, Math.round(last / 60));
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - step * 6, PageDown: at + step * 6, Home: 0, End: last }[event.key];
    if (next !== undefined) {
      const x = plot.data[0][Math.max(0, Math.min(last, next))];
      plot.setCursor({ left: plot.valToPos(x, "x"), top: 10 });
      this.#onRead();
    } else if (event.key === "+" || event.key === "-") {
      const { from, to } = this.#series;
      const middle = plot.cursor.idx === null || plot.cursor.idx === undefined ? (from + to) / 2 : plot.data[0][plot.cursor.idx];
      const half = (to - from) * (event.key === "+" ? 0.25 : 1);
      this.#onZoom(middle - half, middle + half);
    } else {
      return;
    }
    event.preventDefault();
  }
}

/** A scale with zero in its middle: what is too high and what is too low are seen alike. */
function around(low, high) {
  const reach = Math.max(1, Math.abs(low ?? 0), Math.abs(high ?? 0)) * 1.15;
  return [-reach, reach];
}

/** Above zero the emulated colour, below it the real one. */
function aboveAndBelow(plot) {
  const { top, height } = plot.bbox;
  const zero = Math.max(0, Math.min(1, (plot.valToPos(0, "y", true) - top) / height));
  const gradient = plot.ctx.createLinearGradient(0, top, 0, top + height);
  for (const [at, name] of [[0, "emulated"], [zero, "emulated"], [zero, "real"], [1, "real"]]) gradient.addColorStop(at, fade(name, 0.35));
  return gradient;
}

/** A colour of the theme (`#rrggbb`), let through. */
function fade(name, opacity) {
  return `${colour(name)}${Math.round(opacity * 255).toString(16).padStart(2, "0")}`;
}

function lonely(values) {
  const found = [];
  for (let at = 0; at < values.length; at += 1) {
    if (known(values[at]) && !known(values[at - 1]) && !known(values[at + 1])) found.push(at);
  }
  return found;
}
