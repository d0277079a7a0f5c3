/** The loop of rebalancing: its calls, and the classes of nodes in words and shapes. */

import { get, post, segment } from "./api.js";
import { MISSING, number, sentence } from "./format.js";

/** The loops that are up, at most one. */
export const loops = async (signal) => (await get("/api/rebalance", {}, signal)).loops;
export const algorithms = async () => (await get("/api/rebalance/algorithms")).algorithms;
/** The spread of a loop's nodes over a window, with the migrations in it. */
export const loopHistory = (serf, window, signal) => get(`/api/rebalance/${segment(serf)}/history`, { window }, signal);
/** `{algorithm, target_threshold}` from the next cycle on. */
export const chooseAlgorithm = (serf, choice) => post(`/api/rebalance/${segment(serf)}/algorithm`, choice);

const UNKNOWN = { word: "no score", mark: "?", level: "none" };
const CLASSES = {
  underutilized: { word: "under", mark: "▼", level: "green" },
  appropriate: { word: "fits", mark: "●", level: "none" },
  overutilized: { word: "over", mark: "▲", level: "red" },
};

/** Of a node: `word`, `mark` (a shape) and `level` (the colour's name). */
export const classOf = ({ category }) => CLASSES[category] ?? UNKNOWN;

/** A ratio as text: 0.427 → "43 %". */
export const share = (ratio) => (ratio === null || ratio === undefined ? MISSING : `${number(100 * ratio)} %`);

/** The larger of a node's two pressures; null while none is known. */
export function pressureOf({ cpu_pressure: cpu, memory_pressure: memory }) {
  return cpu === null && memory === null ? null : Math.max(cpu ?? 0, memory ?? 0);
}

/** What of a VM is told by its box, in words. */
export function vmInWords(vm) {
  const moving = vm.migration === null ? "" : `, leaves ${vm.node || "its node"}${vm.target ? ` for ${vm.target}` : ""} (${vm.migration})`;
  return `${vm.name}: CPU ${share(vm.cpu)}, memory ${share(vm.memory)} of a node${vm.phase === "Running" ? "" : `, ${vm.phase}`}${moving}`;
}

/** What is wrong with a loop, as one text; "" when nothing is. */
export const troubles = ({ problems }) => problems.map(sentence).join(" ");
