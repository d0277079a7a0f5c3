/** Create Pod: destination, load and a few fields, then the pod is followed until it runs. */

import { CreateForm } from "./create_form.js";
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { create } from "./liqo.js";
import { operationDialog } from "./operation_dialog.js";
import { consumers, peersOf } from "./peers.js";
import { podName } from "./virtual_words.js";

/**
 * Creates a virtual pod. `source`: its serf, null where the user chooses it in the dialog; `pick({candidates, prompt, from})` lets
 * the user choose the destination on the graph (null: in the dialog, too); `onDetails(id)` shows what was made.
 */
export async function createPod({ topology, source = null, pick = null, onDetails }) {
  const candidates = source ? peersOf(topology, source) : consumers(topology);
  if (candidates.length === 0) {
    await notPeered(source);
    return;
  }
  let dest = null;
  if (source && pick) {
    dest = await pick({ candidates, from: source, prompt: `Create Pod: choose where the pod of ${source} shall run.` });
    if (dest === null) return;
  }
  const form = new CreateForm({ topology, source, dest });
  await operationDialog({
    title: "Create Pod", content: form.element, submit: "Create", kind: "create",
    start: async () => {
      const { wanted } = form;
      return wanted && create(wanted);
    },
    refuse: (error) => form.refuse(error),
    told: (pod) => ({ done: `${podName(pod)} runs on ${pod.dest_node}.`, failed: `${podName(pod)} does not run on ${pod.dest_node}` }),
    onDetails,
  });
}

/** Says what comes before virtual pods. */
export function notPeered(source) {
  return openDialog({
    title: source ? `${source} has no peering yet` : "No serf has a peering yet",
    content: [
      h("p", {}, `Pods of ${source ?? "a serf"} can run on another serf once the two are connected.`),
      h("p", {}, "Right-click the serf in the graph, or open the menu in its panel, and choose ", h("strong", {}, "Liqo Connect"), "."),
    ],
  });
}
