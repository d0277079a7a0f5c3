/** What is shown of a node, link, Kubernetes node or pod while it is pointed at. */

import { byId, h } from "./dom.js";
import { cpu, memory, number, percent, time, watts } from "./format.js";
import { sourceWords, stateWords, traffic, words } from "./link_words.js";
import { STATES, isSerf } from "./nodes.js";
import { CONDITIONS, conditionOf } from "./peerings.js";

/** Wires the tooltip; `contentOf(element)` says what is shown for an element of the graph, null for nothing. */
export function setUpHover(cy, contentOf) {
  const tooltip = byId("tooltip");
  const container = cy.container();
  const show = ({ target, renderedPosition: { x, y } }) => {
    const content = target.hasClass("aim") ? null : contentOf(target);
    tooltip.hidden = content === null;
    if (content === null) return;
    tooltip.replaceChildren(...content);
    const left = Math.min(x + 14, container.clientWidth - tooltip.offsetWidth - 8);
    const top = Math.min(y + 14, container.clientHeight - tooltip.offsetHeight - 8);
    tooltip.style.transform = `translate(${Math.max(8, left)}px, ${Math.max(8, top)}px)`;
  };
  cy.on("mouseover", "node", ({ target }) => {
    target.addClass("hovered").connectedEdges().addClass("shown");
    container.classList.add("pointing");
  });
  cy.on("mouseover", "edge", ({ target }) => target.addClass("shown"));
  cy.on("mousemove", "node, edge", show);
  cy.on("mouseout", "node, edge", ({ target }) => {
    tooltip.hidden = true;
    container.classList.remove("pointing");
    const edges = target.isNode() ? target.removeClass("hovered").connectedEdges() : target;
    edges.not(".chosen").removeClass("shown");
  });
  // What moves away under the pointer is not pointed at any more.
  cy.on("viewport", () => void (tooltip.hidden = true));
}

export function nodeTip(node) {
  const lines = [h("strong", {}, node.name), ` ${STATES[node.state]}`];
  if (!isSerf(node)) return [...lines, h("div", {}, node.role)];
  if (node.load) {
    const { cpu: use, memory: share, psi, power } = node.load;
    lines.push(h("div", {}, `CPU ${percent(use)} · memory ${percent(share)} · PSI ${percent(psi)} · ${watts(power)}`));
    if (node.load.stale_since) lines.push(h("div", {}, `as of ${time(node.load.stale_since)}`));
  }
  if (node.pods) lines.push(h("div", {}, `${node.pods.running} of ${node.pods.total} pods running`));
  if (node.message) lines.push(h("div", { class: "muted" }, node.message));
  return lines;
}

export function linkTip(link) {
  const [a, b] = link.endpoints.map((end) => `${end.node}:${end.interface}`);
  return [
    h("strong", {}, a), " — ", h("strong", {}, b), h("div", {}, stateWords(link)),
    ...link.endpoints.filter(traffic).map((end) => h("div", {}, `${end.node}: ${traffic(end)}`)),
    h("div", {}, [words(link), sourceWords(link)].filter(Boolean).join(", ")),
  ];
}

export function peeringTip(peering) {
  const { from, to, running, total } = peering;
  const word = CONDITIONS[conditionOf(peering)];
  return [
    h("strong", {}, `${from} → ${to}`), ` Peering ${word}`,
    h("div", {}, `${from} uses ${to}: ${running} of ${total} virtual pods running`),
  ];
}

/** Of a box inside of an expanded serf; null where its label says everything. */
export function insideTip({ kind, node, pod, pods, namespace }) {
  if (kind === "kube") return kubeTip(node, pods);
  if (kind === "namespace") return [h("strong", {}, namespace), h("div", {}, `${pods.toLocaleString("en")} pods; expand the table of the panel for each`)];
  if (kind !== "pod") return null;
  return [
    h("strong", {}, `${pod.namespace}/${pod.name}`), ` ${pod.phase}`,
    h("div", {}, `CPU ${cpu(pod.cpu_millicores)} · memory ${memory(pod.memory_mi)} · PSI ${percent(pod.psi_percent)} · ${watts(pod.power_watts)}`),
    pod.reason ? h("div", { class: "muted" }, pod.reason) : "",
  ];
}

function kubeTip(node, pods) {
  const title = h("strong", {}, node.name || "Not scheduled");
  if (!node.capacity) return [title, h("div", {}, `${number(pods)} pods without a node`)];
  const { capacity, requested } = node;
  return [
    title, ` ${node.ready ? "Ready" : "Not ready"}${node.unschedulable ? ", cordoned" : ""}`,
    h("div", {}, `requested: CPU ${cpu(requested.cpu_millicores)} of ${cpu(capacity.cpu_millicores)} · memory ${memory(requested.memory_mi)} of ${memory(capacity.memory_mi)}`),
    h("div", {}, `${pods.toLocaleString("en")} of ${number(capacity.pods)} pods`),
  ];
}
