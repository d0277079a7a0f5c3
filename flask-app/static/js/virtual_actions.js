/** What is done with virtual pods that exist: followed to its end, and told in a message when nobody waits for it. */

import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { bringBack, follow, remove } from "./liqo.js";
import { toast, toastError } from "./toasts.js";
import { podName } from "./virtual_words.js";

const LISTED = 8;
const AT_ONCE = 4;
const count = (number) => number.toLocaleString("en");

/**
 * Follows an operation; `told`: `{done, failed, actions}`, the texts of its end. `looking()` says whether somebody sees the
 * end elsewhere, so that no message is needed. Resolves with the operation, null where it could not be followed.
 */
export async function followUp(operation, { done, failed, actions = [], looking = () => false, onChange = () => {} }) {
  try {
    const end = await follow(operation, { onChange });
    if (looking()) return end;
    if (end.state === "Failed") toast({ kind: "error", text: [failed, end.message].filter(Boolean).join(": "), actions });
    else toast({ kind: "good", text: done, actions });
    return end;
  } catch (error) {
    if (!looking()) toastError(error, `${failed}, as far as is known`);
    return null;
  }
}

/** Brings offloaded pods home. `onDetails(id)` shows one in the sidebar. */
export async function bringHome(pod, { onDetails }) {
  const name = podName(pod);
  const actions = [{ text: "Details", act: () => onDetails(pod.id) }];
  try {
    const { operation } = await bringBack(pod.id);
    toast({ text: `${name} goes home to ${pod.source_node}.` });
    return await followUp(operation, { done: `${name} is back on ${pod.source_node}.`, failed: `${name} is not back`, actions: [] });
  } catch (error) {
    toast({ kind: "error", text: `${name} does not go home: ${error.message}`, hint: error.hint, actions });
    return null;
  }
}

/** Asks, and deletes virtual pods. Resolves with whether the user wanted it, as soon as all are asked for. */
export async function deletePods(pods) {
  if (!await confirmed(pods)) return false;
  const failures = [];
  const operations = [];
  const queue = [...pods];
  const work = async () => {
    for (let pod = queue.shift(); pod; pod = queue.shift()) {
      try {
        operations.push({ pod, operation: (await remove(pod.id)).operation });
      } catch (error) {
        failures.push({ pod, error });
        // Without its token, without the manager: the others would fare no better.
        if (error.status === 0 || error.status === 401 || error.status === 503) queue.length = 0;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  if (failures.length > 0) toastError(failures[0].error, failures.length > 1 ? `${count(failures.length)} virtual pods are not deleted` : `${failures[0].pod.id} is not deleted`);
  tellOfDeletion(operations);
  return true;
}

/** One is followed; many are told of at once, and seen in the list. */
function tellOfDeletion(operations) {
  if (operations.length === 1) {
    const [{ pod, operation }] = operations;
    followUp(operation, { done: `${podName(pod)} (${pod.id}) is deleted.`, failed: `${pod.id} is not deleted` });
  } else if (operations.length > 1) {
    toast({ text: `${count(operations.length)} virtual pods are being deleted. Each leaves the list when it is gone.` });
  }
}

async function confirmed(pods) {
  const offloaded = pods.filter(({ origin }) => origin === "offloaded").length;
  const title = pods.length === 1 ? `Delete ${pods[0].id}?` : `Delete ${count(pods.length)} virtual pods?`;
  const choice = await openDialog({
    title,
    content: [
      h("p", {}, "Both sides go: the pod in the source, the one on the destination, and what it plays."),
      h("ul", { class: "doomed" }, pods.slice(0, LISTED).map((pod) => h("li", {}, h("strong", {}, podName(pod)), h("span", { class: "muted" }, ` ${pod.id}, ${pod.source_node} → ${pod.dest_node}`))),
        pods.length > LISTED ? h("li", { class: "muted" }, `and ${count(pods.length - LISTED)} more`) : null),
      offloaded ? h("p", { class: "notice warning" }, pods.length === 1 ? "This pod was offloaded. Bring it back instead to keep it on its source." : `${count(offloaded)} of them were offloaded. Bring these back instead to keep them on their source.`) : null,
    ],
    buttons: [{ text: "Cancel", value: "" }, { text: "Delete", value: "delete", primary: true }],
  });
  return choice === "delete";
}
