/** The peerings of a serf in both directions: modules, virtual node, resources, path, and what can be done with each. */

import { h } from "./dom.js";
import { askUntilDone } from "./dialog.js";
import { MISSING, age, cpu, memory, number, time } from "./format.js";
import { connections, cordon, drain, uncordon } from "./liqo.js";
import { AnswerTab } from "./panel_answer.js";
import { facts, use } from "./panel_parts.js";
import { CONDITIONS, conditionOf } from "./peerings.js";
import { toast, toastError } from "./toasts.js";

const BADGES = { healthy: "state-ready", cordoned: "state-connecting", "not-ready": "state-connecting", pending: "state-connecting", removing: "", error: "state-unreachable" };
const MODULES = { networking: "Networking", authentication: "Authentication", offloading: "Offloading" };
const STATES = { Established: "state-ready", Pending: "state-connecting", Error: "state-unreachable" };
const QUOTAS = { None: "None: not enforced on the provider", Soft: "Soft: enforced by what pods request", Hard: "Hard: enforced by requests and limits" };

export class PeeringsTab extends AnswerTab {
  #actions;
  #version = null;

  /** `actions`: `connect(serf)`, `remove(serf, {from, to})`, `follow(operation)`, and `go(serf)`, which shows another serf. */
  constructor(actions) {
    super(async (serf, signal) => ({ serf, own: (await connections(signal)).filter(({ from, to }) => from === serf || to === serf) }));
    this.#actions = actions;
  }

  /** Asks anew as soon as the overview says that something is different. */
  show({ topology }) {
    const version = topology.offload?.version ?? null;
    if (version !== this.#version && this.#version !== null) this.refresh();
    this.#version = version;
  }

  draw({ serf, own }) {
    const [out, back] = [own.filter(({ from }) => from === serf), own.filter(({ to }) => to === serf)];
    const list = (title, hint, peerings) => h("section", {}, h("h3", {}, `${title} `, h("span", { class: "muted" }, String(peerings.length))),
      peerings.length ? h("ul", { class: "kube-nodes" }, peerings.map((peering) => this.#card(peering, serf))) : h("p", { class: "hint" }, hint));
    return [
      h("div", { class: "section-head" }, h("p", { class: "muted" }, "A peering lets one serf, the consumer, run pods on another, the provider."),
        h("button", { type: "button", class: "button", onclick: () => this.#actions.connect(serf) }, "Liqo Connect …")),
      list("As consumer", `${serf} runs its pods on no other serf.`, out),
      list("As provider", `No other serf runs pods on ${serf}.`, back),
    ];
  }

  #card(peering, serf) {
    const { from, to, virtual_node: node } = peering;
    const condition = conditionOf({ state: peering.state, ready: node?.ready ?? false, cordoned: node?.cordoned ?? false });
    const other = from === serf ? to : from;
    const act = (text, onclick, disabled = false) => h("button", { type: "button", class: "button", disabled, "aria-label": `${text} ${from} → ${to}`, onclick }, text);
    return h("li", { "data-peering": `${from} ${to}` },
      h("div", { class: "kube-node-head" },
        h("strong", {}, from === serf ? `${serf} → ` : "", h("button", { type: "button", class: "link", onclick: () => this.#actions.go(other) }, other), from === serf ? "" : ` → ${serf}`),
        h("span", { class: `badge ${BADGES[condition]}` }, CONDITIONS[condition]),
        h("span", { class: "muted age" }, `${age(peering.created_at * 1000)} old`)),
      peering.message ? h("p", { class: "advice" }, peering.message) : null,
      resources(peering),
      facts([
        ["Virtual pods", `${peering.virtual_pods.running} of ${peering.virtual_pods.total} running`], ["Virtual node", virtualNode(node)],
        ["Quota", QUOTAS[peering.quota] ?? peering.quota], ["Path", peering.path.length ? peering.path.join(" – ") : "none that is up"],
        ["Transfers", speed(peering)], [`Role of ${to}`, peering.role],
      ]),
      h("ul", { class: "modules" }, Object.entries(MODULES).map(([id, title]) => module_(title, peering.modules[id]))),
      h("div", { class: "peering-actions" },
        act(node?.cordoned ? "Uncordon" : "Cordon", () => this.#cordon(peering), !node),
        act("Drain …", () => this.#drain(peering), !node || node.draining),
        act("Remove …", () => this.#actions.remove(serf, { from, to }), peering.state === "Removing")));
  }

  async #cordon({ from, to, virtual_node: { cordoned } }) {
    try {
      await (cordoned ? uncordon : cordon)(from, to);
      toast({ kind: "good", text: cordoned ? `${from} may place pods on ${to} again.` : `${from} places no new pods on ${to}.` });
      this.refresh();
    } catch (error) {
      toastError(error, `${from} → ${to}`);
    }
  }

  async #drain({ from, to, virtual_pods: { total } }) {
    let operation = null;
    await askUntilDone({
      title: `Drain ${to} in ${from}`,
      content: h("p", {}, `The virtual node takes no new pods, and is emptied of its ${total}: those that were created are deleted, those that were offloaded come home. The peering stays.`),
      buttons: [{ text: "Cancel", value: "" }, { text: "Drain", value: "drain", primary: true }],
      submit: async () => {
        ({ operation } = await drain(from, to));
      },
    });
    this.#actions.follow(operation);
  }
}

function resources({ resources: whole, used }) {
  const of = (text, id) => `${text(used[id])} of ${text(whole[id])}`;
  return h("div", { class: "uses" },
    use("CPU", of(cpu, "cpu"), used.cpu, whole.cpu), use("Memory", of(memory, "memory"), used.memory, whole.memory),
    use("Pods", of(String, "pods"), used.pods, whole.pods));
}

function virtualNode(node) {
  if (!node) return "not there yet";
  const words = [node.ready ? "ready" : "not ready", node.draining ? "draining" : node.cordoned ? "cordoned" : "", node.reason];
  return `${node.name}: ${words.filter(Boolean).join(", ")}`;
}

/** How fast something gets from one serf to the other. */
function speed({ rate, delay }) {
  const units = [[1e9, "Gbit/s"], [1e6, "Mbit/s"], [1e3, "kbit/s"], [1, "bit/s"]];
  const [size, unit] = units.find(([least]) => rate >= least) ?? units.at(-1);
  const milliseconds = delay > 0 ? `, ${number(delay * 1000)} ms delay` : "";
  return `${rate === null ? "rate not limited" : `${number(rate / size)} ${unit}`}${milliseconds}`;
}

function module_(title, { state, conditions }) {
  const badge = h("span", { class: `badge ${STATES[state] ?? ""}` }, state);
  if (conditions.length === 0) return h("li", {}, h("span", { class: "module" }, h("span", {}, title), badge));
  return h("li", {}, h("details", {}, h("summary", {}, h("span", {}, title), badge),
    h("ul", { class: "module-conditions" }, conditions.map(({ type, status, reason, message, since }) => h("li", {},
      h("strong", {}, `${type}: ${status}`), reason ? ` ${reason}` : "", h("span", { class: "muted" }, ` since ${since ? time(since) : MISSING}`), message ? h("p", {}, message) : null)))));
}
