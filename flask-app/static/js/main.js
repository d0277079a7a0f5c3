/** The page, put together: what the parts show, and which of them tells the others of a choice. */

import { byId, h } from "./dom.js";
import { createGraph } from "./graph.js";
import { Live } from "./live.js";
import { readView, writeView } from "./location.js";
import { NodeTable } from "./node_table.js";
import { Panel } from "./panel.js";
import { Legend, notices, showNotices, showSummary } from "./summary.js";
import { setUpTheme } from "./theme.js";

const live = new Live();
const filter = { words: [], level: null };
let graph = null;
let missingPackages = "";
let tableShown = false;
let opener = null;

const panel = new Panel({ onChange: go });
const table = new NodeTable({ onSelect: select });
const legend = new Legend({ onChoose: chooseLevel });

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
  panel.show(view);
  graph?.select(view.node);
  table.select(view.node);
}

function chooseLevel(level) {
  filter.level = filter.level === level ? null : level;
  legend.choose(filter.level);
  applyFilter();
}

function applyFilter() {
  graph?.filter(filter);
  table.filter(filter);
}

function showTable(shown) {
  tableShown = shown || graph === null;
  byId("nodes").hidden = !tableShown;
  byId("graph").hidden = tableShown;
  byId("controls").hidden = tableShown;
  byId("view-graph").setAttribute("aria-pressed", String(!tableShown));
  byId("view-table").setAttribute("aria-pressed", String(tableShown));
  byId("view-graph").disabled = graph === null && missingPackages !== "";
}

function showState(state) {
  const { topology, error } = state;
  showNotices(notices(state, missingPackages));
  const placeholder = byId("placeholder");
  placeholder.hidden = topology !== null && topology.nodes.length > 0;
  if (topology === null && error) placeholder.replaceChildren(...failure(error));
  if (topology === null) return;
  if (topology.nodes.length === 0) placeholder.replaceChildren(h("p", {}, "The topology file has no nodes yet."));
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
    filter.words = target.value.toLowerCase().split(/\s+/).filter(Boolean);
    applyFilter();
  });
  byId("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const first = byId("nodes").querySelector("tbody tr");
    if (first) select(first.dataset.key);
  });
  byId("view-graph").addEventListener("click", () => showTable(false));
  byId("view-table").addEventListener("click", () => showTable(true));
  document.querySelector(".skip").addEventListener("click", () => showTable(true));
  window.addEventListener("popstate", showView);
  showView();
  live.subscribe(showState);
  live.start();
  try {
    graph = await createGraph({ onSelect: select });
    showTable(tableShown);
    graph.filter(filter);
    // For tests and for whoever looks from the console: what the canvas shows.
    window.serflab = { graph };
  } catch (error) {
    console.error(error);
    missingPackages = "The graph cannot be drawn: the page's packages are not installed. Run ./setup_emulation.sh, or in flask-app: npm ci --omit=dev --ignore-scripts.";
    showTable(true);
  }
  showState(live.state);
  graph?.select(readView().node);
}

start();
