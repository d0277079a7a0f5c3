/** What a node is and whom it is linked with. */

import { h } from "./dom.js";
import { shortWords, stateWords, words } from "./link_words.js";
import { STATES } from "./nodes.js";
import { facts } from "./panel_parts.js";

const LINK_STATES = { up: "Up", down: "Down", absent: "Not up", unknown: "Unknown" };

/** The links of a node with the interfaces at both ends; `onNode(name)` goes to a neighbour, `onLink(id)` opens a link. */
export function links(node, topology, onNode, onLink) {
  const own = topology.links.filter((link) => link.endpoints.some((end) => end.node === node.name));
  if (own.length === 0) return h("section", {}, h("h3", {}, "Links"), h("p", { class: "hint" }, "This node has no links."));
  const states = new Map(topology.nodes.map(({ name, state }) => [name, state]));
  const rows = own.map((link) => {
    const [here, there] = link.endpoints[0].node === node.name ? link.endpoints : [...link.endpoints].reverse();
    return h("tr", {},
      h("td", { class: "interface" }, here.interface || "–"),
      h("th", { scope: "row" }, h("button", { type: "button", class: "link", onclick: () => onNode(there.node) }, there.node),
        h("span", { class: "interface" }, there.interface ? ` ${there.interface}` : "")),
      h("td", {}, STATES[states.get(there.node)] ?? "–"),
      h("td", {}, h("span", { class: `badge link-${link.state}`, title: stateWords(link) }, LINK_STATES[link.state] ?? link.state ?? "–")),
      h("td", {}, h("button", { type: "button", class: "link", "aria-label": `Link to ${there.node}: ${words(link)}. Change`, onclick: () => onLink(link.id) }, shortWords(link) || "Change")));
  });
  return h("section", { class: "links" }, h("h3", {}, "Links ", h("span", { class: "muted" }, String(own.length))),
    h("div", { class: "scroll" }, h("table", { class: "table plain" },
      h("thead", {}, h("tr", {}, ["Interface", "Leads to", "Node", "Link", "In force"].map((title) => h("th", { scope: "col" }, title)))),
      h("tbody", {}, rows))));
}

/** A node without a cluster: what the topology file says of it. */
export function plainNode(node) {
  const labels = Object.entries(node.labels ?? {});
  const known = [["Role", node.role], ["Kind", node.kind], ["Image", node.image], ["State", STATES[node.state] ?? node.state]].filter(([, value]) => value);
  return h("section", {},
    h("h3", {}, "Node"), facts(known),
    h("h3", {}, "Labels"),
    labels.length ? facts(labels.map(([name, value]) => [h("code", {}, name), value])) : h("p", { class: "hint" }, "The topology file gives it no labels."),
    node.state === "unmanaged" ? h("p", { class: "hint" }, "serflab shows this node and leaves it alone.") : null);
}
