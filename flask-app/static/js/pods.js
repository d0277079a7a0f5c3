/** The pods of a serf: filtered by text and namespace, sorted by any column. */

import { h, setText } from "./dom.js";
import { MISSING, number } from "./format.js";
import { Table } from "./table.js";

const LIMIT = 400;

const measure = (key) => ({ value: (pod) => pod[key], text: (pod) => (pod[key] === null ? MISSING : number(pod[key])) });

function podCell(cell, pod) {
  if (!cell.firstChild) cell.append(h("span", { class: "pod-name" }), h("span", { class: "pod-place" }));
  cell.title = `${pod.namespace}/${pod.name}`;
  setText(cell.firstChild, pod.name);
  setText(cell.lastChild, `${pod.namespace} on ${pod.node || "no node yet"}`);
}

function phaseCell(cell, pod) {
  if (!cell.firstChild) cell.append(h("span"));
  cell.firstChild.className = `badge phase-${pod.phase.toLowerCase()}`;
  cell.firstChild.title = pod.reason;
  setText(cell.firstChild, pod.phase);
}

const COLUMNS = [
  { id: "pod", title: "Pod", header: true, value: (pod) => `${pod.namespace}/${pod.name}`, cell: podCell },
  { id: "phase", title: "Phase", value: (pod) => pod.phase, cell: phaseCell },
  { id: "cpu", title: "CPU m", numeric: true, ...measure("cpu_millicores") },
  { id: "memory", title: "Mem Mi", numeric: true, ...measure("memory_mi") },
  { id: "psi", title: "PSI %", numeric: true, ...measure("psi_percent") },
  { id: "power", title: "Power W", numeric: true, ...measure("power_watts") },
];

export class PodTable {
  #pods = [];
  #table;
  #count = h("span", { class: "muted" });
  #filter = h("input", { type: "search", placeholder: "Filter: name, phase, node", "aria-label": "Filter pods", autocomplete: "off", spellcheck: "false" });
  #message = h("p", { class: "hint" });

  constructor({ onOpen }) {
    this.#table = new Table({
      label: "Pods", columns: COLUMNS, key: (pod) => `${pod.namespace}/${pod.name}`, sort: { id: "cpu", down: true },
      rowLabel: "Show its chart", limit: LIMIT, onOpen,
    });
    this.#filter.addEventListener("input", () => this.#render());
    this.element = h("section", { class: "pods" },
      h("div", { class: "section-head" }, h("h3", {}, "Pods ", this.#count), this.#filter),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Pods" }, this.#table.element), this.#message);
  }

  update(pods) {
    this.#pods = pods;
    this.#render();
  }

  filterBy(text) {
    this.#filter.value = text;
    this.#render();
  }

  choose(pod) {
    this.#table.choose(pod ? `${pod.namespace}/${pod.name}` : null);
  }

  #render() {
    const words = this.#filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.#pods.filter((pod) => {
      const text = `${pod.namespace}/${pod.name} ${pod.phase} ${pod.node}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    this.#table.update(found);
    setText(this.#count, words.length ? `${found.length} of ${this.#pods.length}` : String(this.#pods.length));
    let message = "";
    if (this.#pods.length === 0) message = "This cluster has no pods.";
    else if (found.length === 0) message = "No pod matches the filter.";
    else if (found.length > LIMIT) message = `${LIMIT} of ${found.length.toLocaleString("en")} shown: filter to see the others.`;
    setText(this.#message, message);
    this.#message.hidden = !message;
  }
}
