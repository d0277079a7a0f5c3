/** How the graph looks: the rules for nodes, links, and what is inside of an expanded serf, in the colours of the theme. */

import { peeringRules } from "./graph_peerings.js";
import { colour } from "./theme.js";

const LEVELS = ["green", "amber", "red", "none"];
// A large graph has no rings, which are slow to draw: the size repeats what the colour says.
const PLAIN_SIZES = { green: 74, amber: 84, red: 96, none: 62 };
// From this zoom on, links name their interfaces without being pointed at.
const INTERFACES_FROM = 1;
const TEXT = 12;

function nodes(text, font) {
  return [
    {
      selector: "node",
      style: {
        label: "data(label)", color: text, "font-family": font, "font-size": 15, "font-weight": 600,
        "text-wrap": "wrap", "text-valign": "center", "text-halign": "center", "line-height": 1.25,
        "min-zoomed-font-size": 7, width: 92, height: 92, "background-color": colour("surface"), "overlay-opacity": 0,
      },
    },
    {
      selector: "node.ringed",
      style: {
        "pie-size": "100%", "pie-hole": "84%", "pie-1-background-size": "data(ring)", "pie-2-background-size": "data(rest)",
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
    ...LEVELS.map((name) => ({
      selector: `node.ringed.level-${name}`,
      style: {
        "background-color": colour(`${name}-tint`), "pie-1-background-color": colour(name), "pie-2-background-color": colour(`${name}-track`),
      },
    })),
    ...LEVELS.map((name) => ({
      selector: `node.plain.level-${name}`,
      style: { "background-color": colour(name), color: colour("surface"), width: PLAIN_SIZES[name], height: PLAIN_SIZES[name] },
    })),
    {
      selector: "node.serf.state-absent",
      style: {
        "background-color": colour("surface"), "border-width": 2, "border-style": "dashed", "border-color": colour("line-strong"),
        color: colour("muted"), "font-weight": 400,
      },
    },
    { selector: "node.ringed.state-absent", style: { "pie-1-background-opacity": 0, "pie-2-background-opacity": 0 } },
    {
      selector: "node.state-unreachable",
      style: { "border-width": 4, "border-style": "dashed", "border-color": colour("red") },
    },
    { selector: "node.ringed.stale", style: { "pie-1-background-opacity": 0.35 } },
    { selector: "node.plain.stale", style: { "background-opacity": 0.55 } },
  ];
}

/** An expanded serf is a box with a title; in it are the boxes of its Kubernetes nodes, and in these its pods. */
function insides(text) {
  const border = colour("line-strong");
  return [
    {
      selector: "node.expanded",
      style: {
        shape: "round-rectangle", "corner-radius": 14, width: "data(w)", height: "data(h)", "z-index": 1, color: text,
        "background-color": colour("surface"), "border-width": 3, "border-style": "solid", "pie-1-background-opacity": 0,
        "pie-2-background-opacity": 0, "text-valign": "top", "text-margin-y": 24, "text-wrap": "none",
      },
    },
    ...LEVELS.map((name) => ({
      selector: `node.expanded.level-${name}`,
      style: { "border-color": colour(name), "background-color": colour("surface"), color: text, width: "data(w)", height: "data(h)" },
    })),
    { selector: "node.expanded.state-unreachable", style: { "border-style": "dashed", "border-color": colour("red") } },
    {
      selector: "node.inside",
      style: {
        shape: "round-rectangle", width: "data(w)", height: "data(h)", "border-width": 1, "border-color": border,
        "text-max-width": "data(room)", "font-weight": 500, "corner-radius": 4, "line-height": 1.1,
      },
    },
    {
      selector: "node.kube",
      style: {
        "z-index": 2, "background-color": colour("canvas"), "text-valign": "top", "text-margin-y": 16, "font-size": 10,
        "text-wrap": "ellipsis", "corner-radius": 8, "min-zoomed-font-size": 6,
      },
    },
    { selector: "node.kube.not-ready", style: { "border-width": 2.5, "border-style": "dashed", "border-color": colour("red") } },
    {
      selector: "node.pod",
      style: { "z-index": 3, "background-color": "data(shade)", "font-size": 4.2, "text-wrap": "ellipsis", "corner-radius": 3 },
    },
    { selector: "node.namespace", style: { "font-size": 9, "text-wrap": "wrap", "corner-radius": 6 } },
    { selector: "node.phase-pending", style: { "border-width": 2, "border-style": "dashed", "border-color": colour("amber") } },
    { selector: "node.phase-failed", style: { shape: "cut-rectangle", "border-width": 2.5, "border-color": colour("red") } },
    { selector: "node.phase-terminating", style: { "border-width": 1.5, "border-style": "dotted", "background-opacity": 0.5 } },
    { selector: "node.phase-succeeded", style: { "border-width": 2, "border-style": "double", "background-opacity": 0.5 } },
    { selector: "node.phase-unknown", style: { shape: "round-diamond", "border-width": 2, "border-style": "dashed" } },
    { selector: "node.old", style: { "background-opacity": 0.45, "border-style": "dashed" } },
    { selector: "node.message", style: { "z-index": 3, "border-width": 0, "background-opacity": 0, "font-size": 12, "text-wrap": "wrap" } },
    { selector: "node.message.failed", style: { color: colour("red") } },
  ];
}

function links(text, font) {
  return [
    {
      selector: "edge",
      style: {
        width: 2.5, "line-color": colour("line-strong"), "curve-style": "bezier", "control-point-step-size": 32, "overlay-opacity": 0,
        "font-family": font, "font-size": TEXT, color: text, "text-background-color": colour("canvas"),
        "text-background-opacity": 0.9, "text-background-padding": 2,
      },
    },
    {
      selector: "edge.named, edge.shown",
      style: {
        "source-label": "data(from)", "target-label": "data(to)", "source-text-offset": 24, "target-text-offset": 24,
        "min-zoomed-font-size": TEXT * INTERFACES_FROM,
      },
    },
    { selector: "edge.simple", style: { "curve-style": "haystack" } },
    { selector: "edge.absent", style: { "line-style": "dotted" } },
    // What is in force on it is written in its middle, a value a line. On a short link the names of its interfaces would
    // cover that: they are told when one points at it.
    { selector: "edge.impaired", style: { label: "data(inForce)", "source-label": "", "target-label": "", "text-wrap": "wrap", "line-height": 1.15, "min-zoomed-font-size": 7 } },
    { selector: "edge.down", style: { "line-style": "dashed", "line-color": colour("red"), label: "✕", color: colour("red"), "font-size": 16 } },
    {
      selector: "edge.shown",
      style: { width: 3.5, "line-color": colour("accent"), "z-index": 9, "min-zoomed-font-size": 6 },
    },
    { selector: "edge.shown.down", style: { "line-color": colour("red") } },
  ];
}

function marks() {
  const under = (opacity, padding) => ({
    "underlay-color": colour("accent"), "underlay-opacity": opacity, "underlay-padding": padding, "underlay-shape": "ellipse",
  });
  return [
    { selector: ".dimmed, .unpickable", style: { opacity: 0.18 } },
    { selector: "node.candidate", style: under(0.3, 12) },
    { selector: "node.hovered", style: under(0.15, 8) },
    { selector: "node.selected", style: under(0.35, 9) },
    { selector: "node.focused", style: under(0.75, 7) },
    { selector: "node.expanded, node.inside", style: { "underlay-shape": "round-rectangle" } },
    { selector: "node.inside.hovered, node.inside.selected, node.inside.focused", style: { "underlay-padding": 3 } },
  ];
}

/** The style sheet of the graph in the page's current theme and font. */
export function stylesheet() {
  const text = colour("text");
  const font = getComputedStyle(document.body).fontFamily;
  return [...nodes(text, font), ...insides(text), ...links(text, font), ...peeringRules(), ...marks()];
}

/** A colour `share` (0 to 1) of the way from one `#rrggbb` to another. */
export function mix(from, to, share) {
  const part = (text, at) => Number.parseInt(text.slice(at, at + 2), 16);
  const value = (at) => Math.round(part(from, at) + (part(to, at) - part(from, at)) * share);
  return `#${[1, 3, 5].map((at) => value(at).toString(16).padStart(2, "0")).join("")}`;
}
