/** The bar above: the lab in figures, and the notices that nothing may hide. */

import { byId, h, setText } from "./dom.js";
import { time } from "./format.js";

const FIGURES = [
  { id: "serfs", title: "Serfs ready", of: ({ serfs }) => [serfs.ready, serfs.total] },
  { id: "pods", title: "Pods running", of: ({ pods }) => [pods.running, pods.total] },
  { id: "targets", title: "Targets up", of: ({ targets }) => [targets.up, targets.total] },
];

export function showSummary({ name, summary }) {
  setText(byId("lab-name"), name);
  const bar = byId("summary");
  if (!bar.children.length) bar.append(...FIGURES.map(({ id, title }) => h("div", { id: `figure-${id}` }, h("dt", {}, title), h("dd"))));
  for (const { id, of } of FIGURES) {
    const [value, total] = of(summary);
    const figure = byId(`figure-${id}`);
    figure.className = total > 0 && value < total ? "figure short" : "figure";
    setText(figure.lastElementChild, `${value.toLocaleString("en")} / ${total.toLocaleString("en")}`);
  }
}

/** What is wrong with what is shown, in the order of weight. */
export function notices({ topology, error, staleSince }, missingPackages) {
  const list = [];
  if (missingPackages) {
    list.push({ kind: "error", text: `${missingPackages} Until then the table below stands in for it.` });
  }
  if (error && staleSince) {
    list.push({ kind: "error", text: `Stale since ${time(staleSince)}: ${error.message} What you see is from then; trying again.` });
  }
  if (topology && !topology.lab.up) {
    list.push({ kind: "info", text: "No lab is up: the nodes below are those of the topology file. Start it with: serflab up" });
  } else if (topology && topology.prometheus.state === "unreachable") {
    const since = topology.prometheus.stale_since;
    list.push({ kind: "warning", text: `Stale since ${time(since)}: loads and charts are from then. ${topology.prometheus.message}.` });
  }
  return list;
}

let shown = "";

export function showNotices(list) {
  // Written anew only when it changes: a live region is read aloud each time.
  const key = JSON.stringify(list);
  if (key === shown) return;
  shown = key;
  byId("notices").replaceChildren(...list.map(({ kind, text }) => h("p", { class: `notice ${kind}` }, text)));
}
