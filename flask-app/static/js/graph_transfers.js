/**
 * Transfers on the graph: a pod moves along the links of its path from when it left for exactly as long as it takes. Who wants no
 * motion gets a label that stands on the path and says how far it is.
 */

import { byId, h, setText } from "./dom.js";
import { serverNow, shareOf } from "./server_clock.js";

const PULSE_MS = 900;
// Above, names would lie on each other.
const NAMED_UP_TO = 8;
const STACKED = 44;
// While the table is shown, only the ends of transfers matter.
const UNSEEN_MS = 400;
const still = window.matchMedia("(prefers-reduced-motion: reduce)");

export class GraphTransfers {
  #cy;
  #layer = h("div", { id: "transfers", class: "transfers", "aria-hidden": "true" });
  #voice = h("p", { id: "transfer-voice", class: "visually-hidden", role: "status", "aria-live": "polite" });
  #running = new Map();
  // Those without a duration, which are over as soon as they are known.
  #pulsed = new Set();
  #frame = null;

  constructor(cy) {
    this.#cy = cy;
    cy.container().append(this.#layer);
    byId("map").append(this.#voice);
  }

  /** Takes the transfers of the overview, `[{id, from, to, path, started, seconds, direction, pod}]`; times by the viewer's clock. */
  update(transfers) {
    const listed = new Map(transfers.map((transfer) => [keyOf(transfer), transfer]));
    const over = [...this.#running].filter(([key, { transfer }]) => !listed.has(key) || done(listed.get(key) ?? transfer));
    const fresh = [...listed].filter(([key, transfer]) => !this.#running.has(key) && !done(transfer));
    const gone = [...listed].filter(([key, transfer]) => transfer.seconds === 0 && !this.#pulsed.has(key));
    for (const [key] of over) this.#end(key);
    for (const [key, transfer] of fresh) this.#begin(key, transfer);
    for (const [key, transfer] of gone) {
      this.#pulsed.add(key);
      this.#pulse(transfer.to);
    }
    for (const key of this.#pulsed) if (!listed.has(key)) this.#pulsed.delete(key);
    this.#say(fresh.map(([, transfer]) => transfer), over.map(([, { transfer }]) => transfer));
    this.#layer.classList.toggle("many", this.#running.size > NAMED_UP_TO);
    this.#goOn();
  }

  /** Where the pods are drawn, for tests: `[{pod, share, x, y, still}]` in CSS pixels of the graph. */
  drawn() {
    return [...this.#running.values()].map(({ transfer, place, share, element }) => ({ pod: transfer.pod, share, ...place, still: element.classList.contains("still") }));
  }

  #begin(key, transfer) {
    const name = h("span", { class: "transfer-name" }, transfer.pod);
    const element = h("div", { class: `transfer-pod ${transfer.direction}` }, h("span", { class: "transfer-symbol" }), name);
    this.#layer.append(element);
    this.#running.set(key, { transfer, element, name, place: null, share: 0 });
  }

  #end(key) {
    const { transfer, element } = this.#running.get(key);
    element.remove();
    this.#running.delete(key);
    if (done(transfer)) this.#pulse(transfer.to);
  }

  /** A ring that opens once around the serf where something has arrived. */
  #pulse(serf) {
    const node = this.#cy.getElementById(serf);
    if (node.empty()) return;
    const { x, y } = node.renderedPosition();
    const ring = h("div", { class: "arrival" });
    const size = Math.max(24, node.renderedWidth());
    Object.assign(ring.style, { left: `${x}px`, top: `${y}px`, width: `${size}px`, height: `${size}px` });
    this.#layer.append(ring);
    setTimeout(() => ring.remove(), PULSE_MS);
  }

  #draw() {
    this.#frame = null;
    for (const [key, entry] of this.#running) {
      if (done(entry.transfer)) {
        this.#say([], [entry.transfer]);
        this.#end(key);
      } else {
        this.#place(entry);
      }
    }
    this.#goOn();
  }

  #goOn() {
    if (this.#running.size === 0 || this.#frame !== null) return;
    const draw = () => this.#draw();
    this.#frame = this.#cy.container().hidden ? setTimeout(draw, UNSEEN_MS) : requestAnimationFrame(draw);
  }

  #place(entry) {
    const { transfer, element, name } = entry;
    const share = (entry.share = shareOf(transfer));
    const legs = this.#legs(transfer);
    element.hidden = legs.length === 0;
    if (legs.length === 0) return;
    element.classList.toggle("still", still.matches);
    // Standing still, it is in the middle of a link; more on the same way stand below each other.
    const middle = legs[Math.floor(legs.length / 2)];
    entry.place = still.matches ? { x: middle.middle.x, y: middle.middle.y + STACKED * this.#before(entry) } : along(legs, share);
    element.style.transform = `translate(${entry.place.x}px, ${entry.place.y}px)`;
    setText(name, still.matches ? `${transfer.pod} ${Math.floor(100 * share)} %` : transfer.pod);
  }

  /** How many on the same way come before this one. */
  #before({ transfer: { from, to }, element }) {
    const same = [...this.#running.values()].filter(({ transfer }) => transfer.from === from && transfer.to === to);
    return same.findIndex((entry) => entry.element === element);
  }

  /** The way on the screen, leg by leg from node to node: `{a, control, b, length}`; straight where the path is not drawn. */
  #legs({ path, from, to }) {
    const known = (path.length > 1 ? path : [from, to]).map((name) => this.#cy.getElementById(name)).filter((node) => node.nonempty());
    return known.slice(1).map((node, at) => {
      const [a, b] = [known[at].renderedPosition(), node.renderedPosition()];
      const link = known[at].edgesWith(node).not(".peering").first();
      const control = (link.nonempty() && link.renderedMidpoint()) || { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
      return { a, b, middle: control, length: Math.hypot(b.x - a.x, b.y - a.y) };
    });
  }

  #say(begun, ended) {
    const words = [];
    if (begun.length === 1) words.push(`${begun[0].pod} is on its way from ${begun[0].from} to ${begun[0].to}, ${Math.max(1, Math.round(begun[0].seconds))} seconds.`);
    else if (begun.length > 1) words.push(`${begun.length} pods are on their way.`);
    if (ended.length === 1) words.push(`${ended[0].pod} ${done(ended[0]) ? `has arrived at ${ended[0].to}` : "is not on its way any more"}.`);
    else if (ended.length > 1) words.push(`${ended.length} transfers have ended.`);
    if (words.length > 0) this.#voice.textContent = words.join(" ");
  }
}

// One pod may leave, come home and leave again.
const keyOf = ({ id, direction, started }) => `${id} ${direction} ${started}`;
const done = ({ started, seconds }) => serverNow() >= started + seconds;

/** The point at a share of the whole way, at even speed over its legs. */
function along(legs, share) {
  let left = share * legs.reduce((sum, { length }) => sum + length, 0);
  for (const leg of legs) {
    if (left <= leg.length || leg === legs.at(-1)) return pointOf(leg, leg.length > 0 ? Math.min(1, left / leg.length) : 1);
    left -= leg.length;
  }
  return legs.at(-1).b;
}

/** The point of a quadratic curve through the middle of a link, which is the link itself where that is straight. */
function pointOf({ a, b, middle }, t) {
  const control = (axis) => 2 * middle[axis] - (a[axis] + b[axis]) / 2;
  const at = (axis) => (1 - t) ** 2 * a[axis] + 2 * t * (1 - t) * control(axis) + t * t * b[axis];
  return { x: at("x"), y: at("y") };
}
