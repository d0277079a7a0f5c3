/** The page, put together: what the parts show, and which of them tells the others of a choice. */

import { byId, h } from "./dom.js";
import { createGraph } from "./graph.js";
import { Legend } from "./legend.js";
import { Live } from "./live.js";
import { readView, writeView } from "./location.js";
import { chooseMeasure, setThresholds } from "./measures.js";
import { NodeTable } from "./node_table.js";
import { Panel } from "./panel.js";
import { notices, showNotices, showSummary } from "./summary.js";
import { setUpTheme } from "./theme.js";

const live = new Live();
let graph = null;
let missingPackages = "";
let opener = null;

const panel = new Panel({ onChange: go });
const table = new NodeTable({ onSelect: select });
const legend = new Legend({
  onMeasure: (measure) => go({ ...readView(), measure }),
  onLevel: (level) => go({ ...readView(), level: toggled(readView().level, level) }),
});

const toggled = (values, value) => (values.includes(value) ? values.filter((other) => other !== value) : [...values, value]);

function select(name) {
  opener = document.activeElement;
  go({ ...readView(), node: name, pod: null });
  if (name) panel.focus();
}

function go(view) {
  writeView(view);
  showView();
  if (!view.node && opener?.isConnected) opener.focus();
}

function showView() {
  const view = readView();
  chooseMeasure(view.measure);
  if (byId("search").value !== view.search && document.activeElement !== byId("search")) byId("search").value = view.search;
  legend.choose(view.level);
  showTable(view.view === "table");
  applyFilter(view);
  panel.show(view);
  graph?.select(view.node);
  table.select(view.node);
  showTopology();
}

function applyFilter(view) {
  const filter = { ...view, words: view.search.toLowerCase().split(/\s+/).filter(Boolean) };
  graph?.filter(filter);
  table.filter(filter);
}

function showTable(shown) {
  const tableShown = shown || missingPackages !== "";
  byId("nodes").hidden = !tableShown;
  byId("graph").hidden = tableShown;
  byId("controls").hidden = tableShown;
  byId("view-graph").setAttribute("aria-pressed", String(!tableShown));
  byId("view-table").setAttribute("aria-pressed", String(tableShown));
  byId("view-graph").disabled = missingPackages !== "";
}

function showState(state) {
  const { topology, error } = state;
  showNotices(notices(state, missingPackages));
  const placeholder = byId("placeholder");
  placeholder.hidden = topology !== null && topology.nodes.length > 0;
  if (topology === null && error) placeholder.replaceChildren(...failure(error));
  if (topology?.nodes.length === 0) placeholder.replaceChildren(h("p", {}, "The topology file has no nodes yet."));
  showTopology();
}

function showTopology() {
  const { topology } = live.state;
  if (topology === null) return;
  setThresholds(topology.thresholds);
  showSummary(topology);
  legend.update(topology);
  graph?.update(topology);
  table.update(topology);
  panel.update(topology);
}

function failure({ message, hint, details }) {
  const findings = details?.findings ?? [];
  const list = findings.map(({ file, path, problem, hint: advice }) => h("li", {}, h("code", {}, `${file} ${path}`), `: ${problem}`, advice ? ` (${advice})` : ""));
  return [
    h("h2", {}, findings.length ? "The topology file cannot be used" : "The topology is not known"),
    findings.length ? h("ul", {}, list) : h("p", {}, message),
    h("p", { class: "muted" }, hint),
  ];
}

async function start() {
  setUpTheme(() => {
    graph?.restyle();
    panel.restyle();
  });
  byId("search").addEventListener("input", ({ target }) => {
    const view = { ...readView(), search: target.value.trim() };
    writeView(view, { replace: true });
    applyFilter(view);
  });
  byId("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const first = byId("nodes").querySelector("tbody tr");
    if (first) select(first.dataset.key);
  });
  byId("view-graph").addEventListener("click", () => go({ ...readView(), view: "graph" }));
  byId("view-table").addEventListener("click", () => go({ ...readView(), view: "table" }));
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    go({ ...readView(), view: "table" });
    byId("nodes").focus();
  });
  window.addEventListener("popstate", showView);
  showView();
  live.subscribe(showState);
  live.start();
  try {
    graph = await createGraph({ onSelect: select });
    // For tests and for whoever looks from the console: what the canvas shows.
    window.serflab = { graph };
  } catch (error) {
    console.error(error);
    missingPackages = "The graph cannot be drawn: the page's packages are not installed. Run ./setup_emulation.sh, or in flask-app: npm ci --omit=dev --ignore-scripts.";
  }
  showState(live.state);
  showView();
}

start();
