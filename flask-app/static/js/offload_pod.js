/** Offload: a pod that runs on a serf moves to another one, with its series. */

import { notPeered } from "./create_pod.js";
import { h } from "./dom.js";
import { cpu } from "./format.js";
import { connections, offload } from "./liqo.js";
import { operationDialog } from "./operation_dialog.js";
import { duration } from "./operation_progress.js";
import { peeringNote, peersOf } from "./peers.js";
import { podName } from "./virtual_words.js";

/** Offloads `pod` (`{namespace, name}`) of `source` to a serf that the user chooses; `onDetails(id)` shows it afterwards. */
export async function offloadPod({ topology, source, pod, onDetails }) {
  const peers = peersOf(topology, source);
  if (peers.length === 0) {
    await notPeered(source);
    return;
  }
  const notes = new Map(peers.map((name) => [name, h("span", { class: "muted" }, peeringNote(topology, source, name))]));
  const choices = peers.map((name, at) => h("label", { class: "template" },
    h("input", { type: "radio", name: "offload-dest", value: name, checked: at === 0, autofocus: at === 0 }),
    h("span", {}, h("strong", {}, name), " ", notes.get(name))));
  const group = h("div", { class: "template-list", role: "radiogroup", "aria-label": "Destination" }, choices);
  addResources(source, notes);
  await operationDialog({
    title: `Offload ${pod.namespace}/${pod.name}`, submit: "Offload", kind: "offload",
    content: [
      h("p", {}, `It runs on ${source} until all of it has arrived. Then it goes on there with its series, and ${source} keeps a virtual pod of the same name.`),
      group,
    ],
    start: () => offload({ source_node: source, namespace: pod.namespace, pod: pod.name, dest_node: group.querySelector("input:checked").value }),
    told: (made) => ({ done: `${podName(made)} runs on ${made.dest_node}.`, failed: `${podName(made)} stays on ${source}` }),
    onDetails,
  });
}

/** What each destination has left, as soon as it is known. */
async function addResources(source, notes) {
  const all = await connections().catch(() => []);
  for (const { from, to, resources, used, delay, rate } of all) {
    const note = from === source && notes.get(to);
    if (!note) continue;
    const room = `${cpu(Math.max(0, resources.cpu - used.cpu))} of ${cpu(resources.cpu)} CPU left`;
    const way = rate ? `${(rate / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} Mbit/s${delay >= 1 ? `, ${duration(delay)} delay` : ""}` : "";
    note.textContent = [note.textContent, room, way].filter(Boolean).join(", ");
  }
}
