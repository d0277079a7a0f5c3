/** Remove Liqo Links: the peerings of a serf, each with what goes with it. */

import { askUntilDone } from "./dialog.js";
import { h, setText } from "./dom.js";
import { connections, disconnect } from "./liqo.js";
import { CONDITIONS, conditionOf } from "./peerings.js";
import { skeleton } from "./panel_parts.js";

const MOST_PODS = 20;

/**
 * Asks which peerings of a serf (`only`: `{from, to}`, that one) are to be removed and begins it. Resolves with the operations
 * that have begun, an empty list for none.
 */
export async function removeLinks(serf, only = null) {
  const list = h("div", { class: "links-to-remove" }, skeleton(4));
  const begun = [];
  const note = h("p", { class: "notice warning" }, "Pods that were created go with their peering. Pods that were offloaded come home.");
  const dialog = askUntilDone({
    title: only ? `Remove the link from ${only.from} to ${only.to}` : `Remove Liqo links of ${serf}`,
    content: [list, note],
    buttons: [{ text: "Cancel", value: "" }, { text: "Remove", value: "remove", primary: true }],
    submit: () => removeTicked(list, begun),
  });
  fill(list, serf, only);
  await dialog;
  return begun;
}

async function removeTicked(list, begun) {
  const ticked = [...list.querySelectorAll("input:checked")];
  if (ticked.length === 0) throw new Error("Choose at least one link, or cancel.");
  for (const box of ticked) {
    const { operation } = await disconnect(box.dataset.from, box.dataset.to);
    begun.push(operation);
    // What has begun is not begun again when a later one is refused.
    box.checked = false;
    box.disabled = true;
  }
}

async function fill(list, serf, only) {
  try {
    const all = await connections();
    const own = all.filter(({ from, to }) => (only ? from === only.from && to === only.to : from === serf || to === serf));
    list.replaceChildren(...(own.length > 0 ? own.map((connection) => choice(connection, own.length === 1)) : [h("p", {}, "There is none any more.")]));
    list.querySelector("input")?.focus();
  } catch (error) {
    list.replaceChildren(h("div", { class: "notice error", role: "alert" }, h("p", {}, error.message), error.hint ? h("p", { class: "muted" }, error.hint) : null));
  }
}

function choice({ from, to, state, virtual_node: node }, ticked) {
  const condition = conditionOf({ state, ready: node?.ready ?? false, cordoned: node?.cordoned ?? false });
  const goes = h("div", { class: "cascade" }, h("p", { class: "muted" }, "Asking what goes with it …"));
  showCascade(goes, from, to);
  return h("div", { class: "link-to-remove" },
    h("label", { class: "check" }, h("input", { type: "checkbox", checked: ticked, "data-from": from, "data-to": to }), h("strong", {}, `${from} → ${to}`), ` ${CONDITIONS[condition]}`),
    goes);
}

/** Asks for the cascade of a peering and shows it. */
async function showCascade(place, from, to) {
  try {
    const { cascade: { virtual_pods: pods, namespaces } } = await disconnect(from, to, { dryRun: true });
    const lists = [["delete", "Deleted"], ["bring-back", "Brought back home"]].map(([action, title]) => podList(title, pods.filter((pod) => pod.action === action)));
    place.replaceChildren(
      ...(pods.length === 0 ? [h("p", { class: "muted" }, "No virtual pods go with it.")] : lists.flat()),
      ...(namespaces.length > 0 ? [h("p", {}, h("strong", {}, `Namespaces deleted on ${to}: `), namespaces.join(", "))] : []));
  } catch (error) {
    const words = h("p", { class: "notice error", role: "status" });
    place.replaceChildren(words);
    setText(words, `What goes with it is not known: ${error.message}`);
  }
}

function podList(title, pods) {
  if (pods.length === 0) return [];
  const more = pods.length - MOST_PODS;
  return [
    h("p", {}, h("strong", {}, `${title} (${pods.length.toLocaleString("en")})`)),
    h("ul", { class: "pods-that-go" }, pods.slice(0, MOST_PODS).map(({ id, namespace, pod }) => h("li", {}, `${namespace}/${pod} `, h("span", { class: "muted" }, id))),
      more > 0 ? h("li", { class: "muted" }, `and ${more.toLocaleString("en")} more`) : null),
  ];
}
