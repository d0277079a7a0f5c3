/** The graph as a file: an SVG document written from what is drawn, and the same as a PNG. */

import { levels, MEASURES, chosenMeasure } from "./measures.js";
import { colour } from "./theme.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const MARGIN = 40;
const FOOT = 64;
const LONGEST_PX = 8192;

/** An SVG document of all nodes and links of a Cytoscape graph, with legend and `footer`; sizes are the graph's own. */
export function svgDocument(cy, footer) {
  const box = cy.elements().boundingBox({ includeLabels: true, includeOverlays: false, includeUnderlays: false });
  const [x, y] = [box.x1 - MARGIN, box.y1 - MARGIN];
  const [width, height] = [Math.max(box.w, 640) + 2 * MARGIN, box.h + 2 * MARGIN + FOOT];
  const svg = shape("svg", {
    width: round(width), height: round(height), viewBox: [x, y, width, height].map(round).join(" "),
    "font-family": getComputedStyle(document.body).fontFamily,
  });
  svg.append(titled(footer), shape("rect", { x, y, width, height, fill: colour("canvas") }));
  const links = shape("g", { "data-part": "links", fill: "none" });
  cy.edges().not(".peering").forEach((edge) => links.append(...linkShapes(edge)));
  const peerings = shape("g", { "data-part": "peerings" });
  cy.edges(".peering").not(".aim").forEach((edge) => peerings.append(peeringShapes(edge)));
  const nodes = shape("g", { "data-part": "nodes" });
  cy.nodes().sort((a, b) => a.numericStyle("z-index") - b.numericStyle("z-index")).forEach((node) => nodes.append(nodeShapes(node)));
  svg.append(links, nodes, peerings, legend(x + MARGIN, y + height - MARGIN, footer, peerings.childElementCount > 0));
  return svg;
}

export function svgBlob(cy, footer) {
  const text = new XMLSerializer().serializeToString(svgDocument(cy, footer));
  return new Blob(['<?xml version="1.0" encoding="UTF-8"?>\n', text, "\n"], { type: "image/svg+xml" });
}

/** The picture as a PNG of `scale` pixels a unit, less where the graph is too large for that. */
export async function pngBlob(cy, footer, scale = 2) {
  const svg = svgDocument(cy, footer);
  const [width, height] = [Number(svg.getAttribute("width")), Number(svg.getAttribute("height"))];
  const factor = Math.min(scale, LONGEST_PX / Math.max(width, height));
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(svg))}`;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: Math.round(width * factor), height: Math.round(height * factor) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Offers a blob as a download. */
export function download(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function shape(tag, attributes = {}, text = null) {
  const element = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== "") element.setAttribute(name, typeof value === "number" ? round(value) : value);
  }
  if (text !== null) element.textContent = legible(text);
  return element;
}

const round = (value) => Math.round(value * 100) / 100;
// Control characters have no place in XML, not even as references.
const legible = (text) => String(text).replaceAll(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, "\u{FFFD}");
const titled = (text) => shape("title", {}, text);
const dashes = (style) => ({ dashed: "7 4", dotted: "2 4" })[style] ?? null;

function nodeShapes(node) {
  const group = shape("g", { "data-node": legible(node.id()), opacity: node.numericStyle("opacity") < 1 ? node.numericStyle("opacity") : null });
  group.append(titled(node.data("label").replaceAll("\n", " ")), outline(node));
  if (node.hasClass("ringed") && !node.hasClass("expanded") && !node.hasClass("state-absent")) group.append(...ring(node));
  if (node.hasClass("other")) group.append(iconOf(node));
  group.append(...label(node));
  return group;
}

function outline(node) {
  const { x, y } = node.position();
  const [w, h] = [node.numericStyle("width"), node.numericStyle("height")];
  const paint = {
    fill: node.style("background-color"), "fill-opacity": node.numericStyle("background-opacity"), stroke: node.style("border-color"),
    "stroke-width": node.numericStyle("border-width"), "stroke-dasharray": dashes(node.style("border-style")),
  };
  if (node.style("shape") === "ellipse") return shape("ellipse", { cx: x, cy: y, rx: w / 2, ry: h / 2, ...paint });
  const cut = node.style("shape") === "cut-rectangle" ? 0 : Math.min(8, h / 6);
  return shape("rect", { x: x - w / 2, y: y - h / 2, width: w, height: h, rx: cut, ...paint });
}

function ring(node) {
  const { x, y } = node.position();
  const width = node.numericStyle("width") * 0.08;
  const radius = node.numericStyle("width") / 2 - width / 2;
  const round_ = 2 * Math.PI * radius;
  const circle = (stroke, dash) => shape("circle", {
    cx: x, cy: y, r: radius, fill: "none", stroke, "stroke-width": width, "stroke-dasharray": dash, transform: `rotate(-90 ${round(x)} ${round(y)})`,
  });
  const part = (node.data("ring") / 100) * round_;
  return [circle(node.style("pie-2-background-color"), null), circle(node.style("pie-1-background-color"), `${round(part)} ${round(round_ - part)}`)];
}

function iconOf(node) {
  const { x, y } = node.position();
  const size = node.numericStyle("width") * 0.7;
  return shape("image", { x: x - size / 2, y: y - size / 2, width: size, height: size, href: node.data("icon") });
}

/** The lines of a node's label, where it has room to be read. */
function label(node) {
  const { x, y } = node.position();
  const size = node.numericStyle("font-size");
  const half = node.numericStyle("height") / 2;
  const room = node.hasClass("inside") ? Math.floor(node.data("room") / (size * 0.56)) : Infinity;
  const lines = node.data("label").split("\n").map((line) => (line.length > room ? `${line.slice(0, Math.max(1, room - 1))}…` : line));
  const at = { top: y - half + node.numericStyle("text-margin-y"), bottom: y + half + node.numericStyle("text-margin-y") + size }[node.style("text-valign")];
  const first = at === undefined ? y - ((lines.length - 1) * size * 1.25) / 2 + size * 0.35 : at - (node.style("text-valign") === "top" ? size * 0.3 : 0);
  return lines.map((line, index) => shape("text", {
    x, y: first + index * size * 1.25, "text-anchor": "middle", "font-size": size, "font-weight": node.style("font-weight"), fill: node.style("color"),
  }, line));
}

function linkShapes(edge) {
  const [from, to] = [edge.sourceEndpoint(), edge.targetEndpoint()];
  const control = edge.controlPoints()?.[0];
  const path = `M${round(from.x)} ${round(from.y)}${control ? `Q${round(control.x)} ${round(control.y)} ` : "L"}${round(to.x)} ${round(to.y)}`;
  const paint = { stroke: edge.style("line-color"), "stroke-width": edge.numericStyle("width"), "stroke-dasharray": dashes(edge.style("line-style")) };
  const opacity = edge.numericStyle("opacity");
  const line = shape("path", { d: path, "data-link": legible(edge.id()), opacity: opacity < 1 ? opacity : null, ...paint });
  line.append(titled(edge.id()));
  return edge.hasClass("simple") || opacity < 1 ? [line] : [line, ...interfaces(edge, from, to, control)];
}

/** The arrow of a peering, from consumer to provider, with what its label says. */
function peeringShapes(edge) {
  const { from, to } = edge.data("peering");
  const [start, end, middle] = [edge.sourceEndpoint(), edge.targetEndpoint(), edge.midpoint()];
  const control = edge.controlPoints()?.[0] ?? middle;
  const hue = edge.style("line-color");
  const opacity = edge.numericStyle("opacity");
  const group = shape("g", { "data-peering": legible(`${from} ${to}`), opacity: opacity < 1 ? opacity : null });
  group.append(
    titled(`${from} → ${to} ${edge.data("label")}`.trim()),
    shape("path", {
      d: `M${round(start.x)} ${round(start.y)}Q${round(control.x)} ${round(control.y)} ${round(end.x)} ${round(end.y)}`,
      fill: "none", stroke: hue, "stroke-width": edge.numericStyle("width"), "stroke-dasharray": { dotted: "2 4" }[edge.style("line-style")] ?? "9 6",
    }),
    head(end, control, hue, edge.style("target-arrow-fill") === "hollow"));
  if (edge.data("label")) {
    group.append(shape("text", {
      x: middle.x, y: middle.y + 4, "text-anchor": "middle", "font-size": 12, "font-weight": 600, fill: edge.style("color"),
      stroke: colour("canvas"), "stroke-width": 4, "paint-order": "stroke",
    }, edge.data("label")));
  }
  return group;
}

/** A triangle with its point at `tip`, seen from `from`. */
function head(tip, from, hue, hollow) {
  const length = Math.hypot(tip.x - from.x, tip.y - from.y) || 1;
  const [dx, dy] = [(tip.x - from.x) / length, (tip.y - from.y) / length];
  const corner = (side) => `${round(tip.x - 13 * dx - side * 6 * dy)} ${round(tip.y - 13 * dy + side * 6 * dx)}`;
  return shape("path", { d: `M${round(tip.x)} ${round(tip.y)}L${corner(1)}L${corner(-1)}Z`, fill: hollow ? colour("canvas") : hue, stroke: hue, "stroke-width": 2 });
}

/** The names of both interfaces, beside the ends of the link. */
function interfaces(edge, from, to, control) {
  const end = (text, start, towards) => {
    const length = Math.hypot(towards.x - start.x, towards.y - start.y) || 1;
    const share = Math.min(0.45, 26 / length);
    return shape("text", {
      x: start.x + (towards.x - start.x) * share, y: start.y + (towards.y - start.y) * share + 4, "text-anchor": "middle", "font-size": 11,
      fill: colour("text"), stroke: colour("canvas"), "stroke-width": 3, "paint-order": "stroke",
    }, text);
  };
  return [end(edge.data("from"), from, control ?? to), end(edge.data("to"), to, control ?? from)];
}

function legend(x, y, footer, withPeerings) {
  const group = shape("g", { "data-part": "legend", "font-size": 14, fill: colour("text") });
  const { title } = MEASURES[chosenMeasure()];
  group.append(shape("text", { x, y: y - 26, "font-weight": 600 }, title));
  let left = x + 20 + title.length * 9;
  for (const { id, name } of levels()) {
    group.append(
      shape("circle", { cx: left, cy: y - 31, r: 7, fill: colour(`${id}-tint`), stroke: colour(id), "stroke-width": 3 }),
      shape("text", { x: left + 13, y: y - 26 }, name),
    );
    left += 34 + name.length * 8;
  }
  if (withPeerings) {
    group.append(
      shape("path", { d: `M${round(left - 8)} ${round(y - 31)}H${round(left + 26)}`, stroke: colour("green"), "stroke-width": 3, "stroke-dasharray": "9 6" }),
      head({ x: left + 34, y: y - 31 }, { x: left, y: y - 31 }, colour("green"), false),
      shape("text", { x: left + 42, y: y - 26 }, "Peering, from consumer to provider"));
  }
  group.append(shape("text", { x, y, fill: colour("muted") }, footer));
  return group;
}
