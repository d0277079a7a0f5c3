/** The topology as a graph on a canvas. The library is loaded on demand, so that the page says so where it is missing. */

import { Arrangement } from "./arrangement.js";
import { byId } from "./dom.js";
import { Expansion } from "./expansion.js";
import { insideTip, linkTip, nodeTip, peeringTip, setUpHover } from "./graph_hover.js";
import { setUpKeys } from "./graph_keys.js";
import { Motion } from "./graph_motion.js";
import { PeeringArrows } from "./graph_peerings.js";
import { GraphPick } from "./graph_pick.js";
import { stylesheet } from "./graph_style.js";
import { GraphTools } from "./graph_tools.js";
import { GraphTransfers } from "./graph_transfers.js";
import { icon } from "./icons.js";
import { shortWords } from "./link_words.js";
import { STATES, caption, isSerf, levelOf, loadStaleSince, matches, ringOf } from "./nodes.js";
import { peeringText, peeringsOf } from "./peerings.js";
import { download, pngBlob, svgBlob } from "./picture.js";
import { Positions } from "./positions.js";
import { colour } from "./theme.js";

// Nodes and links together; above, what is drawn is simpler.
const LARGE = 300;
const LARGEST_FIT = 1.3;
const ROUGH_SIZE = 100;
const MARKS = ["hovered", "selected", "focused", "dimmed", "expanded", "candidate", "unpickable"];

/**
 * Loads the library and returns the graph, or throws the error of the import. `onSelect(name, pod)` is called with a node's
 * name (null for none) and, for a pod in an expanded serf, with `{namespace, name}`; `onLayout(id)` with a layout's id or null;
 * `onMenu(name, {x, y})` when the menu of a serf is asked for, with a place on the page; `onPeering({from, to})` for an arrow, `onLink(id)` for a link.
 */
export async function createGraph(options) {
  const [{ default: cytoscape }, saved] = await Promise.all([import("/vendor/cytoscape.js"), Positions.load()]);
  return new Graph(cytoscape, saved, options);
}

class Graph {
  #cy;
  #motion;
  #arrangement;
  #expansion;
  #positions;
  #tools;
  #container = byId("graph");
  #topology = { name: "", nodes: [], links: [] };
  #nodes = new Map();
  #shape = "";
  #large = false;
  #saved;
  #layout = null;
  #selected = null;
  #filter = {};
  #wanted = "";
  // Whether the user has chosen what part of the graph is seen.
  #looking = false;
  #moving = Promise.resolve();
  #onSelect;
  #onLayout;
  #onMenu;
  #onPeering;
  #onLink;
  #arrows;
  #pick;
  #transfers;

  constructor(cytoscape, saved, { onSelect, onLayout = () => {}, onMenu = () => {}, onPeering = () => {}, onLink = () => {} }) {
    this.#saved = saved;
    this.#onSelect = onSelect;
    this.#onLayout = onLayout;
    [this.#onMenu, this.#onPeering, this.#onLink] = [onMenu, onPeering, onLink];
    this.#cy = cytoscape({
      container: this.#container, style: stylesheet(), minZoom: 0.05, maxZoom: 5, boxSelectionEnabled: false,
      selectionType: "single", autounselectify: true,
    });
    this.#motion = new Motion(this.#cy);
    this.#tools = new GraphTools({
      zoom: (factor) => this.#zoom(factor), fit: () => this.fit(), layout: (id) => this.#onLayout(id), reset: () => this.#reset(),
      expand: () => this.#toggle(this.#serfOf(this.#selected)), expandAll: () => this.#expandAll(), save: (format) => this.#save(format),
    });
    this.#positions = new Positions({ tell: (text) => this.#tools.tell(text) });
    this.#arrangement = new Arrangement(this.#cy, { onMoved: (positions) => this.#moved(positions) });
    this.#expansion = new Expansion(this.#cy, { onChange: (boxes) => this.#makeRoom(boxes) });
    this.#arrows = new PeeringArrows(this.#cy);
    this.#pick = new GraphPick(this.#cy, this.#tools.region, (id) => this.#describe(id));
    this.#transfers = new GraphTransfers(this.#cy);
    this.#listen();
  }

  #listen() {
    const cy = this.#cy;
    // A finger that has stayed for the menu opens nothing when it leaves.
    let held = false;
    cy.on("tapstart", () => void (held = false));
    const open = (act) => ({ target }) => void (this.#pick.active || held || act(target));
    // A serf waits for a second click, which expands it: the panel that the first one opens would move it away.
    cy.on("onetap", "node.serf", open((serf) => this.#onSelect(serf.id())));
    cy.on("dbltap", "node.serf", open((serf) => this.#toggle(serf.id())));
    cy.on("tap", "node.other", open((node) => this.#onSelect(node.id())));
    cy.on("tap", "node.inside", open((box) => this.#open(box.id())));
    cy.on("tap", "edge.peering", open((arrow) => this.#onPeering(arrow.data("peering"))));
    cy.on("tap", "edge.link", open((edge) => this.#onLink(edge.id())));
    cy.on("tap", open((target) => target === cy && this.#onSelect(null)));
    cy.on("tap", "node", ({ target }) => this.#pick.active && this.#pick.offer(this.#serfOf(target.id()) ?? target.id()));
    cy.on("cxttap", "node", ({ target, originalEvent: { clientX: x, clientY: y } }) => {
      if (!this.#pick.active) this.#menu(target.id(), x === undefined ? undefined : { x, y });
    });
    cy.on("taphold", "node", ({ target, originalEvent: { type } }) => {
      // The button of a mouse that stays down is about to drag.
      if (this.#pick.active || !type.startsWith("touch")) return;
      held = true;
      this.#menu(target.id());
    });
    cy.on("scrollzoom pinchzoom dragpan", () => void (this.#looking = true));
    setUpHover(cy, (element) => this.#tip(element));
    setUpKeys(cy, this.#tools.region, {
      open: (id) => (id === this.#selected && this.#serfOf(id) ? this.#toggle(id) : this.#open(id)),
      expand: (id) => this.#serfOf(id) && this.#toggle(this.#serfOf(id)),
      zoom: (factor) => this.#zoom(factor), fit: () => this.fit(), describe: (id) => this.#describe(id), selected: () => this.#selected,
      menu: (id) => this.#menu(id), pick: this.#pick,
    });
    let [width, height] = [0, 0];
    new ResizeObserver(() => {
      cy.resize();
      const { clientWidth, clientHeight } = this.#container;
      const changed = Math.abs(clientWidth - width) > 40 || Math.abs(clientHeight - height) > 40;
      if (changed && !this.#looking) this.fit();
      else if (changed && width > 0) cy.panBy({ x: (clientWidth - width) / 2, y: (clientHeight - height) / 2 });
      if (changed) [width, height] = [clientWidth, clientHeight];
    }).observe(this.#container);
  }

  /** Shows a topology document, of now or of the past. */
  update(topology) {
    this.#topology = topology;
    this.#nodes = new Map(topology.nodes.map((node) => [node.name, node]));
    const shape = JSON.stringify([topology.name, topology.nodes.map((node) => [node.name, node.role]), topology.links.map((link) => link.id)]);
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#build();
      this.select(this.#selected);
    }
    this.#cy.batch(() => {
      for (const node of topology.nodes) this.#show(node);
      for (const link of topology.links) this.#showLink(link);
    });
    if (this.#arrows.update(peeringsOf(topology))) this.#newArrows();
    this.#transfers.update(topology.offload?.transfers ?? []);
    this.#expansion.redraw();
    this.#applyFilter();
    this.#showTools();
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
    this.#showTools();
  }

  /** Arranges the nodes by a layout; null: as users have arranged them, else automatically. */
  arrange(layout) {
    if (layout === this.#layout) return;
    this.#layout = layout;
    this.#arrangement.choose(layout, this.#aspect());
    if (this.#nodes.size > 0) this.#move(() => this.fit());
    this.#showTools();
  }

  /** Lets the user pick one of some serfs; see `pickWith` of pick.js. */
  pick(wanted) {
    return this.#pick.start(wanted);
  }

  restyle() {
    this.#cy.style(stylesheet());
    this.#cy.batch(() => this.#cy.nodes(".other").forEach((node) => void node.data("icon", icon(node.data("role"), colour("text")))));
    this.#expansion.redraw();
  }

  /** Shows the whole graph in the free part of the map: between tools and legend, and not larger than life. */
  fit() {
    this.#looking = false;
    const [width, height] = [this.#container.clientWidth, this.#container.clientHeight];
    const box = this.#large ? this.#extent() : this.#cy.elements().boundingBox({ includeUnderlays: false, includeOverlays: false });
    if (!(box.w > 0 && width > 0 && height > 0)) return;
    const margin = Math.min(32, width / 16);
    const [above, below] = [byId("graph-top").offsetHeight + margin / 4, byId("legend").offsetHeight + margin / 2];
    const zoom = Math.min((width - 2 * margin) / box.w, (height - 2 * margin - above - below) / box.h, LARGEST_FIT);
    if (zoom <= 0) return;
    this.#cy.viewport({
      zoom,
      pan: { x: width / 2 - (zoom * (box.x1 + box.x2)) / 2, y: (height + above - below) / 2 - (zoom * (box.y1 + box.y2)) / 2 },
    });
  }

  /** What is drawn, for tests: each serf's classes (level, state), caption and ring. */
  drawn() {
    return this.#cy.nodes(".serf").map((node) => ({ name: node.id(), label: node.data("label"), ring: node.data("ring"), classes: node.classes() }));
  }

  /** What is drawn inside of expanded serfs, for tests: `[{id, serf, kind, label, classes}]`. */
  inside() {
    return this.#cy.nodes(".inside").map((node) => ({ id: node.id(), serf: node.data("serf"), kind: this.#expansion.of(node.id()).kind, label: node.data("label"), classes: node.classes() }));
  }

  /** The arrows of peerings that are drawn, for tests: `[{from, to, label, classes}]`. */
  peerings() {
    return this.#cy.edges(".peering").not(".aim").map((arrow) => ({ from: arrow.source().id(), to: arrow.target().id(), label: arrow.data("label"), classes: arrow.classes() }));
  }

  /** The links that are drawn, for tests: `[{id, force, classes}]`, `force` what is written on it. */
  links() {
    return this.#cy.edges(".link").map((edge) => ({ id: edge.id(), force: edge.data("force"), classes: edge.classes() }));
  }

  /** The middle of a link on the page, in CSS pixels. */
  middle(id) {
    const box = this.#container.getBoundingClientRect();
    const { x, y } = this.#cy.getElementById(id).renderedMidpoint();
    return { x: box.left + x, y: box.top + y };
  }

  /** The pods that are on their way, for tests; see `GraphTransfers.drawn`. */
  transfers() {
    return this.#transfers.drawn();
  }

  /** Resolves when no node is on its way any more, for tests. */
  async resting() {
    for (let last = null; last !== this.#moving; ) await (last = this.#moving);
  }

  /** Zoom and pan of what is seen, for tests and benchmarks. */
  viewport() {
    return { zoom: this.#cy.zoom(), ...this.#cy.pan() };
  }

  /** Where a node is on the page, in CSS pixels. */
  position(name) {
    const box = this.#container.getBoundingClientRect();
    const { x, y } = this.#cy.getElementById(name).renderedPosition();
    return { x: box.left + x, y: box.top + y };
  }

  #build() {
    const { name, nodes, links } = this.#topology;
    this.#large = nodes.length + links.length > LARGE;
    this.#motion.enabled = this.#large;
    this.#arrangement.save(this.#saved.topology === name ? this.#saved.positions : {});
    this.#arrangement.build(this.#topology, this.#aspect());
    const pairs = new Map();
    for (const link of links) pairs.set(pairOf(link), (pairs.get(pairOf(link)) ?? 0) + 1);
    this.#cy.batch(() => {
      this.#cy.elements().remove();
      this.#cy.add([
        ...nodes.map((node) => this.#newNode(node)),
        ...links.map((link) => this.#newLink(link, pairs.get(pairOf(link)) > 1)),
      ]);
    });
    this.#arrows.forget();
    this.#wanted = "";
    this.#expansion.redraw();
    this.#pick.mark();
    this.fit();
  }

  /** Other arrows than before: what is filtered, selected or picked for holds for them, too. */
  #newArrows() {
    this.#wanted = "";
    this.select(this.#selected);
    this.#pick.mark();
    if (!this.#looking) this.fit();
  }

  /** Asks for the menu of the serf that a node or box belongs to, at a place of the page. */
  #menu(id, place = this.position(id)) {
    const serf = this.#serfOf(id);
    if (serf) this.#onMenu(serf, place);
  }

  #newNode(node) {
    const kind = isSerf(node) ? `serf ${this.#large ? "plain" : "ringed"}` : "other";
    const data = { id: node.name, role: node.role, label: node.name, ring: 0, rest: 100, icon: isSerf(node) ? "none" : icon(node.role, colour("text")) };
    return { group: "nodes", data, classes: kind, position: this.#arrangement.target(node.name) };
  }

  #newLink(link, parallel) {
    const [from, to] = link.endpoints;
    const data = { id: link.id, source: from.node, target: to.node, from: from.interface, to: to.interface, state: link.state };
    return { group: "edges", data, classes: `link ${this.#large && !parallel ? "simple" : "named"}` };
  }

  #show(node) {
    const element = this.#cy.getElementById(node.name);
    const open = this.#expansion.has(node.name);
    const text = isSerf(node) ? `${node.name}${open ? "  ·  " : "\n"}${caption(node)}${open ? this.#remark(node) : ""}` : node.name;
    const ring = isSerf(node) ? Math.round(ringOf(node)) : 0;
    if (element.data("label") !== text || element.data("ring") !== ring) element.data({ label: text, ring, rest: 100 - ring });
    const classes = [isSerf(node) ? `serf ${this.#large ? "plain" : "ringed"} level-${levelOf(node)}` : "other", `state-${node.state}`, loadStaleSince(node) ? "stale" : ""].join(" ");
    if (element.scratch("classes") === classes) return;
    element.classes([...classes.split(" ").filter(Boolean), ...MARKS.filter((mark) => element.hasClass(mark))]);
    element.scratch("classes", classes);
  }

  /** What the title of an open serf says besides; the past knows no pods. */
  #remark(node) {
    return node.state === "unknown" ? " · pods as they are now" : this.#expansion.remark(node.name);
  }

  #showLink(link) {
    const { id, state } = link;
    const edge = this.#cy.getElementById(id);
    const force = shortWords(link);
    if (edge.scratch("state") === state && edge.scratch("force") === force) return;
    edge.data({ state, force, inForce: force.replaceAll(" · ", "\n") }).scratch("state", state).scratch("force", force);
    edge.toggleClass("absent", state === "absent").toggleClass("down", state === "down").toggleClass("impaired", force !== "");
  }

  #applyFilter() {
    const wanted = new Set([...this.#nodes.values()].filter((node) => matches(node, this.#filter)).map((node) => node.name));
    const key = [...wanted].join() + this.#expansion.names.join();
    if (key === this.#wanted) return;
    this.#wanted = key;
    const all = wanted.size === this.#nodes.size;
    this.#cy.batch(() => {
      this.#cy.nodes().forEach((node) => void node.toggleClass("dimmed", !wanted.has(node.data("serf") ?? node.id())));
      this.#cy.edges().forEach((edge) => void edge.toggleClass("dimmed", !all && !(wanted.has(edge.source().id()) && wanted.has(edge.target().id()))));
    });
  }

  #open(id) {
    const box = this.#expansion.of(id);
    if (!box) this.#onSelect(id);
    else this.#onSelect(box.serf, box.kind === "pod" ? { namespace: box.pod.namespace, name: box.pod.name } : undefined);
  }

  #serfOf(id) {
    const serf = this.#expansion.of(id)?.serf ?? id;
    return serf && this.#nodes.has(serf) && isSerf(this.#nodes.get(serf)) ? serf : null;
  }

  #makeRoom(boxes) {
    if (!this.#arrangement.makeRoom(boxes)) return;
    for (const name of this.#nodes.keys()) this.#show(this.#nodes.get(name));
    this.#applyFilter();
    this.#showTools();
    this.#move(() => !this.#looking && this.fit());
  }

  /** Brings the nodes to where they belong; `then` is done when they are there, unless they have been sent elsewhere. */
  #move(then) {
    const moving = this.#arrangement.apply().then(() => this.#moving === moving && then());
    this.#moving = moving;
    return moving;
  }

  #toggle(serf) {
    const absent = this.#nodes.get(serf).state === "absent" && !this.#expansion.has(serf);
    this.#tools.tell(absent ? `${serf} is not up: there is nothing to expand.` : "");
    if (!absent) this.#expansion.toggle(serf);
  }

  #expandAll() {
    const open = this.#expansion.names;
    if (open.length > 0) open.forEach((name) => this.#expansion.close(name));
    else for (const node of this.#nodes.values()) if (isSerf(node) && node.state !== "absent") this.#expansion.open(node.name);
  }

  #moved(positions) {
    this.#saved = { topology: this.#topology.name, positions };
    this.#arrangement.save(positions);
    this.#layout = null;
    this.#arrangement.choose(null, this.#aspect());
    this.#looking = true;
    this.#positions.save(positions);
    this.#onLayout(null);
    this.#showTools();
  }

  async #reset() {
    if (!(await this.#positions.forget())) return;
    // The topology file may give positions of its own.
    this.#saved = await Positions.load();
    this.#arrangement.save(this.#saved.positions);
    this.#arrangement.choose(this.#layout, this.#aspect());
    await this.#move(() => this.fit());
    this.#showTools();
  }

  async #save(format) {
    const { name, generated_at: at } = this.#topology;
    const moment = new Date(at * 1000);
    const footer = `${name} · ${moment.toLocaleString()}`;
    const blob = format === "svg" ? svgBlob(this.#cy, footer) : await pngBlob(this.#cy, footer);
    download(blob, `${name}-${moment.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-")}.${format}`);
  }

  #showTools() {
    const serfs = [...this.#nodes.values()].filter(isSerf).length;
    this.#tools.show({ layout: this.#layout, saved: this.#arrangement.saved, selected: this.#serfOf(this.#selected), open: this.#expansion.names, serfs });
  }

  #tip(element) {
    if (element.isEdge()) return element.hasClass("peering") ? peeringTip(element.data("peering")) : this.#linkTip(element.id());
    const box = this.#expansion.of(element.id());
    return box ? insideTip(box) : nodeTip(this.#nodes.get(element.id()));
  }

  #linkTip(id) {
    const link = this.#topology.links.find((other) => other.id === id);
    return link ? linkTip(link) : null;
  }

  #describe(id) {
    const box = this.#expansion.of(id);
    if (box) return `${this.#cy.getElementById(id).data("label")}${box.pod ? `, ${box.pod.phase}` : ""}, in ${box.serf}`;
    const node = this.#nodes.get(id);
    const links = this.#cy.getElementById(id).connectedEdges().not(".peering").length;
    const peerings = peeringText(peeringsOf(this.#topology), id);
    const load = isSerf(node) ? `${caption(node)}, ` : "";
    return `${id}, ${node.role}, ${load}${STATES[node.state]}, ${links} links${peerings ? `, peered ${peerings}` : ""}${this.#expansion.has(id) ? ", expanded" : ""}`;
  }

  /** The box around all nodes, from their places alone: measuring every label and link of a large graph takes longer than drawing it. */
  #extent() {
    const [xs, ys] = [[], []];
    this.#cy.nodes().forEach((node) => {
      const { x, y } = node.position();
      const [w, h] = [node.data("w") ?? ROUGH_SIZE, node.data("h") ?? ROUGH_SIZE];
      xs.push(x - w / 2, x + w / 2);
      ys.push(y - h / 2, y + h / 2);
    });
    const [x1, x2, y1, y2] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    return { x1, x2, y1, y2, w: x2 - x1, h: y2 - y1 };
  }

  #aspect() {
    return this.#container.clientWidth / Math.max(1, this.#container.clientHeight);
  }

  #zoom(factor) {
    this.#looking = true;
    const renderedPosition = { x: this.#container.clientWidth / 2, y: this.#container.clientHeight / 2 };
    this.#cy.zoom({ level: this.#cy.zoom() * factor, renderedPosition });
  }
}

const pairOf = ({ endpoints: [a, b] }) => [a.node, b.node].sort().join("\n");
