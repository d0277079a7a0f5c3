/** The panel beside the graph: one node of the topology in detail. */

import { clusterInfo } from "./api.js";
import { Chart } from "./chart.js";
import { byId, h, setText } from "./dom.js";
import { age, cpu, memory, percent, time, watts } from "./format.js";
import { STATES, isSerf, levelOf, loadStaleSince } from "./nodes.js";
import { PodTable } from "./pods.js";

const REFRESH_MS = 5000;
const MEASURES = [
  { id: "cpu", title: "CPU", text: percent },
  { id: "memory", title: "Memory", text: percent },
  { id: "psi", title: "PSI", text: percent },
  { id: "power", title: "Power", text: watts },
];

export class Panel {
  #element = byId("panel");
  #topology = null;
  #view = { node: null, pod: null, metric: "cpu", window: "5m" };
  #timer = null;
  #request = null;
  #parts = null;
  #chart;
  #pods;
  #onChange;

  /** `onChange(view)` when the user goes to another node or pod, or chooses another chart; `view.node` null closes. */
  constructor({ onChange }) {
    this.#onChange = onChange;
    this.#chart = new Chart({
      onChange: (choice) => this.#onChange({ ...this.#view, ...choice }),
      onBack: () => this.#onChange({ ...this.#view, pod: null }),
    });
    this.#pods = new PodTable({ onOpen: ({ namespace, name }) => this.#onChange({ ...this.#view, pod: { namespace, name } }) });
    this.#element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#onChange({ ...this.#view, node: null, pod: null });
    });
  }

  /** Shows what `view` says; a closed panel asks for nothing. */
  show(view) {
    const other = view.node !== this.#view.node;
    this.#view = view;
    if (other) {
      this.#stop();
      this.#element.hidden = view.node === null;
      document.body.classList.toggle("with-panel", view.node !== null);
      this.#parts = null;
      if (view.node !== null && this.#topology) this.#open();
    } else if (this.#parts?.serf) {
      this.#showChart();
    }
  }

  update(topology) {
    this.#topology = topology;
    if (this.#view.node === null) return;
    if (this.#parts === null) this.#open();
    this.#showLive();
  }

  restyle() {
    this.#chart.restyle();
  }

  focus() {
    this.#element.focus({ preventScroll: true });
  }

  #node() {
    return this.#topology.nodes.find((node) => node.name === this.#view.node);
  }

  #open() {
    const node = this.#node();
    const close = h("button", { type: "button", class: "icon-button", "aria-label": "Close", onclick: () => this.#onChange({ ...this.#view, node: null, pod: null }) }, "✕");
    if (!node) {
      this.#parts = { serf: false };
      this.#element.replaceChildren(h("header", {}, h("h2", {}, this.#view.node), close), h("p", { class: "hint" }, "The topology has no node of this name."));
      return;
    }
    const state = h("span", { class: "badge" });
    const message = h("p", { class: "notice warning", hidden: true });
    const tiles = h("dl", { class: "tiles" }, MEASURES.map(({ title }) => h("div", { class: "tile" }, h("dt", {}, title), h("dd"), h("div", { class: "meter", "aria-hidden": "true" }, h("span")))));
    const cluster = h("section", { class: "cluster" });
    this.#parts = { serf: isSerf(node), state, message, tiles, cluster, failed: h("p", { class: "notice error", hidden: true }), key: "" };
    const serf = [tiles, this.#chart.element, this.#parts.failed, this.#pods.element, cluster];
    this.#element.replaceChildren(
      h("header", {}, h("h2", {}, node.name), state, close),
      message,
      ...(isSerf(node) ? serf : [h("p", { class: "muted" }, `${node.role}, kind ${node.kind}`)]),
      this.#neighbours(node));
    this.#element.scrollTop = 0;
    this.#pods.filterBy("");
    this.#pods.update([]);
    this.#showLive();
    if (isSerf(node)) {
      this.#showChart();
      this.#refresh();
    }
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#request?.abort();
    this.#chart.show(null);
  }

  #showChart() {
    const { node, pod, metric, window } = this.#view;
    this.#chart.show(this.#node()?.state === "absent" ? null : { node, pod }, { metric, window });
    this.#chart.element.hidden = this.#node()?.state === "absent";
    this.#pods.element.hidden = this.#chart.element.hidden;
    this.#pods.choose(pod);
  }

  /** What the topology knows of the node: its state and load. */
  #showLive() {
    const node = this.#node();
    if (!node || !this.#parts?.state) return;
    const { state, message, tiles } = this.#parts;
    state.className = `badge state-${node.state}`;
    setText(state, STATES[node.state]);
    const notes = [];
    if (node.message) notes.push(node.message);
    if (node.stale_since && node.state !== "connecting") notes.push(`Stale since ${time(node.stale_since)}.`);
    if (loadStaleSince(node)) notes.push(`Load stale since ${time(loadStaleSince(node))}.`);
    message.hidden = notes.length === 0;
    setText(message, notes.join(" "));
    if (!this.#parts.serf) return;
    [...tiles.children].forEach((tile, index) => {
      const { id, text } = MEASURES[index];
      const value = node.load?.[id] ?? null;
      tile.className = `tile level-${levelOf(node, id)}`;
      setText(tile.children[1], text(value));
      tile.lastElementChild.hidden = id === "power";
      tile.lastElementChild.firstElementChild.style.width = `${Math.min(100, value ?? 0)}%`;
    });
  }

  async #refresh() {
    const request = new AbortController();
    this.#request = request;
    const { failed } = this.#parts;
    if (this.#node()?.state !== "absent") {
      try {
        const info = await clusterInfo(this.#view.node, request.signal);
        if (request.signal.aborted) return;
        failed.hidden = true;
        this.#pods.update(info.pods);
        this.#pods.choose(this.#view.pod);
        this.#showCluster(info);
      } catch (error) {
        if (request.signal.aborted) return;
        failed.hidden = false;
        setText(failed, `${error.message} ${error.hint ?? ""}`);
      }
    }
    this.#timer = setTimeout(() => this.#refresh(), REFRESH_MS);
  }

  #showCluster({ cluster, nodes, namespaces, values_from: source }) {
    const key = JSON.stringify([cluster, nodes, namespaces, source]);
    if (key === this.#parts.key) return;
    this.#parts.key = key;
    const facts = [
      ["Kubernetes", cluster.version],
      ["API server", cluster.server],
      ["Exporter", cluster.exporter],
      ["Pod values from", source === "prometheus" ? "Prometheus" : "the pods' annotations (Prometheus has none)"],
    ];
    this.#parts.cluster.replaceChildren(
      h("h3", {}, "Cluster"),
      h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      h("h3", {}, "Kubernetes nodes ", h("span", { class: "muted" }, String(nodes.length))),
      h("ul", { class: "kube-nodes" }, nodes.map(kubeNode)),
      h("h3", {}, "Namespaces ", h("span", { class: "muted" }, String(namespaces.length))),
      h("ul", { class: "chips" }, namespaces.map((namespace) => h("li", {},
        h("button", { type: "button", title: `${namespace.phase}, ${age(namespace.created)} old`, onclick: () => this.#showNamespace(namespace.name) },
          namespace.name, h("span", { class: "count" }, String(namespace.pods)))))));
  }

  #showNamespace(name) {
    this.#pods.filterBy(`${name}/`);
    this.#pods.element.scrollIntoView({ block: "nearest" });
  }

  #neighbours(node) {
    const links = this.#topology.links.filter((link) => link.endpoints.some((end) => end.node === node.name));
    if (links.length === 0) return null;
    const rows = links.map((link) => {
      const [own, other] = link.endpoints[0].node === node.name ? link.endpoints : [...link.endpoints].reverse();
      return h("li", {}, h("span", { class: "interface" }, own.interface), " — ",
        h("button", { type: "button", class: "link", onclick: () => this.#onChange({ ...this.#view, node: other.node, pod: null }) }, other.node),
        h("span", { class: "interface" }, `:${other.interface}`));
    });
    return h("section", {}, h("h3", {}, "Links ", h("span", { class: "muted" }, String(links.length))), h("ul", { class: "links" }, rows));
  }
}

function kubeNode({ name, ready, unschedulable, capacity, requested }) {
  const use = (title, part, whole, text) => h("div", { class: "use" },
    h("span", {}, `${title} ${text(part)} of ${text(whole)}`),
    h("div", { class: "meter", "aria-hidden": "true" }, meterBar(part, whole)));
  return h("li", {},
    h("div", {}, h("strong", {}, name), " ", h("span", { class: `badge state-${ready ? "ready" : "unreachable"}` }, ready ? "Ready" : "Not ready"),
      unschedulable ? h("span", { class: "badge" }, "Cordoned") : null),
    h("div", { class: "uses" },
      use("CPU requested", requested.cpu_millicores, capacity.cpu_millicores, cpu),
      use("Memory requested", requested.memory_mi, capacity.memory_mi, memory),
      use("Pods", requested.pods, capacity.pods, String)));
}

function meterBar(part, whole) {
  const bar = h("span");
  bar.style.width = `${whole > 0 ? Math.min(100, (100 * part) / whole) : 0}%`;
  return bar;
}
