/** What the page makes of a node of the topology: its colour class, its texts, whether a search finds it. */

import { percent } from "./format.js";

export const LEVELS = [
  { id: "green", name: "under 20 %" },
  { id: "amber", name: "20 – 60 %" },
  { id: "red", name: "over 60 %" },
  { id: "none", name: "no load known" },
];

export const isSerf = (node) => node.role === "serf";

/** green, amber, red or none. */
export function levelOf(node) {
  return node.load?.level ?? "none";
}

/** Since when the load that is shown is old, null while it is current. */
export function loadStaleSince(node) {
  return node.load?.cpu !== null && node.load !== null ? node.load.stale_since : null;
}

/** The short text in the middle of a serf: its CPU load, else its state. */
export function caption(node) {
  if (!isSerf(node)) return "";
  if (node.state === "absent" || node.load === null) return "absent";
  if (node.state === "unreachable") return node.load.cpu === null ? "offline" : `! ${percent(node.load.cpu)}`;
  if (node.load.cpu === null) return node.state === "connecting" ? "…" : "no load";
  return `${loadStaleSince(node) ? "~ " : ""}${percent(node.load.cpu)}`;
}

export const STATES = {
  ready: "Ready",
  connecting: "Connecting",
  unreachable: "Unreachable",
  absent: "Not up",
  unmanaged: "Not managed",
};

/** Whether a node is wanted: every word of the search is found in what is known of it, and its level is chosen. */
export function matches(node, { words, level }) {
  if (level && !(isSerf(node) && levelOf(node) === level)) return false;
  if (words.length === 0) return true;
  const haystack = [node.name, node.kind, node.role, node.state, STATES[node.state], isSerf(node) ? levelOf(node) : ""];
  const text = [...haystack, ...Object.entries(node.labels).flat()].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}
