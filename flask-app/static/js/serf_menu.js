/** What can be done with a serf, as a menu. */

import { openMenu } from "./menu.js";
import { offloadTrouble, peeringsOf } from "./peerings.js";
import { peersOf } from "./peers.js";

/**
 * Opens the menu of a serf at a place of the page, `{x, y}`. `actions`: `open(serf)`, `connect(serf)`, `createPod(serf)`,
 * `remove(serf)`; one that is missing has no entry. What cannot be done just now says why.
 */
export function openSerfMenu({ serf, at, topology, actions, opener }) {
  const node = topology.nodes.find(({ name }) => name === serf);
  const trouble = offloadTrouble(topology) || (node?.state === "absent" ? `${serf} is not up.` : "");
  const peered = peeringsOf(topology).some(({ from, to }) => from === serf || to === serf);
  const entries = [
    { text: "Open", act: actions.open },
    { text: "Liqo Connect …", act: actions.connect, reason: trouble },
    { text: "Create Pod …", act: actions.createPod, reason: trouble || (peersOf(topology, serf).length > 0 ? "" : "It needs an established peering to another serf.") },
    { text: "Remove Liqo Links …", act: actions.remove, reason: offloadTrouble(topology) || (peered ? "" : "It has none.") },
  ];
  const items = entries.filter(({ act }) => act).map(({ text, act, reason }) => ({ text, reason, act: () => act(serf) }));
  openMenu({ label: `Actions for ${serf}`, items, at, opener });
}
