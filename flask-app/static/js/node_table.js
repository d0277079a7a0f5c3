/** The table twin of the graph: the same nodes for the keyboard, for screen readers and for whoever prefers figures. */

import { byId, h, setText } from "./dom.js";
import { MISSING, load as loadText, number } from "./format.js";
import { STATES, isSerf, levelOf, matches } from "./nodes.js";
import { Table } from "./table.js";

const load = (metric) => (node) => node.load?.[metric] ?? null;

function cpuCell(cell, node) {
  cell.className = `numeric level level-${isSerf(node) ? levelOf(node) : "none"}`;
  setText(cell, loadText(load("cpu")(node)));
}

const COLUMNS = [
  { id: "name", title: "Node", header: true, value: (node) => node.name, text: (node) => node.name },
  { id: "role", title: "Role", value: (node) => node.role, text: (node) => node.role },
  { id: "state", title: "State", value: (node) => node.state, text: (node) => STATES[node.state] },
  { id: "cpu", title: "CPU %", numeric: true, value: load("cpu"), cell: cpuCell },
  { id: "memory", title: "Memory %", numeric: true, value: load("memory"), text: (node) => loadText(load("memory")(node)) },
  { id: "psi", title: "PSI %", numeric: true, value: load("psi"), text: (node) => loadText(load("psi")(node)) },
  { id: "power", title: "Power W", numeric: true, value: load("power"), text: (node) => number(load("power")(node)) },
  {
    id: "pods", title: "Pods", numeric: true, value: (node) => node.pods?.running ?? null,
    text: (node) => (node.pods ? `${node.pods.running}/${node.pods.total}` : MISSING),
  },
];

export class NodeTable {
  #table;
  #nodes = [];
  #filter = { words: [], level: null };
  #empty = h("p", { class: "hint", hidden: true }, "No node matches the search.");

  constructor({ onSelect }) {
    this.#table = new Table({
      label: "Nodes of the topology", columns: COLUMNS, key: (node) => node.name, sort: { id: "name", down: false },
      onOpen: (node) => onSelect(node.name),
    });
    byId("nodes").append(this.#table.element, this.#empty);
  }

  update(topology) {
    this.#nodes = topology.nodes;
    this.#render();
  }

  filter(filter) {
    this.#filter = filter;
    this.#render();
  }

  select(name) {
    this.#table.choose(name);
  }

  #render() {
    const shown = this.#nodes.filter((node) => matches(node, this.#filter));
    this.#table.update(shown);
    this.#empty.hidden = shown.length > 0;
  }
}
