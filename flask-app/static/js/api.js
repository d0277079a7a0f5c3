/** The REST API; every failure becomes an `ApiError` with a message and a hint for people. */

import { askForToken, storedToken } from "./token.js";

const TIMEOUT_MS = 15000;
// A change may have to wait for a busy cluster: the viewer does for 30 s, and then says more than this page could.
const CHANGE_TIMEOUT_MS = 35000;
// Browsers finish requests of a page that is left up to this size.
const KEPT_ALIVE_BYTES = 60000;

export class ApiError extends Error {
  constructor({ status = 0, code = "unreachable", message, hint = "", details = {} }) {
    super(message);
    Object.assign(this, { status, code, hint, details });
  }
}

const silent = () => new ApiError({ message: "The viewer does not answer.", hint: "`serflab status` shows whether it runs." });

/**
 * Asks the viewer and returns the JSON of its answer, null for one without content (204, 304). Rejects with an `ApiError`,
 * or with the browser's own AbortError when `signal` is aborted.
 */
async function request(method, path, { parameters = {}, headers = {}, body, signal, patience = TIMEOUT_MS } = {}) {
  const query = new URLSearchParams(parameters).toString();
  const timeout = AbortSignal.timeout(patience);
  const text = body === undefined ? undefined : JSON.stringify(body);
  let response;
  try {
    response = await fetch(query ? `${path}?${query}` : path, {
      method,
      headers: { Accept: "application/json", ...(text === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
      body: text,
      // A change that is sent while the page is left still arrives.
      keepalive: method !== "GET" && (text?.length ?? 0) < KEPT_ALIVE_BYTES,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw silent();
  }
  if (response.status === 204 || response.status === 304) return null;
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer;
  signal?.throwIfAborted();
  // An answer that has begun and does not come to its end.
  if (timeout.aborted) throw silent();
  throw new ApiError(answer?.error ?? { status: response.status, code: "fault", message: `The viewer answered ${response.status}.` });
}

/** GETs JSON. An aborted `signal` rejects with the browser's own AbortError. */
export const get = (path, parameters = {}, signal = undefined) => request("GET", path, { parameters, signal });

/**
 * A call that changes something. Where the viewer demands a token for it, the user is asked, as often as it takes; who
 * gives none gets the viewer's `token_required`.
 */
async function write(method, path, { body, parameters } = {}) {
  let token = storedToken();
  for (;;) {
    try {
      return await request(method, path, { body, parameters, patience: CHANGE_TIMEOUT_MS, headers: token ? { Authorization: `Bearer ${token}` } : {} });
    } catch (error) {
      if (error.code !== "token_required") throw error;
      const given = await askForToken({ refused: token });
      if (given === null) throw error;
      token = given;
    }
  }
}

export const put = (path, body, parameters) => write("PUT", path, { body, parameters });
export const post = (path, body = {}) => write("POST", path, { body });
export const del = (path, parameters) => write("DELETE", path, { parameters });

/** A name as a part of a path. */
export const segment = encodeURIComponent;

/** The whole topology; null when `version`, which the page has already, is still the newest. */
export const topology = (version, signal) => request("GET", "/api/topology", { signal, patience: 6000, headers: version ? { "If-None-Match": `"${version}"` } : {} });

export const clusterInfo = (node, signal) => get(`/api/node/${segment(node)}/cluster-info`, {}, signal);

/** The newest events of a serf's cluster. */
export const clusterEvents = (node, signal) => get(`/api/node/${segment(node)}/events`, {}, signal);

/** How a serf's API server, exporter and replay are doing. */
export const serfHealth = (node, signal) => get(`/api/node/${segment(node)}/health`, {}, signal);

/** The emulation config of a serf, time series left out. */
export const emulationConfig = (node, signal) => get(`/api/node/${segment(node)}/emulation-config`, {}, signal);

/** Where users have put the nodes: `{topology, positions: {name: {x, y}}}`. */
export const positions = () => get("/api/positions");
/** Replaces all positions by `{name: {x, y}}`. */
export const putPositions = (all) => put("/api/positions", { positions: all });
export const forgetPositions = () => del("/api/positions");
