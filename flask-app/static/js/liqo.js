/**
 * The calls for peerings, virtual pods and their operations (docs/api.md has the fields). Each rejects with an `ApiError`. Those
 * that start something answer `{operation, …}` as soon as it has begun; `follow` tells how it goes on.
 */

import { ApiError, del, get, post, segment } from "./api.js";

const POLL_MS = 1500;
// A stream that is held back on its way is given up for polling.
const FIRST_EVENT_MS = 5000;
// A browser has six connections to a viewer; one of them streams the lab, and some must stay free for questions.
const MOST_STREAMS = 2;

let streams = 0;

/** All peerings: `[{from, to, state, modules, virtual_node, …}]`. */
export const connections = async (signal) => (await get("/api/liqo-connections", {}, signal)).connections;

/** Peers a consumer `from` with a provider `to`; `resources`: `{cpu, memory, pods, quota}`, each optional. Answers `{operation, connection}`. */
export const connect = (from, to, resources = {}) => post("/api/liqo-connections", { from, to, ...resources });

/** Ends a peering and its virtual pods: `{operation, cascade}`. With `dryRun` nothing is changed, and `{cascade}` says what would go. */
export const disconnect = (from, to, { dryRun = false } = {}) => {
  const ends = { from, to };
  return dryRun ? del("/api/liqo-connections", { ...ends, dry_run: true }) : del("/api/liqo-connections", ends);
};

const ofPeering = (verb) => (from, to) => post(`/api/liqo-connections/${segment(from)}/${segment(to)}/${verb}`);

/** Lets no new pods onto a virtual node: `{connection}`. */
export const cordon = ofPeering("cordon");
/** Lets new pods onto a virtual node again: `{connection}`. */
export const uncordon = ofPeering("uncordon");
/** Empties a virtual node: `{operation}`. */
export const drain = ofPeering("drain");

/** The virtual pods, all or those of `{source_node, dest_node, status}`. */
export const list = async (filter = {}, signal) => (await get("/api/virtual-pods", filter, signal)).virtual_pods;

/** One virtual pod by its id. */
export const show = async (id, signal) => (await get(`/api/virtual-pods/${segment(id)}`, {}, signal)).virtual_pod;

/** Creates a virtual pod of `{source_node, dest_node, workload_template, interval, …}`: `{operation, virtual_pod}`. */
export const create = (wanted) => post("/api/virtual-pods/create", wanted);

/** Moves a running emulated pod, `{source_node, namespace, pod, dest_node}`: `{operation, virtual_pod}`. */
export const offload = (wanted) => post("/api/virtual-pods/offload", wanted);

/** Brings an offloaded pod home: `{operation}`. */
export const bringBack = (id) => post(`/api/virtual-pods/${segment(id)}/bring-back`);

/** Deletes a virtual pod on both sides: `{operation}`. */
export const remove = (id) => del(`/api/virtual-pods/${segment(id)}`);

/** The workload templates: names, lengths, summaries. */
export const templates = (signal) => get("/api/workload-templates", {}, signal);

/** One workload template with its series. */
export const template = (name, signal) => get(`/api/workload-templates/${segment(name)}`, {}, signal);

const ENDS = new Set(["Succeeded", "Failed"]);

/**
 * Follows an operation to its end and resolves with it as it then is; `onChange(operation)` is told of it now and of each
 * change. An aborted `signal` rejects with the browser's own AbortError.
 */
export async function follow(operation, { onChange = () => {}, signal } = {}) {
  onChange(operation);
  if (ENDS.has(operation.state)) return operation;
  return (await streamed(operation, onChange, signal)) ?? polled(operation.id, onChange, signal);
}

/** The end of an operation as its stream tells it; null where no stream gets through to the end. */
function streamed({ id }, onChange, signal) {
  if (streams >= MOST_STREAMS) return Promise.resolve(null);
  streams += 1;
  return new Promise((resolve, reject) => {
    const source = new EventSource(`/api/operations/${segment(id)}/events`);
    const leave = (settle, value) => {
      clearTimeout(timer);
      source.close();
      streams -= 1;
      signal?.removeEventListener("abort", stop);
      settle(value);
    };
    const stop = () => leave(reject, signal.reason);
    const timer = setTimeout(() => leave(resolve, null), FIRST_EVENT_MS);
    source.addEventListener("operation", ({ data }) => {
      clearTimeout(timer);
      const operation = JSON.parse(data);
      onChange(operation);
      if (ENDS.has(operation.state)) leave(resolve, operation);
    });
    // Also a stream that breaks later: the answer to a question says at once whether there is an end that was missed.
    source.addEventListener("error", () => leave(resolve, null));
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop);
  });
}

async function polled(id, onChange, signal) {
  for (let last = ""; ; ) {
    try {
      const { operation } = await get(`/api/operations/${segment(id)}`, {}, signal);
      if (JSON.stringify(operation) !== last) onChange(operation);
      if (ENDS.has(operation.state)) return operation;
      last = JSON.stringify(operation);
    } catch (error) {
      // What does not answer just now (a manager that starts again) is asked again.
      if (!(error instanceof ApiError) || (error.status > 0 && error.status < 500)) throw error;
    }
    await pause(POLL_MS, signal);
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
