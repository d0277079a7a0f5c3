/** The loads of all serfs in the past, and what the topology looked like at a moment of it. */

import { get } from "./api.js";
import { MEASURES, chosenMeasure } from "./measures.js";
import { isSerf, levelOf } from "./nodes.js";

export const WINDOWS = [
  { id: "15m", title: "15 min", seconds: 900 },
  { id: "1h", title: "1 h", seconds: 3600 },
  { id: "6h", title: "6 h", seconds: 21600 },
  { id: "24h", title: "24 h", seconds: 86400 },
];

// With more serfs only the measure that colours the page is asked for: 300 points of each of four would be megabytes.
const ALL_MEASURES_UP_TO = 300;

/** The seconds of a custom window `FROM-TO`, null for one of `WINDOWS`. */
export function customRange(window) {
  const [, from, to] = /^(\d+)-(\d+)$/.exec(window ?? "") ?? [];
  return from && Number(from) < Number(to) ? { from: Number(from), to: Number(to) } : null;
}

/** The shortest window that holds a moment, with room before it; a custom one for what is longer ago. */
export function windowFor(at, now = Date.now() / 1000) {
  const fitting = WINDOWS.find(({ seconds }) => now - at < seconds * 0.95);
  return fitting?.id ?? `${Math.floor(at - 1800)}-${Math.floor(at + 1800)}`;
}

/** Asks for a window: `{from, to, step, earliest, timestamps, metrics}`. */
export function loadHistory(window, serfs, signal) {
  const parameters = new URLSearchParams(customRange(window) ?? { window });
  if (serfs > ALL_MEASURES_UP_TO) parameters.set("metric", chosenMeasure());
  return get("/api/history", parameters, signal);
}

/** The last point at or before a moment; -1 where there is none. */
export function pointAt(timestamps, at) {
  let [low, high] = [0, timestamps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timestamps[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** A measure of the whole lab, point by point: the mean of the serfs that are known, for power their sum; null in gaps. */
export function labLoad({ timestamps, metrics }, measure) {
  const all = Object.values(metrics[measure]?.serfs ?? {});
  return timestamps.map((_, index) => {
    const known = all.map((values) => values[index]).filter((value) => value !== null && value !== undefined);
    if (known.length === 0) return null;
    const sum = known.reduce((total, value) => total + value, 0);
    return measure === "power" ? sum : sum / known.length;
  });
}

/**
 * The topology as it was at a point: loads of then, and of everything that nobody records (states, pods, scrapes, links)
 * that it is not known. `history` is null while it is not loaded, and `index` -1 before its first point: no load is known.
 */
export function rewind(topology, history, index, at) {
  const past = (node) => {
    const unknown = { ...node, state: node.state === "unmanaged" ? "unmanaged" : "unknown", stale_since: null, message: "" };
    return isSerf(node) ? { ...unknown, pods: null, target_up: null, load: loadThen(node.name, history, index) } : unknown;
  };
  return {
    ...topology, at, generated_at: at, summary: null, offload: null,
    nodes: topology.nodes.map(past),
    links: topology.links.map((link) => ({ ...link, state: "unknown" })),
  };
}

function loadThen(serf, history, index) {
  const value = (measure) => history?.metrics[measure]?.serfs[serf]?.[index] ?? null;
  const load = Object.fromEntries(Object.keys(MEASURES).map((measure) => [measure, value(measure)]));
  const level = levelOf({ load }, "cpu");
  return { ...load, level: level === "none" ? null : level, stale_since: null };
}
