/** The table twin of the graph: the same nodes for the keyboard, for screen readers and for whoever prefers figures. */

import { byId, h, setText } from "./dom.js";
import { MISSING, load as loadText } from "./format.js";
import { MEASURES, chosenMeasure, thresholdsOf } from "./measures.js";
import { STATES, isSerf, levelOf, matches, valueOf } from "./nodes.js";
import { Table } from "./table.js";

/** A column of a measure; the one that gives the page its colours has them here, too. */
const load = (id) => ({
  id, title: `${MEASURES[id].title} ${MEASURES[id].unit}`, numeric: true, value: (node) => valueOf(node, id),
  cell: (cell, node) => {
    const coloured = id === chosenMeasure() && isSerf(node);
    cell.className = coloured ? `numeric level level-${levelOf(node)}` : "numeric";
    setText(cell, loadText(valueOf(node, id), thresholdsOf(id)));
  },
});

const COLUMNS = [
  { id: "name", title: "Node", header: true, value: (node) => node.name, text: (node) => node.name },
  { id: "role", title: "Role", value: (node) => node.role, text: (node) => node.role },
  { id: "state", title: "State", value: (node) => node.state, text: (node) => STATES[node.state] },
  ...Object.keys(MEASURES).map(load),
  {
    id: "pods", title: "Pods", numeric: true, value: (node) => node.pods?.running ?? null,
    text: (node) => (node.pods ? `${node.pods.running}/${node.pods.total}` : MISSING),
  },
];

export class NodeTable {
  #table;
  #nodes = [];
  #filter = {};
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
