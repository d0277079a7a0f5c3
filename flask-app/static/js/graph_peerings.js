/** Peerings on the graph: a green dashed arrow from consumer to provider. What is not well has another form and says so. */

import { CONDITIONS, conditionOf } from "./peerings.js";
import { colour } from "./theme.js";

// Each direction bows out to its own side, clear of the link between the two; farther out where a node is in the way.
const BOWS = [64, 100, 140, 180, 230, 290, 360];
const CLEARANCE = 56;
const STEPS = [0.15, 0.25, 0.35, 0.45, 0.5, 0.55, 0.65, 0.75, 0.85];
const SETTLED_MS = 60;
const MARKS = ["shown", "chosen", "dimmed", "unpickable"];

export class PeeringArrows {
  #cy;
  #drawn = new Map();
  #timer = null;

  constructor(cy) {
    this.#cy = cy;
    cy.on("position", "node", () => {
      if (this.#drawn.size > 0) this.#timer ??= setTimeout(() => this.#bow(), SETTLED_MS);
    });
  }

  /** Has to be told when all elements of the graph have been removed. */
  forget() {
    this.#drawn.clear();
  }

  /** Brings the arrows up to the peerings that the overview lists. Returns whether there are others than before. */
  update(peerings) {
    if (peerings.length === 0 && this.#drawn.size === 0) return false;
    const known = peerings.filter(({ from, to }) => this.#cy.getElementById(from).nonempty() && this.#cy.getElementById(to).nonempty());
    const wanted = new Map(known.map((peering) => [arrowId(peering), peering]));
    let changed = false;
    this.#cy.batch(() => {
      for (const id of [...this.#drawn.keys()].filter((drawn) => !wanted.has(drawn))) {
        this.#cy.getElementById(id).remove();
        this.#drawn.delete(id);
        changed = true;
      }
      for (const [id, peering] of wanted) changed = this.#show(id, peering) || changed;
    });
    if (changed) this.#bow();
    return changed;
  }

  /** Lets each arrow bow as far as it takes to be clear of the nodes between its ends. */
  #bow() {
    this.#timer = null;
    const places = this.#cy.nodes(".serf, .other").map((node) => ({ id: node.id(), ...node.position() }));
    this.#cy.batch(() => {
      for (const id of this.#drawn.keys()) {
        const arrow = this.#cy.getElementById(id);
        const bow = clearBow(arrow.source(), arrow.target(), places);
        if (arrow.data("bow") !== bow) arrow.data("bow", bow);
      }
    });
  }

  #show(id, peering) {
    const key = JSON.stringify(peering);
    const known = this.#drawn.get(id);
    if (known === key) return false;
    this.#drawn.set(id, key);
    const label = labelOf(peering);
    const classes = ["peering", conditionOf(peering)];
    if (known === undefined) {
      this.#cy.add({ group: "edges", data: { id, source: peering.from, target: peering.to, label, peering, bow: BOWS[0] }, classes });
      return true;
    }
    const arrow = this.#cy.getElementById(id);
    arrow.data({ label, peering });
    arrow.classes([...classes, ...MARKS.filter((mark) => arrow.hasClass(mark))]);
    return false;
  }
}

const arrowId = ({ from, to }) => `peering ${from} ${to}`;

/** The smallest bow from one node to another that comes near no third one; the smallest of all where none is clear. */
function clearBow(source, target, places) {
  const [a, b] = [source.position(), target.position()];
  const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
  const [nx, ny] = [-(b.y - a.y) / length, (b.x - a.x) / length];
  const others = places.filter(({ id }) => id !== source.id() && id !== target.id());
  const clear = (bow) => STEPS.every((t) => {
    const out = 2 * t * (1 - t) * bow;
    // A quadratic curve whose control point lies beside the middle: along the line as if straight, and out to the side.
    const [x, y] = [a.x + (b.x - a.x) * t + nx * out, a.y + (b.y - a.y) * t + ny * out];
    return others.every((node) => Math.abs(node.x - x) > CLEARANCE || Math.abs(node.y - y) > CLEARANCE);
  });
  return BOWS.find(clear) ?? BOWS[0];
}

function labelOf(peering) {
  const condition = conditionOf(peering);
  const pods = peering.total > 0 ? `${peering.running}/${peering.total} pods` : "";
  return [condition === "healthy" ? "" : CONDITIONS[condition], pods].filter(Boolean).join(" · ");
}

/** The rules of the style sheet for the arrows; they come after those for links. */
export function peeringRules() {
  const arrow = (selector, hue, style = {}) => ({
    selector, style: { "line-color": colour(hue), "target-arrow-color": colour(hue), color: colour(hue), ...style },
  });
  return [
    arrow("edge.peering", "green", {
      width: 3, "line-style": "dashed", "line-dash-pattern": [9, 6], "target-arrow-shape": "triangle", "arrow-scale": 1.4, "z-index": 5,
      "curve-style": "unbundled-bezier", "control-point-distances": "data(bow)", "control-point-weights": 0.5,
      label: "data(label)", "source-label": "", "target-label": "", "font-size": 12, "font-weight": 600, "min-zoomed-font-size": 7,
    }),
    arrow("edge.peering.cordoned", "green", { "target-arrow-shape": "triangle-tee" }),
    arrow("edge.peering.not-ready", "amber", { "target-arrow-fill": "hollow" }),
    arrow("edge.peering.pending", "green", { "line-style": "dotted", "target-arrow-fill": "hollow" }),
    arrow("edge.peering.removing", "muted", { "line-style": "dotted", "target-arrow-shape": "vee" }),
    arrow("edge.peering.error", "red", { "target-arrow-shape": "tee" }),
    { selector: "edge.peering.shown", style: { width: 4.5, "z-index": 10 } },
    arrow("edge.peering.aim", "accent", { "line-style": "dotted", label: "", "control-point-distances": BOWS[0] }),
  ];
}
