/** What the page makes of a node of the topology: its colour class, its ring, its texts, whether a search finds it. */

import { MEASURES, chosenMeasure, levelOfValue, thresholdsOf } from "./measures.js";

export const isSerf = (node) => node.role === "serf";

/** The value of a measure in its unit, null where none is known. Without a measure: of the one that is chosen. */
export function valueOf(node, measure = chosenMeasure()) {
  return node.load?.[measure] ?? null;
}

/** green, amber, red or none. */
export function levelOf(node, measure = chosenMeasure(), thresholds = thresholdsOf(measure)) {
  return levelOfValue(valueOf(node, measure), thresholds);
}

/** How much of a serf's ring is filled: 0 to 100. */
export function ringOf(node, measure = chosenMeasure(), thresholds = thresholdsOf(measure)) {
  const value = valueOf(node, measure);
  return value === null ? 0 : Math.min(100, Math.max(0, MEASURES[measure].share(value, thresholds)));
}

/** Since when the load that is shown is old, null while it is current. */
export function loadStaleSince(node) {
  const known = node.load !== null && Object.keys(MEASURES).some((measure) => valueOf(node, measure) !== null);
  return known ? node.load.stale_since : null;
}

/** The short text in the middle of a serf: its load, else its state. */
export function caption(node, measure = chosenMeasure(), thresholds = thresholdsOf(measure)) {
  if (!isSerf(node)) return "";
  if (node.state === "absent" || node.load === null) return "absent";
  const value = valueOf(node, measure);
  const text = MEASURES[measure].text(value, thresholds);
  if (node.state === "unreachable") return value === null ? "offline" : `! ${text}`;
  if (value === null) return node.state === "connecting" ? "…" : "no load";
  return `${loadStaleSince(node) ? "~ " : ""}${text}`;
}

export const STATES = {
  ready: "Ready",
  connecting: "Connecting",
  unreachable: "Unreachable",
  absent: "Not up",
  unmanaged: "Not managed",
  // Of a serf in the past: nobody records whether its API server answered.
  unknown: "Not recorded",
};

// Every cluster has them, so nothing is found by them.
const SYSTEM_NAMESPACES = new Set(["kube-system", "kube-public", "kube-node-lease"]);

/** What filters choose by: `of(node)` gives the values that a node has. */
export const FACETS = {
  role: (node) => [node.role],
  state: (node) => [node.state],
  level: (node) => (isSerf(node) ? [levelOf(node)] : []),
  namespace: (node) => (node.namespaces ?? []).filter((name) => !SYSTEM_NAMESPACES.has(name)),
};

/**
 * Whether a node is wanted: every word of the search is found in what is known of it, and of each facet that has values
 * chosen it has one. `except` leaves a facet out of account.
 */
export function matches(node, { words = [], ...filter }, except = null) {
  for (const [facet, of] of Object.entries(FACETS)) {
    const wanted = filter[facet] ?? [];
    if (facet !== except && wanted.length > 0 && !of(node).some((value) => wanted.includes(value))) return false;
  }
  if (words.length === 0) return true;
  const haystack = [node.name, node.kind, node.role, node.state, STATES[node.state], isSerf(node) ? levelOf(node) : ""];
  const text = [...haystack, ...(node.namespaces ?? []), ...Object.entries(node.labels).flat()].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}
