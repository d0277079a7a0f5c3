/** Which serf may run pods of which, by the peerings of the overview. */

import { peeringsOf } from "./peerings.js";

const peerings = (topology) => peeringsOf(topology).filter(({ state }) => state === "Established");

/** The serfs on which pods of `source` may run. */
export const peersOf = (topology, source) => peerings(topology).filter(({ from }) => from === source).map(({ to }) => to);

/** The serfs whose pods may run elsewhere. */
export const consumers = (topology) => [...new Set(peerings(topology).map(({ from }) => from))];

/** What a choice of a destination should know of it, "" when nothing. */
export function peeringNote(topology, source, dest) {
  const peering = peerings(topology).find(({ from, to }) => from === source && to === dest);
  if (!peering) return "";
  if (!peering.ready) return "its virtual node is not ready";
  if (peering.cordoned) return "cordoned: it takes no new pods";
  if (peering.running === 0) return "";
  return peering.running === 1 ? "1 virtual pod runs there" : `${peering.running.toLocaleString("en")} virtual pods run there`;
}

/** The namespaces of a serf in which pods of users are, `default` first. */
export function namespacesOf(topology, source) {
  const names = topology?.nodes.find(({ name }) => name === source)?.namespaces ?? [];
  return ["default", ...names.filter((name) => name !== "default" && !name.startsWith("kube-") && !name.startsWith("liqo-"))];
}
