/** The bar above: the lab in figures, how live it is, and the notices that nothing may hide. */

import { byId, h, setText } from "./dom.js";
import { MISSING, time } from "./format.js";

const FIGURES = [
  { id: "serfs", title: "Serfs ready", of: ({ serfs }) => [serfs.ready, serfs.total] },
  { id: "pods", title: "Pods running", of: ({ pods }) => [pods.running, pods.total] },
  { id: "targets", title: "Targets up", of: ({ targets }) => [targets.up, targets.total] },
];

/** `summary` is null for the past, of which these figures are not recorded. */
export function showSummary({ name, summary }) {
  setText(byId("lab-name"), name);
  document.title = name ? `${name} · serflab` : "serflab";
  const bar = byId("summary");
  if (!bar.children.length) bar.append(...FIGURES.map(({ id, title }) => h("div", { id: `figure-${id}` }, h("dt", {}, title), h("dd"))));
  for (const { id, of } of FIGURES) {
    const [value, total] = summary ? of(summary) : [null, null];
    const figure = byId(`figure-${id}`);
    figure.className = total > 0 && value < total ? "figure short" : "figure";
    setText(figure.lastElementChild, summary ? `${value.toLocaleString("en")} / ${total.toLocaleString("en")}` : MISSING);
  }
}

const MODES = {
  connecting: { text: "Connecting …", title: "Waiting for the viewer's first answer" },
  stream: { text: "Live", title: "The viewer streams every change" },
  polling: { text: "Live, polling", title: "Streams do not get through; the page asks every 2.5 seconds and tries the stream again" },
  reconnecting: { text: "Reconnecting …", title: "The stream has ended; the page connects again" },
  stale: { text: "Stale", title: "The viewer does not answer; what is shown is old" },
  problem: { text: "Not usable", title: "The viewer answers, but the topology cannot be used" },
  past: { text: "In the past", title: "The history is shown; Live leads back to now" },
};

/** How the state gets here; the past goes before everything but what makes all of it old. */
export function showMode({ mode, error }, inThePast) {
  const failed = error?.code === "unreachable" ? "stale" : "problem";
  const shown = error ? failed : inThePast ? "past" : mode;
  const { text, title } = MODES[shown];
  const element = byId("live");
  element.className = `live live-${shown}`;
  element.title = title;
  setText(byId("live-text"), text);
}

/** What is wrong with what is shown, in the order of weight. */
export function notices({ topology, error, staleSince }, missingPackages) {
  const list = [];
  if (missingPackages) {
    list.push({ kind: "error", text: `${missingPackages} Until then the table below stands in for it.` });
  }
  if (error && staleSince) {
    const findings = (error.details?.findings ?? []).map(({ file, path, problem }) => `${file} ${path}: ${problem}`);
    list.push({ kind: "error", text: `Stale since ${time(staleSince)}: ${error.message} What you see is from then; trying again.`, findings });
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
  byId("notices").replaceChildren(...list.map(({ kind, text, findings = [] }) => h("div", { class: `notice ${kind}` }, h("p", {}, text),
    findings.length ? h("details", {}, h("summary", {}, findings.length === 1 ? "One finding" : `${findings.length} findings`), h("ul", {}, findings.map((finding) => h("li", {}, finding)))) : null)));
}
