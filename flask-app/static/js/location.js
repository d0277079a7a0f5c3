/** What is shown, kept in the address after `#`, so that a link, a reload and the back button bring it back. */

import { parsePod, podKey } from "./panel_view.js";

const word = (fallback) => ({ fallback, read: (text) => text, write: (value) => value });
const list = { fallback: [], read: (text) => text.split(",").filter(Boolean), write: (values) => values.join(",") };
const epoch = {
  fallback: null,
  read: (text) => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : null),
  write: (seconds) => String(Math.round(seconds)),
};
const podName = { fallback: null, read: parsePod, write: podKey };
const podNames = { fallback: [], read: (text) => text.split(",").map(parsePod).filter(Boolean), write: (pods) => pods.map(podKey).join(",") };
const ofNode = (field) => ({ ...field, within: "node" });

/**
 * The fields of a view, in the order of the address: what holds where nothing is said, how it is read and written, and
 * `within`: the field without which it means nothing.
 */
const FIELDS = {
  node: word(null),
  pod: ofNode(podName),
  metric: ofNode(word("cpu")),
  window: ofNode(word("5m")),
  // The panel's tab; more pods in one chart (the first is `pod`); a fixed range, how the series are shown, and which are hidden.
  tab: ofNode(word(null)),
  pods: { ...podNames, within: "pod" },
  from: ofNode(epoch),
  to: { ...epoch, within: "from" },
  shape: ofNode(word("lines")),
  hide: ofNode(list),
  // The whole page: the measure that colours it, graph or table, the graph's layout, what is searched and filtered.
  measure: word("cpu"),
  view: word("graph"),
  layout: word(null),
  search: word(""),
  role: list,
  state: list,
  level: list,
  namespace: list,
  // Time travel: the window of the track (`1h`, or `FROM-TO` in epoch seconds) and the moment that is shown.
  history: word(null),
  at: epoch,
  // The virtual pods: `all` of them, or the id of one.
  virtual: word(null),
};

export function readView() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const read = ([name, { fallback, read: parse }]) => [name, parameters.get(name) ? parse(parameters.get(name)) : fallback];
  return Object.fromEntries(Object.entries(FIELDS).map(read));
}

/** The address of a view, from `#` on; empty for the view that needs no words. */
function addressOf(view) {
  const parameters = new URLSearchParams();
  for (const [name, { fallback, write, within }] of Object.entries(FIELDS)) {
    const value = view[name];
    const said = value !== null && value !== undefined && value !== fallback && value.length !== 0;
    if (said && (!within || view[within])) parameters.set(name, write(value));
  }
  // Names are easier to read, and as valid, without these two encoded.
  return parameters.size ? `#${String(parameters).replaceAll("%2F", "/").replaceAll("%2C", ",")}` : "";
}

/** Brings the address up to a view; `replace` for what is no step of its own, such as each letter of a search. */
export function writeView(view, { replace = false } = {}) {
  const address = addressOf(view);
  if (address === location.hash) return;
  history[replace ? "replaceState" : "pushState"](null, "", address || location.pathname);
}
