/** The nodes of a loop one below the other, each a bar of its VMs: boxes as wide as their CPU, as high as their memory. They fly when they move. */

import { arrange, h, setText } from "./dom.js";
import { MISSING } from "./format.js";
import { classOf, pressureOf, share, vmInWords } from "./rebalance.js";

const FLIGHT_MS = 900;
const still = window.matchMedia("(prefers-reduced-motion: reduce)");
// Of a box, in px; what is lower could not be seen.
const [LOWEST, HEIGHT_OF_NODE] = [16, 160];
const NOWHERE = "";
// So many nodes are looked at in a window of their own, that the spread and the evictions below them stay near.
const MANY_NODES = 12;
const collator = new Intl.Collator("en", { numeric: true });

export class Stage {
  #nodes = new Map();
  #boxes = new Map();
  #ghosts = new Map();
  #list = h("ul", { class: "loop-nodes", "aria-label": "Nodes and their VMs" });
  #placing = "";
  element = h("section", { class: "loop-stage", "aria-label": "Nodes" }, this.#list);

  /** Another loop: nothing flies from one to the other. */
  forget() {
    this.#nodes.clear();
    this.#boxes.clear();
    this.#ghosts.clear();
    this.#placing = "";
    this.#list.replaceChildren();
  }

  /** A loop as `GET /api/rebalance` has it. */
  update(loop) {
    const homeless = loop.vms.some(({ node }) => node === NOWHERE) ? [{ name: NOWHERE }] : [];
    const known = new Set(loop.nodes.map(({ name }) => name));
    // A node that has gone takes its last figures along, its VMs are still told of.
    const gone = [...new Set(loop.vms.map(({ node }) => node))].filter((name) => name !== NOWHERE && !known.has(name)).map((name) => ({ name, gone: true }));
    const nodes = [...loop.nodes, ...gone, ...homeless];
    const placing = JSON.stringify(loop.vms.map(({ name, node }) => [name, node]));
    const before = this.#placing !== "" && placing !== this.#placing && !still.matches ? this.#places() : null;
    this.#placing = placing;
    this.#confine(nodes.length > MANY_NODES);
    arrange(this.#list, nodes.map((node) => this.#node(node, loop)));
    for (const name of [...this.#nodes.keys()]) if (!nodes.some((node) => node.name === name)) this.#nodes.delete(name);
    this.#showVms(loop, nodes);
    if (before !== null) this.#fly(before);
  }

  #confine(many) {
    this.element.classList.toggle("many", many);
    if (many) this.element.tabIndex = 0;
    else this.element.removeAttribute("tabindex");
  }

  #node(node, loop) {
    const parts = this.#nodes.get(node.name) ?? this.#make(node.name);
    const { word, mark, level } = classOf(node);
    parts.element.className = `loop-node level-${level}`;
    setText(parts.mark, node.name === NOWHERE ? "" : mark);
    setText(parts.word, node.name === NOWHERE ? "" : node.gone ? "gone" : word);
    parts.figures.hidden = node.name === NOWHERE || node.gone === true;
    if (parts.figures.hidden) return parts.element;
    const score = node.percent ?? null;
    setText(parts.score, score === null ? MISSING : `${score} %`);
    parts.bar.style.width = `${Math.min(100, score ?? 0)}%`;
    for (const [tick, at] of [[parts.low, loop.low], [parts.high, loop.high]]) {
      tick.hidden = at === null;
      tick.style.left = `${Math.min(100, at ?? 0)}%`;
    }
    for (const [id, value] of [["cpu", node.cpu], ["memory", node.memory], ["psi", pressureOf(node)]]) setText(parts[id], share(value));
    return parts.element;
  }

  #make(name) {
    const figure = () => h("dd");
    const parts = {
      mark: h("span", { class: "loop-mark", "aria-hidden": "true" }), word: h("span", { class: "loop-word" }), score: figure(),
      cpu: figure(), memory: figure(), psi: figure(), bar: h("span"),
      low: h("i", { class: "loop-low", hidden: true }), high: h("i", { class: "loop-high", hidden: true }),
      boxes: h("ul", { class: "loop-vms", "aria-label": `VMs on ${name || "no node"}` }),
    };
    const row = (title, cell) => h("div", {}, h("dt", {}, title), cell);
    parts.figures = h("div", { class: "loop-figures" },
      h("div", { class: "loop-score", "aria-hidden": "true" }, parts.bar, parts.low, parts.high),
      h("dl", {}, row("Score", parts.score), row("CPU", parts.cpu), row("Memory", parts.memory), row("PSI", parts.psi)));
    parts.element = h("li", { "data-node": name },
      h("div", { class: "loop-node-head" }, h("strong", { title: name }, name || "No node"), h("span", { class: "loop-class" }, parts.mark, " ", parts.word)),
      parts.figures, parts.boxes);
    this.#nodes.set(name, parts);
    return parts;
  }

  #showVms(loop, nodes) {
    const at = new Map(nodes.map(({ name }) => [name, []]));
    const vms = [...loop.vms].sort((one, other) => collator.compare(one.name, other.name));
    for (const vm of vms) {
      at.get(vm.node).push(this.#box(vm));
      if (vm.migration !== null && vm.target !== "" && vm.target !== vm.node) at.get(vm.target)?.push(this.#ghost(vm));
    }
    for (const [name, boxes] of at) arrange(this.#nodes.get(name).boxes, boxes);
    const there = new Set(vms.map(({ name }) => name));
    for (const known of [this.#boxes, this.#ghosts]) for (const name of [...known.keys()]) if (!there.has(name)) known.delete(name);
  }

  #box(vm) {
    const box = this.#boxes.get(vm.name) ?? remember(this.#boxes, vm.name, h("li", { class: "loop-vm", "data-vm": vm.name }, h("span", { class: "loop-vm-name", "aria-hidden": "true" }), h("span", { class: "visually-hidden" })));
    box.classList.toggle("leaving", vm.migration !== null);
    box.classList.toggle("waiting", vm.phase !== "Running");
    size(box, vm);
    box.title = vmInWords(vm);
    setText(box.firstChild, `${vm.migration === null ? "" : "→ "}${vm.name}`);
    setText(box.lastChild, box.title);
    return box;
  }

  /** Where a VM is going to be. */
  #ghost(vm) {
    const ghost = this.#ghosts.get(vm.name) ?? remember(this.#ghosts, vm.name, h("li", { class: "loop-vm coming", "data-coming": vm.name }, h("span", { class: "loop-vm-name", "aria-hidden": "true" }), h("span", { class: "visually-hidden" })));
    size(ghost, vm);
    ghost.title = `${vm.name} is coming from ${vm.node || "nowhere"}`;
    setText(ghost.firstChild, `⇢ ${vm.name}`);
    setText(ghost.lastChild, ghost.title);
    return ghost;
  }

  #places() {
    return new Map([...this.#boxes].map(([name, box]) => [name, box.getBoundingClientRect()]));
  }

  /** From where each box was to where it is now (first, last, invert, play). */
  #fly(before) {
    for (const [name, box] of this.#boxes) {
      const first = before.get(name);
      if (first === undefined) continue;
      const last = box.getBoundingClientRect();
      const [x, y] = [first.left - last.left, first.top - last.top];
      if (Math.abs(x) + Math.abs(y) < 1) continue;
      box.animate([{ transform: `translate(${x}px, ${y}px)`, zIndex: 3 }, { transform: "none", zIndex: 3 }], { duration: FLIGHT_MS, easing: "cubic-bezier(.3, 0, .2, 1)" });
    }
  }
}

function remember(map, name, element) {
  map.set(name, element);
  return element;
}

function size(box, { cpu, memory }) {
  box.style.width = `${Math.min(100, 100 * cpu)}%`;
  box.style.height = `${Math.max(LOWEST, HEIGHT_OF_NODE * memory)}px`;
}
