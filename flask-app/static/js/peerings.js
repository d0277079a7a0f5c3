/** What the page makes of the peerings in the overview: how each is doing, in one word, and whom a serf is peered with. */

/** The peerings of a topology, `[{from, to, state, ready, cordoned, running, total}]`; none are recorded of the past. */
export const peeringsOf = (topology) => topology?.offload?.connections ?? [];

/** By the condition of a peering: what it is called. */
export const CONDITIONS = {
  healthy: "established",
  cordoned: "cordoned",
  "not-ready": "not ready",
  pending: "pending",
  removing: "being removed",
  error: "error",
};

/** The key of `CONDITIONS` that tells most of how a peering is doing. */
export function conditionOf({ state, ready, cordoned }) {
  if (state !== "Established") return { Pending: "pending", Removing: "removing" }[state] ?? "error";
  if (!ready) return "not-ready";
  return cordoned ? "cordoned" : "healthy";
}

/** A serf's peerings in a few words, "to serf2, from serf3 (pending)"; "" where it has none. */
export function peeringText(peerings, serf) {
  const remark = (peering) => (conditionOf(peering) === "healthy" ? "" : ` (${CONDITIONS[conditionOf(peering)]})`);
  const out = peerings.filter(({ from }) => from === serf).map((peering) => `to ${peering.to}${remark(peering)}`);
  const back = peerings.filter(({ to }) => to === serf).map((peering) => `from ${peering.from}${remark(peering)}`);
  return [...out, ...back].join(", ");
}

/** Why nothing can be offloaded at all just now, "" when it can. */
export function offloadTrouble(topology) {
  const { available = false, message = "" } = topology?.offload ?? {};
  if (available) return "";
  return topology?.offload === null ? "The past cannot be changed." : message || "The offload manager does not run.";
}
