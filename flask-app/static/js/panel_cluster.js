/** The cluster of a serf: API server, Kubernetes nodes with what is requested and used of them, namespaces. */

import { clusterInfo } from "./api.js";
import { h } from "./dom.js";
import { age, cpu, memory, time } from "./format.js";
import { AnswerTab } from "./panel_answer.js";
import { facts, use } from "./panel_parts.js";

export class ClusterTab extends AnswerTab {
  #onNamespace;
  #onPods;
  #onSerf;

  /** `onNamespace(name)` shows the pods of a namespace, `onPods(name)` those of a Kubernetes node, `onSerf(name)` another serf. */
  constructor({ onNamespace, onPods, onSerf }) {
    super(clusterInfo);
    [this.#onNamespace, this.#onPods, this.#onSerf] = [onNamespace, onPods, onSerf];
  }

  seen({ pods, ...rest }) {
    return [rest, [...usage(pods)]];
  }

  draw({ stale_since: stale, cluster, nodes, namespaces, pods, summary, values_from: source }) {
    const used = usage(pods);
    const phases = Object.entries(summary.phases).map(([phase, count]) => `${count.toLocaleString("en")} ${phase.toLowerCase()}`).join(", ");
    return [
      stale ? h("p", { class: "notice warning" }, `Stale since ${time(stale)}: the API server does not answer, what follows is from before.`) : "",
      h("section", {}, h("h3", {}, "API server"), facts([
        ["Kubernetes", cluster.version], ["Address", cluster.server], ["Exporter", cluster.exporter],
        ["Pods", `${summary.pods.toLocaleString("en")}${phases ? ` (${phases})` : ""}`],
        ["Values from", source === "prometheus" ? "Prometheus" : "the pods' annotations (Prometheus has none)"],
      ])),
      h("section", {}, h("h3", {}, "Kubernetes nodes ", h("span", { class: "muted" }, String(nodes.length))),
        nodes.length ? h("ul", { class: "kube-nodes" }, nodes.map((node) => this.#kubeNode(node, used.get(node.name)))) : h("p", { class: "hint" }, "This cluster has no nodes.")),
      h("section", {}, h("h3", {}, "Namespaces ", h("span", { class: "muted" }, String(namespaces.length))),
        h("ul", { class: "chips" }, namespaces.map((namespace) => h("li", {},
          h("button", { type: "button", title: `${namespace.phase}, ${age(namespace.created)} old: show its pods`, onclick: () => this.#onNamespace(namespace.name) },
            namespace.name, h("span", { class: "count" }, String(namespace.pods))))))),
    ];
  }

  #kubeNode({ name, ready, unschedulable, created, capacity, requested, conditions, virtual = false }, used = { cpu: null, memory: null, power: null }) {
    const of = (text, part, whole) => `${text(part)} of ${text(whole)}`;
    const unwell = (conditions ?? []).filter(({ type, status }) => (type === "Ready" ? status !== "True" : status === "True"));
    return h("li", { "data-node": name },
      h("div", { class: "kube-node-head" }, h("strong", {}, name),
        h("span", { class: `badge state-${ready ? "ready" : "unreachable"}` }, ready ? "Ready" : "Not ready"),
        virtual ? h("span", { class: "badge virtual", title: `It stands for ${name}: pods on it run there` }, "Virtual") : null,
        unschedulable ? h("span", { class: "badge" }, "Cordoned") : null,
        unwell.filter(({ type }) => type !== "Ready").map(({ type, message }) => h("span", { class: "badge state-connecting", title: message }, type)),
        h("span", { class: "muted age" }, `${age(created)} old`)),
      h("div", { class: "uses" },
        use("CPU used", of(cpu, used.cpu, capacity.cpu_millicores), used.cpu, capacity.cpu_millicores),
        use("CPU requested", of(cpu, requested.cpu_millicores, capacity.cpu_millicores), requested.cpu_millicores, capacity.cpu_millicores),
        use("Memory used", of(memory, used.memory, capacity.memory_mi), used.memory, capacity.memory_mi),
        use("Memory requested", of(memory, requested.memory_mi, capacity.memory_mi), requested.memory_mi, capacity.memory_mi),
        use("Pods", of(String, requested.pods, capacity.pods), requested.pods, capacity.pods)),
      conditions?.length ? h("ul", { class: "conditions", "aria-label": "Conditions" }, conditions.map(({ type, status, reason, message }) => h("li", { title: message || reason }, `${type}: ${status}`))) : null,
      h("button", { type: "button", class: "link", onclick: () => this.#onPods(name) }, "Show its pods"),
      virtual ? h("button", { type: "button", class: "link beside", onclick: () => this.#onSerf(name) }, `Go to ${name}, where they run`) : null);
  }
}

/** What the pods of each Kubernetes node use together; what is not known counts for nothing. */
function usage(pods) {
  const used = new Map();
  for (const pod of pods) {
    const sum = used.get(pod.node) ?? { cpu: 0, memory: 0, power: 0 };
    sum.cpu += pod.cpu_millicores ?? 0;
    sum.memory += pod.memory_mi ?? 0;
    sum.power += pod.power_watts ?? 0;
    used.set(pod.node, sum);
  }
  return used;
}
