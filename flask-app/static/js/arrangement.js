/** Where the nodes are: a layout or what users have dragged, and the room that expanded serfs take. */

import { SPACING, place } from "./layouts.js";
import { room } from "./room.js";

const ANIMATED_UP_TO = 300;
const DURATION_MS = 320;

const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

export class Arrangement {
  #cy;
  #base = new Map();
  #boxes = new Map();
  #topology = { nodes: [], links: [] };
  #saved = {};
  #layout = null;
  #dragged = null;

  /** `onMoved(positions)` is called when a user has put a node elsewhere; `positions` are those of all nodes. */
  constructor(cy, { onMoved }) {
    this.#cy = cy;
    cy.on("grab", "node", ({ target }) => void (this.#dragged = { ...target.position() }));
    cy.on("dragfree", "node", ({ target }) => {
      const [from, to, base] = [this.#dragged, target.position(), this.#base.get(target.id())];
      if (!base || !from || (from.x === to.x && from.y === to.y)) return;
      this.#base.set(target.id(), { x: base.x + to.x - from.x, y: base.y + to.y - from.y });
      onMoved(this.positions());
    });
  }

  /** Takes a new topology, without moving anything yet. */
  build(topology, aspect) {
    this.#topology = topology;
    this.#arrange(aspect);
  }

  /** Takes the positions that are saved, `{name: {x, y}}`; they hold as long as no layout is chosen. */
  save(positions) {
    this.#saved = positions;
  }

  get saved() {
    return Object.keys(this.#saved).length > 0;
  }

  /** Chooses a layout by id, null for the saved positions (and the automatic layout where nothing is saved). */
  choose(layout, aspect) {
    this.#layout = layout;
    this.#arrange(aspect);
  }

  /** Makes room for the boxes of expanded serfs, `Map(name -> {w, h})`. Returns whether anything has to move. */
  makeRoom(boxes) {
    const changed = JSON.stringify([...boxes]) !== JSON.stringify([...this.#boxes]);
    this.#boxes = boxes;
    return changed;
  }

  /** Positions by name as they are without expanded serfs, rounded to hundredths. */
  positions() {
    const round = (value) => Math.round(value * 100) / 100;
    return Object.fromEntries([...this.#base].map(([name, { x, y }]) => [name, { x: round(x), y: round(y) }]));
  }

  /** Where a node is to be drawn. */
  target(name) {
    return room(this.#base, this.#boxes, SPACING / 2)(name);
  }

  /** Brings all nodes to where they belong; resolves when they are there. */
  async apply({ animate = true } = {}) {
    const targetOf = room(this.#base, this.#boxes, SPACING / 2);
    const moves = [...this.#base.keys()].map((name) => [this.#cy.getElementById(name), targetOf(name)]).filter(([node]) => node.nonempty());
    if (!animate || still() || moves.length > ANIMATED_UP_TO) {
      this.#cy.batch(() => moves.forEach(([node, position]) => void node.stop().position(position)));
      return;
    }
    const far = moves.filter(([node, { x, y }]) => Math.hypot(node.position("x") - x, node.position("y") - y) > 0.5);
    await Promise.all(far.map(([node, position]) => node.stop().animation({ position, duration: DURATION_MS, easing: "ease-in-out" }).play().promise()));
  }

  #arrange(aspect) {
    const { nodes, links } = this.#topology;
    const placed = place(this.#layout, nodes, links, aspect);
    this.#base = new Map(nodes.map(({ name }) => [name, (this.#layout === null && this.#saved[name]) || placed.get(name)]));
  }
}
