/** The first tab of a serf: its load in four tiles, its chart, the pods that use most, and its links. */

import { clusterInfo } from "./api.js";
import { arrange, h, setText } from "./dom.js";
import { cpu, memory, percent, watts } from "./format.js";
import { linkKey } from "./link_words.js";
import { levelOf, ringOf, valueOf } from "./nodes.js";
import { links } from "./panel_links.js";
import { Problem, skeleton } from "./panel_parts.js";
import { podKey } from "./panel_view.js";
import { Poller } from "./poller.js";

const TOP = 5;
const TILES = [
  { id: "cpu", title: "CPU", text: percent },
  { id: "memory", title: "Memory", text: percent },
  { id: "psi", title: "PSI", text: percent },
  { id: "power", title: "Power", text: watts },
];
const LEVEL_NAMES = { green: "low", amber: "medium", red: "high", none: "not known" };
// The pods' values that a measure of the chart sorts by.
const VALUES = {
  cpu: { title: "CPU", of: (pod) => pod.cpu_millicores, text: cpu },
  memory: { title: "memory", of: (pod) => pod.memory_mi, text: memory },
  psi: { title: "PSI", of: (pod) => pod.psi_percent, text: percent },
  power: { title: "power", of: (pod) => pod.power_watts, text: watts },
};

export class OverviewTab {
  #chart;
  #poller;
  #node = null;
  #pods = null;
  #metric = "cpu";
  #past = false;
  #onPod;
  #linksKey = "";
  #problem = new Problem();
  #tiles = h("dl", { class: "tiles" }, TILES.map(({ id, title }) => h("div", { class: "tile", "data-metric": id },
    h("dt", {}, title), h("dd"), h("div", { class: "meter", "aria-hidden": "true" }, h("span")))));
  #pod = h("p", { class: "pod-summary" });
  #slot = h("div");
  #topTitle = h("h3", {}, "Pods with most CPU");
  #items = new Map();
  #top = h("ol", { class: "top-pods" });
  #absent = h("p", { class: "hint", hidden: true }, "This serf is in the topology file but not up. `serflab up` starts it.");
  #living;
  #links = h("div");

  /** `chart` is shared with the pods' tab; `onPod(pod)` opens one, `onTab(id)` another tab. */
  constructor({ chart, onPod, onTab }) {
    this.#chart = chart;
    this.#onPod = onPod;
    this.#poller = new Poller({
      ask: (signal) => clusterInfo(this.#node, signal),
      onAnswer: ({ pods }) => {
        this.#problem.show(null);
        this.#pods = pods;
        this.#showTop();
      },
      onFailure: (error) => {
        this.#problem.show(error);
        if (this.#pods === null) this.#top.replaceChildren();
      },
    });
    const all = h("button", { type: "button", class: "link", onclick: () => onTab("pods") }, "All pods");
    this.#living = h("div", { class: "stack" }, this.#tiles, this.#pod, this.#slot,
      h("section", {}, h("div", { class: "section-head" }, this.#topTitle, all), this.#problem.element, this.#top));
    this.element = h("div", { class: "stack" }, this.#absent, this.#living, this.#links);
  }

  open(node) {
    this.#slot.replaceChildren(this.#chart.element);
    if (this.#node !== node.name) {
      this.#node = node.name;
      this.#pods = null;
      this.#top.replaceChildren(h("li", {}, skeleton(TOP)));
    }
    this.#problem.show(null);
    if (node.state !== "absent") this.#poller.start();
  }

  close() {
    this.#poller.stop();
    this.#chart.show(null);
  }

  show({ node, view, topology, onNode, onLink }) {
    const absent = node.state === "absent";
    this.#absent.hidden = !absent;
    this.#living.hidden = absent;
    this.#chart.show(absent ? null : { ...view, pods: [] });
    this.#showTiles(node);
    const past = (view.at ?? null) !== null;
    if (this.#metric !== view.metric || this.#past !== past) {
      [this.#metric, this.#past] = [view.metric, past];
      if (this.#pods) this.#showTop();
    }
    const own = topology.links.filter((link) => link.endpoints.some((end) => end.node === node.name));
    const key = JSON.stringify([node.name, own.map(linkKey), own.flatMap(({ endpoints }) => endpoints.map((end) => topology.nodes.find(({ name }) => name === end.node)?.state))]);
    if (key === this.#linksKey) return;
    this.#linksKey = key;
    this.#links.replaceChildren(links(node, topology, onNode, onLink));
  }

  #showTiles(node) {
    [...this.#tiles.children].forEach((tile, at) => {
      const { id, text } = TILES[at];
      const level = levelOf(node, id);
      tile.className = `tile level-${level}`;
      tile.title = `Load: ${LEVEL_NAMES[level]}`;
      setText(tile.children[1], text(valueOf(node, id)));
      tile.lastElementChild.firstElementChild.style.width = `${ringOf(node, id)}%`;
    });
    this.#pod.hidden = !node.pods;
    if (node.pods) setText(this.#pod, `${node.pods.running.toLocaleString("en")} of ${node.pods.total.toLocaleString("en")} pods running`);
  }

  #showTop() {
    const { title, of, text } = VALUES[this.#metric] ?? VALUES.cpu;
    setText(this.#topTitle, `Pods with most ${title}${this.#past ? " now" : ""}`);
    const sorted = this.#pods.filter((pod) => of(pod) !== null).sort((one, other) => of(other) - of(one)).slice(0, TOP);
    const most = sorted.length ? of(sorted[0]) : 0;
    const items = sorted.map((pod) => {
      const item = this.#item(pod);
      setText(item.value, text(of(pod)));
      item.bar.style.width = `${most > 0 ? (100 * of(pod)) / most : 0}%`;
      return item.element;
    });
    for (const [key, { element }] of this.#items) if (!items.includes(element)) this.#items.delete(key);
    arrange(this.#top, items);
    if (items.length === 0) this.#top.replaceChildren(h("li", { class: "hint" }, this.#pods.length ? "No pod has a value yet." : "This cluster has no pods."));
  }

  /** The entry of a pod: the same one as long as it is shown, so that a click or the focus does not lose it. */
  #item({ namespace, name }) {
    const key = podKey({ namespace, name });
    if (!this.#items.has(key)) {
      const [bar, value] = [h("span"), h("span", { class: "top-value" })];
      const element = h("li", {}, h("button", { type: "button", "data-key": key, onclick: () => this.#onPod({ namespace, name }) },
        h("span", { class: "top-name" }, h("span", { class: "muted" }, `${namespace}/`), name), value, h("span", { class: "meter", "aria-hidden": "true" }, bar)));
      this.#items.set(key, { element, bar, value });
    }
    return this.#items.get(key);
  }
}
