/** The page, put together: what the parts show, and which of them tells the others of a choice. */

import { createPod } from "./create_pod.js";
import { byId } from "./dom.js";
import { Filters, filterOf, toggled } from "./filters.js";
import { createGraph } from "./graph.js";
import { Legend } from "./legend.js";
import { openLink } from "./link_dialog.js";
import { Live } from "./live.js";
import { followToEnd, liqoConnect } from "./liqo_connect.js";
import { removeLinks } from "./liqo_remove.js";
import { readView, writeView } from "./location.js";
import { Loops } from "./loops.js";
import { MEASURES, chooseMeasure, setThresholds } from "./measures.js";
import { NodeTable } from "./node_table.js";
import { offloadPod } from "./offload_pod.js";
import { FACETS, matches } from "./nodes.js";
import { Panel } from "./panel.js";
import { cancelPicking, pickSerf, pickWith } from "./pick.js";
import { showPlaceholder } from "./placeholder.js";
import { openSerfMenu } from "./serf_menu.js";
import { setServerTime } from "./server_clock.js";
import { setUpShortcuts, showShortcuts } from "./shortcuts.js";
import { notices, showMode, showNotices, showSummary } from "./summary.js";
import { setUpTheme } from "./theme.js";
import { Timeline } from "./timeline.js";
import { bringHome } from "./virtual_actions.js";
import { VirtualSidebar } from "./virtual_sidebar.js";

const live = new Live();
const loops = new Loops({ live, onChange: showLoops });
let graph = null;
let missingPackages = "";
let opener = null;

const virtualPods = {
  details: (id) => change({ virtual: id }),
  create: (source = null, pick = null) => createPod({ topology: live.state.topology, source, pick, onDetails: virtualPods.details }),
  offload: (source, pod) => offloadPod({ topology: live.state.topology, source, pod, onDetails: virtualPods.details }),
  bringBack: (pod) => bringHome(pod, { onDetails: virtualPods.details }),
};
// What the menu of a serf offers.
const ACTIONS = {
  open: (serf) => select(serf),
  connect: async (serf) => followToEnd(await liqoConnect(serf, live.state.topology)),
  // Without a graph the form itself has the list of destinations.
  createPod: (serf) => virtualPods.create(serf, byId("graph").hidden ? null : pickSerf),
  remove: async (serf, only) => (await removeLinks(serf, only)).forEach(followToEnd),
};
const panel = new Panel({
  onChange: go, onMenu: openMenuOf, onLink: showLink, virtualPods, loopOn: (serf) => loops.on(serf),
  peerings: { connect: ACTIONS.connect, remove: ACTIONS.remove, follow: followToEnd },
});
const table = new NodeTable({ onSelect: select, onMenu: openMenuOf });
const change = (part) => go({ ...readView(), ...part });
const legend = new Legend({
  onMeasure: (measure) => change({ measure }),
  onLevel: (level) => change({ level: toggled(readView().level, level) }),
});
const filters = new Filters({ onChange: change });
const timeline = new Timeline({ onChange: travel });
const sidebar = new VirtualSidebar({
  onChange: (virtual) => change({ virtual }),
  onCreate: () => virtualPods.create(),
  onNode: (name) => leadTo(name),
  onPod: (name, pod) => leadTo(name, pod),
});
const clearFilters = () => change({ search: "", ...Object.fromEntries(Object.keys(FACETS).map((facet) => [facet, []])) });

const SHORTCUTS = [
  { key: "/", text: "Search", act: () => byId("search").focus() },
  { key: "f", text: "Filters", act: () => filters.toggleMenu() },
  { key: "g", text: "Graph", act: () => change({ view: "graph" }) },
  { key: "t", text: "Table", act: () => change({ view: "table" }) },
  ...Object.entries(MEASURES).map(([measure, { title }], index) => ({ key: String(index + 1), text: `Colour by ${title}`, act: () => change({ measure }) })),
  { key: "v", text: "Virtual pods", act: () => sidebar.toggle() },
  { key: "r", text: "Rebalancing", act: () => byId("loop-open").click() },
  { key: "h", text: "History", act: () => timeline.toggle() },
  { key: "l", text: "Back to live", act: () => timeline.live() },
  { key: "d", text: "Dark or light theme", act: () => byId("theme").click() },
  { key: "?", text: "This help", act: () => showShortcuts(SHORTCUTS) },
];

function select(name, pod = null) {
  opener = document.activeElement;
  change({ node: name, pod });
  if (name) panel.focus();
}

/** The button that leads to the loop of rebalancing is there while one is. */
function showLoops([loop]) {
  byId("loop-open").hidden = loop === undefined;
  showTopology();
}

function openLoop() {
  const [loop] = loops.known;
  if (loop === undefined) return;
  opener = byId("loop-open");
  change({ node: loop.serf, pod: null, pods: [], tab: "rebalancing" });
  panel.focus();
}

/** From the sidebar into the panel; where it covers the page, it makes room. */
function leadTo(node, pod = null) {
  if (byId("virtual").offsetWidth > window.innerWidth / 2) change({ virtual: null });
  select(node, pod);
}

/** Shows a link, as it is now and as it changes. */
function showLink(id) {
  byId("tooltip").hidden = true;
  const now = () => live.state.topology?.links.find((other) => other.id === id);
  const follow = (show) => live.subscribe(() => now() && show(now()));
  if (now()) openLink(now(), follow);
}

/** Opens the menu of a serf at a place of the page. */
function openMenuOf(serf, at) {
  const { topology } = live.state;
  byId("tooltip").hidden = true;
  // Who points at the graph has the focus nowhere.
  const opener = document.activeElement === document.body ? byId("graph") : document.activeElement;
  openSerfMenu({ serf, at, opener, actions: ACTIONS, topology: readView().at === null ? topology : { ...topology, offload: null } });
}

function go(view) {
  writeView(view);
  showView();
  if (!view.node && opener?.isConnected) opener.focus();
}

/** The history moves: `moment` is null when only points have arrived that change what is shown. */
function travel(moment, { step }) {
  if (moment) {
    writeView({ ...readView(), ...moment }, { replace: !step });
    showView();
  } else {
    showTopology();
  }
}

function showView() {
  const view = readView();
  chooseMeasure(view.measure);
  if (document.activeElement !== byId("search") || view.search === "") byId("search").value = view.search;
  timeline.show(view);
  timeline.restyle();
  showTable(view.view === "table");
  legend.choose(view.level);
  applyFilter(view);
  panel.show(view);
  sidebar.show(view);
  graph?.arrange(view.layout);
  graph?.select(view.node);
  table.select(view.node);
  showTopology();
}

function applyFilter(view) {
  const filter = filterOf(view);
  filters.show(view);
  graph?.filter(filter);
  table.filter(filter);
}

function showTable(shown) {
  const tableShown = shown || missingPackages !== "";
  if (tableShown) cancelPicking();
  byId("nodes").hidden = !tableShown;
  byId("graph").hidden = tableShown;
  byId("controls").hidden = tableShown;
  if (byId("graph-top")) byId("graph-top").hidden = tableShown;
  byId("view-graph").setAttribute("aria-pressed", String(!tableShown));
  byId("view-table").setAttribute("aria-pressed", String(tableShown));
  byId("view-graph").disabled = missingPackages !== "";
}

/** Everything that follows the state of the lab, now or at the moment of the history that is chosen. */
function showTopology() {
  const { state } = live;
  const view = readView();
  if (state.topology) sidebar.update(state.topology.offload);
  showNotices(notices(state, missingPackages));
  showMode(state, view.at !== null);
  setThresholds(state.topology?.thresholds);
  const topology = state.topology && timeline.shown(state.topology);
  const found = topology?.nodes.filter((node) => matches(node, filterOf(view))).length;
  // The table says in its own place that it is empty.
  showPlaceholder(state, byId("nodes").hidden ? found : null, clearFilters);
  if (topology === null) return;
  showSummary(topology);
  legend.update(topology);
  filters.update(topology);
  graph?.update(topology);
  table.update(topology);
  panel.update(topology);
}

function setUpSearch() {
  const search = byId("search");
  search.addEventListener("input", () => {
    writeView({ ...readView(), search: search.value.trim() }, { replace: true });
    applyFilter(readView());
    showTopology();
  });
  search.addEventListener("keydown", (event) => {
    const first = byId("nodes").querySelector("tbody tr");
    if (event.key === "Enter" && first) select(first.dataset.key);
  });
}

function setUpButtons() {
  byId("view-graph").addEventListener("click", () => change({ view: "graph" }));
  byId("view-table").addEventListener("click", () => change({ view: "table" }));
  byId("loop-open").addEventListener("click", openLoop);
  byId("help").addEventListener("click", () => showShortcuts(SHORTCUTS));
  byId("past-live").addEventListener("click", () => timeline.live());
  document.querySelector(".skip").addEventListener("click", (event) => {
    // The address holds the view; a jump to an anchor would overwrite it.
    event.preventDefault();
    change({ view: "table" });
    byId("nodes").focus();
  });
}

async function start() {
  setUpTheme(() => {
    graph?.restyle();
    panel.restyle();
  });
  setUpSearch();
  setUpButtons();
  setUpShortcuts(SHORTCUTS);
  window.addEventListener("popstate", showView);
  showView();
  live.subscribe(({ topology }) => {
    setServerTime(topology?.generated_at);
    showTopology();
  });
  live.start();
  loops.start();
  try {
    graph = await createGraph({
      onSelect: select, onLayout: (layout) => change({ layout }), onMenu: openMenuOf,
      onLink: showLink, onPeering: ({ from }) => change({ node: from, pod: null, tab: "peerings" }),
    });
    pickWith(() => (byId("graph").hidden ? null : (wanted) => graph.pick(wanted)));
    // For tests and for whoever looks from the console: what the canvas shows.
    window.serflab = { graph };
  } catch (error) {
    console.error(error);
    missingPackages = "The graph cannot be drawn: the page's packages are not installed. Run ./setup_emulation.sh, or in flask-app: npm ci --omit=dev --ignore-scripts.";
  }
  showView();
}

start();
