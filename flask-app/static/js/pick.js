/** Picking a serf: on the graph where it is shown, else from a list. */

import { openDialog } from "./dialog.js";
import { h } from "./dom.js";

let graphPicks = () => null;
let cancel = () => {};

/** `picker()` gives what picks on the graph, `({candidates, prompt, from}) => {picked: Promise<name|null>, cancel}`, or null while no graph is shown. */
export function pickWith(picker) {
  graphPicks = picker;
}

/** Leaves the picking that is under way, if any: it resolves with null. */
export function cancelPicking() {
  cancel();
}

/**
 * Lets the user pick one of `candidates` (names of serfs) and resolves with it, or with null for none. `prompt` says what to do;
 * `from`, where given, is the serf that an arrow to the one in question begins at.
 */
export async function pickSerf({ candidates, prompt, from = null }) {
  cancelPicking();
  const opener = document.activeElement;
  const pick = graphPicks();
  if (pick === null) return fromList(candidates, prompt);
  const picking = pick({ candidates, prompt, from });
  cancel = picking.cancel;
  const picked = await picking.picked;
  if (cancel === picking.cancel) cancel = () => {};
  if (opener?.isConnected) opener.focus({ preventScroll: true });
  return picked;
}

async function fromList(candidates, prompt) {
  const select = h("select", { id: "picked-serf", autofocus: true }, candidates.map((name) => h("option", { value: name }, name)));
  const choice = await openDialog({
    title: prompt,
    content: h("div", { class: "field" }, h("label", { for: "picked-serf" }, "Serf"), select),
    buttons: [{ text: "Cancel", value: "" }, { text: "Choose", value: "pick", primary: true }],
  });
  return choice === "pick" ? select.value : null;
}
