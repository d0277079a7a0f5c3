/** What stands in place of the map while there is nothing to draw: why, and what to do about it. */

import { byId, h } from "./dom.js";

const message = (title, ...rest) => [h("h2", {}, title), ...rest];

function findings(list) {
  return h("ul", { class: "findings" }, list.map(({ file, path, problem, hint }) => h("li", {},
    h("code", {}, [file, path].filter(Boolean).join(" ")), h("p", {}, problem), hint ? h("p", { class: "muted" }, hint) : null)));
}

function failure({ message: text, hint, details }) {
  const found = details?.findings ?? [];
  if (found.length === 0) return message("The topology is not known", h("p", {}, text), hint ? h("p", { class: "muted" }, hint) : null);
  return message("The topology file cannot be used", h("p", { class: "muted" }, "It is read again by itself as soon as it is mended."), findings(found));
}

const EMPTY = () => message("No nodes yet", h("p", {}, "The topology file is fine, but it names no nodes."),
  h("p", { class: "muted" }, "Add serfs below ", h("code", {}, "topology.nodes"), " in it; the page follows by itself."));

const NONE_FOUND = (onClear) => message("No node matches", h("p", {}, "No node of the topology has all that is searched and filtered for."),
  h("p", {}, h("button", { type: "button", onclick: onClear }, "Clear search and filters")));

let shown = "loading";

/** Shows what fits the state of the page, if anything; `found` is how many nodes search and filters leave, null where that is told elsewhere. */
export function showPlaceholder({ topology, error }, found, onClear) {
  const kind = topology === null ? (error ? `failure ${JSON.stringify([error.message, error.details])}` : "loading") : topology.nodes.length === 0 ? "empty" : found === 0 ? "none" : "";
  const place = byId("placeholder");
  place.hidden = kind === "";
  if (kind === shown || kind === "" || kind === "loading") return;
  shown = kind;
  place.className = `placeholder ${kind === "none" ? "over" : ""}`;
  if (kind === "empty") place.replaceChildren(...EMPTY());
  else if (kind === "none") place.replaceChildren(...NONE_FOUND(onClear));
  else place.replaceChildren(...failure(error));
}
