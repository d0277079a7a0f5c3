/** Liqo Connect: from a serf to another one, with the resources that the other is to lend. */

import { askUntilDone, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { connect, follow } from "./liqo.js";
import { isSerf } from "./nodes.js";
import { peeringsOf } from "./peerings.js";
import { pickSerf } from "./pick.js";
import { toast, toastError } from "./toasts.js";

const QUOTAS = [
  ["None", "None: not enforced on the provider"],
  ["Soft", "Soft: enforced by what pods request"],
  ["Hard", "Hard: enforced by requests and limits"],
];

/** Asks for the provider and its resources and peers them. Resolves with the operation that has begun, or with null. */
export async function liqoConnect(from, topology) {
  const peered = new Set(peeringsOf(topology).filter((peering) => peering.from === from).map(({ to }) => to));
  const candidates = topology.nodes.filter((node) => isSerf(node) && node.name !== from && node.state !== "absent" && !peered.has(node.name)).map(({ name }) => name);
  if (candidates.length === 0) {
    await openDialog({ title: `Liqo Connect from ${from}`, content: h("p", {}, "There is no other serf that is up and not connected yet.") });
    return null;
  }
  const to = await pickSerf({ candidates, from, prompt: `Choose the serf that ${from} connects to.` });
  return to === null ? null : askForResources(from, to);
}

async function askForResources(from, to) {
  const field = (name, label, value, attributes = {}) => {
    const input = h("input", { id: `peering-${name}`, name, value, required: true, autocomplete: "off", ...attributes });
    return { input, element: h("div", { class: "field" }, h("label", { for: `peering-${name}` }, label), input) };
  };
  const cpu = field("cpu", "CPU (cores)", "4", { autofocus: true });
  const memory = field("memory", "Memory", "8Gi");
  const pods = field("pods", "Pods", "110", { type: "number", min: 1, step: 1 });
  const quota = h("select", { id: "peering-quota" }, QUOTAS.map(([value, text]) => h("option", { value }, text)));
  let operation = null;
  await askUntilDone({
    title: `Connect ${from} to ${to}`,
    content: [
      h("p", { class: "muted" }, `${to} lends ${from} these resources, which ${from} sees as a node named ${to}. The other direction is a peering of its own.`),
      h("div", { class: "field-row" }, cpu.element, memory.element, pods.element),
      h("div", { class: "field" }, h("label", { for: "peering-quota" }, "Quota"), quota),
    ],
    buttons: [{ text: "Cancel", value: "" }, { text: "Connect", value: "connect", primary: true }],
    submit: async () => {
      const answer = await connect(from, to, { cpu: cpu.input.value.trim(), memory: memory.input.value.trim(), pods: Number(pods.input.value), quota: quota.value });
      operation = answer.operation;
    },
  });
  return operation;
}

const ENDED = {
  connect: { done: "is established", failed: "could not be established" },
  disconnect: { done: "is removed", failed: "could not be removed" },
  drain: { done: "has an empty virtual node", failed: "could not be drained" },
};

/** Follows an operation on a peering, if there is one, and tells how it ended. */
export async function followToEnd(operation) {
  if (!operation) return;
  const [kind, ...ends] = operation.id.split(".");
  const what = `The peering ${ends.join(" → ")}`;
  try {
    const { state, message } = await follow(operation);
    if (state === "Failed") toast({ kind: "error", text: `${what} ${ENDED[kind].failed}.`, hint: message });
    else toast({ kind: "good", text: `${what} ${ENDED[kind].done}.` });
  } catch (error) {
    toastError(error, what);
  }
}
