/** Serfs expanded in place: what is known of their clusters, asked for again as long as they are open, and how it is drawn. */

import { clusterInfo } from "./api.js";
import { time } from "./format.js";
import { mix } from "./graph_style.js";
import { MEASURES, chosenMeasure } from "./measures.js";
import { emptyPlan, plan } from "./pod_tiles.js";
import { colour, isDark } from "./theme.js";

const REFRESH_MS = 5000;
// How far the shade of the largest pod goes towards the accent colour: its name stays readable.
const DARKEST = { light: 0.62, dark: 0.5 };

/** The shade of a pod or namespace: the more it uses, the darker (on a dark page: the brighter). */
export function shade(share) {
  if (share === null) return colour("none-tint");
  return mix(colour("surface"), colour("accent"), 0.04 + share * (DARKEST[isDark() ? "dark" : "light"] - 0.04));
}

export class Expansion {
  #cy;
  #open = new Map();
  #onChange;

  /** `onChange(boxes)` gets the sizes of all open serfs, `Map(name -> {w, h})`, when one of them changes. */
  constructor(cy, { onChange }) {
    this.#cy = cy;
    this.#onChange = onChange;
    cy.on("position", "node.expanded", ({ target }) => this.#follow(target));
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) for (const name of this.#open.keys()) this.#refresh(name);
    });
  }

  has(name) {
    return this.#open.has(name);
  }

  get names() {
    return [...this.#open.keys()];
  }

  open(name) {
    if (this.#open.has(name) || this.#cy.getElementById(name).empty()) return;
    this.#open.set(name, { report: null, error: null, plan: emptyPlan(name, "Loading …"), timer: null, abort: null });
    this.#draw(name);
    this.#refresh(name);
  }

  close(name) {
    const entry = this.#open.get(name);
    if (!entry) return;
    clearTimeout(entry.timer);
    entry.abort?.abort();
    this.#open.delete(name);
    this.#cy.batch(() => {
      this.#inside(name).remove();
      this.#cy.getElementById(name).removeClass("expanded");
    });
    this.#onChange(this.boxes());
  }

  toggle(name) {
    if (this.has(name)) this.close(name);
    else this.open(name);
  }

  /** Draws what is open anew: after another measure, another theme, or when the graph was built again. */
  redraw() {
    for (const [name, entry] of this.#open) {
      if (this.#cy.getElementById(name).empty()) {
        this.close(name);
      } else {
        this.#replan(name, entry);
        this.#draw(name);
      }
    }
  }

  boxes() {
    return new Map([...this.#open].map(([name, { plan: { w, h } }]) => [name, { w, h }]));
  }

  /** What a box inside of a serf stands for: `{serf, kind, node | pod | namespace, …}`. */
  of(id) {
    return this.#cy.getElementById(id).scratch("box");
  }

  async #refresh(name) {
    const entry = this.#open.get(name);
    clearTimeout(entry.timer);
    entry.abort?.abort();
    entry.abort = new AbortController();
    try {
      entry.report = await clusterInfo(name, entry.abort.signal);
      entry.error = null;
    } catch (error) {
      if (error.name === "AbortError" || this.#open.get(name) !== entry) return;
      entry.error = error;
    }
    if (this.#open.get(name) !== entry) return;
    this.#replan(name, entry);
    this.#draw(name);
    // Nobody sees a hidden page.
    if (!document.hidden) entry.timer = setTimeout(() => this.#refresh(name), REFRESH_MS);
  }

  #replan(name, entry) {
    if (entry.report) entry.plan = entry.report.pods.length + entry.report.nodes.length > 0 ? plan(entry.report, chosenMeasure()) : emptyPlan(name, "No nodes and no pods yet.");
    else if (entry.error) entry.plan = emptyPlan(name, entry.error.message, true);
  }

  #inside(name) {
    return this.#cy.nodes(".inside").filter((element) => element.data("serf") === name);
  }

  #draw(name) {
    const entry = this.#open.get(name);
    const serf = this.#cy.getElementById(name);
    const old = Boolean(entry.error || entry.report?.stale_since);
    const { x, y } = serf.position();
    this.#cy.batch(() => {
      const { w, h, boxes } = entry.plan;
      serf.data({ w, h }).addClass("expanded");
      const wanted = new Set(boxes.map((box) => box.id));
      this.#inside(name).filter((element) => !wanted.has(element.id())).remove();
      for (const box of boxes) this.#drawBox(name, box, { x: x + box.x, y: y + box.y }, old);
    });
    this.#onChange(this.boxes());
  }

  #drawBox(serf, box, position, old) {
    const data = { label: label(box), w: box.w, h: box.h, room: box.w - 6, shade: box.share === undefined ? "" : shade(box.share) };
    const classes = `inside ${box.kind} ${stateClass(box)}${old ? " old" : ""}`;
    let element = this.#cy.getElementById(box.id);
    if (element.empty()) {
      element = this.#cy.add({ group: "nodes", data: { id: box.id, serf, ...data }, classes, position, grabbable: false });
    } else {
      const current = element.data();
      if (Object.entries(data).some(([key, value]) => current[key] !== value)) element.data(data);
      const marks = ["hovered", "selected", "focused", "dimmed", "unpickable"].filter((mark) => element.hasClass(mark));
      element.classes([...classes.split(" "), ...marks].filter(Boolean));
      if (!element.animated()) element.position(position);
    }
    element.scratch("box", { ...box, serf });
  }

  #follow(serf) {
    const entry = this.#open.get(serf.id());
    if (!entry) return;
    const { x, y } = serf.position();
    this.#cy.batch(() => {
      for (const box of entry.plan.boxes) this.#cy.getElementById(box.id).position({ x: x + box.x, y: y + box.y });
    });
  }

  /** What the title of an open serf says besides its name and load. */
  remark(name) {
    const entry = this.#open.get(name);
    const since = entry?.report?.stale_since;
    if (entry?.error && entry.report) return " · not answering";
    return since ? ` · as of ${time(since)}` : "";
  }
}

function label({ kind, node, pod, pods, namespace, value, message }) {
  if (kind === "kube") {
    const state = node.ready === false ? " · not ready" : node.unschedulable ? " · cordoned" : "";
    return `${node.name || "not scheduled"}${node.virtual ? " (virtual)" : ""} · ${pods.toLocaleString("en")} pods${state}`;
  }
  if (kind === "pod") return pod.virtual ? `${pod.virtual.role === "source" ? "⇢" : "⇠"} ${pod.name}` : pod.name;
  if (kind === "namespace") return `${namespace}\n${pods.toLocaleString("en")} pods\n${MEASURES[chosenMeasure()].title} ${shortValue(value)}`;
  return message;
}

function shortValue(value) {
  return value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
}

function stateClass({ kind, node, pod, failed }) {
  if (kind === "kube") return node.ready === false ? "not-ready" : "";
  if (kind === "pod") return `phase-${pod.phase.toLowerCase()}`;
  return failed ? "failed" : "";
}
