/** Where the nodes of a topology are put when nobody has moved them. The same topology always looks the same. */

import { force } from "./layout_force.js";

const RING_UP_TO = 40;
/** Room for a node and, between two of them, for the names of two interfaces; in the graph's own units. */
export const SPACING = 190;

/** The layouts to choose from, by id. */
export const LAYOUTS = {
  auto: { title: "Automatic", place: automatic },
  ring: { title: "Ring", place: ring },
  grid: { title: "Grid", place: grid },
  tiers: { title: "By role", place: tiers },
  concentric: { title: "By links", place: concentric },
  force: { title: "Force", place: (nodes, links, aspect) => force(nodes, links, aspect, SPACING) },
};

/** Positions by node name for a box of the given aspect ratio (width ÷ height). An unknown layout is the automatic one. */
export function place(layout, nodes, links, aspect) {
  return (LAYOUTS[layout] ?? LAYOUTS.auto).place(nodes, links, aspect);
}

/** A ring for a lab of usual size, else a grid. */
function automatic(nodes, links, aspect) {
  const count = linkCounts(links).size;
  return count > 0 && count <= RING_UP_TO ? ring(nodes, links, aspect) : grid(nodes, links, aspect);
}

/** In the order of the file; nodes without links stand aside. */
function ring(nodes, links, aspect) {
  const linked = linkCounts(links);
  const inside = linked.size > 0 ? nodes.filter((node) => linked.has(node.name)) : nodes;
  const aside = nodes.filter((node) => !inside.includes(node));
  const radius = Math.max(160, (inside.length * SPACING) / (2 * Math.PI));
  const stretch = Math.sqrt(Math.min(2, Math.max(0.6, aspect)));
  const [rx, ry] = [radius * stretch, radius / stretch];
  const positions = circle(inside, rx, ry);
  // The corners beside a ring are free; more than two nodes get a row of their own below it.
  const corner = aside.length <= 2;
  aside.forEach((node, index) => {
    const x = corner ? rx * (index === 0 ? 1 : -1) : (index - (aside.length - 1) / 2) * SPACING;
    positions.set(node.name, { x, y: corner ? -ry : ry + SPACING });
  });
  return positions;
}

function grid(nodes, _links, aspect) {
  return rows(nodes, Math.max(1, Math.round(Math.sqrt(nodes.length * aspect))), 0);
}

const TIERS = [/prometheus|monitor/, /router|frr|srl|ceos|crpd|vyos|spine/, /bridge|switch|leaf/, /serf/, /./];

/** What watches above, then what forwards, then the serfs, then the rest: a row or more each. */
function tiers(nodes, _links, aspect) {
  const tierOf = (node) => TIERS.findIndex((words) => words.test(`${node.role} ${node.role === "serf" ? "" : node.kind}`));
  const widest = Math.max(3, Math.round(Math.sqrt(nodes.length * aspect * 1.5)));
  const positions = new Map();
  let y = 0;
  for (const tier of TIERS.keys()) {
    const members = nodes.filter((node) => tierOf(node) === tier);
    if (members.length === 0) continue;
    const columns = Math.ceil(members.length / Math.ceil(members.length / widest));
    for (const [name, position] of rows(members, columns, y)) positions.set(name, position);
    y += Math.ceil(members.length / columns) * SPACING + SPACING / 3;
  }
  return positions;
}

/** The nodes with the most links in the middle, the others in rings around them. */
function concentric(nodes, links, aspect) {
  const counts = linkCounts(links);
  const waiting = nodes.toSorted((a, b) => (counts.get(b.name) ?? 0) - (counts.get(a.name) ?? 0));
  const stretch = Math.sqrt(Math.min(1.6, Math.max(0.6, aspect)));
  const positions = new Map(waiting.splice(0, 1).map((node) => [node.name, { x: 0, y: 0 }]));
  for (let radius = SPACING; waiting.length > 0; radius += SPACING) {
    const room = Math.max(4, Math.floor((2 * Math.PI * radius) / SPACING));
    for (const [name, position] of circle(waiting.splice(0, room), radius * stretch, radius / Math.min(1, stretch))) positions.set(name, position);
  }
  return positions;
}

function circle(nodes, rx, ry) {
  return new Map(
    nodes.map((node, index) => {
      const angle = (2 * Math.PI * index) / nodes.length - Math.PI / 2;
      return [node.name, { x: rx * Math.cos(angle), y: ry * Math.sin(angle) }];
    }),
  );
}

/** Rows of `columns` nodes from `y` down, each centred on x = 0. */
function rows(nodes, columns, y) {
  return new Map(
    nodes.map((node, index) => {
      const row = Math.floor(index / columns);
      const inRow = Math.min(columns, nodes.length - row * columns);
      const middle = nodes.length > columns * 2 ? (columns - 1) / 2 : (inRow - 1) / 2;
      return [node.name, { x: ((index % columns) - middle) * SPACING, y: y + row * SPACING }];
    }),
  );
}

function linkCounts(links) {
  const counts = new Map();
  for (const { endpoints } of links) for (const { node } of endpoints) counts.set(node, (counts.get(node) ?? 0) + 1);
  return counts;
}
