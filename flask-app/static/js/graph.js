/** The topology as a graph on a canvas. The library is loaded on demand, so that the page says so where it is missing. */

import { byId, h } from "./dom.js";
import { percent, watts } from "./format.js";
import { icon } from "./icons.js";
import { place } from "./layouts.js";
import { STATES, caption, isSerf, levelOf, loadStaleSince, matches, ringOf } from "./nodes.js";
import { colour } from "./theme.js";

const LARGE = 300;
const LARGEST_FIT = 1.3;
const LEVEL_CLASSES = "level-green level-amber level-red level-none";
const STATE_CLASSES = "state-ready state-connecting state-unreachable state-absent state-unmanaged state-unknown";

function style() {
  const text = colour("text");
  const font = getComputedStyle(document.body).fontFamily;
  const level = (name) => ({
    "background-color": colour(`${name}-tint`),
    "pie-1-background-color": colour(name),
    "pie-2-background-color": colour(`${name}-track`),
  });
  return [
    {
      selector: "node",
      style: {
        label: "data(label)", color: text, "font-family": font, "font-size": 15, "font-weight": 600,
        "text-wrap": "wrap", "text-valign": "center", "text-halign": "center", "line-height": 1.25,
        "min-zoomed-font-size": 7, width: 92, height: 92, "background-color": colour("surface"),
        "outline-width": 0, "overlay-opacity": 0,
      },
    },
    {
      selector: "node.serf",
      style: {
        "pie-size": "100%", "pie-hole": "84%", "pie-1-background-size": "data(ring)", "pie-2-background-size": "data(rest)",
        "border-width": 0,
      },
    },
    {
      selector: "node.other",
      style: {
        shape: "round-rectangle", width: 64, height: 64, "background-image": "data(icon)", "background-fit": "contain",
        "background-width": "70%", "background-height": "70%", "border-width": 1.5, "border-color": colour("line-strong"),
        "text-valign": "bottom", "text-margin-y": 6, "font-weight": 500,
      },
    },
    ...["green", "amber", "red", "none"].map((name) => ({ selector: `node.level-${name}`, style: level(name) })),
    {
      selector: "node.state-absent",
      style: {
        "background-color": colour("surface"), "border-width": 2, "border-style": "dashed", "border-color": colour("line-strong"),
        "pie-1-background-opacity": 0, "pie-2-background-opacity": 0, color: colour("muted"), "font-weight": 400,
      },
    },
    {
      selector: "node.state-unreachable",
      style: { "border-width": 3, "border-style": "dashed", "border-color": colour("red") },
    },
    { selector: "node.stale", style: { "pie-1-background-opacity": 0.35 } },
    {
      selector: "edge",
      style: {
        width: 2.5, "line-color": colour("line-strong"), "curve-style": "bezier", "overlay-opacity": 0,
        "source-label": "", "target-label": "", "font-family": font, "font-size": 12, color: text,
        "source-text-offset": 24, "target-text-offset": 24, "text-background-color": colour("canvas"),
        "text-background-opacity": 0.9, "text-background-padding": 2, "min-zoomed-font-size": 6,
      },
    },
    { selector: "edge.absent", style: { "line-style": "dashed", "line-color": colour("line") } },
    { selector: "edge.down", style: { "line-style": "dashed", "line-color": colour("red") } },
    {
      selector: "edge.shown",
      style: { width: 3.5, "line-color": colour("accent"), "source-label": "data(from)", "target-label": "data(to)", "z-index": 9 },
    },
    { selector: ".dimmed", style: { opacity: 0.18 } },
    { selector: "node.hovered", style: { "underlay-color": colour("accent"), "underlay-opacity": 0.15, "underlay-padding": 8, "underlay-shape": "ellipse" } },
    {
      selector: "node.selected",
      style: { "underlay-color": colour("accent"), "underlay-opacity": 0.35, "underlay-padding": 9, "underlay-shape": "ellipse" },
    },
  ];
}

/** Loads the library and returns the graph, or throws the error of the import. */
export async function createGraph(options) {
  const { default: cytoscape } = await import("/vendor/cytoscape.js");
  return new Graph(cytoscape, options);
}

class Graph {
  #cy;
  #shape = "";
  #selected = null;
  #container = byId("graph");
  #nodes = new Map();
  #filter = {};

  constructor(cytoscape, { onSelect }) {
    this.#cy = cytoscape({
      container: this.#container, style: style(), minZoom: 0.1, maxZoom: 3, boxSelectionEnabled: false,
      selectionType: "single", autounselectify: true,
    });
    this.#cy.on("tap", "node", (event) => onSelect(event.target.id()));
    this.#cy.on("tap", (event) => event.target === this.#cy && onSelect(null));
    this.#setUpHover();
    let width = 0;
    new ResizeObserver(() => {
      this.#cy.resize();
      if (Math.abs(this.#container.clientWidth - width) > 40) this.fit();
      width = this.#container.clientWidth;
    }).observe(this.#container);
    byId("zoom-in").addEventListener("click", () => this.#zoom(1.25));
    byId("zoom-out").addEventListener("click", () => this.#zoom(0.8));
    byId("fit").addEventListener("click", () => this.fit());
  }

  update(topology) {
    this.#nodes = new Map(topology.nodes.map((node) => [node.name, node]));
    const shape = JSON.stringify([topology.nodes.map((node) => node.name), topology.links.map((link) => link.id)]);
    if (shape !== this.#shape) {
      this.#build(topology);
      this.#shape = shape;
      this.select(this.#selected);
    }
    this.#cy.batch(() => {
      for (const node of topology.nodes) this.#show(node);
      for (const link of topology.links) {
        const edge = this.#cy.getElementById(link.id);
        edge.toggleClass("absent", link.state === "absent").toggleClass("down", link.state === "down");
      }
    });
    this.#applyFilter();
  }

  filter(filter) {
    this.#filter = filter;
    this.#applyFilter();
  }

  select(name) {
    this.#selected = name;
    this.#cy.batch(() => {
      this.#cy.nodes(".selected").removeClass("selected");
      this.#cy.edges(".chosen").removeClass("chosen shown");
      if (!name) return;
      const node = this.#cy.getElementById(name);
      node.addClass("selected");
      node.connectedEdges().addClass("chosen shown");
    });
  }

  restyle() {
    this.#cy.style(style());
    this.#cy.batch(() => this.#cy.nodes(".other").forEach((node) => void node.data("icon", icon(node.data("role"), colour("text")))));
  }

  /** Shows the whole graph in the free part of the map: above the legend, and not larger than life. */
  fit() {
    const [width, height] = [this.#container.clientWidth, this.#container.clientHeight];
    const box = this.#cy.elements().boundingBox();
    if (!(box.w > 0 && width > 0 && height > 0)) return;
    const margin = Math.min(32, width / 16);
    const below = byId("legend").offsetHeight + margin / 2;
    const zoom = Math.min((width - 2 * margin) / box.w, (height - 2 * margin - below) / box.h, LARGEST_FIT);
    this.#cy.viewport({
      zoom,
      pan: { x: width / 2 - (zoom * (box.x1 + box.x2)) / 2, y: (height - below) / 2 - (zoom * (box.y1 + box.y2)) / 2 },
    });
  }

  /** What is drawn, for tests: the level of each serf and its caption. */
  drawn() {
    return this.#cy.nodes(".serf").map((node) => ({ name: node.id(), label: node.data("label"), ring: node.data("ring"), classes: node.classes() }));
  }

  /** Where a node is on the page, in CSS pixels. */
  position(name) {
    const box = this.#container.getBoundingClientRect();
    const { x, y } = this.#cy.getElementById(name).renderedPosition();
    return { x: box.left + x, y: box.top + y };
  }

  #build(topology) {
    const positions = place(topology.nodes, topology.links, this.#container.clientWidth / Math.max(1, this.#container.clientHeight));
    const large = topology.nodes.length + topology.links.length > LARGE;
    this.#cy.elements().remove();
    this.#cy.add([
      ...topology.nodes.map((node) => ({
        group: "nodes",
        data: { id: node.name, role: node.role, label: node.name, ring: 0, rest: 100, icon: isSerf(node) ? "none" : icon(node.role, colour("text")) },
        classes: isSerf(node) ? "serf" : "other",
        position: { ...positions.get(node.name) },
      })),
      ...topology.links.map((link) => {
        const [from, to] = link.endpoints;
        return { group: "edges", data: { id: link.id, source: from.node, target: to.node, from: from.interface, to: to.interface } };
      }),
    ]);
    if (large) this.#cy.edges().style("curve-style", "haystack");
    this.fit();
  }

  #show(node) {
    const element = this.#cy.getElementById(node.name);
    const label = isSerf(node) ? `${node.name}\n${caption(node)}` : node.name;
    if (element.data("label") !== label) element.data("label", label);
    const classes = `state-${node.state} level-${levelOf(node)}`;
    if (element.scratch("classes") !== classes) {
      element.removeClass(`${LEVEL_CLASSES} ${STATE_CLASSES}`).addClass(isSerf(node) ? classes : `state-${node.state}`);
      element.scratch("classes", classes);
    }
    element.toggleClass("stale", Boolean(loadStaleSince(node)));
    if (!isSerf(node)) return;
    const ring = Math.round(ringOf(node));
    if (element.data("ring") !== ring) element.data({ ring, rest: 100 - ring });
  }

  #applyFilter() {
    const wanted = new Set([...this.#nodes.values()].filter((node) => matches(node, this.#filter)).map((node) => node.name));
    const all = wanted.size === this.#nodes.size;
    this.#cy.batch(() => {
      this.#cy.nodes().forEach((node) => void node.toggleClass("dimmed", !wanted.has(node.id())));
      this.#cy.edges().forEach((edge) => void edge.toggleClass("dimmed", !all && !(wanted.has(edge.source().id()) && wanted.has(edge.target().id()))));
    });
  }

  #zoom(factor) {
    const renderedPosition = { x: this.#container.clientWidth / 2, y: this.#container.clientHeight / 2 };
    this.#cy.zoom({ level: this.#cy.zoom() * factor, renderedPosition });
  }

  #setUpHover() {
    const tooltip = byId("tooltip");
    const show = (content, { x, y }) => {
      tooltip.replaceChildren(...content);
      tooltip.hidden = false;
      const left = Math.min(x + 14, this.#container.clientWidth - tooltip.offsetWidth - 8);
      const top = Math.min(y + 14, this.#container.clientHeight - tooltip.offsetHeight - 8);
      tooltip.style.transform = `translate(${Math.max(8, left)}px, ${Math.max(8, top)}px)`;
    };
    this.#cy.on("mouseover", "node", (event) => {
      event.target.addClass("hovered").connectedEdges().addClass("shown");
      this.#container.classList.add("pointing");
    });
    this.#cy.on("mousemove", "node", (event) => show(nodeTip(this.#nodes.get(event.target.id())), event.renderedPosition));
    this.#cy.on("mouseover", "edge", (event) => event.target.addClass("shown"));
    this.#cy.on("mousemove", "edge", (event) => show(edgeTip(event.target.data()), event.renderedPosition));
    this.#cy.on("mouseout", "node, edge", (event) => {
      tooltip.hidden = true;
      this.#container.classList.remove("pointing");
      const edges = event.target.isNode() ? event.target.removeClass("hovered").connectedEdges() : event.target;
      edges.not(".chosen").removeClass("shown");
    });
  }
}

function nodeTip(node) {
  const lines = [h("strong", {}, node.name), ` ${STATES[node.state]}`];
  if (!isSerf(node)) return [...lines, h("div", {}, node.role)];
  if (node.load) {
    const { cpu, memory, psi, power } = node.load;
    lines.push(h("div", {}, `CPU ${percent(cpu)} · memory ${percent(memory)} · PSI ${percent(psi)} · ${watts(power)}`));
  }
  if (node.pods) lines.push(h("div", {}, `${node.pods.running} of ${node.pods.total} pods running`));
  return lines;
}

function edgeTip({ source, target, from, to }) {
  return [h("strong", {}, `${source}:${from}`), " — ", h("strong", {}, `${target}:${to}`)];
}
