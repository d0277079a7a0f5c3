/** The table twin of the graph: the same nodes for the keyboard, for screen readers and for whoever prefers figures. */

import { byId, h, setText } from "./dom.js";
import { MISSING, load as loadText } from "./format.js";
import { MEASURES, chosenMeasure, thresholdsOf } from "./measures.js";
import { STATES, isSerf, levelOf, matches, valueOf } from "./nodes.js";
import { peeringText, peeringsOf } from "./peerings.js";
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

/** The column of the peerings that `known()` gives. */
const peeringColumn = (known) => ({
  id: "peerings", title: "Peerings", value: (node) => peeringText(known(), node.name) || null, text: (node) => peeringText(known(), node.name) || MISSING,
});

export class NodeTable {
  #table;
  #nodes = [];
  #peerings = [];
  #filter = {};
  #empty = h("p", { class: "hint", hidden: true }, "No node matches the search.");

  /** `onMenu(name, {x, y})` when the menu of a serf is asked for, with a place on the page. */
  constructor({ onSelect, onMenu }) {
    this.#table = new Table({
      label: "Nodes of the topology", columns: [...COLUMNS, peeringColumn(() => this.#peerings)], key: (node) => node.name, sort: { id: "name", down: false },
      onOpen: (node) => onSelect(node.name),
    });
    byId("nodes").append(this.#table.element, this.#empty);
    // The right button, the menu key and Shift+F10 alike.
    this.#table.element.addEventListener("contextmenu", (event) => {
      const row = event.target.closest("tbody tr");
      const node = row && this.#nodes.find(({ name }) => name === row.dataset.key);
      if (!node || !isSerf(node)) return;
      event.preventDefault();
      const { left, bottom } = row.getBoundingClientRect();
      onMenu(node.name, event.button === 2 ? { x: event.clientX, y: event.clientY } : { x: left + 24, y: bottom });
    });
  }

  update(topology) {
    this.#nodes = topology.nodes;
    this.#peerings = peeringsOf(topology);
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
