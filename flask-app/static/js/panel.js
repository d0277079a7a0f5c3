/** The panel beside the graph: one node of the topology in detail, in tabs when it is a serf. */

import { byId, h, setText } from "./dom.js";
import { time } from "./format.js";
import { STATES, isSerf, loadStaleSince } from "./nodes.js";
import { linkKey } from "./link_words.js";
import { ClusterTab } from "./panel_cluster.js";
import { ConfigTab } from "./panel_config.js";
import { EventsTab } from "./panel_events.js";
import { HealthTab } from "./panel_health.js";
import { links, plainNode } from "./panel_links.js";
import { OverviewTab } from "./panel_overview.js";
import { PeeringsTab } from "./panel_peerings.js";
import { PodsTab } from "./panel_pods.js";
import { RebalanceTab } from "./panel_rebalance.js";
import { TABS, chosenTab, choosing } from "./panel_view.js";
import { resizable } from "./panel_width.js";
import { Chart } from "./chart.js";
import { Tabs } from "./tabs.js";

const CLOSED = { node: null, pod: null };

export class Panel {
  #element = byId("panel");
  #topology = null;
  #view = { ...CLOSED };
  #drawn = null;
  #key = "";
  #shownTab = null;
  #tabs;
  #views;
  #chart;
  #onChange;
  #onLink;
  #loopOn;
  #state = h("span", { class: "badge" });
  #name = h("h2");
  #menu = h("button", { type: "button", class: "button panel-menu", "aria-haspopup": "menu" }, "Actions");
  #notes = h("p", { class: "notice warning", hidden: true });
  #body = h("div", { class: "panel-body" });

  /**
   * `onChange(view)` when the user goes to another node or pod, or chooses another chart; `view.node` null closes. `onMenu(serf,
   * {x, y})` when the menu of the serf is asked for, `onLink(id)` when a link is to be shown. `peerings`: what its tab of peerings can do, see there.
   * `virtualPods`: `{offload(serf, pod), bringBack(virtualPod), details(id)}`, what is done with pods that are, or shall be, virtual.
   * `loopOn(serf)` gives the loop of rebalancing that runs on a serf, or null.
   */
  constructor({ onChange, onMenu, onLink, peerings, virtualPods, loopOn }) {
    [this.#onChange, this.#onLink, this.#loopOn] = [onChange, onLink, loopOn];
    const go = (fields) => this.#onChange({ ...this.#view, ...fields });
    this.#chart = new Chart({ onChange: go, onLeave: () => go({ ...choosing([]), tab: "overview" }) });
    const choose = (pods, tab = "pods") => go({ ...choosing(pods), tab, hide: [] });
    this.#views = {
      overview: new OverviewTab({ chart: this.#chart, onPod: (pod) => choose([pod]), onTab: (tab) => go({ tab }) }),
      pods: new PodsTab({ chart: this.#chart, onChoose: choose, virtualPods }),
      peerings: new PeeringsTab({ ...peerings, go: (name) => this.#goTo(name) }),
      cluster: new ClusterTab({ onNamespace: (name) => this.#showNamespace(name), onPods: (name) => this.#showPodsOf(name), onSerf: (name) => this.#goTo(name) }),
      events: new EventsTab({ onPod: (pod) => choose([pod]) }),
      health: new HealthTab(),
      config: new ConfigTab(),
      rebalancing: new RebalanceTab(),
    };
    const titles = { overview: "Overview", pods: "Pods", peerings: "Peerings", cluster: "Cluster", events: "Events", health: "Health", config: "Config", rebalancing: "Rebalancing" };
    this.#tabs = new Tabs({
      label: "Details of the serf",
      tabs: Object.entries(this.#views).map(([id, { element }]) => ({ id, title: titles[id], element })),
      onChoose: (tab) => go({ tab }),
    });
    this.#menu.addEventListener("click", () => {
      const { left, bottom } = this.#menu.getBoundingClientRect();
      onMenu(this.#view.node, { x: left, y: bottom + 4 });
    });
    const close = h("button", { type: "button", class: "icon-button", "aria-label": "Close", onclick: () => go(CLOSED) }, "✕");
    const header = h("header", { class: "panel-head" }, h("div", { class: "panel-title" }, this.#name, this.#state, this.#menu, close), this.#tabs.list);
    this.#element.replaceChildren(resizable(this.#element), header, this.#notes, this.#body);
    this.#element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented) go(CLOSED);
    });
  }

  /** Shows what `view` says; a closed panel asks for nothing. */
  show(view) {
    const other = view.node !== this.#view.node;
    this.#view = view;
    if (other) {
      this.#leave();
      this.#drawn = null;
      this.#element.hidden = view.node === null;
      document.body.classList.toggle("with-panel", view.node !== null);
    }
    if (view.node !== null && this.#topology) this.#open();
  }

  update(topology) {
    this.#topology = topology;
    if (this.#view.node !== null) this.#open();
  }

  restyle() {
    this.#chart.restyle();
    this.#views.rebalancing.restyle();
  }

  focus() {
    this.#element.focus({ preventScroll: true });
  }

  #node() {
    return this.#topology.nodes.find((node) => node.name === this.#view.node);
  }

  #open() {
    const node = this.#node();
    const own = node === undefined && this.#loopOn(this.#view.node)?.own_serf === true;
    const kind = own ? "loop" : node === undefined ? "unknown" : isSerf(node) ? "serf" : "plain";
    if (this.#drawn !== kind) {
      this.#drawn = kind;
      this.#key = "";
      setText(this.#name, this.#view.node);
      this.#leave();
      this.#menu.hidden = kind !== "serf";
      this.#tabs.list.hidden = kind !== "serf" && !own;
      this.#state.hidden = node === undefined;
      this.#body.replaceChildren(...(this.#tabs.list.hidden ? [] : this.#tabs.panels));
      this.#body.scrollTop = 0;
    }
    if (kind === "unknown") {
      this.#notes.hidden = true;
      const looked = chosenTab(this.#view) === "rebalancing" ? `No loop of rebalancing runs on ${this.#view.node}. \`serflab rebalance up\` starts one.` : "";
      this.#body.replaceChildren(h("p", { class: "hint" }, looked || "The topology has no node of this name."));
      return;
    }
    this.#offerTabs(own);
    if (own) {
      this.#notes.hidden = true;
      this.#showTab({ name: this.#view.node }, "rebalancing");
      return;
    }
    this.#showState(node);
    if (kind === "plain") this.#showPlain(node);
    else this.#showTab(node);
  }

  #showPlain(node) {
    const key = JSON.stringify([node, this.#topology.links.filter((link) => link.endpoints.some((end) => end.node === node.name)).map(linkKey)]);
    if (key === this.#key) return;
    this.#key = key;
    this.#body.replaceChildren(plainNode(node), links(node, this.#topology, (name) => this.#goTo(name), this.#onLink));
  }

  #goTo(name) {
    this.#onChange({ ...this.#view, ...choosing([]), node: name, tab: null });
  }

  /** A serf of a loop's own has nothing but the loop; others have that tab when a loop runs on them, or while it is shown. */
  #offerTabs(own) {
    const looped = this.#loopOn(this.#view.node) !== null || chosenTab(this.#view) === "rebalancing";
    this.#tabs.offer(TABS.filter((id) => (id === "rebalancing" ? looped : !own)));
  }

  #showTab(node, tab = chosenTab(this.#view)) {
    if (tab !== this.#shownTab) {
      this.#leave();
      this.#shownTab = tab;
      this.#tabs.choose(tab);
      this.#body.scrollTop = 0;
      this.#views[tab].open(node, this.#view);
    }
    if (node.state !== undefined) this.#chart.setStale(staleText(node, this.#topology));
    this.#views[tab].show({ node, view: this.#view, topology: this.#topology, onNode: (name) => this.#goTo(name), onLink: this.#onLink });
  }

  #leave() {
    this.#views[this.#shownTab]?.close();
    this.#shownTab = null;
  }

  /** What the topology knows of the node, and since when what it says is old. */
  #showState(node) {
    this.#state.className = `badge state-${node.state}`;
    setText(this.#state, STATES[node.state] ?? node.state);
    const notes = [];
    if (node.message) notes.push(`${node.message[0].toUpperCase()}${node.message.slice(1).replace(/\.$/, "")}.`);
    if (node.stale_since && node.state !== "connecting") notes.push(`The API server's part is stale since ${time(node.stale_since)}.`);
    if (loadStaleSince(node)) notes.push(`Load stale since ${time(loadStaleSince(node))}.`);
    if ((this.#view.at ?? null) !== null && isSerf(node) && chosenTab(this.#view) !== "overview") notes.push("Loads and charts are of the time that is shown, all else is as it is now.");
    this.#notes.hidden = notes.length === 0;
    setText(this.#notes, notes.join(" "));
  }

  #showNamespace(name) {
    this.#views.pods.filterBy({ namespace: name });
    this.#onChange({ ...this.#view, ...choosing([]), tab: "pods" });
  }

  #showPodsOf(node) {
    this.#views.pods.filterBy({ node });
    this.#onChange({ ...this.#view, ...choosing([]), tab: "pods" });
  }
}

/** Since when a chart gets no new samples, and of whom; "" while it does. */
function staleText(node, { prometheus }) {
  if (prometheus.state === "unreachable") {
    return `Stale since ${time(prometheus.stale_since)}: Prometheus does not answer. What is drawn is from before.`;
  }
  if (node.target_up === false) {
    const since = node.load?.stale_since;
    return `${since ? `Stale since ${time(since)}` : "Stale"}: the exporter of ${node.name} does not answer Prometheus. The gap grows until it does.`;
  }
  return "";
}
